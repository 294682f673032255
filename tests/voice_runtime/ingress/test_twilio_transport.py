"""A media stream's ends of the pipeline: straight while the ear can follow, in order when it cannot."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportReadyFrame,
    TextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from tests.simulators.pipeline import End
from voice_runtime.caller.twilio_wire import Outgoing
from voice_runtime.ingress import twilio_socket
from voice_runtime.ingress.direct_protocol import DirectProtocol
from voice_runtime.ingress.twilio_serializer import TwilioLink, TwilioSerializer
from voice_runtime.ingress.twilio_socket import MediaSocket
from voice_runtime.ingress.twilio_transport import MediaTransport
from voice_runtime.ports import Listener, Outlet

pytestmark = pytest.mark.anyio

SID = "MZ" + "a" * 32


class FakeSocket:
    """What the ends want of ``MediaSocket``."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.paused = False
        self.closed = 0
        self.came: Callable[[str | bytes], None] | None = None
        self.ended: Callable[[], None] | None = None

    def attend(self, on_message: Callable[[str | bytes], None], on_end: Callable[[], None]) -> None:
        self.came, self.ended = on_message, on_end

    def pause(self, paused: bool) -> None:
        self.paused = paused

    async def send(self, text: bytes) -> None:
        self.sent.append(json.loads(text))

    async def close(self, code: int = 1000) -> None:
        self.closed += 1


class FakeEar(FrameProcessor):
    """Keeps what it hears; may be told to take its time over a chunk, or to fail."""

    def __init__(self) -> None:
        super().__init__(name="ear", enable_direct_mode=True)
        self.heard: list[bytes] = []
        self.slow_at: bytes | None = None
        self.fails_at: bytes | None = None
        self.ending: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.go_on = asyncio.Event()
        self.done = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)

    def hear(self, pcm: bytes) -> Coroutine[Any, Any, None] | None:
        if pcm == self.fails_at:
            raise ValueError("a bug")
        self.heard.append(pcm)
        return self._slowly() if pcm == self.slow_at else None

    async def _slowly(self) -> None:
        if self.ending is not None:
            await self.ending()
            return
        await self.go_on.wait()
        self.done.set()


class Line:
    """A running pipeline ``input → ear → tail → output`` over a fake socket."""

    def __init__(self) -> None:
        self.socket, self.ear = FakeSocket(), FakeEar()
        self.head = End("head", FrameDirection.DOWNSTREAM)
        self.tail = End("tail", FrameDirection.UPSTREAM)
        serializer = TwilioSerializer(SID, TwilioLink(SID))
        self.transport = MediaTransport(cast(MediaSocket, self.socket), serializer)
        self.link, self.stats = serializer._link, serializer.stats
        self.gone = 0
        self.transport.on_gone(self._on_gone)
        self.out = Outgoing(SID, "CA", "AC")

    def _on_gone(self) -> None:
        self.gone += 1

    def say(self, *levels: int) -> list[bytes]:
        """Let 20 ms of each level come from the carrier; what the ear gets of them."""
        assert self.socket.came is not None
        for level in levels:
            self.socket.came(self.out.media(bytes([level]) * 160))
        return [pcm(level) for level in levels]


def pcm(level: int) -> bytes:
    """20 ms of one µ-law byte, as samples."""
    serializer = TwilioSerializer(SID, TwilioLink(SID))
    taken = serializer.take(Outgoing(SID, "CA", "AC").media(bytes([level]) * 160))
    assert isinstance(taken, bytes)
    return taken


@asynccontextmanager
async def a_line() -> AsyncIterator[Line]:
    line = Line()
    processors = [line.head, line.transport.input(), line.ear, line.tail, line.transport.output()]
    worker = PipelineWorker(
        Pipeline(processors),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        idle_timeout_secs=None, enable_rtvi=False, enable_turn_tracking=False,
        cancel_runner_on_idle_timeout=False,
    )  # fmt: skip
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    try:
        await line.head.until(lambda frames: any(isinstance(f, OutputTransportReadyFrame) for f in frames))
        yield line
    finally:
        await worker.cancel()
        await task
    assert line.socket.closed


async def test_a_chunk_is_with_the_ear_before_the_socket_goes_on() -> None:
    async with a_line() as line:
        expected = line.say(1, 2, 3)
        assert line.ear.heard == expected  # nothing was waited for
        assert isinstance(line.ear, Listener)
        assert isinstance(line.transport.output(), Outlet)


async def test_what_comes_while_the_ear_acts_waits_in_order_and_then_the_peer_does() -> None:
    async with a_line() as line:
        line.ear.slow_at = pcm(1)
        first = line.say(1)
        later = line.say(*range(2, 51))
        assert line.ear.heard == first
        assert not line.socket.paused
        later += line.say(51)
        assert line.socket.paused
        later += line.say(52)  # was on its way already
        line.ear.go_on.set()
        while line.socket.paused:
            await asyncio.sleep(0)
        assert line.ear.heard == first + later
        assert line.ear.heard[-1:] == line.say(52)[-1:]  # straight again
        assert len(line.ear.heard) == 53


async def test_keys_and_the_end_wait_their_turn_too() -> None:
    async with a_line() as line:
        line.ear.slow_at = pcm(1)
        assert line.socket.came is not None
        assert line.socket.ended is not None
        line.say(1)
        line.socket.came(line.out.dtmf("5"))
        line.say(2)
        line.socket.ended()
        assert (line.gone, len(line.ear.heard)) == (0, 1)
        line.ear.go_on.set()
        await line.tail.until(lambda frames: any(isinstance(f, InputDTMFFrame) for f in frames))
        while not line.gone:
            await asyncio.sleep(0)
        assert line.ear.heard == [pcm(1), pcm(2)]
        line.say(3)
        line.socket.ended()
        assert (line.gone, len(line.ear.heard)) == (1, 2)


async def test_stop_ends_the_line_and_nothing_after_it_counts() -> None:
    async with a_line() as line:
        assert line.socket.came is not None
        line.say(1)
        line.socket.came(line.out.stop())
        line.say(2)
        assert (line.gone, line.ear.heard) == (1, [pcm(1)])


async def test_an_ear_that_raises_is_reported_and_gets_the_next_chunk() -> None:
    async with a_line() as line:
        line.ear.fails_at = pcm(1)
        line.say(1, 2)
        errors = await line.head.until(lambda frames: any(isinstance(f, ErrorFrame) for f in frames))
        [error] = [f for f in errors if isinstance(f, ErrorFrame)]
        assert error.error == "audio was not taken: ValueError"
        while len(line.ear.heard) < 1:
            await asyncio.sleep(0)
        assert line.ear.heard == [pcm(2)]


async def test_a_pipeline_that_ends_while_the_ear_acts_leaves_nothing_behind() -> None:
    async with a_line() as line:
        line.ear.slow_at = pcm(1)
        line.say(1, 2)
    assert line.gone == 0  # we ended it
    assert line.ear.heard == [pcm(1)]


async def test_samples_marks_and_clears_leave_in_the_order_they_are_given() -> None:
    async with a_line() as line:
        output = line.transport.output()
        mark = line.link.mark_message("m")
        await output.play(bytes(320))
        await output.tell(mark)
        await line.tail.push_frame(InterruptionFrame())
        await output.play(bytes(640))
        await line.tail.push_frame(OutputAudioRawFrame(audio=bytes(320), sample_rate=8000, num_channels=1))
        await line.tail.push_frame(OutputTransportMessageFrame(message=dict(mark)))
        sent = [message["event"] for message in line.socket.sent]
        assert sent == ["media", "mark", "clear", "media", "media", "mark"]
        lengths = [len(base64.b64decode(m["media"]["payload"])) for m in line.socket.sent if "media" in m]
        assert lengths == [160, 320, 160]


async def test_nothing_else_reaches_a_caller() -> None:
    async with a_line() as line:
        for frame in (
            TextFrame("hello"),
            OutputAudioRawFrame(audio=bytes(640), sample_rate=16000, num_channels=1),
            OutputAudioRawFrame(audio=bytes(640), sample_rate=8000, num_channels=2),
            OutputAudioRawFrame(audio=b"\0", sample_rate=8000, num_channels=1),
            OutputTransportMessageFrame(message={"event": "media", "streamSid": SID}),
        ):
            await line.tail.push_frame(frame)
        assert line.socket.sent == []
        assert line.stats.dropped_out == 4


class FakeDirect:
    """A connection whose peer takes nothing."""

    full = True

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.free = asyncio.Event()

    def attend(self, on_message: Callable[[str | bytes], None], on_end: Callable[[], None]) -> None:
        pass

    def put(self, text: bytes) -> bool:
        self.taken.append(text)
        return True

    async def drained(self) -> None:
        await self.free.wait()


def a_socket(monkeypatch: pytest.MonkeyPatch) -> tuple[MediaSocket, FakeDirect]:
    direct = FakeDirect()
    monkeypatch.setattr(DirectProtocol, "of", lambda websocket: direct)
    return MediaSocket(cast(Any, None), TwilioSerializer(SID, TwilioLink(SID))), direct


async def test_sending_waits_for_a_peer_that_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    socket, direct = a_socket(monkeypatch)
    sending = asyncio.create_task(socket.send(b"audio"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert direct.taken == []
    direct.free.set()
    await sending
    assert direct.taken == [b"audio"]


async def test_a_peer_that_takes_nothing_for_too_long_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twilio_socket, "_SEND_S", 0)
    socket, direct = a_socket(monkeypatch)
    ends: list[int] = []
    socket.attend(lambda message: None, lambda: ends.append(1))
    await socket.send(b"audio")
    await socket.send(b"more")
    assert (direct.taken, ends) == ([], [1])


async def test_what_need_not_wait_does_not_overtake_what_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: a ``clear`` went out before the audio it was to cut, which then played on."""
    socket, direct = a_socket(monkeypatch)
    waiting = [asyncio.create_task(socket.send(text)) for text in (b"audio 1", b"audio 2")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    direct.full = False
    direct.free.set()  # both may go on now, and neither has
    await socket.send(b"clear")
    await asyncio.gather(*waiting)
    await socket.send(b"audio 3")
    assert direct.taken == [b"audio 1", b"audio 2", b"clear", b"audio 3"]


async def test_who_is_cancelled_while_waiting_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    socket, direct = a_socket(monkeypatch)
    first, second = (asyncio.create_task(socket.send(text)) for text in (b"cut", b"kept"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    direct.full = False
    direct.free.set()
    await second
    await socket.send(b"next")
    assert direct.taken == [b"kept", b"next"]


async def test_a_pipeline_that_is_ended_by_what_the_ear_does_leaves_no_task_behind() -> None:
    """Regression: the task that sees messages through lost its only reference, and waited for ever."""
    async with a_line() as line:
        entry = line.transport.input()
        seeing = entry._seeing
        assert seeing is not None

        async def ends_it() -> None:
            await entry.cleanup()

        line.ear.ending = ends_it
        line.ear.slow_at = pcm(1)
        line.say(1, 2)
        await asyncio.wait([seeing])
        assert not seeing.cancelled()
        assert line.ear.heard == [pcm(1)], "what came after it is nobody's"
