"""A pause at egress: what lies unplayed at the carrier is taken back, and goes out again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame, OutputTransportMessageFrame

from controls.ledger.records import Evidence
from tests.simulators.link import FakeLink
from tests.simulators.pipeline import End, running
from tests.voice_runtime.speak.test_egress import Rig, audio, rig
from voice_runtime.clock import SystemClock
from voice_runtime.events import (
    CHUNK_BYTES,
    CHUNK_SAMPLES,
    AgentSpeakingFrame,
    AnswerEndFrame,
    CallerCaptionFrame,
    ClauseAudioFrame,
    PauseSpeechFrame,
    ResumeSpeechFrame,
    SpokenFrame,
)

pytestmark = pytest.mark.anyio


class HandClock(SystemClock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1000

    def monotonic_ns(self) -> int:
        return self.now_ms * 1_000_000


@asynccontextmanager
async def all_sent(
    *, captions: bool = False, chunks: int = 30
) -> AsyncIterator[tuple[Rig, HandClock, ClauseAudioFrame, End, End]]:
    """A clause of numbered chunks that lies at the carrier whole, at 1000 ms: nothing of it has sounded."""
    clock = HandClock()
    made = Rig(FakeLink(captions=captions), clock=clock, lead_ms=1000)
    frame = made.clause(chunks)
    frame.pcm = b"".join(bytes([n, 0]) * CHUNK_SAMPLES for n in range(chunks))
    async with running(made.egress) as (head, tail):
        await head.send(frame)
        await tail.until(lambda _: audio(tail) == chunks and len(made.link.placed) == -(-chunks // 9))
        yield made, clock, frame, head, tail


def numbers(end: End) -> list[int]:
    """The chunks that went out, by their numbers; -1 for a ``clear``."""
    found: list[int] = []
    for frame in end.frames:
        if isinstance(frame, OutputAudioRawFrame):
            found += frame.audio[::CHUNK_BYTES]
        elif isinstance(frame, OutputTransportMessageFrame) and frame.message == {"event": "clear"}:
            found.append(-1)
    return found


async def test_pause_takes_back_what_is_unplayed_and_resume_sends_it_again() -> None:
    async with all_sent() as (made, clock, frame, head, tail):
        clock.now_ms += 250  # half of chunk 12 has sounded
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        await head.send(PauseSpeechFrame(at_s=0.0))
        clock.now_ms += 400
        made.link.give_back()  # Twilio returns all of them after clear
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: numbers(tail)[-1] == 29)
        assert numbers(tail) == [*range(30), -1, *range(12, 30)], "from the chunk that sounded"
        await tail.until(lambda _: len(made.link.placed) == 2)
        assert not made.sink.settled
        made.link.give_back()
        settled = made.sink.settled[frame.clause.cleared.id]
        assert (settled.samples, settled.interrupted, settled.evidence) == (
            30 * CHUNK_SAMPLES, False, Evidence.CARRIER_MARK,
        )  # fmt: skip


@pytest.mark.parametrize(("back_at_ms", "played"), [(1180, 12), (1240, 9), (None, 0)])
async def test_cut_after_a_pause_counts_what_marks_and_the_time_since_prove(
    back_at_ms: int | None, played: int
) -> None:
    async with all_sent() as (made, clock, frame, head, tail):
        if back_at_ms is not None:
            made.link.give_back(1, at_ns=back_at_ms * 1_000_000)  # the first 180 ms
        clock.now_ms += 250
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        clock.now_ms += 300
        await head.send(InterruptionFrame())
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        assert made.sink.settled[frame.clause.cleared.id].samples == played * CHUNK_SAMPLES


@pytest.mark.parametrize(("marks", "played"), [(0, 12), (1, 21), (2, 30)])
async def test_what_sounds_for_a_moment_between_two_pauses_counts_from_its_own_mark_on(
    marks: int, played: int
) -> None:
    """Paused at 250 ms, gone on, and interrupted 60 ms later: no mark of the moment, nothing of it counts."""
    async with all_sent() as (made, clock, frame, head, tail):
        made.link.give_back(1, at_ns=1_180_000_000)  # the first 180 ms
        clock.now_ms += 250
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        made.link.give_back()  # behind a clear: they prove nothing
        clock.now_ms += 580
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: numbers(tail)[-1] == 29 and len(made.link.placed) == 2)
        clock.now_ms += 60
        made.link.give_back(marks, at_ns=clock.monotonic_ns())
        await head.send(PauseSpeechFrame(at_s=0.0))
        await head.send(InterruptionFrame())
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        assert made.sink.settled[frame.clause.cleared.id].samples == played * CHUNK_SAMPLES


async def test_a_clause_taken_back_whole_is_shown_once() -> None:
    async with all_sent(captions=True, chunks=4) as (_made, clock, frame, head, tail):
        clock.now_ms += 10
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: numbers(tail) == [0, 1, 2, 3, -1, 0, 1, 2, 3])
        shown = [f.message for f in tail.of(OutputTransportMessageFrame) if "caption" in f.message]  # type: ignore[attr-defined]
        assert [(m["id"], m["state"]) for m in shown] == [(frame.clause.cleared.id, "begin")]


async def test_a_pause_when_all_has_sounded_takes_nothing_back() -> None:
    async with all_sent(chunks=8) as (_made, clock, _frame, head, tail):
        clock.now_ms += 160
        await head.send(PauseSpeechFrame(at_s=0.0))
        await head.send(CallerCaptionFrame(text="x", turn=1))
        await head.send(ResumeSpeechFrame())
        await head.send(AnswerEndFrame(turn=1))
        await head.until(lambda _: any(not f.speaking for f in head.of(AgentSpeakingFrame)))  # type: ignore[attr-defined]
        assert numbers(tail) == list(range(8))


async def test_a_link_that_cannot_clear_is_paused_all_the_same() -> None:
    async with rig(link=FakeLink(marks=False)) as (made, head, tail):
        await head.send(made.clause(30))
        await tail.until(lambda _: audio(tail) >= 4)
        await head.send(PauseSpeechFrame(at_s=0.0))
        for _ in range(50):
            await asyncio.sleep(0)
        assert audio(tail) < 30
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: audio(tail) == 30)
        assert numbers(tail).count(-1) == 0


async def test_the_last_words_of_a_clause_are_known_while_they_sound() -> None:
    async with all_sent(chunks=50) as (made, clock, frame, head, tail):
        words = frame.clause.cleared.text
        assert made.egress.last_words() == "", "a second of it is to come"
        clock.now_ms += 100
        await head.send(PauseSpeechFrame(at_s=0.0))
        await tail.until(lambda _: numbers(tail)[-1] == -1)
        assert made.egress.last_words() == "", "0.9 s of it are to be sent again"
        await head.send(ResumeSpeechFrame())
        await tail.until(lambda _: numbers(tail)[-1] == 49)
        clock.now_ms += 120
        assert made.egress.last_words() == words
        clock.now_ms += 1000
        assert made.egress.last_words() == words, "no mark says that the caller has got them"
        made.link.give_back()
        assert made.egress.last_words() == ""


async def test_the_last_words_are_those_of_the_clause_that_sounds_not_of_the_next() -> None:
    async with all_sent() as (made, clock, frame, head, tail):
        clock.now_ms += 500
        await head.send(made.clause(60, "five six seven eight"))
        await tail.until(lambda _: audio(tail) > 30)
        assert made.egress.last_words() == frame.clause.cleared.text
        clock.now_ms += 200
        assert made.egress.last_words() == "", "it sounds, and is not about to end"


async def test_a_clause_that_is_still_being_synthesised_is_not_about_to_end() -> None:
    clock = HandClock()
    made = Rig(FakeLink(), clock=clock, lead_ms=1000)
    frame = made.clause(10)
    frame.last = False
    async with running(made.egress) as (head, tail):
        await head.send(frame)
        await tail.until(lambda _: audio(tail) == 10)
        assert made.egress.last_words() == ""
