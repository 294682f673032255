"""The stretch of a run in which its load stands, and how many calls really go on at one time. Pure.

A run builds its load up and lets it down again; in between it stands. What is said then is of that
load, what is said before and after is of a smaller one, and would flatter it.

- *Lines* (each takes one call after another): from the moment every line's first call was meant to begin
  to the moment the first line has no further call, which is the earliest end of a line's last call. A line
  whose last call was never made (the test was cut short) had one more to come. Lines of one call each
  have no such stretch worth the name: the last has hardly begun when the first is over.
- *Poisson arrivals*: from one mean call length after the beginning to the last intended start.

Where there is no such stretch, the whole run is taken for it and no turn lies at an edge; how
many calls went on is told all the same, truthfully (``Achieved.mean``).

Times are seconds since the run began. Nothing here knows what a call said or came to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtests.generator.job import Finished
from loadtests.results import Achieved
from loadtests.schedule import Start
from voice_runtime.events import RATE_HZ

#: How starts are drawn (``loadtests.schedule``).
Arrivals = Literal["lines", "poisson"]


@dataclass(frozen=True, slots=True)
class Span:
    """One call, from being answered (``began_s``; None: never) to being over, whatever it came to."""

    start: Start
    began_s: float | None
    ended_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``from_s`` to ``to_s``, both within."""

    from_s: float
    to_s: float

    def __contains__(self, at_s: float) -> bool:
        return self.from_s <= at_s <= self.to_s


def spans(calls: Iterable[Finished]) -> list[Span]:
    """The calls a run was told of."""
    return [Span(call.start, at_s(call, 0), call.ended_at_s) for call in calls]


def at_s(call: Finished, sample: int) -> float | None:
    """When the caller's ``sample``-th sample since it was answered was due; None: never answered."""
    if call.answered_ms is None:
        return None
    return call.start.at_s + call.answered_ms / 1000 + sample / RATE_HZ


def steady_stretch(arrivals: Arrivals, starts: Sequence[Start], told: Sequence[Span]) -> Stretch:
    """The stretch in which the load stands (module docstring).

    Args:
        arrivals: how ``starts`` were drawn.
        starts: every intended one.
        told: the calls that came of them; fewer where the test was cut short.
    """
    over_s = max((span.ended_s for span in told), default=0.0)
    found = _of_lines(starts, told, over_s) if arrivals == "lines" else _of_poisson(told)
    return found if found is not None and found.from_s < found.to_s else Stretch(0.0, over_s)


def _of_lines(starts: Sequence[Start], told: Sequence[Span], over_s: float) -> Stretch | None:
    each = Counter(start.line for start in starts)
    if not each or min(each.values()) < 2:
        return None
    ordered = sorted(starts)
    first_s = {start.line: start.at_s for start in reversed(ordered)}
    last_n = {start.line: start.n for start in ordered}
    ended_s = {span.start.n: span.ended_s for span in told}
    ends_s = [ended_s[n] for n in last_n.values() if n in ended_s]
    return Stretch(max(first_s.values()), min(ends_s, default=over_s))


def _of_poisson(told: Sequence[Span]) -> Stretch | None:
    lengths_s = [_length_s(span) for span in told if span.began_s is not None]
    if not lengths_s:
        return None
    return Stretch(sum(lengths_s) / len(lengths_s), max(span.start.at_s for span in told))


def achieved(told: Sequence[Span], stretch: Stretch) -> Achieved | None:
    """How many calls were in progress, weighted by time over the stretch, and at most; None without calls."""
    if not told:
        return None
    length_s = stretch.to_s - stretch.from_s
    busy_s = 0.0
    for span in told:
        if span.began_s is not None:
            busy_s += max(0.0, min(span.ended_s, stretch.to_s) - max(span.began_s, stretch.from_s))
    return Achieved(
        mean=busy_s / length_s if length_s > 0 else 0.0,
        most=most_at_once(told),
        from_s=stretch.from_s,
        to_s=stretch.to_s,
    )


def most_at_once(told: Iterable[Span]) -> int:
    """The most calls that were in progress at one time; one that ends as another begins is over by then."""
    steps = []
    for span in told:
        if span.began_s is not None:
            steps += [(span.began_s, 1), (span.began_s + _length_s(span), -1)]
    most = now = 0
    for _, step in sorted(steps):
        now += step
        most = max(most, now)
    return most


def _length_s(span: Span) -> float:
    return max(0.0, span.ended_s - span.began_s) if span.began_s is not None else 0.0
