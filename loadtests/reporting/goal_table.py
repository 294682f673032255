"""The runtime's goals against kept results: one row a goal, and where the rest of a missed one goes. Pure.

What cannot be reached stays in the table: a goal that was missed without words for it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from controls.errors import ConfigurationError, Problem
from loadtests.reporting import goal_file as g
from loadtests.reporting.goal_figures import Figure, Kept, NotMeasured, figure
from loadtests.reporting.tables import NONE, Table, capital

Verdict = Literal["met, aim too", "met", "missed", "not measured", "reported"]


@dataclass(frozen=True, slots=True)
class Row:
    """One goal judged. ``why_not``: why there is no figure; ``commands``: what makes it."""

    key: str
    goal: g.Goal
    verdict: Verdict
    figure: Figure | None = None
    why_not: str = ""
    commands: tuple[str, ...] = ()


def judged(file: g.GoalFile, kept: Kept) -> list[Row]:
    """Every goal, in order."""
    return [_judged(key, goal, kept, file.commands(goal)) for key, goal in file.goals.items()]


def _judged(key: str, goal: g.Goal, kept: Kept, commands: tuple[str, ...]) -> Row:
    try:
        found = figure(goal.reads, kept)
        error_ms = kept.error_ms(goal.transport) if goal.above_error else 0.0
    except NotMeasured as why:
        return Row(key, goal, "not measured", why_not=str(why), commands=commands)
    return Row(key, goal, verdict(goal, found, error_ms), found)


def verdict(goal: g.Goal, found: Figure, error_ms: float = 0.0) -> Verdict:
    """By the figure itself, not by its interval. ``error_ms`` is the instrument's own."""
    if found.held is not None:
        return "met, aim too" if found.held else "missed"
    if goal.must is None or goal.aim is None or found.value is None:
        return "reported"
    if found.but or not _keeps(goal, goal.must, found.value, error_ms):
        return "missed"
    return "met, aim too" if _keeps(goal, goal.aim, found.value, error_ms) else "met"


def _keeps(goal: g.Goal, limit: float, value: float, error_ms: float) -> bool:
    limit += error_ms if goal.above_error else 0.0
    if math.isclose(value, limit):
        return not goal.below
    return value > limit if goal.higher else value < limit


def unexplained(rows: list[Row]) -> list[Problem]:
    """Goals that were missed and have no words in ``goals.yaml``."""
    return [
        Problem(
            str(g.FILE), 0, f"goals.{row.key}.rest", "was missed, and nothing says where the rest goes",
            "write what was tried and where the time goes",
        )
        for row in rows
        if row.verdict == "missed" and row.goal.rest is None
    ]  # fmt: skip


def outlived(rows: list[Row]) -> list[str]:
    """Keys of goals whose aim is met and which still have words for what was missing: not shown."""
    return [row.key for row in rows if row.verdict == "met, aim too" and row.goal.rest is not None]


def counted(rows: list[Row]) -> str:
    """How many were met, and how many not, in a sentence."""
    judged_rows = [row for row in rows if row.verdict != "reported"]
    met = sum(row.verdict in ("met", "met, aim too") for row in judged_rows)
    aims = sum(row.verdict == "met, aim too" for row in judged_rows)
    missed = sum(row.verdict == "missed" for row in judged_rows)
    unmeasured = sum(row.verdict == "not measured" for row in judged_rows)
    return (
        f"Of {len(judged_rows)} goals {met} are met ({aims} of them with their aim), {missed} missed and "
        f"{unmeasured} not measured."
    )


def page(rows: list[Row]) -> Iterator[str]:
    """Lines: the sentence, the table, what was missed and why, what is not measured and how it would be.

    Raises:
        ConfigurationError: a goal was missed, and nothing says where the rest goes.
    """
    if problems := unexplained(rows):
        raise ConfigurationError(problems)
    yield f"{counted(rows)} A verdict is by the figure itself; its interval stands beside it."
    yield ""
    made = table(rows)
    yield "| " + " | ".join(made.columns) + " |"
    yield "|" + "---|" * len(made.columns)
    yield from ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in made.rows)
    yield ""
    short = [row for row in rows if row.verdict in ("missed", "met") and row.goal.rest]
    if short:
        yield "**Where the rest goes, and what was tried**"
        yield ""
        yield from (f"- *{row.goal.what}*: {' '.join((row.goal.rest or '').split())}" for row in short)
        yield ""
    absent: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if row.verdict == "not measured":
            absent.setdefault(row.commands, []).append(row)
    if absent:
        yield "**Not measured, and how it would be**"
        yield ""
        for commands, of in absent.items():
            yield f"- {' and then '.join(f'`{command}`' for command in commands)}:"
            yield from (f"  - {row.goal.what} ({row.why_not})" for row in of)
        yield ""


def table(rows: list[Row]) -> Table:
    """One row a goal."""
    return Table(
        "The runtime's goals", ("goal", "must", "aim", "measured", "verdict", "where"),
        tuple(_cells(row) for row in rows),
    )  # fmt: skip


def _cells(row: Row) -> tuple[str, ...]:
    goal = row.goal
    measured, where = (row.figure.words, row.figure.where) if row.figure else (NONE, NONE)
    if row.figure and row.figure.but:
        measured += f": {row.figure.but}"
    shown = f"**{row.verdict}**" if row.verdict == "missed" else row.verdict
    return (
        capital(goal.what),
        limit_words(goal, goal.must),
        limit_words(goal, goal.aim),
        measured,
        shown,
        where,
    )


def limit_words(goal: g.Goal, limit: float | None) -> str:
    """“≤ 10 ms”, “≥ 70 calls”, “≤ the error + 5 ms”."""
    if limit is None:
        return "every gate" if isinstance(goal.reads, g.Gates) else "report"
    sign = "≥" if goal.higher else "<" if goal.below else "≤"
    if goal.above_error:
        return f"{sign} the error" + (f" + {limit:g} {goal.unit}" if limit else "")
    space = "" if goal.unit == "×" else " "
    return f"{sign} {limit:,g}{space}{goal.unit}"
