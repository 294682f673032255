"""The outgoing track: an absolute monotonic clock, real Opus, and the RTP origin of a real sender."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError
from av.audio.codeccontext import AudioCodecContext

from controls.errors import InternalError
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.ingress.webrtc_speech import OpusEncoder, SpeechTrack
from voice_runtime.ingress.webrtc_timeline import LOOKAHEAD, PACKET, PER_SAMPLE, Timeline

pytestmark = pytest.mark.anyio
MS = 1_000_000


class Clock:
    """Time that passes only by sleeping, or by being late."""

    def __init__(self) -> None:
        self.now = 7 * MS
        self.slept: list[float] = []

    def __call__(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += round(seconds * 1e9)
        await asyncio.sleep(0)  # others have their turn, too


def track(timeline: Timeline, clock: Clock) -> SpeechTrack:
    return SpeechTrack(timeline, now_ns=clock, sleep=clock.sleep)


async def test_a_packet_every_20_ms_for_ever_and_lateness_does_not_add_up() -> None:
    clock, timeline = Clock(), Timeline()
    speech = track(timeline, clock)
    times, stamps = [], []
    for tick in range(200):
        packet = await speech.recv()
        times.append(clock.now)
        stamps.append(packet.pts)
        clock.now += (tick % 7) * MS  # encoding and sending take a while
        if tick == 100:
            clock.now += 90 * MS  # the loop stalls
    assert stamps == [tick * PACKET for tick in range(200)]
    assert packet.time_base == Fraction(1, 48000)
    on_time = [t for i, t in enumerate(times) if not 100 < i < 106]
    assert all((t - times[0]) % (20 * MS) == 0 for t in on_time)
    assert times[-1] - times[0] == 199 * 20 * MS


async def test_a_long_stall_is_skipped_and_not_sent_in_a_burst() -> None:
    clock, timeline = Clock(), Timeline()
    speech = track(timeline, clock)
    await speech.recv()
    clock.now += 1010 * MS
    first, second = await speech.recv(), await speech.recv()
    assert first.pts == 50 * PACKET
    assert second.pts == 51 * PACKET
    assert timeline.stats.skipped_ms == 49 * 20


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


async def test_a_stopped_track_ends() -> None:
    speech = track(Timeline(), Clock())
    speech.stop()
    with pytest.raises(MediaStreamError):
        await speech.recv()


class Wire:
    """What aiortc's sender sends through; keeps each RTP packet's timestamp and payload."""

    state = "connected"
    _stats_id = "transport_0"

    def __init__(self, wanted: int) -> None:
        self.sent: list[tuple[int, bytes]] = []
        self.done = asyncio.Event()
        self._wanted = wanted

    def _register_rtp_sender(self, sender: Any, parameters: Any) -> None: ...

    def _unregister_rtp_sender(self, sender: Any) -> None: ...

    async def _send_rtp(self, data: bytes) -> None:
        if 200 <= data[1] <= 207:  # RTCP (RFC 5761, 4)
            return
        self.sent.append((int.from_bytes(data[4:8], "big"), data))
        if len(self.sent) == self._wanted:
            self.done.set()


@pytest.mark.parametrize("origin", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF - 3 * PACKET])
async def test_the_origin_is_that_of_the_packets_on_the_wire(
    origin: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiortc's own sender, with its random origin fixed; it wraps in the middle."""
    import aiortc.rtcrtpsender as module
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpSendParameters

    monkeypatch.setattr(module, "random32", lambda: origin)
    clock, timeline = Clock(), Timeline()
    for _ in range(3):
        timeline.take()  # a connection before this one
    wire = Wire(8)
    sender = RTCRtpSender("audio", wire)  # type: ignore[arg-type]
    speech = track(timeline, clock)
    speech.sent_by(sender)
    assert speech.origin is None
    opus = RTCRtpCodecParameters(mimeType="audio/opus", clockRate=48000, channels=2, payloadType=96)
    await sender.send(RTCRtpSendParameters(codecs=[opus]))
    async with asyncio.timeout(30):
        await wire.done.wait()
    await sender.stop()
    stamps = [stamp for stamp, _ in wire.sent]
    assert speech.origin == origin
    assert stamps[0] == (origin + 3 * PACKET) % (1 << 32)
    assert all((b - a) % (1 << 32) == PACKET for a, b in pairwise(stamps))


async def test_another_aiortc_is_told_apart() -> None:
    class Other:
        def replaceTrack(self, track: Any) -> None: ...

    with pytest.raises(InternalError, match="rtp_timestamp"):
        track(Timeline(), Clock()).sent_by(Other())  # type: ignore[arg-type]
