"""Datagrams of one audio stream straight from the ICE agent: SRTP, header, buffer, and nothing between.

aiortc puts each datagram into a queue, wakes a task for it, reads the clock, parses
the packet into objects with its header extensions and asks a router whose it is.
All that is decided by a stream's first packet, which goes this way, as does
everything that is not of that stream: DTLS, RTCP, other streams and codecs.

The seam is ``data_received`` of aioice's ``Connection``, set on the one instance.
Kept for aiortc: its SRTP session, with its protection against replay, and the
statistics its receiver reports are made of. Not kept: its counts of bytes and
the newest sources, which nobody asks for here.

Read against aiortc 1.14 to 1.16 and aioice 0.10 to 0.13.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from aiortc import RTCRtpReceiver
from pylibsrtp import Error as SrtpError

from controls.errors import InternalError

_STREAMS = "_RTCRtpReceiver__remote_streams"
_SEAM = "data_received"
#: First byte, sequence number, timestamp (RFC 3550, 5.1).
_HEADER = struct.Struct("!BxHL")
_EXTENSION = struct.Struct("!2xH")
_HEADER_BYTES = 12
_PADDED, _EXTENDED, _SOURCES = 0x20, 0x10, 0x0F


@dataclass(frozen=True, slots=True)
class RtpData:
    """What matters of an RTP packet; fields as on the wire."""

    sequence_number: int
    timestamp: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpData | None:
    """Read a packet of version 2 that is at least a header long; None when its parts do not fit in.

    Extensions and contributing sources are passed over.
    """
    first, sequence, timestamp = _HEADER.unpack_from(data)
    begin, end = _HEADER_BYTES + 4 * (first & _SOURCES), len(data)
    if first & _EXTENDED:
        if begin + 4 > end:
            return None
        begin += 4 + 4 * _EXTENSION.unpack_from(data, begin)[0]
    if first & _PADDED:
        if not data[-1]:
            return None
        end -= data[-1]
    return RtpData(sequence, timestamp, data[begin:end]) if begin <= end else None


class StraightRtp:
    """The short way of one receiver's packets.

    Args:
        receiver: of a connection that stands.
        take: given each packet of the stream.

    Raises:
        InternalError: aiortc or aioice is not as read.
    """

    def __init__(self, receiver: RTCRtpReceiver, take: Callable[[RtpData], None]) -> None:
        try:
            dtls = receiver.transport
            self._agent = dtls.transport._connection
            self._srtp = dtls._rx_srtp
            self._streams = getattr(receiver, _STREAMS)
            self._long_way: Callable[[bytes, int], None] = getattr(self._agent, _SEAM)
            _ = self._srtp.unprotect
        except AttributeError as error:
            raise InternalError("aiortc's receiver or aioice's connection is not as read") from error
        self._take = take
        self._ssrc = 0
        self._ssrc_bytes = bytes(5)  # none yet, and no packet has five: everything goes the long way
        self._payload_type = 0
        setattr(self._agent, _SEAM, self._received)

    def follow(self, ssrc: int, payload_type: int) -> None:
        """From now on this stream goes the short way: aiortc has taken a packet of it."""
        self._ssrc, self._ssrc_bytes = ssrc, ssrc.to_bytes(4, "big")
        self._payload_type = payload_type

    def close(self) -> None:
        """Everything goes the long way again."""
        setattr(self._agent, _SEAM, self._long_way)

    def _received(self, data: bytes, component: int) -> None:
        # the rest has another first byte (RFC 7983, 7); RTCP a payload type that is none (RFC 5761, 4)
        ours = data[8:12] == self._ssrc_bytes and data[0] >> 6 == 2 and data[1] & 0x7F == self._payload_type
        if not ours:
            if data:  # an empty datagram, from whomever, would end aiortc's DTLS transport
                self._long_way(data, component)
            return
        try:
            packet = parse_rtp(self._srtp.unprotect(data))
        except SrtpError:  # forged, damaged, or come twice
            return
        streams = self._streams.get(self._ssrc)
        if packet is not None and streams is not None:
            streams.add(packet)
            self._take(packet)
