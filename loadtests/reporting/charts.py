"""The report's charts as Plotly figures in plain dictionaries, with what a sceptic wants beside them. Pure.

A chart shows one setting: mock and real engines never share one, nor do two machines or two commits.
Each carries n, the instrument's error and the commit, a description in words, and its figures as a table.
Colours are CSS variables ("var(--ours-3)"), so that the page can be read dark, light and printed.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

from loadtests.reporting.loads import RANDOM_WEIGHTS, SYSTEMS, Load, Setting, tested
from loadtests.reporting.tables import Table, capital, full_name, knee_words, ms, name
from loadtests.reporting.verdict import MEASURES, knee, targets
from loadtests.results import Measure
from loadtests.summary import turn_values

Spec = dict[str, Any]
#: Steps of the ramp of colours for ours, by concurrency.
RAMP = 8
#: Points of a curve beyond which it is thinned; the last one always stays.
_POINTS = 600
#: On charts of runs that are invalid.
NO_COUNT = "DOES NOT COUNT (why: see the first minute)"
_DASHES = {"defaults": "solid", "equal_silence": "dash", "controls_off": "dot"}
_WITHIN_MS = (300, 500, 800, 1100, 1400, 2000, 3000)


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure with everything a sceptic wants beside it.

    Attributes:
        says: what is to be seen, in a sentence, for those who do not see it.
        table: the same figures as words.
        resting_on: n, error, commit.
    """

    key: str
    title: str
    says: str
    data: list[Spec]
    layout: Spec
    table: Table
    resting_on: str


def resting_on(n: str, error: str, found: Sequence[Load]) -> str:
    """The line under each chart."""
    commits = sorted({load.commit for load in found})
    parts = [n, error, f"commit {', '.join(commits)}"]
    if found and not any(load.valid for load in found):
        parts.insert(0, NO_COUNT)
    if any(load.random_weights for load in found):
        parts.append(f"{RANDOM_WEIGHTS}: cost, not accuracy")
    return " · ".join(parts)


def drawn(found: Sequence[Load]) -> list[Load]:
    """The loads that count; where none of ours does, all of them, to be marked as such."""
    valid = [load for load in found if load.valid]
    return valid if tested(valid) else list(found)


def label(text: str) -> str:
    """Text as Plotly shows it: without its little markup."""
    return html.escape(text, quote=False)


def axis(title: str, **more: Any) -> Spec:
    """One axis with its title."""
    return {"title": {"text": label(title), "standoff": 8}, "zeroline": False, **more}


def _line(value: float, text: str, *, across: bool) -> tuple[Spec, Spec]:
    """A limit as a dashed line with its name; ``across`` runs from left to right."""
    at, span = ("y", "x") if across else ("x", "y")
    style = {"color": "var(--limit)", "width": 1.5, "dash": "dash"}
    place = {"xanchor": "right", "yanchor": "bottom"} if across else {"xanchor": "left", "yanchor": "bottom"}
    shape = {
        "type": "line", f"{at}0": value, f"{at}1": value, f"{span}0": 0, f"{span}1": 1, f"{span}ref": "paper",
        "line": style,
    }  # fmt: skip
    note = {
        at: value, span: 1 if across else 0, f"{span}ref": "paper", "text": label(text), "showarrow": False,
        "font": {"color": "var(--limit)", "size": 12}, **place,
    }  # fmt: skip
    return shape, note


def _limit_ms(measure: Measure) -> float | None:
    return next((goal.limit_ms for goal in targets() if goal.measure == measure), None)


def _step(index: int, of: int) -> str:
    """A colour of the ramp: the more calls, the further along."""
    return f"var(--ours-{round(index * (RAMP - 1) / max(1, of - 1))})"


# --- how long callers waited, as curves ---------------------------------------------------------------


def ecdf(setting: Setting, found: Sequence[Load], measure: Measure, error: str) -> Chart | None:
    """The share of turns answered within so many ms, a curve for each load; baselines in grey.

    A curve ends below 100 % where turns were never answered: they count in n and lie beyond every time shown.
    """
    shown = [load for load in drawn(found) if turn_values(load.turns, measure)]
    ours = tested(shown)
    if not ours:
        return None
    data = []
    for load in [load for load in shown if load not in ours] + ours:
        mine = load in ours
        colour = _step(ours.index(load), len(ours)) if mine else "var(--baseline)"
        dash = "solid" if mine else _DASHES.get(load.system, "dashdot")
        data.append({
            "type": "scatter", "mode": "lines", **_curve(load, measure),
            "name": label(name(load)),
            "line": {"shape": "hv", "color": colour, "dash": dash, "width": 2.5 if mine else 1.5},
            "hovertemplate": "%{y:.1%} within %{x:.0f} ms<extra>%{fullData.name}</extra>",
        })  # fmt: skip
    limit = _limit_ms(measure)
    last = max([point for trace in data for point in trace["x"]] + [1.2 * (limit or 0)])
    layout: Spec = {
        "xaxis": axis("ms after the caller's last sample", range=[0, 1.04 * last]),
        "yaxis": axis("turns answered", tickformat=".0%", range=[0, 1.02]),
    }
    if limit:
        shape, note = _line(limit, f"target {ms(limit)}", across=False)
        note["xanchor"] = "left" if limit < 0.6 * last else "right"
        layout |= {"shapes": [shape], "annotations": [note]}
    rows = [(full_name(load), *_within(load, measure)) for load in shown]
    columns = ("system, calls at once", *(f"within {t:,} ms" for t in _WITHIN_MS), "never answered")
    n = sum(load.summary[measure].n for load in shown if measure in load.summary)
    return Chart(
        key=f"ecdf-{measure.removesuffix('_ms')}-{setting.key}",
        title=f"{capital(MEASURES[measure])}: how many turns were answered by when",
        says=f"Share of turns against {MEASURES[measure]}, one curve for each number of calls at once"
        + (", baselines in grey." if len(ours) < len(shown) else "."),
        data=data,
        layout=layout,
        table=Table("Turns answered", columns, tuple(rows)),
        resting_on=resting_on(f"n = {n:,} turns", error, shown),
    )


def _curve(load: Load, measure: Measure) -> Spec:
    values = turn_values(load.turns, measure)
    answered = sorted(value for _, value, censored in values if not censored)
    step = max(1, len(answered) // _POINTS)
    at = sorted({*range(0, len(answered), step), len(answered) - 1} - {-1})
    return {
        "x": [answered[i] for i in at[:1] + at],
        "y": [0] * len(at[:1]) + [*((i + 1) / len(values) for i in at)],
    }


def _within(load: Load, measure: Measure) -> list[str]:
    values = turn_values(load.turns, measure)
    shares = [
        sum(1 for _, v, censored in values if v <= t and not censored) / len(values) for t in _WITHIN_MS
    ]
    return [*(f"{100 * share:.1f} %" for share in shares), str(sum(censored for _, _, censored in values))]


# --- percentiles against load -------------------------------------------------------------------------


def against_load(setting: Setting, found: Sequence[Load], measure: Measure, error: str) -> Chart | None:
    """p50, p95 and p99 against calls at once, with the knee; a maximum where turns are too few.

    A point stands at the calls that really went on, on average, where that is known; else at those offered.
    """
    shown = [load for load in drawn(found) if measure in load.summary]
    ours = tested(shown)
    if not ours:
        return None
    data = []
    for system in dict.fromkeys(load.system for load in reversed(shown)):
        of_system = [load for load in shown if load.system == system]
        data += _percentile_lines(of_system, measure, mine=of_system[0] in ours)
    counts = sorted({load.concurrency for load in shown})
    as_offered = all(load.achieved is None for load in shown)
    values = [y for trace in data for y in trace["y"]]
    limit = _limit_ms(measure)
    tall = max(values) > 5 * (limit or max(values))
    layout: Spec = {
        "xaxis": axis(
            "calls at once, as offered" if as_offered else "calls at once, on average (marks: as offered)",
            type="log",
            tickvals=counts,
            ticktext=[str(c) for c in counts],
        ),
        "yaxis": axis(f"{MEASURES[measure]}, ms", **({"type": "log"} if tall else {"rangemode": "tozero"})),
        "shapes": [],
        "annotations": [],
    }
    if limit:
        shape, note = _line(limit, f"target p95 {ms(limit)}", across=True)
        if tall:
            note["y"] = log10(limit)
        layout["shapes"].append(shape)
        layout["annotations"].append(note)
    bend = knee(found)
    if bend.carried is not None and bend.missed is not None and bend.by == "server":
        at = next(load.at for load in ours if load.concurrency == bend.carried)
        shape, note = _line(at, f"knee: {bend.carried} carried, {bend.missed} not", across=False)
        shape["line"] = {"color": "var(--muted)", "width": 1, "dash": "dot"}
        note |= {
            "x": log10(at),
            "xanchor": "left" if at == min(load.at for load in shown) else "right",
            "y": 1,
            "yanchor": "top",
            "font": {"color": "var(--muted)", "size": 12},
        }
        layout["shapes"].append(shape)
        layout["annotations"].append(note)
    rows = tuple(
        (full_name(load), str(s.n), ms(s.p50), ms(s.p95), ms(s.p99), ms(s.max))
        for load in shown
        for s in [load.summary[measure]]
    )
    left_out = sum(1 for load in found if not load.valid and load not in shown)
    turns = f"n = {sum(load.summary[measure].n for load in shown):,} turns"
    if left_out:
        turns += f", left out: {left_out} that {'does' if left_out == 1 else 'do'} not count"
    return Chart(
        key=f"load-{measure.removesuffix('_ms')}-{setting.key}",
        title=f"{capital(MEASURES[measure])} against calls at once",
        says=f"p50, p95 and p99 of {MEASURES[measure]} by calls at once. {knee_words(found, reasons=False)}",
        data=data,
        layout=layout,
        table=Table("Percentiles, ms", ("system, calls at once", "turns", "p50", "p95", "p99", "max"), rows),
        resting_on=resting_on(turns, error, shown),
    )


_MARKS = {
    "p50": ("circle", "var(--ours-1)"),
    "p95": ("square", "var(--ours-4)"),
    "p99": ("diamond", "var(--ours-7)"),
}


def _percentile_lines(found: Sequence[Load], measure: Measure, *, mine: bool) -> list[Spec]:
    data = []
    system = SYSTEMS[found[0].system]
    for percentile, (symbol, colour) in _MARKS.items():
        points = [
            (load, value)
            for load in found
            if (value := getattr(load.summary[measure], percentile)) is not None
        ]
        data.append(_points(f"{system}, {percentile}", points, symbol, colour if mine else "var(--baseline)"))
        data[-1]["line"]["dash"] = "solid" if mine else _DASHES.get(found[0].system, "dashdot")
    few = [load for load in found if load.summary[measure].p95 is None]
    maxima = [(load, load.summary[measure].max) for load in few]
    colour = "var(--ours-6)" if mine else "var(--baseline)"
    data.append(_points(f"{system}, maximum (too few turns for p95)", maxima, "x-thin-open", colour))
    data[-1]["mode"] = "markers"
    return [trace for trace in data if trace["x"]]


def _points(words: str, points: Sequence[tuple[Load, float]], symbol: str, colour: str) -> Spec:
    return {
        "type": "scatter", "mode": "lines+markers", "name": label(words),
        "x": [load.at for load, _ in points], "y": [y for _, y in points],
        "customdata": [load.at_once for load, _ in points],
        "line": {"color": colour, "width": 2}, "marker": {"symbol": symbol, "color": colour, "size": 9},
        "hovertemplate": "%{y:.0f} ms, calls at once %{customdata}<extra>%{fullData.name}</extra>",
    }  # fmt: skip
