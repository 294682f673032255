"""The same turn on both sides of a comparison: how much later it was answered on one. Pure.

Blocks of one load meet the same calls: the same voices say the same words at the same moments. A turn is
held against itself, so that what differs from turn to turn is in neither side's favour. Each of ours is held
against the block next to it, and a machine that drifts has little time to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.compare import ORDER, whole_rounds
from loadtests.ratios import MIN_CALLS
from loadtests.results import Block, Measure, Run, SystemName
from loadtests.statistics import percentile
from loadtests.summary import counted

#: Ours, and the block next to it.
Pair = tuple[Run, Run]
_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Later:
    """How much later turns were answered, ms.

    Attributes:
        mean: of the differences of all turns.
        interval: 95 % of it, drawn by call with its turns (the cluster bootstrap, ``loadtests.ratios``).
        median_with, median_without: of the same turns, each side by itself.
        n: turns with an answer on both sides.
    """

    mean: float
    interval: tuple[float, float]
    median_with: float
    median_without: float
    n: int


def neighbours(
    blocks: Sequence[Block], runs: Sequence[Run], baseline: SystemName, concurrency: int
) -> list[Pair]:
    """Pairs of one baseline's whole rounds at one load: A B and B A of each A B B A.

    Args:
        blocks: of a comparison, in the order of their plan.
        runs: theirs, as far as they were made.
    """
    mine = [
        run
        for block, run in zip(blocks, runs, strict=False)
        if (block.baseline, block.concurrency) == (baseline, concurrency)
    ]
    whole, found = whole_rounds(mine), list[Pair]()
    for begun in range(0, len(whole), len(ORDER)):
        first, second, third, fourth = whole[begun : begun + len(ORDER)]
        found += [(first, second), (fourth, third)]
    return found


def later(pairs: Sequence[Pair], measure: Measure, *, seed: int = 1, draws: int = _DRAWS) -> Later | None:
    """How much later the turns of the first were answered than the same turns of the second.

    Returns:
        None where fewer than ``MIN_CALLS`` calls have such turns.

    Raises:
        ValueError: a pair's blocks did not meet the same calls.
    """
    by_call: list[list[tuple[float, float]]] = []
    for ours, theirs in pairs:
        if ours.seed != theirs.seed:
            raise ValueError("turns are held against themselves: blocks of two seeds have other calls")
        mine, their = _values(ours, measure), _values(theirs, measure)
        calls: dict[int, list[tuple[float, float]]] = {}
        for key in sorted(mine.keys() & their.keys()):
            calls.setdefault(key[0], []).append((mine[key], their[key]))
        by_call += calls.values()
    if len(by_call) < MIN_CALLS:
        return None
    both = [pair for call in by_call for pair in call]
    sums = np.array([sum(a - b for a, b in call) for call in by_call])
    sizes = np.array([len(call) for call in by_call])
    random = np.random.default_rng(seed)
    drawn = random.integers(len(by_call), size=(draws, len(by_call)))
    low, high = np.percentile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [2.5, 97.5])
    return Later(
        float(sums.sum() / sizes.sum()),
        (float(low), float(high)),
        percentile([a for a, _ in both], 50),
        percentile([b for _, b in both], 50),
        len(both),
    )


def _values(run: Run, measure: Measure) -> dict[tuple[int, int], float]:
    turns = [turn for turn in counted(run.turns, measure) if not turn.censored]
    found = {(turn.call, turn.n): getattr(turn, measure) for turn in turns}
    return {key: value for key, value in found.items() if value is not None}
