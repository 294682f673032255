"""How late an event loop is: the one probe of load tests, for what works beside the server under test.

A timer is due every 10 ms on an absolute clock, so a loop that was blocked for 100 ms is late ten times
and not once: percentiles are of time, as what waits for that loop meets it.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.client import HTTPException
from typing import Literal

from pydantic import ValidationError

from loadtests.results import Beside
from loadtests.shapes import Shape
from voice_runtime.caller.ticker import Lateness

#: Between two timers, ms.
EVERY_MS = 10
#: Where a process that was started by ``loadtests.served`` tells.
PATH = "/lateness"
#: A process that takes longer to say how late it is tells nothing, s.
_ASKED_S = 5.0


class Late(Shape):
    """Since the last question; ms, the percentile by nearest rank and rounded up to 0.1 ms."""

    late_p99_ms: float
    late_max_ms: float

    def beside(self, what: Literal["suppliers", "proxy"]) -> Beside:
        """As results keep it."""
        return Beside(what=what, late_p99_ms=self.late_p99_ms, late_max_ms=self.late_max_ms)


class LoopLag:
    """One event loop's; each question is answered for the time since the last one.

    Args:
        every_ms: between two timers.
        each: timers that fell due while the loop was blocked count as well; without it a timer is set
            anew when the last one was woken, which is how a server's own histogram has it.
        now_ns: the monotonic clock, ns.
    """

    def __init__(
        self,
        every_ms: int = EVERY_MS,
        *,
        each: bool = True,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._every_ns = every_ms * 1_000_000
        self._each = each
        self._now_ns = now_ns
        self._due_ns = 0
        self._late = Lateness()

    @asynccontextmanager
    async def probing(self) -> AsyncIterator[None]:
        """Probe the running loop until the block ends."""
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def wait() -> None:  # no task: a hundred times a second it would be most of what the probe costs
            nonlocal timer
            timer = loop.call_later(max(0, self._due_ns - self._now_ns()) / 1e9, look)

        def look() -> None:
            self.woken()
            wait()

        self.begin()
        wait()
        try:
            yield
        finally:
            timer.cancel()

    def begin(self) -> None:
        """The first timer is due one pause from now."""
        self._due_ns = self._now_ns() + self._every_ns

    def woken(self) -> None:
        """Count what was due by now. A loop that rounds its timers may wake early: then nothing was."""
        now = self._now_ns()
        while self._due_ns <= now:
            self._late.note(now - self._due_ns)
            self._due_ns += self._every_ns
            if not self._each:
                self.begin()

    def told(self) -> Late | None:
        """How late it was since the last question; None: no timer was due."""
        late, self._late = self._late, Lateness()
        return Late(late_p99_ms=late.at_ms(99), late_max_ms=late.worst_ms) if late.ticks else None


async def ask(address: str) -> Late | None:
    """How late the loop of a process was since it was last asked; None when it does not say.

    In a thread, and by the standard library: what an HTTP client loads when it is first used would block
    this loop, on which a proxy may run.

    Args:
        address: of its server, ``http://127.0.0.1:PORT``.
    """
    return await asyncio.to_thread(_asked, address + PATH)


def _asked(url: str) -> Late | None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=_ASKED_S) as answer:
            return Late.model_validate_json(answer.read())
    except (OSError, HTTPException, ValidationError):  # a status that says no is an OSError of urllib's
        return None
