"""One connection to a Redis server: a command out, its reply in, each within its time, and none of it twice.

redis-py speaks the protocol. It retries and turns replies into values of its own unless it is told not to: a
swap that is sent again would be taken for somebody else's, and what a reply means is said where it is read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis import asyncio as client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from voice_runtime.ports import StoreUnreachable

Reply = bytes | int | None | list["Reply"]

#: Longest wait for a reply, s: telling a stop takes two, and each worker's look one, of the two seconds a
#: stop has to reach every worker.
REPLY_S = 0.4


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
        self._client: Any = client.from_url(
            url, password=password or None, single_connection_client=True, retry=Retry(NoBackoff(), 0),
            protocol=2, socket_timeout=None, socket_connect_timeout=None, driver_info=None,
        )  # fmt: skip
        self._client.response_callbacks.clear()
        self._reply_s = reply_s

    async def call(self, *words: str | bytes | int, within_s: float | None = None) -> Reply:
        """Send one command and wait for its reply.

        Raises:
            StoreUnreachable: no reply within ``within_s``, or no connection.
            RedisRefused: the reply is an error.
        """
        try:
            async with asyncio.timeout(self._reply_s if within_s is None else within_s):
                reply: Reply = await self._client.execute_command(*words)
        except (ResponseError, AuthenticationError) as error:
            raise RedisRefused(f"Redis refused ({str(error).split(' ')[0][:20]})") from None
        except (RedisError, OSError, EOFError, TimeoutError, ValueError, RecursionError) as error:
            raise StoreUnreachable(f"Redis gave no answer ({type(error).__name__})") from None
        return reply

    async def close(self) -> None:
        """Close the connection. Harmless twice."""
        await self._client.aclose()
