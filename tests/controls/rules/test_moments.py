"""Facts of a handoff and of a call's end: closed, folded from records, named where a rule misuses them."""

from __future__ import annotations

from typing import Any

import pytest

from controls.decision import Verdict
from controls.errors import ConfigurationError
from controls.ids import new_id
from controls.ledger import records as r
from controls.rules.engine import Rules
from controls.rules.model import problems_of
from controls.rules.moments import CallFacts
from tests.controls.rules.packs import pack, rule

CALL: dict[str, Any] = {"tenant": "clinic", "call": "c_" + "0" * 16}


def when(cel: str, *phrases: str) -> dict[str, Any]:
    """A condition."""
    return {"if": {"cel": cel, "phrases": phrases}}


def told(name: str = "no-cards", **changes: Any) -> dict[str, Any]:
    """A rule that keeps card numbers from a desk."""
    fields: dict[str, Any] = {
        "when": "handoff", "if": {"cel": "size(cards) > 0"}, "say": {},
        "catches": [{"text": "caller: 4111 1111 1111 1111", "handoff": {"by": "rule"}}],
        "lets_pass": ["caller: I want to book"],
    }  # fmt: skip
    return rule(name, **(fields | changes))


def ends(name: str = "no-silence", **changes: Any) -> dict[str, Any]:
    """A rule that keeps the agent on the line when nothing was disclosed."""
    fields: dict[str, Any] = {
        "when": "call_ends", "if": {"cel": "call.ended_by == 'agent' && !call.disclosed"},
        "say": {"en-US": "I am an AI assistant."},
        "catches": [{"call": {"turns": 2}}], "lets_pass": [{"call": {"disclosed": True}}],
    }  # fmt: skip
    return rule(name, **(fields | changes))


def faults(written: dict[str, Any]) -> list[tuple[str, str]]:
    made = pack(written)
    return [(p.field, p.message) for p in problems_of(made, {}, "made-up.yaml")]


def test_examples_of_both_moments_are_tried() -> None:
    rules = Rules.compile([pack(told(), ends())])
    assert [(t.wanted, t.fault) for t in rules.examples()] == [(True, ""), (False, "")] * 2
    shown = [t.shown for t in rules.examples()]
    assert shown[0] == 'caller: 4111 1111 1111 1111 {"by": "rule"}'
    assert shown[2] == '{"turns": 2}'


def test_an_example_that_does_not_hold_is_named() -> None:
    with pytest.raises(ConfigurationError, match="catches what it is to let pass"):
        Rules.compile([pack(ends(lets_pass=[{"call": {"turns": 1}}]))])
    with pytest.raises(ConfigurationError, match="does not catch"):
        Rules.compile([pack(told(catches=["caller: book me"]))])


@pytest.mark.parametrize(
    ("written", "field", "message"),
    [
        (told(then="approve"), "rules[0].then", "no rule keeps a person away"),
        (told(then="allow"), "rules[0].then", "no rule keeps a person away"),
        (told(say={"en-US": "Hm."}), "rules[0].say", "the caller is told nothing by it"),
        (told(then="handoff"), "rules[0].to", "says nobody who is tried first"),
        (ends(to="reception"), "rules[0].to", "`to` belongs to"),
        (ends(then="rewrite", say={}), "rules[0].then", "the end of a call is not changed"),
        (ends(say={}), "rules[0].say", "no words in en-US"),
        (ends(**when("", "bye")), "rules[0].if", "nothing is said where a call ends"),
        (ends(**when("call.hours > 2")), "rules[0].if.cel", "`call` holds no `hours`"),
        (ends(**when("size(call) > 2")), "rules[0].if.cel", "`call` alone"),
        (ends(**when("handoff.by == 'rule'")), "rules[0].if.cel", "`handoff` is not known in"),
        (told(**when("call.turns > 2")), "rules[0].if.cel", "`call` is not known in"),
        (rule(**when("call.turns > 2")), "rules[0].if.cel", "`call` is not known in"),
        (told(catches=[{"call": {"turns": 1}}]), "rules[0].catches[0].call", "`call` belongs to examples"),
    ],
)
def test_what_is_wrong_with_such_a_rule_is_named(written: dict[str, Any], field: str, message: str) -> None:
    found = faults(written)
    assert any(f == field and m.startswith(message) for f, m in found), found


def test_a_word_that_only_ends_like_a_fact_is_none() -> None:
    assert faults(rule(when="tool", **when("args.call == 'x' && args.handoff.by == 'y'"))) == []


def test_unknown_facts_in_an_example_do_not_load() -> None:
    with pytest.raises(ValueError, match="extra_forbidden"):
        pack(ends(catches=[{"call": {"hours": 1}}]))


def test_the_facts_are_folded_from_the_calls_own_records() -> None:
    handoff, clause = new_id("h"), new_id("k")
    played: dict[str, Any] = {
        **CALL, "turn": 1, "clause": clause, "of_samples": 8, "rate_hz": 8000, "evidence": "sent_only",
    }  # fmt: skip
    use: dict[str, Any] = {**CALL, "turn": 1, "use": new_id("u")}
    done: dict[str, Any] = {**use, "status": 200, "duration_ms": 3}
    whole = r.AgentPlayed(**played, samples=8, interrupted=False)
    cut = r.AgentPlayed(**played, samples=4, interrupted=True)
    written: list[tuple[r.Record, r.Personal | None]] = [
        (r.CallerSaid(**CALL, turn=1, engine="test", addressed="model"), None),
        (r.CallerSaid(**CALL, turn=2, engine="test", addressed="opt_out"), None),
        (r.ToolExecuted(**done, ok=True), r.ToolDetails(name="book")),
        (r.ToolExecuted(**done, ok=False), r.ToolDetails(name="pay")),
        (r.ToolUnknown(**use, reason="timeout", reconciled="no"), r.ToolDetails(name="pay")),
        (whole, r.PlayedDetails(phrase="goodbye", text="Bye.", played_text="Bye.")),
        (cut, r.PlayedDetails(phrase="greeting", text="Hi.", played_text="")),
        (whole, r.PlayedDetails(text="Ten.", played_text="Ten.")),
        (r.ClauseRefused(**CALL, turn=2, clause=clause, verdict=Verdict.BLOCK, risk=50), None),
        (r.EmergencyDetected(**CALL, turn=2), None),
        (r.HandoffRequested(**CALL, handoff=handoff, requested_by="caller_key"), None),
        (r.HandoffFailed(**CALL, handoff=handoff, reason="busy", waited_s=1), None),
    ]
    found = CallFacts()
    for record, personal in written:
        found = found.after(record, personal)
    assert found == CallFacts(
        turns=2, opted_out=True, tools=("book",), failed=("pay", "pay"), phrases=("goodbye",), blocked=1,
        emergency=True, asked_for_person=True, person="failed",
    )  # fmt: skip
