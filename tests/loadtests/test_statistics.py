"""Percentiles are values that were measured, and only those that the number of values carries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.statistics import percentile, rank, spread, wilson

MS = st.floats(-1000, 60_000, allow_nan=False)


@given(st.lists(MS, min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(values: list[float], percent: int):
    found = percentile(values, percent)
    assert found in values
    enough = [v for v in values if sum(w <= v for w in values) * 100 >= percent * len(values)]
    assert found == min(enough)


@given(st.integers(1, 5000), st.integers(1, 100))
def test_the_rank_is_that_of_exact_arithmetic(n: int, percent: int):
    assert rank(n, percent) - 1 < percent * n / 100 + 1e-6
    assert math.isclose(rank(n, percent), math.ceil(percent * n / 100), abs_tol=1)
    assert (rank(n, percent) - 1) * 100 < percent * n <= rank(n, percent) * 100


@given(st.lists(MS, min_size=1, max_size=1200), st.data())
def test_a_spread_is_ordered_and_says_no_more_than_n_carries(values: list[float], data: st.DataObject):
    censored = data.draw(st.integers(0, len(values)))
    found = spread(values, censored)
    assert (found.n, found.censored, found.max) == (len(values), censored, max(values))
    assert (found.p95 is None) == (len(values) < 200)
    assert (found.p99 is None) == (len(values) < 1000)
    known = [p for p in (found.p50, found.p95, found.p99, found.max) if p is not None]
    assert known == sorted(known)


@pytest.mark.parametrize(
    ("n", "p95", "p99"), [(199, None, None), (200, 190, None), (999, 950, None), (1000, 950, 990)]
)
def test_how_many_values_a_percentile_needs(n: int, p95: int | None, p99: int | None):
    found = spread([float(v) for v in range(n, 0, -1)])
    assert (found.p95, found.p99) == (p95, p99)


def test_what_was_never_answered_stays_in_at_the_cap():
    found = spread([100.0] * 180 + [6000.0] * 20, censored=20)
    assert found.p95 == 6000.0
    assert spread([100.0] * 200).p95 == 100.0


def test_nothing_has_no_percentile():
    with pytest.raises(ValueError, match="0 values"):
        spread([])
    with pytest.raises(ValueError, match="2 censored of 1"):
        spread([1.0], censored=2)
    with pytest.raises(ValueError, match="0th"):
        percentile([1.0], 0)


@given(st.integers(0, 400), st.integers(1, 400))
def test_a_shares_interval_holds_it_and_both_ends_are_shares(happened: int, n: int):
    share = min(happened, n) / n
    low, high = wilson(share, n)
    assert 0 <= low <= share <= high <= 1
    assert low < high
    mirrored = wilson(1 - share, n)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@given(st.floats(0, 1), st.integers(1, 400))
def test_more_trials_make_it_narrower(share: float, n: int):
    few, many = wilson(share, n), wilson(share, 4 * n)
    assert many[1] - many[0] < few[1] - few[0]


def test_wilsons_own_interval():
    """As in Newcombe's table I (Statistics in Medicine 17, 1998): 81 of 263, and 0 of 20."""
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_nothing_tried_has_no_interval():
    with pytest.raises(ValueError, match="0 trials"):
        wilson(0.5, 0)
    with pytest.raises(ValueError, match="of 3 trials"):
        wilson(1.1, 3)
