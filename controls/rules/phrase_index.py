"""Many phrases looked for at once. Pure.

What needs several words is kept at the rarest of them: a text without that one cannot hold it, and most
texts are. Of what is kept where a text has a word, hardly anything finds all its other words there too, in
whatever order; only these few are read word by word. Which words are rare is counted in the phrases
themselves: what is common in speech is common in them, in any language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from controls.rules.matchers import GAP, Phrase, Place, Span, Words

_T = TypeVar("_T")


class ByRarestWord(Generic[_T]):
    """Things that need something of each of their places in a text, in any order. Immutable."""

    def __init__(self, things: Iterable[tuple[_T, Collection[Place]]]) -> None:
        """Keep ``(thing, its places)`` pairs."""
        given = list(things)
        telling = _telling(place for _, places in given for place in places)
        kept: dict[Place, list[_Kept[_T]]] = {}
        for thing, places in given:
            rarest, *others = sorted(dict.fromkeys(places), key=lambda place: telling[place].common)
            kept.setdefault(rarest, []).append(_Kept(thing, tuple(telling[p].marks for p in others)))
        #: Mark of a word → what is kept at each place it tells of.
        self._at: dict[str, list[list[_Kept[_T]]]] = {}
        for place, there in kept.items():
            for mark in telling[place].marks:
                self._at.setdefault(mark, []).append(there)

    def possible(self, text: Words) -> Iterator[_T]:
        """What may be in a text; in no order, and some of it more than once."""
        marks = text.marks
        for mark in self._at.keys() & marks:
            for there in self._at[mark]:
                for thing, others in there:
                    for needed in others:
                        if needed.isdisjoint(marks):
                            break
                    else:
                        yield thing


class Reading:
    """A phrase as it is read, word by word."""

    __slots__ = ("_first", "_last", "_places", "_reach")

    def __init__(self, places: tuple[Place | None, ...]) -> None:
        first, last = places[0], places[-1]
        assert first is not None  # a phrase begins and ends with words
        assert last is not None
        self._places = places
        self._first, self._last = first.begins, last.begins
        self._reach = sum(GAP if place is None else place.longest for place in places)

    def spans(self, text: Words, ending_from: int = 0) -> list[Span]:
        """Where it stands, as (first word, after last word), those that end after ``ending_from``.

        From each first word once: with the longest entry of a list, and the shortest ``...``, from the left.
        """
        if self._last.isdisjoint(text.marks_from(max(0, ending_from))):
            return []
        behind = ending_from - self._reach
        starts = {at for mark in self._first & text.marks for at in text.at[mark] if at > behind}
        found = [(at, _end(self._places, 0, text, at)) for at in sorted(starts)]
        return [span for span in found if span[1] > max(0, ending_from)]


class PhraseIndex:
    """Phrases by key. Immutable; cost grows with the text, hardly with their number."""

    def __init__(self, phrases: Iterable[tuple[int, Phrase]]) -> None:
        """Index ``(key, phrase)`` pairs; ``find`` answers by key."""
        given = dict.fromkeys((key, phrase.places) for key, phrase in phrases)
        self._phrases = ByRarestWord(((key, Reading(places)), words_of(places)) for key, places in given)

    def find(self, text: Words, ending_from: int = 0) -> dict[int, list[Span]]:
        """Matches as key → [(first word, after last word)], those that end after ``ending_from``."""
        found: dict[int, set[Span]] = {}
        for key, reading in self._phrases.possible(text):
            if spans := reading.spans(text, ending_from):
                found.setdefault(key, set()).update(spans)
        return {key: sorted(found[key]) for key in sorted(found)}


def words_of(places: Iterable[Place | None]) -> list[Place]:
    """The places that are not ``...``."""
    return [place for place in places if place is not None]


def _end(places: tuple[Place | None, ...], which: int, text: Words, at: int) -> int:
    """Where a phrase ends whose place ``which`` stands at ``at``; 0 when it does not."""
    place = places[which]
    if place is None:
        for skip in range(GAP + 1):
            if at + skip >= len(text.tokens) or at + skip in text.breaks:
                return 0
            if end := _end(places, which + 1, text, at + skip):
                return end
        return 0
    if at >= len(text.tokens):
        return 0
    for size in place.sizes(text.tokens, at):
        if which + 1 == len(places):
            return at + size
        if end := _end(places, which + 1, text, at + size):
            return end
    return 0


class _Kept(NamedTuple, Generic[_T]):
    """Something at its rarest place; ``others``: marks that tell of each of its other places."""

    thing: _T
    others: tuple[frozenset[str], ...]


class _Telling(NamedTuple):
    """What tells that something of a place may stand in a text.

    Attributes:
        common: how common it is, by the commonest of its words, then by their number.
        marks: the rarest word of each entry of its list.
    """

    common: tuple[int, int]
    marks: frozenset[str]


def _telling(places: Iterable[Place]) -> dict[Place, _Telling]:
    uses = Counter(places)
    common = Counter(mark for place in uses for entry in place.entries for mark in entry)
    for place, count in uses.items():
        if len(place.ways) == 1:  # a list stands in many phrases, but was written once
            common.update(dict.fromkeys(place.ways, count - 1))
    found = {}
    for place in uses:
        marks = frozenset(min(entry, key=common.__getitem__) for entry in place.entries)
        found[place] = _Telling((max(common[mark] for mark in marks), len(marks)), marks)
    return found
