"""Tells when media stops, by the wall clock: nothing that counts samples can."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from voice_runtime.clock import Clock

_WATCH_EVERY_S = 0.5


class MediaWatch:
    """One line's.

    Attributes:
        last_ns: when samples came last, monotonic.
        begun: whether any came.
    """

    def __init__(self, clock: Clock, gap_s: float) -> None:
        """Watch.

        Args:
            gap_s: s without media before it is told, and between further times.
        """
        self._clock, self._gap_ns = clock, round(gap_s * 1e9)
        self.last_ns = 0
        self.begun = False
        self._told = 0

    def came(self) -> bool:
        """Samples came; whether they are the first."""
        self.last_ns = self._clock.monotonic_ns()
        self._told = 0
        first, self.begun = not self.begun, True
        return first

    async def run(self, stopped: Callable[[float], Awaitable[None]]) -> None:
        """Call ``stopped`` with the s since the last sample, each time they make another gap. Never ends."""
        while True:
            await self._clock.sleep(_WATCH_EVERY_S)
            gap_ns = self._clock.monotonic_ns() - self.last_ns
            if gap_ns >= self._gap_ns * (self._told + 1):
                self._told = gap_ns // self._gap_ns
                await stopped(gap_ns / 1e9)
