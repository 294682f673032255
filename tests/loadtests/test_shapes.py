"""Counts by bounds: what they tell of a percentile, and several of them as one."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from loadtests.shapes import Histogram, pooled
from loadtests.statistics import percentile

BOUNDS = (1.0, 2.0, 5.0)


def counted(values: list[float], bounds: tuple[float, ...] = BOUNDS) -> Histogram:
    edges = (-math.inf, *bounds)
    counts = tuple(sum(low < v <= high for v in values) for low, high in zip(edges, bounds, strict=False))
    return Histogram(bounds_ms=bounds, counts=counts, above=sum(v > bounds[-1] for v in values))


@given(st.lists(st.floats(0, 9), min_size=1), st.sampled_from([50, 95, 99, 100]))
def test_a_percentile_lies_at_or_below_its_bound_and_above_the_one_before(values: list[float], percent: int):
    bound = counted(values).at_most_ms(percent)
    value = percentile(values, percent)
    assert bound is not None
    assert value <= bound
    assert all(value > other for other in BOUNDS if other < bound)


def test_nothing_counted_has_no_percentile():
    assert counted([]).at_most_ms(99) is None


@given(st.lists(st.floats(0, 9)), st.lists(st.floats(0, 9)))
def test_pooled_counts_are_those_of_all_values(first: list[float], second: list[float]):
    assert pooled([counted(first), counted(second)]) == counted(first + second)


def test_counts_of_two_sets_of_bounds_keep_every_bound():
    made = pooled([counted([0.5, 9.0]), counted([3.0], (4.0,))])
    assert made == Histogram(bounds_ms=(1.0, 2.0, 4.0, 5.0), counts=(1, 0, 1, 0), above=1)
    assert pooled([]) is None
