"""Replies of a Redis that is none: read, or refused by a named error, and never taken for something else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators.redis_server import redis_server
from voice_runtime.ports import StoreUnreachable
from voice_runtime.store.redis import Redis, RedisRefused, Reply, _reply

_REFUSALS = (RedisRefused, ValueError, EOFError, asyncio.LimitOverrunError)


def read(sent: bytes, limit: int = 4096) -> Reply:
    async def whole() -> Reply:
        reader = asyncio.StreamReader(limit=limit)
        reader.feed_data(sent)
        reader.feed_eof()
        return await _reply(reader)

    return asyncio.run(whole())


def written(reply: Any) -> bytes:
    """A reply as a server writes it."""
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return b":%d\r\n" % reply
    if isinstance(reply, bytes):
        return b"$%d\r\n%b\r\n" % (len(reply), reply)
    return b"*%d\r\n" % len(reply) + b"".join(map(written, reply))


LEAVES = st.one_of(st.none(), st.integers(-(2**60), 2**60), st.binary(max_size=60))
REPLIES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=6).filter(
    lambda reply: _depth(reply) <= 4
)


def _depth(reply: Any) -> int:
    return 1 + max(map(_depth, reply), default=0) if isinstance(reply, list) else 0


@given(REPLIES)
def test_a_reply_is_read_as_it_was_written(reply: Reply) -> None:
    assert read(written(reply)) == reply


@given(st.binary(max_size=80))
def test_whatever_comes_it_is_read_or_refused(sent: bytes) -> None:
    with suppress(*_REFUSALS):
        read(sent, limit=32)


@given(REPLIES, st.integers(0, 200))
def test_half_a_reply_is_none(reply: Reply, at: int) -> None:
    sent = written(reply)
    if at < len(sent):
        with pytest.raises(_REFUSALS):
            read(sent[:at])


@pytest.mark.parametrize(
    "sent",
    [b"$9999999999\r\n", b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", b"!x\r\n", b":one\r\n", b"x" * 5000],
)
def test_what_is_too_long_too_deep_or_none_is_refused(sent: bytes) -> None:
    with pytest.raises(_REFUSALS):
        read(sent)


@pytest.mark.anyio
async def test_an_address_nobody_listens_at_is_a_store_out_of_reach() -> None:
    redis = Redis("redis://127.0.0.1:1/0")
    with pytest.raises(StoreUnreachable, match="ConnectionRefusedError"):
        await redis.call("PING")
    await redis.close()


@pytest.mark.anyio
async def test_who_was_refused_at_the_door_does_not_go_on_inside() -> None:
    """A refused AUTH or SELECT left the connection in use: unauthenticated, or in another database."""
    with redis_server() as server:
        redis = Redis(server.url, password="of another house")
        for _ in range(2):
            with pytest.raises(RedisRefused):
                await redis.call("PING")
        await redis.close()
