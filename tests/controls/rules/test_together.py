"""Parts of a sentence that stand together, in any order and near one another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.rules.matchers import Phrase, Words, compile_phrase, words
from controls.rules.phrase_index import PhraseIndex
from controls.rules.together import WITHIN, Together, compile_together, together

LISTS = {
    "judging": ["sounds like", "probably", "looks like"],
    "condition": ["eczema", "infect*", "sinus infection"],
}


def by_lists(written: str) -> Phrase:
    return compile_phrase(written, LISTS)


def made(written: str = "<judging> + <condition>") -> Together:
    return compile_together(written, by_lists)


def find(line: Together, text: str, ending_from: int = 0) -> list[str]:
    said = words(text)
    found = PhraseIndex(enumerate(line.parts)).find(said)
    parts = [found.get(i, []) for i in range(len(line.parts))]
    return [_text(said, *span) for span in together(parts, said, ending_from)]


def _text(said: Words, begin: int, end: int) -> str:
    return " ".join(said.tokens[begin:end])


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("That sounds like eczema.", "sounds like eczema"),
        ("Eczema, probably.", "eczema probably"),
        ("To me it looks like a mild infection", "looks like a mild infection"),
        ("An infected toe is what it looks like.", "infected toe is what it looks like"),
    ],
)
def test_in_any_order(text: str, span: str):
    assert find(made(), text) == [span]


@pytest.mark.parametrize(
    "text",
    [
        "It is probably nothing.",  # one part only
        "Is this about eczema?",
        "Probably. Eczema is on your chart.",  # two sentences
        "probably " + "very " * WITHIN + "eczema",  # too far apart
        "",
    ],
)
def test_not_together(text: str):
    assert find(made(), text) == []


def test_three_parts_the_third_between_the_others():
    line = compile_together("you + today + take two", compile_phrase)
    assert find(line, "you should take two of them today") == ["you should take 2 of them today"]
    assert find(line, "take two if you like") == []


def test_one_word_is_not_two_parts():
    line = compile_together("<judging> + looks like", by_lists)
    assert find(line, "it looks like rain") == []
    assert find(line, "it probably looks like rain") == ["probably looks like"]


def test_the_shortest_reach_counts():
    assert find(made(), "eczema or not it is probably an infection") == ["probably an infection"]


def test_something_of_it_lies_behind_what_was_cleared():
    text = "It is probably eczema. Tuesday at ten."
    assert find(made(), text, ending_from=0) == ["probably eczema"]
    assert find(made(), text, ending_from=4) == []
    assert find(made(), "it is probably eczema", ending_from=3) == ["probably eczema"]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("<judging>", "needs parts"),
        ("<judging> + ", "needs parts"),
        ("<judging> + <nothing>", "unknown word list"),
        ("<judging> + ...", "no words"),
    ],
)
def test_what_is_no_line(written: str, problem: str):
    with pytest.raises(ValueError, match=problem) as raised:
        compile_together(written, by_lists)
    assert " | " in str(raised.value)


FILLERS = st.lists(st.sampled_from(["well", "then", "the", "very", "."]), max_size=20)


@given(FILLERS, FILLERS, FILLERS, st.booleans())
def test_it_is_found_exactly_when_one_sentence_holds_both_near(
    before: list[str], between: list[str], after: list[str], turned: bool
):
    parts = ("eczema", "probably") if turned else ("probably", "eczema")
    text = " ".join([*before, parts[0], *between, parts[1], *after])
    near = "." not in between and len(between) + 2 <= WITHIN
    assert bool(find(made(), text)) is near
