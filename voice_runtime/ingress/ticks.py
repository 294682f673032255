"""When a call's 20 ms ticks fall: on a grid of 5 ms, so that the loop wakes once for the ticks of many calls.

Each call ticks twice in 20 ms, for what comes in and for what goes out. At phases of
their own ten calls would wake the loop a thousand times a second, and a third of
what a tick costs is the waking.
"""

from __future__ import annotations

from voice_runtime.events import CHUNK_MS

TICK_NS = CHUNK_MS * 1_000_000
GRID_NS = 5_000_000


def first_tick(now_ns: int) -> int:
    """The newest point of the grid, ns of the same clock: a tick that is due at once."""
    return now_ns - now_ns % GRID_NS
