"""Many phrases looked for at once find what each alone would, by a plain reading of its places."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from controls.rules.matchers import GAP, Phrase, Place, Words, compile_phrase, words
from controls.rules.phrase_index import PhraseIndex

LISTS = {"judging": ["it is", "it is probably", "looks", "is"], "thing": ["eczema", "is it eczema", "itc*"]}
WORDS = ("it", "is", "probably", "looks", "eczema", "itchy", "you", "have")
PARTS = (*WORDS, "<judging>", "<thing>", "it/you", "hav*", "...")


def alone(phrase: Phrase, text: Words, at: int) -> int:
    """End of a match at ``at``, tried place by place: longest entry first, shortest gap first; or -1."""
    return _end(phrase.places, text, at)


def _end(places: tuple[Place | None, ...], text: Words, at: int) -> int:
    if not places:
        return at
    place, *rest = places
    if place is None:
        for skip in range(GAP + 1):
            if at + skip >= len(text) or at + skip in text.breaks:
                return -1
            if (end := _end(tuple(rest), text, at + skip)) >= 0:
                return end
        return -1
    for size in place.sizes(text.tokens, at) if at < len(text) else ():
        if (end := _end(tuple(rest), text, at + size)) >= 0:
            return end
    return -1


def _phrases() -> st.SearchStrategy[list[str]]:
    def whole(parts: list[str]) -> str:
        parts = [part for part, _ in groupby(parts)]
        return " ".join(["it", *parts, "eczema"]) if {parts[0], parts[-1]} & {"..."} else " ".join(parts)

    return st.lists(
        st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(whole), min_size=1, max_size=12
    )


_TEXT = st.lists(st.sampled_from((*WORDS, "eczema.", "well?")), max_size=14).map(" ".join)


@given(_phrases(), _TEXT, st.integers(0, 6))
def test_it_finds_what_each_phrase_finds_alone(written: list[str], said: str, ending_from: int) -> None:
    phrases = [compile_phrase(p, LISTS) for p in written]
    text = words(said)
    expected = {
        key: found
        for key, phrase in enumerate(phrases)
        if (found := [(at, end) for at in range(len(text)) if (end := alone(phrase, text, at)) > ending_from])
    }
    assert PhraseIndex(enumerate(phrases)).find(text, ending_from) == expected


def test_many_ways_on_are_found_by_their_word() -> None:
    phrases = [compile_phrase(f"you {word} it") for word in "abcdefghijklmnop"]
    index = PhraseIndex([*enumerate(phrases), (99, compile_phrase("you hav* it"))])
    assert index.find(words("now you p it")) == {15: [(1, 4)]}
    assert index.find(words("you having it")) == {99: [(0, 3)]}


def test_gaps_in_gaps_cost_no_more_than_the_words_there_are() -> None:
    """A search that tried every division of the words would not come back."""
    index = PhraseIndex([(0, compile_phrase("it ... " * 12 + "eczema"))])
    assert index.find(words("it " * 60)) == {}
    in_groups = PhraseIndex([(0, compile_phrase("it it ... it it ... " * 6 + "eczema eczema"))])
    assert in_groups.find(words("it " * 60 + "eczema")) == {}
