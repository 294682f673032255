"""How late a server's event loop is, from its own ``/metrics``: the histogram ``sayso_loop_lag_seconds``."""

from __future__ import annotations

import math
import re
import urllib.request
from collections.abc import Mapping

_BUCKET = re.compile(rb'^sayso_loop_lag_seconds_bucket\{le="([^"]+)"\} ([0-9.eE+]+)', re.MULTILINE)
#: Upper bound of a bucket, s, to how often it was no later than that.
Buckets = Mapping[float, float]


class LoopLagMetric:
    """One server's; each question is answered for the time since the last one."""

    def __init__(self, address: str) -> None:
        """Make it for a server at ``address`` (http, loopback)."""
        self._url = f"{address}/metrics"
        self._before: Buckets = {}

    def p99_ms(self) -> float | None:
        """99th percentile since the last question, ms; None: nothing was measured, or it cannot be asked."""
        try:
            with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310 - a server of ours
                now = buckets(answer.read())
        except OSError:
            return None
        since = {le: count - self._before.get(le, 0.0) for le, count in now.items()}
        self._before = now
        seconds = quantile(since, 0.99)
        return None if seconds is None else 1000 * seconds


def buckets(exposition: bytes) -> Buckets:
    """The histogram's cumulative buckets in Prometheus' text format."""
    return {float(le): float(count) for le, count in _BUCKET.findall(exposition)}


def quantile(found: Buckets, q: float) -> float | None:
    """As Prometheus' ``histogram_quantile``: linear within a bucket; above the last bound, that bound. s."""
    bounds = sorted(found)
    total = found[bounds[-1]] if bounds else 0.0
    if total <= 0:
        return None
    lower, below = 0.0, 0.0
    for upper in bounds:
        if found[upper] >= q * total:
            if math.isinf(upper):
                return lower
            inside = found[upper] - below
            return lower + (upper - lower) * ((q * total - below) / inside if inside else 0.0)
        lower, below = upper, found[upper]
    return lower
