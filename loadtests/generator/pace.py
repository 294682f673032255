"""How late the generator's own ticks are: probes on the clock that its calls tick by, beside them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from voice_runtime.caller.ticker import TICK_NS, Ticker, Ticking, shared_ticker

#: Probes, evenly spread over the 20 ms: a call's phase is anywhere.
_PROBES = 4
#: Lateness is counted in steps of this, ns: 0.1 ms.
_STEP_NS = 100_000


class Pace:
    """Counts how late ticks are from ``start`` to ``stop``; what a call's tick meets, these meet."""

    def __init__(self) -> None:
        self._late: Counter[int] = Counter()
        self._worst_ns = 0
        self._ticking: list[Ticking] = []

    def start(self, ticker: Ticker | None = None, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        """Tick by ``ticker``, by default that of the running event loop."""
        clock = ticker or shared_ticker()
        now = now_ns()
        self._ticking = [clock.start(now + n * TICK_NS // _PROBES, self.note) for n in range(_PROBES)]

    def stop(self) -> None:
        """Count no more."""
        for ticking in self._ticking:
            ticking.stop()
        self._ticking = []

    def note(self, late_ns: int) -> None:
        """Count one tick that was ``late_ns`` late."""
        self._worst_ns = max(self._worst_ns, late_ns)
        self._late[max(0, late_ns) // _STEP_NS] += 1

    @property
    def max_ms(self) -> float:
        """The worst tick, ms."""
        return self._worst_ns / 1e6

    @property
    def p99_ms(self) -> float:
        """99th percentile (nearest rank), rounded up to 0.1 ms; 0 without a tick."""
        above = sum(self._late.values()) // 100
        for late in sorted(self._late, reverse=True):
            above -= self._late[late]
            if above < 0:
                return (late + 1) * _STEP_NS / 1e6
        return 0.0
