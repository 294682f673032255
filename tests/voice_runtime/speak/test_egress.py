"""Egress: no sample without its receipt, pause and cut to the sample, everything else dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from pipecat.frames.frames import (
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TTSAudioRawFrame,
)
from pipecat.processors.frame_processor import FrameDirection

from controls import decision
from controls.decision import Cleared, Receipt
from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger.records import Evidence
from tests.simulators.link import FakeLink
from tests.simulators.pipeline import End, running
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import (
    CHUNK_BYTES,
    CHUNK_SAMPLES,
    AgentSpeakingFrame,
    AnswerEndFrame,
    CallerCaptionFrame,
    ClauseAudioFrame,
    ClauseFrame,
    ReceiptShownFrame,
    SpokenFrame,
    Word,
)
from voice_runtime.ports import PlayedClause
from voice_runtime.speak import egress
from voice_runtime.speak.egress import Egress

pytestmark = pytest.mark.anyio


class Sink:
    """A journal that keeps what egress settles."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.settled: dict[str, PlayedClause] = {}

    def is_open(self, clause: str) -> bool:
        return clause in self.open

    def stale(self) -> list[Cleared]:
        return []

    def played(self, cleared: Cleared, result: PlayedClause) -> None:
        if cleared.id in self.open:
            self.open.discard(cleared.id)
            self.settled[cleared.id] = result

    def cut(self) -> None:
        pass

    def never_played(self, cleared: Cleared) -> None:
        self.played(cleared, PlayedClause(0, 0, "", True, Evidence.SENT_ONLY))

    async def durable(self, future: Future[Receipt], deadline_s: float) -> Receipt:
        if future.done():
            return future.result()
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            raise LedgerError("no receipt in time") from None

    def seconds(self, at_ns: int) -> float:
        return 0.0


class Rig:
    def __init__(
        self,
        link: FakeLink,
        deadline_s: float = 30.0,
        on_sent: Callable[[bytes, int], None] | None = None,
        clock: Clock | None = None,
        lead_ms: int = 100,
    ) -> None:
        self.sink = Sink()
        self.link = link
        self.lead_ms = lead_ms
        self.without_receipt: list[str] = []
        self.dropped: list[str] = []
        self.egress = Egress(
            self.sink,
            link,
            clock or SystemClock(),
            receipt_deadline_s=deadline_s,
            on_no_receipt=lambda clause: self.without_receipt.append(clause.cleared.id),
            on_dropped=self.dropped.append,
            on_sent=on_sent,
            lead_ms=lambda: self.lead_ms,
        )

    def clause(
        self, chunks: int, text: str = "one two three four", *, durable: bool = True
    ) -> ClauseAudioFrame:
        receipt: Future[Receipt] = Future()
        receipt.set_running_or_notify_cancel()
        if durable:
            receipt.set_result(Receipt("o", 1, "clause.cleared", 1))
        cleared = Cleared(
            mint=decision._MINT,
            call="c",
            turn=1,
            id=new_id("k"),
            text=text,
            language="en-US",
            receipt=receipt,
        )
        self.sink.open.add(cleared.id)
        pcm = b"\x01\x00" * CHUNK_SAMPLES * chunks
        return ClauseAudioFrame(clause=ClauseFrame(cleared), pcm=pcm, last=True)


@asynccontextmanager
async def rig(deadline_s: float = 30.0, link: FakeLink | None = None) -> AsyncIterator[tuple[Rig, End, End]]:
    made = Rig(link or FakeLink(), deadline_s)
    async with running(made.egress) as (head, tail):
        yield made, head, tail


def audio(end: End) -> int:
    return sum(len(frame.audio) for frame in end.of(OutputAudioRawFrame)) // CHUNK_BYTES


async def test_no_sample_before_the_receipt() -> None:
    async with rig() as (made, head, tail):
        frame = made.clause(3, durable=False)
        await head.send(frame)
        for _ in range(20):
            await asyncio.sleep(0)
        assert audio(tail) == 0
        frame.clause.cleared.receipt.set_result(Receipt("o", 1, "clause.cleared", 1))
        await tail.until(lambda _: audio(tail) == 3)


async def test_past_the_deadline_the_audio_is_discarded() -> None:
    async with rig(deadline_s=0.02) as (made, head, tail):
        late, good = made.clause(3, durable=False), made.clause(2)
        await head.send(late)
        await head.send(good)
        await tail.until(lambda _: audio(tail) == 2)
        assert made.without_receipt == [late.clause.cleared.id]
        assert made.sink.settled[late.clause.cleared.id].samples == 0


async def test_a_failed_append_is_no_receipt() -> None:
    async with rig() as (made, head, tail):
        frame, good = made.clause(3, durable=False), made.clause(1)
        frame.clause.cleared.receipt.set_exception(LedgerError("disk full"))
        await head.send(frame)
        await head.send(good)
        await tail.until(lambda _: audio(tail) == 1)
        assert made.without_receipt == [frame.clause.cleared.id]


async def test_clauses_are_padded_to_whole_chunks_and_padding_is_not_played_text() -> None:
    async with rig() as (made, head, tail):
        frame = made.clause(1)
        frame.pcm += b"\x01\x00" * 10
        await head.send(frame)
        await tail.until(lambda _: audio(tail) == 2)
        assert all(len(f.audio) % CHUNK_BYTES == 0 for f in tail.of(OutputAudioRawFrame))
        await head.until(lambda _: bool(head.of(AgentSpeakingFrame)))
        made.link.give_back()
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        result = made.sink.settled[frame.clause.cleared.id]
        assert (result.samples, result.of_samples, result.interrupted) == (170, 170, False)


async def test_an_interruption_counts_only_marks_that_came_back_before_it() -> None:
    async with rig() as (made, head, tail):
        frame = made.clause(100)
        await head.send(frame)
        await tail.until(lambda _: len(made.link.placed) >= 2)
        made.link.give_back(1)  # the first 180 ms
        await head.send(InterruptionFrame())
        await head.until(lambda _: bool(head.of(SpokenFrame)))
        made.link.give_back()  # Twilio returns all of them after clear
        result = made.sink.settled[frame.clause.cleared.id]
        assert (result.samples, result.interrupted) == (9 * CHUNK_SAMPLES, True)
        await tail.until(lambda _: bool(tail.of(InterruptionFrame)))


async def test_a_clause_whose_marks_never_come_back_is_told_as_sent_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was settled in time, but upstream heard of it up to a minute later: the player slept on it."""
    monkeypatch.setattr(egress, "_MARK_PATIENCE_NS", 50_000_000)
    async with rig() as (made, head, tail):
        frame = made.clause(2)
        await head.send(frame)
        await head.send(AnswerEndFrame(turn=1))
        [told] = (await head.until(lambda _: bool(head.of(SpokenFrame)), timeout_s=10)) and head.of(
            SpokenFrame
        )
        settled = made.sink.settled[frame.clause.cleared.id]
        assert (settled.samples, settled.evidence) == (2 * CHUNK_SAMPLES, Evidence.SENT_ONLY)
        assert told.evidence is Evidence.SENT_ONLY  # type: ignore[attr-defined]


async def test_a_mark_follows_at_most_nine_chunks_however_they_come() -> None:
    """Eight chunks unmarked, then a message of three: eleven, where nine were promised."""
    async with rig() as (made, head, tail):
        frame = made.clause(8)
        first = ClauseAudioFrame(clause=frame.clause, pcm=frame.pcm, last=False)
        await head.send(first)
        await tail.until(lambda _: audio(tail) == 8)
        await head.send(ClauseAudioFrame(clause=frame.clause, pcm=frame.pcm, last=True))
        await tail.until(lambda _: audio(tail) == 16)
        await tail.until(lambda _: len(made.link.placed) == 2)
        positions = [int(name.split(".")[1]) // CHUNK_SAMPLES for name in made.link.placed]
        assert positions == [9, 16]


class OutletEnd(End):
    """The pipeline's end as a transport that takes samples without frames (``ports.Outlet``)."""

    def __init__(self) -> None:
        super().__init__("outlet", FrameDirection.UPSTREAM)
        self.taken: list[bytes | str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            self.taken.append("clear")
        await super().process_frame(frame, direction)

    async def play(self, pcm: bytes) -> None:
        self.taken.append(pcm)
        self._changed.set()

    async def tell(self, message: Mapping[str, Any]) -> None:
        self.taken.append(str(message["event"]))
        self._changed.set()


async def test_an_outlet_gets_samples_marks_and_the_cut_in_order_and_no_frames() -> None:
    made, outlet = Rig(FakeLink()), OutletEnd()
    async with running(made.egress, outlet) as (head, tail):
        frame = made.clause(12, durable=False)
        await head.send(frame)
        for _ in range(20):
            await asyncio.sleep(0)
        assert outlet.taken == []  # nothing before its receipt
        frame.clause.cleared.receipt.set_result(Receipt("o", 1, "clause.cleared", 1))
        await head.until(lambda _: bool(head.of(AgentSpeakingFrame)))
        await outlet.until(lambda _: outlet.taken.count("mark") == 2)
        await head.send(made.clause(100))
        await outlet.until(lambda _: len(outlet.taken) > 6)
        await head.send(InterruptionFrame())
        await tail.until(lambda _: bool(tail.of(InterruptionFrame)))
        chunks = [len(x) // CHUNK_BYTES if isinstance(x, bytes) else x for x in outlet.taken]
        assert chunks[:6] == [3, 3, 3, "mark", 3, "mark"]
        assert chunks[-1] == "clear"  # and nothing of what it cut behind it
        assert audio(tail) == 0


async def test_what_did_not_come_through_the_gate_is_dropped() -> None:
    async with rig() as (made, head, tail):
        await head.send(TTSAudioRawFrame(audio=b"\0" * 320, sample_rate=8000, num_channels=1))
        await head.send(OutputTransportMessageUrgentFrame(message={"text": "raw"}))
        frame = made.clause(1)
        frame.clause.cleared = object()  # type: ignore[assignment]
        await head.send(frame)
        await head.send(made.clause(2))
        await tail.until(lambda _: audio(tail) == 2)
        assert sorted(made.dropped) == [
            "OutputTransportMessageUrgentFrame", "TTSAudioRawFrame", "clause without token",
        ]  # fmt: skip


async def test_the_floor_is_given_back_after_the_last_sample() -> None:
    async with rig(link=FakeLink(Evidence.SENT_ONLY, marks=False)) as (made, head, tail):
        await head.send(made.clause(2))
        await head.send(AnswerEndFrame(turn=1))
        await head.until(lambda _: len(head.of(AgentSpeakingFrame)) == 2)
        assert [f.speaking for f in head.of(AgentSpeakingFrame)] == [True, False]  # type: ignore[attr-defined]
        assert len(head.of(SpokenFrame)) == 1


async def test_every_open_clause_is_settled_when_the_call_ends() -> None:
    async with rig() as (made, head, tail):
        first, second = made.clause(40), made.clause(40)
        await head.send(first)
        await head.send(second)
        await tail.until(lambda _: audio(tail) >= 1)
    assert not made.sink.open
    assert made.sink.settled[second.clause.cleared.id].samples == 0


# --- captions, and what echo comparison is given ---------------------------------------------------


def captions(end: End) -> list[dict[str, object]]:
    return [f.message for f in end.of(OutputTransportMessageFrame) if "caption" in f.message]  # type: ignore[attr-defined]


async def test_a_caption_waits_for_the_receipt_of_its_clause() -> None:
    async with rig(link=FakeLink(captions=True)) as (made, head, tail):
        frame = made.clause(2, durable=False)
        frame.clause.written = "1 2 3 4"
        await head.send(frame)
        for _ in range(20):
            await asyncio.sleep(0)
        assert captions(tail) == []
        frame.clause.cleared.receipt.set_result(Receipt("o", 1, "clause.cleared", 1))
        await tail.until(lambda _: audio(tail) == 2)
        [caption] = captions(tail)
        assert (caption["who"], caption["caption"], caption["state"]) == ("agent", "1 2 3 4", "begin")
        kinds = [type(f) for f in tail.frames]
        assert kinds.index(OutputTransportMessageFrame) < kinds.index(OutputAudioRawFrame)


async def test_a_clause_without_a_receipt_is_never_shown() -> None:
    async with rig(deadline_s=0.02, link=FakeLink(captions=True)) as (made, head, tail):
        await head.send(made.clause(3, "never to be seen", durable=False))
        await head.send(made.clause(2, "shown"))
        await tail.until(lambda _: audio(tail) == 2)
        assert [c["caption"] for c in captions(tail)] == ["shown"]


async def test_a_cut_clause_is_shown_with_what_was_played() -> None:
    async with rig(link=FakeLink(captions=True)) as (made, head, tail):
        frame = made.clause(200, "one two")
        frame.words = [Word(0, 3, 0), Word(4, 7, 20_000)]
        await head.send(frame)
        await tail.until(lambda _: audio(tail) >= 2)
        await head.send(InterruptionFrame())
        await tail.until(lambda _: len(captions(tail)) == 2)
        begun, cut = captions(tail)
        assert begun["id"] == cut["id"] == frame.clause.cleared.id
        assert cut["state"] == "cut"
        assert cut["caption"] == made.sink.settled[frame.clause.cleared.id].text


async def test_the_callers_own_words_are_shown_at_once() -> None:
    async with rig(link=FakeLink(captions=True)) as (_, head, tail):
        await head.send(CallerCaptionFrame("at ten", 3))
        await tail.until(lambda _: bool(captions(tail)))
        assert [(c["who"], c["caption"], c["id"]) for c in captions(tail)] == [("caller", "at ten", "said-3")]


async def test_a_link_without_captions_gets_none() -> None:
    async with rig() as (made, head, tail):
        await head.send(CallerCaptionFrame("at ten"))
        await head.send(made.clause(2))
        await tail.until(lambda _: audio(tail) == 2)
        assert captions(tail) == []


async def test_each_chunk_sent_is_told_with_the_time_it_sounds() -> None:
    sent: list[tuple[bytes, int]] = []
    made = Rig(FakeLink(), on_sent=lambda pcm, at_ns: sent.append((pcm, at_ns)))
    async with running(made.egress) as (head, tail):
        await head.send(made.clause(4))
        await tail.until(lambda _: audio(tail) == 4)
    assert [len(pcm) for pcm, _ in sent] == [320] * 4
    assert [b - a for (_, a), (_, b) in pairwise(sent)] == [20_000_000] * 3


async def test_a_clause_cut_before_its_first_chunk_left_a_time_at_which_it_had_sounded() -> None:
    """Its caption was pushed first; what came meanwhile cut it, and its record named a first sample."""
    made = Rig(FakeLink(captions=True))
    frame = made.clause(4)

    original = made.egress._show

    async def show_and_be_cut() -> None:
        begins = bool(made.egress._shown._due)
        await original()
        if begins and made.egress._queue:
            made.egress._cut()

    made.egress._show = show_and_be_cut  # type: ignore[method-assign]
    async with running(made.egress) as (head, tail):
        await head.send(frame)
        await tail.until(lambda _: bool(captions(tail)))
        await head.until(lambda _: bool(head.of(SpokenFrame)))
    settled = made.sink.settled[frame.clause.cleared.id]
    assert (settled.samples, settled.first_sample_at_ns) == (0, 0)


# --- the caller's receipt --------------------------------------------------------------------------


def receipts(end: End) -> list[object]:
    return [f.message["receipt"] for f in end.of(OutputTransportMessageFrame) if "receipt" in f.message]  # type: ignore[attr-defined]


async def test_a_receipt_is_shown_only_with_its_token_and_its_record() -> None:
    async with rig(link=FakeLink(captions=True)) as (made, head, tail):
        pending = made.clause(1, "7K2-M9Q-X4R", durable=False).clause.cleared
        failed = made.clause(1, "7K2-M9Q-X4R", durable=False).clause.cleared
        failed.receipt.set_exception(LedgerError("disk full"))
        for cleared in (pending, failed, object()):
            await head.send(ReceiptShownFrame(cleared))  # type: ignore[arg-type]
        await head.send(ReceiptShownFrame(made.clause(1, "7K2-M9Q-X4R").clause.cleared))
        await tail.until(lambda _: bool(receipts(tail)))
        assert receipts(tail) == ["7K2-M9Q-X4R"]
        assert made.dropped == ["receipt without its record"] * 3


async def test_a_link_without_a_screen_is_shown_no_receipt() -> None:
    async with rig() as (made, head, tail):
        await head.send(ReceiptShownFrame(made.clause(1, "7K2-M9Q-X4R").clause.cleared))
        await head.send(made.clause(1))
        await tail.until(lambda _: audio(tail) == 1)
        assert receipts(tail) == []
