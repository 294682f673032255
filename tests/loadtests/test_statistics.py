"""Percentiles are values that were measured, and only those that the number of values carries."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.statistics import percentile, rank, spread

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
