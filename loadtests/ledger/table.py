"""The ledger's kept figures as the table of docs/measuring: made by command, never by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from loadtests.ledger.figures import RESULTS, Figures

Cells = Callable[[dict[str, Any]], tuple[str, str]]


def _leaves(row: dict[str, Any]) -> tuple[str, str]:
    what = f"sustained over {row['calls']} calls side by side, sealed content"
    return what, f"{row['leaves_per_s']:,.0f} leaves a second (worst second {row['worst_second']:,})"


def _append(row: dict[str, Any]) -> tuple[str, str]:
    times = f"p50 {row['p50_ms']:.1f}, p99 {row['p99_ms']:.1f}, max {row['max_ms']:.1f} ms"
    return f"append to durable, 200 a second: {row['what']}", times


def _verify(row: dict[str, Any]) -> tuple[str, str]:
    return f"{row['leaves']:,} leaves verified {row['what']}", f"{row['seconds']:.1f} s"


def _proof(row: dict[str, Any]) -> tuple[str, str]:
    times = f"p50 {row['p50_ms']:.2f}, p99 {row['p99_ms']:.1f}, max {row['max_ms']:.1f} ms"
    return f"{row['what']} at {row['leaves']:,} leaves (made-up hashes)", times


def _crash(row: dict[str, Any]) -> tuple[str, str]:
    found = f"{row['lost']} of {row['acknowledged']:,} acknowledged records lost, every next start went on"
    cut = f"; {row['cut_short']} states noted as cut short until then" if row["cut_short"] else ""
    return f"{row['kills']} times kill -9 at random points of a busy writer", found + cut


#: Benchmark → its target, and what to say of a row.
_ROWS: dict[str, tuple[str, Cells]] = {
    "leaves": ("5,000", _leaves),
    "append": ("p99 10 ms", _append),
    "verify": ("30 s", _verify),
    "proof": ("50 ms", _proof),
    "crash": ("0 lost", _crash),
}


def table(folder: Path = RESULTS) -> str:
    """Every kept figure with target, machine and command. Markdown."""
    return "\n".join(_lines(folder))


def _lines(folder: Path) -> Iterator[str]:
    yield "| what | measured | target | command |"
    yield "|---|---|---|---|"
    machines = []
    for name, (target, cells) in _ROWS.items():
        path = folder / f"{name}.json"
        if not path.exists():
            yield f"| {name} | not kept: no run on a machine quiet enough to mean anything | {target} | – |"
            continue
        found = Figures.model_validate(json.loads(path.read_text(encoding="utf-8")))
        for row in found.rows:
            what, measured = cells(row)
            yield f"| {what} | {measured} | {target} | `{found.command}` |"
        machines.append(f"{name}: {found.at}, {found.commit}, {found.machine}")
    yield ""
    yield from (f"- {machine}." for machine in machines)
