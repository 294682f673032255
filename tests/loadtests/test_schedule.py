"""Intended starts: drawn in advance, the same for the same seed, and about as many calls at once as asked."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.schedule import GAP_SHARE, Start, at_zero, dealt, lines, poisson

counts = st.integers(1, 12)
holds = st.floats(0.5, 120.0)
seeds = st.integers(0, 2**32)


@given(counts, holds, st.integers(1, 6), seeds)
def test_every_line_takes_its_calls_one_after_another(n: int, call_s: float, each: int, seed: int):
    starts = lines(n, call_s, each, seed)
    assert [start.n for start in starts] == list(range(n * each))
    assert list(starts) == sorted(starts)
    for line in range(n):
        mine = [start.at_s for start in starts if start.line == line]
        assert len(mine) == each
        assert 0 <= mine[0] <= call_s
        assert all(after - before >= call_s for before, after in pairwise(mine))


@given(counts, holds, st.integers(1, 4), seeds)
def test_more_lines_add_calls_and_move_none(n: int, call_s: float, each: int, seed: int):
    fewer = {(start.at_s, start.line) for start in lines(n, call_s, each, seed)}
    assert fewer < {(start.at_s, start.line) for start in lines(n + 1, call_s, each, seed)}


def test_lines_keep_about_their_number_of_calls_going():
    n, call_s = 20, 15.0
    starts = lines(n, call_s, 30, seed=7)
    end = max(start.at_s for start in starts) - call_s
    busy = sum(min(call_s, end - start.at_s) for start in starts if call_s <= start.at_s <= end)
    mean = busy / (end - call_s)
    assert n / (1 + 2 * GAP_SHARE) - 1 <= mean <= n


@given(counts, holds, st.integers(1, 4), seeds)
def test_at_zero_moves_all_alike(n: int, call_s: float, each: int, seed: int):
    drawn = lines(n, call_s, each, seed)
    moved = at_zero(drawn)
    assert moved[0].at_s == 0
    assert [(start.line, start.n) for start in moved] == [(start.line, start.n) for start in drawn]
    assert all(abs(a.at_s - b.at_s - drawn[0].at_s) < 1e-9 for a, b in zip(drawn, moved, strict=True))
    assert at_zero(()) == ()


@given(st.floats(0.05, 5.0), st.floats(1.0, 300.0), seeds)
def test_poisson_arrivals_lie_within_the_time_and_are_numbered(per_s: float, seconds: float, seed: int):
    starts = poisson(per_s, seconds, seed)
    assert starts == poisson(per_s, seconds, seed)
    assert all(0 <= start.at_s < seconds for start in starts)
    assert [(start.n, start.line) for start in starts] == [(n, n) for n in range(len(starts))]


def test_poisson_arrivals_have_their_rate_and_spread():
    found = [len(poisson(2.0, 100.0, seed)) for seed in range(200)]
    mean = sum(found) / len(found)
    variance = sum((x - mean) ** 2 for x in found) / len(found)
    assert 195 < mean < 205
    assert 0.6 < variance / mean < 1.4  # equal, in a Poisson process


@given(counts, st.integers(1, 4), st.integers(1, 6), seeds)
def test_dealt_keeps_every_call_and_every_line_together(n: int, each: int, hands: int, seed: int):
    starts = lines(n, 10.0, each, seed)
    parts = dealt(starts, hands)
    assert len(parts) == min(n, hands)
    assert sorted(start for part in parts for start in part) == sorted(starts)
    owners = [{start.line for start in part} for part in parts]
    assert sum(map(len, owners)) == n
    assert all(list(part) == sorted(part) for part in parts)


def test_what_cannot_be_drawn_is_refused():
    for call in (lambda: lines(0, 1, 1, 1), lambda: lines(1, 0, 1, 1), lambda: lines(1, 1, 0, 1)):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(ValueError):
        poisson(0, 1, 1)
    with pytest.raises(ValueError):
        dealt([Start(0.0, 0)], 0)
