"""What one more call adds to a server's memory: one line through what it held idle and under each load.

The steps between single loads differ by luck (when a garbage collection ran, what an
allocator kept); one slope over all of them is the figure that helps to size a host. What calls that
are over left behind is in it: a host has to have that as well.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from loadtests.results import Run


def memory_points(runs: Iterable[Run]) -> list[tuple[int, float]]:
    """(0, idle) once, and (most calls at one time, peak MB) of every run that tells what its calls added.

    Args:
        runs: of one server that stayed up, in the order they were made. Runs that do not count, had no
            call, or were not weighed from an idle server on bring nothing; nor does one after a heavier
            load: what that left behind is in its peak.
    """
    found: dict[tuple[int, float], None] = {}  # in order, and the idle server once, however many runs tell it
    heaviest = 0
    for run in runs:
        idle, peak = run.resources.idle_mb, run.resources.peak_mb
        most = run.achieved.most if run.achieved is not None else 0
        if run.valid and idle is not None and peak is not None and most and most >= heaviest:
            found[0, idle] = None
            found[most, peak] = None
        heaviest = max(heaviest, most)
    return list(found)


def mb_per_added_call(points: Sequence[tuple[int, float]]) -> float | None:
    """MB for each added call: the slope of the least-squares line through all points.

    Args:
        points: calls at one time and MB held; (0, idle) among them.

    Returns:
        None with fewer than two different loads, or where a point is no number of calls or no amount
        of memory (negative, infinite, nan): nothing is told from those. It may be negative.
    """
    if any(calls < 0 or not math.isfinite(mb) or mb < 0 for calls, mb in points):
        return None
    if len({calls for calls, _ in points}) < 2:
        return None
    calls, mb = zip(*points, strict=True)
    return float(statistics.linear_regression(calls, mb).slope)
