"""The echo agent over WebRTC: pipecat's offer, Opus both ways, and an answer index for index.

Each packet that comes is decoded, listened to, and answered with the packet of the same
number, silent or not. The codec smears the end of what the caller said, so the agent's delay is not
the one that was asked for; its account (``GET /account/CALL``, for both transports) tells which it
was. Between that and what a caller reads stand packets, the caller's playout, and the codec's
way back (RFC 6716, 4.1: Opus looks ahead by 6.5 ms).
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import av
import uvicorn
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtp import RtpPacket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from controls.errors import OperatorError
from loadtests.echo_agent.account import Account
from loadtests.echo_agent.answers import Echo, answer_of
from voice_runtime.caller import audible
from voice_runtime.caller.speech import Spoken
from voice_runtime.caller.webrtc_audio import Microphone, tap
from voice_runtime.caller.webrtc_wire import PACKET, Decoder, Encoder
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.ice_agent import close_connection

_SILENT = audible.ULAW_SILENCE * CHUNK_SAMPLES
#: One packet, one tick in which none can have come, and the caller's buffer of two.
WEBRTC_BIAS_MS = 79.875


class _Voice(Microphone):
    """Writes down when aiortc took each packet: it sends it before it does anything else."""

    def __init__(self, account: Account | None) -> None:
        super().__init__()
        self._account = account
        self._taken = 0

    async def recv(self) -> av.Packet[Any]:
        packet = await super().recv()
        if self._account is not None:
            self._account.left_ns[self._taken] = time.monotonic_ns()
        self._taken += 1
        return packet


class Peer:
    """One call. Packets that were lost on the way are taken for silence, so that counting goes on.

    Args:
        echo: what it answers.
        account: told when packets leave.
    """

    def __init__(self, echo: Echo, account: Account | None = None) -> None:
        self.connection = RTCPeerConnection()
        self._echo = echo
        self._voice = _Voice(account)
        self._encoder, self._decoder = Encoder(), Decoder()
        self._next: int | None = None

    async def answer(self, sdp: str) -> dict[str, str]:
        """Take an offer; returns pipecat's answer to it."""
        connection = self.connection
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        tap(connection.getTransceivers()[0].receiver, self._take)
        connection.addTrack(self._voice)
        await connection.setLocalDescription(await connection.createAnswer())
        local = connection.localDescription
        return {"sdp": local.sdp, "type": local.type, "pc_id": secrets.token_hex(8)}

    def _take(self, packet: RtpPacket) -> None:
        missing = 0 if self._next is None else (packet.timestamp - self._next) % (1 << 32) // PACKET
        if missing > 1 << 16:
            return  # it came too late: its place was answered as silence
        self._next = packet.timestamp + PACKET
        for _ in range(missing):
            self._return(_SILENT)
        self._return(self._decoder.decode(packet.payload) or _SILENT)

    def _return(self, ulaw: bytes) -> None:
        back = self._encoder.encode(self._echo.take(ulaw) or _SILENT)
        if not self._voice.packets.full():
            self._voice.packets.put_nowait(back)


@asynccontextmanager
async def peers(voice: Mapping[str, Spoken], accounts: dict[str, Account]) -> AsyncIterator[int]:
    """Serve ``POST /delays_ms=300&…/api/offer`` and ``GET /account/CALL`` on 127.0.0.1.

    Yields the port; ends every call in the end.

    Args:
        accounts: of the calls that asked for one ("call=NAME"), those over Twilio's protocol, too.
    """
    taken: list[Peer] = []

    async def offer(request: Request) -> JSONResponse:
        try:
            asked = dict(parse_qsl(request.path_params["asked"]))
            account = accounts.setdefault(asked["call"], Account()) if "call" in asked else None
            peer = Peer(answer_of(asked, voice, account), account)
            taken.append(peer)
            return JSONResponse(await peer.answer((await request.json())["sdp"]))
        except (OperatorError, ValueError, KeyError) as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    async def account(request: Request) -> JSONResponse:
        found = accounts.pop(request.path_params["call"], None)
        return JSONResponse(found.as_json() if found is not None else {}, 200 if found is not None else 404)

    app: Any = Starlette(
        routes=[Route("/{asked}/api/offer", offer, methods=["POST"]), Route("/account/{call}", account)]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]), name="echo-offers")
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
            await asyncio.gather(*(close_connection(peer.connection) for peer in taken))
