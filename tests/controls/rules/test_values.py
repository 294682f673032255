"""Sums of money and dates as values, in what is written and in what is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.decision import Verdict
from controls.rules.engine import Rules
from controls.rules.matchers import join, words
from controls.rules.values import dates, prices
from tests.controls.rules.packs import pack, rule
from tests.controls.rules.test_engine import speak


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It is $50.", [50.0]),
        ("It costs fifty dollars", [50.0]),
        ("$1,250.50 and 3 euros", [1250.5, 3.0]),
        ("1.250,50 € in all", [1250.5]),
        ("that is 12,5 euros", [12.5]),
        ("5.50 dollars", [5.5]),
        ("one hundred and five dollars", [105.0]),
        ("five dollars and ten cents", [5.1]),
        ("ninety nine cents", [0.99]),
        ("$2 million", [2_000_000.0]),
        ("two million dollars", [2_000_000.0]),
        ("twenty US dollars", [20.0]),
        ("doscientos dólares", [200.0]),
        ("cinco dólares con diez centavos", [5.1]),
        ("The 50 of them. Dollars are green.", []),
        ("call 555 0142 at nine", []),
        ("a pound of flour", []),
        ("", []),
    ],
)
def test_prices(text: str, found: list[float]) -> None:
    assert prices(words(text)) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("on December 25th, 2026", "en-US", [(2026, 12, 25, "")]),
        ("december twenty fifth", "en-US", [(0, 12, 25, "")]),
        ("the third of May", "en-US", [(0, 5, 3, "")]),
        ("the twenty fifth of december", "en-IE", [(0, 12, 25, "")]),
        ("25 de diciembre de 2026", "es-US", [(2026, 12, 25, "")]),
        ("el primero de mayo", "es-US", [(0, 5, 1, "")]),
        ("3/4/2026", "en-US", [(2026, 3, 4, "")]),
        ("3/4/2026", "en-IE", [(2026, 4, 3, "")]),
        ("25/12/26", "en-US", [(2026, 12, 25, "")]),
        ("2026-12-25", "en-US", [(2026, 12, 25, "")]),
        ("see you on Sunday", "en-US", [(0, 0, 0, "sunday")]),
        ("el domingo", "es-US", [(0, 0, 0, "sunday")]),
        ("some time in december", "en-US", [(0, 12, 0, "")]),
        ("you may call, or march in", "en-US", []),
        ("call 555-01-4299 now", "en-US", []),
        ("", "en-US", []),
    ],
)
def test_dates(text: str, language: str, found: list[tuple[int, int, int, str]]) -> None:
    got = [(d["year"], d["month"], d["day"], d["weekday"]) for d in dates(words(text), 0, language)]
    assert got == found


def test_what_ended_in_the_clause_before_is_not_found_again() -> None:
    before, after = words("It is fifty"), words("dollars on Sunday.")
    whole = join(before, after)
    assert prices(whole, len(before)) == [50.0]  # it ends here
    assert prices(join(words("It is fifty dollars"), words("a month.")), 4 + 1) == []
    assert [d["weekday"] for d in dates(whole, len(before))] == ["sunday"]


@given(st.integers(0, 9_999_999))
def test_a_sum_is_the_same_in_figures_however_it_is_written(amount: int) -> None:
    for text in (
        f"${amount}",
        f"${amount:,}",
        f"{amount} dollars",
        f"{amount:,} dollars",
        f"{amount:,}.00 dollars",
    ):
        assert prices(words(text)) == [float(amount)], text


@given(st.text(max_size=120), st.integers(0, 30))
def test_any_text_has_values(text: str, start: int) -> None:
    said = words(text)
    assert all(price >= 0 for price in prices(said, start))
    for found in dates(said, start):
        assert 0 <= found["month"] <= 12
        assert 0 <= found["day"] <= 31


def test_expressions_compare_them() -> None:
    dear = rule(
        "nothing-dear",
        **{
            "if": {"cel": "prices.exists(p, p > 100.0)"},
            "catches": ["It is $101."],
            "lets_pass": ["It is $100."],
        },
    )
    closed = rule(
        "closed-at-christmas",
        **{
            "if": {"cel": "dates.exists(d, d.month == 12 && d.day == 25 || d.weekday == 'sunday')"},
            "catches": ["Come on December 25th.", "Come on Sunday."],
            "lets_pass": ["Come on December 24th.", "Come on Monday."],
        },
    )
    rules = Rules.compile([pack(dear, closed)])
    assert speak(rules, "That will be one hundred and fifty dollars.").verdict is Verdict.BLOCK
    assert speak(rules, "That will be ninety dollars.").verdict is Verdict.ALLOW
    assert speak(rules, "See you on the twenty fifth of December.").verdict is Verdict.BLOCK
    assert speak(rules, "dollars.", before="It is two hundred").verdict is Verdict.BLOCK
