"""A comparison alternates A B B A, compares whole groups only, and says why it does not count."""

from __future__ import annotations

import pytest

from loadtests.compare import Block, compare, comparison, plan
from loadtests.results import Run
from tests.loadtests import made_up

pytestmark = pytest.mark.anyio


def made(block: Block, **changed: object) -> Run:
    return made_up.run(block.system, concurrency=block.concurrency, block=block.n, calls=4, **changed)  # type: ignore[arg-type]


def test_each_load_meets_each_baseline_a_b_b_a():
    blocks = plan(["defaults", "controls_off"], [1, 4])
    assert [block.system for block in blocks[:8]] == [
        "ours", "defaults", "defaults", "ours", "ours", "controls_off", "controls_off", "ours",
    ]  # fmt: skip
    assert [block.n for block in blocks] == list(range(16))
    assert {block.concurrency for block in blocks[:8]} == {1}


async def test_rows_are_of_each_baseline_and_load():
    async def make(block: Block) -> Run:
        return made(block)

    done = await compare(plan(["defaults", "equal_silence"], [1, 2]), make)
    found = comparison(done, seed=3)
    assert found.valid, found.invalid_because
    assert {(row.baseline, row.concurrency) for row in found.rows} == {
        (baseline, n) for baseline in ("defaults", "equal_silence") for n in (1, 2)
    }
    assert len(found.blocks) == 16


async def test_what_was_cut_short_is_left_out_and_said():
    seen: list[Run] = []

    async def make(block: Block) -> Run:
        return made(block)

    blocks = plan(["defaults", "equal_silence"], [1])
    done = await compare(blocks, make, stopped=lambda: len(seen) == 6, on_run=seen.append)
    found = comparison(done, seed=1)
    assert len(done) == 6
    assert not found.valid
    assert found.invalid_because == ("equal_silence at 1: not all of its blocks were made",)
    assert {row.baseline for row in found.rows} == {"defaults"}


def test_a_block_that_does_not_count_makes_the_comparison_invalid():
    blocks = plan(["defaults"], [1])
    runs = [(block, made(block)) for block in blocks]
    runs[1] = (blocks[1], made(blocks[1], valid=False, invalid_because=("stolen",)))
    found = comparison(runs, seed=1)
    assert not found.valid
    assert "defaults at 1: block 1 (defaults): stolen" in found.invalid_because


def test_nothing_made_is_no_comparison():
    assert not comparison([], seed=1).valid
