"""A bad network between two WebRTC peers: UDP passed on here, RTP lost, delayed or overtaken as seeded.

It stands between both peers' ICE candidates. ``offer`` and ``answer`` rewrite the
descriptions so that each knows only our ports; STUN, DTLS and RTCP pass untouched,
RTP packets (RFC 7983, RFC 5761) meet their fate by number, from one seed per
direction. ``Impairment`` may be changed mid-test.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import cast

_CANDIDATE = re.compile(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host.*", re.IGNORECASE)
_ANY_CANDIDATE = re.compile(r"a=(candidate:|end-of-candidates)")
#: How long an overtaken packet is kept back, in ms: two packets of 20 ms pass it.
_OVERTAKEN_MS = 45.0

Address = tuple[str, int]


@dataclass
class Impairment:
    """One direction's network.

    Attributes:
        loss: share of RTP packets lost, 0 to 1.
        delay_ms: of every packet, RTP or not.
        jitter_ms: each is delayed by 0 to twice this, each for itself.
        overtaken: share kept back for 45 ms more.
        lose: numbers of packets (from 0) that are lost whatever ``loss`` says.
        passed, lost: RTP sequence numbers so far.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    overtaken: float = 0.0
    lose: frozenset[int] = frozenset()
    seed: int = 0
    passed: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def fate(self, data: bytes) -> float | None:
        """Delay in s, or None: lost."""
        if not is_rtp(data):
            return self.delay_ms / 1000
        sequence = int.from_bytes(data[2:4], "big")
        number = len(self.passed) + len(self.lost)
        chance, delay, overtaken = (self._random.random() for _ in range(3))
        if chance < self.loss or number in self.lose:
            self.lost.append(sequence)
            return None
        self.passed.append(sequence)
        late_ms = delay * 2 * self.jitter_ms + _OVERTAKEN_MS * (overtaken < self.overtaken)
        return (self.delay_ms + late_ms) / 1000


def is_rtp(data: bytes) -> bool:
    """RTP and not RTCP, STUN or DTLS (first byte: RFC 7983; payload types of RTCP: RFC 5761)."""
    return len(data) >= 12 and 128 <= data[0] <= 191 and not 192 <= data[1] <= 223


class _Port(asyncio.DatagramProtocol):
    """One of the link's two sockets: what comes from its peer goes out of the other one."""

    def __init__(self, impairment: Impairment) -> None:
        self.impairment = impairment
        self.peer: Address | None = None
        self.transport: asyncio.DatagramTransport
        self.other: _Port
        self._timers: set[asyncio.TimerHandle] = set()
        self.came = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> Address:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.peer = addr  # also when its candidate was another one, such as a browser's .local name
        self.came += 1
        delay = self.impairment.fate(data)
        if delay is None:
            return
        if not delay:
            self.other.send(data)
            return
        timer: asyncio.TimerHandle

        def due() -> None:
            self._timers.discard(timer)
            self.other.send(data)

        timer = asyncio.get_running_loop().call_later(delay, due)
        self._timers.add(timer)

    def send(self, data: bytes) -> None:
        if self.peer is not None and not self.transport.is_closing():
            self.transport.sendto(data, self.peer)

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self.transport.close()


class ImpairedLink:
    """``up`` is from the one who offers to the one who answers, ``down`` the way back."""

    def __init__(self, offering: _Port, answering: _Port) -> None:
        self._offering, self._answering = offering, answering
        self._seen = -1  # the first question finds that it was made
        offering.other, answering.other = answering, offering

    @property
    def up(self) -> Impairment:
        return self._offering.impairment

    @property
    def down(self) -> Impairment:
        return self._answering.impairment

    def offer(self, sdp: str) -> str:
        """The offer for the one who answers: the offering peer is reached through us."""
        self._offering.peer = _host_candidate(sdp)
        return _replace_candidates(sdp, self._answering.address)

    def answer(self, sdp: str) -> str:
        """The answer for the one who offered."""
        self._answering.peer = _host_candidate(sdp)
        return _replace_candidates(sdp, self._offering.address)

    def came_up(self) -> bool:
        """Whether anything came from the one who offers since the last question, lost on the way or not."""
        seen, self._seen = self._seen, self._offering.came
        return self._seen > seen

    def close(self) -> None:
        """Pass nothing on any more; harmless twice."""
        for port in (self._offering, self._answering):
            port.close()


def _host_candidate(sdp: str) -> Address | None:
    found = _CANDIDATE.search(sdp)
    return (found[1], int(found[2])) if found and found[1][0].isdigit() else None


def _replace_candidates(sdp: str, address: Address) -> str:
    """One candidate in each media section, in place of all there were."""
    lines: list[str] = []
    for line in sdp.splitlines():
        if _ANY_CANDIDATE.match(line):
            continue
        lines.append(line)
        if line.startswith("a=ice-pwd:"):
            lines += [
                f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host",
                "a=end-of-candidates",
            ]
    return "\r\n".join(lines) + "\r\n"


async def open_link(
    up: Impairment | None = None, down: Impairment | None = None, *, host: str = "127.0.0.1"
) -> ImpairedLink:
    """A link on two ports of ``host``; close it in the end.

    Raises:
        OSError: no socket is left for it.
    """
    loop = asyncio.get_running_loop()
    ports: list[_Port] = []
    try:
        for impairment in (up or Impairment(), down or Impairment()):
            _, port = await loop.create_datagram_endpoint(partial(_Port, impairment), local_addr=(host, 0))
            ports.append(port)
    except BaseException:
        for port in ports:
            port.close()
        raise
    return ImpairedLink(*ports)


@asynccontextmanager
async def udp_link(
    up: Impairment | None = None, down: Impairment | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[ImpairedLink]:
    """``open_link``, until the block ends."""
    link = await open_link(up, down, host=host)
    try:
        yield link
    finally:
        link.close()
