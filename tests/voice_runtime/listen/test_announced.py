"""Values of several parts: open until all parts were said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.completeness import Whole, whole
from voice_runtime.listen.expected import Expected, Wanted

BORN = Expected(Wanted.BIRTH_DATE)
MONTHS = ["january", "march", "may", "august", "december"]
DAYS = ["first", "second", "ninth", "twentieth", "thirty first"]
YEARS = ["nineteen seventy one", "nineteen oh five", "two thousand and four", "twenty eleven"]
CENTURIES = ["nineteen", "twenty"]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("my date of birth is", Whole.OPEN),
        ("my date of birth is the ninth", Whole.OPEN),
        ("my date of birth is the ninth of november", Whole.OPEN),
        ("my date of birth is the ninth of november nineteen", Whole.OPEN),
        ("my date of birth is the ninth of november nineteen seventy one", Whole.COMPLETE),
        ("my birthday's the tenth of june", Whole.OPEN),
        ("my birthday is oh nine eleven", Whole.OPEN),
        ("my birthday is oh nine eleven seventy one", Whole.COMPLETE),
        ("i was born on eleven thirty two thousand fifteen", Whole.COMPLETE),
        ("i was born in texas", Whole.LIKELY),
        ("my email is lena", Whole.OPEN),
        ("my email is lena dot fischer", Whole.OPEN),
        ("my email is lena dot fischer at example", Whole.OPEN),
        ("my email is lena dot fischer at example dot com", Whole.COMPLETE),
        ("lena at gmail", Whole.OPEN),
        ("my email is not working", Whole.LIKELY),
        ("my address is twelve", Whole.OPEN),
        ("my address is twelve west", Whole.OPEN),
        ("my address is twelve west ninth", Whole.OPEN),
        ("my address is twelve west ninth avenue", Whole.UNSURE),
        ("december third", Whole.OPEN),
        ("january", Whole.OPEN),
    ],
)
def test_in_english(text: str, verdict: Whole) -> None:
    assert whole(text, "en-US") is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("nací el doce de marzo", Whole.OPEN),
        ("nací el doce de marzo de mil novecientos", Whole.OPEN),
        ("nací el doce de marzo de mil novecientos ochenta", Whole.COMPLETE),
        ("mi correo es ana punto lópez", Whole.OPEN),
        ("mi correo es ana punto lópez arroba gmail punto com", Whole.COMPLETE),
        ("vivo en avenida de la paz", Whole.OPEN),
        ("vivo en avenida de la paz número ocho", Whole.UNSURE),
    ],
)
def test_in_spanish(text: str, verdict: Whole) -> None:
    assert whole(text, "es-US") is verdict


@given(st.sampled_from(MONTHS), st.sampled_from(DAYS), st.sampled_from(YEARS), st.booleans())
def test_a_date_of_birth_is_open_until_its_year(month: str, day: str, year: str, asked: bool) -> None:
    begins, expected = ("", BORN) if asked else ("my date of birth is ", Expected())
    for date in (f"{month} {day}", f"the {day} of {month}"):
        assert whole(f"{begins}{date}", "en-US", expected) is Whole.OPEN
        assert whole(f"{begins}{date} {year}", "en-US", expected) is Whole.COMPLETE
        for century in CENTURIES:
            assert whole(f"{begins}{date} {century}", "en-US", expected) is Whole.OPEN


@pytest.mark.parametrize("when", ["december third", "the ninth of november", "ten thirty", "eleven"])
def test_a_date_that_was_asked_for_needs_no_year(when: str) -> None:
    assert whole(when, "en-US", Expected(Wanted.WHEN)) is Whole.COMPLETE
