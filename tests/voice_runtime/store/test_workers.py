"""What workers share through a real Redis: swapped atomically, sealed, and asked of one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.simulators.redis_server import RedisServer
from voice_runtime.ports import StoreUnreachable
from voice_runtime.store.redis import Redis, RedisRefused
from voice_runtime.store.workers import Workers

pytestmark = pytest.mark.anyio

SECRET = "a secret of the house's own, 32+"


@asynccontextmanager
async def workers(
    redis: RedisServer, count: int = 2, house: str = "test", secret: str = SECRET
) -> AsyncIterator[list[Workers]]:
    made = [Workers(redis.url, secret=secret, house=house, reply_s=20) for _ in range(count)]
    try:
        yield made
    finally:
        for worker in made:
            await worker.close()


@asynccontextmanager
async def client(redis: RedisServer) -> AsyncIterator[Redis]:
    made = Redis(redis.url, reply_s=20)
    try:
        yield made
    finally:
        await made.close()


async def lies_there(redis: RedisServer) -> bytes:
    """Everything Redis holds, and how it is called."""
    async with client(redis) as plain:
        keys = await plain.call("KEYS", "*")
        assert isinstance(keys, list)
        found = b""
        for key in keys:
            assert isinstance(key, bytes)
            dumped = await plain.call("DUMP", key)
            assert isinstance(dumped, bytes)
            found += key + dumped
        return found


# --- the client --------------------------------------------------------------------------------------


async def test_every_kind_of_reply(redis: RedisServer) -> None:
    async with client(redis) as plain:
        assert await plain.call("PING") == b"PONG"
        assert await plain.call("SET", "a", b"\r\n\x00 raw") == b"OK"
        assert await plain.call("GET", "a") == b"\r\n\x00 raw"
        assert await plain.call("GET", "nothing") is None
        assert await plain.call("INCRBY", "n", 41) == 41
        assert await plain.call("EVAL", "return {1, {'x', false}}", 0) == [1, [b"x", None]]
        with pytest.raises(RedisRefused, match="WRONGTYPE"):
            await plain.call("LPUSH", "a", "b")
        assert await plain.call("PING") == b"PONG", "an error is an answer"


async def test_a_late_reply_is_never_taken_for_the_next_one(redis: RedisServer) -> None:
    async with client(redis) as plain:
        with pytest.raises(StoreUnreachable):
            await plain.call("BLPOP", "nothing", 5, within_s=0.05)
        assert await plain.call("PING") == b"PONG"


async def test_cancelled_half_way_it_connects_anew(redis: RedisServer) -> None:
    async with client(redis) as plain:
        task = asyncio.create_task(plain.call("BLPOP", "nothing", 5, within_s=10))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await plain.call("PING") == b"PONG"


async def test_a_server_that_went_and_came_back(redis: RedisServer) -> None:
    async with client(redis) as plain:
        await plain.call("PING")
        redis.stop()
        for _ in range(2):
            with pytest.raises(StoreUnreachable):
                await plain.call("PING")
        redis.start()
        assert await plain.call("PING") == b"PONG"


@pytest.mark.parametrize("url", ["http://x", "redis-server:6379", "unix"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="redis://, rediss://, unix://"):
        Redis(url)


# --- values with a version ---------------------------------------------------------------------------


async def test_one_of_many_at_once_swaps(redis: RedisServer) -> None:
    async with workers(redis, 8) as every:
        for before in range(3):
            won = await asyncio.gather(*(w.swap("x", before, before + 1, f"{before}") for w in every))
            assert sum(won) == 1
        assert await every[0].read("x") == (3, "2")
        assert await every[0].read("y") is None


async def test_redis_holds_nothing_in_the_clear(redis: RedisServer) -> None:
    async with workers(redis) as (one, two):
        await one.swap("x", 0, 1, "Anna Berg, because of the prices")
        await one.offer('["waits for compliance"]')
        assert await two.read("x") == (1, "Anna Berg, because of the prices")
        asking = asyncio.create_task(two.ask(one.me, "grant it, says Anna Berg", 0.3))
        await asyncio.sleep(0)
        lies = await lies_there(redis)
        assert b"Anna" not in lies
        assert b"compliance" not in lies
        assert await asking is None, "nobody answered"


@pytest.mark.parametrize(
    ("house", "secret"), [("test", "another secret, long enough, 32+"), ("else", SECRET)]
)
async def test_what_another_house_or_key_wrote_is_not_believed(
    redis: RedisServer, house: str, secret: str
) -> None:
    async with workers(redis, 1) as [ours], workers(redis, 1, house, secret) as [theirs]:
        await ours.swap("x", 0, 1, "stopped")
        async with client(redis) as plain:  # put where the other house looks
            found = await plain.call("HGET", "test:shared:x", "value")
            assert isinstance(found, bytes)
            await plain.call("HSET", f"{house}:shared:x", "version", 1, "value", found)
        with pytest.raises(StoreUnreachable, match="this house's key"):
            await theirs.read("x")


async def test_a_value_under_another_version_or_name_is_not_believed(redis: RedisServer) -> None:
    async with workers(redis, 1) as [worker], client(redis) as plain:
        await worker.swap("x", 0, 1, "nothing is stopped")
        found = await plain.call("HGET", "test:shared:x", "value")
        assert isinstance(found, bytes)
        await plain.call("HSET", "test:shared:x", "version", 2)
        with pytest.raises(StoreUnreachable):
            await worker.read("x")
        await plain.call("HSET", "test:shared:y", "version", 1, "value", found)
        with pytest.raises(StoreUnreachable):
            await worker.read("y")
        await plain.call("HSET", "test:shared:x", "version", "1 or so")
        with pytest.raises(StoreUnreachable, match="damaged"):
            await worker.read("x")


# --- offers and questions ----------------------------------------------------------------------------


async def test_offers_are_of_the_others_and_go_with_them(redis: RedisServer) -> None:
    async with workers(redis, 3) as (one, two, three), client(redis) as plain:
        await one.offer("1")
        await two.offer("2")
        assert await three.offered() == {one.me: "1", two.me: "2"}
        assert await one.offered() == {two.me: "2"}
        await one.leave()
        assert await three.offered() == {two.me: "2"}
        left_ms = await plain.call("PTTL", f"test:worker:{two.me}")
        assert isinstance(left_ms, int)
        assert 0 < left_ms <= 5000, "a worker that died offers nothing soon"
        await plain.call("DEL", f"test:worker:{two.me}")
        assert await three.offered() == {}
        assert await plain.call("SMEMBERS", "test:workers:all") == []


async def test_a_question_is_answered_once(redis: RedisServer) -> None:
    async with workers(redis) as (one, two), client(redis) as plain:
        asking = asyncio.create_task(two.ask(one.me, "what waits?", 10))
        asked = None
        while asked is None:
            asked = await one.asked()
        number, text = asked
        assert text == "what waits?"
        await one.answer(number, "nothing")
        assert await asking == "nothing"
        sealed = one._seal.close(f"ask/{one.me}/{number}", text)
        await plain.call("RPUSH", f"test:ask:{one.me}", number.encode() + sealed)
        assert await one.asked() is None, "put back by somebody else"


async def test_a_question_for_another_worker_is_not_believed(redis: RedisServer) -> None:
    async with workers(redis) as (one, two), client(redis) as plain:
        number = "0" * 32
        sealed = one._seal.close(f"ask/{one.me}/{number}", "x")
        await plain.call("RPUSH", f"test:ask:{two.me}", number.encode() + sealed)
        with pytest.raises(StoreUnreachable):
            await two.asked()
