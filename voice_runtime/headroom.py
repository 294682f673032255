"""Whether there is room for one more call, by what the process measured of itself. Pure.

Two questions, kept apart:

- *Does it go well now?* After each measurement every figure is compared with its limit. One above it
  shuts the door. It opens again once no figure has been above ``resume_percent`` of its limit for
  ``calm_s``: two thresholds and a time, so that a figure near its limit makes nothing flap.
- *Would one more still fit?* A call costs nothing that can be measured before it speaks. Until a stretch
  of measured time has begun behind its media's coming, each call that was taken *books* what a call costs.
  One more is taken only while what was measured, all that is booked and the call itself stay within the
  limits. So a burst of arrivals between two measurements is bounded, however fast they come.

States: *open* and *shut*. In both, a call is taken when there is no other: nobody's quality is at stake
but its own, and a measurement that is wrong must not close a house for ever. That is also why a server
which has just started takes calls at once. A call that was taken is never asked about again.

What a call costs is learnt from the calls whose whole stretch was measured; before that, and never less
than a quarter of it, it is what the profile says. Times are s of any one monotonic clock; nothing here
reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from voice_runtime.settings import Headroom as Limits

#: What is measured, by the names of its limits in the profile.
Measure = Literal[
    "loop_lag_ms",
    "loop_percent",
    "cpu_percent",
    "announced_pause_ms",
    "underruns",
    "recogniser_waiting",
    "turn_questions_refused",
]
MEASURES: tuple[Measure, ...] = get_args(Measure)

#: From so many calls on, their share of what is used is taken for what a call costs.
_LEARN_FROM = 4
#: How much of the newest estimate goes into what a call costs.
_LEARN_RATE = 0.2
#: A call is never taken to cost less than this share of what the profile says.
_LEAST_COST = 0.25


@dataclass(frozen=True, slots=True)
class Reading:
    """What a process measured of itself over the last seconds. None: it cannot be measured here.

    Attributes:
        since_s: when the stretch began over which CPU time was measured.
        at_s: when it ended.
        cores: how many the process may use.
        loop_lag_ms: 99th percentile of how late the event loop was, announced pauses left out.
        loop_percent: CPU time of the event loop's thread, % of one core.
        cpu_percent: CPU time of the process and its children, % of ``cores``.
        announced_pause_ms: the longest collection of garbage that audio was sent ahead of.
        underruns: silences in the agent's speech that were of our making.
        recogniser_waiting: utterances that wait for a place in a recogniser; the fewest over the stretch,
            since a queue that empties again and again is none.
        turn_questions_refused: questions the turn model was too busy for.
    """

    since_s: float
    at_s: float
    cores: float = 1.0
    loop_lag_ms: float | None = None
    loop_percent: float | None = None
    cpu_percent: float | None = None
    announced_pause_ms: float | None = None
    underruns: int = 0
    recogniser_waiting: int = 0
    turn_questions_refused: int = 0

    def of(self, measure: Measure) -> float | None:
        """One of its figures."""
        value: float | None = getattr(self, measure)
        return value


@dataclass(frozen=True, slots=True)
class Change:
    """The door was shut, or opened again. ``over``: what is above its limit ("loop_lag_ms 52 > 40")."""

    open: bool
    over: tuple[str, ...] = ()


class Headroom:
    """One process's room for calls.

    In order: ``take`` a call, ``came`` when its media is connected, ``drop`` when it is over or never came.
    ``measured`` whenever there is a reading.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._reading: Reading | None = None
        self._over: tuple[Measure, ...] = ()
        self._calm_since_s: float | None = None
        self._booked: dict[str, float | None] = {}
        self._seen: set[str] = set()
        self._cost = {"loop_percent": limits.call_percent, "cpu_percent": limits.call_percent}  # of one core

    # -- calls ------------------------------------------------------------------------------------

    @property
    def calls(self) -> int:
        """Calls that were taken and not dropped."""
        return len(self._booked) + len(self._seen)

    @property
    def booked(self) -> int:
        """Those of them that no measurement has wholly seen yet."""
        return len(self._booked)

    def take(self, call: str, *, returning: bool = False) -> Measure | None:
        """Take a call and book what it costs; or say which measure is short, and take nothing.

        A call that has been taken is taken again whatever is measured.

        Args:
            returning: it was taken before and comes back (a transfer that failed): it is never short.
        """
        if call in self._booked or call in self._seen:
            return None
        short = self._short() if self.calls and not returning else None
        if short is None:
            self._booked[call] = None
        return short

    def came(self, call: str, at_s: float) -> None:
        """A call's media is connected: from now on it costs what it costs."""
        if call in self._booked:
            self._booked[call] = at_s

    def drop(self, call: str) -> None:
        """A call is over, or never came; harmless when it was never taken."""
        self._booked.pop(call, None)
        self._seen.discard(call)

    def _short(self) -> Measure | None:
        if self._over:
            return self._over[0]
        for measure, one in self._costs():
            value = (self._reading.of(measure) if self._reading else None) or 0.0
            if value + (self.booked + 1) * one > self._limit(measure):
                return measure
        return None

    def _costs(self) -> Iterator[tuple[Measure, float]]:
        """What one call adds to each measure that calls add to."""
        yield "loop_percent", self._cost["loop_percent"]
        yield "cpu_percent", self._cost["cpu_percent"] / (self._reading.cores if self._reading else 1.0)

    # -- measurements -----------------------------------------------------------------------------

    def begin(self) -> None:
        """Serving begins: forget what was measured so far. Who is on the line, and what calls cost, stays."""
        self._reading, self._over, self._calm_since_s = None, (), None

    def measured(self, reading: Reading) -> Change | None:
        """Take a reading, newer than the one before; the change of state it made, if any."""
        self._reading = reading
        came = [(call, at_s) for call, at_s in self._booked.items() if at_s is not None]
        for call in (call for call, at_s in came if at_s <= reading.since_s):
            del self._booked[call]
            self._seen.add(call)
        self._learn(reading)
        over = tuple(m for m in MEASURES if self._used(m) > 1.0)
        if over:
            shut, self._over, self._calm_since_s = not self._over, over, None
            return Change(False, tuple(self._words(m) for m in over)) if shut else None
        return self._calm(reading.at_s) if self._over else None

    def _calm(self, at_s: float) -> Change | None:
        resume = self._limits.resume_percent / 100
        if any(self._used(m) > resume for m in MEASURES):
            self._calm_since_s = None
            return None
        if self._calm_since_s is None:
            self._calm_since_s = at_s
        if at_s - self._calm_since_s < self._limits.calm_s:
            return None
        self._over, self._calm_since_s = (), None
        return Change(True)

    def _learn(self, reading: Reading) -> None:
        """Bring what a call costs nearer to what those on the line do, everything beside them included."""
        if len(self._seen) < _LEARN_FROM:
            return
        least = _LEAST_COST * self._limits.call_percent
        for name, percent in (
            ("loop_percent", reading.loop_percent),
            ("cpu_percent", None if reading.cpu_percent is None else reading.cpu_percent * reading.cores),
        ):
            if percent is not None:
                estimate = max(least, percent / len(self._seen))
                self._cost[name] += _LEARN_RATE * (estimate - self._cost[name])

    def _limit(self, measure: Measure) -> float:
        return float(getattr(self._limits, measure))

    def _used(self, measure: Measure) -> float:
        """A figure as a share of its limit; 0 where it is unknown."""
        value = (self._reading.of(measure) if self._reading else None) or 0.0
        limit = self._limit(measure)
        return value / limit if limit else float(value > 0) * 2.0  # no limit left: anything is above it

    def _words(self, measure: Measure) -> str:
        value = (self._reading.of(measure) if self._reading else None) or 0.0
        return f"{measure} {value:.4g} > {self._limit(measure):.4g}"

    # -- for people and metrics -------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether the newest measurements let calls in; what is booked may still keep one out."""
        return not self._over

    def used(self) -> dict[Measure, float]:
        """Each figure as a share of its limit, as last measured."""
        return {measure: self._used(measure) for measure in MEASURES}

    def state(self) -> dict[str, Any]:
        """For ``/readyz``: open or not, why, every figure with its limit, and what is booked."""
        reading = self._reading
        return {
            "open": self.open,
            "over": list(self._over),
            "measures": {
                m: {"now": _rounded(reading.of(m) if reading else None), "limit": self._limit(m)}
                for m in MEASURES
            },
            "booked": self.booked,
            "call_percent": _rounded(self._cost["cpu_percent"]),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
