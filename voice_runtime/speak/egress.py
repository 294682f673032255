"""The last stage before the carrier: admits samples with a receipt, paces, pauses, accounts.

Directly before ``transport.output()``. In order, for each clause:

1. its ``ClauseFrame`` must carry a genuine ``Cleared`` that still owes its record;
2. its ``Receipt`` must arrive within the deadline, else its audio is discarded
   and the fallback speaks;
3. its samples go out in whole 20 ms chunks, up to three at a time, so that ``lead_ms``
   to 60 ms more lie ahead of the caller's ear, with a mark at least every 180 ms and
   one at its end;
4. it is settled (``agent.played``) when its last mark comes back, when an
   interruption cuts it, or when the link has no marks and its time has passed;
5. silence that is meant behind it follows its last mark, at the same pace: its proof
   travels meanwhile, and what waits for that comes after a pause of one length.

Every other caller-bound frame is dropped. On a link that shows captions, a
clause's words go out with its first samples (so never before its receipt), and
what was played of it when it is cut; the caller's own words need no clearance. The
code of the caller's receipt is shown once ``receipt.issued`` is durable.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

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
from voice_runtime.budget import MESSAGE_MS
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
)
from voice_runtime.ports import MediaLink, Outlet, PlayedSink
from voice_runtime.speak.played import PlayedLedger
from voice_runtime.speak.playhead import CHUNK_NS, Playhead
from voice_runtime.speak.settlement import Playing, Settlement
from voice_runtime.speak.shown import Shown
from voice_runtime.speak.underrun import Cause, underrun

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

#: Chunks that leave together: each message costs the same, however long it is.
_MOST_AT_ONCE = MESSAGE_MS // CHUNK_MS
_MARK_EVERY = 3 * _MOST_AT_ONCE  # chunks: 180 ms, three messages
_MARK_PATIENCE_NS = 2_000_000_000
_TIMER_NS = 1_000_000  # the event loop's timers (uvloop's) count in whole ms, and may come that much early
_IDLE_ANSWER_NS = 5_000_000_000


class Egress(FrameProcessor):
    """One call's egress. ``lead_ms`` to 60 ms more is the audio that lies at the carrier unplayed."""

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
        on_underrun: Callable[[Cause], None] | None = None,
        lead_ms: Callable[[], int] = lambda: 100,
    ) -> None:
        """Make the egress of one call.

        Args:
            on_no_receipt: called with a clause that was discarded for want of its record.
            on_dropped: called with the kind of a frame that had no clearance.
            on_sent: called with each chunk handed to the carrier and the monotonic time at which
                it should sound, ns (echo comparison).
            on_underrun: called with the cause when the caller got silence of our making.
            lead_ms: audio that is to lie ahead at the carrier now; asked before each message.
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
        self._lead_ms = lead_ms
        self._queue: deque[Playing] = deque()
        self._ledger = PlayedLedger(link.evidence)
        self._shown = Shown(link)
        self._settlement = Settlement(sink, self._ledger, self._shown)
        self._wake = asyncio.Event()
        self._player: asyncio.Task[None] | None = None
        self._outlet: Outlet | None = None
        self._paused = self._resumed = False
        self._speaking = False
        self._yields = True
        self._answer_open = False
        self._playhead = Playhead()
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
                output: object = self.next
                self._outlet = output if isinstance(output, Outlet) else None
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
        if not self._sink.is_open(cleared.id):  # cut before its audio arrived
            if frame.last:
                self._settlement.came_too_late(frame.clause)
                self._wake.set()
            return
        playing = self._find(cleared.id)
        if playing is None:
            playing = Playing(frame.clause)
            self._ledger.open(cleared.id, cleared.text)
            self._queue.append(playing)
        if len(playing.pcm) - playing.sent < CHUNK_BYTES:
            playing.samples_ns = self._clock.monotonic_ns()
        self._ledger.audio(cleared.id, len(frame.pcm) // 2, frame.words)
        playing.pcm += frame.pcm
        if frame.last:
            playing.complete = True
            playing.pcm += bytes(-len(playing.pcm) % CHUNK_BYTES)  # to whole chunks; counted as padding
            self._ledger.end(cleared.id, broken=frame.broken or not playing.pcm)
        self._answer_open = not frame.clause.final
        self._wake.set()

    def _find(self, clause: str) -> Playing | None:
        return next((p for p in self._queue if p.cleared.id == clause), None)

    async def _pause(self) -> None:
        """Fall silent now: what lies unplayed at the carrier is taken back, to be sent again."""
        if self._paused:
            return
        self._paused = True
        now = self._clock.monotonic_ns()
        # A clear would void the marks that prove what was said: not for silence alone.
        message = self._link.clear_message() if self._speaking and self._playhead.words_ns > now else None
        if message is not None:
            self._take_back(now)
            await self._tell(message)
        elif self._speaking and self._since_mark:
            await self._mark()

    def _take_back(self, now: int) -> None:
        """Go back to the chunk that sounds now, by the clock: it may sound twice, and is not lost.

        The carrier's ``clear`` travels as long as its audio did, so when it arrives there, what sounds is
        what sounds here now. A mark that came back proves more with time: the carrier plays what it has.
        """
        ledger = self._ledger
        chunks = -(-(self._playhead.ns - now) // CHUNK_NS)
        position = ledger.position - chunks * CHUNK_SAMPLES
        ledger.played_through(min(position, ledger.through + self._playhead.played_since(now)))
        ledger.take_back(position)
        self._queue.extendleft(self._settlement.take_back(max(position, ledger.through)))
        for playing in self._queue:
            playing.back_to(ledger.offset(playing.cleared.id))
        self._settlement.proven()
        self._playhead.taken_back(now)
        self._since_mark = 0

    # -- the player -----------------------------------------------------------------------------

    async def _play(self) -> None:
        while True:
            self._settlement.expire(self._clock.monotonic_ns())
            await self._report()
            if self._playhead.silence and not self._paused:
                if await self._due():
                    await self._be_silent()
                continue
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
            if await self._due():
                await self._send(head)

    async def _due(self) -> bool:
        """Whether more may be sent now; False once it may be, or something else has changed."""
        ahead = self._playhead.ns - self._clock.monotonic_ns()
        lead_ns = self._lead_ms() * 1_000_000
        if ahead <= lead_ns + _TIMER_NS:  # else it would wake twice for each message
            return True
        self._wake.clear()
        await self._wait((ahead - lead_ns) / 1e9)
        return False

    async def _wait(self, seconds: float) -> None:
        """Sleep until woken or ``seconds`` have passed."""
        timer = asyncio.get_running_loop().call_later(seconds, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _idle(self) -> None:
        """Nothing may be sent now: give the floor back once the last sample has sounded."""
        now = self._clock.monotonic_ns()
        if self._speaking and not self._queue and not self._paused:
            if now < self._playhead.ns:
                self._wake.clear()
                await self._wait((self._playhead.ns - now) / 1e9)
                return
            self._idle_since_ns = self._idle_since_ns or now
            if not self._answer_open or now - self._idle_since_ns > _IDLE_ANSWER_NS:
                await self._floor(False)
                return
        self._wake.clear()
        await self._wait(0.5 if self._speaking or self._settlement.waiting else 60.0)

    async def _admit(self, playing: Playing) -> None:
        """Wait for the receipt; without one the clause is discarded, never played late."""
        try:
            await self._sink.durable(playing.cleared.receipt, self._receipt_deadline_s)
        except SayError:
            if playing in self._queue:
                self._queue.remove(playing)
                self._settlement.settle(playing)
                self._on_no_receipt(playing.frame)
            return
        playing.admitted, playing.admitted_ns = True, self._clock.monotonic_ns()

    async def _send(self, playing: Playing) -> None:
        goes_on = playing.sent > 0 or (self._speaking and not (playing.frame.first or playing.cleared.phrase))
        if not playing.sent and (not self._speaking or self._yields != playing.frame.interruptible):
            self._yields = playing.frame.interruptible
            await self._floor(True)
            if self._paused or playing not in self._queue:
                return
        now = self._clock.monotonic_ns()
        if not playing.sent:
            self._settlement.begins(playing, now, self._sink.seconds(max(now, self._playhead.ns)))
            await self._show()
            if self._paused or playing not in self._queue:
                return
        if goes_on and not self._resumed and self._on_underrun is not None:
            times = (self._playhead.ns, now, playing.samples_ns, playing.admitted_ns)
            if (cause := underrun(*times, in_clause=playing.sent > 0)) is not None:
                self._on_underrun(cause)
        self._resumed = False
        there = (len(playing.pcm) - playing.sent) // CHUNK_BYTES
        chunks = min(_MOST_AT_ONCE, there, _MARK_EVERY - self._since_mark)
        pcm = bytes(playing.pcm[playing.sent : playing.sent + chunks * CHUNK_BYTES])
        playing.sent += len(pcm)
        sounds_ns = self._playhead.words(now, chunks, self._ledger.position)
        self._ledger.sent(playing.cleared.id, chunks * CHUNK_SAMPLES)
        self._since_mark += chunks
        await self._hand_over(pcm)
        if self._on_sent is not None:
            for n in range(chunks):
                self._on_sent(pcm[n * CHUNK_BYTES : (n + 1) * CHUNK_BYTES], sounds_ns + n * CHUNK_NS)
        if self._since_mark >= _MARK_EVERY:
            await self._mark()

    async def _be_silent(self) -> None:
        """Send silence that is meant, as far as it has not passed: nobody's word, so without clearance."""
        now = self._clock.monotonic_ns()
        if chunks := self._playhead.fall_silent(now, _MOST_AT_ONCE, self._ledger.position):
            self._ledger.gap(chunks * CHUNK_SAMPLES)
            await self._hand_over(bytes(chunks * CHUNK_BYTES))

    async def _hand_over(self, pcm: bytes) -> None:
        if self._outlet is not None:
            await self._outlet.play(pcm)
        else:
            await self.push_frame(OutputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1))

    async def _mark(self) -> None:
        message = self._link.mark_message(self._ledger.place_mark())
        self._since_mark = 0
        if message is not None:
            await self._tell(message)

    async def _tell(self, message: dict[str, object]) -> None:
        if self._outlet is not None:
            await self._outlet.tell(message)
        else:
            await self.push_frame(OutputTransportMessageFrame(message=message))

    async def _all_sent(self, playing: Playing) -> None:
        if not playing.pcm:
            self._settlement.settle(playing)
            return
        self._settlement.sent(playing, self._playhead.ns + _MARK_PATIENCE_NS)
        self._playhead.silence = playing.frame.silence_ms // CHUNK_MS
        if self._since_mark:
            await self._mark()
        self._settlement.proven()

    def _mark_returned(self, name: str, at_ns: int) -> None:
        if self._ledger.returned(name):
            self._playhead.proven(at_ns, self._ledger.through)
        self._settlement.proven()
        self._wake.set()

    def _cut(self) -> None:
        """Discard everything unplayed and settle every clause that can no longer sound."""
        self._ledger.clear()
        self._settlement.cut(self._queue)
        self._queue.clear()
        self._paused = False
        self._answer_open = False
        self._playhead.cut()
        self._since_mark = 0
        self._wake.set()

    def last_words(self) -> str:
        """The agent's words of which the last ones sound now, as ``Settlement.last_words``."""
        head = self._queue[0] if self._queue else None
        return self._settlement.last_words(head, self._playhead.words_ns, self._clock.monotonic_ns())

    # -- upstream -------------------------------------------------------------------------------

    async def _report(self) -> None:
        """Tell upstream what has been played, and that the floor is free after a cut."""
        for spoken in self._settlement.take():
            await self.push_frame(spoken, FrameDirection.UPSTREAM)
        await self._show()
        if self._speaking and not self._queue and not self._playhead.ns and not self._answer_open:
            await self._floor(False)

    async def _show(self) -> None:
        for message in self._shown.take():
            await self._tell(message)

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
        for spoken in self._settlement.take():
            await self.push_frame(spoken, FrameDirection.UPSTREAM)
