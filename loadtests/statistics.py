"""Percentiles of load tests: nearest rank, those that the number of values can carry; a share's interval.

No means and no interpolation: every percentile is a value that was measured
(nearest rank, Hyndman and Fan's definition 1, The American Statistician 50(4), 1996).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from loadtests.results import MIN_P95, MIN_P99
from loadtests.shapes import Spread

#: Of a standard normal distribution, the quantile between which and its negative lie 95 %.
_Z = NormalDist().inv_cdf(0.975)


def rank(n: int, percent: int) -> int:
    """Which of ``n`` values in ascending order is the percentile: ⌈percent · n / 100⌉, counted from 1.

    In whole numbers, so that no rounding of floats decides which value it is.

    Raises:
        ValueError: no values, or a percentage outside 1 to 100.
    """
    if n < 1 or not 1 <= percent <= 100:
        raise ValueError(f"no {percent}th percentile of {n} values")
    return -(-percent * n // 100)


def percentile(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of values in any order, ms in, ms out.

    Raises:
        ValueError: as ``rank``.
    """
    return sorted(values)[rank(len(values), percent) - 1]


def spread(values: Sequence[float], censored: int = 0) -> Spread:
    """Percentiles of ``values``, ms, of which ``censored`` stand at the cap: they were never answered.

    p95 needs 200 values and p99 1,000; with fewer they are None and the maximum has to do.

    Raises:
        ValueError: no values, or more censored ones than there are.
    """
    if not 0 <= censored <= len(values):
        raise ValueError(f"{censored} censored of {len(values)} values")
    ordered = sorted(values)
    n = len(ordered)
    return Spread(
        p50=ordered[rank(n, 50) - 1],
        p95=ordered[rank(n, 95) - 1] if n >= MIN_P95 else None,
        p99=ordered[rank(n, 99) - 1] if n >= MIN_P99 else None,
        max=ordered[-1],
        n=n,
        censored=censored,
    )


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``n`` independent trials, both in 0 to 1.

    Wilson's score interval (Journal of the American Statistical Association 22, 1927), which
    says something also where nothing happened, or everything did.

    Raises:
        ValueError: no trials, or no share of them.
    """
    if n < 1 or not 0 <= share <= 1:
        raise ValueError(f"no interval of {share} of {n} trials")
    shrunk = 1 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / shrunk
    half = _Z * math.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2) / shrunk
    return min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half))
