"""Many phrases looked for at once. Pure.

What needs several words is kept at the rarest of them: a text without that one cannot hold it, and most
texts are. Of what is kept where a text has a word, hardly anything finds all its other words there too, in
whatever order; only these few are read word by word. Which words are rare is counted in the phrases
themselves: what is common in speech is common in them, in any language.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from controls.rules.matchers import GAP, Phrase, Place, Span, Words

_T = TypeVar("_T")


class ByRarestWord(Generic[_T]):
    """Things that need something of each of their places in a text, in any order. Immutable."""

    def __init__(self, things: Iterable[tuple[_T, Collection[Place], Collection[Place]]]) -> None:
        """Keep things, with their places, and those of these that a match may end with."""
        given = list(things)
        telling = _telling(place for _, places, _ in given for place in places)
        kept: dict[Place, dict[Place | None, list[_Kept[_T]]]] = {}
        for thing, places, last in given:
            rarest, *others = sorted(dict.fromkeys(places), key=lambda place: telling[place].common)
            second, others = (others[0], others[1:]) if others else (None, [])
            ends = frozenset[str]().union(*(place.ends for place in last))
            kept_here = _Kept(thing, ends, tuple(telling[p].marks for p in others))
            kept.setdefault(rarest, {}).setdefault(second, []).append(kept_here)
        #: Mark of a word → what is kept at each place it tells of, and what else each group of it needs.
        self._at: dict[str, list[_Group[_T]]] = {}
        for place, by_second in kept.items():
            groups = [(telling[other].marks if other else None, there) for other, there in by_second.items()]
            for mark in telling[place].marks:
                self._at.setdefault(mark, []).extend(groups)

    def possible(self, text: Words, ending_from: int = 0) -> Iterator[_T]:
        """What may be in a text and end after ``ending_from``; in no order, and some of it more than once."""
        marks, new = text.marks, text.marks_from(max(0, ending_from))
        for mark in self._at.keys() & marks:
            for second, there in self._at[mark]:
                if second is not None and second.isdisjoint(marks):
                    continue
                for thing, ends, others in there:
                    if ends.isdisjoint(new):
                        continue
                    for needed in others:
                        if needed.isdisjoint(marks):
                            break
                    else:
                        yield thing


class Reading:
    """A phrase as it is read, word by word."""

    __slots__ = ("_last", "_places", "_reach")

    def __init__(self, places: tuple[Place | None, ...]) -> None:
        last = places[-1]
        assert last is not None  # a phrase ends with words
        self._places, self._last, self._reach = places, last, 0

    def spans(self, text: Words, ending_from: int = 0) -> list[Span]:
        """Where it stands, as (first word, after last word), those that end after ``ending_from``.

        From each first word once: with the longest entry of a list, and the shortest ``...``, from the left.
        """
        ending_from = max(0, ending_from)
        if len(self._places) == 1:
            ends = ((at, at + sizes[0]) for at, sizes in text.standing(self._last).items())
            return [span for span in ends if span[1] > ending_from]
        if not any(at + sizes[0] > ending_from for at, sizes in text.standing(self._last).items()):
            return []
        standing: list[Mapping[int, Sequence[int]] | None] = []
        for place in self._places:
            there = None if place is None else text.standing(place)
            if there is not None and not there:
                return []
            standing.append(there)
        first = standing[0]
        assert first is not None  # a phrase begins with words, too
        # worked out when the phrase is first read: most never are
        self._reach = self._reach or sum(GAP if place is None else place.longest for place in self._places)
        behind = ending_from - self._reach
        read = _Read(standing, text)
        found = [(at, read.end(0, at)) for at in first if at > behind]
        return [span for span in found if span[1] > ending_from]


class PhraseIndex:
    """Phrases by key. Immutable; cost grows with the text, hardly with their number."""

    def __init__(self, phrases: Iterable[tuple[int, Phrase]]) -> None:
        """Index ``(key, phrase)`` pairs; ``find`` answers by key."""
        given = dict.fromkeys((key, phrase.places) for key, phrase in phrases)
        self._phrases = ByRarestWord(
            ((key, Reading(places)), words_of(places), words_of(places[-1:])) for key, places in given
        )

    def find(self, text: Words, ending_from: int = 0) -> dict[int, list[Span]]:
        """Matches as key → [(first word, after last word)], those that end after ``ending_from``."""
        found: dict[int, set[Span]] = {}
        for key, reading in self._phrases.possible(text, ending_from):
            if spans := reading.spans(text, ending_from):
                found.setdefault(key, set()).update(spans)
        return {key: sorted(found[key]) for key in sorted(found)}


def words_of(places: Iterable[Place | None]) -> list[Place]:
    """The places that are not ``...``."""
    return [place for place in places if place is not None]


class _Read:
    """One phrase read in one text."""

    __slots__ = ("_after_gap", "_breaks", "_places", "_words")

    def __init__(self, places: Sequence[Mapping[int, Sequence[int]] | None], text: Words) -> None:
        """Read a phrase.

        Args:
            places: where each of its places stands; None is ``...``.
        """
        self._places = places
        self._breaks, self._words = text.breaks, len(text.tokens)
        self._after_gap: dict[tuple[int, int], int] = {}

    def end(self, which: int, at: int) -> int:
        """Where it ends if place ``which`` stands at ``at``; 0 when it does not."""
        for number in range(which, len(self._places)):
            there = self._places[number]
            if there is None:
                return self._end_after_gap(number + 1, at)
            sizes = there.get(at, ())
            if len(sizes) != 1 and number + 1 < len(self._places):
                return next((end for size in sizes if (end := self.end(number + 1, at + size))), 0)
            if not sizes:
                return 0
            at += sizes[0]
        return at

    def _end_after_gap(self, which: int, at: int) -> int:
        """As ``end``, with up to ``GAP`` words of the same sentence before the place.

        Kept: a run of digits read in groups would be gone through again for each way to part it.
        """
        known = self._after_gap.get((which, at))
        if known is None:
            known = self._after_gap[which, at] = self._search(which, at)
        return known

    def _search(self, which: int, at: int) -> int:
        there = self._places[which]
        assert there is not None  # words follow a gap
        for begin in range(at, min(at + GAP + 1, self._words)):
            if begin in self._breaks:
                return 0
            if begin in there and (end := self.end(which, begin)):
                return end
        return 0


class _Kept(NamedTuple, Generic[_T]):
    """Something kept at its rarest place.

    Attributes:
        ends: marks of the words it can end with.
        others: marks that tell of each of its places but the two rarest.
    """

    thing: _T
    ends: frozenset[str]
    others: tuple[frozenset[str], ...]


#: Things kept at one place that have the next rarest in common, and the marks that tell of that one.
_Group: TypeAlias = tuple[frozenset[str] | None, list[_Kept[_T]]]


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
