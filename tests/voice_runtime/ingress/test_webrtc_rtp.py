"""A stream's short way: headers as aiortc reads them, and datagrams of other kinds on the long way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap, RtpPacket
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from controls.errors import InternalError
from voice_runtime.ingress.webrtc_rtp import RtpData, StraightRtp, parse_rtp

SSRC, OPUS, RTCP_REPORT = 0xC0FFEE01, 111, 201
_KEY = bytes(range(30))


def rtp(sequence: int = 7, *, ssrc: int = SSRC, payload_type: int = OPUS, payload: bytes = b"sound") -> bytes:
    return RtpPacket(payload_type, 1, sequence, sequence * 960, ssrc, payload).serialize()


@given(
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    sources=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15),
    mid=st.none() | st.text("abc", min_size=1, max_size=9),
    payload=st.binary(max_size=60),
    padding=st.integers(0, 255),
)
def test_a_packet_is_read_as_aiortc_reads_it(
    sequence: int, timestamp: int, sources: list[int], mid: str | None, payload: bytes, padding: int
) -> None:
    packet = RtpPacket(OPUS, 0, sequence, timestamp, SSRC, payload)
    packet.csrc, packet.padding_size = sources, padding
    packet.extensions = HeaderExtensions(mid=mid)
    extensions = HeaderExtensionsMap()
    extensions._HeaderExtensionsMap__ids.mid = 1  # type: ignore[attr-defined]
    assert parse_rtp(packet.serialize(extensions)) == RtpData(sequence, timestamp, payload)


@given(rest=st.binary(max_size=80), first=st.integers(0x80, 0xBF))
def test_whatever_is_refused_by_aiortc_is_refused(first: int, rest: bytes) -> None:
    data = bytes([first]) + bytes(11) + rest
    try:
        expected = RtpPacket.parse(data)
    except ValueError:
        assert parse_rtp(data) is None
    else:
        assert parse_rtp(data) == RtpData(0, 0, expected.payload)


class Line:
    """What the short way needs of a connection, with real SRTP."""

    def __init__(self) -> None:
        self.long: list[bytes] = []
        self.taken: list[RtpData] = []
        outbound = Policy(key=_KEY, ssrc_type=Policy.SSRC_ANY_OUTBOUND)
        outbound.allow_repeat_tx = True
        self._caller = Session(outbound)
        self.agent = SimpleNamespace(data_received=lambda data, _: self.long.append(data))
        srtp = Session(Policy(key=_KEY, ssrc_type=Policy.SSRC_ANY_INBOUND))
        transport = SimpleNamespace(transport=SimpleNamespace(_connection=self.agent), _rx_srtp=srtp)
        self.statistics = StreamStatistics(48_000)
        streams = {SSRC: self.statistics}
        receiver: Any = SimpleNamespace(transport=transport, _RTCRtpReceiver__remote_streams=streams)
        self.straight = StraightRtp(receiver, self.taken.append)

    def comes(self, data: bytes) -> bytes:
        self.agent.data_received(data, 1)
        return data

    def comes_protected(self, data: bytes) -> bytes:
        return self.comes(self._caller.protect(data))


def test_a_stream_goes_the_short_way_once_its_first_packet_is_known() -> None:
    line = Line()
    first = line.comes_protected(rtp(7))
    assert (line.long, line.taken) == ([first], [])
    line.straight.follow(SSRC, OPUS)
    line.comes_protected(rtp(8, payload=b"on"))
    line.comes_protected(rtp(10, payload=b"and on"))
    assert line.taken == [RtpData(8, 8 * 960, b"on"), RtpData(10, 10 * 960, b"and on")]
    assert len(line.long) == 1
    assert (line.statistics.packets_received, line.statistics.packets_lost) == (2, 1)


def test_everything_else_goes_the_long_way() -> None:
    line = Line()
    line.straight.follow(SSRC, OPUS)
    others = [
        rtp(ssrc=SSRC + 1),
        rtp(payload_type=0),
        bytes([0x81, RTCP_REPORT]) + bytes(6) + SSRC.to_bytes(4, "big") + bytes(24),  # a receiver report
        bytes([22, 254, 253]) + bytes(5) + SSRC.to_bytes(4, "big") + bytes(20),  # DTLS
        b"\x80",
        b"\x80" + bytes(8),
    ]
    for data in others:
        line.comes(data)
    assert line.long == others
    assert line.taken == []


def test_an_empty_datagram_does_not_end_the_call() -> None:
    line = Line()
    line.comes(b"")
    line.straight.follow(SSRC, OPUS)
    line.comes(b"")
    assert (line.long, line.taken) == ([], [])


def test_what_is_forged_or_comes_twice_is_nobodys() -> None:
    line = Line()
    line.straight.follow(SSRC, OPUS)
    line.comes(rtp(8) + bytes(10))
    once = line.comes_protected(rtp(9))
    line.comes(once)
    line.comes(once[:11])
    line.comes(once[:12])
    assert [packet.sequence_number for packet in line.taken] == [9]
    assert line.statistics.packets_received == 1


def test_after_closing_everything_goes_the_long_way() -> None:
    line = Line()
    line.straight.follow(SSRC, OPUS)
    line.straight.close()
    line.comes_protected(rtp(8))
    assert (len(line.long), line.taken) == (1, [])


def test_another_aiortc_is_told_apart() -> None:
    receiver: Any = SimpleNamespace(transport=SimpleNamespace())
    with pytest.raises(InternalError, match="not as read"):
        StraightRtp(receiver, lambda packet: None)
