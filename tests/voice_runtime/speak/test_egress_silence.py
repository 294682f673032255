"""Silence that is meant behind a clause: sent behind its last mark, paced, and no part of what was played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame

from controls.ledger.records import Evidence
from tests.simulators.link import FakeLink
from tests.simulators.pipeline import End, running
from tests.voice_runtime.speak.test_egress import OutletEnd, Rig, audio
from tests.voice_runtime.speak.test_egress_pause import HandClock, numbers
from voice_runtime.events import (
    CHUNK_BYTES,
    CHUNK_SAMPLES,
    AgentSpeakingFrame,
    ClauseAudioFrame,
    PauseSpeechFrame,
    ResumeSpeechFrame,
    SpokenFrame,
)

pytestmark = pytest.mark.anyio

SILENCE = 12  # chunks: 240 ms
SPEECH = 4


def disclosure(made: Rig) -> ClauseAudioFrame:
    frame = made.clause(SPEECH)
    frame.clause.silence_ms = SILENCE * 20
    frame.clause.interruptible = frame.interruptible = False
    return frame


@asynccontextmanager
async def disclosed(lead_ms: int = 1000) -> AsyncIterator[tuple[Rig, HandClock, ClauseAudioFrame, End, End]]:
    """A clause and the silence behind it lie at the carrier, as far as ``lead_ms`` lets them, at 1000 ms."""
    clock = HandClock()
    made = Rig(FakeLink(), clock=clock, lead_ms=lead_ms)
    frame = disclosure(made)
    async with running(made.egress) as (head, tail):
        await head.send(frame)
        await tail.until(lambda _: audio(tail) >= SPEECH and len(made.link.placed) == 1)
        yield made, clock, frame, head, tail


async def test_the_mark_that_proves_the_words_goes_out_ahead_of_the_silence() -> None:
    made, outlet = Rig(FakeLink(), clock=HandClock(), lead_ms=1000), OutletEnd()
    async with running(made.egress, outlet) as (head, _tail):
        await head.send(disclosure(made))
        await outlet.until(lambda _: len(outlet.taken) == 7)
        sent = [(len(x) // CHUNK_BYTES, any(x)) if isinstance(x, bytes) else x for x in outlet.taken]
        assert sent == [(3, True), (1, True), "mark", *[(3, False)] * 4]


async def test_what_was_played_does_not_wait_for_the_silence_and_does_not_count_it() -> None:
    async with disclosed() as (made, clock, frame, head, tail):
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE)
        clock.now_ms += SPEECH * 20
        made.link.give_back()
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        settled = made.sink.settled[frame.clause.cleared.id]
        assert (settled.samples, settled.of_samples, settled.interrupted, settled.evidence) == (
            SPEECH * CHUNK_SAMPLES, SPEECH * CHUNK_SAMPLES, False, Evidence.CARRIER_MARK,
        )  # fmt: skip


async def test_what_follows_in_time_sounds_when_the_silence_is_over() -> None:
    async with disclosed() as (made, clock, frame, head, tail):
        clock.now_ms += SPEECH * 20 + 60
        made.link.give_back()
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        await head.send(made.clause(3))
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE + 3)
        assert numbers(tail) == [1] * SPEECH + [0] * SILENCE + [1] * 3


async def test_silence_is_sent_no_further_ahead_than_words() -> None:
    async with disclosed(lead_ms=100) as (_made, clock, _frame, _head, tail):
        await tail.until(lambda _: audio(tail) == 7)
        for _ in range(50):
            await asyncio.sleep(0)
        assert audio(tail) == 7, "80 ms of words lie ahead, and 60 ms of silence: no more until they sound"


async def test_what_comes_later_than_the_silence_lasts_waits_no_longer() -> None:
    async with disclosed(lead_ms=60) as (made, clock, _frame, head, tail):
        clock.now_ms += SPEECH * 20 + SILENCE * 20 + 500  # egress was woken late: all of it has passed
        made.link.give_back()
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        await head.send(made.clause(3))
        await tail.until(lambda _: numbers(tail)[-3:] == [1] * 3)
        assert numbers(tail).count(0) == 0


async def test_the_caller_may_not_cut_in_before_what_follows_sounds() -> None:
    """The floor does not yield in the silence: until the words are proven, nothing may take them back."""
    async with disclosed() as (made, clock, _frame, head, tail):
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE)
        floor = head.of(AgentSpeakingFrame)
        assert [(f.speaking, f.yields) for f in floor] == [(True, False)]  # type: ignore[attr-defined]
        made.link.give_back()
        await head.send(made.clause(3))
        await head.until(lambda _: len(head.of(AgentSpeakingFrame)) == 2)
        floor = head.of(AgentSpeakingFrame)
        assert [(f.speaking, f.yields) for f in floor] == [(True, False), (True, True)]  # type: ignore[attr-defined]


async def test_a_pause_in_the_silence_leaves_the_mark_that_proves_the_words() -> None:
    """A line that is lost pauses everybody: a clear would have voided the mark, and 2 s would have passed."""
    async with disclosed() as (made, clock, frame, head, tail):
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE)
        clock.now_ms += SPEECH * 20 + 20
        await head.send(PauseSpeechFrame(at_s=0.0))
        for _ in range(20):
            await asyncio.sleep(0)
        assert -1 not in numbers(tail)
        made.link.give_back()
        await head.send(ResumeSpeechFrame())
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        assert not made.sink.settled[frame.clause.cleared.id].interrupted


async def test_words_taken_back_bring_their_silence_anew() -> None:
    async with disclosed() as (made, clock, frame, head, tail):
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE)
        clock.now_ms += 50  # half of chunk 2 has sounded
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        made.link.give_back()  # all of them, after a clear: they prove nothing
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE + 2 + SILENCE)
        assert numbers(tail) == [1] * SPEECH + [0] * SILENCE + [-1] + [1] * 2 + [0] * SILENCE
        assert not made.sink.settled
        await tail.until(lambda _: len(made.link.placed) == 1)
        made.link.give_back()
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        assert made.sink.settled[frame.clause.cleared.id].samples == SPEECH * CHUNK_SAMPLES


async def test_what_follows_and_is_paused_goes_out_again_without_the_silence() -> None:
    async with disclosed() as (made, clock, _frame, head, tail):
        made.link.give_back()
        await head.send(made.clause(3))
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE + 3)
        clock.now_ms += SPEECH * 20 + 100  # in the silence, and words lie behind it
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE + 6)
        assert numbers(tail)[-4:] == [-1, 1, 1, 1]


async def test_a_cut_ends_the_silence() -> None:
    async with disclosed(lead_ms=100) as (made, clock, frame, head, tail):
        await tail.until(lambda _: audio(tail) == 7)
        await head.send(InterruptionFrame())
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        assert made.sink.settled[frame.clause.cleared.id].interrupted
        clock.now_ms += 1000
        await head.send(made.clause(3))
        await tail.until(lambda _: audio(tail) == 10)
        assert numbers(tail)[7:] == [1] * 3


async def test_a_link_without_marks_keeps_the_pause_as_well() -> None:
    made = Rig(FakeLink(Evidence.SENT_ONLY, marks=False), clock=HandClock(), lead_ms=1000)
    async with running(made.egress) as (head, tail):
        await head.send(disclosure(made))
        await head.send(made.clause(3))
        await tail.until(lambda _: audio(tail) == SPEECH + SILENCE + 3)
        assert numbers(tail) == [1] * SPEECH + [0] * SILENCE + [1] * 3
        assert all(len(f.audio) % CHUNK_BYTES == 0 for f in tail.of(OutputAudioRawFrame))  # type: ignore[attr-defined]
