"""Ratios are bootstrapped by call. All figures made up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.ratios import ratios
from loadtests.results import Call, Resources, Row, Run, Turn
from tests.loadtests.made_up import run, turn

CALLS = st.lists(st.lists(st.floats(100, 3000), min_size=1, max_size=5), min_size=2, max_size=12)


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
    """Each call has one speed: 300 turns of 3 calls say as little as 3 turns of 3 calls."""
    few = [[base] * 100 for base in (400.0, 800.0, 1600.0)]
    many = [[(400.0, 800.0, 1600.0)[n % 3]] for n in range(300)]
    width_few, width_many = (
        row.ci[1] / row.ci[0]
        for row in (only(ratios([of("ours", c)], [of("defaults", c)])) for c in (few, many))
    )
    assert width_few > 3 * width_many


def test_a_p95_needs_its_turns_on_both_sides():
    many, few = [[500.0 + n] for n in range(200)], [[900.0 + n] for n in range(199)]
    assert {r.measure for r in ratios([of("ours", many)], [of("defaults", many)], draws=50)} == {
        "first_audio_out_ms.p50",
        "first_audio_out_ms.p95",
    }
    assert {r.measure for r in ratios([of("ours", many)], [of("defaults", few)], draws=50)} == {
        "first_audio_out_ms.p50"
    }


def test_costs_are_drawn_by_block_and_one_block_has_no_interval():
    def cost(system: str, *values: float) -> list[Run]:
        return [of(system, [[500.0]] * 3, resources=Resources(cpu_ms_per_call_s=v)) for v in values]

    row = only(ratios(cost("ours", 9, 11), cost("defaults", 40, 50)), "cpu_ms_per_call_s")
    assert (row.ours, row.theirs, row.n) == (10, 45, 2)
    assert row.ci == pytest.approx((9 / 50, 11 / 40))
    assert [r.measure for r in ratios(cost("ours", 9), cost("defaults", 40, 50))] == [
        "first_audio_out_ms.p50"
    ]


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
    assert not ratios([of("ours", [[0.0], [5.0]])], [of("defaults", [[5.0], [5.0]])], draws=50)


def test_mock_and_real_engines_never_meet_and_ours_is_no_baseline():
    with pytest.raises(ValueError, match="never meet"):
        ratios([run()], [run("defaults", profile="cpu-whisper")])
    with pytest.raises(ValueError, match="no baseline"):
        ratios([run()], [run("ours")])


def test_a_call_that_was_refused_is_drawn_with_nothing_to_bring():
    rows = ratios([run(calls=30, refused=10)], [run("defaults", calls=30)], draws=50)
    assert only(rows).n == 20 * 5
