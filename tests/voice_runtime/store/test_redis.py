"""A connection to Redis: nothing is sent twice, and a server that is none gives no answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.simulators.redis_server import redis_server
from voice_runtime.ports import StoreUnreachable
from voice_runtime.store.redis import Redis

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def saying(reply: bytes) -> AsyncIterator[Redis]:
    """A client of a server that says the same to whatever it is told, and ends."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        writer.write_eof()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        redis = Redis(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        try:
            yield redis
        finally:
            await redis.close()


async def test_a_command_whose_reply_was_lost_is_not_sent_again() -> None:
    """A swap that took place would be taken for another worker's."""
    with redis_server() as server:
        redis, other = Redis(server.url), Redis(server.url)
        assert await redis.call("INCR", "n") == 1
        with pytest.raises(StoreUnreachable):
            await redis.call("BLPOP", "nothing", 0, within_s=0.05)
        assert await redis.call("INCR", "n") == 2, "and the next one gets its own reply"
        await other.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        with pytest.raises(StoreUnreachable):
            await redis.call("INCR", "n")
        assert await redis.call("INCR", "n") == 3
        await redis.close()
        await other.close()


@pytest.mark.parametrize(
    "reply", [b"", b"$5\r\nab", b"!x\r\n", b":one\r\n", b"*1\r\n" * 5000 + b":1\r\n", b"x" * 5000 + b"\r\n"]
)
async def test_what_is_no_reply_is_a_store_out_of_reach(reply: bytes) -> None:
    async with saying(reply) as redis:
        with pytest.raises(StoreUnreachable):
            await redis.call("GET", "a")


async def test_an_address_nobody_listens_at_is_a_store_out_of_reach() -> None:
    redis = Redis("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnreachable, match="ConnectionError"):
        await redis.call("PING")
    await redis.close()


async def test_who_was_refused_at_the_door_does_not_go_on_inside() -> None:
    """A refused AUTH or SELECT left the connection in use: unauthenticated, or in another database."""
    with redis_server() as server:
        redis = Redis(server.url, password="of another house")
        for _ in range(2):
            with pytest.raises(StoreUnreachable):
                await redis.call("PING")
        await redis.close()
