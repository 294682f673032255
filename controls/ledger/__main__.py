"""``python -m controls.ledger``: checks a ledger with nothing but this package installed."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from controls.errors import OperatorError, SayError
from controls.ledger.findings import Report
from controls.ledger.reader import Reader
from controls.ledger.records import RECORDS, Record
from controls.ledger.sources import verify

_EXIT = "exit status: 0 it holds, 1 damage was found, 2 usage, or no such file"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m controls.ledger",
        description="Check a ledger, what is published of it, or an audit packet, offline.",
        epilog=_EXIT,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    checks = commands.add_parser(
        "verify",
        help="run every numbered check and name what failed",
        epilog="example: python -m controls.ledger verify .sayso/ledger --trust auditor.keys; " + _EXIT,
    )
    checks.add_argument(
        "place", metavar="PACKET|DIR|URL",
        help="an audit packet; a ledger's directory, one log's, or published tiles; a published log's"
        " address; a .tlog-proof file (with --leaf)",
    )  # fmt: skip
    checks.add_argument(
        "--trust", type=Path, metavar="FILE", help="keys of logs and witnesses you trust (C2SP tlog-policy)"
    )
    checks.add_argument("--leaf", type=Path, metavar="FILE", help="the leaf a .tlog-proof file is about")
    checks.add_argument("--keys", type=Path, metavar="DIR", help="key files, if they lie elsewhere")
    checks.add_argument("--json", action="store_true", help="print one JSON object")
    keys = commands.add_parser(
        "keys",
        help="print the verifier key each log claims, for a trust file",
        epilog="example: python -m controls.ledger keys .sayso/ledger > auditor.keys",
    )
    keys.add_argument("directory", type=Path, metavar="DIR")
    commands.add_parser(
        "records",
        help="print the table of record types, as docs/record-format holds it",
        epilog="example: python -m controls.ledger records",
    )
    return parser


def _say(line: str) -> None:
    encoding = (
        sys.stdout.encoding or "utf-8"
    )  # a terminal without the dash gets a question mark, no traceback
    sys.stdout.write(line.encode(encoding, "replace").decode(encoding) + "\n")


def _print(report: Report) -> None:
    for check in report.checks:
        outcome = "FAIL" if not check.ok else "ok" if check.checked else "–"
        _say(f"{check.number:>2} {check.name:<12} {outcome:<4}  {check.detail}".rstrip())
    _say(f"{report.records} records in {len(report.origins)} log(s): {report.verdict}")


def records_table() -> str:
    """Every record type: its own leaf fields, and what is sealed beside it. Markdown."""
    lines = ["| type | in the leaf | sealed beside it |", "|---|---|---|"]
    common = set(Record.model_fields)
    for name in sorted(RECORDS):
        model = RECORDS[name]
        own = ", ".join(f"`{field}`" for field in model.model_fields if field not in common)
        sealed = ", ".join(f"`{field}`" for field in model.personal.model_fields) if model.personal else ""
        lines.append(f"| `{name}` | {own} | {sealed} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "records":
            _say(records_table())
            return 0
        if options.command == "keys":
            with Reader.open(options.directory) as reader:
                for view in reader.views():
                    _say(view.vkey)
            return 0
        report = verify(options.place, options.trust, leaf=options.leaf, keys=options.keys)
    except SayError as error:
        sys.stderr.write(f"{error}\n")
        return OperatorError.exit_code if isinstance(error, OperatorError) else 1
    if options.json:
        _say(json.dumps({**dataclasses.asdict(report), "verdict": report.verdict}, indent=2))
    else:
        _print(report)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
