"""Ratios of ours to the others as dots with their intervals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from loadtests.reporting.charts import NO_COUNT, Chart, Spec, axis, label, resting_on
from loadtests.reporting.comparison import Compared, measure_words, ratio, ratio_rows
from loadtests.reporting.loads import SYSTEMS, Load
from loadtests.results import Row

_SYMBOLS = {"defaults": "circle", "equal_silence": "diamond", "controls_off": "square"}
_COLOURS = {"defaults": "var(--ours-1)", "equal_silence": "var(--ours-4)", "controls_off": "var(--ours-7)"}


def ratio_dots(
    what: Compared, rows: Sequence[Row], found: Sequence[Load], error: str, *, valid: bool
) -> Chart:
    """Ours / theirs with intervals on a logarithmic axis: left of 1 ours is less.

    Args:
        rows: one at least, all of ``what``.
        found: the loads they rest on.
        error: the instrument's.
        valid: whether the comparison counts.
    """
    measures = list(dict.fromkeys(row.measure for row in rows))
    data = [
        _dots(baseline, [row for row in rows if row.baseline == baseline])
        for baseline in dict.fromkeys(row.baseline for row in rows)
    ]
    bounds = [bound for row in rows for bound in row.ci] + [1.0]
    low, high = log10(min(bounds)) - 0.08, log10(max(bounds)) + 0.08
    heights = 110 + (14 + 11 * len(data)) * len(measures)
    steps = [s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= log10(s) <= high]
    names = [f"{s:g}×" for s in steps]
    n = f"n = {min(row.n for row in rows):,} to {max(row.n for row in rows):,} a side"
    if not valid:
        n = f"{NO_COUNT} · {n}"
    return Chart(
        key=f"ratios-{what.key}",
        title=f"Ours against the others: {what.title}",
        says=f"Ratio of ours to each baseline, logarithmic; left of 1 ours is less. {_intervals(rows)}",
        data=data,
        layout={
            "scattermode": "group",
            "xaxis": axis("ours / theirs", type="log", range=[low, high], tickvals=steps, ticktext=names),
            "yaxis": {
                "categoryorder": "array", "automargin": True,
                "categoryarray": [label(measure_words(m)) for m in reversed(measures)],
            },
            "shapes": [{
                "type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "yref": "paper",
                "line": {"color": "var(--limit)", "width": 1.5, "dash": "dash"},
            }],
            "height": heights,
        },
        table=ratio_rows(rows),
        resting_on=resting_on(n, error, found),
    )  # fmt: skip


def _intervals(rows: Sequence[Row]) -> str:
    ranges = list(dict.fromkeys(measure_words(row.measure) for row in rows if row.ci_is == "range"))
    of_ranges = f"; of {', '.join(ranges)}: the range of the blocks" if ranges else ""
    return f"Whiskers: 95 %{of_ranges}."


def _dots(baseline: str, rows: Sequence[Row]) -> Spec:
    return {
        "type": "scatter", "mode": "markers", "orientation": "h",
        "name": label(f"against {SYSTEMS[rows[0].baseline]}"),
        "x": [row.ratio for row in rows], "y": [label(measure_words(row.measure)) for row in rows],
        "error_x": {
            "type": "data", "symmetric": False, "thickness": 1.5, "width": 4,
            "array": [max(0.0, row.ci[1] - row.ratio) for row in rows],
            "arrayminus": [max(0.0, row.ratio - row.ci[0]) for row in rows],
        },
        "marker": {"size": 9, "symbol": _SYMBOLS[baseline], "color": _COLOURS[baseline]},
        "customdata": [ratio(row) for row in rows],
        "hovertemplate": "%{y}: %{customdata}<extra>%{fullData.name}</extra>",
    }  # fmt: skip
