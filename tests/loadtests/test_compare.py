"""A comparison alternates A B B A, compares whole rounds only, and says why it does not count."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.compare import compare, comparison, cpu_drift_percent, plan, whole_rounds
from loadtests.results import Block, Resources, Run, SystemName
from tests.loadtests import made_up

pytestmark = pytest.mark.anyio

RUN = made_up.run("defaults", calls=1)


def made(block: Block, **changed: object) -> Run:
    return made_up.run(block.system, concurrency=block.concurrency, block=block.n, calls=4, **changed)  # type: ignore[arg-type]


def blocks_of(*cpu_ms: float, **changed: object) -> list[tuple[Block, Run]]:
    """A round for every four figures: what a call-second of each block cost, MADE UP."""
    blocks = plan(["defaults"], [1], rounds=len(cpu_ms) // 4)
    resources = [Resources(cpu_ms_per_call_s=cpu) for cpu in cpu_ms]
    return [(b, made(b, resources=r, **changed)) for b, r in zip(blocks, resources, strict=True)]


def test_each_load_meets_each_baseline_a_b_b_a():
    blocks = plan(["defaults", "controls_off"], [1, 4], rounds=1)
    assert [block.system for block in blocks[:8]] == [
        "ours", "defaults", "defaults", "ours", "ours", "controls_off", "controls_off", "ours",
    ]  # fmt: skip
    assert [block.n for block in blocks] == list(range(16))
    assert {block.concurrency for block in blocks[:8]} == {1}


@settings(deadline=None)
@given(
    baselines=st.lists(
        st.sampled_from(["defaults", "equal_silence", "controls_off"]), min_size=1, unique=True
    ),
    loads=st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True),
    rounds=st.integers(1, 4),
)
def test_a_plan_is_whole_rounds_of_growing_loads(baselines: list[SystemName], loads: list[int], rounds: int):
    blocks = plan(baselines, loads, rounds)
    assert [block.n for block in blocks] == list(range(4 * rounds * len(baselines) * len(loads)))
    assert [block.concurrency for block in blocks] == sorted(block.concurrency for block in blocks)
    for begun in range(0, len(blocks), 4):
        a, b, c, d = blocks[begun : begun + 4]
        assert a.system == d.system == "ours"
        assert b.system == c.system == a.baseline == b.baseline
        assert len({(x.baseline, x.concurrency) for x in (a, b, c, d)}) == 1
    pairs = Counter((block.baseline, block.concurrency) for block in blocks)
    assert set(pairs.values()) == {4 * rounds}


def test_no_round_is_no_plan():
    with pytest.raises(ValueError, match="0 rounds"):
        plan(["defaults"], [1], rounds=0)


async def test_rows_are_of_each_baseline_and_load():
    async def make(block: Block) -> Run:
        return made(block)

    done = await compare(plan(["defaults", "equal_silence"], [1, 2]), make)
    found = comparison(done, seed=3)
    assert found.valid, found.invalid_because
    assert {(row.baseline, row.concurrency) for row in found.rows} == {
        (baseline, n) for baseline in ("defaults", "equal_silence") for n in (1, 2)
    }
    assert len(found.blocks) == 32


@pytest.mark.parametrize("made_blocks", range(17))
async def test_whole_rounds_count_and_what_is_left_of_one_is_said(made_blocks: int):
    seen: list[Run] = []
    said: list[str] = []

    async def make(block: Block) -> Run:
        return made(block)

    blocks = plan(["defaults", "equal_silence"], [1])
    done = await compare(blocks, make, stopped=lambda: len(seen) == made_blocks, on_run=seen.append)
    found = comparison(done, seed=1, left_out=said.append)
    assert len(done) == made_blocks
    assert len(found.blocks) == made_blocks
    costs = {row.baseline: row.n for row in found.rows if row.measure == "cpu_ms_per_call_s"}
    rounds = {"defaults": min(8, made_blocks) // 4, "equal_silence": max(0, made_blocks - 8) // 4}
    assert costs == {baseline: 2 * n for baseline, n in rounds.items() if n}
    begun = [baseline for baseline, least in (("defaults", 0), ("equal_silence", 8)) if made_blocks > least]
    assert found.invalid_because == (
        tuple(
            f"{baseline} at 1: not one round of its blocks was made"
            for baseline in begun
            if not rounds[baseline]
        )
        or (() if begun else ("no block was made",))
    )
    rest = [why for why in said if "of a round that was not made to its end" in why]
    assert len(rest) == (1 if made_blocks % 4 and rounds[begun[-1]] else 0)


def test_a_block_that_was_cut_short_takes_its_round_with_it():
    done = blocks_of(*[9.0, 40.0, 40.0, 9.0] * 2)
    block, run = done[6]
    done[6] = block, run.model_copy(update={"outcomes": {"completed": 2, "cut_short": 2}})
    said: list[str] = []
    found = comparison(done, seed=1, left_out=said.append)
    assert found.valid, found.invalid_because
    assert {row.n for row in found.rows if row.measure == "cpu_ms_per_call_s"} == {2}
    assert "defaults at 1: 4 blocks of a round that was not made to its end" in said


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=0, max_size=16))
def test_what_is_whole_is_made_of_whole_rounds_only(finished: list[bool]):
    runs = [RUN if done else RUN.model_copy(update={"outcomes": {"cut_short": 1}}) for done in finished]
    rounds = [finished[n : n + 4] for n in range(0, len(finished), 4)]
    assert len(whole_rounds(runs)) == 4 * rounds.count([True] * 4)


def test_a_share_of_cpu_that_drifted_from_round_to_round_is_no_ratio_and_all_others_stay():
    said: list[str] = []
    slower = comparison(blocks_of(9, 40, 44.2, 11, 18, 80, 88.4, 22), seed=1)
    moved = comparison(blocks_of(9, 40, 40, 9, 9, 36, 36, 9), seed=1, left_out=said.append)
    assert {row.measure for row in slower.rows} - {row.measure for row in moved.rows} == {"cpu_ms_per_call_s"}
    assert slower.valid, "a machine that grew slower met both sides of each round alike"
    assert moved.valid, "what the callers were given is as comparable as before"
    assert "defaults at 1: cpu_ms_per_call_s: its ratio drifted by 11.1 % between rounds, over 10 %" in said


def test_ours_may_cost_more_from_block_to_block():
    found = comparison(blocks_of(9, 40, 40, 18), seed=1)
    [row] = [row for row in found.rows if row.measure == "cpu_ms_per_call_s"]
    assert (row.ci, row.ci_is, row.n) == ((9 / 40, 18 / 40), "range", 2)


def costing(*cpu_ms: float | None) -> list[Run]:
    return [RUN.model_copy(update={"resources": Resources(cpu_ms_per_call_s=v)}) for v in cpu_ms]


COST = st.floats(1, 1000)


@settings(deadline=None)
@given(st.lists(st.tuples(COST, COST, st.floats(0.1, 10)), min_size=2, max_size=4))
def test_drift_is_of_the_smallest_share_however_fast_the_machine_was(
    rounds: list[tuple[float, float, float]],
):
    def drift(made: list[tuple[float, float, float]]) -> float:
        blocks = [cost * pace for a, b, pace in made for cost in (a, b, b, a)]
        found = cpu_drift_percent(costing(*blocks))
        assert found is not None
        return found

    shares = [a / b for a, b, _ in rounds]
    assert drift(rounds) == pytest.approx(100 * (max(shares) / min(shares) - 1), rel=1e-6, abs=1e-6)
    assert drift(rounds[::-1]) == pytest.approx(drift(rounds), rel=1e-6, abs=1e-6)


def test_drift_needs_two_rounds_that_tell():
    assert cpu_drift_percent([]) is None
    assert cpu_drift_percent(costing(9, 40, 80, 9)) is None
    assert cpu_drift_percent(costing(9, 40, 40, 9, 9, None, 40, 9)) is None
    assert cpu_drift_percent(costing(9, 40, 40, 9, 9, 40, 40, 9)) == 0


def test_a_block_that_does_not_count_makes_the_comparison_invalid():
    blocks = plan(["defaults"], [1])
    runs = [(block, made(block)) for block in blocks]
    runs[1] = (blocks[1], made(blocks[1], valid=False, invalid_because=("stolen",)))
    found = comparison(runs, seed=1)
    assert not found.valid
    assert "defaults at 1: block 1 (defaults): stolen" in found.invalid_because


def test_nothing_made_is_no_comparison():
    assert not comparison([], seed=1).valid
