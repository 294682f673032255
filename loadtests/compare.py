"""Ours against baselines in short blocks, A B B A: what drifts meets both sides alike.

Both servers stay up through all blocks of a comparison: restarted ones would be cold
in every block. An idle one next to the one that is called costs it nothing that
could be measured; the suppliers, the audio, the schedule and its seed are the same for
both, and the blocks of one load have the same seed, so that ours and theirs meet the same calls.

One A B B A is a *round*. Rounds are repeated, because what is one number a block (CPU
time) has no interval otherwise; only whole ones count, since half a one favours a side.
Loads grow from group to group, so that what a server keeps of a heavy one is not in the
figures of a lighter one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import isnan
from typing import Literal

from loadtests.ratios import ratios
from loadtests.results import Block, Comparison, Row, Run, SystemName
from loadtests.validity import MOST_DRIFT_PERCENT, why_no_comparison

Side = Literal["ours", "theirs"]
#: One round's blocks.
ORDER: tuple[Side, ...] = ("ours", "theirs", "theirs", "ours")
#: Rounds of each baseline at each load, unless told otherwise: four blocks a side.
ROUNDS = 2
_CPU = "cpu_ms_per_call_s"


def plan(
    baselines: Sequence[SystemName], concurrencies: Sequence[int], rounds: int = ROUNDS
) -> tuple[Block, ...]:
    """Every block in order: each load from the lightest on, each baseline, ``rounds`` times A B B A.

    Raises:
        ValueError: less than one round.
    """
    if rounds < 1:
        raise ValueError(f"{rounds} rounds compare nothing")
    found: list[Block] = []
    for concurrency in sorted(set(concurrencies)):
        for baseline in dict.fromkeys(baselines):
            for side in ORDER * rounds:
                system: SystemName = "ours" if side == "ours" else baseline
                block = Block(n=len(found), system=system, baseline=baseline, concurrency=concurrency)
                found.append(block)
    return tuple(found)


async def compare(
    blocks: Sequence[Block],
    make: Callable[[Block], Awaitable[Run]],
    *,
    stopped: Callable[[], bool] = lambda: False,
    on_run: Callable[[Run], None] = lambda run: None,
) -> list[tuple[Block, Run]]:
    """Make block after block; those done until it was stopped come back.

    Args:
        make: makes one block.
        stopped: asked before each.
        on_run: told of each.
    """
    done = []
    for block in blocks:
        if stopped():
            break
        run = await make(block)
        on_run(run)
        done.append((block, run))
    return done


def comparison(
    done: Sequence[tuple[Block, Run]], seed: int, *, left_out: Callable[[str], object] = lambda why: None
) -> Comparison:
    """Rows of every baseline and load over its whole rounds, and why they count, or do not.

    Blocks of a baseline are compared with those of ours from the same rounds only. Where
    ours took another share of the baseline's CPU from round to round, there is no ratio of
    CPU: the other rows stay.

    Args:
        done: blocks in the order of their plan, as far as they were made.
        seed: of the intervals.
        left_out: told of every row or round that is not there, and why, one sentence each.
    """
    rows: list[Row] = []
    reasons: list[str] = []
    groups: dict[tuple[SystemName, int], list[Run]] = {}
    for block, run in done:
        groups.setdefault((block.baseline, block.concurrency), []).append(run)
    for (baseline, concurrency), made in groups.items():
        where = f"{baseline} at {concurrency}"
        runs = whole_rounds(made)
        if not runs:
            reasons.append(f"{where}: not one round of its blocks was made")
            continue
        if len(runs) < len(made):
            left_out(f"{where}: {len(made) - len(runs)} blocks of a round that was not made to its end")
        ours = [run for run in runs if run.system == "ours"]
        theirs = [run for run in runs if run.system != "ours"]
        reasons += [f"{where}: {why}" for why in why_no_comparison(ours, theirs)]
        found = ratios(ours, theirs, seed=seed, left_out=left_out)
        drift = cpu_drift_percent(runs)
        if drift is not None and drift > MOST_DRIFT_PERCENT:
            found = tuple(row for row in found if row.measure != _CPU)
            left_out(
                f"{where}: {_CPU}: its ratio drifted by {drift:.1f} % between rounds, "
                f"over {MOST_DRIFT_PERCENT:.0f} %"
            )
        rows += found
    if not groups:
        reasons.append("no block was made")
    return Comparison(
        valid=not reasons,
        invalid_because=tuple(reasons),
        blocks=tuple(block for block, _ in done),
        rows=tuple(rows),
    )


def whole_rounds(made: Sequence[Run]) -> list[Run]:
    """Of one baseline at one load: the runs of those rounds of which every block was made to its end."""
    found: list[Run] = []
    for begun in range(0, len(made), len(ORDER)):
        round_ = made[begun : begun + len(ORDER)]
        if len(round_) == len(ORDER) and all(
            run.offered and "cut_short" not in run.outcomes for run in round_
        ):
            found += round_
    return found


def cpu_drift_percent(runs: Sequence[Run]) -> float | None:
    """How much more of a baseline's CPU ours took in one round than in another, of whole rounds.

    A machine that grows slower from block to block makes both sides of a round dearer, and their ratio
    stays: that is what the order A B B A is for. Percent of the smallest ratio; None: fewer than two rounds
    tell, and a row then says the range over its blocks.
    """
    found: list[float] = []
    for begun in range(0, len(runs), len(ORDER)):
        sums = {"ours": 0.0, "theirs": 0.0}
        for side, run in zip(ORDER, runs[begun : begun + len(ORDER)], strict=True):
            sums[side] += run.resources.cpu_ms_per_call_s or float("nan")
        share = sums["ours"] / sums["theirs"]
        if not isnan(share):
            found.append(share)
    if len(found) < 2:
        return None
    return 100 * (max(found) - min(found)) / min(found)
