"""Timed words of a supplier find their place in the clause, or none."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.events import Word
from voice_runtime.speak.word_places import WordPlaces


def placed(text: str, *timed: tuple[str, float]) -> list[tuple[str, int]]:
    places = WordPlaces(text)
    return [(text[w.start : w.end], w.sample) for word, at_s in timed for w in places.place(word, at_s)]


def test_words_in_their_order() -> None:
    text = "It is ten thirty; is that good?"
    timed = [
        ("It", 0.0),
        ("is", 0.1),
        ("ten", 0.2),
        ("thirty;", 0.4),
        ("is", 1.0),
        ("that", 1.1),
        ("good?", 1.2),
    ]
    assert placed(text, *timed) == [
        ("It", 0), ("is", 800), ("ten", 1600), ("thirty", 3200), ("is", 8000), ("that", 8800), ("good", 9600),
    ]  # fmt: skip


def test_a_word_is_found_whole_only() -> None:
    assert placed("The cathedral, a cat.", ("cat", 0.5)) == [("cat", 4000)]


def test_a_word_written_otherwise_is_passed_over_and_those_after_it_are_found() -> None:
    assert placed("At 10:30 AM on Tuesday.", ("At", 0.0), ("half-past-ten", 0.2), ("on", 1.0)) == [
        ("At", 0), ("on", 8000),
    ]  # fmt: skip


def test_a_token_with_several_words_begins_them_together() -> None:
    assert placed("New York", ("New York", 0.25)) == [("New", 2000), ("York", 2000)]


def test_spelling_and_apostrophes() -> None:
    assert placed("We DON'T close.", ("we", 0), ("don't", 0.1), ("close", 0.2)) == [
        ("We", 0), ("DON'T", 800), ("close", 1600),
    ]  # fmt: skip


def test_times_never_run_backwards_and_nonsense_is_ignored() -> None:
    assert placed("one two three", ("one", 0.5), ("two", 0.2), ("three", -1.0)) == [
        ("one", 4000),
        ("two", 4000),
    ]


def test_text_that_folds_to_another_length_has_no_places() -> None:
    assert placed("Die Straße dort", ("Die", 0.0)) == []


def test_a_word_far_ahead_is_not_believed() -> None:
    assert placed("a " * 100 + "zebra", ("zebra", 0.0)) == []


@given(
    text=st.text(max_size=200), words=st.lists(st.tuples(st.text(max_size=12), st.floats(0, 60)), max_size=20)
)
def test_places_lie_in_the_text_and_go_forward(text: str, words: list[tuple[str, float]]) -> None:
    places = WordPlaces(text)
    found: list[Word] = [w for word, at_s in words for w in places.place(word, at_s)]
    assert all(0 <= w.start < w.end <= len(text) for w in found)
    assert all(a.end <= b.start and a.sample <= b.sample for a, b in pairwise(found))
