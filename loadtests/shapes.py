"""What ``results.json`` is made of: a closed, frozen model; percentiles that say their n; counts by bound."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """A part of ``results.json``: unknown keys are errors, and nothing is changed once it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(Shape):
    """Percentiles (nearest rank) of ``n`` values of which ``censored`` stand at the cap; ms."""

    p50: float
    p95: float | None = None
    p99: float | None = None
    max: float
    n: int
    censored: int = 0


class Histogram(Shape):
    """How many values lay at or below each bound and above the one before it; ms. Bounds ascend.

    A server tells no more than that. So a percentile is not known to the digit: it lies at or below a bound.

    Attributes:
        counts: of each bound.
        above: values above the last bound.
    """

    bounds_ms: tuple[float, ...]
    counts: tuple[int, ...]
    above: int = 0

    @property
    def n(self) -> int:
        """Values counted."""
        return sum(self.counts) + self.above

    def at_most_ms(self, percent: int) -> float | None:
        """The bound at or below which a percentile (nearest rank) lies; above the last: infinity."""
        wanted, seen = -(-percent * self.n // 100), 0
        if not self.n:
            return None
        for bound, count in zip(self.bounds_ms, self.counts, strict=True):
            seen += count
            if seen >= wanted:
                return bound
        return math.inf


def pooled(histograms: Iterable[Histogram]) -> Histogram | None:
    """Several as one, over all bounds that any of them has; None of none."""
    found = list(histograms)
    if not found:
        return None
    counts: Counter[float] = Counter()
    for one in found:
        counts.update(dict(zip(one.bounds_ms, one.counts, strict=True)))
    bounds = tuple(sorted(counts))
    return Histogram(
        bounds_ms=bounds, counts=tuple(counts[b] for b in bounds), above=sum(one.above for one in found)
    )
