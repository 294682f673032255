"""Keeps a connection to each supplier open while calls are on the line, so that no turn pays for opening one.

Servers close what is idle: uvicorn after 5 s, clouds after some minutes. A caller who thinks for
six seconds would otherwise wait for TCP and TLS again, once per stage. While calls use a supplier, and
only then, one free request (``GET /models`` or the like, never a completion) goes to it whenever it
has been idle for long. Who pays nothing for an open connection need not be here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, runtime_checkable

#: Idle time after which a supplier is asked, s: beyond this host, and on it (uvicorn's 5 s, less a look).
OUTSIDE_IDLE_S, INSIDE_IDLE_S = 30.0, 3.0
#: Between two looks, s.
LOOK_S = 1.0


@runtime_checkable
class Warmable(Protocol):
    """A supplier whose connections grow cold. Nothing that ``warm`` does may cost money."""

    async def warm(self, outside_idle_s: float = 0.0, inside_idle_s: float = 0.0) -> None:
        """See to it that a connection stands; failing shows in the log at most.

        Args:
            outside_idle_s, inside_idle_s: one that was used within so many s, at a server beyond this host
                or on it, is warm.
        """
        ...


class Warmth:
    """The process's keeper of connections. ``start`` before use, ``close`` after."""

    def __init__(
        self,
        in_use: Callable[[], Iterable[Warmable]],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Make it.

        Args:
            in_use: the suppliers that calls on the line use now; none without a call.
            sleep: waits for s.
        """
        self._in_use = in_use
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._keep(), name="warmth")

    async def close(self) -> None:
        """Stop. Harmless when repeated."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            await self._sleep(LOOK_S)
            await asyncio.gather(*(one.warm(OUTSIDE_IDLE_S, INSIDE_IDLE_S) for one in self._in_use()))
