"""Silences of our making are told by cause: by the pure rule, and by egress on a clock moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.decision import Receipt
from tests.simulators.link import FakeLink
from tests.simulators.pipeline import End, running
from tests.voice_runtime.speak.test_egress import Rig, audio
from voice_runtime.events import CHUNK_SAMPLES, ClauseAudioFrame, PauseSpeechFrame, ResumeSpeechFrame
from voice_runtime.speak.egress import Egress
from voice_runtime.speak.underrun import Cause, underrun

pytestmark = pytest.mark.anyio

MS = 1_000_000
CHUNK = b"\x01\x00" * CHUNK_SAMPLES

# --- the rule ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("late_ms", "samples_ms", "admitted_ms", "in_clause", "cause"),
    [
        (20, 0, 0, True, None),
        (21, 0, 0, True, "loop"),
        (50, -1, 0, True, "loop"),
        (50, 30, 0, True, "synthesis"),
        (5000, 4990, 0, True, "synthesis"),
        (20, 19, 19, False, None),
        (50, -10, -10, False, "loop"),
        (50, -10, 40, False, "record"),
        (50, 30, 40, False, "source"),
        (1000, 990, 995, False, "source"),
        (1001, 990, 995, False, None),
    ],
)
def test_what_came_last_was_the_cause(
    late_ms: int, samples_ms: int, admitted_ms: int, in_clause: bool, cause: Cause | None
) -> None:
    due = 10_000 * MS
    found = underrun(
        due, due + late_ms * MS, due + samples_ms * MS, due + admitted_ms * MS, in_clause=in_clause
    )
    assert found == cause


@given(
    now=st.integers(0, 10**12), samples=st.integers(0, 10**12), admitted=st.integers(0, 10**12),
    in_clause=st.booleans(),
)  # fmt: skip
def test_where_nothing_was_sent_before_there_is_no_underrun(
    now: int, samples: int, admitted: int, in_clause: bool
) -> None:
    assert underrun(0, now, samples, admitted, in_clause=in_clause) is None


# --- egress -----------------------------------------------------------------------------------------


class Hand:
    """Implements ``clock.Clock``; stands still until it is moved."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def monotonic_ns(self) -> int:
        return self.now_ms * MS

    def unix_s(self) -> float:
        return self.now_ms / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("egress waits for events")


class Line:
    """An egress that hands over at once all it has, unless ``lead_ms`` is shorter than the test.

    It does so in messages of one to three chunks; what is counted here is chunks.
    """

    def __init__(self, lead_ms: int) -> None:
        self.clock = Hand()
        self.lead_ms = lead_ms
        self.causes: list[Cause] = []
        self.rig = Rig(FakeLink())
        self.egress = Egress(
            self.rig.sink,
            self.rig.link,
            self.clock,
            receipt_deadline_s=60.0,
            on_no_receipt=lambda clause: None,
            on_underrun=self.causes.append,
            lead_ms=lambda: self.lead_ms,
        )
        self.sent = 0

    async def hand(self, frame: ClauseAudioFrame, chunks: int, head: End, tail: End) -> None:
        """Give egress a piece and wait until so many chunks more are out."""
        await head.send(frame)
        await self.out(chunks, tail)

    async def out(self, chunks: int, tail: End) -> None:
        """Wait until so many chunks more are out, and see that there are no more than that."""
        self.sent += chunks
        await tail.until(lambda _: audio(tail) >= self.sent)
        assert audio(tail) == self.sent


@asynccontextmanager
async def line(lead_ms: int = 60_000) -> AsyncIterator[tuple[Line, End, End]]:
    made = Line(lead_ms)
    async with running(made.egress) as (head, tail):
        yield made, head, tail


def pieces(frame: ClauseAudioFrame, *chunks: int) -> list[ClauseAudioFrame]:
    """A clause in so many pieces of so many chunks; the last one ends it."""
    last = len(chunks) - 1
    return [
        ClauseAudioFrame(clause=frame.clause, pcm=CHUNK * n, last=i == last) for i, n in enumerate(chunks)
    ]


async def test_samples_that_come_late_in_a_clause_are_the_voices_fault() -> None:
    async with line() as (made, head, tail):
        first, second, third = pieces(made.rig.clause(9), 3, 3, 3)
        await made.hand(first, 3, head, tail)
        made.clock.now_ms += 60
        await made.hand(second, 3, head, tail)
        assert made.causes == [], "just in time"
        made.clock.now_ms += 60 + 45
        await made.hand(third, 3, head, tail)
        assert made.causes == ["synthesis"]


async def test_a_next_clause_that_was_not_there_is_told_from_one_whose_record_was_late() -> None:
    async with line() as (made, head, tail):
        await made.hand(made.rig.clause(3), 3, head, tail)
        made.clock.now_ms += 60 + 100
        await made.hand(made.rig.clause(3), 3, head, tail)
        assert made.causes == ["source"]
        late = made.rig.clause(3, durable=False)
        await head.send(late)
        while made.egress._find(late.clause.cleared.id) is None:
            await asyncio.sleep(0)
        made.clock.now_ms += 60 + 100
        receipt: Future[Receipt] = late.clause.cleared.receipt
        receipt.set_result(Receipt("o", 1, "clause.cleared", 1))
        await made.out(3, tail)
        assert made.causes == ["source", "record"]


async def test_a_silence_that_was_wanted_and_a_long_wait_are_no_underruns() -> None:
    async with line() as (made, head, tail):
        await made.hand(made.rig.clause(3), 3, head, tail)
        made.clock.now_ms += 60 + 1001
        first, second = pieces(made.rig.clause(6), 3, 3)
        await made.hand(first, 3, head, tail)
        assert made.causes == [], "a wait"
        await head.send(PauseSpeechFrame(at_s=0.0))
        made.clock.now_ms += 2000
        await head.send(second)
        await head.send(ResumeSpeechFrame())
        await made.out(3, tail)
        assert made.causes == [], "paused"


async def test_lateness_counts_from_the_end_of_all_that_was_sent() -> None:
    """With a lead of 100 ms two messages of 60 ms go out at once, and none until 20 of the 120 are over."""
    async with line(lead_ms=100) as (made, head, tail):
        await made.hand(made.rig.clause(18), 6, head, tail)
        made.clock.now_ms += 120 + 20
        await made.out(6, tail)
        assert made.causes == [], "less late than a chunk is long"
        made.clock.now_ms += 120 + 21
        await made.out(6, tail)
        assert made.causes == ["loop"], "once, though two messages followed"


async def test_a_pause_that_was_announced_is_bridged() -> None:
    """Such as one for garbage (``voice_runtime.garbage``): 240 ms more were sent before it."""
    async with line(lead_ms=100) as (made, head, tail):
        await made.hand(made.rig.clause(40), 6, head, tail)
        made.lead_ms = 340
        await made.out(12, tail)  # 360 ms lie at the caller
        made.lead_ms = 100
        made.clock.now_ms += 300
        await made.out(3, tail)
        assert made.causes == []


async def test_the_length_of_a_message_is_no_lateness() -> None:
    """A message shorter than the others is followed by the next one the sooner."""
    async with line() as (made, head, tail):
        first, second, third = pieces(made.rig.clause(9), 4, 1, 4)
        await made.hand(first, 4, head, tail)
        made.clock.now_ms += 80
        await made.hand(second, 1, head, tail)
        made.clock.now_ms += 20
        await made.hand(third, 4, head, tail)
        assert made.causes == []
