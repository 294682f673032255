"""The outgoing track: an absolute monotonic clock, real Opus, and the RTP origin of a real sender."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCRtpSender
from aiortc.rtcrtpparameters import (
    RTCRtpCodecParameters,
    RTCRtpHeaderExtensionParameters,
    RTCRtpSendParameters,
)
from aiortc.rtp import HeaderExtensionsMap, RtpPacket
from aiortc.stats import RTCStatsReport
from av.audio.codeccontext import AudioCodecContext

from controls.errors import InternalError
from voice_runtime.events import CHUNK_BYTES, CHUNK_SAMPLES
from voice_runtime.ingress.opus import OpusDecoder, OpusEncoder, packet_length
from voice_runtime.ingress.ticks import GRID_NS
from voice_runtime.ingress.webrtc_speech import SpeechSender
from voice_runtime.ingress.webrtc_timeline import LOOKAHEAD, PACKET, PER_SAMPLE, Timeline

pytestmark = pytest.mark.anyio
MS = 1_000_000


class Clock:
    """Time that passes only by sleeping, or by being late."""

    def __init__(self) -> None:
        self.now = GRID_NS
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)
        await asyncio.sleep(0)  # others have their turn, too


class Wire:
    """What aiortc's sender sends through; keeps each RTP packet, and when it came."""

    state = "connected"
    _stats_id = "transport_0"

    def __init__(self, wanted: int, clock: Clock, late: Mapping[int, int] | None = None) -> None:
        self.sent: list[bytes] = []
        self.times: list[int] = []
        self.reports: list[bytes] = []
        self.done = asyncio.Event()
        self._wanted, self._clock, self._late = wanted, clock, late or {}

    def _register_rtp_sender(self, sender: Any, parameters: Any) -> None: ...

    def _unregister_rtp_sender(self, sender: Any) -> None: ...

    def _get_stats(self) -> RTCStatsReport:
        return RTCStatsReport()

    async def _send_rtp(self, data: bytes) -> None:
        if 200 <= data[1] <= 207:  # RTCP (RFC 5761, 4)
            self.reports.append(data)
            return
        self.times.append(self._clock.now)
        self._clock.now += self._late.get(len(self.sent), 0)
        self.sent.append(data)
        if len(self.sent) == self._wanted:
            self.done.set()

    @property
    def stamps(self) -> list[int]:
        return [int.from_bytes(packet[4:8], "big") for packet in self.sent]


OPUS = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48000, channels=2, payloadType=96)
MID = RTCRtpHeaderExtensionParameters(id=1, uri="urn:ietf:params:rtp-hdrext:sdes:mid")


@asynccontextmanager
async def sending(
    wire: Wire, timeline: Timeline, clock: Clock, **parameters: Any
) -> AsyncIterator[tuple[RTCRtpSender, SpeechSender]]:
    """aiortc's own sender with our loop, until the wire has what it wants."""
    sender = RTCRtpSender("audio", wire)  # type: ignore[arg-type]
    speech = SpeechSender(timeline, sender, now_ns=clock, sleep=clock.sleep)
    assert speech.origin is None
    await sender.send(RTCRtpSendParameters(codecs=[OPUS], **parameters))
    async with asyncio.timeout(30):
        await wire.done.wait()
    try:
        yield sender, speech
    finally:
        await sender.stop()


async def test_a_packet_every_20_ms_for_ever_and_lateness_does_not_add_up() -> None:
    clock, timeline = Clock(), Timeline()
    late = {tick: (tick % 7) * MS for tick in range(200)}  # encoding and sending take a while
    late[100] += 90 * MS  # the loop stalls
    wire = Wire(200, clock, late)
    async with sending(wire, timeline, clock):
        times, stamps = wire.times[:200], wire.stamps[:200]
    assert all((b - a) % (1 << 32) == PACKET for a, b in pairwise(stamps))
    on_time = [t for i, t in enumerate(times) if not 100 < i < 106]
    assert all((t - times[0]) % (20 * MS) == 0 for t in on_time)
    assert times[-1] - times[0] == 199 * 20 * MS


async def test_ticks_fall_on_a_grid_so_that_calls_wake_the_loop_together() -> None:
    clock = Clock()
    clock.now += 3 * MS
    wire = Wire(4, clock)
    async with sending(wire, Timeline(), clock):
        first, *later = wire.times[:4]
    assert first == GRID_NS + 3 * MS  # at once
    assert [at % GRID_NS for at in later] == [0, 0, 0]


async def test_a_long_stall_is_skipped_and_not_sent_in_a_burst() -> None:
    clock, timeline = Clock(), Timeline()
    wire = Wire(3, clock, {0: 1010 * MS})
    async with sending(wire, timeline, clock):
        first, second, third = wire.stamps[:3]
    assert (second - first) % (1 << 32) == 50 * PACKET
    assert (third - second) % (1 << 32) == PACKET
    assert timeline.stats.skipped_ms == 49 * 20


async def test_packets_are_as_aiortc_reads_them_and_are_in_its_account() -> None:
    clock, timeline = Clock(), Timeline()
    wire = Wire(5, clock)
    map_ = HeaderExtensionsMap()
    parameters = RTCRtpSendParameters(codecs=[OPUS], headerExtensions=[MID])
    map_.configure(parameters)
    async with sending(wire, timeline, clock, headerExtensions=[MID], muxId="0") as (sender, speech):
        sent = list(wire.sent)
        report = await sender.getStats()
    packets = [RtpPacket.parse(data, map_) for data in sent]
    assert {(p.ssrc, p.payload_type, p.marker, p.extensions.mid) for p in packets} == {
        (sender._ssrc, 96, 0, "0")
    }
    assert [p.sequence_number - packets[0].sequence_number for p in packets] == list(range(len(packets)))
    assert packets[0].timestamp == speech.origin
    assert all(packet_length(p.payload) == PACKET for p in packets)
    [stream] = [s for s in report.values() if s.type == "outbound-rtp"]
    assert (stream.packetsSent, stream.bytesSent) == (len(sent), sum(len(p.payload) for p in packets))


async def test_a_sender_that_is_switched_off_sends_nothing_and_time_goes_on() -> None:
    clock, timeline = Clock(), Timeline()
    wire = Wire(1, clock)
    async with sending(wire, timeline, clock) as (sender, _):
        sender._enabled = False
        sent, tick = len(wire.sent), timeline.tick
        while timeline.tick < tick + 5:
            await asyncio.sleep(0)
        assert len(wire.sent) == sent
        sender._enabled = True
        while len(wire.sent) == sent:
            await asyncio.sleep(0)
        assert (wire.stamps[sent] - wire.stamps[sent - 1]) % (1 << 32) > 5 * PACKET


async def test_a_connection_that_broke_ends_the_sending() -> None:
    class Broken(Wire):
        async def _send_rtp(self, data: bytes) -> None:
            self.done.set()
            raise ConnectionError

    clock = Clock()
    async with sending(Broken(1, clock), Timeline(), clock) as (_, speech):
        assert speech.origin is None  # and stopping it does not wait for ever


def test_the_encoder_delays_by_what_the_timeline_reckons_with() -> None:
    """Encode noise, decode it at 48 kHz, and find where it went."""
    rng = np.random.default_rng(7)
    pcm = np.zeros(CHUNK_SAMPLES * 50, dtype="<i2")
    tone = np.sin(2 * np.pi * 400 * np.arange(1600) / 8000) * rng.uniform(3000, 12000, 16).repeat(100)
    pcm[4000:5600] = tone.astype("<i2")
    encoder, decoder = OpusEncoder(), av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate, decoder.layout, decoder.format = 48000, "mono", "s16"
    heard: list[Any] = []
    for at in range(0, len(pcm), CHUNK_SAMPLES):
        packet = av.Packet(encoder.encode(pcm[at : at + CHUNK_SAMPLES].tobytes()))
        heard += [frame.to_ndarray().reshape(-1) for frame in decoder.decode(packet)]
    out = np.concatenate(heard).astype(float)
    assert len(out) == len(pcm) * PER_SAMPLE
    sent = pcm.repeat(PER_SAMPLE).astype(float)
    fits = [float(np.dot(sent[: len(out) - delay], out[delay:])) for delay in range(960)]
    assert abs(int(np.argmax(fits)) - LOOKAHEAD) <= 2 * PER_SAMPLE


@pytest.mark.parametrize("origin", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 3 * PACKET])
async def test_the_origin_is_that_of_the_packets_on_the_wire(
    origin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random origin is fixed; it wraps in the middle."""
    import voice_runtime.ingress.webrtc_speech as module

    monkeypatch.setattr(module.secrets, "randbits", lambda bits: origin % (1 << bits))
    clock, timeline = Clock(), Timeline()
    for _ in range(3):
        timeline.take()  # a connection before this one
    wire = Wire(8, clock)
    async with sending(wire, timeline, clock) as (_, speech):
        assert speech.origin == origin
    assert wire.stamps[0] == (origin + 3 * PACKET) % (1 << 32)
    assert all((b - a) % (1 << 32) == PACKET for a, b in pairwise(wire.stamps))


def test_another_aiortc_is_told_apart() -> None:
    with pytest.raises(InternalError, match="_run_rtp"):
        SpeechSender(Timeline(), object())  # type: ignore[arg-type]


def test_silence_is_one_packet_again_and_again_and_the_next_sound_is_as_it_would_have_been() -> None:
    """Against an encoder that is asked for every packet."""
    tone = (6000 * np.sin(2 * np.pi * 300 * np.arange(1600) / 8000)).astype("<i2").tobytes()
    speech = [tone[at : at + CHUNK_BYTES] for at in range(0, len(tone), CHUNK_BYTES)]
    stream = [*speech, *[bytes(CHUNK_BYTES)] * 100, *speech]
    ours, always, decoders = OpusEncoder(), OpusEncoder(), (OpusDecoder(), OpusDecoder())
    levels, silent = [], []
    for n, pcm in enumerate(stream):
        packet = ours.encode(pcm)
        always._silent = 0
        decoded = [
            d.decode(p).astype(float) for d, p in zip(decoders, (packet, always.encode(pcm)), strict=True)
        ]
        levels.append([float(np.sqrt(np.mean(pcm**2))) for pcm in decoded])
        if 50 <= n < 110:
            silent.append(packet)
    assert len(set(silent)) == 1
    assert max(level for pair in levels[50:110] for level in pair) <= 1
    for mine, asked in levels[112:]:
        assert 3000 < mine < 5000
        assert mine == pytest.approx(asked, rel=0.1)
