"""The application of bare pipecat agents: Twilio's media streams and SmallWebRTC, every call in one process.

As its documentation serves them: FastAPI, ``FastAPIWebsocketTransport`` with
``TwilioFrameSerializer`` (no REST credentials, so no automatic hang-up;
services/serializers/twilio), ``SmallWebRTCRequestHandler`` behind ``/api/offer``
(examples: p2p-webrtc/docker). Beside the agents it has two things a load test needs: a
line in a file for each call that is over, and how late its event loop was.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import BackgroundTasks, FastAPI, Request, WebSocket
from fastapi.responses import Response
from pipecat.runner.utils import parse_telephony_websocket
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection
from pipecat.transports.smallwebrtc.request_handler import (
    SmallWebRTCPatchRequest,
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport

from loadtests.baseline.call import run_call
from loadtests.baseline.settings import BaselineSettings
from loadtests.lateness import LoopLag

#: As our own server probes its loop (``sayso_loop_lag_seconds``), so that both columns mean the same, ms.
_LAG_EVERY_MS = 50


def create_app(settings: BaselineSettings) -> FastAPI:
    """The application."""
    offers, lag = SmallWebRTCRequestHandler(), LoopLag(_LAG_EVERY_MS, each=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with lag.probing():
            yield
        await offers.close()  # type: ignore[no-untyped-call]  # pipecat's has no types

    app = FastAPI(lifespan=lifespan, openapi_url=None)

    async def answer(call: str, via: Literal["twilio", "webrtc"], transport: BaseTransport) -> None:
        turns = await run_call(transport, via, settings)
        line = {"call": call, "turns": [[t.said_ended_ms, t.first_token_at_ms] for t in turns]}
        with settings.notes.open("a", encoding="utf-8") as file:  # one short line, once its call is over
            file.write(json.dumps(line) + "\n")

    @app.post("/telephony/twilio/voice")
    async def webhook(request: Request) -> Response:
        url = str(request.url.replace(scheme="ws", path="/ws", query=""))
        twiml = f'<Response><Connect><Stream url="{url}"/></Connect></Response>'
        return Response(f'<?xml version="1.0" encoding="UTF-8"?>{twiml}', media_type="application/xml")

    @app.websocket("/ws")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept()
        _, data = await parse_telephony_websocket(websocket)
        serializer = TwilioFrameSerializer(
            stream_sid=data["stream_id"],
            call_sid=data["call_id"],
            params=TwilioFrameSerializer.InputParams(auto_hang_up=False),
        )
        params = FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, add_wav_header=False, serializer=serializer
        )
        await answer(data["call_id"], "twilio", FastAPIWebsocketTransport(websocket=websocket, params=params))

    @app.post("/api/offer")
    async def offer(request: SmallWebRTCRequest, background_tasks: BackgroundTasks) -> Any:
        async def connected(connection: SmallWebRTCConnection) -> None:
            params = TransportParams(audio_in_enabled=True, audio_out_enabled=True, audio_out_10ms_chunks=2)
            transport = SmallWebRTCTransport(webrtc_connection=connection, params=params)
            background_tasks.add_task(answer, connection.pc_id, "webrtc", transport)

        return await offers.handle_web_request(request=request, webrtc_connection_callback=connected)

    @app.patch("/api/offer")
    async def candidate(request: SmallWebRTCPatchRequest) -> dict[str, str]:
        await offers.handle_patch_request(request)
        return {"status": "success"}

    @app.get("/loop-lag")
    async def loop_lag() -> dict[str, float | None]:
        late = lag.told()
        return {"p99_ms": late.late_p99_ms if late is not None else None}

    return app
