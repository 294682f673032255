"""What the ledger bears and costs, in tables: leaves, appends, verification, proofs, kill -9.

``python -m loadtests.ledger leaves|append|verify|proof|crash`` runs one benchmark
with progress on standard error and prints its table; ``--keep`` also writes it, with
machine, commit and command, to ``loadtests/results/ledger/<benchmark>.json``. The disk
is the one under ``--dir`` (the system's temporary folder by default). Nothing here
asserts a time; ``crash`` exits 1 when an acknowledged record was lost or a log does
not hold. ``table`` prints what is kept, as docs/measuring holds it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from loguru import logger

from loadtests.ledger import crash as ledger_crash
from loadtests.ledger import proofs as ledger_proofs
from loadtests.ledger import rates as ledger_rates
from loadtests.ledger import table as ledger_table
from loadtests.ledger.figures import RESULTS, Figures, figures, keep, progress, show


def leaves(options: argparse.Namespace, folder: Path) -> Figures:
    rows = [ledger_rates.write(folder / str(calls), options.seconds, calls) for calls in options.calls]
    return figures("leaves", rows)


def append(options: argparse.Namespace, folder: Path) -> Figures:
    rows = ledger_rates.append(folder, options.seconds, options.per_s, options.seed)
    return figures("append", rows, [f"open loop, Poisson arrivals drawn in advance, seed {options.seed}"])


def verify(options: argparse.Namespace, folder: Path) -> Figures:
    return figures("verify", ledger_rates.verify(folder, options.leaves))


def proof(options: argparse.Namespace, folder: Path) -> Figures:
    rows = ledger_proofs.proofs(folder, options.leaves, options.proofs, options.seed)
    return figures("proof", rows, ["leaf hashes made up, tiles as published, page cache warm, cold prover"])


def crash(options: argparse.Namespace, folder: Path) -> Figures:
    return figures("crash", [ledger_crash.crash(folder, options.kills, options.seed)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.ledger",
        description="What the ledger bears and costs.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--keep", action="store_true", help=f"also write the table to {RESULTS}")
    shared.add_argument("--dir", type=Path, default=None, help="folder whose disk is measured")
    shared.add_argument("--seed", type=int, default=1)
    commands = parser.add_subparsers(dest="benchmark", required=True)
    one = commands.add_parser("leaves", parents=[shared], help="sustained leaves a second")
    one.add_argument("--seconds", type=float, default=20.0)
    one.add_argument("--calls", type=int, nargs="+", default=[8, 200], help="running side by side")
    one.set_defaults(run=leaves)
    one = commands.add_parser("append", parents=[shared], help="durable appends in open loop")
    one.add_argument("--seconds", type=float, default=30.0)
    one.add_argument("--per-s", type=float, default=200.0)
    one.set_defaults(run=append)
    one = commands.add_parser("verify", parents=[shared], help="a whole verification")
    one.add_argument("--leaves", type=int, default=100_000)
    one.set_defaults(run=verify)
    one = commands.add_parser("proof", parents=[shared], help="one proof from published tiles")
    one.add_argument("--leaves", type=int, default=1_000_000)
    one.add_argument("--proofs", type=int, default=1000, help="of each kind")
    one.set_defaults(run=proof)
    one = commands.add_parser("crash", parents=[shared], help="kill -9 at random points of a busy writer")
    one.add_argument("--kills", type=int, default=200)
    one.set_defaults(run=crash)
    commands.add_parser("table", help="print the kept figures as docs/measuring holds them")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one benchmark; 1 when what must hold did not."""
    options = _parser().parse_args(arguments)
    if options.benchmark == "table":
        sys.stdout.write(ledger_table.table() + "\n")
        return 0
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        found: Figures = options.run(options, Path(folder))
    sys.stdout.write(show(found) + "\n")
    if options.keep:
        progress(f"kept in {keep(found, RESULTS)}")
    return 0 if all(row.get("holds", True) for row in found.rows) else 1


if __name__ == "__main__":
    logger.remove()  # of the ledger's own lines, warnings are enough beside the progress
    logger.add(sys.stderr, level="WARNING")
    sys.exit(main())
