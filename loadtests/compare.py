"""Ours against baselines in short blocks, A B B A: what drifts meets both sides alike.

Both servers stay up through all blocks of a comparison: restarted ones would be cold
in every block. An idle one next to the one that is called costs it nothing that
could be measured; the suppliers, the audio, the schedule and its seed are the same for
both, and the blocks of one load have the same seed, so that ours and theirs meet the same calls.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from loadtests.ratios import ratios
from loadtests.results import Block, Comparison, Row, Run, SystemName
from loadtests.validity import why_no_comparison

Side = Literal["ours", "theirs"]
#: One comparison's blocks.
ORDER: tuple[Side, ...] = ("ours", "theirs", "theirs", "ours")


def plan(baselines: Sequence[SystemName], concurrencies: Sequence[int]) -> tuple[Block, ...]:
    """Every block in order: each load, each baseline, A B B A."""
    found: list[Block] = []
    for concurrency in concurrencies:
        for baseline in baselines:
            for side in ORDER:
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


def comparison(done: Sequence[tuple[Block, Run]], seed: int) -> Comparison:
    """Rows of every A B B A that is whole, and why it counts, or does not.

    Blocks of a baseline are compared with the two of ours around them only.
    """
    rows: list[Row] = []
    reasons: list[str] = []
    groups: dict[tuple[SystemName, int], list[Run]] = {}
    for block, run in done:
        groups.setdefault((block.baseline, block.concurrency), []).append(run)
    for (baseline, concurrency), runs in groups.items():
        ours = [run for run in runs if run.system == "ours"]
        theirs = [run for run in runs if run.system != "ours"]
        where = f"{baseline} at {concurrency}"
        if len(runs) < len(ORDER) or any(not run.offered or "cut_short" in run.outcomes for run in runs):
            reasons.append(f"{where}: not all of its blocks were made")
            continue
        reasons += [f"{where}: {why}" for why in why_no_comparison(ours, theirs)]
        rows += ratios(ours, theirs, seed=seed)
    if not groups:
        reasons.append("no block was made")
    return Comparison(
        valid=not reasons,
        invalid_because=tuple(reasons),
        blocks=tuple(block for block, _ in done),
        rows=tuple(rows),
    )
