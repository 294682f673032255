"""Rules at a handoff and at the end, decided: nobody is kept away or on the line, and all is on record."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.ids import new_id
from controls.ledger import records as r
from controls.moments import End, Moments, Told
from controls.rules.engine import Rules
from controls.rules.moments import CallFacts, EndedBy, HandoffFacts, RequestedBy
from tests.controls.rules.packs import pack
from tests.controls.rules.test_moments import ends, told, when
from tests.simulators.recorder import MemoryRecorder

_BILLING: dict[str, Any] = {"then": "handoff", "to": "billing"}
RULES = Rules([
    pack(
        told(), told("routed", **when("", "invoice"), **_BILLING),
        told("broken", **when("text.contains('boom') && [1][size(text)] == 1")),
        ends(), ends("blocked", **when("call.blocked > 1")),
        ends("person", **when("size(call.failed) > 0"), then="handoff", say={}),
    )
])  # fmt: skip
_TEXT = st.lists(st.sampled_from(["invoice", "boom", "4111 1111 1111 1111", "hello"]), max_size=4).map(
    " ".join
)
_BY = st.sampled_from(get_args(RequestedBy))
_FACTS = st.builds(
    CallFacts,
    turns=st.integers(0, 3),
    disclosed=st.booleans(),
    blocked=st.integers(0, 3),
    failed=st.sampled_from([(), ("book",)]),
    ended_by=st.sampled_from(get_args(EndedBy)),
    reason=st.sampled_from(["completed", "silence", "too_long", "callback", "opted_out", "hung_up"]),
)


def moments(recorder: MemoryRecorder, bound: bool = True) -> Moments:
    return Moments(
        recorder, RULES, tenant="clinic", call=new_id("c"), language="en-US", bound=lambda phrase: bound
    )


@given(_TEXT, _BY)
def test_the_words_are_told_whole_or_not_at_all_and_what_was_found_is_on_record(text: str, by: Any) -> None:
    recorder = MemoryRecorder()
    mine, handoff = moments(recorder), new_id("h")
    facts = HandoffFacts(by=by, desk="reception")
    found = mine.handoff(handoff, text, facts, 1)
    assert found.text in ("", text)
    assert found.to in ("", "billing")
    if by == "emergency":
        assert found.to == ""
    kept_back = "4111" in text or "boom" in text
    assert (found.text == "") is (kept_back or not text)
    assert mine.handoff(handoff, text, facts, 1) == found
    judged = [record for record, _ in recorder.records]
    assert len(judged) == (1 if kept_back or "invoice" in text else 0), "once, however often it is asked"
    for record in judged:
        assert isinstance(record, r.HandoffJudged)
        assert (record.withheld, record.routed) == (kept_back, found.to != "")


@given(st.lists(_FACTS, max_size=6), st.booleans())
def test_each_rule_keeps_the_agent_once_and_nobody_else_ever(every: list[CallFacts], bound: bool) -> None:
    recorder = MemoryRecorder()
    mine = moments(recorder, bound)
    kept: list[str] = []
    for facts in every:
        end = mine.end(facts, 1)
        if facts.ended_by != "agent":
            assert not end.refused
        if end.refused:
            assert end.person or end.phrase, "there is always something that happens instead"
            assert not (end.person and facts.reason in ("callback", "opted_out"))
            kept.append(end.rule)
    assert len(kept) == len(set(kept))
    assert all(isinstance(record, r.EndingJudged) for record, _ in recorder.records)
    assert [record.refused for record, _ in recorder.of("ending.judged")].count(True) == len(kept)


@given(_FACTS)
def test_a_call_that_is_over_is_over(facts: CallFacts) -> None:
    assert not moments(MemoryRecorder()).end(facts, 1, over=True).refused


@pytest.mark.parametrize("how", ["refusing", "failing"])
def test_a_ledger_that_fails_changes_nothing(how: str) -> None:
    recorder = MemoryRecorder(refusing=how == "refusing", failing=how == "failing")
    mine = moments(recorder)
    assert mine.handoff(new_id("h"), "4111 1111 1111 1111", HandoffFacts(), 1) == Told("")
    assert mine.end(CallFacts(), 1) == End(True, "rule.made-up.no-silence", "made-up/no-silence")
