"""One call from opening to its last record, with everything that may break broken in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.simulators.house import CALLER, DESK, OnTheLine, booking, on_the_line
from tests.simulators.model_server import DIE, STALL, call, refuse, say
from voice_runtime.agent import DeskRoute, Tool
from voice_runtime.typed import TypedCarrier

pytestmark = pytest.mark.anyio

OPENING = ["disclosure", "greeting"]
ONLY_CALLBACK = (DeskRoute("callback", "reception", title="reception"),)


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base),)


def kinds(line: OnTheLine, *prefixes: str) -> list[str]:
    return [t for t in line.types() if t.startswith(prefixes)]


# --- opening --------------------------------------------------------------------------------------


async def test_a_call_begins_with_what_it_is_bound_to_and_the_disclosure() -> None:
    async with on_the_line(say("We open at nine.")) as line:
        assert line.types()[0] == "call.opened"
        assert line.types()[-1] == "release.bound"
        await line.opened()
        assert line.played() == OPENING
        await line.say("when do you open")
        assert line.played() == [*OPENING, "We open at nine."]
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_the_prompt_goes_ahead_of_what_was_played() -> None:
    async with on_the_line(say("At nine."), say("No.")) as line:
        await line.opened()
        await line.say("when do you open", "anything else")
        messages = line.model.requests[-1].json["messages"]
        assert [m["role"] for m in messages] == ["system", "assistant", "user", "assistant", "user"]
        assert messages[0]["content"] == line.call.release.prompt_in("en-US")
        assert messages[0]["content"].startswith("You answer the telephone.")
        assert messages[-2]["content"] == "At nine."


# --- hanging up in the middle of anything -----------------------------------------------------------

Moment = Callable[[OnTheLine], Awaitable[None]]


async def _in_the_disclosure(line: OnTheLine) -> None:
    line.carrier.freeze(200)
    line.start()
    assert await line.carrier.frozen()


async def _while_thinking(line: OnTheLine) -> None:
    line.model.plans = [[STALL]]
    await line.opened()
    await line.carrier.say("when do you open")
    await line.model.wait_for_request()


async def _in_an_answer(line: OnTheLine) -> None:
    line.model.plans = [say("We open at nine in the morning, every day but Sunday. Come when you like.")]
    await line.opened()
    line.carrier.freeze(400)
    await line.carrier.say("when do you open")
    assert await line.carrier.frozen()


async def _with_a_question_open(line: OnTheLine) -> None:
    line.model.plans = [call(("book", '{"day": "Monday"}'))]
    await line.opened()
    await line.say("book monday")


async def _while_a_tool_works(line: OnTheLine) -> None:
    line.model.plans = [call(("book", '{"day": "Monday"}'))]
    line.service.mood = "stalls"
    await line.opened()
    await line.say("book monday")
    await line.carrier.say("yes")
    await line.service.wait_for_request()


async def _while_a_number_is_asked_for(line: OnTheLine) -> None:
    line.control.failing = True
    await line.opened()
    await line.say("let me talk to a person")


async def _while_being_connected(line: OnTheLine) -> None:
    await line.opened()
    line.carrier.freeze(100)
    await line.carrier.say("let me talk to a person")
    assert await line.carrier.frozen()


MOMENTS: list[Moment] = [
    _in_the_disclosure, _while_thinking, _in_an_answer, _with_a_question_open, _while_a_tool_works,
    _while_a_number_is_asked_for, _while_being_connected,
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: m.__name__.strip("_"))
async def test_hanging_up_leaves_a_complete_record(moment: Moment) -> None:
    async with on_the_line(say("Yes."), tools=tools) as line:
        await moment(line)
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        asked = {r.use for r, _ in line.of("tool.requested")}
        came = {r.use for kind in ("tool.executed", "tool.unknown") for r, _ in line.of(kind)}
        assert asked == came
        requested = {r.handoff for r, _ in line.of("handoff.requested")}
        settled = {
            r.handoff
            for kind in ("handoff.completed", "handoff.failed", "callback.promised")
            for r, _ in line.of(kind)
        }
        assert requested == settled


# --- what fails -----------------------------------------------------------------------------------


async def test_a_model_that_does_not_answer_means_the_fallback_and_a_call_back() -> None:
    async with on_the_line(refuse(500), handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("when do you open")
        assert line.played()[2:4] == ["fallback", "no-one-free"]
        [(failed, _)] = line.of("control.failed")
        assert (failed.control, failed.reason) == ("model", "exhausted")
        await line.say("yes", "yes")
        await line.ended()
        assert line.closed() == ("agent", "callback")
        [(requested, _)] = line.of("handoff.requested")
        assert requested.requested_by == "failure"


async def test_an_answer_that_breaks_off_is_followed_by_the_fallback() -> None:
    half = [*say("We open at nine. And")[:-3], DIE]
    async with on_the_line(half) as line:
        await line.opened()
        await line.say("when do you open")
        assert line.played()[2:4] == ["We open at nine.", "fallback"]
        assert line.of("turn.decided")[0][0].outcome == "failed"


async def test_a_voice_that_fails_leaves_the_cached_fallback() -> None:
    async with on_the_line(say("We open at nine.")) as line:
        await line.opened()
        line.voice.failing = True
        await line.say("when do you open")
        assert line.played() == [*OPENING, "fallback"]
        [(cleared, _)] = line.of("clause.cleared")
        zero = [r for r, _ in line.of("agent.played") if r.clause == cleared.clause]
        assert [(r.samples, r.interrupted) for r in zero] == [(0, True)]
        await line.hang_up()
        line.closed()


def spooled(line: OnTheLine) -> list[str]:
    """What sounded, by the spool."""
    return [str(p.phrase) for r, p in line.spool.entries if r.type == "agent.played" and r.samples]


async def test_a_ledger_that_fails_mid_call_means_the_fallback_and_a_person() -> None:
    async with on_the_line(say("We open at nine."), deadline_s=0.1) as line:
        await line.opened()
        durable = line.types()
        line.recorder.failing = True
        await line.say("when do you open")
        assert spooled(line) == ["fallback", "handoff"]  # nothing sounded without its record
        assert line.control.transfers == [DESK]
        await line.hang_up()
        await line.call.transferred()
        assert line.types() == durable
        closed = line.spool.entries[-1][0]
        assert (closed.type, closed.ended_by) == ("call.closed", "person")


async def test_a_ledger_that_fails_mid_call_still_promises_a_call_back() -> None:
    async with on_the_line(say("We open at nine."), deadline_s=0.1, handoff=ONLY_CALLBACK) as line:
        await line.opened()
        line.recorder.failing = True
        await line.say("when do you open")
        await line.carrier.say("yes")
        await line.ended()
        assert spooled(line) == ["fallback", "no-one-free", "ask-callback", "callback-promised"]
        [(record, details)] = [e for e in line.spool.entries if e[0].type == "callback.promised"]
        assert (details.number, record.number_confirmed) == (CALLER, False)


async def test_with_neither_ledger_nor_spool_nothing_is_promised_and_the_call_ends_aloud() -> None:
    async with on_the_line(say("We open at nine."), deadline_s=0.1) as line:
        await line.opened()
        line.recorder.failing = line.spool.failing = True
        await line.say("when do you open")
        await line.ended()
        assert line.control.transfers == []
        assert line.call.journal.owed() == []


async def test_a_ledger_that_never_answers_discards_the_audio() -> None:
    async with on_the_line(say("We open at nine."), deadline_s=0.05) as line:
        await line.opened()
        line.recorder.delayed = True
        await line.say("when do you open")
        line.recorder.delayed = False
        line.recorder.commit()
        assert "We open at nine." not in line.played()
        assert "fallback" in line.played()


async def test_a_person_is_reached_through_the_spool_when_the_ledger_fails() -> None:
    async with on_the_line(deadline_s=0.1) as line:
        await line.opened()
        line.recorder.failing = True
        await line.say("let me talk to a person")
        assert line.control.transfers == [DESK]
        assert "handoff.requested" in line.spool.types()


async def test_an_emergency_is_spoken_and_connected_when_the_ledger_and_the_model_fail() -> None:
    async with on_the_line(refuse(500), deadline_s=0.1) as line:
        await line.opened()
        line.recorder.failing = True
        await line.say("i have chest pain")
        assert line.control.transfers == [DESK]
        phrases = [p.phrase for r, p in line.spool.entries if r.type == "agent.played" and r.samples]
        assert phrases == ["rule.emergency-us.danger-to-life", "handoff"]


@pytest.mark.parametrize(("forgets", "reconciled"), [(True, "no"), (False, "done")])
async def test_a_tool_whose_outcome_is_unknown_is_asked_about_and_never_repeated(
    forgets: bool, reconciled: str
) -> None:
    plans = [call(("book", '{"day": "Monday"}')), say("I cannot tell.")]
    async with on_the_line(*plans, tools=tools) as line:
        line.service.mood, line.service.forgets = "dies", forgets
        await line.opened()
        await line.say("book monday", "yes")
        assert len(line.service.uses) == 1
        assert kinds(line, "tool.")[:2] == ["tool.requested", "tool.unknown"]
        assert line.of("tool.unknown")[-1][0].reconciled == reconciled
        told = [m for m in line.model.requests[-1].json["messages"] if m["role"] == "tool"]
        assert len(told) == 1
        assert line.played()[-1] == "I cannot tell."


# --- a person -------------------------------------------------------------------------------------


async def test_a_transfer_that_is_taken_ends_the_call_with_the_person() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("let me talk to a person")
        assert line.control.transfers == [DESK]
        assert line.call.person.transferring
        await line.hang_up()  # the carrier takes the media away
        assert line.of("call.closed") == []
        await line.call.transferred()
        assert line.closed() == ("person", "transferred")
        assert kinds(line, "handoff.") == ["handoff.requested", "handoff.accepted", "handoff.completed"]


async def test_a_transfer_that_nobody_takes_brings_the_caller_back() -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("let me talk to a person")
        await line.hang_up()
        again = line.carrier = TypedCarrier()
        again.clock = line.call.house.clock  # type: ignore[assignment]  # it is the first carrier's
        line.start(came_back="busy")
        await line.settled()
        assert line.of("handoff.failed")[0][0].reason == "busy"
        await line.say("yes", "yes")
        await line.ended()
        assert line.closed() == ("agent", "callback")


async def test_a_caller_brought_back_before_the_first_stream_closed_keeps_the_call() -> None:
    """The end of the first pipeline closed the record under the second: a call-back nobody confirmed."""
    async with on_the_line() as line:
        await line.opened()
        await line.say("let me talk to a person")
        first = line.running
        again = line.carrier = TypedCarrier()
        again.clock = line.call.house.clock  # type: ignore[assignment]  # it is the first carrier's
        line.start(came_back="no-answer")
        assert first is not None
        await first
        await line.settled()
        assert line.of("call.closed") == []
        await line.say("yes", "yes")
        await line.ended()
        assert line.of("callback.promised")[0][0].number_confirmed
        assert line.closed() == ("agent", "callback")


async def test_a_read_back_open_at_a_transfer_is_refused_on_record() -> None:
    """It was dropped with the first pipeline: a question asked, and no word of what came of it."""
    async with on_the_line(call(("book", '{"day": "Monday"}')), tools=tools) as line:
        await line.opened()
        await line.say("book monday", "let me talk to a person")
        await line.hang_up()
        assert line.control.transfers == [DESK]
        [(refused, _)] = line.of("tool.refused")
        assert refused.reason == "unconfirmed"
        assert not line.service.uses


async def test_nobody_at_all_leaves_the_caller_with_the_agent() -> None:
    async with on_the_line(say("At nine."), handoff=()) as line:
        await line.opened()
        await line.say("let me talk to a person", "when do you open")
        assert line.played()[2:] == ["nobody-reached", "ai-again", "At nine."]


async def test_nobody_during_the_disclosure_goes_back_to_it() -> None:
    async with on_the_line(handoff=()) as line:
        line.carrier.freeze(200)
        line.start()
        assert await line.carrier.frozen()
        await line.say("let me talk to a person")
        assert line.played() == ["disclosure…", "nobody-reached", "disclosure", "greeting"]
        assert [r.in_full for r, _ in line.of("disclosure.played")] == [False, True]


# --- ending ---------------------------------------------------------------------------------------


async def test_a_server_that_stops_says_goodbye() -> None:
    async with on_the_line(say("Yes.")) as line:
        await line.opened()
        line.call.drain()
        await line.ended()
        assert line.played() == [*OPENING, "goodbye"]
        assert line.closed() == ("operator", "drained")
        assert line.control.hung_up == 1


async def test_a_call_that_lasts_too_long_is_ended_aloud() -> None:
    async with on_the_line(say("Yes."), longest_call_s=2.0) as line:
        line.start()
        await line.ended()
        assert line.played()[-1] == "goodbye"
        assert line.closed() == ("agent", "too_long")


async def test_a_call_that_lasts_long_is_given_a_person() -> None:
    async with on_the_line(say("Yes."), handoff_after_s=2.0) as line:
        await line.opened()
        async with asyncio.timeout(30):
            while not line.control.transfers:
                await asyncio.sleep(0.01)
        [(requested, _)] = line.of("handoff.requested")
        assert requested.requested_by == "rule"


async def test_not_being_understood_twice_fetches_a_person() -> None:
    async with on_the_line(say("Yes.")) as line:
        await line.opened()
        line.call.ear_failed("crash")
        await line.settled()
        assert line.played()[-1] == "fallback"
        line.call.ear_failed("deadline")
        await line.settled()
        assert line.control.transfers == [DESK]
        assert [(r.control, r.reason) for r, _ in line.of("control.failed")] == [
            ("recogniser", "crash"), ("recogniser", "deadline"),
        ]  # fmt: skip


async def test_closing_twice_changes_nothing() -> None:
    async with on_the_line(say("Yes.")) as line:
        await line.opened()
        await line.hang_up()
        await line.call.close()
        assert line.closed() == ("caller", "hung_up")


async def test_calls_share_nothing_but_the_house() -> None:
    async with on_the_line(say("One.")) as one, on_the_line(say("Two.")) as two:
        await asyncio.gather(one.opened(), two.opened())
        await asyncio.gather(one.say("hello there friend"), two.say("hello there friend"))
        assert (one.played()[-1], two.played()[-1]) == ("One.", "Two.")
