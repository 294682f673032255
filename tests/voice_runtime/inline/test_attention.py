"""Whom the caller's words go to: at once, after the disclosure, to a question, or to the model."""

from __future__ import annotations

import time

import pytest

from tests.simulators.house import DESK, OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from tests.simulators.whole import problems
from voice_runtime.agent import Tool
from voice_runtime.events import CallerSaidFrame, MediaStoppedFrame
from voice_runtime.typed import NotPossible

pytestmark = pytest.mark.anyio


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base),)


async def in_the_disclosure(line: OnTheLine) -> None:
    """The call is answered, and a part of the disclosure has been played."""
    line.carrier.freeze(300)
    line.start()
    assert await line.carrier.frozen()


# --- during the disclosure ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "addressed", "by", "then"),
    [
        ("let me talk to a person", "person", "caller_voice", ["handoff"]),
        ("i have chest pain", "emergency", "emergency", ["rule.emergency-us.danger-to-life", "handoff"]),
    ],
)
async def test_a_person_and_an_emergency_act_during_the_disclosure(
    text: str, addressed: str, by: str, then: list[str]
) -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.say(text)
        assert line.played() == ["disclosure…", *then]
        assert line.addressed() == [(text, addressed)]
        assert line.of("handoff.requested")[0][0].requested_by == by
        assert line.control.transfers == [DESK]
        [(disclosed, _)] = line.of("disclosure.played")
        assert 0 < disclosed.played_ms < disclosed.of_ms
        assert not disclosed.in_full


async def test_key_zero_acts_during_the_disclosure() -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.press("0")
        assert line.control.transfers == [DESK]
        assert line.of("handoff.requested")[0][0].requested_by == "caller_key"


async def test_opting_out_acts_during_the_disclosure() -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.say("please take me off your list")
        await line.ended()
        assert line.played() == ["disclosure…", "opted-out"]
        assert line.of("consent.withdrawn")[0][0].scope == "callback"
        assert line.closed() == ("caller", "opted_out")


async def test_stop_is_on_record_and_leaves_the_disclosure() -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.say("stop")
        assert line.played() == ["disclosure", "greeting"]
        assert line.addressed() == [("stop", "stop")]


async def test_other_keys_do_nothing() -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.press("5")
        assert line.played() == ["disclosure", "greeting"]
        assert line.of("handoff.requested") == []


async def test_what_was_said_during_the_disclosure_is_answered_after_it_in_one_answer() -> None:
    async with on_the_line(say("At nine, on Mill Street.")) as line:
        await in_the_disclosure(line)
        await line.carrier.say("when do you open")
        await line.say("and where are you")
        assert line.played() == ["disclosure", "greeting", "At nine, on Mill Street."]
        assert line.addressed() == [("when do you open", "model"), ("and where are you", "model")]
        assert len(line.model.requests) == 1
        assert line.model.requests[0].json["messages"][-1]["content"] == "when do you open and where are you"


async def test_hanging_up_during_the_disclosure_records_what_was_said_into_it() -> None:
    async with on_the_line() as line:
        await in_the_disclosure(line)
        await line.carrier.say("when do you open")
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert [text for text, _ in line.addressed()] == ["when do you open"]


# --- after it -------------------------------------------------------------------------------------


async def test_stop_cuts_the_answer_and_nothing_else() -> None:
    answer = "We open at nine in the morning, every day but Sunday."
    async with on_the_line(say(answer), say("Yes.")) as line:
        await line.opened()
        line.carrier.freeze(1000)
        await line.carrier.say("when do you open")
        assert await line.carrier.frozen()
        await line.say("stop")
        cut = line.played()[-1]
        assert cut.endswith("…")
        assert answer.startswith(cut[:-1])
        await line.say("are you there")
        assert line.played()[-1] == "Yes."
        [*_, spoken, last] = line.model.requests[-1].json["messages"]
        assert (spoken["content"], last["content"]) == (cut[:-1], "are you there")


@pytest.mark.parametrize(
    ("answer", "outcome", "uses"),
    [
        ("yes", ["tool.requested", "tool.executed"], 1),
        ("no", ["tool.refused"], 0),
        ("hm what", ["tool.refused"], 0),
    ],
)
async def test_a_read_back_takes_its_answer(answer: str, outcome: list[str], uses: int) -> None:
    plans = [call(("book", '{"day": "Monday"}')), say("Right.")]
    async with on_the_line(*plans, tools=tools) as line:
        await line.opened()
        await line.say("book monday")
        assert line.played()[-1] == "Monday. Shall I book it?"
        assert line.service.uses == []
        await line.say(answer)
        assert len(line.service.uses) == uses
        assert [t for t in line.types() if t.startswith("tool.")] == outcome
        assert line.addressed()[-1][1] == ("question" if answer in ("yes", "no") else "model")
        assert line.played()[-1] == "Right."


async def test_nobody_agrees_to_what_they_have_not_heard() -> None:
    plans = [call(("book", '{"day": "Monday"}')), say("Once more, then.")]
    async with on_the_line(*plans, tools=tools) as line:
        await line.opened()
        line.carrier.freeze(40)  # not even the first word
        await line.carrier.say("book monday")
        assert await line.carrier.frozen()
        await line.say("yes")
        assert line.service.uses == []
        assert line.of("tool.refused")[0][0].reason == "unconfirmed"


async def test_an_emergency_overtakes_a_handoff_under_way() -> None:
    async with on_the_line(caller="") as line:
        line.control.failing = True
        await line.opened()
        await line.say("let me talk to a person")
        assert line.played()[-1] == "ask-callback"
        line.control.failing = False
        await line.say("i have chest pain")
        assert line.control.transfers == [DESK, DESK]
        assert [r.requested_by for r, _ in line.of("handoff.requested")] == ["caller_voice", "emergency"]


async def test_an_emergency_interrupts_the_model() -> None:
    async with on_the_line(say("We open at nine in the morning, every day but Sunday.")) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("when do you open")
        assert await line.carrier.frozen()
        await line.say("help i have chest pain")
        assert line.played()[-3:] == ["We…", "rule.emergency-us.danger-to-life", "handoff"]
        [(detected, details)] = line.of("emergency.detected")
        assert (detected.turn, details.rule) == (2, "emergency-us/danger-to-life")


async def test_words_while_a_person_is_fetched_are_on_record_only() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("let me talk to a person", "i want to know about my bill")
        assert line.addressed()[-1] == ("i want to know about my bill", "nobody")
        assert line.model.requests == []


async def test_silence_is_asked_about_and_then_ended() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.carrier.stay_silent(9)
        assert line.played()[-1] == "still-there"
        await line.carrier.stay_silent(22)
        await line.ended()
        assert line.played()[-1] == "goodbye"
        assert line.closed() == ("agent", "silence")


@pytest.mark.parametrize(("after_ms", "cut"), [(0, []), (300, ["goodbye…"])])
async def test_a_caller_who_comes_back_during_goodbye_stays(after_ms: int, cut: list[str]) -> None:
    async with on_the_line(say("Yes, here.")) as line:
        await line.opened()
        await line.carrier.stay_silent(9)
        line.carrier.freeze(after_ms)
        await line.carrier.stay_silent(22, wait=False)
        assert await line.carrier.frozen()
        await line.say("are you still there")
        assert not line.carrier.over
        assert line.played()[3:] == [*cut, "Yes, here."]


async def test_media_that_stops_ends_the_call() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.carrier.send(MediaStoppedFrame(for_s=3))
        await line.settled()
        assert not line.carrier.over
        await line.carrier.send(MediaStoppedFrame(for_s=11))
        await line.ended()
        assert line.closed() == ("carrier", "failed")


async def test_a_rule_about_the_caller_stands_before_the_model() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("my card is four" + " one" * 15)
        assert line.played()[-1] == "rule.payment.caller-gives-card"
        [(refused, details)] = line.of("clause.refused")
        assert (refused.verdict, details.text) == ("block", "")
        assert line.model.requests == []


async def test_a_threat_is_answered_and_fetches_a_person() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("i know where you work and i will hurt you")
        assert line.played()[2:] == ["rule.abuse.caller-threatens", "handoff"]
        assert line.control.transfers == [DESK]
        [(requested, details)] = line.of("handoff.requested")
        assert (requested.requested_by, details.reason) == ("rule", "abuse/caller-threatens")
        assert line.model.requests == []


async def test_typing_after_the_end_is_refused() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.hang_up()
        with pytest.raises(NotPossible):
            await line.carrier.say("hello")


# --- asides ---------------------------------------------------------------------------------------------


def _aside(text: str) -> CallerSaidFrame:
    now = time.monotonic_ns()
    return CallerSaidFrame(text, 0.9, 1.0, 1.2, now, now, now, "test", aside=True)


async def test_listening_is_on_record_and_interrupts_nothing() -> None:
    """ "Mhm" over the agent was recognised, and stood on no record."""
    async with on_the_line(say("We open at nine. Come when you like."), say("Goodbye.")) as line:
        await line.opened()
        line.carrier.freeze(400)
        await line.carrier.say("when do you open")
        assert await line.carrier.frozen()
        await line.carrier.send(_aside("mhm"))
        line.carrier._let_go()
        await line.settled()
        assert line.addressed() == [("when do you open", "model"), ("mhm", "nobody")]
        assert line.played()[2:] == ["We open at nine.", "Come when you like."]
        assert {record.turn for record, _ in line.of("agent.played") if not record.fixed} == {1}
        assert line.call.journal.caller_text() == "when do you open"
        await line.say("thank you")
        assert line.of("caller.said")[-1][0].turn == 3
        await line.hang_up()
        assert not problems(line.recorder.records, ["when do you open", "mhm", "thank you"])


async def test_again_behind_listening_still_means_the_code() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("can i have a receipt")
        await line.carrier.send(_aside("okay"))
        await line.say("again please")
        assert line.played()[-1] == line.played()[-2]
        assert len(line.of("receipt.issued")) == 1
