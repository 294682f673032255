"""The last stage before the carrier: admits samples with a receipt, paces, pauses, accounts.

Directly before ``transport.output()``. In order, for each clause:

1. its ``ClauseFrame`` must carry a genuine ``Cleared`` that still owes its record;
2. its ``Receipt`` must arrive within the deadline, else its audio is discarded
   and the fallback speaks;
3. its samples go out in 20 ms chunks, at most ``lead_ms`` ahead of the caller's
   ear, with a mark at least every 200 ms and one at its end;
4. it is settled (``agent.played``) when its last mark comes back, when an
   interruption cuts it, or when the link has no marks and its time has passed.

Every other caller-bound frame is dropped. On a link that shows captions, a
clause's words go out with its first samples (so never before its receipt), and
what was played of it when it is cut; the caller's own words need no clearance. The
code of the caller's receipt is shown once ``receipt.issued`` is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputImageRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    SpriteFrame,
    StartFrame,
    TextFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.decision import Cleared
from controls.errors import SayError
from controls.ledger.records import Evidence
from voice_runtime.clock import Clock
from voice_runtime.events import (
    CHUNK_BYTES,
    CHUNK_MS,
    CHUNK_SAMPLES,
    RATE_HZ,
    AgentSpeakingFrame,
    AnswerEndFrame,
    CallerCaptionFrame,
    ClauseAudioFrame,
    ClauseFrame,
    PauseSpeechFrame,
    ReceiptShownFrame,
    ResumeSpeechFrame,
    SpokenFrame,
)
from voice_runtime.ports import MediaLink, PlayedClause, PlayedSink
from voice_runtime.speak.played import PlayedLedger
from voice_runtime.speak.shown import Shown

#: Caller-bound frames of pipecat. None passes unless egress made it itself.
CALLER_BOUND = (
    OutputAudioRawFrame,
    OutputDTMFFrame,
    OutputDTMFUrgentFrame,
    OutputImageRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    SpriteFrame,
    TextFrame,
)

_CHUNK_NS = CHUNK_MS * 1_000_000
_MARK_EVERY = 10  # chunks: 200 ms
_MARK_PATIENCE_NS = 2_000_000_000
_IDLE_ANSWER_NS = 5_000_000_000


@dataclass(slots=True, eq=False)
class _Playing:
    """A clause on its way out. ``sent`` and ``len(pcm)`` are bytes, ``end`` is a stream position."""

    frame: ClauseFrame
    pcm: bytearray = field(default_factory=bytearray)
    sent: int = 0
    complete: bool = False
    admitted: bool = False
    first_sample_ns: int = 0
    started_s: float = 0.0
    due_ns: int = 0
    end: int = 0

    @property
    def cleared(self) -> Cleared:
        return self.frame.cleared


class Egress(FrameProcessor):
    """One call's egress. ``lead_ms`` is how much audio may lie at the carrier unplayed."""

    def __init__(
        self,
        sink: PlayedSink,
        link: MediaLink,
        clock: Clock,
        *,
        receipt_deadline_s: float,
        on_no_receipt: Callable[[ClauseFrame], None],
        on_dropped: Callable[[str], None] | None = None,
        on_sent: Callable[[bytes, int], None] | None = None,
        on_underrun: Callable[[], None] | None = None,
        lead_ms: int = 120,
    ) -> None:
        """Make the egress of one call.

        Args:
            on_no_receipt: called with a clause that was discarded for want of its record.
            on_dropped: called with the kind of a frame that had no clearance.
            on_sent: called with each chunk handed to the carrier and the monotonic time at which
                it should sound, ns (echo comparison).
            on_underrun: called when the caller got silence in mid-clause because samples came late.
        """
        super().__init__(name="egress")
        self._sink = sink
        self._link = link
        self._clock = clock
        self._receipt_deadline_s = receipt_deadline_s
        self._on_no_receipt = on_no_receipt
        self._on_dropped = on_dropped
        self._on_sent = on_sent
        self._on_underrun = on_underrun
        self._lead_ns = lead_ms * 1_000_000
        self._queue: deque[_Playing] = deque()
        self._sent: deque[_Playing] = deque()
        self._ledger = PlayedLedger(link.evidence)
        self._spoken: deque[SpokenFrame] = deque()
        self._shown = Shown(link)
        self._wake = asyncio.Event()
        self._player: asyncio.Task[None] | None = None
        self._paused = self._resumed = False
        self._speaking = False
        self._yields = True
        self._answer_open = False
        self._playhead_ns = 0
        self._since_mark = 0
        self._idle_since_ns = 0
        link.on_mark(self._mark_returned)

    # -- frames ---------------------------------------------------------------------------------

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            await self.push_frame(frame, direction)
        elif isinstance(frame, ClauseAudioFrame):
            self._take(frame)
        elif isinstance(frame, AnswerEndFrame):
            self._answer_open = False
            self._wake.set()
        elif isinstance(frame, PauseSpeechFrame):
            await self._pause()
        elif isinstance(frame, ResumeSpeechFrame):
            self._paused = False
            self._resumed = True  # the silence until here was wanted
            self._wake.set()
        elif isinstance(frame, InterruptionFrame):
            self._cut()
            self._sink.cut()
            await self.push_frame(frame, direction)
            await self._report()
        elif isinstance(frame, EndFrame | CancelFrame):
            self._cut()
            await self._stop()
            await self.push_frame(frame, direction)
        elif isinstance(frame, CallerCaptionFrame):
            self._shown.caption("caller", frame.text, f"said-{frame.turn}", "begin")
            await self._show()
        elif isinstance(frame, ReceiptShownFrame):
            if not self._shown.receipt(frame.cleared):
                self._drop("receipt without its record")
            await self._show()
        elif isinstance(frame, CALLER_BOUND):
            self._drop(type(frame).__name__)
        else:
            await self.push_frame(frame, direction)
            if isinstance(frame, StartFrame) and self._player is None:
                self._player = self.create_task(self._play(), "egress-player")

    async def cleanup(self) -> None:
        """Stop the player; clauses still owed are settled by the call."""
        self._cut()
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    def _drop(self, what: str) -> None:
        logger.warning("egress dropped a {} without clearance", what)
        if self._on_dropped is not None:
            self._on_dropped(what)

    def _take(self, frame: ClauseAudioFrame) -> None:
        token: object = frame.clause.cleared
        if not isinstance(token, Cleared):
            self._drop("clause without token")
            return
        cleared = token
        if not self._sink.is_open(cleared.id):
            return  # cut before its audio arrived
        playing = self._find(cleared.id)
        if playing is None:
            playing = _Playing(frame.clause)
            self._ledger.open(cleared.id, cleared.text)
            self._queue.append(playing)
        self._ledger.audio(cleared.id, len(frame.pcm) // 2, frame.words)
        playing.pcm += frame.pcm
        if frame.last:
            playing.complete = True
            playing.pcm += bytes(-len(playing.pcm) % CHUNK_BYTES)  # to whole chunks; counted as padding
            self._ledger.end(cleared.id, broken=frame.broken or not playing.pcm)
        self._answer_open = not frame.clause.final
        self._wake.set()

    def _find(self, clause: str) -> _Playing | None:
        return next((p for p in self._queue if p.cleared.id == clause), None)

    async def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            if self._speaking and self._since_mark:
                await self._mark()

    # -- the player -----------------------------------------------------------------------------

    async def _play(self) -> None:
        while True:
            await self._report()
            self._expire()
            head = self._queue[0] if self._queue else None
            if head is not None and not head.admitted and (head.pcm or head.complete):
                await self._admit(head)
                continue
            if head is not None and head.complete and head.sent >= len(head.pcm):
                self._queue.popleft()
                await self._all_sent(head)
                continue
            if head is None or self._paused or len(head.pcm) - head.sent < CHUNK_BYTES:
                await self._idle()
                continue
            ahead = self._playhead_ns - self._clock.monotonic_ns()
            if ahead > self._lead_ns:
                self._wake.clear()
                await self._wait((ahead - self._lead_ns) / 1e9)
                continue
            await self._send_chunk(head)

    async def _wait(self, seconds: float) -> None:
        """Sleep until woken or ``seconds`` have passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _idle(self) -> None:
        """Nothing may be sent now: give the floor back once the last sample has sounded."""
        now = self._clock.monotonic_ns()
        if self._speaking and not self._queue and not self._paused:
            if now < self._playhead_ns:
                self._wake.clear()
                await self._wait((self._playhead_ns - now) / 1e9)
                return
            self._idle_since_ns = self._idle_since_ns or now
            if not self._answer_open or now - self._idle_since_ns > _IDLE_ANSWER_NS:
                await self._floor(False)
                return
        self._wake.clear()
        await self._wait(0.5 if self._speaking or self._sent else 60.0)

    async def _admit(self, playing: _Playing) -> None:
        """Wait for the receipt; without one the clause is discarded, never played late."""
        try:
            await self._sink.durable(playing.cleared.receipt, self._receipt_deadline_s)
        except SayError:
            if playing in self._queue:
                self._queue.remove(playing)
                self._settle(playing)
                self._on_no_receipt(playing.frame)
            return
        playing.admitted = True

    async def _send_chunk(self, playing: _Playing) -> None:
        if not playing.sent and (not self._speaking or self._yields != playing.frame.interruptible):
            self._yields = playing.frame.interruptible
            await self._floor(True)
            if self._paused or playing not in self._queue:
                return
        now = self._clock.monotonic_ns()
        if not playing.sent:
            playing.first_sample_ns = now
            playing.started_s = self._sink.seconds(max(now, self._playhead_ns))
            words = playing.frame.written or playing.cleared.text
            self._shown.caption("agent", words, playing.cleared.id, "begin")
            await self._show()
            if self._paused or playing not in self._queue:
                return
        elif now > self._playhead_ns + _CHUNK_NS and not self._resumed and self._on_underrun is not None:
            self._on_underrun()
        self._resumed = False
        chunk = bytes(playing.pcm[playing.sent : playing.sent + CHUNK_BYTES])
        playing.sent += CHUNK_BYTES
        self._playhead_ns = max(now, self._playhead_ns) + _CHUNK_NS
        self._ledger.sent(playing.cleared.id, CHUNK_SAMPLES)
        self._since_mark += 1
        audio = OutputAudioRawFrame(audio=chunk, sample_rate=RATE_HZ, num_channels=1)
        await self.push_frame(audio)
        if self._on_sent is not None:
            self._on_sent(chunk, self._playhead_ns - _CHUNK_NS)
        if self._since_mark >= _MARK_EVERY:
            await self._mark()

    async def _mark(self) -> None:
        message = self._link.mark_message(self._ledger.place_mark())
        self._since_mark = 0
        if message is not None:
            await self.push_frame(OutputTransportMessageFrame(message=message))

    async def _all_sent(self, playing: _Playing) -> None:
        if not playing.pcm:
            self._settle(playing)
            return
        playing.due_ns = self._playhead_ns + _MARK_PATIENCE_NS
        playing.end = self._ledger.position
        self._sent.append(playing)
        if self._since_mark:
            await self._mark()
        self._settle_sent()

    # -- settling -------------------------------------------------------------------------------

    def _mark_returned(self, name: str, at_ns: int) -> None:
        self._ledger.returned(name)
        self._settle_sent()

    def _settle_sent(self) -> None:
        while self._sent and self._ledger.through >= self._sent[0].end:
            self._settle(self._sent.popleft())
        self._wake.set()

    def _expire(self) -> None:
        """Settle clauses whose marks never came: all we know is that they were sent."""
        now = self._clock.monotonic_ns()
        while self._sent and now > self._sent[0].due_ns:
            self._settle(self._sent.popleft(), as_sent=True)

    def _cut(self) -> None:
        """Discard everything unplayed and settle every clause that can no longer sound."""
        self._ledger.clear()
        for playing in (*self._sent, *self._queue):
            self._settle(playing)
        self._sent.clear()
        self._queue.clear()
        for cleared in self._sink.stale():
            self._sink.never_played(cleared)
        self._paused = False
        self._answer_open = False
        self._playhead_ns = 0
        self._since_mark = 0
        self._wake.set()

    def _settle(self, playing: _Playing, *, as_sent: bool = False) -> None:
        cleared = playing.cleared
        if as_sent:
            self._ledger.played_through(playing.end)
        result = self._ledger.result(cleared.id)
        full = result.full and playing.complete  # what was still being synthesised has no end yet
        evidence = Evidence.SENT_ONLY if as_sent else result.evidence
        self._sink.played(
            cleared,
            PlayedClause(
                samples=result.samples,
                of_samples=result.of_samples,
                text=result.text,
                interrupted=not full,
                evidence=evidence,
                first_sample_at_ns=playing.first_sample_ns if playing.sent else 0,
                started_s=playing.started_s,
            ),
        )
        self._ledger.forget(cleared.id)
        if playing.sent and not full:
            self._shown.caption("agent", result.text, cleared.id, "cut")
        self._spoken.append(
            SpokenFrame(
                tag=playing.frame.tag,
                clause=cleared.id,
                phrase=cleared.phrase,
                turn=cleared.turn,
                full=full,
                played_ms=result.samples * 1000 // RATE_HZ,
                of_ms=result.of_samples * 1000 // RATE_HZ,
                text=result.text,
                started_s=playing.started_s,
                evidence=evidence,
            )
        )
        self._wake.set()

    # -- upstream -------------------------------------------------------------------------------

    async def _report(self) -> None:
        """Tell upstream what has been played, and that the floor is free after a cut."""
        while self._spoken:
            await self.push_frame(self._spoken.popleft(), FrameDirection.UPSTREAM)
        await self._show()
        if self._speaking and not self._queue and not self._playhead_ns and not self._answer_open:
            await self._floor(False)

    async def _show(self) -> None:
        for message in self._shown.take():
            await self.push_frame(message)

    async def _floor(self, speaking: bool) -> None:
        self._speaking = speaking
        self._idle_since_ns = 0
        if not speaking:
            self._yields = True
        await self.push_frame(
            AgentSpeakingFrame(speaking=speaking, yields=self._yields), FrameDirection.UPSTREAM
        )

    async def _stop(self) -> None:
        if self._player is not None:
            player, self._player = self._player, None
            await self.cancel_task(player)
        while self._spoken:
            await self.push_frame(self._spoken.popleft(), FrameDirection.UPSTREAM)
