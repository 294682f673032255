"""What the rule packs do on labelled sentences, as tables: of a run, and of the one kept for docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loadtests import markdown
from loadtests.packs.cost import Cost
from loadtests.packs.score import Row, Share
from loadtests.packs.sentences import Set


def tables(name: Set, found: Sequence[Row]) -> list[str]:
    """One set as a table."""
    title = {
        "held_out": "Held-out sentences: those who wrote the rules did not see them",
        "development": "Sentences by which the rules were written",
    }[name]
    columns = ("pack", "language", "stopped of what must be (95 %)", "touched of what must pass (95 %)")
    lines = [(row.pack, row.language, str(row.stopped or "–"), str(row.touched or "–")) for row in found]
    return [title, "", *markdown.table(columns, lines)]


def cost_table(found: Sequence[Cost]) -> list[str]:
    """What a clause costs, as a table."""
    columns = ("language", "rules", "clauses judged", "p50, ms", "p99, ms", "max, ms")
    lines = [
        (c.language, str(c.rules), str(c.judged), f"{c.p50_ms:.3f}", f"{c.p99_ms:.3f}", f"{c.max_ms:.3f}")
        for c in found
    ]
    return ["One clause by all rules of all packs", "", *markdown.table(columns, lines)]


def page(kept: Mapping[str, Any]) -> str:
    """The kept run (``results.json`` as plain values): both sets and the cost, with where they were made."""
    lines: list[str] = []
    for name in ("held_out", "development"):
        rows = [
            Row(row["pack"], row["language"], _share(row["stopped"]), _share(row["touched"]))
            for row in kept["sets"][name]
        ]
        lines += [*tables(name, rows), ""]
    lines += [*cost_table([Cost(**cost) for cost in kept["cost"]]), ""]
    made = kept["environment"]
    return "\n".join([*lines, f"Made at commit {made['commit']} on {made['cpu']}."])


def _share(found: Mapping[str, Any] | None) -> Share | None:
    if found is None:
        return None
    return Share(found["found"], found["n"], found["percent"], (found["ci"][0], found["ci"][1]))
