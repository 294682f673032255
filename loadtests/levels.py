"""One level of load: which calls it takes to have so many steady turns, known before it begins. Pure.

What is known in advance are the intended starts; how long a call lasts, and when in it its turns
come, is taken from a server's first call. That call was cold and alone: under load calls may last longer,
and then more of them go on at one time than were meant to. The level is not changed for that (the loop is
open); ``Run.achieved`` tells how many really did.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from controls.errors import OperatorError
from loadtests.run import Offer
from loadtests.schedule import GAP_SHARE, MeantCall, Start, at_zero, lines, poisson
from loadtests.steady_stretch import Arrivals, Span, steady_stretch

#: Calls of a level may last so much shorter or longer than the first one did: turns are counted for each.
_LENGTHS = (0.9, 1.0, 1.1)
#: What tells Poisson arrivals from lines in ``Run.variant``: they never share a chart.
POISSON = "Poisson arrivals"


def level(
    base: Offer, concurrency: int, call: MeantCall, *,
    turns: int = 0, seconds: float = 30.0, arrivals: Arrivals = "lines",
) -> Offer:  # fmt: skip
    """An offer of about so many calls at once.

    Args:
        base: whatever else is to be equal.
        concurrency: lines; or the mean number of calls in progress (Erlang) of Poisson arrivals.
        call: what a call is taken to be like.
        turns: so many steady ones at least (spoken, their answer waited for); 0: by time.
        seconds: so long calls are started, about; several lines take two calls each at least, however long.

    Raises:
        OperatorError: not one call arrives in that time.
    """
    if arrivals == "poisson":
        return _poisson_level(base, concurrency, call, turns, seconds)
    for each in _calls_each(concurrency, call, turns, seconds):
        starts = at_zero(lines(concurrency, call.length_s, each, base.seed))
        if steady_turns("lines", starts, call) >= turns or not call.turns_at_s:
            break
    return base.of(starts, concurrency)


def steady_turns(arrivals: Arrivals, starts: Sequence[Start], call: MeantCall) -> int:
    """How many turns that are spoken and waited for will begin while the load stands, at least."""
    found = []
    for share in _LENGTHS:
        meant = [Span(start, start.at_s, start.at_s + share * call.length_s) for start in starts]
        stretch = steady_stretch(arrivals, starts, meant)
        within = (start.at_s + share * at_s in stretch for start in starts for at_s in call.turns_at_s)
        found.append(sum(within))
    return min(found)


def _calls_each(n: int, call: MeantCall, turns: int, seconds: float) -> Iterator[int]:
    """How many calls a line may take: by time there is one answer, by turns it begins low and goes up."""
    fewest = 1 if n == 1 else 2  # lines of one call each: their load never stands
    if not turns:
        yield max(fewest, math.ceil(seconds / (call.length_s * (1 + GAP_SHARE))))
        return
    least = math.ceil(turns / (n * max(1, len(call.turns_at_s))))
    each = max(fewest, least)
    while True:
        yield each
        each += 1


def _poisson_level(base: Offer, concurrency: int, call: MeantCall, turns: int, seconds: float) -> Offer:
    rate = concurrency / call.length_s
    wanted = turns if call.turns_at_s else 0
    if wanted:
        seconds = call.length_s + wanted / (rate * len(call.turns_at_s))
    starts = poisson(rate, seconds, base.seed)
    while steady_turns("poisson", starts, call) < wanted:
        seconds += call.length_s
        starts = poisson(rate, seconds, base.seed)
    if not starts:
        raise OperatorError(
            f"not one call arrives in {seconds:.0f} s at {concurrency} at once with seed {base.seed}: "
            "give more seconds, --turns, or another --seed"
        )
    variant = ", ".join(part for part in (base.variant, POISSON) if part)
    return replace(base.of(starts, concurrency), arrivals="poisson", variant=variant)
