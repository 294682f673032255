"""A call without sound: words typed instead of an ear, and a screen instead of a telephone.

Everything between the two ends is the real call: attention, model, guard,
voice, egress and the record. Only time is not: a sample counts as played once
the screen has taken it, and the call's clock jumps ahead by it, so a
conversation of a minute takes as long as its thinking and its synthesis do.
A rehearsal can freeze the speech half-way, to interrupt what is being said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pipecat.frames.frames import (
    CancelFrame,
    ControlFrame,
    EndFrame,
    Frame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportReadyFrame,
    StartFrame,
    SystemFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.errors import OperatorError
from controls.ledger.records import Evidence
from voice_runtime.call import Call
from voice_runtime.events import (
    CHUNK_BYTES,
    CHUNK_MS,
    AgentSpeakingFrame,
    CallerSaidFrame,
    CallerSilentFrame,
    KeyPressedFrame,
    ThinkingFrame,
    TurnEnd,
)
from voice_runtime.house import Media
from voice_runtime.ports import CallControl, MediaLink
from voice_runtime.speak.underrun import Cause

ENGINE = "typed"
#: Whoever waits is told of every change; this is only how often it looks again by itself, s.
_LOOK_AGAIN_S = 0.05
#: A clean round trip may have started what the next one flushes out; the second one proves rest.
_CLEAN_TRIPS = 2


class NotPossible(OperatorError):
    """What was to be typed cannot be, as the call stands."""


class TypedClock:
    """Real time plus what was played; ``voice_runtime.clock.Clock``."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + self._ahead_ns

    def unix_s(self) -> float:
        return time.time() + self._ahead_ns / 1e9

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._ahead_ns += round(max(0.0, seconds) * 1e9)


class _Link:
    """Marks that come back when the screen has shown what lies before them."""

    evidence = Evidence.CLIENT_REPORT

    def __init__(self) -> None:
        self._callback: Callable[[str, int], None] = lambda name, at_ns: None

    def mark_message(self, name: str) -> dict[str, object] | None:
        return {"mark": name}

    def clear_message(self) -> None:
        """Nobody speaks over a screen."""

    def caption(self, who: str, text: str, *, id: str, state: str) -> None:
        """A rehearsal reads the record, not a screen."""

    def receipt(self, code: str) -> None:
        """As captions."""

    def on_mark(self, callback: Callable[[str, int], None]) -> None:
        self._callback = callback

    def give_back(self, name: str, at_ns: int) -> None:
        self._callback(name, at_ns)


@dataclass
class _Probe(ControlFrame):
    """Goes through the pipeline behind everything else and comes back: what was queued is done."""

    number: int = 0
    interruptible: bool = field(default=False, init=False)


@dataclass
class _Ping(SystemFrame):
    """As ``_Probe``, but it passes a stage that waits: what was typed before it has been taken, no more."""

    number: int = 0


class _Keyboard(FrameProcessor):
    """The first processor: where words come in and where news from the call arrives."""

    def __init__(self, carrier: TypedCarrier) -> None:
        super().__init__(name="keyboard")
        self._carrier = carrier

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.UPSTREAM:
            self._carrier.news(frame)
        if not isinstance(frame, _Probe | _Ping):
            await self.push_frame(frame, direction)


class _Screen(FrameProcessor):
    """The last processor: takes audio and marks as a carrier would, at once."""

    def __init__(self, carrier: TypedCarrier) -> None:
        super().__init__(name="screen")
        self._carrier = carrier

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is FrameDirection.DOWNSTREAM:
            if isinstance(frame, _Probe):
                await self.push_frame(_Probe(frame.number), FrameDirection.UPSTREAM)
                return
            if isinstance(frame, _Ping):
                await self.push_frame(_Ping(frame.number), FrameDirection.UPSTREAM)
                return
            self._carrier.shown(frame)
        await self.push_frame(frame, direction)
        if isinstance(frame, StartFrame):
            await self.push_frame(OutputTransportReadyFrame(), FrameDirection.UPSTREAM)


class TypedCarrier:
    """One typed call: ``call.Carrier``, and what the typist does and waits for.

    Ordering: what is typed is taken in order. Closing: ``over`` once the pipeline
    ends; from then on typing raises and waiting returns at once.
    """

    control: CallControl | None = None
    #: How far egress may be ahead of the screen, ms. The screen takes all of it at once and says so,
    #: so this only bounds how long egress goes on before others have their turn.
    lead_ms = 400
    begins_with: type[Frame] = OutputTransportReadyFrame
    on_sent: Callable[[bytes, int], None] | None = None
    on_underrun: Callable[[Cause], None] | None = None
    media = Media("typed", "none", microphone=False)

    def __init__(self) -> None:
        self.clock = TypedClock()
        self.over = False
        self._link = _Link()
        self.link: MediaLink = self._link
        self._keyboard = _Keyboard(self)
        self._screen = _Screen(self)
        self._call: Call | None = None
        self._changed = asyncio.Event()
        self._ready = self._thinking = self._speaking = False
        self._yields = True
        self._seen = self._sent = self._returned = self._pinged = 0
        self._hold_ms: int | None = None
        self._shown_ms = 0
        self._held: list[Frame] = []
        self._silent_s = 0.0
        #: Whether a tool in use waits for somebody besides the typist, who has nothing to do meanwhile.
        self.person_is_due: Callable[[], bool] = lambda: False

    # -- call.Carrier -----------------------------------------------------------------------------

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        self._call = call
        return [self._keyboard]

    def exit(self) -> Sequence[FrameProcessor]:
        return [self._screen]

    # -- what the typist does ---------------------------------------------------------------------

    async def say(self, text: str) -> None:
        """Say a whole turn. While the agent speaks and yields, that interrupts it first, as the ear does.

        Raises:
            NotPossible: the call is over.
        """
        self._silent_s = 0.0
        during = self._speaking
        if during and self._yields:
            await self.send(InterruptionFrame())
        now, at_s = self.clock.monotonic_ns(), self._at_s()
        await self.send(
            CallerSaidFrame(
                text=text, confidence=1.0, started_s=at_s, ended_s=at_s, t0_ns=now, ended_ns=now,
                recognised_ns=now, engine=ENGINE, why=TurnEnd.QUESTION,
                during_agent=during and not self._yields,
            )
        )  # fmt: skip
        self._let_go()

    async def press(self, keys: str) -> None:
        """Press keys. Several are a number and end with ``#``, which is added when it is missing.

        Raises:
            NotPossible: the call is over.
        """
        self._silent_s = 0.0
        for key in keys + ("#" if len(keys) > 1 and not keys.endswith("#") else ""):
            await self.send(KeyPressedFrame(key))
        self._let_go()

    async def stay_silent(self, seconds: float, *, wait: bool = True) -> None:
        """Say nothing for ``seconds`` more: asked about after the agent's patience, then ended.

        Args:
            wait: for what comes of it.

        Raises:
            NotPossible: the call is over.
        """
        silence = self._running().release.silence
        before, self._silent_s = self._silent_s, self._silent_s + seconds
        self.clock.advance(seconds)
        for step, after_s in ((1, silence.ask_after_s), (2, silence.end_after_s)):
            if before < after_s <= self._silent_s and not self.over:
                await self.send(CallerSilentFrame(for_s=self._silent_s, step=step))
                if wait:
                    await self.settled()

    async def send(self, frame: Frame) -> None:
        """Tell the call whatever else an ear may tell.

        Raises:
            NotPossible: the call is over.
        """
        self._running()
        await self._keyboard.push_frame(frame)

    def hang_up(self) -> None:
        """End the call from the caller's side, whatever is under way."""
        self._running().disconnected(self)

    # -- what the typist waits for ----------------------------------------------------------------

    async def settled(self) -> None:
        """Wait until nothing is under way and the next thing is the caller's, or the call is over."""
        await self._rest(lambda: False)

    def freeze(self, after_ms: int) -> None:
        """Keep the screen from taking more than ``after_ms`` of what is said from now on."""
        self._hold_ms, self._shown_ms = after_ms, 0

    async def frozen(self) -> bool:
        """Wait until it is frozen. False: there was nothing (more) to freeze."""
        await self._rest(lambda: bool(self._held))
        return bool(self._held) and not self.over

    # -- what the two ends tell -------------------------------------------------------------------

    def news(self, frame: Frame) -> None:
        """A frame came up to the keyboard."""
        if isinstance(frame, _Probe):
            self._returned = max(self._returned, frame.number)
        elif isinstance(frame, _Ping):
            self._pinged = max(self._pinged, frame.number)
        else:
            self._seen += 1
        if isinstance(frame, AgentSpeakingFrame):
            self._speaking, self._yields = frame.speaking, frame.yields
        elif isinstance(frame, ThinkingFrame):
            self._thinking = frame.active
        elif isinstance(frame, OutputTransportReadyFrame):
            self._ready = True
        self._changed.set()

    def closed(self) -> None:
        """The pipeline is gone, however it went."""
        self.over = True
        self._changed.set()

    def shown(self, frame: Frame) -> None:
        """A frame came down to the screen."""
        self._seen += 1
        if isinstance(frame, EndFrame | CancelFrame):
            self.over = True
        elif isinstance(frame, InterruptionFrame):
            if self._held:  # a freeze that has not begun waits for what is said next
                self._held.clear()
                self._hold_ms = None
        elif isinstance(frame, OutputAudioRawFrame | OutputTransportMessageFrame):
            if self._held or self._full(frame):
                self._held.append(frame)
            else:
                self._take(frame)
        self._changed.set()

    # -- inside -----------------------------------------------------------------------------------

    def _full(self, frame: Frame) -> bool:
        return (
            self._hold_ms is not None
            and isinstance(frame, OutputAudioRawFrame)
            and self._shown_ms + CHUNK_MS > self._hold_ms
        )

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            took_ms = len(frame.audio) * CHUNK_MS // CHUNK_BYTES
            self._shown_ms += took_ms
            self.clock.advance(took_ms / 1000)
        elif isinstance(frame, OutputTransportMessageFrame):
            self._link.give_back(str(frame.message["mark"]), self.clock.monotonic_ns())

    def _let_go(self) -> None:
        """What was held is taken after all (an interruption has thrown it away before)."""
        if self._call is not None and self._held:
            self._call.spawn(self._release())

    async def _release(self) -> None:
        await self._round_trip()  # whatever the words cut is cut by now
        self._hold_ms = None
        held, self._held = self._held, []
        for frame in held:
            self._take(frame)
        self._changed.set()

    def _quiet(self) -> bool:
        call = self._call
        thinking = self._thinking and not self._others_are_due
        return not (self._speaking or thinking or self._held) and (call is None or call.at_rest)

    @property
    def _others_are_due(self) -> bool:
        """A tool in use waits for the typist to enter figures, or for a colleague's decision."""
        return self._call is not None and (self._call.capture.waiting or self.person_is_due())

    def _running(self) -> Call:
        if self._call is None or self.over:
            raise NotPossible("the call was over before")
        return self._call

    def _at_s(self) -> float:
        return max(0.0, self._running().journal.seconds(self.clock.monotonic_ns()))

    async def _round_trip(self) -> None:
        self._sent += 1
        number = self._sent
        await self._keyboard.push_frame(_Probe(number))
        await self._keyboard.push_frame(_Ping(number))
        await self._until(
            lambda: self._returned >= number or (self._pinged >= number and self._others_are_due)
        )

    async def _rest(self, enough: Callable[[], bool]) -> None:
        """Wait until all is quiet over two round trips, or ``enough`` holds, or the call is over."""
        await self._until(lambda: self._ready)
        clean = 0
        while not self.over and clean < _CLEAN_TRIPS and not enough():
            seen = self._seen
            await self._round_trip()
            if self._quiet():
                clean = clean + 1 if self._seen == seen else 0
            else:
                clean = 0
                await self._change()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not self.over and not holds():
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S):
                await self._changed.wait()
