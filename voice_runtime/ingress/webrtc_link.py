"""One browser call's protocol: what its data channel says to the call, and the call to it.

Independent of any connection: a call that is reconnected keeps its link. Implements
``ports.MediaLink`` by the caller's own reports of what has been played.

Ordering: messages of the caller are acted on in the order they came; frames for the
pipeline wait in a bounded queue until its transport takes them. Loss: what cannot be
sent is counted; captions that found no open channel are kept, at most 200.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from loguru import logger
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import Frame, InputDTMFFrame

from controls.ledger.records import Evidence
from voice_runtime.events import AudioReadyFrame, ReceiptAskedFrame, TypedWordsFrame
from voice_runtime.ingress import webrtc_messages as m
from voice_runtime.ingress.webrtc_presence import Watch
from voice_runtime.ingress.webrtc_timeline import Timeline

EchoCancellation = Literal["on", "off", "unknown"]
AgentState = Literal["speaking", "listening", "thinking"]
#: Told how the microphone's echo is treated, and whether there is one.
ReadyCallback = Callable[[EchoCancellation, bool], None]
MarkCallback = Callable[[str, int], None]

_MOST_WAITING = 200
_MARK = "mark"
_CLEAR: dict[str, object] = {"clear": True}
#: The key that asks for a person.
_PERSON = "0"


class WebRtcLink:
    """See the module.

    Args:
        call, language: what the page is told when its channel opens.
        timeline: the call's outgoing speech.
        watch: told of signs of life.
        now_ns: monotonic clock.
    """

    evidence = Evidence.CLIENT_REPORT

    def __init__(
        self,
        call: str,
        language: str,
        timeline: Timeline,
        watch: Watch,
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.stats = m.MessageStats()
        #: What the caller does, for the pipeline, in order.
        self.frames: asyncio.Queue[Frame] = asyncio.Queue(_MOST_WAITING)
        #: The first ``ready``, and what it said.
        self.ready: tuple[EchoCancellation, bool] | None = None
        #: The origin of RTP timestamps on the present connection; None until its first packet is out.
        self.origin: Callable[[], int | None] = lambda: None
        self._opened = m.Opened(call=call, language=language)
        self._timeline = timeline
        self._watch = watch
        self._now_ns = now_ns
        self._reader = m.Reader(now_ns, self.stats)
        self._send: Callable[[str], bool] | None = None
        self._waiting: deque[str] = deque()
        self._marks: list[MarkCallback] = []
        self._on_ready: list[ReadyCallback] = []
        self._state: AgentState | None = None

    # -- ports.MediaLink --------------------------------------------------------------------------

    def mark_message(self, name: str) -> dict[str, object] | None:
        """A mark goes no further than our own sender: it is placed among the samples."""
        return {_MARK: name}

    def clear_message(self) -> dict[str, object] | None:
        """As a mark: what lies with our own sender is thrown away."""
        return _CLEAR

    def caption(
        self, who: Literal["agent", "caller"], text: str, *, id: str, state: Literal["begin", "cut"]
    ) -> dict[str, object] | None:
        """The message that shows words on the page."""
        return m.Caption(who=who, id=id, text=text, state=state).model_dump()

    def receipt(self, code: str) -> dict[str, object] | None:
        """The message that shows the receipt's code on the page."""
        return m.Receipt(code=code).model_dump()

    def on_mark(self, callback: MarkCallback) -> None:
        """Call ``callback(name, monotonic_ns)`` for each mark whose samples the caller reports as played."""
        self._marks.append(callback)

    # -- to the caller ----------------------------------------------------------------------------

    def on_ready(self, callback: ReadyCallback) -> None:
        """Call once with (echo cancellation, microphone), as soon as the page has said so."""
        if self.ready is not None:
            callback(*self.ready)
        else:
            self._on_ready.append(callback)

    def attach(self, send: Callable[[str], bool]) -> None:
        """A data channel is open: ``send`` takes a text and says whether it went."""
        self._send = send
        self._push(self._opened)
        self._push_state()
        while self._waiting:
            if not send(self._waiting[0]):
                return
            self._waiting.popleft()
            self.stats.sent += 1

    @property
    def attached(self) -> bool:
        """Whether a data channel is open."""
        return self._send is not None

    def detach(self) -> None:
        """The channel is gone."""
        self._send = None

    def tell(self, message: Mapping[str, Any]) -> None:
        """Take a message from egress: a mark, a clear, or one of the list to be sent; the rest is dropped."""
        if message == _CLEAR:
            self._timeline.clear()
            return
        name = message.get(_MARK)
        if len(message) == 1 and isinstance(name, str):
            self._timeline.place(name)
            return
        text = m.write(message)
        if text is None:
            self.stats.dropped_out += 1
            logger.warning("a message for a browser was not on the list")
        elif self._send is None:
            self._waiting.append(text)
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.popleft()
                self.stats.dropped_out += 1
        else:
            self._count(self._send(text))

    def show(self, state: AgentState) -> None:
        """Tell the page who has the floor, when it has changed, and up to where to report playing."""
        if state != self._state:
            self._state = state
            self._push_state()

    def _push_state(self) -> None:
        if self._state is not None:
            self._push(m.State(agent=self._state, until=self._until()))

    def _until(self) -> int | None:
        """Up to where playing is to be reported; None while the agent speaks, or nobody can tell."""
        origin = self.origin()
        return None if self._state == "speaking" or origin is None else self._timeline.end(origin)

    def close(self, reason: m.Reason) -> None:
        """Tell the page that the call is over."""
        self._push(m.Closed(reason=reason))

    def _push(self, message: m.Opened | m.State | m.Pong | m.Closed) -> None:
        if self._send is not None:
            self._count(self._send(message.model_dump_json()))

    def _count(self, sent: bool) -> None:
        if sent:
            self.stats.sent += 1
        else:
            self.stats.dropped_out += 1

    # -- from the caller --------------------------------------------------------------------------

    @property
    def flooded(self) -> bool:
        """Whether the other end has sent so much nonsense that it is not our page."""
        return self.stats.refused > m.MOST_REFUSED

    def received(self, data: str | bytes) -> None:
        """A message came; never raises."""
        message = self._reader.read(data)
        if message is None:
            return
        self._watch.message(self._now_ns())
        match message:
            case m.Ping():
                self._push(m.Pong())
            case m.Playing(rtp=rtp):
                self._played(rtp)
            case m.Ready():
                self._is_ready(message)
            case m.Key(key=key):
                self._put(InputDTMFFrame(button=KeypadEntry(key)))
            case m.Person():
                self._put(InputDTMFFrame(button=KeypadEntry(_PERSON)))
            case m.AskReceipt():
                self._put(ReceiptAskedFrame())
            case m.Say(text=text):
                self._put(TypedWordsFrame(text=text))
            case m.Bye():
                self._watch.said_bye()

    def _put(self, frame: Frame) -> None:
        try:
            self.frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.stats.flooded += 1

    def _is_ready(self, ready: m.Ready) -> None:
        if self.ready is not None:  # again, on a new connection: the call has begun already
            return
        self.ready = (ready.echo_cancellation, ready.microphone)
        self._put(AudioReadyFrame(microphone=ready.microphone))
        for callback in self._on_ready:
            try:
                callback(*self.ready)
            except Exception as error:  # noqa: BLE001 - a listener's bug must not end the channel
                logger.error("a listener to ready raised {}", type(error).__name__)

    def _played(self, rtp: int) -> None:
        origin = self.origin()
        back = None if origin is None else self._timeline.report(rtp, origin)
        if back is None:
            self.stats.bad_reports += 1
            return
        self.stats.reports += 1
        at_ns = self._now_ns()
        for name in back:
            for callback in self._marks:
                try:
                    callback(name, at_ns)
                except Exception as error:  # noqa: BLE001 - a listener's bug must not end the channel
                    logger.error("a listener to marks raised {}", type(error).__name__)
