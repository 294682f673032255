"""More and more calls at once until the knee: the first load that a system does not carry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from loadtests.results import TARGETS_MS, Measure, Run

#: Of the calls offered, so many percent have to go as their script says.
LEAST_COMPLETED_PERCENT = 99.0
#: Outcomes by which a server says that it takes no more.
_TURNED_AWAY = ("refused", "unreachable")
_MEASURES: tuple[Measure, ...] = ("asr_to_first_token_ms", "first_audio_out_ms")


@dataclass(frozen=True, slots=True)
class Knee:
    """Where a ramp ended.

    Attributes:
        carried: the highest level that was carried; None: not even the first.
        missed: the first that was not; None: the ramp ended before.
        why: what was missed there.
    """

    carried: int | None
    missed: int | None
    why: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One sentence for people."""
        if self.missed is None:
            return f"no knee up to {self.carried} calls at once"
        carried = "none carried" if self.carried is None else f"{self.carried} carried"
        return f"knee at {self.missed} calls at once ({carried}): {'; '.join(self.why)}"


def levels(most: int) -> Iterator[int]:
    """1, 2, 4, 8 … up to ``most``."""
    level = 1
    while level <= most:
        yield level
        level *= 2


def missed(run: Run) -> tuple[str, ...]:
    """Why a run was not carried; empty when it was. A maximum stands in for a p95 that n cannot carry."""
    found = []
    for measure in _MEASURES:
        spread = run.summary.get(measure)
        if spread is None:
            continue
        name, figure = ("p95", spread.p95) if spread.p95 is not None else ("maximum", spread.max)
        if figure >= TARGETS_MS[measure]:
            found.append(
                f"{measure} {name} {figure:.0f} ms, target {TARGETS_MS[measure]:.0f} ms (n {spread.n})"
            )
    if run.offered and 100 * run.completed / run.offered < LEAST_COMPLETED_PERCENT:
        found.append(f"{run.completed} of {run.offered} calls completed")
    turned_away = sum(run.outcomes.get(outcome, 0) for outcome in _TURNED_AWAY)
    if turned_away:
        found.append(f"{turned_away} calls were turned away")
    if run.offered and "first_audio_out_ms" not in run.summary:
        found.append("no turn was answered")
    return tuple(found)


async def ramp(
    offer: Callable[[int], Awaitable[Run]],
    most: int,
    *,
    stop: asyncio.Event,
    on_run: Callable[[Run], None] = lambda run: None,
) -> Knee:
    """Offer level after level until one is not carried.

    A level that does not count (``valid`` is false) ends the ramp as well: beyond it the
    generator, not the server, would be measured.

    Args:
        offer: makes one run at so many calls at once.
        most: the last level at the latest.
        stop: when set, no further level is begun.
        on_run: told of each.
    """
    carried: int | None = None
    for level in levels(most):
        run = await offer(level)
        on_run(run)
        if not run.valid:
            return Knee(carried, level, tuple(f"not valid: {why}" for why in run.invalid_because))
        if stop.is_set():
            break
        if why := missed(run):
            return Knee(carried, level, why)
        carried = level
    return Knee(carried, None)
