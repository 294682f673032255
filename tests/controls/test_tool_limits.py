"""Limits of tools: what is counted is never less than what was asked for, and no order of uses gets past."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.tool_limits import MILLIONTHS, AmountLimit, NoAmount, Used, amount_of, over

TOTAL = AmountLimit("total", at_most=200, per_day=1000)
AMOUNTS = st.one_of(st.integers(0, 10**9), st.floats(0, 1e9, allow_nan=False))


@pytest.mark.parametrize(
    ("amount", "used", "expected"),
    [
        (200, Used(), None),
        (200.000001, Used(), "too_much"),
        (200, Used(3, 800 * MILLIONTHS), None),
        (200, Used(3, 800 * MILLIONTHS + 1), "too_much"),
        (0, Used(19, 0), None),
        (0, Used(20, 0), "too_often"),
        (201, Used(20, 0), "too_much"),
        (10**400, Used(), "too_much"),
    ],
)
def test_what_fits_and_what_does_not(amount: float, used: Used, expected: str | None):
    found = over(20, TOTAL, amount_of(TOTAL, {"total": amount}), used)
    assert (found and found[0]) == expected
    if found:
        assert found[1].split()[0] in ("total", "used", "with")


@pytest.mark.parametrize(
    "value", [-1, -0.01, True, "200", None, float("nan"), float("inf"), [1], {"total": 1}]
)
def test_what_is_no_amount_is_not_counted_as_nothing(value: object):
    with pytest.raises(NoAmount, match="total"):
        amount_of(TOTAL, {"total": value})
    with pytest.raises(NoAmount):
        amount_of(TOTAL, {})


@given(AMOUNTS)
def test_what_is_counted_is_never_less_than_what_was_asked_for(amount: float):
    counted = amount_of(TOTAL, {"total": amount})
    assert Fraction(repr(amount)) * MILLIONTHS <= counted < Fraction(repr(amount)) * MILLIONTHS + 1


@given(st.lists(AMOUNTS, max_size=40), st.integers(1, 10), st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_no_order_of_uses_gets_past_a_limit(
    amounts: list[float], per_day: int, at_most: float, of_day: float
):
    limit = AmountLimit("total", at_most=at_most, per_day=of_day)
    made: list[float] = []
    counted = 0
    for amount in amounts:
        micro = amount_of(limit, {"total": amount})
        if over(per_day, limit, micro, Used(len(made), counted)) is None:
            made.append(amount)
            counted += micro
    assert len(made) <= per_day
    assert all(Fraction(repr(amount)) <= Fraction(repr(at_most)) for amount in made)
    assert sum((Fraction(repr(amount)) for amount in made), Fraction(0)) <= Fraction(repr(of_day))


@given(AMOUNTS, st.integers(0, 30), st.integers(0, 10**15), st.integers(0, 30), st.integers(0, 10**15))
def test_more_used_never_allows_more(amount: float, uses: int, spent: int, more: int, further: int):
    micro = amount_of(TOTAL, {"total": amount})
    if over(20, TOTAL, micro, Used(uses, spent)) is not None:
        assert over(20, TOTAL, micro, Used(uses + more, spent + further)) is not None
