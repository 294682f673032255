"""Where the time of one turn went: stages of a typical and of a slow one, beside each other. Pure.

The server's trace gives spans, not moments. They are laid end to end as ``docs/measuring``
defines them: recognition beside endpointing, the durable record beside synthesis. What is
left until the server's own first sample was spent between the stages; what is left
until the caller's first audible sample is network, playout and the instrument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.reporting.charts import Chart, Spec, axis, drawn, resting_on
from loadtests.reporting.loads import Load, Setting, tested
from loadtests.reporting.tables import NONE, Table, ms
from loadtests.results import MIN_P95, Turn
from loadtests.statistics import rank
from loadtests.summary import SPOKEN

STAGES = {
    "endpointing": "end of turn found",
    "recognition": "recognised (beside it)",
    "first_token": "model's first token",
    "verdict": "verdict of the gate",
    "durable": "record durable",
    "synthesis": "speech made (beside it)",
    "egress": "let out",
    "between": "between these stages",
    "line": "network, playout, instrument",
    "total": "first audio out, at the caller",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One stage of one turn: where it begins and how long it took, ms."""

    stage: str
    begins: float
    took: float


def bars(turn: Turn) -> list[Bar]:
    """The stages of a turn in order; one that the turn did not have is left out.

    A rest below zero is left out too: two clocks differ by less than the instrument's error.
    """
    spans = {name: span for name, span in (turn.stages or {}).items() if span is not None}
    found = [Bar(stage, 0.0, spans[stage]) for stage in ("endpointing", "recognition") if stage in spans]
    at = spans.get("endpointing", 0.0)
    for stage in ("first_token", "verdict"):
        if stage in spans:
            found.append(Bar(stage, at, spans[stage]))
            at += spans[stage]
    together = [stage for stage in ("durable", "synthesis") if stage in spans]
    found += [Bar(stage, at, spans[stage]) for stage in together]
    at += max((spans[stage] for stage in together), default=0.0)
    if "egress" in spans:
        found.append(Bar("egress", at, spans["egress"]))
        at += spans["egress"]
    ends = {"between": spans.get("first_audio_out"), "line": turn.first_audio_out_ms}
    for stage, end in ends.items():
        if end is not None and end > at:
            found.append(Bar(stage, at, end - at))
            at = end
    if turn.first_audio_out_ms is not None:
        found.append(Bar("total", 0.0, turn.first_audio_out_ms))
    return found


def examples(turns: Sequence[Turn]) -> Mapping[str, Turn]:
    """The median turn and the p95 one by first audio out; the slowest where turns are too few for a p95.

    Of answered turns whose stages are known; the percentiles are of these.
    """
    known = sorted(
        (t for t in turns if t.kind in SPOKEN and t.stages and not (t.cold or t.edge or t.censored)),
        key=lambda t: t.first_audio_out_ms or 0.0,
    )
    if not known:
        return {}
    slow = "p95 turn" if len(known) >= MIN_P95 else "slowest turn"
    last = rank(len(known), 95) if len(known) >= MIN_P95 else len(known)
    return {"typical turn (p50)": known[rank(len(known), 50) - 1], slow: known[last - 1]}


def waterfall(setting: Setting, load: Load, error: str) -> Chart | None:
    """The stages of a typical and of a slow turn at one load; None where no trace was read."""
    shown = examples(load.turns)
    if not shown:
        return None
    made = {name: {bar.stage: bar for bar in bars(turn)} for name, turn in shown.items()}
    present = [stage for stage in STAGES if any(stage in found for found in made.values())]
    data: list[Spec] = []
    for (name, found), colour in zip(made.items(), ("var(--ours-1)", "var(--ours-5)"), strict=False):
        mine = [found[stage] for stage in present if stage in found]
        data.append({
            "type": "bar", "orientation": "h", "name": name,
            "y": [STAGES[bar.stage] for bar in mine], "x": [bar.took for bar in mine],
            "base": [bar.begins for bar in mine], "customdata": [bar.took for bar in mine],
            "text": [ms(bar.took) for bar in mine], "textposition": "outside", "cliponaxis": False,
            "marker": {"color": colour},
            "hovertemplate": "%{y}: %{customdata:.1f} ms<extra>%{fullData.name}</extra>",
        })  # fmt: skip
    data.reverse()  # Plotly draws the last one on top
    longest = max(bar.begins + bar.took for found in made.values() for bar in found.values())
    rows = tuple(
        (STAGES[stage], *(ms(found[stage].took) if stage in found else NONE for found in made.values()))
        for stage in present
    )
    n = f"n = 2 of {len(load.turns):,} turns" if len(set(map(id, shown.values()))) == 2 else "n = 1 turn"
    return Chart(
        key=f"stages-{setting.key}",
        title=f"Where a turn's time goes, calls at once: {load.at_once}",
        says=f"Stages of two turns of one load, laid end to end: {' and '.join(made)}.",
        data=data,
        layout={
            "barmode": "group",
            "xaxis": axis("ms after the caller's last sample", range=[0, 1.12 * longest]),
            "yaxis": {
                "categoryorder": "array", "categoryarray": [STAGES[stage] for stage in reversed(present)],
                "automargin": True,
            },
            "legend": {"traceorder": "reversed"},
            "height": 100 + 44 * len(present),
        },
        table=Table("Stages, ms", ("stage", *made), rows),
        resting_on=resting_on(n, error, [load]),
    )  # fmt: skip


def shown_load(found: Sequence[Load], holds: int | None) -> Load | None:
    """The load whose turns are worth looking at: the knee, or else the highest."""
    ours = sorted(tested(drawn(found)), key=lambda load: load.concurrency)
    at_knee = [load for load in ours if load.concurrency == holds]
    return next(reversed(at_knee or ours), None)
