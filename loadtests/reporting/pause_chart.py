"""Turn policies as dots: cut-offs against delay. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.reporting.charts import Chart, Spec, axis, label
from loadtests.reporting.loads import where_words
from loadtests.reporting.tables import pauses, policy_name
from loadtests.results import Environment, PausePolicy


def pause_dots(policies: Sequence[PausePolicy], where: Environment | None) -> Chart | None:
    """Cut-offs against delay: the nearer to the corner at the lower left, the better."""
    if not policies:
        return None
    data: list[Spec] = [
        {
            "type": "scatter", "mode": "markers", "name": label(policy_name(policies, i)),
            "x": [p.delay_p50_ms], "y": [p.cut_off_percent],
            "error_x": {
                "type": "data", "symmetric": False,
                "array": [max(0.0, (p.delay_p95_ms or p.delay_max_ms) - p.delay_p50_ms)],
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
        says="Each turn policy as a dot: delay after the caller's true end (p50, whisker to p95, or to the "
        "maximum of fewer than 200) against the share of thinking pauses it cut into. Lower left is better.",
        data=data,
        layout={
            "xaxis": axis("delay after the true end, ms (p50, whisker to p95 or max)", rangemode="tozero"),
            "yaxis": axis("thinking pauses cut off, %", rangemode="tozero"),
        },
        table=pauses(policies, where),
        resting_on=f"{n} · virtual time · {where_words(where)}",
    )
