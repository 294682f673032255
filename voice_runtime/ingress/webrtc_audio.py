"""Incoming audio of a WebRTC call: our buffer and decoder in place of aiortc's, chunks on our own clock.

aiortc's receiver keeps doing what it does well: SRTP, routing, receiver reports, round-trip
times. Only what it does with a packet of audio afterwards is replaced. Its own buffer releases
a frame when four later ones are there (80 ms), stands still at a lost packet until sixteen have
come (320 ms) and then releases one frame per packet, so that it stays about 200 ms late
for the rest of the call.

The seam is one attribute: ``RTCRtpReceiver`` gives every packet it has counted to
``self.__jitter_buffer.add`` and decodes what that returns. Ours keeps the packet and returns
nothing. It is set on the one instance; aiortc itself is not patched. Its decoder thread exists
but gets no work, and tells us through the track when the stream has ended. A stream's further
packets take the short way of ``webrtc_rtp`` once the connection stands.

Read against aiortc 1.14 to 1.16.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket

from controls.errors import InternalError
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.ingress.jitter import CLOCK_HZ, BufferSettings, Packet
from voice_runtime.ingress.opus import OpusDecoder, packet_length
from voice_runtime.ingress.playout import AudioStats, Playout
from voice_runtime.ingress.ticks import TICK_NS, first_tick
from voice_runtime.ingress.webrtc_rtp import RtpData, StraightRtp

_BUFFER, _CODECS = "_RTCRtpReceiver__jitter_buffer", "_RTCRtpReceiver__codecs"
_READ_AGAINST = "this was written for aiortc 1.14 to 1.16"
#: A tick that is later than this (5 ms) says that the loop is late.
_PUNCTUAL_NS = 5_000_000
#: A loop this far behind (the process was stopped) does not make up for it: 2 s.
_GIVEN_UP_NS = 2_000_000_000


class _Diverted:
    """Stands where aiortc's JitterBuffer stood."""

    def __init__(self, receiver: AudioReceiver) -> None:
        self._receiver = receiver

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet: never a frame for aiortc to decode, never a request for a picture."""
        self._receiver._first(packet)
        return False, None


class AudioReceiver:
    """One call's incoming audio: RTP packets of aiortc's receiver to 20 ms chunks.

    Ordering: chunks in order, one per 20 ms of the clock, also while nothing comes. Loss: concealed
    and counted. Closing: ``frames`` ends after ``close``, and when the remote track has ended.
    """

    def __init__(
        self, receiver: RTCRtpReceiver, settings: BufferSettings | None = None, *, clock: Clock | None = None
    ) -> None:
        """Take the receiver over, now. Packets that came before are lost.

        Raises:
            InternalError: the receiver is not for audio, or aiortc is not as this was read against.
        """
        for name in (_BUFFER, _CODECS, "_enabled", "_track"):
            if not hasattr(receiver, name):
                raise InternalError(f"aiortc's RTCRtpReceiver has no {name} ({_READ_AGAINST})")
        if not callable(getattr(getattr(receiver, _BUFFER), "add", None)):
            raise InternalError(f"aiortc's jitter buffer has no add ({_READ_AGAINST})")
        track: MediaStreamTrack | None = receiver.track  # None at first, whatever its type says
        if track is not None and track.kind != "audio":
            raise InternalError("not a receiver of audio")
        self._receiver = receiver
        self._clock: Clock = clock or SystemClock()
        self._playout = Playout(OpusDecoder(), settings)
        self._newest_ns: int | None = None
        self._due_ns: int | None = None  # when the next chunk is; None: nobody reads yet
        self._closed = False
        self._straight: StraightRtp | None = None
        self._ssrc = 0
        setattr(receiver, _BUFFER, _Diverted(self))

    @property
    def stats(self) -> AudioStats:
        """What became of the audio so far."""
        return self._playout.stats

    @property
    def delay_ms(self) -> float:
        """What the buffer adds now: from a packet's arrival to its samples' going out."""
        return self._playout.delay_ms

    @property
    def since_packet_s(self) -> float | None:
        """Seconds since the newest packet came; None before the first."""
        return None if self._newest_ns is None else (self._clock.monotonic_ns() - self._newest_ns) / 1e9

    def go_straight(self) -> None:
        """The connection stands: from its first packet on a stream takes the short way. Harmless twice.

        Raises:
            InternalError: aiortc or aioice is not as this was read against.
        """
        if self._straight is None and not self._closed:
            self._straight = StraightRtp(self._receiver, self._take)

    def close(self) -> None:
        """End ``frames`` at its next tick."""
        self._closed = True
        if self._straight is not None:
            self._straight.close()

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield CHUNK_BYTES of 8 kHz s16le every 20 ms, from the first ``anext`` on. For one consumer.

        A loop that was late gets the missed chunks at once, so their count keeps to the clock; one
        that was more than 2 s late was stopped, and goes on from now.
        """
        track: MediaStreamTrack | None = self._receiver.track
        if track is None:
            raise InternalError("the receiver has no track yet: set the remote description first")
        watch = asyncio.create_task(_watch(track), name="webrtc-audio-end")
        try:
            self._due_ns = due_ns = first_tick(self._clock.monotonic_ns())
            while True:
                wait_ns = due_ns - self._clock.monotonic_ns()
                if wait_ns < -_GIVEN_UP_NS:
                    self._due_ns = due_ns = first_tick(due_ns - wait_ns)
                await self._clock.sleep(max(0, wait_ns) / 1e9)
                if self._closed or track.readyState != "live":
                    return
                self._receiver._enabled = True  # pipecat's track turns it off while nobody reads the track
                chunk = self._playout.pull(_units(due_ns)).tobytes()
                self._due_ns = due_ns = due_ns + TICK_NS  # first: a yield takes as long as its consumer
                yield chunk
        finally:
            self._due_ns = None
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch

    def _first(self, packet: RtpPacket) -> None:
        """A packet came the long way: a stream's first, or one that does not belong to it."""
        codec = getattr(self._receiver, _CODECS).get(packet.payload_type)
        if codec is None or codec.mimeType.lower() != "audio/opus":
            self._newest_ns = self._clock.monotonic_ns()
            self._playout.foreign += 1
            return
        self._ssrc = packet.ssrc
        if self._straight is not None:
            self._straight.follow(packet.ssrc, packet.payload_type)
        self._take(RtpData(packet.sequence_number, packet.timestamp, packet.payload))

    def _take(self, packet: RtpData) -> None:
        now_ns = self._newest_ns = self._clock.monotonic_ns()
        # Once a tick is overdue the loop is late, and so would be every packet it reads now.
        in_time = self._due_ns is None or now_ns <= self._due_ns + _PUNCTUAL_NS
        payload = packet.payload
        try:
            length = packet_length(payload) if payload else 0
        except ValueError:
            self._playout.foreign += 1
            return
        self._playout.put(
            Packet(self._ssrc, packet.sequence_number, packet.timestamp, length, payload, _units(now_ns)),
            timed=in_time,
        )


def _units(ns: int) -> int:
    """Nanoseconds as RTP units."""
    return ns * CLOCK_HZ // 1_000_000_000


async def _watch(track: MediaStreamTrack) -> None:
    """Let the track end when its stream does: it only learns of that while it is read.

    What aiortc had decoded before it was taken over is dropped.
    """
    with suppress(MediaStreamError):
        while True:
            await track.recv()
