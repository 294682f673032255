"""A real server around Twilio's end of a call, with an agent that only echoes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner

from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.headroom import Headroom
from voice_runtime.ingress.admission import Admission
from voice_runtime.ingress.direct_protocol import DirectProtocol
from voice_runtime.ingress.twilio import (
    AfterDial,
    Dialled,
    IncomingCall,
    Opened,
    Reason,
    Refusal,
    TwilioHooks,
    TwilioRest,
    Words,
    twilio_router,
)
from voice_runtime.lines import Line, Lines
from voice_runtime.store.coordination import InProcessCoordinator

TOKEN = "an auth token of no account"
PUBLIC = "https://voice.example"
NUMBER = "+12025550142"
CALLER = "+12025550199"
LINE = Line("front", "phone", "healthcare", "riverside", "us", "us-il", NUMBER)
WORDS = Words(
    capacity="All our lines are busy.",
    failed="Something went wrong & we connect you <now>.",
    no_person="Nobody is free. Please call again.",
    person="+12025550177",
)

OnCall = Callable[[IncomingCall], Awaitable[None]]


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Serve an ASGI app on a port of the system's choice; yields its address."""
    # asyncio switches Nagle's algorithm off only on sockets whose protocol is spelt out
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        lifespan="off",
        ws=DirectProtocol,
        ws_per_message_deflate=False,
        ws_max_size=1 << 17,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server._serve([listener]))
    try:
        while not server.started:
            await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listener.close()


@dataclass
class VoiceServer:
    """What a test sees of the running server."""

    url: str = ""
    calls: list[IncomingCall] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    dialled: list[Dialled] = field(default_factory=list)
    after_dial: AfterDial | None = None
    reason_against: Reason | None = None
    coordinator: InProcessCoordinator = field(default_factory=lambda: InProcessCoordinator(8))
    admission: Admission = field(init=False)

    def caller(self, **more: Any) -> TwilioCaller:
        options = {"connect_to": self.url, "longest_s": 60.0, **more}
        return TwilioCaller(PUBLIC, TOKEN, CALLER, NUMBER, **options)


@asynccontextmanager
async def voice_server(
    on_call: OnCall,
    *,
    cap: int = 8,
    headroom: Headroom | None = None,
    now_s: Callable[[], float] = time.monotonic,
    rest: TwilioRest | None = None,
    words: Words = WORDS,
    open_call: Callable[[Opened], Awaitable[Reason | None]] | None = None,
    **more: Any,
) -> AsyncIterator[VoiceServer]:
    """Serve Twilio's end with ``on_call`` as the agent."""
    seen = VoiceServer(coordinator=InProcessCoordinator(cap))
    seen.admission = Admission(seen.coordinator, headroom, now_s=now_s)

    async def take(call: IncomingCall) -> None:
        seen.calls.append(call)
        await on_call(call)

    async def refused(refusal: Refusal) -> None:
        seen.refusals.append(refusal)

    async def dialled(outcome: Dialled) -> AfterDial | None:
        seen.dialled.append(outcome)
        return seen.after_dial

    async def may_take(line: Line) -> Reason | None:
        return seen.reason_against

    app = FastAPI()
    app.include_router(
        twilio_router(
            public_url=PUBLIC,
            auth_token=TOKEN,
            lines=Lines((LINE,)),
            words=lambda line: words,
            admission=seen.admission,
            coordinator=seen.coordinator,
            hooks=TwilioHooks(
                on_call=take,
                open_call=open_call,
                on_refused=refused,
                on_dialled=dialled,
                may_take=may_take,
            ),
            rest=rest,
            **{"start_timeout_s": 60.0, **more},
        )
    )
    async with serving(app) as url:
        seen.url = url
        yield seen
        await seen.admission.close()


class Echo(FrameProcessor):
    """Returns the caller's audio ``delay_ms`` later, by counting samples; keys are noted."""

    def __init__(self, call: IncomingCall, delay_ms: int, mark_every: int = 10) -> None:
        super().__init__(name="echo")
        self.keys: list[str] = []
        self._call = call
        self._waiting: deque[bytes] = deque()
        self._delay = delay_ms // 20
        self._mark_every = mark_every
        self._sent = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self._waiting.append(frame.audio)
            if len(self._waiting) > self._delay:
                await self._out(self._waiting.popleft())
            return
        if isinstance(frame, InputDTMFFrame):
            self.keys.append(frame.button.value)
            await self.push_frame(InterruptionFrame())
        await self.push_frame(frame, direction)

    async def _out(self, audio: bytes) -> None:
        await self.push_frame(OutputAudioRawFrame(audio=audio, sample_rate=8000, num_channels=1))
        self._sent += 1
        if self._sent % self._mark_every == 0:
            message = self._call.link.mark_message(f"m{self._sent}")
            await self.push_frame(OutputTransportMessageFrame(message=message))


async def run_pipeline(call: IncomingCall, *processors: FrameProcessor) -> None:
    """Run a call's pipeline until the caller is gone."""
    transport = call.transport()
    worker = PipelineWorker(
        Pipeline([transport.input(), *processors, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )

    cancelling: list[asyncio.Task[None]] = []
    transport.on_gone(lambda: cancelling.append(asyncio.create_task(worker.cancel())))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    await asyncio.gather(*cancelling)


def echo(delay_ms: int = 400) -> OnCall:
    """An agent that returns what it hears after ``delay_ms``."""

    async def on_call(call: IncomingCall) -> None:
        await run_pipeline(call, Echo(call, delay_ms))

    return on_call
