"""Digits and letters said one by one: how many, and whether that is all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.listen.expected import ANYTHING, TELEPHONE, ZIP, Expected, Wanted
from voice_runtime.listen.spelled import run_at_the_end, spelled
from voice_runtime.listen.word_lists import Whole
from voice_runtime.listen.words_en import ENGLISH
from voice_runtime.listen.words_es import SPANISH

DIGITS = ["zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.mark.parametrize(
    ("text", "symbols", "words"),
    [
        ("my number is five five five", 3, 3),
        ("double five triple two", 5, 4),
        ("555 0142", 7, 2),
        ("forty two", 2, 2),
        ("four twenty", 3, 2),
        ("twelve thirty forty two", 6, 4),
        ("w x four seven", 4, 4),
        ("d e l g a", 5, 5),
        ("five five dash oh one", 4, 5),
        ("b as in boy two", 2, 5),
        ("b as in boy", 1, 4),
        ("can i", 0, 0),
        ("i like pizza", 0, 0),
        ("is there a", 0, 0),
        ("i need one", 1, 1),
        ("double", 0, 0),
        ("double forty", 4, 2),
        ("", 0, 0),
    ],
)
def test_what_stands_at_the_end(text: str, symbols: int, words: int) -> None:
    run = run_at_the_end(text.split(), ENGLISH.spelling)
    assert (run.symbols, run.words) == (symbols, words)


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("cincuenta y cinco", 2),
        ("doble dos", 2),
        ("be de burro", 1),
        ("cinco cinco guion uno", 3),
        ("dos o tres", 1),
    ],
)
def test_in_spanish(text: str, symbols: int) -> None:
    assert run_at_the_end(text.split(), SPANISH.spelling).symbols == symbols


@pytest.mark.parametrize(
    ("text", "expected", "verdict"),
    [
        ("the house", ANYTHING, None),
        ("at ten", ANYTHING, None),
        ("in nineteen eighty two", ANYTHING, None),
        ("the second one", ANYTHING, None),
        ("five", ANYTHING, Whole.OPEN),
        ("five", Expected(Wanted.CHOICE), None),
        ("five", Expected(Wanted.YES_NO), None),
        ("my member id is w x", ANYTHING, Whole.OPEN),
        ("w x four seven two nine nine one", ANYTHING, Whole.UNSURE),
        ("reach me at five five five oh one two three", ANYTHING, Whole.OPEN),
        ("one five five five oh one two three four five", Expected(Wanted.NUMBER, TELEPHONE), Whole.OPEN),
        ("nine four one one oh two", Expected(Wanted.NUMBER, ZIP), Whole.OPEN),
        ("nine four one one oh two two two two", Expected(Wanted.NUMBER, ZIP), Whole.COMPLETE),
        ("five five five five five five", Expected(Wanted.NUMBER, (4,)), Whole.UNSURE),
        ("five five dash", ANYTHING, Whole.OPEN),
        ("five double", ANYTHING, Whole.OPEN),
        ("we talked about it for hours and then five five", ANYTHING, None),
    ],
)
def test_whether_that_is_all(text: str, expected: Expected, verdict: Whole | None) -> None:
    assert spelled(text.split(), ENGLISH, expected) is verdict


@given(st.lists(st.sampled_from(DIGITS), max_size=12), st.sampled_from([TELEPHONE, ZIP, (4,)]))
def test_a_number_of_known_length_is_open_until_it_has_it(said: list[str], lengths: tuple[int, ...]) -> None:
    verdict = spelled(said, ENGLISH, Expected(Wanted.NUMBER, lengths))
    if not said:
        assert verdict is None
    elif len(said) < min(lengths):
        assert verdict is Whole.OPEN
    elif verdict is Whole.COMPLETE:
        assert len(said) in lengths


@given(st.lists(st.sampled_from(DIGITS[2:]), min_size=16, max_size=16), st.integers(1, 16))
def test_a_card_is_open_until_its_last_figure(said: list[str], figures: int) -> None:
    text = ["my", "card", "number", "is", *said[:figures]]
    if figures != 15:  # there are cards of fifteen figures
        assert spelled(text, ENGLISH, ANYTHING) is (Whole.COMPLETE if figures == 16 else Whole.OPEN)


@given(st.lists(st.sampled_from(DIGITS), min_size=9, max_size=9), st.integers(0, 9))
def test_a_european_number_is_open_until_ten_figures(said: list[str], figures: int) -> None:
    assert spelled(["oh", *said[:figures]], ENGLISH, ANYTHING) is (
        Whole.UNSURE if figures == 9 else Whole.OPEN
    )


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("it's spelled k a m", Whole.OPEN),
        ("that's v as in victor", Whole.OPEN),
        ("mike charlie", Whole.OPEN),
        ("tango four seven", Whole.OPEN),
        ("the postcode is s w one a", Whole.OPEN),
        ("the postcode is s w one a two a a", Whole.UNSURE),
        ("gate b four", Whole.UNSURE),
        ("my order number is four four nine", Whole.OPEN),
        ("oh nine eleven", Whole.OPEN),
        ("seventeen", Whole.OPEN),
        ("six thirty", None),
        ("around two hundred", None),
        ("mike", None),
    ],
)
def test_letters_codes_and_numbers_nobody_asked_for(text: str, verdict: Whole | None) -> None:
    assert spelled(text.split(), ENGLISH, ANYTHING) is verdict


@given(
    st.lists(
        st.sampled_from([*DIGITS, "double", "dash", "b", "a", "forty", "as", "in", "boy", "my"]), max_size=15
    )
)
def test_a_run_is_never_longer_than_the_text(said: list[str]) -> None:
    run = run_at_the_end(said, ENGLISH.spelling)
    assert 0 <= run.words <= len(said)
    assert (run.symbols > 0) == (run.words > 0)
    spelled(said, ENGLISH, ANYTHING)
