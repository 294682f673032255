"""What a server tells of itself through ``/metrics``: how it stands still, what clauses wait for."""

from __future__ import annotations

import math
import re
import urllib.request
from collections.abc import Mapping
from itertools import pairwise

from loadtests.shapes import Histogram
from loadtests.systems import Stalls

_UNDERRUNS = re.compile(rb'^sayso_(track_)?underruns_total\{cause="([a-z]+)"\} ([0-9.eE+]+)$', re.MULTILINE)
_UNCOVERED = re.compile(rb"^sayso_gc_pause_uncovered_seconds ([0-9.eE+-]+)$", re.MULTILINE)
_LAG, _GOVERNANCE = "sayso_loop_lag_seconds", "sayso_clause_governance_seconds"
#: Upper bound of a bucket, s, to how often it was no later than that.
Buckets = Mapping[float, float]


class VitalSigns:
    """One server's; each question is answered for the time since the same one was last asked."""

    def __init__(self, address: str) -> None:
        """Make it for a server at ``address`` (http, loopback)."""
        self._url = f"{address}/metrics"
        self._before: dict[str, Buckets] = {}

    def sample(self, name: str) -> float | None:
        """A gauge without labels as it is now; None: there is none, or it cannot be asked."""
        exposition = self._exposition()
        found = re.search(rf"^{re.escape(name)} ([0-9.eE+-]+)$".encode(), exposition or b"", re.MULTILINE)
        return float(found[1]) if found else None

    def stalls(self) -> Stalls | None:
        """What the server counted since it came up; None: it does not tell, or cannot be asked."""
        return stalls(self._exposition() or b"")

    def p99_ms(self) -> float | None:
        """99th percentile since the last question, ms; None: nothing was measured, or it cannot be asked."""
        seconds = quantile(self._since(_LAG), 0.99)
        return None if seconds is None else 1000 * seconds

    def governance(self) -> Histogram | None:
        """What each clause's verdict and record took since the last question; None: it does not tell."""
        since = self._since(_GOVERNANCE)
        bounds = sorted(since)
        if not bounds:
            return None
        cumulated = [0, *(round(since[bound]) for bound in bounds)]
        counts = [after - before for before, after in pairwise(cumulated)]
        return Histogram(
            bounds_ms=tuple(round(1000 * bound, 6) for bound in bounds[:-1]), counts=tuple(counts[:-1]),
            above=counts[-1],
        )  # fmt: skip

    def _since(self, name: str) -> Buckets:
        exposition = self._exposition()
        if exposition is None:
            return {}
        now, before = buckets(exposition, name), self._before.get(name, {})
        self._before[name] = now
        return {le: count - before.get(le, 0.0) for le, count in now.items()}

    def _exposition(self) -> bytes | None:
        try:
            with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310 - a server of ours
                found: bytes = answer.read()
        except OSError:
            return None
        return found


def stalls(exposition: bytes) -> Stalls | None:
    """Of a server's own making, each silence once; None: nothing there tells.

    A browser's track tells its silences beside egress, which has counted all but those of no known cause.
    """
    uncovered = _UNCOVERED.search(exposition)
    if uncovered is None:
        return None
    counted = [
        float(count)
        for track, cause, count in _UNDERRUNS.findall(exposition)
        if (cause == b"unknown" if track else cause != b"source")
    ]
    return Stalls(float(uncovered[1]), round(sum(counted)))


def buckets(exposition: bytes, name: str = _LAG) -> Buckets:
    """A histogram's cumulative buckets, the infinite one last, in Prometheus' text format."""
    pattern = rf'^{re.escape(name)}_bucket\{{le="([^"]+)"\}} ([0-9.eE+]+)'.encode()
    return {float(le): float(count) for le, count in re.findall(pattern, exposition, re.MULTILINE)}


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
