"""What the ledger's load tests report: rows that check themselves, with machine, commit and command."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loadtests.environment import environment
from loadtests.statistics import percentile

RESULTS = Path("loadtests/results/ledger")


class Row(BaseModel):
    """One line of a table. Times in ms unless a name says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    what: str = Field(min_length=1)


class Spread(Row):
    """Latencies of ``n`` events; a p99 wants 1,000 of them, else only the maximum says something."""

    n: int = Field(ge=1)
    p50_ms: float = Field(ge=0)
    p99_ms: float = Field(ge=0)
    max_ms: float = Field(ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.p50_ms <= self.p99_ms <= self.max_ms:
            raise ValueError("percentiles out of order")
        return self


class Figures(BaseModel):
    """One benchmark's table, and what is needed to make it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    benchmark: str
    command: str
    commit: str = Field(pattern=r"^[0-9a-f]{7,}( with changes)?$|^unknown$")
    machine: str = Field(min_length=1)
    at: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    notes: list[str] = Field(default=[])
    rows: list[dict[str, object]] = Field(min_length=1)


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """The three figures of a ``Spread`` from latencies in s.

    Raises:
        ValueError: no latencies.
    """
    names = {"p50_ms": 50, "p99_ms": 99, "max_ms": 100}
    return {name: round(percentile(seconds, percent) * 1000, 3) for name, percent in names.items()}


def figures(benchmark: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> Figures:
    """The table with where, when and how it was made."""
    load, where = os.getloadavg()[0], environment()
    return Figures(
        benchmark=benchmark,
        command=f"python -m loadtests.ledger {shlex.join(sys.argv[1:])}",
        commit=f"{where.commit} with changes" if where.changed else where.commit,
        machine=f"{where.cpu}, {where.cores} cores, Python {where.python}, {where.system}, "
        f"load {load:.1f} at the end",
        at=time.strftime("%Y-%m-%d", time.gmtime()),
        notes=list(notes),
        rows=[row.model_dump() for row in rows],
    )


def show(found: Figures) -> str:
    """The table as text."""
    names = list(found.rows[0])
    table = [names, *([str(row.get(name, "")) for name in names] for row in found.rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(names))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "\n".join(
        [
            *(line.rstrip() for line in lines),
            *found.notes,
            f"{found.machine}; {found.commit}; {found.command}",
        ]
    )


def keep(found: Figures, folder: Path) -> Path:
    """Write ``<folder>/<benchmark>.json`` and say where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found.benchmark}.json"
    path.write_text(json.dumps(found.model_dump(), indent=1) + "\n", encoding="utf-8")
    return path


def progress(line: str) -> None:
    """Tell whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
