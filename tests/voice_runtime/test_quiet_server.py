"""A server that sleeps while nobody asks: it ends when told to, from wherever, and its ``Date`` is true."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from voice_runtime.quiet_server import QuietServer

pytestmark = pytest.mark.anyio


class Told(QuietServer):
    """Says when it looks, and without signal handlers."""

    def __init__(self) -> None:
        self.looked, self.ended = asyncio.Event(), asyncio.Event()
        self.looks = 0
        config = uvicorn.Config(FastAPI(), log_config=None, lifespan="off", port=0, ws="none")
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        found = await super().on_tick(counter)
        self.looks += 1
        self.looked.set()
        return found

    async def serve_plainly(self) -> None:
        await self._serve()
        self.ended.set()


@asynccontextmanager
async def serving() -> AsyncIterator[Told]:
    server = Told()
    task = asyncio.create_task(server.serve_plainly())
    async with asyncio.timeout(20):
        await server.looked.wait()
        try:
            yield server
        finally:
            server.should_exit = True
            await task


@pytest.mark.parametrize("how", ["loop", "thread"])
async def test_it_ends_once_it_is_told(how: str) -> None:
    async with serving() as server:

        def leave() -> None:
            server.should_exit = True

        if how == "thread":
            await asyncio.to_thread(leave)
        else:
            leave()
        await server.ended.wait()
    assert server.looks == 2, "it looked as it began to serve, and because it was told"


async def test_told_before_it_serves_it_does_not_begin() -> None:
    server = Told()
    server.should_exit = True
    async with asyncio.timeout(20):
        await server.serve_plainly()
    assert server.looks <= 1


async def test_the_date_is_set_at_every_look() -> None:
    async with serving() as server:
        server.server_state.default_headers = []
        await server.on_tick(0)
        assert [name for name, _ in server.server_state.default_headers][:1] == [b"date"]


async def test_being_told_when_it_is_over_is_harmless() -> None:
    async with serving() as server:
        pass
    server.should_exit = True
