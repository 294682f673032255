"""Who may come in: places counted by the Coordinator and given back whatever happens, and room for one more.

States of a call's place: none → reserved (webhook answered, no media yet) →
claimed (media connected) → none. A reservation whose media never comes expires,
so a carrier that rings and goes away cannot fill the house.

A free place is not enough: while the calls on the line need all there is (``voice_runtime.headroom``), one
more is told so and never taken. Whoever has a place keeps it, whatever is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from loguru import logger

from voice_runtime.headroom import Headroom
from voice_runtime.ports import Coordinator

#: ``overload``: places are free, and one more call would cost those on the line.
#: ``repeated``: the call has its media already, and needs no second stream.
Entry = Literal["admitted", "capacity", "overload", "draining", "repeated"]


class Admission:
    """Places of one process. Create it on the event loop that serves.

    Args:
        coordinator: counts, and has the cap.
        headroom: of this process; None: only the number counts.
        reserve_s: how long a reservation waits for its media, s.
        now_s: the monotonic clock that ``headroom`` is measured by, s.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        headroom: Headroom | None = None,
        *,
        reserve_s: float = 60.0,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._coordinator = coordinator
        self._headroom = headroom
        self._reserve_s = reserve_s
        self._now_s = now_s
        self._reserved: dict[str, asyncio.TimerHandle] = {}
        self._claimed: set[str] = set()
        self._releasing: set[asyncio.Task[None]] = set()
        self._draining = False
        self._empty = asyncio.Event()
        self._empty.set()
        #: Calls whose media was connected and that are over.
        self.ended = 0

    @property
    def active(self) -> int:
        """Calls of this process with media connected."""
        return len(self._claimed)

    @property
    def draining(self) -> bool:
        """Whether new calls are turned away because the process is stopping."""
        return self._draining

    async def enter(self, tenant: str, call: str, *, returning: bool = False) -> Entry:
        """Reserve a place for the carrier's call id; a repeated webhook keeps the place it has.

        Args:
            returning: a caller who was let in before and comes back: no measurement keeps them out.
        """
        if self._draining:
            return "draining"
        if call in self._claimed:
            return "repeated"
        if not self._has_room(call, returning):
            return "overload"
        try:
            admitted = await self._coordinator.admit(tenant, call)
        except BaseException:
            self._forget(call)
            raise
        if not admitted:
            self._forget(call)
            return "capacity"
        if old := self._reserved.pop(call, None):
            old.cancel()
        loop = asyncio.get_running_loop()
        self._reserved[call] = loop.call_later(self._reserve_s, self._expire, call)
        return "admitted"

    def claim(self, call: str) -> bool:
        """Media has come: True once per reservation, False when there is none or it is claimed."""
        timer = self._reserved.pop(call, None)
        if timer is None or call in self._claimed:
            return False
        timer.cancel()
        self._claimed.add(call)
        self._empty.clear()
        if self._headroom is not None:
            self._headroom.came(call, self._now_s())
        return True

    async def leave(self, call: str) -> None:
        """Give the place back; harmless when it has none, and not undone by cancellation."""
        self.ended += call in self._claimed
        self._claimed.discard(call)
        if not self._claimed:
            self._empty.set()
        if timer := self._reserved.pop(call, None):
            timer.cancel()
        await asyncio.shield(self._release(call))

    def drain(self) -> None:
        """Turn new calls away from now on."""
        self._draining = True

    async def wait_empty(self, timeout_s: float) -> bool:
        """Wait until no call has media; False when ``timeout_s`` passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Give every reservation back and wait for releases under way."""
        self._draining = True
        for call in list(self._reserved):
            self._reserved[call].cancel()
            self._expire(call)
        if self._releasing:
            await asyncio.wait(set(self._releasing))

    def _has_room(self, call: str, returning: bool) -> bool:
        """Whether there is room; it is booked at once, so that nobody comes in between."""
        if self._headroom is None:
            return True
        short = self._headroom.take(call, returning=returning)
        if short is not None:
            logger.info("no room for one more call: {}", short)
        return short is None

    def _forget(self, call: str) -> None:
        """Take back what was booked, unless the call has its place from an earlier webhook."""
        if self._headroom is not None and call not in self._reserved and call not in self._claimed:
            self._headroom.drop(call)

    def _expire(self, call: str) -> None:
        if self._reserved.pop(call, None) is not None:
            self._release(call)

    def _release(self, call: str) -> asyncio.Task[None]:
        if self._headroom is not None:
            self._headroom.drop(call)
        task = asyncio.create_task(self._coordinator.release(call), name="admission-release")
        self._releasing.add(task)
        task.add_done_callback(self._released)
        return task

    def _released(self, task: asyncio.Task[None]) -> None:
        self._releasing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a place could not be given back: {}", type(error).__name__)
