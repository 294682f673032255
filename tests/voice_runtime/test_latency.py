"""``latency_ms`` for each kind of turn: what is measured, what does not exist, and nothing made up.

The table is docs/measuring's. On the typed line no stage of an ear exists; the
journal's own marks are held against a spoken turn in ``inline/test_journal.py``.
"""

from __future__ import annotations

import asyncio

import pytest

from controls.evidence.turns import turns
from controls.ledger import records as r
from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import STALL, call, refuse, say
from tests.simulators.whole import problems
from voice_runtime.agent import Tool
from voice_runtime.events import CallerPausedFrame, CallerSaidFrame

pytestmark = pytest.mark.anyio

ANSWER = {"first_token", "verdict", "durable", "synthesis", "egress", "asr_to_first_token", "first_audio_out"}
PHRASE = {"egress", "first_audio_out"}
EAR = {"endpointing", "recognition"}


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base),)


def measured(line: OnTheLine, turn: int = 1) -> set[str]:
    """The stages that have a number in that turn of the trace."""
    found = turns([(i, record, p) for i, (record, p) in enumerate(line.recorder.records)])
    assert not [p for p in problems(line.recorder.records) if "turn" in p]
    [latency] = [t.latency_ms for t in found if t.n == turn]
    return {name for name, value in latency.model_dump().items() if value is not None}


async def spoken(line: OnTheLine, text: str, t0_ns: int = 0) -> None:
    """A turn as an ear tells it: 300 ms from the last sample to its text, 500 ms to its end.

    Args:
        t0_ns: when its last sample came, if before now; it ends 500 ms from now.
    """
    now = t0_ns or line.carrier.clock.monotonic_ns()
    line.carrier.clock.advance(0.5)
    ended_ns = line.carrier.clock.monotonic_ns() if t0_ns else now + 500_000_000
    await line.carrier.send(
        CallerSaidFrame(
            text=text,
            confidence=0.9,
            started_s=1.0,
            ended_s=2.0,
            t0_ns=now,
            ended_ns=ended_ns,
            recognised_ns=now + 300_000_000,
            engine="pocketsphinx",
        )
    )
    await line.settled()


async def test_a_spoken_turn_answered_by_the_model_has_every_stage() -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await spoken(line, "when do you open")
        assert measured(line) == ANSWER | EAR
        [latency] = [p.latency_ms for _, p in line.of("agent.played") if p.latency_ms]
        assert (latency.endpointing, latency.recognition) == (500, 300)


async def test_a_turn_begun_at_a_pause_counts_what_was_left_of_the_model_once_it_was_over() -> None:
    """Its first word was there when the turn ended: the caller waited for the turn, and not for the model."""
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        at_pause = line.carrier.clock.monotonic_ns()
        await line.carrier.send(
            CallerPausedFrame(text="when do you open", confidence=0.9, started_s=1, ended_s=2, engine="test")
        )
        async with asyncio.timeout(60):
            while not line.of("turn.decided"):
                await asyncio.sleep(0)
        await spoken(line, "when do you open", t0_ns=at_pause - 200_000_000)
        assert measured(line) == ANSWER | EAR | {"eager"}
        [latency] = [p.latency_ms for _, p in line.of("agent.played") if p.latency_ms]
        assert latency.first_token == 0
        assert 200 <= latency.asr_to_first_token < latency.endpointing
        assert 0 < latency.eager <= latency.endpointing - 200
        assert latency.first_audio_out >= latency.endpointing


async def test_typed_words_have_no_end_to_be_found_and_are_not_recognised() -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("when do you open")
        assert measured(line) == ANSWER


async def test_a_turn_answered_by_a_fixed_phrase_is_neither_judged_nor_made_durable_nor_synthesised() -> None:
    """It had a verdict of 0 ms and a record durable in 0 ms: both had happened before the call."""
    async with on_the_line() as line:
        await line.opened()
        await line.say("let me talk to a person")
        assert measured(line) == PHRASE


async def test_a_model_that_fails_has_no_first_token() -> None:
    async with on_the_line(refuse(500), handoff=()) as line:
        await line.opened()
        await line.say("when do you open")
        assert measured(line) == PHRASE


async def test_a_first_clause_that_is_refused_has_its_verdict_and_nothing_of_its_own_speech() -> None:
    async with on_the_line(say("It is probably just eczema.")) as line:
        await line.opened()
        await line.say("is my rash serious")
        assert line.of("clause.refused")
        assert measured(line) == PHRASE | {"verdict", "first_token", "asr_to_first_token"}


async def test_of_two_clauses_the_first_one_counts() -> None:
    async with on_the_line(say("We open at nine. We close at five.")) as line:
        await line.opened()
        await line.say("when do you open")
        assert measured(line) == ANSWER
        first, second = [p for x, p in line.of("agent.played") if x.turn == 1]
        assert first.latency_ms is not None
        assert second.latency_ms is None


async def test_a_clause_no_voice_could_speak_leaves_no_mark_on_the_phrase_that_did() -> None:
    """The fallback's latency had the failed clause's receipt and the opening's record in it."""
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        line.voice.failing = True
        await line.say("when do you open")
        assert measured(line) == PHRASE | {"first_token", "asr_to_first_token"}


async def test_a_turn_that_used_a_tool_counts_from_its_first_request() -> None:
    plans = [call(("book", '{"day": "Monday"}')), say("Booked.")]
    async with on_the_line(*plans, tools=tools) as line:
        await line.opened()
        await line.say("book monday", "yes")
        assert measured(line, 1) == ANSWER  # the read-back
        assert measured(line, 2) == ANSWER


async def test_a_receipt_is_judged_and_synthesised_without_a_model() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("can i have a receipt")
        assert measured(line) == ANSWER - {"first_token", "asr_to_first_token"}


async def test_what_nobody_asked_for_is_no_turns_latency() -> None:
    """ "Are you still there?" was the first audio of the turn before it: eight seconds after "stop"."""
    async with on_the_line(handoff=()) as line:
        await line.opened()
        await line.say("stop")
        await line.carrier.stay_silent(10)
        assert line.played()[-1] == "still-there"
        assert measured(line) == set()


async def test_a_key_is_no_answer_to_the_words_before_it() -> None:
    async with on_the_line(handoff=()) as line:
        await line.opened()
        await line.say("stop")
        await line.press("0")
        assert line.played()[-2:] == ["nobody-reached", "ai-again"]
        assert measured(line) == set()


async def test_a_clause_cut_before_its_first_sample_has_no_latency() -> None:
    async with on_the_line([STALL]) as line:
        await line.opened()
        await line.carrier.say("when do you open")
        await line.model.wait_for_request()
        await line.hang_up()
        assert measured(line) == set()


async def test_what_comes_before_the_caller_spoke_has_none() -> None:
    async with on_the_line() as line:
        await line.opened()
        assert measured(line, 0) == set()


async def test_a_late_receipt_is_what_the_caller_waited_for() -> None:
    async with on_the_line(say("At nine."), deadline_s=60.0) as line:
        await line.opened()
        line.recorder.delayed = True
        await line.carrier.say("when do you open")
        async with asyncio.timeout(30):
            while not any(isinstance(x, r.ClauseCleared) for x, _, _ in line.recorder.waiting):
                await asyncio.sleep(0.001)
        line.carrier.clock.advance(0.7)
        line.recorder.delayed = False
        line.recorder.commit()
        await line.settled()
        [latency] = [p.latency_ms for x, p in line.of("agent.played") if x.turn == 1]
        assert latency.durable >= 700
        await line.hang_up()
        assert not problems(line.recorder.records)
