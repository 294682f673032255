"""The guard never leaves silence: a phrase nobody bound, a rule that fails, a guard that breaks."""

from __future__ import annotations

from typing import Any

import pytest

from controls.decision import Decision
from controls.rules.condition import Rule
from controls.rules.engine import Rules
from tests.controls.rules.packs import pack, rule
from tests.simulators.house import DESK, PHRASES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from tests.voice_runtime.inline.test_guard import guarded, spoken
from voice_runtime.events import ClauseFrame, SayFrame
from voice_runtime.speak.clauses import ClauseSplitter

pytestmark = pytest.mark.anyio

OPENING = ["disclosure", "greeting"]
#: Its condition compiles and cannot be evaluated on a clause without a number.
_BREAKS: dict[str, Any] = {
    "if": {"cel": "clause.contains('count') && numbers[0] == '7'"},
    "catches": ["count seven"], "lets_pass": ["count eight"],
}  # fmt: skip
#: Compiled before there is an event loop.
BREAKING = Rules.compile([pack(rule("breaks", **_BREAKS))])
CALLER_BREAKING = Rules.compile([pack(rule("breaks", when="caller_says", **_BREAKS))])


def bound_but(*missing: str) -> dict[str, dict[str, str]]:
    return {k: {"en-US": v} for k, v in PHRASES.items() if k not in missing}


def failures(line: OnTheLine) -> list[tuple[str, str]]:
    return [(record.control, record.reason) for record, _ in line.of("control.failed")]


def fetched(line: OnTheLine) -> list[str]:
    return [record.requested_by for record, _ in line.of("handoff.requested")]


async def test_an_unbound_phrase_speaks_the_fallback_and_is_a_failure_of_ours() -> None:
    async with guarded() as line:
        asked = SayFrame(phrase="rule.of-no-pack.at-all", turn=2, tag="person:4")
        assert spoken(await line.say(asked)) == ["fallback"]
        [(failed, _)] = line.recorder.of("control.failed")
        assert (failed.control, failed.reason) == ("guard", "unbound_phrase")
        assert line.failures == [("person:4", True)]
        [clause] = [f for f in line.tail.frames if isinstance(f, ClauseFrame)]
        assert clause.tag == "person:4", "whoever waits for it waits no longer"


async def test_a_fallback_is_never_taken_for_the_disclosure() -> None:
    async with guarded() as line:
        await line.say(SayFrame(phrase="unheard-of", tag="opening:disclosure"))
        [clause] = [f for f in line.tail.frames if isinstance(f, ClauseFrame)]
        assert (clause.cleared.phrase, clause.tag) == ("fallback", "")


async def test_a_guard_that_breaks_says_so_and_judges_the_next_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = ClauseSplitter.push

    def breaks(self: ClauseSplitter, text: str) -> list[str]:
        if "breaks" in text:
            raise ZeroDivisionError
        return whole(self, text)

    monkeypatch.setattr(ClauseSplitter, "push", breaks)
    async with guarded() as line:
        assert spoken(await line.answer("At nine. ", "It breaks here. ", "At ten. ")) == [
            "At nine.",
            "fallback",
        ]
        assert line.failures == [("", True)]
        assert spoken(await line.answer("At ten.")) == ["At ten."]


async def test_regression_unbound_phrase_left_the_caller_in_silence() -> None:
    """A holding phrase nobody bound: ``UnboundPhrase`` ended in pipecat's log, and nothing was said."""
    async with on_the_line(say("Never."), phrases=bound_but("goodbye")) as line:
        await line.opened()
        line.call.spawn(line.call.say(SayFrame(phrase="unheard-of", turn=0)))
        await line.settled()
        assert line.played() == [*OPENING, "fallback", "handoff"]
        assert failures(line) == [("guard", "unbound_phrase")]
        assert fetched(line) == ["failure"]
        assert line.control.transfers == [DESK]


async def test_without_a_bound_fallback_there_is_still_a_person() -> None:
    async with on_the_line(say("Never."), phrases=bound_but("fallback")) as line:
        await line.opened()
        line.call.spawn(line.call.say(SayFrame(phrase="unheard-of", turn=0)))
        await line.settled()
        assert line.played() == [*OPENING, "handoff"]
        assert line.control.transfers == [DESK]


async def test_a_way_to_a_person_whose_phrases_are_unbound_is_gone_all_the_same() -> None:
    """Without waiting for words that will never sound: an emergency's transfer has one second."""
    phrases = bound_but("fallback", "handoff", "emergency")
    async with on_the_line(say("Never."), phrases=phrases) as line:
        await line.opened()
        before = line.carrier.clock.monotonic_ns()
        await line.carrier.say("somebody call nine one one she is not breathing")
        await line.settled()
        assert line.control.transfers == [DESK]
        assert (line.carrier.clock.monotonic_ns() - before) / 1e9 < 3.0
        assert fetched(line) == ["emergency"]


async def test_a_call_whose_goodbye_is_unbound_ends_all_the_same() -> None:
    async with on_the_line(phrases=bound_but("goodbye", "fallback")) as line:
        await line.opened()
        line.call.drain()
        await line.ended()
        assert line.closed() == ("operator", "drained")


async def test_a_rule_that_fails_on_a_clause_gets_the_fallback_and_a_person() -> None:
    async with on_the_line(say("I count nothing."), rules=BREAKING) as line:
        await line.opened()
        await line.say("hello")
        assert line.played() == [*OPENING, "fallback", "handoff"]
        assert failures(line) == [("guard", "broken")]
        assert fetched(line) == ["failure"]
        assert line.control.transfers == [DESK]
        [(refused, _)] = line.of("clause.refused")
        assert refused.verdict == "block"


async def test_a_rule_that_times_out_gets_the_fallback_and_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_the_line(say("I count nothing."), rules=BREAKING) as line:
        await line.opened()

        def late(self: Rule, *args: Any) -> None:
            raise TimeoutError

        monkeypatch.setattr(Rule, "applies", late)
        await line.say("hello")
        assert line.played() == [*OPENING, "fallback", "handoff"]
        assert failures(line) == [("guard", "broken")]
        assert line.control.transfers == [DESK]


async def test_a_rule_that_fails_on_what_the_caller_said_gets_the_fallback_and_a_person() -> None:
    async with on_the_line(say("Never."), rules=CALLER_BREAKING) as line:
        await line.opened()
        await line.say("count for me")
        assert line.played() == [*OPENING, "fallback", "handoff"]
        assert failures(line) == [("guard", "broken")]
        assert fetched(line) == ["failure"]
        assert not line.model.requests


async def test_rules_that_cannot_be_evaluated_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()

        def broken(self: Rules, *args: Any) -> Decision:
            raise RecursionError

        monkeypatch.setattr(Rules, "_speak", broken)
        await line.say("hello")
        assert line.played() == [*OPENING, "fallback", "handoff"]
        assert fetched(line) == ["failure"]
