"""Ratios are bootstrapped by call. All figures made up."""

from __future__ import annotations

import statistics as of_blocks
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.ratios import MIN_CALLS, ratios
from loadtests.results import MIN_BLOCKS, Call, Resources, Row, Run, Turn
from tests.loadtests.made_up import run, turn

CALLS = st.lists(st.lists(st.floats(100, 3000), min_size=2, max_size=5), min_size=MIN_CALLS, max_size=14)


def of(system: str, calls: list[list[float]], **changed: object) -> Run:
    """A run whose calls had turns with exactly these first audios, and nothing else."""
    turns: list[Turn] = [
        turn(c, n, audio, asr_to_first_token_ms=None, governance_ms=None)
        for c, audios in enumerate(calls)
        for n, audio in enumerate(audios)
    ]
    made = [Call(n=c, intended_at_s=0, outcome="completed") for c in range(len(calls))]
    plain: dict[str, object] = {"calls": made, "turns": turns, "resources": Resources(), "summary": {}}
    made_up = run(system)  # type: ignore[arg-type]
    return Run.model_validate(made_up.model_dump() | plain | changed)


def only(rows: tuple[Row, ...], measure: str = "first_audio_out_ms.p50") -> Row:
    [found] = [row for row in rows if row.measure == measure]
    return found


@given(CALLS)
@settings(max_examples=40, deadline=None)
def test_the_same_sample_on_both_sides_is_no_difference(calls: list[list[float]]):
    row = only(ratios([of("ours", calls)], [of("defaults", calls)], draws=400))
    assert row.ratio == 1
    assert row.ci[0] <= 1 <= row.ci[1]


@given(CALLS, st.floats(0.1, 10))
@settings(max_examples=40, deadline=None)
def test_ours_times_a_factor_is_the_ratio_times_that_factor(calls: list[list[float]], factor: float):
    theirs = [of("defaults", calls)]
    plain = only(ratios([of("ours", calls)], theirs, draws=200))
    scaled = only(ratios([of("ours", [[v * factor for v in c] for c in calls])], theirs, draws=200))
    assert scaled.ratio == pytest.approx(plain.ratio * factor)
    assert scaled.ci == pytest.approx([bound * factor for bound in plain.ci])


def test_many_turns_of_few_calls_are_few_draws():
    """Each call has one speed: 1,200 turns of 12 calls say as little as 12 turns of 12 calls."""
    few = [[base] * 100 for base in (400.0, 800.0, 1600.0) * 4]
    many = [[(400.0, 800.0, 1600.0)[n % 3]] for n in range(1200)]
    width_few, width_many = (
        row.ci[1] / row.ci[0]
        for row in (only(ratios([of("ours", c)], [of("defaults", c)])) for c in (few, many))
    )
    assert width_few > 3 * width_many


@pytest.mark.parametrize(
    ("calls", "turns", "why"),
    [
        (1, 30, "an interval needs 10 calls on each side: first_audio_out_ms (1)"),
        (9, 30, "an interval needs 10 calls on each side: first_audio_out_ms (9)"),
        (19, 1, "p50 needs 20 on each side: first_audio_out_ms (19)"),
    ],
)
def test_a_few_calls_or_turns_have_no_ratio_and_it_is_said(calls: int, turns: int, why: str):
    said: list[str] = []
    few, many = [[500.0] * turns] * calls, [[500.0] * 30] * 30
    for sides in ((few, many), (many, few)):
        ours, theirs = of("ours", sides[0]), of("defaults", sides[1])
        assert not ratios([ours], [theirs], draws=20, left_out=said.append)
        assert f"defaults at 1 by twilio: {why}" in said
    assert only(ratios([of("ours", [[500.0] * 2] * 10)], [of("defaults", many)], draws=20)).n == 20


def test_turns_that_lost_calls_never_came_to_are_in_the_ratio():
    whole = of("ours", [[500.0] * 3] * 10)
    lost = [turn(n, 9, 6000, censored=True, never_said=True) for n in range(10) for _ in range(4)]
    torn = whole.model_copy(update={"turns": (*whole.turns, *lost)})
    row = only(ratios([torn], [of("defaults", [[500.0] * 3] * 10)], draws=20))
    assert (row.ours, row.ratio) == (6000, 12)


def test_cpu_beside_a_gpu_is_no_ratio_to_bare_pipecat_whose_recogniser_is_elsewhere():
    said, key = list[str](), "cpu_ms_per_call_s"
    ours = blocks("ours", key, (9.0, 10.0), profile="gpu", tier="real")
    for baseline in ("defaults", "equal_silence"):
        bare = blocks(baseline, key, (40.0, 44.0), profile="gpu", tier="real")
        assert not ratios(ours, bare, draws=20, left_out=said.append)
    assert "defaults at 1 by twilio: cpu_ms_per_call_s: ours recognises speech in its own" in said[0]
    off = blocks("controls_off", key, (8.0, 8.0), profile="gpu", tier="real")
    assert only(ratios(ours, off, draws=20), key).n == 2


def test_a_p95_needs_its_turns_on_both_sides():
    many, few = [[500.0 + n] for n in range(200)], [[900.0 + n] for n in range(199)]
    assert {r.measure for r in ratios([of("ours", many)], [of("defaults", many)], draws=50)} == {
        "first_audio_out_ms.p50",
        "first_audio_out_ms.p95",
    }
    assert {r.measure for r in ratios([of("ours", many)], [of("defaults", few)], draws=50)} == {
        "first_audio_out_ms.p50"
    }


def blocks(
    system: str, key: str, values: Sequence[float], *, idle_mb: float | None = None, **changed: object
) -> list[Run]:
    """One block for each value of a cost."""
    return [
        of(system, [[500.0]] * 3, resources=Resources.model_validate({key: v, "idle_mb": idle_mb}), **changed)
        for v in values
    ]


@given(
    st.lists(st.floats(0.5, 100), min_size=2, max_size=MIN_BLOCKS + 2),
    st.lists(st.floats(0.5, 100), min_size=2, max_size=MIN_BLOCKS + 2),
)
@settings(max_examples=40, deadline=None)
def test_a_cost_is_drawn_by_block_where_there_are_enough_and_is_a_range_elsewhere(
    mine: list[float], their: list[float]
):
    key = "cpu_ms_per_call_s"
    row = only(ratios(blocks("ours", key, mine), blocks("defaults", key, their), draws=100), key)
    widest = (min(mine) / max(their), max(mine) / min(their))
    assert (row.ours, row.theirs) == (of_blocks.median(mine), of_blocks.median(their))
    assert row.n == min(len(mine), len(their))
    if row.n < MIN_BLOCKS:
        assert (row.ci_is, row.ci) == ("range", widest)
    else:
        assert row.ci_is == "95 %"
        assert widest[0] <= row.ci[0] <= row.ci[1] <= widest[1]
    assert widest[0] <= row.ratio <= widest[1]


def test_the_interval_of_many_blocks_is_narrower_than_their_range():
    mine, their = [9.0, 10, 10, 10, 10, 10, 11], [40.0, 44, 44, 44, 44, 44, 50]
    key = "cpu_ms_per_call_s"
    row = only(ratios(blocks("ours", key, mine), blocks("defaults", key, their)), key)
    assert row.ci[1] / row.ci[0] < (11 / 40) / (9 / 50)


@pytest.mark.parametrize(
    ("mine", "their", "why"),
    [
        ([9.0], [40.0, 50.0], "needs two blocks on each side, there are 1"),
        ([9.0, 11.0], [], "needs two blocks on each side, there are 0"),
        ([9.0, 11.0], [0.0, 50.0], "a figure of zero or below has no ratio"),
        ([-9.0, -8.0] * 3, [40.0, 50.0] * 3, "a figure of zero or below has no ratio"),
    ],
)
def test_a_cost_without_a_ratio_is_said(mine: list[float], their: list[float], why: str):
    key, said = "cpu_ms_per_call_s", list[str]()
    theirs = blocks("defaults", key, their) or [of("defaults", [[500.0]])]
    rows = ratios(blocks("ours", key, mine), theirs, draws=20, left_out=said.append)
    assert key not in {row.measure for row in rows}
    assert f"defaults at 1 by twilio: {key}: {why}" in said


def test_memory_is_no_ratio_of_blocks():
    """What a block holds is of the blocks before it as well."""
    sides = [blocks(s, "rss_mb_per_call", (50, 60), idle_mb=70) for s in ("ours", "defaults")]
    assert "rss_mb_per_call" not in {row.measure for row in ratios(*sides, draws=20)}


@given(st.integers(1, 40), st.integers(20, 24), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_a_measure_that_few_calls_have_keeps_its_row(without: int, having: int, seed: int):
    """Turns of a few calls among many that brought none: in some samples no call of them is drawn."""
    calls = [[500.0 + n] for n in range(having)] + [[]] * without
    row = only(ratios([of("ours", calls)], [of("defaults", calls)], draws=50, seed=seed))
    assert row.n == having
    assert 500 / (500 + having) <= row.ci[0] <= row.ci[1] <= (500 + having) / 500


def test_every_row_that_is_missing_is_said():
    said: list[str] = []
    ours = of("ours", [[500.0 + n] for n in range(200)])
    theirs = of("defaults", [[0.0]] * 199)
    first = turn(0, 1, 500, governance_ms=4.0)
    ours = ours.model_copy(update={"turns": (*ours.turns, first)})
    assert not [row for row in ratios([ours], [theirs], draws=50, left_out=said.append) if row.n > 1]
    where = "defaults at 1 by twilio"
    assert said == [
        f"{where}: asr_to_first_token_ms: only ours has it",
        f"{where}: first_audio_out_ms.p50: a figure of zero or below has no ratio",
        f"{where}: governance_ms: only ours has it",
        f"{where}: p95 needs 200 on each side: first_audio_out_ms (199)",
        f"{where}: p99 needs 1000 on each side: first_audio_out_ms (199)",
    ]


def test_turns_at_the_edge_of_the_load_are_in_no_ratio():
    steady = of("ours", [[500.0], [700.0], [600.0]] * 7)
    late = turn(1, 2, 9000, edge=True, asr_to_first_token_ms=None, governance_ms=None)
    edged = steady.model_copy(update={"turns": (*steady.turns, late)})
    theirs = [of("defaults", [[900.0]] * 21)]
    assert only(ratios([edged], theirs, draws=50)) == only(ratios([steady], theirs, draws=50))


def test_each_baseline_transport_and_load_has_its_own_rows():
    ours = [run(concurrency=n) for n in (1, 4)] + [run(concurrency=1, transport="webrtc")]
    theirs = [run("defaults"), run("equal_silence", concurrency=4), run("defaults", concurrency=9)]
    found = {(r.baseline, r.transport, r.concurrency) for r in ratios(ours, theirs, draws=20)}
    assert found == {("defaults", "twilio", 1), ("equal_silence", "twilio", 4)}


def test_the_same_seed_draws_the_same_intervals():
    sides = [run()], [run("defaults")]
    assert ratios(*sides, seed=7, draws=100) == ratios(*sides, seed=7, draws=100)
    assert ratios(*sides, seed=7, draws=100) != ratios(*sides, seed=8, draws=100)


def test_no_ratio_of_what_is_not_above_zero():
    assert not ratios([of("ours", [[0.0], [5.0]] * 10)], [of("defaults", [[5.0]] * 20)], draws=50)


def test_mock_and_real_engines_never_meet_and_ours_is_no_baseline():
    with pytest.raises(ValueError, match="never meet"):
        ratios([run()], [run("defaults", profile="cpu-whisper")])
    with pytest.raises(ValueError, match="no baseline"):
        ratios([run()], [run("ours")])


def test_a_call_that_was_refused_is_drawn_with_nothing_to_bring():
    rows = ratios([run(calls=30, refused=10)], [run("defaults", calls=30)], draws=50)
    assert only(rows).n == 20 * 5
