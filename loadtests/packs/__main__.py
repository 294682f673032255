"""``python -m loadtests.packs``: rule packs against labelled sentences."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from controls.errors import SayError
from loadtests.environment import environment
from loadtests.packs.cost import Cost, cost
from loadtests.packs.score import Judged, Row, compiled, judged, rows
from loadtests.packs.sentences import Set, sentences
from loadtests.packs.tables import cost_table, tables

RULES = Path("configs/rules")


def main(arguments: Sequence[str] | None = None) -> int:
    """Score the packs; 2 when a pack or a set cannot be used."""
    given = _options().parse_args(arguments)
    try:
        rules = compiled(given.rules)
        sets: list[Set] = [given.set] if given.set else ["held_out", "development"]
        found = {name: list(judged(sentences(name), rules)) for name in sets}
    except SayError as error:
        print(f"packs: {error}", file=sys.stderr)
        return 2
    if given.pack:
        found = {name: [j for j in list_ if j.sentence.pack == given.pack] for name, list_ in found.items()}
    costs = cost([j.sentence for list_ in found.values() for j in list_], rules) if given.cost else []
    for name, list_ in found.items():
        print("\n".join([*tables(name, rows(list_)), ""]))
        if name == "development":
            print("\n".join(_wrong(list_)), end="")
    if costs:
        print("\n".join(cost_table(costs)))
    if given.out:
        _keep(given.out, {name: rows(list_) for name, list_ in found.items()}, costs)
    return 0


def _wrong(found: Sequence[Judged]) -> Iterator[str]:
    for j in found:
        if not j.right:
            what = "missed" if j.sentence.label == "block" else f"touched by {', '.join(j.rules)}"
            yield f"{j.sentence.pack} {j.sentence.language} {j.sentence.moment}: {what}: {j.sentence.shown}\n"


def _keep(out: Path, found: dict[Set, list[Row]], costs: Sequence[Cost]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    kept = {
        "environment": environment().model_dump(mode="json"),
        "sets": {name: [asdict(row) for row in list_] for name, list_ in found.items()},
        "cost": [asdict(c) for c in costs],
    }
    (out / "results.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _options() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m loadtests.packs",
        description="Rule packs against labelled sentences: what they stop and touch, what judging costs.",
        epilog="Example: python -m loadtests.packs --set development --pack health-boundaries",
    )
    options.add_argument("--set", choices=("held_out", "development"), help="one set only")
    options.add_argument("--pack", help="one pack's sentences only, still before all rules")
    options.add_argument("--rules", type=Path, default=RULES, metavar="DIR", help="where the packs lie")
    options.add_argument("--cost", action="store_true", help="measure what one clause costs, too")
    options.add_argument("--out", type=Path, metavar="DIR", help="keep results.json there")
    return options


if __name__ == "__main__":
    sys.exit(main())
