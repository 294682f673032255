"""What the process measures of itself while it serves: a late event loop, CPU, pauses for garbage.

A collection of garbage that was announced (``voice_runtime.garbage``) makes the event loop late, and no
telephone: what was sent ahead pays for it. It is in the metrics, and left out of the lateness that a
``Reading`` tells; a reading has its length instead, which has a limit of its own.

One timer of 50 ms on the event loop, whatever the number of calls: some ten microseconds a tick, and once a
second a few files of ``/proc``. Without calls it is one of 1 s: an idle server sleeps. Nothing here is per
call or per frame. What it finds goes into metrics and, as a ``Reading``, to whoever decides about admission.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from voice_runtime.budget import uncovered_s
from voice_runtime.garbage import Ahead
from voice_runtime.headroom import Reading
from voice_runtime.process_usage import ProcessUsage, allowed_cores
from voice_runtime.telemetry import Telemetry

#: The timer, s; and how often of it a second begins.
TICK_S = 0.05
_TICKS_A_SECOND = 20
#: Stretch over which lateness is looked at, and counts are summed, s.
_LONG_S = 10
#: Stretch over which CPU time is measured, s; before it is over there is no reading.
_SHORT_S = 5
#: Pauses for garbage kept until the next second; more are not told one by one.
_MOST_PAUSES = 1000


@dataclass(frozen=True, slots=True)
class Counts:
    """What others count: since the start, but ``recogniser_waiting``, which is of now."""

    underruns: int = 0
    recogniser_waiting: int = 0
    turn_questions_refused: int = 0


@dataclass(frozen=True, slots=True)
class Pause:
    """One collection of garbage. Monotonic times, s.

    Attributes:
        prepared: a collection at a time of our choosing: announced, or nobody was on the line.
        announced: audio was sent ahead of it.
    """

    began_s: float
    ended_s: float
    prepared: bool = False
    announced: bool = False

    @property
    def length_s(self) -> float:
        """How long it stopped every thread."""
        return self.ended_s - self.began_s

    def within(self, from_s: float, to_s: float) -> float:
        """How much of it lies between these times, s."""
        return max(0.0, min(self.ended_s, to_s) - max(self.began_s, from_s))


@dataclass(frozen=True, slots=True)
class _Second:
    """What stood at the end of one second; ``announced_s``: the longest announced pause within it."""

    at_s: float
    loop_cpu_s: float
    cpu_s: float
    counts: Counts
    announced_s: float = 0.0


def lateness(late_s: float, tick_s: float = TICK_S) -> Iterable[float]:
    """What a timer that woke ``late_s`` late would have found at every tick it missed, s.

    A loop that stands still for 300 ms is late for all who wanted it meanwhile, and a timer that stood still
    with it would tell of one of them (Gil Tene's coordinated omission).
    """
    for n in range(math.ceil(late_s / tick_s - 1e-9)):
        yield late_s - n * tick_s


def worst(values: Iterable[float], percent: int = 99) -> float | None:
    """The nearest-rank percentile; None without values."""
    ordered = sorted(values)
    return ordered[-(-percent * len(ordered) // 100) - 1] if ordered else None


class GarbagePauses:
    """How long each collection of garbage stopped every thread.

    A collection may begin in any allocation, also in the middle of a metric that holds its lock: the callback
    touches nothing but itself, and who wants to know asks later.

    Args:
        ahead: says which were announced.
        now_s: monotonic clock, s.
    """

    def __init__(self, ahead: Ahead | None = None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._ahead = ahead or Ahead()
        self._now_s = now_s
        self._began_s = 0.0
        self._new: deque[Pause] = deque(maxlen=_MOST_PAUSES)
        self._prepared: Pause | None = None
        #: The longest so far, and the longest stretch of one that nothing sent ahead paid for, s.
        self.longest_s = self.uncovered_s = 0.0

    def start(self) -> None:
        """Listen."""
        gc.callbacks.append(self._told)

    def close(self) -> None:
        """Listen no more. Harmless when repeated."""
        if self._told in gc.callbacks:
            gc.callbacks.remove(self._told)

    def begin(self) -> None:
        """Forget those so far."""
        self._new.clear()
        self._prepared = None
        self.longest_s = self.uncovered_s = 0.0

    def prepared_s(self, from_s: float, to_s: float) -> float:
        """How much of that time was a prepared collection; they are a second apart: the newest."""
        return self._prepared.within(from_s, to_s) if self._prepared is not None else 0.0

    def take(self) -> list[Pause]:
        """The pauses since the last question."""
        found = []
        while self._new:
            found.append(self._new.popleft())
        return found

    def _told(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began_s = self._now_s()
            return
        ahead = self._ahead
        pause = Pause(self._began_s, self._now_s(), ahead.collecting, ahead.collecting and ahead.ms > 0)
        self._new.append(pause)
        self.longest_s = max(self.longest_s, pause.length_s)
        if pause.prepared:
            self._prepared = pause
        if pause.announced or not pause.prepared:
            self.uncovered_s = max(self.uncovered_s, uncovered_s(pause.length_s, announced=pause.announced))


class Vitals:
    """Watches the event loop it is started on, and the process around it."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        counts: Callable[[], Counts] = Counts,
        on_reading: Callable[[Reading], None] | None = None,
        busy: Callable[[], bool] = lambda: True,
        ahead: Ahead | None = None,
        usage: ProcessUsage | None = None,
        now_s: Callable[[], float] = time.monotonic,
        thread_s: Callable[[], float] = time.thread_time,
    ) -> None:
        """Prepare; nothing is measured before ``start``.

        Args:
            counts: asked once a second.
            on_reading: told once a second, from the first whole stretch after ``begin`` on.
            busy: whether calls are on the line; while there are none the timer is slow.
            ahead: of the process's collections of garbage.
            now_s: monotonic clock, s.
            thread_s: CPU time of the calling thread, s.
        """
        self._telemetry = telemetry
        self._counts = counts
        self._on_reading = on_reading
        self._busy = busy
        self._usage = usage or ProcessUsage()
        self._now_s, self._thread_s = now_s, thread_s
        self._cores = allowed_cores()
        self._pauses = GarbagePauses(ahead, now_s)
        self._lags: deque[float] = deque(maxlen=_LONG_S * _TICKS_A_SECOND)
        self._felt: deque[float] = deque(maxlen=_LONG_S * _TICKS_A_SECOND)  # without prepared collections
        self._seconds: deque[_Second] = deque(maxlen=_LONG_S + 1)
        self._ticks = 0
        self._step = 1  # of the timer, in ticks
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._serving = False

    async def start(self) -> None:
        """Measure from now on, from the loop to be watched; nobody is told of a reading before ``begin``."""
        self._pauses.start()
        self._next()

    async def close(self) -> None:
        """Stop. Harmless when repeated."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._pauses.close()

    def begin(self) -> None:
        """Serving begins: forget what was measured so far, also by the timer that is due. May be repeated."""
        self._serving = True
        self._lags.clear()
        self._felt.clear()
        self._seconds.clear()
        self._ticks = 0
        self._pauses.begin()
        if self._timer is not None:
            self._timer.cancel()
            self._next()

    # -- the timer --------------------------------------------------------------------------------

    def _next(self) -> None:
        self._step = 1 if self._busy() else _TICKS_A_SECOND
        self._due_s = self._now_s() + self._step * TICK_S
        self._timer = asyncio.get_running_loop().call_later(self._step * TICK_S, self.tick)

    def tick(self) -> None:
        """The timer woke; called by the event loop."""
        now_s = self._now_s()
        late_s = max(0.0, now_s - self._due_s)
        felt_s = max(0.0, late_s - self._pauses.prepared_s(self._due_s, now_s))
        self._telemetry.loop_lag.observe(late_s)
        for lags, lag_s in ((self._lags, late_s), (self._felt, felt_s)):
            lags.extend([lag_s] * self._step)
            lags.extend(lateness(lag_s - TICK_S))
        self._ticks += self._step
        try:
            if self._ticks >= _TICKS_A_SECOND:
                self._ticks = 0
                self._second()
        finally:
            if self._timer is not None:
                self._next()

    def _second(self) -> None:
        telemetry, pauses = self._telemetry, self._pauses.take()
        announced_s = max((pause.length_s for pause in pauses if pause.announced), default=0.0)
        now = _Second(self._now_s(), self._thread_s(), self._usage.cpu_s(), self._counts(), announced_s)
        self._seconds.append(now)
        telemetry.loop_lag_p99.set(worst(self._lags) or 0.0)
        telemetry.loop_lag_felt_p99.set(worst(self._felt) or 0.0)
        for pause in pauses:
            telemetry.gc_pause.labels("yes" if pause.announced else "no").observe(pause.length_s)
        telemetry.gc_longest.set(self._pauses.longest_s)
        telemetry.gc_uncovered.set(self._pauses.uncovered_s)
        reading = self._reading(now)
        if reading is None:
            return
        telemetry.loop_busy.set((reading.loop_percent or 0.0) / 100)
        telemetry.cpu_used.set((reading.cpu_percent or 0.0) / 100)
        if self._on_reading is not None and self._serving:
            self._on_reading(reading)

    def _reading(self, now: _Second) -> Reading | None:
        if len(self._seconds) <= _SHORT_S:
            return None
        before = self._seconds[-1 - _SHORT_S]
        passed_s = now.at_s - before.at_s
        if passed_s <= 0:
            return None
        recent = [self._seconds[n].counts for n in range(-_SHORT_S, 0)]
        first = self._seconds[0].counts
        late_s = worst(self._felt)
        return Reading(
            since_s=before.at_s,
            at_s=now.at_s,
            cores=self._cores,
            loop_lag_ms=None if late_s is None else 1000 * late_s,
            loop_percent=100 * (now.loop_cpu_s - before.loop_cpu_s) / passed_s,
            cpu_percent=100 * (now.cpu_s - before.cpu_s) / passed_s / self._cores,
            announced_pause_ms=1000 * max(second.announced_s for second in self._seconds),
            underruns=now.counts.underruns - first.underruns,
            recogniser_waiting=min(counts.recogniser_waiting for counts in recent),
            turn_questions_refused=now.counts.turn_questions_refused - first.turn_questions_refused,
        )
