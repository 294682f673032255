"""Calls in pipecat's dialect, against pipecat's own WebRTC transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_transport import TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import SmallWebRTCRequest, SmallWebRTCRequestHandler
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from tests.simulators.voice_server import serving
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Press, Say, Script, Silence
from voice_runtime.caller.webrtc import WebRtcCaller

pytestmark = pytest.mark.anyio


class Echo(FrameProcessor):
    """Returns what it is told."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            frame = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
        await self.push_frame(frame, direction)


async def converse(connection: SmallWebRTCConnection) -> None:
    """One call's pipeline, until the caller is gone."""
    transport = SmallWebRTCTransport(
        connection, TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), Echo(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )

    async def gone(transport: Any, client: Any) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_disconnected", gone)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


@asynccontextmanager
async def pipecat_server() -> AsyncIterator[str]:
    """A bot of pipecat's behind ``/api/offer``, as its documentation serves one."""
    app = FastAPI()
    handler = SmallWebRTCRequestHandler()
    calls: list[asyncio.Task[None]] = []
    connections: list[SmallWebRTCConnection] = []

    async def begin(connection: SmallWebRTCConnection) -> None:
        connections.append(connection)
        calls.append(asyncio.create_task(converse(connection)))

    @app.post("/api/offer")
    async def offer(request: Request) -> Any:
        asked = SmallWebRTCRequest.from_dict(await request.json())
        return await handler.handle_web_request(asked, begin)

    async with serving(app) as url:
        yield url
        async with asyncio.timeout(30):
            await asyncio.gather(*calls)
        for connection in connections:  # one whose caller closed it still waits for a data channel
            await connection.disconnect()


async def test_a_bot_of_pipecats_is_called_and_heard() -> None:
    async with pipecat_server() as url:
        caller = WebRtcCaller(url, dialect="pipecat", voice=RecordedFlite("rms"), longest_s=20)
        script = Script(steps=(Say(text="yes", wait=False), Silence(seconds=1.0), HangUp()), voice="rms")
        result = await caller.run(script)
    assert (result.ended_by, result.error, result.bad_messages) == ("caller", "", 0)
    assert result.call_sid
    [turn] = result.turns
    # While the caller still speaks: no answer, but audible; on a busy machine in several pieces.
    assert turn.first_sample < result.heard[0].first
    assert turn.last_sample < result.heard[-1].end
    assert caller.playout is not None
    assert caller.playout.received > 0


async def test_keys_are_refused_where_nothing_carries_them() -> None:
    async with pipecat_server() as url:
        caller = WebRtcCaller(url, dialect="pipecat", longest_s=20)
        result = await caller.run(Script(steps=(Silence(seconds=0.5), Press(keys="1"), HangUp())))
    assert result.ended_by == "failed"
    assert "data channel" in result.error
