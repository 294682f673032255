"""Charts of dots: ratios with their intervals, and turn policies as two numbers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10

from loadtests.reporting.charts import NO_COUNT, Chart, Spec, axis, label, resting_on
from loadtests.reporting.loads import SYSTEMS, Load
from loadtests.reporting.sheets import measure_words, pauses, ratio, ratio_rows
from loadtests.reporting.verdict import calls_words
from loadtests.results import Comparison, PausePolicy, Row, Transport

_SYMBOLS = {"defaults": "circle", "equal_silence": "diamond", "controls_off": "square"}
_COLOURS = {"defaults": "var(--ours-1)", "equal_silence": "var(--ours-4)", "controls_off": "var(--ours-7)"}


def ratio_dots(
    comparison: Comparison, transport: Transport, concurrency: int, found: Sequence[Load], error: str
) -> Chart | None:
    """Ours / theirs with 95 % intervals on a logarithmic axis: left of 1 ours is less."""
    rows = [row for row in comparison.rows if (row.transport, row.concurrency) == (transport, concurrency)]
    if not rows:
        return None
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
    if not comparison.valid:
        n = f"{NO_COUNT} · {n}"
    return Chart(
        key=f"ratios-{transport}-{concurrency}",
        title=f"Ours against the others, {calls_words(concurrency)} at once ({transport})",
        says="Ratio of ours to each baseline with its 95 % interval, logarithmic; left of 1 ours is less.",
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
        table=ratio_rows(Comparison(valid=True, rows=tuple(rows))),
        resting_on=resting_on(n, error, found),
    )  # fmt: skip


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


def pause_dots(policies: Sequence[PausePolicy], commits: str) -> Chart | None:
    """Cut-offs against delay: the nearer to the corner at the lower left, the better."""
    if not policies:
        return None
    data: list[Spec] = [
        {
            "type": "scatter", "mode": "markers", "name": label(p.policy),
            "x": [p.delay_p50_ms], "y": [p.cut_off_percent],
            "error_x": {
                "type": "data", "symmetric": False, "array": [max(0.0, p.delay_p95_ms - p.delay_p50_ms)],
                "arrayminus": [0], "thickness": 1.5, "width": 4,
            },
            "marker": {"size": 12, "symbol": i % 6, "color": f"var(--ours-{(3 * i + 1) % 8})"},
            "hovertemplate": "%{y:.1f} % cut off, p50 %{x:.0f} ms<extra>%{fullData.name}</extra>",
        }
        for i, p in enumerate(policies)
    ]  # fmt: skip
    n = f"n = {policies[0].thinking_pauses} thinking pauses, {policies[0].ends} ends of turn"
    return Chart(
        key="pauses",
        title="When to answer: cut-offs against delay",
        says="Each turn policy as a dot: delay after the caller's true end (p50, whisker to p95) against the "
        "share of thinking pauses it cut into. Lower left is better.",
        data=data,
        layout={
            "xaxis": axis("delay after the true end, ms (p50, whisker to p95)", rangemode="tozero"),
            "yaxis": axis("thinking pauses cut off, %", rangemode="tozero"),
        },
        table=pauses(policies),
        resting_on=f"{n} · virtual time · {commits}",
    )
