"""One call from a browser, from its first offer to its end: what the router makes and a carrier runs on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiortc import RTCIceServer
from loguru import logger
from pipecat.frames.frames import Frame
from pipecat.processors.frame_processor import FrameProcessor

from controls.errors import ProviderError
from voice_runtime.events import PauseSpeechFrame, ResumeSpeechFrame
from voice_runtime.ingress.twilio_hooks import Reason as RefusalReason
from voice_runtime.ingress.twilio_hooks import Refusal
from voice_runtime.ingress.webrtc_link import EchoCancellation, ReadyCallback, WebRtcLink
from voice_runtime.ingress.webrtc_messages import Reason
from voice_runtime.ingress.webrtc_peer import Peer
from voice_runtime.ingress.webrtc_presence import Patience, Presence, Watch
from voice_runtime.ingress.webrtc_sdp import MOST_CANDIDATES
from voice_runtime.ingress.webrtc_timeline import Timeline
from voice_runtime.ingress.webrtc_transport import FloorShown, WebRtcInput, WebRtcOutput
from voice_runtime.lines import Line

SUPPLIER = "webrtc"
#: How often presence is looked at, s.
LOOK_S = 0.25
#: A page that has not said "ready" so long after its channel opened never will, s.
READY_S = 15.0


@dataclass(frozen=True, slots=True)
class CallStats:
    """What came of one call's media and messages. Counts, unless named otherwise.

    ``gaps``, ``late``, ``malformed``, ``oversized``, ``foreign``, ``unknown`` and ``dropped_out``
    mean what Twilio's ``MediaStats`` means by them; of audio they count packets.
    """

    gaps: int = 0
    late: int = 0
    malformed: int = 0
    oversized: int = 0
    foreign: int = 0
    unknown: int = 0
    dropped_out: int = 0
    flooded: int = 0
    reports: int = 0
    bad_reports: int = 0
    underruns: int = 0
    underrun_ms: int = 0
    concealed_ms: int = 0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class WebRtcOpened:
    """A call that is about to be answered: admitted, not yet connected.

    Attributes:
        call: call id (``c_…``).
        language: what the page asked for, or the line's; "" leaves it to the agent.
        within_s: the browser may take so long to connect, s.
    """

    call: str
    line: Line
    language: str = ""
    within_s: float = 30.0


class WebRtcControl:
    """``ports.CallControl``: a browser can be hung up on, and led nowhere else."""

    def __init__(self, close: Callable[[Reason], Awaitable[None]]) -> None:
        self._close = close

    async def transfer(self, to: str, *, announce: str = "") -> None:
        """Refuse: no telephone network is attached to a browser.

        Raises:
            ProviderError: always, so that the handoff goes on to a promised call-back.
        """
        raise ProviderError(
            "a caller in a browser cannot be put through to a telephone", supplier=SUPPLIER, transient=False
        )

    async def hang_up(self) -> None:
        """Tell the page that the call has ended, and close."""
        await self._close("ended")


class BrowserCall:
    """See the module. Made by the router, on the event loop.

    States: new → connected (media and data channel stand) → over. ``over`` is told once.

    Args:
        id: call id (``c_…``).
        line: the web entry.
        language: of the call.
        ice_servers: for our side.
    """

    def __init__(
        self,
        id: str,
        line: Line,
        language: str,
        ice_servers: list[RTCIceServer],
        *,
        patience: Patience | None = None,
        ready_s: float = READY_S,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.id, self.line, self.language = id, line, language
        #: Monotonic time at which media and data channel stood, ns; 0 before.
        self.answered_ns = 0
        self.resumed = ""
        self._now_ns = now_ns
        self._ready_s = ready_s
        self._timeline = Timeline()
        self._watch = Watch(now_ns(), patience)
        self.link = WebRtcLink(id, language, self._timeline, self._watch, now_ns=now_ns)
        self.peer = Peer(self._timeline, self, ice_servers)
        self.link.origin = lambda: self.peer.origin
        self.control = WebRtcControl(self.close)
        self.negotiating = asyncio.Lock()
        self.reconnects = 0
        self._candidates = 0
        self._pc_connected = False
        self._stands = asyncio.Event()
        self._presence: Presence = "present"
        self._on_gone: list[Callable[[], None]] = []
        self._gone = False
        self._over: asyncio.Task[None] | None = None

    # -- what a carrier needs ---------------------------------------------------------------------

    @property
    def media(self) -> tuple[EchoCancellation, bool]:
        """The microphone's echo cancellation, and whether there is one, as the page says when it is ready."""
        return self.link.ready or ("unknown", True)

    @property
    def timeline(self) -> Timeline:
        """The agent's speech, sample by sample."""
        return self._timeline

    @property
    def stats(self) -> CallStats:
        """A snapshot."""
        messages, speech, audio = self.link.stats, self._timeline.stats, self.peer.receiver.stats
        return CallStats(
            gaps=audio.lost, late=audio.late, malformed=messages.malformed, oversized=messages.oversized,
            foreign=audio.foreign, unknown=messages.unknown, dropped_out=messages.dropped_out,
            flooded=messages.flooded, reports=messages.reports, bad_reports=messages.bad_reports,
            underruns=speech.underruns, underrun_ms=speech.underrun_ms,
            concealed_ms=round(audio.concealed_ms), reconnects=self.reconnects,
        )  # fmt: skip

    def input(self) -> WebRtcInput:
        """The transport's input, once for each pipeline."""
        return WebRtcInput(self.link, self.peer)

    def output(self) -> WebRtcOutput:
        """The transport's output, once for each pipeline."""
        return WebRtcOutput(self.link, self._timeline)

    def behind_the_ear(self) -> Sequence[FrameProcessor]:
        """Processors between ear and attention: the page is shown who has the floor."""
        return [FloorShown(self.link)]

    def on_ready(self, callback: ReadyCallback) -> None:
        """Call once with (echo cancellation, microphone), as soon as the page has said so."""
        self.link.on_ready(callback)

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call once when the caller has hung up or vanished; at once when that is so already."""
        if self._gone:
            callback()
        else:
            self._on_gone.append(callback)

    # -- the connection's life --------------------------------------------------------------------

    async def stand(self, timeout_s: float) -> bool:
        """Wait until media and data channel stand; False when they do not in time, or the caller leaves."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._stands.wait()
        except TimeoutError:
            return False
        return not self._gone

    async def watch(self) -> None:
        """Look after the caller's presence until they are gone; then tell whoever asked. Once."""
        opened_ns = self._now_ns()
        while True:
            now = self._now_ns()
            presence = self._watch.verdict(now, self.peer.receiver.since_packet_s)
            if self.link.flooded:
                presence = "gone"
            if self.link.ready is None and (now - opened_ns) / 1e9 > self._ready_s:
                self.link.close("timed_out")
                presence = "gone"
            self._changed(presence)
            if presence == "gone":
                self._leave()
                return
            await asyncio.sleep(LOOK_S)

    def _changed(self, presence: Presence) -> None:
        """The agent does not talk to nobody: it pauses while the line is lost."""
        before, self._presence = self._presence, presence
        frame: Frame | None = None
        if presence == "lost" and before == "present":
            frame = PauseSpeechFrame(at_s=0.0)
        elif presence == "present" and before == "lost":
            frame = ResumeSpeechFrame()
        if frame is not None and not self.link.frames.full():
            logger.info("call {}: the line is {}", self.id, presence)
            self.link.frames.put_nowait(frame)

    def _leave(self) -> None:
        self._gone = True
        self._stands.set()
        waiting, self._on_gone = self._on_gone, []
        for callback in waiting:
            callback()

    def restarted(self, *, new_connection: bool) -> None:
        """A further offer was answered: someone is there, and perhaps on a new path."""
        self.reconnects += new_connection
        self._watch.connected(self._now_ns())

    def may_take_candidate(self) -> bool:
        """Whether one more trickled candidate is not too many; counts it."""
        self._candidates += 1
        return self._candidates <= MOST_CANDIDATES * (1 + self.reconnects)

    async def close(self, reason: Reason = "ended") -> None:
        """Tell the page why, and close the connection. Harmless twice; the first reason counts."""
        if self._over is None:
            self.link.close(reason)
            self._leave()
            self._over = asyncio.create_task(self.peer.close(), name="webrtc-over")
        await asyncio.shield(self._over)

    # -- PeerEvents -------------------------------------------------------------------------------

    def connected(self) -> None:
        self._pc_connected = True
        self._watch.connected(self._now_ns())
        self._check()

    def failed(self) -> None:
        self._watch.failed(self._now_ns())
        self._never_stands()

    def ended(self) -> None:
        self._watch.closed(self._now_ns())
        self._never_stands()

    def _never_stands(self) -> None:
        """Before the call stands there is nothing to come back to: its place is for others."""
        if not self.answered_ns:
            self._leave()

    def channel_open(self) -> None:
        self._watch.message(self._now_ns())
        self.link.attach(self.peer.send)
        self._check()

    def channel_closed(self) -> None:
        self.link.detach()

    def message(self, data: str | bytes) -> None:
        self.link.received(data)

    def _check(self) -> None:
        if self._pc_connected and self.link.attached and not self.answered_ns:
            self.answered_ns = self._now_ns()
            self._stands.set()


@dataclass(frozen=True, slots=True)
class WebRtcHooks:
    """What the router calls. One that raises costs its own call, never another.

    Attributes:
        on_call: runs the whole call; returns when it is over.
        open_call: makes the call's first records durable before the offer is answered, or says why
            it is not taken.
        on_refused: a call was turned away.
        may_take: a reason not to take a call on this line now, or None.
    """

    on_call: Callable[[BrowserCall], Awaitable[None]]
    open_call: Callable[[WebRtcOpened], Awaitable[RefusalReason | None]] | None = None
    on_refused: Callable[[Refusal], Awaitable[None]] | None = None
    may_take: Callable[[Line], Awaitable[RefusalReason | None]] | None = None
