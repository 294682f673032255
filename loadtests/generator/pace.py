"""How the generator itself does: how late its ticks are, and how much of a core it uses.

Only while it has a call: an idle generator is on time and costs nothing, and a run with long pauses
would dilute what its calls met. Lateness is that of probes on the clock that calls tick by, beside them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from voice_runtime.caller.ticker import TICK_NS, Lateness, Ticker, Ticking, shared_ticker

#: Probes, evenly spread over the 20 ms: a call's phase is anywhere.
_PROBES = 4


class Pace:
    """Counts how late ticks are from ``start`` to ``stop``; what a call's tick meets, these meet.

    Args:
        counts: whether a call is in progress.
    """

    def __init__(self, counts: Callable[[], bool] = lambda: True) -> None:
        self._counts = counts
        self._late = Lateness()
        self._ticking: list[Ticking] = []

    def start(self, ticker: Ticker | None = None, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Tick by ``ticker``, by default that of the running event loop."""
        clock = ticker or shared_ticker()
        now = now_ns()
        places = (clock.place(now + n * TICK_NS // _PROBES) for n in range(_PROBES))
        self._ticking = [clock.start(place, self.note) for place in places]

    def stop(self) -> None:
        """Count no more."""
        for ticking in self._ticking:
            ticking.stop()
        self._ticking = []

    def note(self, late_ns: int) -> None:
        """Count one tick that was ``late_ns`` late, if there was a call."""
        if self._counts():
            self._late.note(late_ns)

    @property
    def max_ms(self) -> float:
        """The worst tick, ms."""
        return self._late.worst_ms

    @property
    def p99_ms(self) -> float:
        """99th percentile (nearest rank), rounded up to 0.1 ms; 0 without a tick."""
        return self._late.at_ms(99)


class Used:
    """The process's CPU time while something is going on, as a share of that time.

    Args:
        cpu_s: CPU time of this process so far, s.
        now_s: the monotonic clock, s.
    """

    def __init__(
        self,
        cpu_s: Callable[[], float] = time.process_time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cpu_s, self._now_s = cpu_s, now_s
        self._since: tuple[float, float] | None = None
        self._used_s = self._took_s = 0.0

    def going_on(self, going_on: bool) -> None:
        """From now on something is, or nothing is. Harmless when it was so already."""
        if going_on == (self._since is not None):
            return
        now = (self._cpu_s(), self._now_s())
        if self._since is not None:
            self._used_s += now[0] - self._since[0]
            self._took_s += now[1] - self._since[1]
        self._since = now if going_on else None

    @property
    def percent(self) -> float:
        """Of one core, over all that is over; 0 while nothing is."""
        return 100 * self._used_s / self._took_s if self._took_s > 0 else 0.0
