"""Incoming audio: aiortc's receiver taken over in virtual time, and real peers over a bad network."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpReceiveParameters
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtcpByePacket, RtpPacket
from aiortc.stats import RTCRemoteInboundRtpStreamStats, RTCStatsReport
from av import AudioFrame

from controls.errors import InternalError
from loadtests.network.udp import Impairment, udp_link
from tests.voice_runtime.ingress.test_opus import encoded, tone
from voice_runtime.events import CHUNK_BYTES
from voice_runtime.ingress.webrtc_audio import AudioReceiver

pytestmark = pytest.mark.anyio

OPUS, PCMU = 96, 0
PACKETS = encoded(tone(440, 4.0))


# --- in virtual time ------------------------------------------------------------------------------


class Minutes:
    """A clock that goes only while somebody sleeps; ``at`` is done on the way."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000
        self.at: dict[int, Any] = {}

    def monotonic_ns(self) -> int:
        return self.ns

    def unix_s(self) -> float:
        return self.ns / 1e9

    async def sleep(self, seconds: float) -> None:
        until = self.ns + round(seconds * 1e9)
        for due in sorted(d for d in self.at if d <= until):
            self.ns = max(self.ns, due)
            await self.at.pop(due)()
        self.ns = until
        await asyncio.sleep(0)


class Wire:
    """What a receiver needs of a DTLS transport."""

    state = "connected"
    _stats_id = "transport"

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def _register_rtp_receiver(self, receiver: object, parameters: object) -> None: ...

    def _unregister_rtp_receiver(self, receiver: object) -> None: ...

    def _get_stats(self) -> RTCStatsReport:
        return RTCStatsReport()

    async def _send_rtp(self, data: bytes) -> None:
        self.sent.append(data)


@asynccontextmanager
async def receiving() -> AsyncIterator[RTCRtpReceiver]:
    """aiortc's own receiver, started, on a transport that is none."""
    receiver = RTCRtpReceiver("audio", Wire())  # type: ignore[arg-type]
    receiver._track = RemoteStreamTrack("audio")
    codecs = [
        RTCRtpCodecParameters("audio/opus", 48_000, 2, OPUS),
        RTCRtpCodecParameters("audio/PCMU", 8000, 1, PCMU),
    ]
    await receiver.receive(RTCRtpReceiveParameters(codecs=codecs))
    try:
        yield receiver
    finally:
        await receiver.stop()


def packet(n: int, *, payload_type: int = OPUS, ssrc: int = 5) -> RtpPacket:
    return RtpPacket(
        payload_type=payload_type,
        sequence_number=(65_500 + n) % 65_536,
        timestamp=(2**32 - 10_000 + n * 960) % 2**32,
        ssrc=ssrc,
        payload=PACKETS[n % len(PACKETS)],
    )


def schedule(clock: Minutes, receiver: RTCRtpReceiver, numbers: list[int], **fields: Any) -> None:
    for n in numbers:

        async def arrive(n: int = n) -> None:
            await receiver._handle_rtp_packet(packet(n, **fields), arrival_time_ms=0)

        clock.at[1_000_000_000 + n * 20_000_000 + 5_000_000] = arrive


async def taken(audio: AudioReceiver, chunks: int) -> list[bytes]:
    found: list[bytes] = []
    async with aclosing(audio.frames()) as frames:
        async for chunk in frames:
            found.append(chunk)
            if len(found) == chunks:
                break
    return found


def level(chunk: bytes) -> float:
    return float(np.sqrt(np.mean(np.frombuffer(chunk, dtype="<i2").astype(float) ** 2)))


async def test_chunks_come_by_the_clock_before_during_and_after_the_stream():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        assert audio.since_packet_s is None
        schedule(clock, receiver, list(range(50, 100)))
        began = clock.ns
        chunks = await taken(audio, 200)
        assert clock.ns - began == 199 * 20_000_000
        assert {len(chunk) for chunk in chunks} == {CHUNK_BYTES}
        assert not any(level(chunk) for chunk in chunks[:51])
        assert all(level(chunk) > 2000 for chunk in chunks[54:102])
        assert not any(level(chunk) for chunk in chunks[115:])
        assert audio.stats.received == 50
        assert audio.stats.lost == 0
        assert audio.delay_ms == 35
        assert audio.since_packet_s == pytest.approx(2.0, abs=0.05)


async def test_losses_are_made_up_and_counted_and_leave_no_delay():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        schedule(clock, receiver, [n for n in range(150) if n not in {60, 61, 100}])
        chunks = await taken(audio, 145)
        assert audio.stats.lost == 3
        assert audio.stats.concealed_ms == 60
        assert audio.delay_ms == 35
        assert all(level(chunk) > 1500 for chunk in chunks[6:])


async def test_aiortc_keeps_its_own_account():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        schedule(clock, receiver, [n for n in range(50) if n != 20])
        await taken(audio, 60)
        report = await receiver.getStats()
        [stream] = [s for s in report.values() if s.type == "inbound-rtp"]
        assert (stream.packetsReceived, stream.packetsLost) == (49, 1)
        assert [source.source for source in receiver.getSynchronizationSources()] == [5]
        assert receiver.track._queue.empty()  # nothing was decoded twice


async def test_other_codecs_and_nonsense_are_counted_and_not_played():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        schedule(clock, receiver, list(range(10)), payload_type=PCMU)
        chunks = await taken(audio, 20)
        bad = packet(20)
        bad.payload = bytes([0xFF, 0])
        await receiver._handle_rtp_packet(bad, arrival_time_ms=0)
        assert not any(level(chunk) for chunk in chunks)
        assert audio.stats.foreign == 11
        assert audio.stats.received == 11


async def test_a_disabled_receiver_is_enabled_by_reading():
    """pipecat turns it off when it wraps the track, to keep a track that nobody reads from filling memory."""
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        receiver._enabled = False
        schedule(clock, receiver, list(range(10)))
        await taken(audio, 20)
        assert audio.stats.received == 10


async def test_a_stopped_process_does_not_make_up_for_it():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        count = 0
        async with aclosing(audio.frames()) as frames:
            async for _ in frames:
                count += 1
                if count == 10:
                    clock.ns += 1_000_000_000  # late by 1 s: made up for
                if count == 100:
                    began = clock.ns
                    clock.ns += 60_000_000_000
                if count == 110:
                    break
        assert clock.ns - began == pytest.approx(60_000_000_000 + 9 * 20_000_000, abs=20_000_000)
        assert began == 1_000_000_000 + 99 * 20_000_000


async def test_a_loop_that_was_late_is_no_bad_network():
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        schedule(clock, receiver, list(range(200)))
        chunks: list[bytes] = []
        async with aclosing(audio.frames()) as frames:
            async for chunk in frames:
                chunks.append(chunk)
                if len(chunks) == 60:
                    clock.ns += 500_000_000  # blocked: 25 packets and 25 ticks are overdue
                if len(chunks) == 150:
                    break
        stats = audio.stats
        assert (stats.lost, stats.concealed_ms, stats.dropped_ms, stats.target_ms) == (0, 0, 0, 20)
        assert audio.delay_ms == 35
        assert all(level(chunk) > 1500 for chunk in chunks[6:])


@pytest.mark.parametrize("ending", ["close", "bye", "stop", "disconnect", "track"])
async def test_frames_end_when_the_call_does(ending: str):
    clock = Minutes()
    async with receiving() as receiver:
        audio = AudioReceiver(receiver, clock=clock)
        schedule(clock, receiver, list(range(5)))
        count = 0
        async with asyncio.timeout(30):
            async for _ in audio.frames():
                count += 1
                if count == 10:
                    match ending:
                        case "close":
                            audio.close()
                        case "bye":
                            await receiver._handle_rtcp_packet(RtcpByePacket(sources=[5]))
                        case "stop":
                            await receiver.stop()
                        case "disconnect":
                            receiver._handle_disconnect()
                        case "track":
                            receiver.track.stop()
        assert count >= 10


async def test_an_aiortc_that_changed_is_named():
    receiver = RTCRtpReceiver("audio", Wire())  # type: ignore[arg-type]
    del receiver._RTCRtpReceiver__jitter_buffer  # type: ignore[attr-defined]
    with pytest.raises(InternalError, match=r"no _RTCRtpReceiver__jitter_buffer .*1\.16"):
        AudioReceiver(receiver)
    receiver._RTCRtpReceiver__jitter_buffer = object()  # type: ignore[attr-defined]
    with pytest.raises(InternalError, match="no add"):
        AudioReceiver(receiver)


async def test_video_and_a_receiver_without_a_track_are_refused():
    receiver = RTCRtpReceiver("video", Wire())  # type: ignore[arg-type]
    receiver._track = RemoteStreamTrack("video")
    with pytest.raises(InternalError, match="not a receiver of audio"):
        AudioReceiver(receiver)
    audio = AudioReceiver(RTCRtpReceiver("audio", Wire()))  # type: ignore[arg-type]
    with pytest.raises(InternalError, match="no track"):
        await anext(aiter(audio.frames()))


# --- real peers over a bad network ----------------------------------------------------------------


class Tone(MediaStreamTrack):
    """440 Hz in 20 ms frames, paced on the loop's clock."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._sent = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if not self._sent:
            self._began = loop.time()
        await asyncio.sleep(max(0.0, self._began + self._sent * 0.02 - loop.time()))
        at = np.arange(self._sent * 960, (self._sent + 1) * 960)
        samples = (8000 * np.sin(2 * np.pi * 440 * at / 48_000)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples[None], layout="mono")
        frame.sample_rate, frame.pts = 48_000, self._sent * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        self._sent += 1
        return frame


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """ICE on loopback only, whatever network this machine has; receiver reports ten times a second."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])
    monkeypatch.setattr("aiortc.rtcrtpreceiver.random", SimpleNamespace(random=lambda: -0.4))


def share_with_tone(chunks: list[bytes]) -> float:
    """Share of the chunks that are mostly 440 Hz."""
    at = np.arange(160) / 8000
    wave = np.exp(-2j * np.pi * 440 * at)
    found = 0
    for chunk in chunks:
        samples = np.frombuffer(chunk, dtype="<i2").astype(float)
        power = np.mean(samples**2)
        found += bool(power > 500**2 and 2 * np.abs(np.mean(samples * wave)) ** 2 > 0.7 * power)
    return found / len(chunks)


@pytest.mark.parametrize(
    "network",
    [
        Impairment(),
        Impairment(loss=0.01, seed=4),
        Impairment(loss=0.03, seed=6),
        Impairment(loss=0.03, jitter_ms=30, overtaken=0.05, seed=2),
    ],
    ids=["clean", "1 % lost", "3 % lost", "3 % lost, 30 ms jitter, overtaking"],
)
@pytest.mark.usefixtures("loopback")
async def test_a_real_peer_over_a_bad_network(network: Impairment):
    caller, server = RTCPeerConnection(), RTCPeerConnection()
    receivers: list[AudioReceiver] = []
    long_way: list[RtpPacket] = []

    async def count(packet: RtpPacket, arrival_time_ms: int) -> None:
        long_way.append(packet)
        await RTCRtpReceiver._handle_rtp_packet(server.getTransceivers()[0].receiver, packet, arrival_time_ms)

    @server.on("track")
    def _(track: MediaStreamTrack) -> None:
        receivers.append(AudioReceiver(server.getTransceivers()[0].receiver))

    @server.on("connectionstatechange")
    def _() -> None:
        if server.connectionState == "connected":
            receivers[0].go_straight()
            server.getTransceivers()[0].receiver._handle_rtp_packet = count  # type: ignore[method-assign]

    sender = caller.addTrack(Tone())
    try:
        async with udp_link(network) as link, asyncio.timeout(30):
            await caller.setLocalDescription(await caller.createOffer())
            offer = link.offer(caller.localDescription.sdp)
            await server.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            await server.setLocalDescription(await server.createAnswer())
            answer = link.answer(server.localDescription.sdp)
            await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            [audio] = receivers
            chunks: list[bytes] = []
            async with aclosing(audio.frames()) as frames:
                async for chunk in frames:
                    if chunks or audio.stats.received:
                        chunks.append(chunk)
                    if audio.stats.received >= 80:
                        break
            report: Any = None
            while report is None:
                found = (await sender.getStats()).values()
                report = next((s for s in found if isinstance(s, RTCRemoteInboundRtpStreamStats)), None)
                await asyncio.sleep(0.01)
        assert len(long_way) < 10  # the first ones
        stats = audio.stats
        arrived = len(network.passed)
        assert stats.received <= arrived
        assert bool(network.lost) == bool(network.loss)
        if not network.jitter_ms:  # nothing overtakes, so nothing comes late: lost is what the network lost
            assert stats.late == 0
            known = stats.received + stats.lost  # of these up to half a second is not played yet
            assert lost_of(network, known - 25) <= stats.lost <= lost_of(network, known)
        # Of what had to be concealed, because the network lost it or this machine stalled, nothing is asked.
        sounding = len(chunks) - 10 - stats.concealed_ms / 20
        assert share_with_tone(chunks[10:]) * (len(chunks) - 10) > 0.8 * sounding > 0
        assert stats.target_ms >= 20
        assert report.packetsReceived + report.packetsLost > 0
        assert report.roundTripTime is None or report.roundTripTime < 5
    finally:
        await caller.close()
        await server.close()


def lost_of(network: Impairment, packets: int) -> int:
    """How many of the first ``packets`` the network lost."""
    start = network.passed[0]
    ahead = sorted((s - start + 32_768) % 65_536 for s in network.passed + network.lost)
    lost = [(s - start + 32_768) % 65_536 for s in network.lost]
    return sum(s - ahead[0] < packets for s in lost)
