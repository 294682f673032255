"""More and more calls at once until the knee: the first load that a system does not carry.

A load is *carried* when

1. the p95 of each target's measure is below it (a maximum stands in only where n is too small for a p95),
   with what a telephone network adds where that is stated;
2. of the calls that came to an end at all, at most 1 % went otherwise than their script says, and none was
   turned away; those that the test itself cut short or broke are no finding about the server;
3. the agent's speech had a gap of 40 ms or more in at most 5 % of the answers: gaps of all calls, by the
   turns whose answer was waited for and came, until a gap is told by its turn. A stall of over a second is
   not among them: no caller can tell it from a pause between two answers. In a browser packets go on
   through silence: there a gap is what the network lost;
4. every audible event of a call has its record and every record its event, where the record could be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from loadtests.results import TARGETS_MS, Call, Measure, Run, Turn

#: Of the calls that came to an end, so many percent have to go as their script says.
LEAST_COMPLETED_PERCENT = 99.0
#: Gaps, of the answers that were waited for.
MOST_GAPS_PERCENT = 5.0
#: Outcomes by which a server says that it takes no more.
_TURNED_AWAY = ("refused", "unreachable")
#: Outcomes that are the test's own doing.
OURS = frozenset({"cut_short", "harness_failed"})
_MEASURES: tuple[Measure, ...] = ("asr_to_first_token_ms", "first_audio_out_ms")


@dataclass(frozen=True, slots=True)
class Knee:
    """Where a ramp ended.

    Attributes:
        carried: the highest level that was carried; None: not even the first.
        missed: the first that was not, or that did not count; None: the ramp ended before.
        why: what was missed there, or why it does not count.
        by: what ended the ramp: the server, or the test (nobody knows what the server would have borne).
    """

    carried: int | None
    missed: int | None
    why: tuple[str, ...] = ()
    by: Literal["server", "test", ""] = ""

    def __str__(self) -> str:
        """One sentence for people."""
        why = f": {'; '.join(self.why)}" if self.why else ""
        if self.by == "test":
            known = "not one load counts" if self.carried is None else f"no knee found up to {self.carried}"
            return f"the test itself could not go on at {self.missed}{why}; {known}"
        if self.missed is None:
            return (
                "no load was made" if self.carried is None else f"no knee up to {self.carried} calls at once"
            )
        carried = "none carried" if self.carried is None else f"{self.carried} carried"
        return f"knee at {self.missed} calls at once ({carried}){why}"


def levels(most: int) -> Iterator[int]:
    """1, 2, 4, 8 … up to ``most``."""
    level = 1
    while level <= most:
        yield level
        level *= 2


def missed(run: Run, allowance_ms: float = 0) -> tuple[str, ...]:
    """Why a run, or several of one load put together, was not carried; empty when it was.

    Args:
        allowance_ms: what a network behind the carrier adds, stated, to both targets' figures.
    """
    found = []
    for measure in _MEASURES:
        spread = run.summary.get(measure)
        if spread is None:
            continue
        name, figure = ("p95", spread.p95) if spread.p95 is not None else ("maximum", spread.max)
        if figure + allowance_ms >= TARGETS_MS[measure]:
            added = f" and {allowance_ms:.0f} ms of network" if allowance_ms else ""
            found.append(
                f"{measure} {name} {figure:.0f} ms{added}, target {TARGETS_MS[measure]:.0f} ms (n {spread.n})"
            )
    if "first_audio_out_ms" not in run.summary and _ended(run):
        found.append("no turn was answered while the load stood")
    return (*found, *_not_completed(run), *_gaps(run), *_not_on_record(run))


def _ended(run: Run) -> int:
    """Calls that came to an end of their own, or the server's."""
    return sum(count for outcome, count in run.outcomes.items() if outcome not in OURS)


def _not_completed(run: Run) -> Iterator[str]:
    ended, completed = _ended(run), run.outcomes.get("completed", 0)
    if ended and 100 * completed / ended < LEAST_COMPLETED_PERCENT:
        yield f"{completed} of {ended} calls completed"
    turned_away = sum(run.outcomes.get(outcome, 0) for outcome in _TURNED_AWAY)
    if turned_away:
        yield f"{turned_away} calls were turned away"


def gaps_in_answers(calls: Iterable[Call], turns: Iterable[Turn]) -> tuple[int, int]:
    """Gaps of at least 40 ms in the agent's speech, and answers that were waited for and came."""
    came = (
        turn.kind != "backchannel" and turn.first_audio_out_ms is not None and not turn.censored
        for turn in turns
    )
    return sum(len(call.gaps) for call in calls), sum(came)


def _gaps(run: Run) -> Iterator[str]:
    gaps, answers = gaps_in_answers(run.calls, run.turns)
    if answers and 100 * gaps / answers > MOST_GAPS_PERCENT:
        yield f"{gaps} gaps of 40 ms or more in {answers} answers, over {MOST_GAPS_PERCENT:.0f} %"


def _not_on_record(run: Run) -> Iterator[str]:
    known = [call.completeness for call in run.calls if call.outcome not in OURS and call.completeness]
    torn = sum(not completeness.whole for completeness in known)
    if torn:
        yield f"the record of {torn} of {len(known)} calls is not whole"


async def ramp(
    offer: Callable[[int], Awaitable[Run]],
    most: int,
    *,
    stop: asyncio.Event,
    on_run: Callable[[Run], None] = lambda run: None,
    allowance_ms: float = 0,
) -> Knee:
    """Offer level after level until one is not carried.

    A level that does not count (``valid`` is false) ends the ramp as well (``Knee.by``): beyond it
    the test, not the server, would be measured.

    Args:
        offer: makes one run at so many calls at once.
        most: the last level at the latest.
        stop: when set, no further level is begun.
        on_run: told of each.
        allowance_ms: see ``missed``.
    """
    carried: int | None = None
    for level in levels(most):
        run = await offer(level)
        on_run(run)
        if not run.valid:
            return Knee(carried, level, run.invalid_because, by="test")
        if stop.is_set():
            break
        if why := missed(run, allowance_ms):
            return Knee(carried, level, why, by="server")
        carried = level
    return Knee(carried, None)
