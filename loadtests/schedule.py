"""When calls start: drawn in advance, so that a slow server cannot slow down what is asked of it.

An *open loop*: a call that is late or long never moves the next one's intended
start. Times are seconds since the run begins. The same seed draws the same times.

Levels are *lines*: a trunk with so many channels, each of which takes one call after another. That is no
Poisson process: it keeps the number of calls in progress where it was meant to be, so that a level of 8 is
not of 14 for a while. *Poisson* arrivals have the bursts of callers who know nothing of each other.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

#: Mean pause of a line between two calls, as a share of how long a call is meant to last.
GAP_SHARE = 0.05


@dataclass(frozen=True, slots=True, order=True)
class Start:
    """One intended start: ``at_s`` after the run begins, the ``n``-th call in order of time, on ``line``."""

    at_s: float
    line: int
    n: int = 0


@dataclass(frozen=True, slots=True)
class MeantCall:
    """What a call of a scenario is taken to be like; s since its intended start.

    Attributes:
        length_s: above zero.
        turns_at_s: when each turn begins that is spoken and whose answer is waited for.
    """

    length_s: float
    turns_at_s: tuple[float, ...] = ()


def lines(n: int, call_s: float, calls_each: int, seed: int) -> tuple[Start, ...]:
    """Starts of ``n`` lines, each taking one call after another: about ``n`` calls at once.

    Phases are uniform over the first ``call_s``; each next start follows by
    ``call_s`` and an exponential gap of mean ``GAP_SHARE * call_s``. What a line
    draws depends on the seed and on itself only, so more lines add calls and move none.

    Args:
        n: lines, at least 1.
        call_s: how long a call is meant to last, s, above 0.
        calls_each: calls of each line, at least 1.
        seed: of the draw.

    Raises:
        ValueError: an argument is out of its range.
    """
    if n < 1 or calls_each < 1 or call_s <= 0:
        raise ValueError("lines, calls and their length are above zero")
    drawn = []
    for line in range(n):
        rng = random.Random(f"line {line} of {seed}")
        at_s = rng.uniform(0.0, call_s)
        for _ in range(calls_each):
            drawn.append(Start(at_s, line))
            at_s += call_s + rng.expovariate(1 / (GAP_SHARE * call_s))
    return _numbered(drawn)


def poisson(per_s: float, seconds: float, seed: int) -> tuple[Start, ...]:
    """Starts of a Poisson process of rate ``per_s`` over ``seconds``, each on a line of its own.

    Raises:
        ValueError: rate or time is not above zero.
    """
    if per_s <= 0 or seconds <= 0:
        raise ValueError("rate and time are above zero")
    rng = random.Random(f"poisson of {seed}")
    drawn: list[Start] = []
    at_s = rng.expovariate(per_s)
    while at_s < seconds:
        drawn.append(Start(at_s, len(drawn)))
        at_s += rng.expovariate(per_s)
    return _numbered(drawn)


def at_zero(starts: Sequence[Start]) -> tuple[Start, ...]:
    """The same starts, all earlier by as much as the first one: nobody waits for a first call."""
    first = min((start.at_s for start in starts), default=0.0)
    return tuple(Start(start.at_s - first, start.line, start.n) for start in starts)


def dealt(starts: Sequence[Start], hands: int) -> tuple[tuple[Start, ...], ...]:
    """The starts in ``hands`` parts by line, for that many generator processes; none is empty.

    A line stays in one hand. Fewer parts come back when there are fewer lines.

    Raises:
        ValueError: no hand.
    """
    if hands < 1:
        raise ValueError("at least one hand")
    by_hand: list[list[Start]] = [[] for _ in range(hands)]
    ranks = {line: rank for rank, line in enumerate(sorted({start.line for start in starts}))}
    for start in starts:
        by_hand[ranks[start.line] % hands].append(start)
    return tuple(tuple(part) for part in by_hand if part)


def _numbered(drawn: list[Start]) -> tuple[Start, ...]:
    return tuple(Start(start.at_s, start.line, n) for n, start in enumerate(sorted(drawn)))
