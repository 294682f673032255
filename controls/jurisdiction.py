"""From a line's jurisdiction to the rules that apply there, most specific first. Pure.

The rules are the files under ``configs/disclosures`` (``controls.disclosures``). A file
names the jurisdictions it speaks for: ``us-ca`` is a part of ``us``, so a call in
``us-ca`` stands under the files that name ``us-ca`` and under those that name ``us``.

Each matter (may sound be recorded, does consent come before another company hears the
caller) is decided by the most specific files that say something about it. Among several
of the same rank the strictest counts. Where no file says anything, the strictest of all
files counts: federal law does not answer for a state nobody has looked at. A
jurisdiction that no file names at all is *unknown*: the wording rules of every file
apply there too.

Strictest, as an order:

* recording: ``one_party`` < ``all_party`` < ``not_recorded``;
* asks_first: False < True.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from controls.disclosures import AskedScope, DisclosureRule, Extra, Recording

#: Loosest first: whoever stands further behind is stricter.
RECORDING: tuple[Recording, ...] = ("one_party", "all_party", "not_recorded")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wording:
    """A question in one language: a fixed phrase.

    Attributes:
        phrase: its id, ``ask.<file>.<scope>``: two files' words are two phrases.
    """

    scope: AskedScope
    phrase: str
    language: str
    words: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds in one jurisdiction.

    Attributes:
        known: some file speaks for it or for what it is a part of.
        rules: the files that apply, most specific first; every file where it is unknown.
        others: the remaining files, for words that none of ``rules`` has.
    """

    jurisdiction: str
    known: bool
    recording: Recording
    asks_first: bool
    rules: tuple[DisclosureRule, ...]
    others: tuple[DisclosureRule, ...] = ()

    def wording(self, scope: AskedScope, language: str) -> Wording | None:
        """The question for ``scope`` in a language: the most specific file's that has words, or None."""
        for rule in (*self.rules, *self.others):
            words = rule.consent.questions.get(scope, {}).get(language) if rule.consent else None
            if words:
                return Wording(scope, f"ask.{rule.disclosure}.{scope}", language, words)
        return None


@dataclass(frozen=True, slots=True)
class Jurisdictions:
    """Every file that counts, or will. Immutable.

    A server runs for longer than a day: it keeps those that are not effective yet, too, and each call asks
    for its own day (``on``).

    Attributes:
        rules: by name.
    """

    rules: tuple[DisclosureRule, ...] = ()

    @classmethod
    def of(cls, rules: Iterable[DisclosureRule], today: datetime.date) -> Jurisdictions:
        """Those of ``rules`` that are in force: begun, and not past their last day."""
        return cls(tuple(sorted((r for r in rules if r.in_force(today)), key=lambda r: r.disclosure)))

    @classmethod
    def known(cls, rules: Iterable[DisclosureRule]) -> Jurisdictions:
        """All of ``rules``, whenever they count."""
        return cls(tuple(sorted(rules, key=lambda r: r.disclosure)))

    def on(self, day: datetime.date) -> Jurisdictions:
        """Those that are in force on that day."""
        return Jurisdictions(tuple(rule for rule in self.rules if rule.in_force(day)))

    def days(self, today: datetime.date) -> tuple[datetime.date, ...]:
        """Today, and every later day on which a further file begins to count."""
        return (today, *sorted({rule.effective for rule in self.rules if rule.effective > today}))

    def at(self, jurisdiction: str) -> Terms:
        """What holds in ``jurisdiction``, such as ``us-ca``; "" is an unknown one."""
        levels = [
            [rule for rule in self.rules if level in rule.jurisdictions] for level in ranks(jurisdiction)
        ]
        applying = tuple({rule.disclosure: rule for level in levels for rule in level}.values())
        return Terms(
            jurisdiction=jurisdiction,
            known=bool(applying),
            recording=self._decided(levels, _recording, _strictest_recording, RECORDING[-1]),
            asks_first=self._decided(levels, _asks_first, any, True),
            rules=applying or self.rules,
            others=tuple(rule for rule in self.rules if all(rule is not a for a in applying))
            if applying
            else (),
        )

    def _decided(
        self,
        levels: Iterable[list[DisclosureRule]],
        says: Callable[[DisclosureRule], T | None],
        strictest: Callable[[list[T]], T],
        utmost: T,
    ) -> T:
        """What the most specific level that says something says; else the strictest of all files."""
        for level in (*levels, list(self.rules)):
            if said := [found for rule in level if (found := says(rule)) is not None]:
                return strictest(said)
        return utmost

    def first_to_expire(self) -> DisclosureRule | None:
        """The file whose last day comes first; None when none has one."""
        ending = [rule for rule in self.rules if rule.expires is not None]
        return min(ending, key=lambda rule: rule.expires or datetime.date.max, default=None)

    def expired(self, today: datetime.date) -> DisclosureRule | None:
        """A file whose last day is over by now (they were in force when they were read), or None."""
        first = self.first_to_expire()
        return first if first is not None and first.expired(today) else None


def asked_scopes(
    terms: Terms, *, recording: Literal["off", "ask"], outside: bool, also: Sequence[Extra] = ()
) -> tuple[AskedScope, ...]:
    """What a call is opened with questions about, in order.

    Args:
        recording: what the agent wants; where the law forbids it, nobody is asked.
        outside: another company's recogniser may hear the caller.
        also: what the agent asks besides.
    """
    found: list[AskedScope] = []
    if terms.asks_first and outside:
        found.append("supplier")
    if recording == "ask" and terms.recording != "not_recorded":
        found.append("record")
    return (*found, *also)


def ranks(jurisdiction: str) -> list[str]:
    """A jurisdiction and what it is a part of, most specific first: ``us-ca`` → ``us-ca``, ``us``."""
    parts = [part for part in jurisdiction.split("-") if part]
    return ["-".join(parts[:n]) for n in range(len(parts), 0, -1)]


def stricter(one: Recording, other: Recording) -> Recording:
    """The stricter of the two."""
    return max(one, other, key=RECORDING.index)


def _recording(rule: DisclosureRule) -> Recording | None:
    return rule.consent.recording if rule.consent is not None else None


def _asks_first(rule: DisclosureRule) -> bool | None:
    return rule.consent.asks_first if rule.consent is not None else None


def _strictest_recording(said: list[Recording]) -> Recording:
    return max(said, key=RECORDING.index)
