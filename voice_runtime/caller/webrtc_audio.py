"""Packets of audio in and out of aiortc as they are: no pace, no jitter buffer and no codec of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from aiortc.rtp import RtpPacket

from controls.errors import InternalError
from voice_runtime.caller.webrtc_wire import PACKET, RTP_HZ

#: More packets of ours than this that aiortc has not taken are a connection that is gone.
_MOST_UNSENT = 50
_TIME_BASE = Fraction(1, RTP_HZ)
_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class Microphone(MediaStreamTrack):
    """Sends the Opus packets it is given, at the pace they are given; full when none is taken for 1 s."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.packets: asyncio.Queue[bytes] = asyncio.Queue(_MOST_UNSENT)
        self._pts = 0

    async def recv(self) -> av.Packet[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        packet = av.Packet(await self.packets.get())
        packet.pts, packet.time_base = self._pts, _TIME_BASE
        self._pts += PACKET
        return packet


class _Taken:
    def __init__(self, on_packet: Callable[[RtpPacket], None]) -> None:
        self._on_packet = on_packet

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Never completes a frame for aiortc's own decoder."""
        self._on_packet(packet)
        return False, None


def tap(receiver: RTCRtpReceiver, on_packet: Callable[[RtpPacket], None]) -> None:
    """Hand every packet on as it comes, in the place of aiortc's jitter buffer, which delays by 80 ms.

    Raises:
        InternalError: this aiortc keeps its buffer elsewhere.
    """
    if not hasattr(receiver, _BUFFER):
        raise InternalError(f"aiortc's receiver has no {_BUFFER}")
    setattr(receiver, _BUFFER, _Taken(on_packet))
