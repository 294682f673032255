"""A browser's other end: the page's own routes, tokens, offers and a real peer that does what a test says.

It keeps to the contract between page and server and notes every breach of it in
``StandInCall.breaches``: the page is tested on both. The agent says nothing by
itself; a test sends captions, tones, ``closed``, or lets the network fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import fractions
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.sdp import candidate_from_sdp
from av import AudioFrame
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from tests.simulators.voice_server import serving
from voice_runtime.caller_page import About, caller_page_router
from voice_runtime.ice_agent import close_connection
from voice_runtime.ingress.webrtc_ice import check_new_paths, renew_credentials
from voice_runtime.ingress.webrtc_sdp import check_offer

RATE_HZ = 48_000
SAMPLES = 960  # 20 ms
LONGEST_MESSAGE = 4096

ABOUT = About(
    agent="healthcare",
    title="Riverside Clinic front desk (fictional clinic)",
    language="en-US",
    languages=("en-US",),
    disclosure={
        "en-US": "Riverside Clinic. I'm an AI assistant. Say 'person' or press 0 for our staff.",
        "es-US": "Clínica Riverside. Soy un asistente de IA. Diga 'persona' o marque 0.",
    },
    privacy={
        "en-US": "Riverside Clinic (fictional) keeps a record of what is said for 90 days.",
        "es-US": "La Clínica Riverside (ficticia) guarda lo que se dice durante 90 días.",
    },
    environment="production",
)

_MESSAGES: dict[str, dict[str, Callable[[Any], bool]]] = {
    "ping": {},
    "ready": {
        "echo_cancellation": lambda v: v in {"on", "off", "unknown"},
        "microphone": lambda v: isinstance(v, bool),
    },
    "key": {"key": lambda v: isinstance(v, str) and re.fullmatch(r"[0-9*#]", v) is not None},
    "person": {},
    "receipt": {},
    "say": {"text": lambda v: isinstance(v, str) and 1 <= len(v) <= 500},
    "playing": {"rtp": lambda v: isinstance(v, int) and 0 <= v < 2**32},
    "bye": {},
}


class Tone(MediaStreamTrack):
    """20 ms frames at real time: 440 Hz while ``on``, else silence."""

    kind = "audio"

    def __init__(self, on: bool) -> None:
        super().__init__()
        self.on = on
        self._sent = 0
        self._started = time.monotonic()

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        await asyncio.sleep(max(0.0, self._started + self._sent / RATE_HZ - time.monotonic()))
        at = np.arange(self._sent, self._sent + SAMPLES)
        wave = np.sin(2 * np.pi * 440 * at / RATE_HZ) * (8000 if self.on else 0)
        frame = AudioFrame.from_ndarray(wave.astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._sent, fractions.Fraction(1, RATE_HZ)
        self._sent += SAMPLES
        return frame


class Lossy:
    """A datagram transport that loses what ``lost`` says."""

    def __init__(self, wire: Any, lost: Callable[[bytes], bool]) -> None:
        self._wire, self._lost = wire, lost

    def sendto(self, data: bytes, *to: Any) -> None:
        if not self._lost(data):
            self._wire.sendto(data, *to)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wire, name)


@dataclass
class StandInCall:
    """One call as the server sees it; another peer connection after each restart."""

    id: str
    pc_id: str
    language: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    #: Peer connections made, and ICE restarts on them.
    links: int = 0
    restarts: int = 0
    candidates: int = 0
    directions: list[str] = field(default_factory=list)
    tone: Tone = field(default_factory=lambda: Tone(on=True))
    #: 20 ms of the caller's audio that came.
    frames: int = 0
    #: Loudest sample of the caller's newest 20 ms, of 32767.
    level: int = 0
    pings: int = 0
    _pc: RTCPeerConnection | None = None
    _channel: Any = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def restart_ice(self, offer: RTCSessionDescription) -> RTCSessionDescription:
        """Take an offer with new credentials on the connection that stands."""
        assert self._pc is not None
        self.restarts += 1
        checked = check_offer(offer.sdp)
        renew_credentials(self._pc, checked)
        await self._pc.setRemoteDescription(RTCSessionDescription(checked.sdp, offer.type))
        await self._pc.setLocalDescription(await self._pc.createAnswer())
        check_new_paths(self._pc)
        return self._pc.localDescription

    async def answer(self, offer: RTCSessionDescription) -> RTCSessionDescription:
        """Take an offer on a new peer connection; the one before is closed."""
        await self.close_link()
        pc = self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.links += 1
        pc.on("datachannel", self._opened)
        pc.on("track", self._listen)
        self.tone = Tone(self.tone.on)
        await pc.setRemoteDescription(offer)
        pc.addTrack(self.tone)
        self.directions.append(re.findall(r"a=(sendrecv|recvonly|sendonly|inactive)", offer.sdp)[0])
        await pc.setLocalDescription(await pc.createAnswer())
        return pc.localDescription

    async def add_candidate(self, line: str, mid: str | None, index: int | None) -> None:
        candidate = candidate_from_sdp(line.removeprefix("candidate:"))
        candidate.sdpMid, candidate.sdpMLineIndex = mid, index
        self.candidates += 1
        if self._pc is not None:
            await self._pc.addIceCandidate(candidate)

    # --- what a test tells it ---------------------------------------------------------------------------

    def send(self, message: dict[str, Any] | str) -> None:
        self._channel.send(message if isinstance(message, str) else json.dumps(message))

    def caption(self, who: str, id: str, text: str, state: str = "begin") -> None:
        self.send({"type": "caption", "who": who, "id": id, "text": text, "state": state})

    def lose(self, share: Callable[[bytes], bool]) -> None:
        """From now on every datagram out or in for which ``share`` is true is lost."""
        assert self._pc is not None and self._pc.sctp is not None
        for protocol in self._pc.sctp.transport.transport._connection._protocols:
            if not hasattr(protocol, "lossy"):
                self._make_lossy(protocol)
            protocol.lossy = share

    def _make_lossy(self, protocol: Any) -> None:
        wire, taken = protocol.transport, protocol.datagram_received
        protocol.transport = Lossy(wire, lambda data: protocol.lossy(data))
        protocol.datagram_received = lambda data, addr: None if protocol.lossy(data) else taken(data, addr)

    def cut_line(self) -> None:
        """The network is gone without a word."""
        self.lose(lambda data: True)

    def mend_line(self) -> None:
        self.lose(lambda data: False)

    async def close_link(self) -> None:
        if self._pc is not None:
            pc, self._pc = self._pc, None
            await close_connection(pc)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- what a test asks it ----------------------------------------------------------------------------

    def of(self, type: str) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == type]

    async def until(self, holds: Callable[[], object]) -> None:
        """Until a message, a link or a level makes ``holds`` true."""
        async with asyncio.timeout(30):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def got(self, type: str, n: int = 1) -> dict[str, Any]:
        """The ``n``th message of a type."""
        await self.until(lambda: len(self.of(type)) >= n)
        return self.of(type)[n - 1]

    # --- inside -----------------------------------------------------------------------------------------

    def _opened(self, channel: Any) -> None:
        if channel.label != "sayso" or not channel.ordered or channel.maxRetransmits is not None:
            self.breaches.append(f"channel {channel.label}")
        self._channel = channel
        channel.on("message", self._received)
        self.send({"type": "opened", "call": self.id, "language": self.language})
        self._changed.set()

    def _received(self, data: str | bytes) -> None:
        try:
            message = json.loads(data) if isinstance(data, str) and len(data) <= LONGEST_MESSAGE else {}
            fields = _MESSAGES[message["type"]]
            if {*message} != {"type", *fields} or not all(valid(message[f]) for f, valid in fields.items()):
                raise ValueError(data)
        except (KeyError, TypeError, ValueError):
            self.breaches.append(repr(data)[:200])
            return
        if message["type"] == "ping":
            self.pings += 1
            self._changed.set()
            self.send({"type": "pong"})
            return
        self.messages.append(message)
        self._changed.set()

    def _listen(self, track: MediaStreamTrack) -> None:
        async def listen() -> None:
            with contextlib.suppress(MediaStreamError):
                while True:
                    frame = await track.recv()
                    assert isinstance(frame, AudioFrame)
                    self.frames += 1
                    self.level = int(np.abs(frame.to_ndarray().astype(np.int32)).max())
                    self._changed.set()

        task = asyncio.get_running_loop().create_task(listen())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass
class BrowserServer:
    """What a test sees and changes: who is there, what is refused, the calls."""

    url: str = ""
    abouts: dict[str, About] = field(default_factory=lambda: {"healthcare": ABOUT})
    #: Answers to the next offers or tokens instead of taking them: (status, error).
    refuse_offers: list[tuple[int, str]] = field(default_factory=list)
    refuse_tokens: list[tuple[int, str]] = field(default_factory=list)
    #: Offers about a call under way: refused with this while set.
    refuse_restarts: tuple[int, str] | None = None
    #: Whether an ICE restart is refused as a bad offer, as a server that cannot do it would.
    ignore_restarts: bool = False
    #: Told of each further offer of a call, before it is answered: a test mends the line here.
    on_further: Callable[[StandInCall], None] = lambda call: None
    calls: list[StandInCall] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    #: Whether new calls send a tone or silence.
    tone: bool = True
    ice_servers: list[dict[str, Any]] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, n: int = 1) -> StandInCall:
        """The ``n``th call, once its channel is open."""
        async with asyncio.timeout(30):
            while len(self.calls) < n:
                self._came.clear()
                await self._came.wait()
        call = self.calls[n - 1]
        await call.until(lambda: call._channel is not None)
        return call

    def demo(self, *phrases: str) -> None:
        """From now on the agent is of the offline profile and understands these."""
        self.abouts["healthcare"] = replace(
            self.abouts["healthcare"], environment="demo", offline_phrases=phrases, not_a_language_model=True
        )

    def app(self) -> FastAPI:
        app = FastAPI()
        app.include_router(caller_page_router(self.abouts.get))

        @app.post("/call/{agent}/token")
        async def token(agent: str, request: Request) -> JSONResponse:
            if request.headers.get("origin") != str(request.base_url).rstrip("/"):
                return _refused(403, "origin")
            if self.refuse_tokens:
                return _refused(*self.refuse_tokens.pop(0))
            if agent not in self.abouts:
                return _refused(404, "unknown_agent")
            made = uuid.uuid4().hex
            self.tokens.add(made)
            return JSONResponse({"token": made, "ice_servers": self.ice_servers, "expires_s": 60})

        @app.post("/webrtc/offer")
        async def offer(request: Request) -> JSONResponse:
            body = await request.json()
            call = self._of(body.get("pc_id"))
            if "pc_id" in body and (call is None or self.refuse_restarts):
                return _refused(*(self.refuse_restarts or (403, "token")))
            if call is None:
                if body["token"] not in self.tokens:
                    return _refused(403, "token")
                self.tokens.discard(body["token"])
                if self.refuse_offers:
                    return _refused(*self.refuse_offers.pop(0))
                name = uuid.uuid4().hex
                call = StandInCall(f"c_{name}", f"p_{name}", body.get("language", "en-US"))
                call.tone.on = self.tone
                self.calls.append(call)
            taken = RTCSessionDescription(body["sdp"], body["type"])
            restarts = "pc_id" in body and not body.get("restart_pc")
            if restarts and self.ignore_restarts:
                return _refused(400, "offer")
            self.on_further(call) if "pc_id" in body else None
            answer = await (call.restart_ice(taken) if restarts else call.answer(taken))
            self._came.set()
            return JSONResponse(
                {"sdp": answer.sdp, "type": answer.type, "pc_id": call.pc_id, "call": call.id}
            )

        @app.patch("/webrtc/offer")
        async def candidates(request: Request) -> JSONResponse:
            body = await request.json()
            call = self._of(body["pc_id"])
            if call is None:
                return _refused(404, "unknown_call")
            for c in body["candidates"]:
                await call.add_candidate(c["candidate"], c["sdp_mid"], c["sdp_mline_index"])
            return JSONResponse({})

        return app

    def _of(self, pc_id: str | None) -> StandInCall | None:
        return next((call for call in self.calls if call.pc_id == pc_id), None)


def _refused(status: int, error: str) -> JSONResponse:
    return JSONResponse({"error": error}, status_code=status)


@asynccontextmanager
async def browser_server() -> AsyncIterator[BrowserServer]:
    """Serve the page and a peer on this machine; afterwards no call may have broken the contract."""
    server = BrowserServer()
    async with serving(server.app()) as url:
        server.url = url
        try:
            yield server
        finally:
            for call in server.calls:
                await call.close_link()
    assert not [b for call in server.calls for b in call.breaches]
