"""One connection to a Redis server, in its protocol RESP2: a command out, its reply in, each within its time.

Only what this house needs of a client: no pool, no cluster, no subscriptions. A connection on which
anything went wrong is closed, and the next command makes another. Source: the Redis serialization protocol
specification, version 2.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from voice_runtime.ports import StoreUnreachable

Reply = bytes | int | None | list["Reply"]

#: Longest wait for a reply, s: telling a stop takes two, and each worker's look one, of the two seconds a
#: stop has to reach every worker.
REPLY_S = 0.4
#: Most bytes of a reply.
MOST = 4 * 1024 * 1024


class RedisRefused(StoreUnreachable):
    """The server answered with an error."""


class Redis:
    """Commands one after another. Not thread-safe: call it from one event loop.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, url: str, *, password: str = "", reply_s: float = REPLY_S) -> None:
        """Prepare; nothing connects before the first command.

        Args:
            url: ``redis://host:port/n``, ``rediss://…`` for TLS, or ``unix:///path/to/socket``.
            password: of the default user; "" for none.
            reply_s: longest wait for a reply, s, to commands that name no other.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss", "unix"):
            raise ValueError("an address of Redis begins with redis://, rediss:// or unix://")
        self._path = parts.path if parts.scheme == "unix" else ""
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 6379
        self._database = 0 if self._path else int(parts.path.strip("/") or 0)
        self._tls = parts.scheme == "rediss"
        self._password, self._reply_s = password, reply_s
        self._one = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, *words: str | bytes | int, within_s: float | None = None) -> Reply:
        """Send one command and wait for its reply.

        Raises:
            StoreUnreachable: no reply within ``within_s``, or no connection.
            RedisRefused: the reply is an error.
        """
        try:
            async with asyncio.timeout(self._reply_s if within_s is None else within_s), self._one:
                return await self._exchange(words)
        except (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError) as error:
            raise StoreUnreachable(f"Redis gave no answer ({type(error).__name__})") from None

    async def close(self) -> None:
        """Close the connection. Harmless twice."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with suppress(OSError):
                await streams[1].wait_closed()

    async def _exchange(self, words: tuple[str | bytes | int, ...]) -> Reply:
        ready = self._streams is not None
        try:
            if self._streams is None:
                self._streams = await self._connect()
                if self._password:
                    await self._send("AUTH", self._password)
                if self._database:
                    await self._send("SELECT", self._database)
                ready = True
            return await self._send(*words)
        except RedisRefused:
            if not ready:  # nobody is to go on unauthenticated, or in another database
                await self.close()
            raise
        except BaseException:  # also cancelled half-way: the next reply would be taken for another's
            streams, self._streams = self._streams, None
            if streams is not None:
                streams[1].transport.abort()
            raise

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._path:
            return await asyncio.open_unix_connection(self._path, limit=MOST)
        context = ssl.create_default_context() if self._tls else None
        return await asyncio.open_connection(self._host, self._port, ssl=context, limit=MOST)

    async def _send(self, *words: str | bytes | int) -> Reply:
        assert self._streams is not None
        reader, writer = self._streams
        encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        writer.write(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded))
        await writer.drain()
        return await _reply(reader)


async def _reply(reader: asyncio.StreamReader, depth: int = 0) -> Reply:
    """Read one reply.

    Raises:
        RedisRefused: it is an error.
        ValueError, asyncio.LimitOverrunError: it is no reply; EOFError: the connection ended.
    """
    line = await reader.readuntil(b"\r\n")
    kind, rest = line[:1], line[1:-2]
    match kind:
        case b"+":
            return rest
        case b"-":
            raise RedisRefused(f"Redis refused ({rest.split(b' ')[0].decode('ascii', 'replace')[:20]})")
        case b":":
            return int(rest)
        case b"$":
            size = int(rest)
            if size < 0:
                return None
            if size > MOST:
                raise ValueError("too long a reply")
            return (await reader.readexactly(size + 2))[:-2]
        case b"*" if depth < 4:
            count = int(rest)
            return None if count < 0 else [await _reply(reader, depth + 1) for _ in range(count)]
        case _:
            raise ValueError("no reply of Redis")
