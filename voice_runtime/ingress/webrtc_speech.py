"""The agent's outgoing audio track: one Opus packet every 20 ms of a monotonic clock, for ever.

pipecat's ``RawAudioTrack`` paces on the wall clock, which jumps, and cannot say
which samples a packet held. This one takes packets from the call's ``Timeline``
and encodes them itself, at 8 kHz (libopus takes 8 kHz; nothing is resampled, and
no thread is asked for 0.1 ms of work), so aiortc only sends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCRtpSender
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.audio.codeccontext import AudioCodecContext

from controls.errors import InternalError
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ
from voice_runtime.ingress.webrtc_timeline import PACKET, RTP_HZ, Timeline

_TICK_NS = CHUNK_MS * 1_000_000
#: A sender that fell behind by more goes on from now; up to it, packets follow in a burst.
_MOST_BEHIND_NS = 10 * _TICK_NS
_BITS_PER_S = 28_000
#: The encoder spends bits on repairing single lost packets (in-band FEC) as if so many were lost, %.
_EXPECTED_LOSS = 5
#: Where aiortc keeps the RTP timestamp of the newest packet; it has no public name.
_NEWEST = "_RTCRtpSender__rtp_timestamp"
_WRAP = 1 << 32


class OpusEncoder:
    """8 kHz s16le in 20 ms pieces to Opus packets; narrow-band speech with in-band FEC (RFC 6716, 2.1.7)."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = RATE_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.bit_rate = _BITS_PER_S
        codec.time_base = Fraction(1, RATE_HZ)
        codec.options = {"application": "voip", "fec": "1", "packet_loss": str(_EXPECTED_LOSS)}
        self._codec = codec
        self._frame = av.AudioFrame(format="s16", layout="mono", samples=CHUNK_SAMPLES)
        self._frame.sample_rate = RATE_HZ
        self._frame.time_base = Fraction(1, RATE_HZ)
        self._fed = 0

    def encode(self, pcm: bytes) -> bytes:
        """One packet for one 20 ms piece.

        Raises:
            InternalError: libopus did not give exactly one.
        """
        self._frame.pts = self._fed
        self._frame.planes[0].update(pcm)
        self._fed += CHUNK_SAMPLES
        packets = self._codec.encode(self._frame)
        if len(packets) != 1:
            raise InternalError("libopus did not make one packet of 20 ms")
        return bytes(packets[0])


class SpeechTrack(MediaStreamTrack):
    """The track of one peer connection; a call that is reconnected has another on the same timeline.

    Args:
        now_ns: monotonic clock.
        sleep: waits for s.
    """

    kind = "audio"

    def __init__(
        self,
        timeline: Timeline,
        *,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self._timeline = timeline
        self._now_ns = now_ns
        self._sleep = sleep
        self._encoder = OpusEncoder()
        self._sender: RTCRtpSender | None = None
        self._due_ns = 0
        self._newest: int | None = None
        self._origin: int | None = None

    def sent_by(self, sender: RTCRtpSender) -> None:
        """Give the track to its sender.

        Raises:
            InternalError: aiortc is not as read (1.14 to 1.16).
        """
        if not hasattr(sender, _NEWEST):
            raise InternalError(f"aiortc's sender has no {_NEWEST}")
        self._sender = sender
        sender.replaceTrack(self)

    @property
    def origin(self) -> int | None:
        """The sender's random RTP origin (RFC 3550, 5.1); None until its first packet is out."""
        return self._origin

    async def recv(self) -> av.Packet[Any]:
        """The next packet, when it is due.

        Raises:
            MediaStreamError: the track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        if self._origin is None and self._newest is not None and self._sender is not None:
            # aiortc asks for a packet once the one before is sent: what it noted then is that one's
            self._origin = (getattr(self._sender, _NEWEST) - self._newest) % _WRAP
        await self._until_due()
        packet = av.Packet(self._encoder.encode(self._timeline.take()))
        self._newest = (self._timeline.tick - 1) * PACKET
        packet.pts = self._newest
        packet.time_base = Fraction(1, RTP_HZ)
        return packet

    async def _until_due(self) -> None:
        """Wait for the clock's next tick; after a long stall the timeline skips what it missed."""
        now = self._now_ns()
        if not self._due_ns:
            self._due_ns = now
        behind = now - self._due_ns
        if behind > _MOST_BEHIND_NS:
            missed = behind // _TICK_NS
            self._timeline.skip(missed)
            self._due_ns += missed * _TICK_NS
        elif behind < 0:
            await self._sleep(-behind / 1e9)
        self._due_ns += _TICK_NS
