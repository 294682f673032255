"""A real server around the browsers' door, and a caller's side as raw as a test needs it."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from aioice.ice import Connection
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import AudioStreamTrack
from fastapi import APIRouter, FastAPI
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

from tests.simulators.voice_server import serving
from voice_runtime.headroom import Headroom
from voice_runtime.ice_agent import close_connection
from voice_runtime.ingress.admission import Admission
from voice_runtime.ingress.twilio_hooks import Reason, Refusal
from voice_runtime.ingress.webrtc import BrowserCall, Patience, WebRtcDoor, WebRtcHooks, WebRtcOpened
from voice_runtime.ingress.webrtc_sdp import check_offer
from voice_runtime.lines import Line
from voice_runtime.store.coordination import InProcessCoordinator

LINE = Line("web", "web", "healthcare", "riverside", "us", "us-il")
LANGUAGES = ("en-US", "es-US")
#: A tone at 8 kHz, 20 ms a chunk, that any decoder returns as sound.
TONE = b"".join(int(9000 * (1, 1, -1, -1)[i // 2 % 4]).to_bytes(2, "little", signed=True) for i in range(160))

#: Waits as short as a test wants them.
QUICK = Patience(lost_s=0.8, silent_s=1.2, restart_s=3.0, closed_s=0.2)
#: For whoever stays on the line: no machine is so busy that they are taken for lost.
STEADY = Patience(lost_s=30.0, silent_s=60.0, restart_s=60.0, closed_s=60.0)
#: Reading every root certificate takes longer than a test of plain HTTP should.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

OnCall = Callable[[BrowserCall], Awaitable[None]]


@dataclass
class BrowserDoor:
    """What a test sees of the running server."""

    door: WebRtcDoor
    coordinator: InProcessCoordinator
    admission: Admission
    url: str = ""
    calls: list[BrowserCall] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    opened: list[WebRtcOpened] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    reason_against: Reason | None = None
    open_reason: Reason | None = None


@asynccontextmanager
async def browser_door(
    on_call: OnCall,
    *,
    cap: int = 8,
    headroom: Headroom | None = None,
    routers: Sequence[APIRouter] = (),
    **more: Any,
) -> AsyncIterator[BrowserDoor]:
    """Serve the browsers' door with ``on_call`` as the agent, and other routes beside it."""
    coordinator = InProcessCoordinator(cap)
    admission = Admission(coordinator, headroom)

    async def take(call: BrowserCall) -> None:
        seen.calls.append(call)
        try:
            await on_call(call)
        finally:
            seen.over.append(call.id)

    async def open_call(opened: WebRtcOpened) -> Reason | None:
        seen.opened.append(opened)
        return seen.open_reason

    async def refused(refusal: Refusal) -> None:
        seen.refusals.append(refusal)

    async def may_take(line: Line) -> Reason | None:
        return seen.reason_against

    door = WebRtcDoor(
        public_url=lambda: seen.url,
        web_line=lambda agent: LINE if agent == LINE.agent else None,
        languages=lambda line: LANGUAGES,
        admission=admission,
        hooks=WebRtcHooks(on_call=take, open_call=open_call, on_refused=refused, may_take=may_take),
        **{
            "origins": ("https://clinic.example.com",),
            "patience": replace(STEADY, closed_s=0.2),
            "connect_s": 60.0,
            **more,
        },
    )
    seen = BrowserDoor(door, coordinator, admission)
    app = FastAPI()
    for router in (door.router, *routers):
        app.include_router(router)
    async with serving(app) as url:
        seen.url = url
        try:
            yield seen
        finally:
            await door.close()
            await admission.close()


class Agent(FrameProcessor):
    """A small agent: notes what comes in, echoes audio when told to, and interrupts itself on a key."""

    def __init__(self, call: BrowserCall, *, echoes: bool = False) -> None:
        super().__init__(name="agent")
        self.call = call
        self.frames: list[Frame] = []
        self.audio = 0
        self._echoes = echoes
        self.changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            self.audio += 1
            if self._echoes:
                await self.say(frame.audio)
            return
        self.frames.append(frame)
        self.changed.set()
        if isinstance(frame, InputDTMFFrame) and frame.button.value == "#":
            await self.interrupt()
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        """Frames of a kind, in order."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def say(self, pcm: bytes) -> None:
        """Hand over 20 ms."""
        await self.push_frame(OutputAudioRawFrame(audio=pcm, sample_rate=8000, num_channels=1))

    async def mark(self, name: str) -> None:
        """Place a mark behind what was said."""
        await self.show(self.call.link.mark_message(name) or {})

    async def show(self, message: dict[str, Any]) -> None:
        """Hand over a message, in order with the audio."""
        await self.push_frame(OutputTransportMessageFrame(message=message))

    async def interrupt(self) -> None:
        """Cut everything that is unplayed."""
        await self.push_frame(InterruptionFrame())


async def run_agent(call: BrowserCall, agent: Agent) -> None:
    """Run a call's pipeline until the caller is gone."""
    worker = PipelineWorker(
        Pipeline([call.input(), *call.behind_the_ear(), agent, call.output()]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
    )
    leaving: list[asyncio.Task[None]] = []
    call.on_gone(lambda: leaving.append(asyncio.create_task(worker.cancel())))
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    await asyncio.gather(*leaving)


@dataclass
class Agents:
    """The agents of a test's calls, in order."""

    echoes: bool = False
    all: list[Agent] = field(default_factory=list)

    async def __call__(self, call: BrowserCall) -> None:
        agent = Agent(call, echoes=self.echoes)
        self.all.append(agent)
        await run_agent(call, agent)


class Silence(AudioStreamTrack):
    """aiortc's own silence, for a caller who says nothing."""


class RawCaller:
    """A browser by hand: aiortc, the door's HTTP, and messages as the test likes them."""

    def __init__(self, url: str, *, microphone: bool = True, origin: str | None = None) -> None:
        self.url = url
        self.headers = {"origin": origin} if origin else {}
        self.messages: list[dict[str, Any]] = []
        self.packets: list[tuple[int, bytes]] = []
        self.pc_id = self.call = ""
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self._microphone = microphone
        self._pinging: asyncio.Task[None] | None = None
        self._old_agents: list[Connection] = []
        self.new_connection()

    def new_connection(self) -> None:
        """A fresh peer connection with its channel, in place of the one there was."""
        self.pc = pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        if self._microphone:
            pc.addTrack(Silence())
        else:
            pc.addTransceiver("audio", direction="recvonly")
        self.channel = self.open_channel()
        receiver = pc.getTransceivers()[0].receiver
        taken = receiver._handle_rtp_packet

        async def note(packet: Any, arrival_time_ms: int) -> None:
            self.packets.append((packet.timestamp, packet.payload))
            await taken(packet, arrival_time_ms)

        receiver._handle_rtp_packet = note  # type: ignore[method-assign]

        @pc.on("connectionstatechange")
        def _() -> None:
            if pc is self.pc and pc.connectionState == "closed":
                self.closed.set()

    def open_channel(self, label: str = "sayso", **more: Any) -> RTCDataChannel:
        """Another data channel."""
        channel = self.pc.createDataChannel(label, **more)

        @channel.on("message")
        def _(data: str) -> None:
            self.messages.append(json.loads(data))

        @channel.on("open")
        def _() -> None:
            self.opened.set()

        return channel

    async def post(self, path: str, body: Any = None, method: str = "POST") -> httpx.Response:
        """A request to the door."""
        async with httpx.AsyncClient(
            trust_env=False, verify=PLAIN, base_url=self.url, headers=self.headers
        ) as client:
            return await client.request(method, path, json=body)

    async def token(self) -> str:
        """A call token."""
        response = await self.post(f"/call/{LINE.agent}/token")
        assert response.status_code == 200, response.text
        return str(response.json()["token"])

    async def offer(self, **more: Any) -> httpx.Response:
        """Make an offer on the present connection, and apply the answer when there is one."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        body = {"sdp": self.pc.localDescription.sdp, "type": "offer", **more}
        response = await self.post("/webrtc/offer", body)
        if response.status_code == 200:
            answer = response.json()
            self.pc_id, self.call = answer["pc_id"], answer["call"]
            await self.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        return response

    async def connect(self) -> None:
        """Token, offer, answer; until the channel is open. Pings from then on."""
        response = await self.offer(token=await self.token())
        assert response.status_code == 200, response.text
        await self.until_open()

    async def until_open(self) -> None:
        """Wait for the data channel, then ping every 0.5 s."""
        async with asyncio.timeout(30):
            await self.opened.wait()
        self.stop_pinging()
        self._pinging = asyncio.create_task(self._ping())

    async def _ping(self) -> None:
        while self.channel.readyState == "open":
            self.send({"type": "ping"})
            await asyncio.sleep(0.5)

    def stop_pinging(self) -> None:
        """The page's script has died."""
        if self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None

    def send(self, message: Any) -> None:
        """Send an object as JSON, or text and bytes as they are."""
        self.channel.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of a type, in order."""
        return [message for message in self.messages if message["type"] == kind]

    async def restart_ice(self) -> None:
        """What a browser does (RFC 8839, 4.4.1.1.1): new credentials, new sockets; the old ones are dead.

        aiortc cannot, so its ICE agent is exchanged under it.
        """
        transport = self.pc.getTransceivers()[0].receiver.transport.transport
        old, new = transport._connection, Connection(ice_controlling=True)
        await new.gather_candidates()
        new._queue = old._queue  # DTLS waits there for whatever comes
        transport._connection = transport.iceGatherer._connection = new
        transport.iceGatherer._remote_candidates_end = False
        response = await self.offer(pc_id=self.pc_id)
        assert response.status_code == 200, response.text
        answer = check_offer(response.json()["sdp"])
        new.remote_username, new.remote_password = answer.ufrag, answer.password
        await new.connect()
        transport._send, transport._recv = new.send, new.recv
        old._queue = asyncio.Queue()
        for protocol in old._protocols:
            protocol.transport.close()
        self._old_agents.append(old)

    def vanish(self) -> None:
        """The network is gone: not a packet leaves any more, and nobody is told."""
        self.stop_pinging()
        agent = self.pc.getTransceivers()[0].receiver.transport.transport

        async def nowhere(data: bytes) -> None:
            pass

        agent._send = nowhere

    async def close(self) -> None:
        """Close the connection."""
        self.stop_pinging()
        for agent in self._old_agents:
            await agent.close()
        await close_connection(self.pc)


@asynccontextmanager
async def raw_caller(url: str, **more: Any) -> AsyncIterator[RawCaller]:
    """A connected caller."""
    caller = RawCaller(url, **more)
    try:
        await caller.connect()
        yield caller
    finally:
        await caller.close()


async def eventually(condition: Callable[[], Any], timeout_s: float = 30.0) -> None:
    """Wait until a condition holds; long, as waiting costs nothing where it comes to pass."""
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "it never came to pass"
        await asyncio.sleep(0.01)
