"""Words, phrases and numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.rules.matchers import GAP, cards, compile_phrase, join, numbers, rewritten, tail, words
from controls.rules.phrase_index import PhraseIndex

VOCABULARY = ["doctor", "patel", "tuesday", "half", "past", "is", "free", "not", "i", "you", "have"]
PLAIN = st.lists(st.sampled_from(VOCABULARY), min_size=1)


def found(phrase: str, text: str, lists: dict[str, list[str]] | None = None) -> bool:
    return bool(PhraseIndex([(0, compile_phrase(phrase, lists))]).find(words(text)))


@pytest.mark.parametrize(
    "text",
    ["It's 9-1-1", "its nine eleven", "IT IS NINE ONE ONE!", "It’s 911.", "it is nine, one, one"],
)
def test_the_same_words_however_written(text: str) -> None:
    assert words(text).tokens == ("it", "is", "9", "1", "1")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I can't, I cannot, I can’t", "i can not i can not i can not"),
        ("won't you'll they're we've i'd i'm", "will not you will they are we have i would i am"),
        ("the doctor's office", "the doctor office"),
        ("twenty one twenty-one 21", "2 1 2 1 2 1"),
        ("twenty", "2 0"),
        ("double four triple nine", "4 4 9 9 9"),
        ("oh five oh", "0 5 0"),
        ("oh i see", "oh i see"),
        ("10:30am", "1 0 3 0 am"),
        ("Clínica", "clinica"),
        ("ecz\u200bema", "eczema"),
        ("e\u0301clair", "eclair"),
        ("ＤＩＡＬ", "dial"),
        ("…", ""),
        ("", ""),
    ],
)
def test_normalisation(text: str, tokens: str) -> None:
    assert words(text).plain == tokens


@given(
    PLAIN, st.sampled_from([str.upper, str.title, str.capitalize]), st.sampled_from([", ", "  ", " - ", "\n"])
)
def test_case_and_punctuation_change_nothing(parts: list[str], case: object, between: str) -> None:
    assert callable(case)
    assert words(case(between.join(parts))).tokens == words(" ".join(parts)).tokens


@given(st.text(max_size=200))
def test_spans_point_into_the_text(text: str) -> None:
    seen = words(text)
    assert len(seen.tokens) == len(seen.spans)
    last = 0
    for start, end in seen.spans:
        assert 0 <= start < end <= len(seen.text)
        assert start >= last or (start, end) in seen.spans  # never backwards
        last = start
    assert all(0 < b < len(seen.tokens) for b in seen.breaks)


@given(PLAIN, PLAIN)
def test_joining_is_reading_on(a: list[str], b: list[str]) -> None:
    assert join(words(" ".join(a)), words(" ".join(b))).tokens == words(" ".join(a + b)).tokens


@given(PLAIN, st.integers(1, 5))
def test_tail_keeps_the_end(parts: list[str], count: int) -> None:
    whole = words(" ".join(parts))
    assert tail(whole, count).tokens == whole.tokens[-count:]


def test_word_boundaries() -> None:
    assert found("heart", "my heart")
    assert not found("heart", "heartburn")
    assert not found("person", "personally")


def test_a_gap_is_bounded_and_stays_in_its_sentence() -> None:
    assert found("it is ... eczema", "it is eczema")
    assert found("it is ... eczema", "it is " + "so " * GAP + "eczema")
    assert not found("it is ... eczema", "it is " + "so " * (GAP + 1) + "eczema")
    assert not found("it is ... eczema", "That's how it is. We treat eczema.")
    assert found("it is ... eczema", "it is at nine, about eczema")


def test_alternatives_and_lists() -> None:
    lists = {"condition": ["flu", "heart attack"]}
    assert found("it/this is a <condition>", "This is a heart attack!", lists)
    assert not found("it/this is a <condition>", "That is a heart attack!", lists)
    assert not found("it/this is a <condition>", "this is a heart", lists)


@pytest.mark.parametrize("phrase", ["", "...", "... x", "x ...", "<nothing>", "!?", "/"])
def test_phrases_that_mean_nothing_are_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=r" \| "):
        compile_phrase(phrase)


@given(PLAIN, PLAIN, PLAIN)
def test_a_phrase_is_found_wherever_it_stands(before: list[str], phrase: list[str], after: list[str]) -> None:
    assert found(" ".join(phrase), " ".join([*before, *phrase, *after]))


def test_matches_that_end_in_what_was_said_before_do_not_count() -> None:
    index = PhraseIndex([(0, compile_phrase("just eczema"))])
    whole = join(words("it is just eczema"), words("is it not"))
    assert index.find(whole)
    assert not index.find(whole, ending_from=4)
    split = join(words("it is just"), words("eczema"))
    assert index.find(split, ending_from=3) == {0: [(2, 4)]}


def test_numbers_and_cards() -> None:
    assert numbers(words("call 202-555-0143 at ten")) == ["2025550143", "10"]
    said = words("four one one one, one one one one, one one one one, one one one one")
    assert cards(numbers(said)) == ["4111111111111111"]
    assert cards(["4111111111111112", "2025550143", "1234567890123"]) == []
    assert cards(["994111111111111111"]) == ["4111111111111111"]
    assert cards(["378282246310005"]) == ["378282246310005"]


def test_rewriting_keeps_the_rest() -> None:
    said = words("I promise the doctor calls by four.")
    assert rewritten(said, 0, [(0, 2)], "i expect") == "I expect the doctor calls by four."
    assert rewritten(said, 0, [(0, 2)], "") == "The doctor calls by four."
    assert rewritten(said, 0, [(0, 2)], None) is None
    assert rewritten(said, 1, [(0, 2)], "i expect") is None
    assert rewritten(words("I promise."), 0, [(0, 2)], "") is None


def test_a_title_s_full_stop_ends_no_sentence():
    assert words("Mrs. Lopez came. Dr. Lee did too.").breaks == {3}
    assert words("La Sra. López vino. El Dr. Lee también.").breaks == {4}
    assert words("Ask the Dr... He knows.").breaks == {3}
