"""uvicorn for processes that wait most of the time: it wakes once a second, not ten times.

uvicorn looks every 0.1 s whether it is to end. Each look wakes a sleeping process, which costs a tenth of a
millisecond or more; a house has several such processes beside its own.
"""

from __future__ import annotations

import asyncio
import contextlib

import uvicorn

#: Between two looks, s: as often as uvicorn makes the ``Date`` header anew.
_TICK_S = 1.0


class QuietServer(uvicorn.Server):
    """A uvicorn server that is told when to end instead of looking."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._leaving: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config)

    @property
    def should_exit(self) -> bool:
        """Whether to end. Setting it, from any thread or signal handler, ends the server at once."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._loop is not None and self._leaving is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the server has ended
                self._loop.call_soon_threadsafe(self._leaving.set)

    async def main_loop(self) -> None:
        """Serve until ``should_exit``; keeps the ``Date`` header true."""
        self._loop, self._leaving = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):  # 0: the header is due
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._leaving.wait()
