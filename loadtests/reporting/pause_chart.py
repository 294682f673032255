"""Turn policies as dots: cut-offs against delay, one chart for each labelled set. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.pauses.figures import PausePolicy
from loadtests.reporting.charts import Chart, Spec, axis, label
from loadtests.reporting.loads import where_words
from loadtests.reporting.pause_tables import SETS, by_set, pauses, policy_name
from loadtests.results import Environment


def pause_dots(policies: Sequence[PausePolicy], where: Environment | None) -> list[Chart]:
    """Cut-offs against delay, set by set: the nearer to the corner at the lower left, the better."""
    return [_dots(found, where) for found in by_set(policies).values()]


def _dots(policies: Sequence[PausePolicy], where: Environment | None) -> Chart:
    """Of one set. Without an open pause nothing can be cut off: such a policy stands at 0."""
    labelled = policies[0].labelled
    data: list[Spec] = []
    for i, policy in enumerate(policies):
        of = policy.overall
        cut, ci = of.cut_off_percent or 0.0, of.cut_off_ci or (0.0, 0.0)
        far = of.delay_max_ms if of.delay_p95_ms is None else of.delay_p95_ms
        data.append({
            "type": "scatter", "mode": "markers", "name": label(policy_name(policies, i)),
            "x": [of.delay_p50_ms], "y": [cut],
            "error_x": {
                "type": "data", "symmetric": False, "array": [max(0.0, far - of.delay_p50_ms)],
                "arrayminus": [0], "thickness": 1.5, "width": 4,
            },
            "error_y": {
                "type": "data", "symmetric": False, "array": [max(0.0, ci[1] - cut)],
                "arrayminus": [max(0.0, cut - ci[0])], "thickness": 1, "width": 3,
            },
            "marker": {"size": 12, "symbol": i % 6, "color": f"var(--ours-{(3 * i + 1) % 8})"},
            "hovertemplate": "%{y:.1f} % cut off, p50 %{x:.0f} ms<extra>%{fullData.name}</extra>",
        })  # fmt: skip
    of = policies[0].overall
    n = f"n = {of.thinking_pauses} thinking pauses ({of.labelled_pauses} different), {of.ends} ends of turn"
    return Chart(
        key=f"pauses-{labelled.replace('_', '-')}",
        title=f"When to answer: cut-offs against delay, {SETS[labelled]}",
        says="Each turn policy as a dot: delay after the caller's true end (p50, whisker to p95, or to the "
        "maximum of fewer than 200) against the share of thinking pauses it cut into (whisker: 95 %). Lower "
        "left is better.",
        data=data,
        layout={
            "xaxis": axis("delay after the true end, ms (p50, whisker to p95 or max)", rangemode="tozero"),
            "yaxis": axis("thinking pauses cut off, %", rangemode="tozero"),
        },
        table=pauses(policies, where),
        resting_on=f"{n} · virtual time · {where_words(where)}",
    )
