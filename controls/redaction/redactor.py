"""Finds personal data in a text and masks it: the one way a text takes before any sink. Pure.

``redact`` looks until nothing more is found, so masking twice changes nothing; it never changes what lies
outside its findings. Cost is linear in the text: each recogniser looks a bounded number of words around.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, cast

import rfc8785

from controls.ledger.records import PersonalData
from controls.redaction.marked import Marked, Seen, marked
from controls.redaction.numbers import (
    NATIONAL,
    Recognise,
    card_codes,
    cards,
    ibans,
    library_version,
    telephones,
)
from controls.redaction.places import birth_dates, spoken_addresses, streets, written_addresses
from controls.redaction.revision import revision

#: Regions whose numbers are known.
REGIONS = tuple(NATIONAL)

#: Where findings overlap they become one, of the type that stands first here.
_GRAVEST = (
    PersonalData.IBAN, PersonalData.CARD, PersonalData.CARD_CODE, PersonalData.NATIONAL_ID,
    PersonalData.BIRTH_DATE, PersonalData.EMAIL, PersonalData.TELEPHONE, PersonalData.ADDRESS,
    PersonalData.NAME,
)  # fmt: skip
_BY_WORDS: Mapping[PersonalData, tuple[Recognise, ...]] = {
    PersonalData.CARD: (cards,),
    PersonalData.CARD_CODE: (card_codes,),
    PersonalData.IBAN: (ibans,),
    PersonalData.TELEPHONE: (telephones,),
    PersonalData.EMAIL: (spoken_addresses,),
    PersonalData.BIRTH_DATE: (birth_dates,),
    PersonalData.ADDRESS: (streets,),
}
#: Of these there is nothing in a text without any figure.
_NEEDS_FIGURES = frozenset(PersonalData) - {PersonalData.EMAIL, PersonalData.NAME}


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: ``text[start:end]`` of the text that was given."""

    type: PersonalData
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text without what was found in it.

    Attributes:
        text: with a mask such as ``[card]`` in place of each finding.
        found: in order, none over another.
        version: of the recognisers it was found by, ``sha256:…``.
    """

    text: str
    found: tuple[Found, ...]
    version: str


class Recogniser(Protocol):
    """Finds names and addresses by a model of its own, where one is installed.

    It may take long: it is asked for exports only, never while a call waits.
    """

    @property
    def version(self) -> str:
        """Its name and version, and its model's."""
        ...

    def find(self, text: str, language: str) -> Sequence[Found]:
        """What it finds. Raising is refused further up: nothing is exported."""
        ...


class Redacts(Protocol):
    """Masks texts: a ``Redactor``, or what stands before one."""

    @property
    def version(self) -> str: ...

    def redact(self, text: str, language: str = "en-US", context: str = "") -> Redacted: ...


class Redactor:
    """Masks some types of personal data. Immutable; one serves every call of a release.

    Attributes:
        types: what is masked.
        regions: whose telephone and national numbers are known.
        version: ``sha256:…`` of whatever decides what is found: types, regions, recognisers, libraries.
    """

    def __init__(
        self,
        types: Iterable[PersonalData],
        regions: Iterable[str] = REGIONS,
        recognisers: Sequence[Recogniser] = (),
    ) -> None:
        """Prepare.

        Args:
            regions: of ``REGIONS``.
            recognisers: further ones, for names and addresses.

        Raises:
            ValueError: a region whose numbers are not known.
        """
        self.types = frozenset(types)
        self.regions = frozenset(regions)
        if strange := self.regions - set(REGIONS):
            raise ValueError(
                f"no numbers are known of {', '.join(sorted(strange))}; use {', '.join(REGIONS)}"
            )
        self._recognisers = tuple(recognisers)
        chosen = {t: found for t, found in _BY_WORDS.items() if t in self.types}
        if PersonalData.NATIONAL_ID in self.types:
            chosen[PersonalData.NATIONAL_ID] = tuple(
                f for r in REGIONS if r in self.regions for f in NATIONAL[r]
            )
        self._chosen = tuple(chosen.items())
        self.version = _version(
            tuple(sorted(self.types)), tuple(sorted(self.regions)), tuple(r.version for r in recognisers)
        )
        # Numbering plans and labels are read when they are first needed: now, and not while a caller waits.
        tuple(self._in_words(marked("1234567")[0]))

    def redact(
        self, text: str, language: str = "en-US", context: str = "", seen: Seen | None = None
    ) -> Redacted:
        """Mask what is personal in ``text``.

        Args:
            language: BCP 47 tag, for recognisers with a model; ours know their languages by the words.
            context: what was said just before, by whomever: "What is your date of birth?" says what a date
                is. Nothing in it is masked here.
            seen: ``marked(text, context)``, where somebody has made it already.
        """
        edits = _Edits(text)
        while places := self._places(edits.text, language, context, seen):
            edits.mask(places)
            seen = None
        return Redacted(edits.text, tuple(edits.found), self.version)

    def mask(self, text: str) -> str:
        """``redact(text).text``, for sinks that want nothing else."""
        return self.redact(text).text

    def _places(self, text: str, language: str, context: str, given: Seen | None) -> list[Found]:
        """Findings of one pass, in places of ``text``, united where they overlap."""
        if not text or text.isspace():
            return []
        seen, sources = given or marked(text, context)
        found = [
            Found(kind, a, b) if sources is None else Found(kind, sources[a][0], sources[b - 1][1])
            for kind, a, b in self._in_words(seen)
            if b > a
        ]
        for recogniser in self._recognisers:
            found += [f for f in recogniser.find(text, language) if f.type in self.types]
        return _united(f for f in found if not _is_masked(text, f))

    def _in_words(self, seen: Marked) -> Iterator[tuple[PersonalData, int, int]]:
        for kind, recognisers in self._chosen:
            if kind in _NEEDS_FIGURES and not seen.runs:
                continue
            for recognise in recognisers:
                for first, last in recognise(seen, self.regions):
                    yield kind, *seen.place(first, last)
        if PersonalData.EMAIL in self.types:
            for begin, end in written_addresses(seen):
                yield PersonalData.EMAIL, begin, end


class _Edits:
    """A text being masked, and where its findings stood in the original."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Found] = []

    def mask(self, places: Sequence[Found]) -> None:
        """Put masks in place of what was found in the present text; masks are never found again."""
        original = [
            Found(p.type, p.start + self._shift(p.start), p.end + self._shift(p.start)) for p in places
        ]
        parts: list[str] = []
        at = 0
        for place in places:
            parts += (self.text[at : place.start], mask_of(place.type))
            at = place.end
        self.text = "".join((*parts, self.text[at:]))
        self.found = sorted((*self.found, *original), key=lambda f: f.start)

    def _shift(self, at: int) -> int:
        """How much farther on a place of the present text lies in the original."""
        shift = 0
        for found in self.found:
            if found.start - shift >= at:
                break
            shift += found.end - found.start - len(mask_of(found.type))
        return shift


def mask_of(kind: PersonalData) -> str:
    """What stands in place of a finding."""
    return f"[{kind.value}]"


def applied(text: str, found: Iterable[Found]) -> str:
    """``text`` with masks in place of findings, which are sorted and lie apart."""
    parts: list[str] = []
    at = 0
    for place in found:
        parts += (text[at : place.start], mask_of(place.type))
        at = place.end
    return "".join((*parts, text[at:]))


def united(found: Iterable[Found]) -> list[Found]:
    """In order, and those that overlap made one of the graver type."""
    return _united(found)


def _united(found: Iterable[Found]) -> list[Found]:
    places: list[Found] = []
    for f in sorted(found, key=lambda f: (f.start, f.end)):
        if places and f.start < places[-1].end:
            last = places[-1]
            kind = min(last.type, f.type, key=_GRAVEST.index)
            places[-1] = Found(kind, last.start, max(last.end, f.end))
        else:
            places.append(f)
    return places


def _is_masked(text: str, found: Found) -> bool:
    """Whether a model's finding is one of our masks, or cuts into one: masks stay as they are."""
    inside = text[found.start : found.end]
    return any(mask_of(kind) in inside or inside in mask_of(kind) for kind in PersonalData)


@lru_cache(maxsize=64)
def _version(types: tuple[str, ...], regions: tuple[str, ...], recognisers: tuple[str, ...]) -> str:
    seen = {
        "recognisers-of-ours": revision(),
        "types": list(types),
        "regions": list(regions),
        "recognisers": list(recognisers),
        "phonenumbers": library_version(),
    }
    return "sha256:" + hashlib.sha256(rfc8785.dumps(cast("Any", seen))).hexdigest()


#: Masks a text; ``Redactor.mask`` is one.
Mask = Callable[[str], str]
