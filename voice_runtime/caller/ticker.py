"""One clock for all of a process's calls: each ticks every 20 ms at its own phase, on an absolute clock.

Tick ``k`` of a call is due at ``first + k * 20 ms``, however late earlier ticks were.
Whatever is due is done in the order in which it was due, from one timer of the event
loop: a hundred calls cost a hundred function calls in 20 ms, and no task, future or
timer each. Event loops wait in whole ms (epoll), so a tick is up to 1 ms late by
nature, and never early. Where a loop wakes at a steady beat, calls tick on it (``Ticker.place``).
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from voice_runtime.events import CHUNK_MS

TICK_NS = CHUNK_MS * 1_000_000
_MS = 1_000_000
#: Lateness is counted in steps of this, ns: 0.1 ms.
_STEP_NS = 100_000
#: So many ticks are kept as they were before they are counted: 0.2 ms of work each time.
_FRESH = 1000

#: Told how late it is, ns. What it raises goes to the event loop's exception handler; it ticks on.
OnTick = Callable[[int], None]


class Lateness:
    """How late ticks were, counted. Noting one is an ``append``; they are counted some thousand at a time."""

    def __init__(self) -> None:
        self._counted = 0
        self._counted_worst_ns = 0
        self._steps: Counter[int] = Counter()
        self._fresh: list[int] = []

    def note(self, late_ns: int) -> None:
        """One tick was so late, ns."""
        self._fresh.append(late_ns)
        if len(self._fresh) == _FRESH:
            self._count()

    def _count(self) -> None:
        fresh = self._fresh
        if fresh:
            self._counted += len(fresh)
            self._counted_worst_ns = max(self._counted_worst_ns, *fresh)
            self._steps.update([late_ns // _STEP_NS for late_ns in fresh])
            fresh.clear()

    @property
    def ticks(self) -> int:
        """How many were noted."""
        return self._counted + len(self._fresh)

    def at_ms(self, percent: float) -> float:
        """A percentile (nearest rank), rounded up to 0.1 ms; 0 without a tick."""
        self._count()
        wanted = math.ceil(self._counted * percent / 100)
        for step in sorted(self._steps):
            wanted -= self._steps[step]
            if wanted <= 0:
                return (step + 1) * _STEP_NS / _MS
        return 0.0

    @property
    def worst_ms(self) -> float:
        """Of the latest tick, ms."""
        self._count()
        return self._counted_worst_ns / _MS


class Timer(Protocol):
    """What the event loop returns for a call later on."""

    def cancel(self) -> None: ...


class Ticking:
    """One call's ticks, until ``stop``."""

    def __init__(self, on_tick: OnTick) -> None:
        self.on_tick: OnTick | None = on_tick

    def stop(self) -> None:
        """No tick from now on; harmless twice, and from within a tick."""
        self.on_tick = None


class Ticker:
    """Ticks any number of calls. Belongs to one event loop.

    Args:
        now_ns: the monotonic clock, ns.
        later: calls a function after so many s; by default the running event loop does.
        step_ns: to which that rounds up what it waits.
        grid_ns: first ticks lie on multiples of this, of the monotonic clock, if whoever starts them
            asks ``place``.

    Attributes:
        lateness: of all ticks of all calls so far.
    """

    def __init__(
        self,
        now_ns: Callable[[], int] = time.monotonic_ns,
        later: Callable[[float, Callable[[], None]], Timer] | None = None,
        *,
        step_ns: int = _MS,
        grid_ns: int = 1,
    ) -> None:
        self.lateness = Lateness()
        self._step_ns, self._grid_ns = step_ns, grid_ns
        self._now_ns = now_ns
        self._later = later or _later
        self._due: list[tuple[int, int, Ticking]] = []  # a heap: when, tie-break, whose
        self._order = itertools.count()
        self._timer: Timer | None = None
        self._timer_ns = 0

    def place(self, at_ns: int) -> int:
        """The first place of the grid at or after ``at_ns``: ``at_ns`` itself where there is no grid."""
        return -(-at_ns // self._grid_ns) * self._grid_ns

    def start(self, first_ns: int, on_tick: OnTick) -> Ticking:
        """Tick at ``first_ns`` (monotonic) and every 20 ms after it. First ticks in the past come at once."""
        ticking = Ticking(on_tick)
        heapq.heappush(self._due, (first_ns, next(self._order), ticking))
        self._arm()
        return ticking

    def _run(self) -> None:
        """Do what is due now. What falls due meanwhile waits for the next round: sockets come in between."""
        self._timer = None
        now, due = self._now_ns(), self._due
        try:
            while due and due[0][0] <= now:
                at, order, ticking = due[0]
                if ticking.on_tick is None:
                    heapq.heappop(due)
                    continue
                heapq.heapreplace(due, (at + TICK_NS, order, ticking))
                late_ns = self._now_ns() - at
                self.lateness.note(late_ns)
                ticking.on_tick(late_ns)
        finally:
            self._arm()

    def _arm(self) -> None:
        """See to it that the timer goes off when the next tick is due; without calls there is none."""
        while self._due and self._due[0][2].on_tick is None:
            heapq.heappop(self._due)
        next_ns = self._due[0][0] if self._due else None
        if self._timer is not None:
            if next_ns is not None and self._timer_ns <= next_ns:
                return  # it goes off early enough
            self._timer.cancel()
            self._timer = None
        if next_ns is not None:
            step = self._step_ns
            wait_ns = max(0, -((self._now_ns() - next_ns) // step) * step)
            self._timer = self._later(wait_ns / 1e9, self._run)
            self._timer_ns = next_ns


def _later(delay_s: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay_s, call)


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Ticker] = WeakKeyDictionary()


def shared_ticker() -> Ticker:
    """The ticker of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _shared:
        _shared[loop] = Ticker()
    return _shared[loop]


def share(ticker: Ticker, loop: asyncio.AbstractEventLoop) -> None:
    """Make ``ticker`` that of ``loop``, before its first call."""
    _shared[loop] = ticker
