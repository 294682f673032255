"""The gate with a risk score: sealed with its reasons, its number in the leaf, its limits enforced."""

from __future__ import annotations

from typing import Any

import pytest

from controls.decision import Verdict
from controls.gate import Gate
from controls.ids import new_id
from controls.ledger import records as r
from controls.risk import Limits, RiskModel
from tests.controls.rules.packs import shipped
from tests.controls.test_risk import shipped as features
from tests.simulators.recorder import MemoryRecorder

PHRASES = {"fallback": {"en-US": "Something went wrong."}}


def make(limits: Limits | None = None, scored: bool = True) -> tuple[Gate, MemoryRecorder]:
    recorder = MemoryRecorder()
    gate = Gate(
        recorder=recorder, tenant="riverside", call=new_id("c"), rules=shipped(), language="en-US",
        risk=RiskModel(features(), limits) if scored else None,
    )  # fmt: skip
    gate.bind("sha256:" + "a" * 64, {**PHRASES, **shipped().phrases})
    return gate, recorder


def book(gate: Gate, **more: Any) -> Any:
    given: dict[str, Any] = {"risk": "medium", "read_back": "none", "idempotent": True} | more
    return gate.tool(new_id("u"), "book", {"day": "Tuesday"}, 1, **given)


def points(details: Any) -> dict[str, int]:
    return {reason.feature: reason.points for reason in details.reasons}


def test_a_cleared_clause_carries_its_score_and_its_reasons() -> None:
    gate, recorder = make()
    outcome = gate.clause("Tuesday at ten.", 1, "I'm in a hurry", confidence=0.3)
    [(record, details)] = recorder.of("clause.cleared")
    assert outcome.cleared is not None
    assert record.risk == sum(points(details).values()) == outcome.decision.risk
    assert points(details) == {"many-numbers": 2, "unsure-recognition": 8, "pressed-for-time": 10}
    assert "hurry" not in record.model_dump_json()


def test_a_refused_clause_is_never_below_its_rule() -> None:
    gate, recorder = make()
    gate.clause("It is probably just eczema.", 4, "I'm confused")
    [(record, details)] = recorder.of("clause.refused")
    assert points(details) == {"rule-finding": 80, "caller-may-be-confused": 20}
    assert (record.risk, record.verdict) == (100, Verdict.BLOCK)
    assert details.instead == "rule.health-boundaries.no-diagnosis"  # the rule still decides what is said


def test_a_clause_at_the_limit_is_not_spoken() -> None:
    gate, recorder = make(Limits(block_at=30))
    assert gate.clause("Of course.", 1, "I'm in a hurry").cleared is not None
    outcome = gate.clause("Of course.", 2, "I'm in a hurry and I'm confused")
    assert outcome.cleared is None
    assert outcome.decision.phrase == "fallback"
    [(record, details)] = recorder.of("clause.refused")
    assert (record.risk, record.annex_a) == (30, ("A.9.2", "A.9.3"))
    assert [found.rule for found in details.verdicts] == ["default/risk"]


def test_nothing_of_a_clause_stopped_by_its_score_is_remembered_as_spoken() -> None:
    gate, _ = make(Limits(block_at=10))
    assert gate.clause("You will,", 1, "I'm in a hurry").cleared is None
    assert gate.clause("regret this.", 1).cleared is not None


def test_a_use_at_its_limit_waits_for_a_person_and_mints_nothing() -> None:
    gate, recorder = make(Limits(approve_at=20))
    outcome = book(gate)
    assert outcome.decision.verdict is Verdict.APPROVE
    assert outcome.cleared is None
    assert recorder.of("tool.requested") == []
    assert {reason.feature for reason in outcome.decision.reasons} == {"tool-class", "first-use"}


def test_a_use_records_its_score_beside_its_class() -> None:
    gate, recorder = make()
    book(gate, undoable=False)
    book(gate)
    [(first, details), (second, later)] = recorder.of("tool.requested")
    assert (first.risk, first.score, points(details)) == (
        "medium", 40, {"tool-class": 15, "no-undo": 20, "first-use": 5},
    )  # fmt: skip
    assert (second.score, points(later)) == (15, {"tool-class": 15})


def test_a_use_that_was_not_cleared_leaves_the_next_one_the_first() -> None:
    gate, recorder = make()
    recorder.failing = recorder.refusing = True
    assert book(gate).cleared is None
    recorder.failing = recorder.refusing = False
    assert "first-use" in {reason.feature for reason in book(gate).decision.reasons}


def test_a_refused_use_keeps_its_score() -> None:
    gate, recorder = make(Limits(block_at=20))
    assert book(gate).cleared is None
    [(record, details)] = recorder.of("tool.refused")
    assert (record.reason, record.score, sum(points(details).values())) == ("rule", 20, 20)
    gate.refuse_tool(new_id("u"), "other", {}, 1, reason="unknown_tool")
    assert recorder.of("tool.refused")[1][0].score is None  # nobody judged it


@pytest.mark.parametrize(
    "text", ["Tuesday at ten.", "It is probably just eczema.", "I promise he will call."]
)
def test_without_a_model_nothing_changes(text: str) -> None:
    plain, recorder = make(scored=False)
    scored, _ = make()
    one, two = plain.clause(text, 1), scored.clause(text, 1)
    assert one.decision.verdict is two.decision.verdict
    assert one.decision.text == two.decision.text
    assert one.decision.reasons == ()
    [(_, details)] = [x for x in recorder.records if isinstance(x[0], r.ClauseCleared | r.ClauseRefused)]
    assert isinstance(details, r.ClauseDetails) and details.reasons == ()
