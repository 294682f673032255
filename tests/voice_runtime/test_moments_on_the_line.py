"""Rules at a handoff and at a call's end, on whole calls: words kept back, desks chosen, an end put off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controls.rules.engine import Rules
from controls.rules.matchers import Words
from tests.controls.rules.packs import pack
from tests.controls.rules.test_moments import ends, told, when
from tests.simulators.house import DESK, PHRASES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.agent import DeskRoute

pytestmark = pytest.mark.anyio

BILLING = "+12025550188"
DESKS = (
    DeskRoute("desk", "reception", DESK, always=True, title="reception"),
    DeskRoute("desk", "billing", BILLING, always=True, title="billing"),
    DeskRoute("callback", "reception", title="reception"),
)
NOBODY = (DeskRoute("callback", "reception", title="reception"),)
FIRST = "rule.made-up.no-silence"

WITHHELD = Rules.compile([pack(told(**when("", "ten is free"), catches=["ten is free"]))])
ROUTED = Rules.compile([
    pack(told(
        "to-billing", **when("text.contains('invoice') && handoff.desk == 'reception'"),
        then="handoff", to="billing",
        catches=[{"text": "caller: my invoice", "handoff": {"desk": "reception"}}],
    ))
])  # fmt: skip
_ANY: dict[str, Any] = {**when("call.turns < 9"), "lets_pass": [{"call": {"turns": 9}}]}
PHRASE_FIRST = Rules.compile([pack(ends(**_ANY))])
PERSON_FIRST = Rules.compile([pack(ends(then="handoff", say={}, **_ANY))])
BROKEN = Rules.compile([pack(ends(**when("call.tools[call.turns] == 'x'"),
                                  catches=[{"call": {"tools": ["x"]}}],
                                  lets_pass=[{"call": {"tools": ["y"]}}]))])  # fmt: skip


def line_with(rules: Rules, *plans: Any, **changes: Any) -> Any:
    phrases = {k: {"en-US": v} for k, v in PHRASES.items()} | rules.phrases
    return on_the_line(*plans, rules=rules, phrases=phrases, **changes)


async def transferred(line: OnTheLine) -> None:
    async with asyncio.timeout(60):
        await line.control.asked.wait()


async def silent(line: OnTheLine) -> None:
    """The caller has been silent for long: the agent is to end the call."""
    assert line.call._leg is not None
    await line.call._leg.attention._silent(2)


# --- what a person is told ----------------------------------------------------------------------------


async def test_a_block_takes_the_words_away_and_never_the_person() -> None:
    async with line_with(WITHHELD, say("Ten is free.")) as line:
        await line.opened()
        await line.say("have you got monday")
        await line.carrier.press("0")
        await transferred(line)
        assert line.control.transfers == [DESK]
        [(_, details)] = line.of("handoff.requested")
        assert (details.summary, details.reason) == ("", "pressed 0")
        [(judged, found)] = line.of("handoff.judged")
        assert (judged.withheld, judged.routed, judged.annex_a) == (True, False, ("A.9.4",))
        assert found.text.endswith("caller: have you got monday / agent: Ten is free.")
        assert found.verdicts[0].rule == "made-up/no-cards"


async def test_a_promise_to_call_back_keeps_the_words_back_as_well() -> None:
    async with line_with(WITHHELD, say("Ten is free."), handoff=NOBODY) as line:
        await line.opened()
        await line.say("have you got monday")
        await line.press("0")
        await line.say("yes")
        await line.carrier.say("yes")
        await line.ended()
        [(_, promised)] = line.of("callback.promised")
        assert promised.summary == ""
        assert line.closed() == ("agent", "callback")


async def test_words_no_rule_minds_are_told_and_nothing_is_recorded_of_it() -> None:
    async with line_with(WITHHELD, say("Eleven is free.")) as line:
        await line.opened()
        await line.say("have you got monday")
        await line.carrier.press("0")
        await transferred(line)
        [(_, details)] = line.of("handoff.requested")
        assert details.summary.endswith("caller: have you got monday / agent: Eleven is free.")
        assert not line.of("handoff.judged")


async def test_another_desk_is_tried_first() -> None:
    async with line_with(ROUTED, say("Fine."), handoff=DESKS) as line:
        await line.opened()
        await line.say("it is about my invoice")
        await line.carrier.press("0")
        await transferred(line)
        assert line.control.transfers == [BILLING]
        [(judged, found)] = line.of("handoff.judged")
        assert (judged.withheld, judged.routed, found.desk) == (False, True, "billing")
        [(_, details)] = line.of("handoff.requested")
        assert "invoice" in details.summary


async def test_an_emergency_goes_where_the_agent_sends_it() -> None:
    async with line_with(ROUTED, say("Fine."), handoff=DESKS) as line:
        await line.opened()
        await line.say("it is about my invoice")
        await line.carrier.say("i have a terrible pain in my chest")
        await transferred(line)
        assert line.control.transfers == [DESK]
        assert not any(judged.routed for judged, _ in line.of("handoff.judged"))


async def test_rules_that_fail_keep_words_back_and_still_fetch_a_person(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(self: Rules, moment: str, case: Any) -> Words:
        raise RuntimeError("broken")

    async with line_with(WITHHELD, say("Eleven is free.")) as line:
        await line.opened()
        await line.say("have you got monday")
        monkeypatch.setattr(Rules, "found", broken)
        await line.carrier.press("0")
        await transferred(line)
        assert line.control.transfers == [DESK]
        [(_, details)] = line.of("handoff.requested")
        assert details.summary == ""


async def test_a_ledger_that_fails_keeps_nobody_waiting() -> None:
    async with line_with(WITHHELD, say("Ten is free."), deadline_s=0.1) as line:
        await line.opened()
        await line.say("have you got monday")
        line.recorder.refusing = True
        await line.carrier.press("0")
        await transferred(line)
        assert line.control.transfers == [DESK]
        line.recorder.refusing = False


# --- the end ------------------------------------------------------------------------------------------


async def test_the_agent_says_what_a_rule_wants_first_and_then_ends() -> None:
    async with line_with(PHRASE_FIRST, say("Fine.")) as line:
        await line.opened()
        await silent(line)
        await line.ended()
        assert line.played()[2:] == [FIRST]
        [(judged, found)] = line.of("ending.judged")
        assert (judged.refused, judged.ended_by, judged.verdict) == (True, "agent", "block")
        assert found.facts["reason"] == "silence"
        assert found.instead == FIRST
        assert line.closed() == ("agent", "silence")


async def test_the_agent_may_not_hang_up_before_a_person_was_fetched() -> None:
    async with line_with(PERSON_FIRST, say("Fine.")) as line:
        await line.opened()
        await silent(line)
        await transferred(line)
        assert line.control.transfers == [DESK]
        assert "goodbye" not in line.played()
        [(requested, details)] = line.of("handoff.requested")
        assert (requested.requested_by, details.reason) == ("rule", "made-up/no-silence")


async def test_with_nobody_to_be_reached_the_call_ends_at_the_second_silence() -> None:
    async with line_with(PERSON_FIRST, say("Fine."), handoff=()) as line:
        await line.opened()
        await silent(line)
        await line.settled()
        assert line.played()[2:] == ["nobody-reached", "ai-again"]
        await silent(line)
        await line.ended()
        assert line.closed() == ("agent", "silence")
        assert len(line.of("ending.judged")) == 1


async def test_a_call_that_is_too_long_ends_once_nobody_can_be_reached() -> None:
    async with line_with(PERSON_FIRST, say("Fine."), handoff=()) as line:
        await line.opened()
        line.call.too_long()
        await line.ended()
        assert line.played()[2:] == ["nobody-reached", "goodbye"]
        assert line.closed() == ("agent", "too_long")


async def test_who_hangs_up_is_never_kept_and_what_was_found_is_on_record() -> None:
    for rules in (PHRASE_FIRST, PERSON_FIRST):
        async with line_with(rules, say("Fine.")) as line:
            await line.opened()
            await line.say("hello")
            await line.hang_up()
            [(judged, found)] = line.of("ending.judged")
            assert (judged.refused, judged.ended_by) == (False, "caller")
            assert found.facts["turns"] == 1
            assert line.closed() == ("caller", "hung_up")
            assert not line.control.transfers


async def test_an_opt_out_is_honoured_at_once() -> None:
    async with line_with(PERSON_FIRST, say("Fine.")) as line:
        await line.opened()
        await line.carrier.say("never call me again")
        await line.ended()
        assert line.closed() == ("caller", "opted_out")
        assert not line.control.transfers


async def test_a_rule_that_fails_puts_the_end_off_once() -> None:
    async with line_with(BROKEN, say("Fine.")) as line:
        await line.opened()
        await line.say("hello")
        await silent(line)
        await line.ended()
        assert line.played()[-1] == "fallback"
        [(judged, found)] = line.of("ending.judged")
        assert judged.refused
        assert found.verdicts[0].reason.startswith("rule failed")
        assert line.closed() == ("agent", "silence")
