"""A bad network under a TCP connection, in user space: what comes is passed on later, in order.

TCP loses nothing that its user could see: a lost segment comes again, and all that
was sent behind it waits for it. So loss is *lateness* here. With audio of 20 ms a
packet, the sender learns of a loss by three duplicate acknowledgements (RFC 5681,
3.2): three packets later, 60 ms, and one round trip. What is sent again is lost as likely as what was
sent first, and each further wait is twice the one before (RFC 6298, 5.5), until the sender gives up: then
nothing passes any more. The time-out's floor (1 s there, 0.2 s in Linux) and a congestion window that
shrinks are not modelled: at 64 kbit/s and some percent neither decides.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

#: Three packets of 20 ms: what it takes until three duplicate acknowledgements are under way, ms.
_DUPLICATES_MS = 60.0
#: Payload of an Ethernet segment with time stamps, bytes.
_SEGMENT = 1448
#: So often a segment is sent again, then its connection is given up (RFC 9293, 3.8.3; ``tcp_retries2``).
_MOST_RETRANSMISSIONS = 15
_MOST_WAITING = 4096


@dataclass
class TcpImpairment:
    """One direction of one connection; pure.

    Attributes:
        loss: share of segments lost, 0 to 1, sent again or not.
        delay_ms: of every segment; half of the round trip.
        jitter_ms: each is delayed by 0 to twice this more, and overtakes none.
        lost: segments lost so far, each time it was.
    """

    loss: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    seed: int = 0
    lost: int = 0
    _due_s: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def due(self, now_s: float, size: int) -> float:
        """When ``size`` bytes that came at ``now_s`` go on; never before what came ahead of them.

        Infinity: the connection is given up, and nothing goes on from here.
        """
        late_ms = self.delay_ms + self._random.random() * 2 * self.jitter_ms
        for _ in range(max(1, -(-size // _SEGMENT))):
            late_ms += self._until_it_passes_ms()
        self._due_s = max(self._due_s, now_s + late_ms / 1000)
        return self._due_s

    def _until_it_passes_ms(self) -> float:
        """How late one segment is for being lost."""
        late_ms, wait_ms = 0.0, _DUPLICATES_MS + 2 * self.delay_ms
        for _ in range(1 + _MOST_RETRANSMISSIONS):
            if self._random.random() >= self.loss:
                return late_ms
            self.lost += 1
            late_ms, wait_ms = late_ms + wait_ms, 2 * wait_ms
        return math.inf


class _Way:
    """One direction: reads at once, writes when it is due."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, impairment: TcpImpairment
    ) -> None:
        self._reader, self._writer, self._impairment = reader, writer, impairment
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def run(self) -> None:
        """Until the sender has closed and everything has gone on.

        Raises:
            ConnectionAbortedError: it has closed, and the connection had been given up.
        """
        reading = asyncio.create_task(self._read(), name="impaired-read")
        try:
            await self._write()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            data = await self._next()
            due = self._impairment.due(loop.time(), len(data))
            while data and due == math.inf:  # told to nobody until the sender goes away
                data = await self._next()
            self._waiting.append((due, data))
            self._came.set()
            if len(self._waiting) >= _MOST_WAITING:
                self._room.clear()
                await self._room.wait()

    async def _next(self) -> bytes:
        try:
            return await self._reader.read(1 << 16)
        except ConnectionError:
            return b""

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._waiting:
                self._came.clear()
                await self._came.wait()
            due, data = self._waiting.popleft()
            self._room.set()
            if due == math.inf:
                raise ConnectionAbortedError
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                with suppress(OSError):
                    self._writer.write_eof()
                return
            self._writer.write(data)
            await self._writer.drain()


class TcpLink:
    """A listening port that passes connections on to ``host:port``.

    Args:
        up: what befalls bytes from who connects, ``down`` the way back; each connection
            draws anew from the seed and its own number.
    """

    def __init__(self, host: str, port: int, up: TcpImpairment, down: TcpImpairment) -> None:
        self._target = (host, port)
        self._up, self._down = up, down
        self._count = 0
        self._running: set[asyncio.Task[None]] = set()
        self.address: tuple[str, int] = ("", 0)

    def taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody connected."""
        task = asyncio.create_task(self._pass_on(reader, writer), name="impaired-connection")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._count = self._count, self._count + 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        ways = [
            asyncio.create_task(way.run())
            for way in (
                _Way(reader, far_writer, _copy(self._up, 2 * number)),
                _Way(far_reader, writer, _copy(self._down, 2 * number + 1)),
            )
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
            broken = any(task.exception() is not None for task in done)
        except asyncio.CancelledError:
            broken = True
            raise
        finally:
            for task in ways:
                task.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, far_writer):
                end.transport.abort() if broken else end.close()

    async def close(self) -> None:
        """Break every connection."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _copy(impairment: TcpImpairment, number: int) -> TcpImpairment:
    return TcpImpairment(
        impairment.loss, impairment.delay_ms, impairment.jitter_ms, impairment.seed * 1_000_003 + number
    )


@asynccontextmanager
async def tcp_link(
    host: str, port: int, up: TcpImpairment | None = None, down: TcpImpairment | None = None
) -> AsyncIterator[TcpLink]:
    """A link to ``host:port`` on a port of loopback, until the block ends."""
    link = TcpLink(host, port, up or TcpImpairment(), down or TcpImpairment())
    server = await asyncio.start_server(link.taken, "127.0.0.1", 0)
    link.address = server.sockets[0].getsockname()[:2]
    try:
        yield link
    finally:
        server.close()
        await link.close()
        await server.wait_closed()
