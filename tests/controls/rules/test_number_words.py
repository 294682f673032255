"""Numbers in words, in figures and with signs are the same words to a rule."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.rules.matchers import compile_phrase, numbers, rewritten, words
from controls.rules.phrase_index import PhraseIndex
from voice_runtime.speak.spoken import spoken_form


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("twenty one", "2 1"),
        ("one hundred", "1 0 0"),
        ("a hundred percent", "1 0 0 percent"),
        ("one hundred and five dollars", "1 0 5 dollars"),
        ("two thousand and twenty six", "2 0 2 6"),
        ("twenty twenty six", "2 0 2 6"),
        ("one million two hundred thousand", "1 2 0 0 0 0 0"),
        ("2 million or two million", "2 0 0 0 0 0 0 or 2 0 0 0 0 0 0"),
        ("a person and a hundred", "a person and 1 0 0"),
        ("double four nine oh two", "4 4 9 0 2"),
        ("cvc is oh oh nine", "cvc is 0 0 9"),
        ("oh oh my god", "oh oh my god"),
        ("oh, one hundred. Two hundred", "0 1 0 0 2 0 0"),
        ("hundred thousand million", "hundred thousand million"),
        ("nueve uno uno", "9 1 1"),
        ("al nueve once", "al 9 1 1"),
        ("once upon a time", "once upon a time"),
        ("ciento once, once mil once", "1 1 1 1 1 0 1 1"),
        ("Son dos. Once upon a time", "son 2 once upon a time"),
        ("treinta y uno o dos", "3 1 o 2"),
        ("dos o tres veces", "2 o 3 veces"),
        ("doscientas cincuenta y una libras", "2 5 1 libras"),
        ("dos mil veintiséis", "2 0 2 6"),
        ("mil uno", "1 0 0 1"),
        ("un millón de dólares", "1 0 0 0 0 0 0 de dolares"),
        ("un día, una vez", "un dia una vez"),
        ("$50 or 50%", "5 0 dollars or 5 0 percent"),
        ("$1,234.50, €5, 5 €, 20¢", "1 2 3 4 5 0 dollars 5 euros 5 euros 2 0 cents"),
        ("call 5 $50", "call 5 5 0 dollars"),
        ("$ and %", "and"),
    ],
)
def test_what_a_rule_reads(text: str, plain: str) -> None:
    assert words(text).plain == plain


def test_no_number_reaches_over_the_end_of_a_sentence() -> None:
    assert words("I said twenty. One is left").plain == "i said 2 0 1 is left"
    assert words("It costs one hundred. Thousands came").plain == "it costs 1 0 0 thousands came"
    assert words("one. hundred").breaks == {1}


def test_a_number_is_replaced_whole() -> None:
    for text in ("it costs one hundred five dollars today", "it costs $105 today"):
        found = words(text)
        [at] = PhraseIndex([(0, compile_phrase("105 dollars"))]).find(found)[0]
        assert rewritten(found, 0, [at], "nothing") == "it costs nothing today"


@given(st.integers(0, 999_999_999), st.sampled_from(["en-US", "es-US"]))
@settings(deadline=None)
def test_a_number_is_the_same_in_figures_and_in_words(number: int, language: str) -> None:
    spoken = spoken_form(f"{number:,}", language, {})
    assert not any(c.isdigit() for c in spoken)
    found = "".join(numbers(words(f"x {spoken} x")))
    if language == "es-US" and number == 11:
        assert found == ""  # "once" alone is English, too
    else:
        assert found == str(number)


@given(st.integers(0, 99_999), st.integers(0, 99))
@settings(deadline=None)
def test_money_is_the_same_in_figures_and_in_words(dollars: int, cents: int) -> None:
    written = words(f"you owe ${dollars:,} now").plain
    assert words(spoken_form(f"you owe ${dollars:,} now", "en-US", {})).plain in (
        written,
        written.replace("dollars", "dollar"),
    )


@given(st.text(max_size=80))
@settings(deadline=None)
def test_places_lie_in_the_text_and_sentences_begin_at_words(text: str) -> None:
    found = words(text)
    assert all(0 <= start < end <= len(found.text) for start, end in found.spans)
    assert len(found.tokens) == len(found.spans)
    assert all(0 < b < len(found.tokens) for b in found.breaks)
