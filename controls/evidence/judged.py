"""What models answered to rules' questions, and what rules found at a handoff and at the end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from controls.evidence import shape_of_decisions as d
from controls.evidence.turns import Opened, personal_field
from controls.ledger import records as r

_Effect = Literal["withheld", "routed", "withheld and routed", "refused", "noted"]


def judge_answers(mine: Sequence[Opened]) -> list[d.JudgeAnswer]:
    """Every question's end, in order; the words of the question stand with its asking."""
    asks: dict[tuple[str, str], str | None] = {}
    found = []
    for _, record, personal in mine:
        if isinstance(record, r.JudgeAsked):
            asks[record.of, record.question] = personal_field(personal, "asks")
        elif isinstance(record, r.JudgeAnswered):
            found.append(
                d.JudgeAnswer(
                    turn=record.turn, of=record.of, rule=personal_field(personal, "rule"),
                    asks=asks.get((record.of, record.question)), mode=record.mode, supplier=record.supplier,
                    model=personal_field(personal, "model"), answer=record.answer, why=record.why,
                    ms=record.ms,
                )
            )  # fmt: skip
    return found


def moments(mine: Sequence[Opened]) -> list[d.MomentJudged]:
    """What rules found beside turns, in order."""
    return [
        _moment(record, personal)
        for _, record, personal in mine
        if isinstance(record, r.HandoffJudged | r.EndingJudged)
    ]


def _moment(record: r.HandoffJudged | r.EndingJudged, personal: Any) -> d.MomentJudged:
    of = record.handoff if isinstance(record, r.HandoffJudged) else record.call
    return d.MomentJudged(
        moment="handoff" if isinstance(record, r.HandoffJudged) else "call_ends",
        turn=record.turn,
        of=of,
        effect=_effect(record),
        text=getattr(personal, "text", None),
        facts=personal_field(personal, "facts"),
        instead=getattr(personal, "instead", None),
        findings=[
            d.RuleFinding(
                rule=v.rule, verdict=v.verdict, annex_a=list(v.annex_a), risk=v.risk, reason=v.reason, of=of
            )
            for v in personal_field(personal, "verdicts") or ()
        ],
    )


def _effect(record: r.HandoffJudged | r.EndingJudged) -> _Effect:
    if isinstance(record, r.EndingJudged):
        return "refused" if record.refused else "noted"
    if record.withheld:
        return "withheld and routed" if record.routed else "withheld"
    return "routed" if record.routed else "noted"
