"""An event loop that wakes at a steady beat and not for each packet: what makes a hundred callers cheap.

Waking a core that waits costs some 50 to 100 µs of it on a virtual machine, as much as everything a
caller does in a tick. An ordinary loop wakes for each call's tick (50 a second) and for
each message that comes. This one waits by sleeping to the next beat, every 2 ms, and then looks at
all sockets at once. Callers' ticks lie on the beat (``ticker.Ticker.place``), at whichever of ten places in
20 ms a call happened to begin: a server is never met by all of them at once, and no tick is late by nature.

What it changes in what is measured: a message is read up to 2 ms after it came. Audio is played at the
next tick in either case; how unevenly it arrives (``arrivals``) is told to 2 ms, as is
how long a webhook took. A timer of anything else is exact.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from voice_runtime.caller.ticker import Ticker, share

BEAT_NS = 2_000_000
#: Who waits longer than a tick has no call: then a loop wakes when something comes, as any other.
_LONGEST_S = 0.02

T = TypeVar("T")


class BeatSelector(selectors.DefaultSelector):
    """Looks at its sockets on the beat while something is due within a tick.

    Args:
        now_ns: the monotonic clock, ns: beats are its multiples of ``BEAT_NS``.
        sleep: for so many s.
    """

    def __init__(
        self,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self._now_ns, self._sleep = now_ns, sleep

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready at the next beat, or when ``timeout`` (s) is over, if that is sooner."""
        if timeout is None or timeout > _LONGEST_S:
            return super().select(timeout)
        if timeout > 0:
            to_beat_ns = BEAT_NS - self._now_ns() % BEAT_NS
            self._sleep(min(timeout, to_beat_ns / 1e9))
        return super().select(0)


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on a loop whose calls tick on the beat."""
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(BeatSelector())) as runner:
        loop = runner.get_loop()
        share(Ticker(later=loop.call_later, step_ns=1, grid_ns=BEAT_NS), loop)
        return runner.run(main)
