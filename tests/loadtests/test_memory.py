"""One line through idle and every load: its slope is what a call adds. All figures made up."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loadtests.memory import mb_per_added_call, memory_points
from loadtests.results import Achieved, Resources, Run
from tests.loadtests import made_up

MB = st.floats(0, 10_000)
CALLS = st.integers(0, 500)
POINTS = st.lists(st.tuples(CALLS, MB), min_size=2, max_size=8)


@settings(deadline=None)
@given(st.floats(-1, 200), st.floats(1000, 5000), st.lists(st.integers(1, 500), min_size=1, unique=True))
def test_what_lies_on_a_line_has_its_slope(slope: float, idle: float, loads: list[int]):
    points = [(0, idle), *((calls, idle + slope * calls) for calls in loads)]
    assert mb_per_added_call(points) == pytest.approx(slope, abs=1e-6)


@settings(deadline=None)
@given(POINTS)
def test_no_other_slope_is_nearer_to_the_points(points: list[tuple[int, float]]):
    assume(len({calls for calls, _ in points}) > 1)
    slope = mb_per_added_call(points)
    assert slope is not None

    def squares(of: float) -> float:
        left = [mb - of * calls for calls, mb in points]
        middle = sum(left) / len(left)
        return sum((value - middle) ** 2 for value in left)

    least = squares(slope)
    assert least <= squares(slope + 0.5) + 1e-6 * (1 + least)
    assert least <= squares(slope - 0.5) + 1e-6 * (1 + least)


@settings(deadline=None)
@given(POINTS, MB, st.randoms(use_true_random=False))
def test_neither_order_nor_what_all_hold_alike_changes_it(points, more, random):
    assume(len({calls for calls, _ in points}) > 1)
    slope = mb_per_added_call(points)
    moved = [(calls, mb + more) for calls, mb in points]
    random.shuffle(moved)
    assert mb_per_added_call(moved) == pytest.approx(slope, abs=1e-3)


@settings(deadline=None)
@given(CALLS, st.lists(MB, max_size=5))
def test_one_load_is_no_line(calls: int, mb: list[float]):
    assert mb_per_added_call([(calls, value) for value in mb]) is None


@settings(deadline=None)
@given(POINTS, st.sampled_from([math.nan, math.inf, -math.inf, -1.0]), st.integers(0, 8))
def test_nothing_is_told_from_what_is_no_amount(points, wrong, at):
    points.insert(at, (3, wrong))
    assert mb_per_added_call(points) is None


def test_nothing_is_told_from_less_than_no_call():
    assert mb_per_added_call([(0, 90.0), (-1, 91.0), (2, 95.0)]) is None


def level(most: int, idle: float | None, peak: float | None, **changed: object) -> Run:
    return made_up.run(
        concurrency=max(1, most),
        calls=1,
        achieved=Achieved(mean=most, most=most, from_s=0, to_s=10),
        resources=Resources(idle_mb=idle, peak_mb=peak),
        **changed,  # type: ignore[arg-type]  # by name, as of a run
    )


def test_points_are_of_runs_that_count_and_the_idle_server_is_one_of_them():
    runs = [
        level(1, 90.0, 92.0),
        level(0, 90.0, 91.0),
        level(4, 90.0, 98.0),
        level(8, None, 106.0),
        level(8, 90.0, None),
        level(9, 90.0, 500.0, valid=False, invalid_because=("late",)),
        made_up.run(calls=1, achieved=None),
    ]
    assert memory_points(runs) == [(0, 90.0), (1, 92.0), (4, 98.0)]
    assert mb_per_added_call(memory_points(runs)) == pytest.approx(2.0)
    assert memory_points([]) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=6))
def test_what_a_heavier_load_left_behind_is_no_cost_of_a_lighter_one(loads: list[tuple[int, bool]]):
    runs = [
        level(most, 90.0, 100.0 + n, valid=valid, invalid_because=() if valid else ("late",))
        for n, (most, valid) in enumerate(loads)
    ]
    told = {(most, 100.0 + n) for n, (most, valid) in enumerate(loads)
            if valid and most >= max(load for load, _ in loads[: n + 1])}  # fmt: skip
    assert memory_points(runs) == ([(0, 90.0), *sorted(told, key=lambda point: point[1])] if told else [])
