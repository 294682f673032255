"""A pack compiled, once for every agent that names it. Pure.

Most of what a release's rules cost to make is its packs', and those are the same for many agents: what is
made of a pack stays with the pack.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import rfc8785

from controls.rules.condition import Case, Lists, Rule
from controls.rules.matchers import Phrase, Place, Span, Words
from controls.rules.model import Moment, Pack, as_plain
from controls.rules.phrase_index import ByRarestWord, PhraseIndex, Reading, words_of
from controls.rules.together import WITHIN, together


class RuleIndex:
    """The words of many rules looked for at once; cost grows with the text, hardly with their number."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Index rules; ``find`` answers by their place in that order."""
        phrases: list[tuple[int, Phrase]] = []
        parts: dict[tuple[Place | None, ...], Reading] = {}  # a part many lines name is read once
        lines: list[tuple[tuple[int, tuple[Reading, ...]], list[Place], list[Place]]] = []
        for key, rule in enumerate(rules):
            phrases += [(key, phrase) for phrase in rule.phrases]
            for line in rule.together:
                readings = tuple(parts.setdefault(part.places, Reading(part.places)) for part in line.parts)
                places = [p for part in line.parts for p in words_of(part.places)]
                last = [p for part in line.parts for p in words_of(part.places[-1:])]
                lines.append(((key, readings), places, last))
        self._phrases = PhraseIndex(phrases)
        self._lines = ByRarestWord(lines)

    def find(self, text: Words, ending_from: int = 0) -> dict[int, list[Span]]:
        """Matches as key → [(first word, after last word)], those that end after ``ending_from``."""
        found = self._phrases.find(text, ending_from)
        spans: dict[Reading, list[Span]] = {}
        for key, parts in self._lines.possible(text, ending_from):
            for part in parts:
                if part not in spans:
                    spans[part] = part.spans(text, ending_from - WITHIN)
            if whole := together([spans[part] for part in parts], text, ending_from):
                found[key] = sorted({*found.get(key, ()), *whole})
        return found


class Compiled:
    """A pack's rules, and what finds those that one moment may call for.

    Attributes:
        pack: what they were made of.
        rules: one for each of the pack's, in its order.
    """

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        lists = Lists(pack)
        self.rules = tuple(Rule(pack, spec, lists) for spec in pack.rules)
        self._moments = {moment: _Moment(self.rules, moment) for moment in {r.spec.when for r in self.rules}}

    @cached_property
    def canonical(self) -> bytes:
        """The pack in canonical form (RFC 8785)."""
        return rfc8785.dumps(dict(as_plain(self.pack)))

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of that."""
        return "sha256:" + hashlib.sha256(self.canonical).hexdigest()

    def candidates(self, moment: Moment, case: Case) -> Iterator[tuple[Rule, Sequence[Span]]]:
        """Rules that may apply, with the places of the words they look for; ``Rule.applies`` decides."""
        known = self._moments.get(moment)
        return known.candidates(case) if known is not None else iter(())

    def spans(self, rule: Rule, text: Words) -> Sequence[Span]:
        """Where the words of one of its rules stand in a text."""
        return self._moments[rule.spec.when].spans(rule, text)


class _Moment:
    """Rules of a pack for one moment: those that look for words, and those that are always asked."""

    def __init__(self, rules: Sequence[Rule], moment: Moment) -> None:
        mine = [rule for rule in rules if rule.spec.when == moment]
        self._reading = [rule for rule in mine if rule.reads_words]
        self._always = [rule for rule in mine if not rule.reads_words]
        self._index = RuleIndex(self._reading)

    def candidates(self, case: Case) -> Iterator[tuple[Rule, Sequence[Span]]]:
        for key, spans in self._index.find(case.words, case.start).items():
            yield self._reading[key], spans
        for rule in self._always:
            yield rule, ()

    def spans(self, rule: Rule, text: Words) -> Sequence[Span]:
        found = self._index.find(text).items()
        return next((spans for key, spans in found if self._reading[key] is rule), ())


def compiled(pack: Pack) -> Compiled:
    """What was made of a pack, or of one with the same text read before."""
    if not pack._compiled:
        pack._compiled.append(Compiled(pack))
    found: Compiled = pack._compiled[0]
    return found
