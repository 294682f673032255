"""What a disclosure must say and what must be asked: rules per jurisdiction. Pure.

The words of a disclosure are the agent's (``disclosure.say`` in agent.yaml); the rules
stand in ``configs/disclosures/<name>.yaml`` with their citations, and the agent
names those it has to meet (``disclosure.meets``). What must be asked before a
conversation stands there too, with the words of each question; which file counts
where is ``controls.jurisdiction``'s business.

A file counts from its ``effective`` day to the end of its ``expires`` day (UTC). One
that has expired is refused: nobody answers for it any more.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, Fault, read, refuse, validate
from controls.errors import Problem
from controls.ledger.records import Language, Slug
from controls.rules.matchers import compile_phrase, words
from controls.rules.model import Name, Sentence
from controls.rules.phrase_index import PhraseIndex

#: Spoken words a second that a calm telephone voice reaches; used to estimate a length.
WORDS_PER_S = 2.6
#: Above this many estimated seconds a disclosure is warned about.
WARN_S = 7.0
#: Language → how the keys 1 and 2 are said; digits count in every language.
_KEYS = {"en": ("one", "two"), "es": ("uno", "dos")}

#: Loosest first it is one_party, all_party, not_recorded (``controls.jurisdiction``).
Recording = Literal["not_recorded", "all_party", "one_party"]
#: What an agent may ask besides, where its file says so.
Extra = Literal["listening", "training", "callback"]
#: What can be asked before a conversation, as ``controls.consent`` names it.
AskedScope = Literal["record", "supplier", "listening", "training", "callback"]


class Requirement(Document):
    """One thing a disclosure must say, in any of these ways.

    Attributes:
        any_of: language → phrases (``controls.rules.matchers``), one of which must occur.
        operator: instead of phrases, the operator of record's name must occur.
        remedy: what to write, shown to whoever wrote the disclosure.
    """

    must: Sentence
    any_of: dict[Language, tuple[Sentence, ...]] = Field(default_factory=dict)
    operator: bool = False
    remedy: Sentence
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]


class ConsentRule(Document):
    """What callers must be asked; left out where a file says nothing about it.

    Attributes:
        recording: whether sound may be recorded: not at all, with everybody's consent, or with one
            party's, which is the operator's own.
        asks_first: no other company may hear the caller before they agreed to it.
        questions: scope → language → the exact words, which name key 1 for yes and key 2 for no. A yes to
            `record` lets sound be recorded and the text of what is said be kept: the words say both.
    """

    recording: Recording | None = None
    asks_first: bool | None = None
    questions: dict[AskedScope, dict[Language, Sentence]] = Field(default_factory=dict)


class DisclosureRule(Document):
    """One file under ``configs/disclosures``.

    Attributes:
        jurisdictions: whose law it is, such as us-ca, us or eu; us-ca is a part of us.
        citations: jurisdiction → the statutes behind it.
        reviewed: when it was last held against the law.
        reviewer: the role of configs/people.yaml that answers for it.
        effective: the first day it counts.
        expires: the last day it counts; past it no agent is served until somebody reviewed it again.
        requires: what a disclosure must say; a file may hold only what must be asked.
    """

    format: Literal[1]
    disclosure: Name
    title: Sentence
    jurisdictions: tuple[Slug, ...] = Field(min_length=1)
    citations: dict[Slug, tuple[Sentence, ...]] = Field(min_length=1)
    reviewed: datetime.date
    reviewer: Slug
    effective: datetime.date
    expires: datetime.date | None = None
    languages: tuple[Language, ...] = Field(min_length=1)
    requires: dict[Name, Requirement] = Field(default_factory=dict)
    consent: ConsentRule | None = None
    examples: dict[Language, tuple[Sentence, ...]] = Field(default_factory=dict)
    fails: dict[Language, tuple[Sentence, ...]] = Field(default_factory=dict)

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today

    def in_force(self, today: datetime.date) -> bool:
        """Whether it counts on that day."""
        return self.effective <= today and not self.expired(today)


def parse_disclosure(text: str, file: str, *, today: datetime.date | None = None) -> DisclosureRule:
    """Read one file of rules and hold it to its own examples.

    Args:
        today: refuse it where its last day is over by then; None does not look.

    Raises:
        ConfigurationError: with file, line, field and remedy.
    """
    data = read(text, file)
    rule = validate(data, file, DisclosureRule)
    refuse(data, file, (*_faults(rule), *_consent_faults(rule), *_dates(rule, today)))
    refuse(data, file, _examples_that_fail(rule))
    return rule


def _examples_that_fail(rule: DisclosureRule) -> Iterator[Fault]:
    for language in rule.languages:
        for field, holds in (("examples", True), ("fails", False)):
            for i, example in enumerate(getattr(rule, field).get(language, ())):
                if any(check([rule], {language: example}, operator=example)) is holds:
                    message = "the example does not hold" if holds else "the example holds though it must not"
                    yield (field, language, i), message, "change the requirement or the example"


def _faults(rule: DisclosureRule) -> Iterator[Fault]:
    if not rule.requires and rule.consent is None:
        yield ("requires",), "the file asks for nothing", "add `requires: …` or `consent: …`"
    for field in ("examples", "fails") if rule.requires else ():
        if not getattr(rule, field):
            yield (field,), "what it requires has none", f"add `{field}: {{{rule.languages[0]}: […]}}`"
    for name in rule.citations:
        if name not in rule.jurisdictions:
            remedy = "add it to `jurisdictions`, or remove it"
            yield ("citations", name), "the file does not speak for this jurisdiction", remedy
    for i, name in enumerate(rule.jurisdictions):
        if not rule.citations.get(name):
            remedy = f"add `{name}: […]` to `citations`"
            yield ("jurisdictions", i), f"no statute is cited for '{name}'", remedy
    for name, requirement in rule.requires.items():
        where = ("requires", name)
        if requirement.operator == bool(requirement.any_of):
            yield where, "give either `any_of` or `operator: true`", "remove one of them"
        for language in rule.languages:
            if requirement.any_of and language not in requirement.any_of:
                yield (*where, "any_of"), f"no phrases in {language}", f"add `{language}: […]`"
        for language, phrases in requirement.any_of.items():
            for i, phrase in enumerate(phrases):
                try:
                    compile_phrase(phrase)
                except ValueError as error:
                    message, _, remedy = str(error).partition(" | ")
                    yield (*where, "any_of", language, i), message, remedy


def _consent_faults(rule: DisclosureRule) -> Iterator[Fault]:
    consent = rule.consent
    if consent is None:
        return
    asked: dict[AskedScope, bool] = {
        "record": consent.recording == "all_party", "supplier": bool(consent.asks_first),
    }  # fmt: skip
    for scope, needed in asked.items():
        if needed and scope not in consent.questions:
            yield (
                ("consent",),
                f"it asks for consent without a question on {scope}",
                f"add questions: {scope}",
            )
    for scope, said in consent.questions.items():
        where = ("consent", "questions", scope)
        for language in rule.languages:
            if language not in said:
                yield where, f"no words in {language}", f"add `{language}: …`"
        for language, text in said.items():
            tokens = set(words(text).tokens)
            yes, no = (names | {key} for key, names in zip("12", _key_names(language), strict=True))
            if not (tokens & yes and tokens & no):
                remedy = 'say which keys answer it, such as "Say yes or press 1, say no or press 2."'
                yield (*where, language), "it does not name key 1 for yes and key 2 for no", remedy


def _key_names(language: str) -> tuple[frozenset[str], frozenset[str]]:
    one, two = _KEYS.get(language.partition("-")[0], ("", ""))
    return frozenset((one,)), frozenset((two,))


def _dates(rule: DisclosureRule, today: datetime.date | None) -> Iterator[Fault]:
    if rule.expires is not None and rule.expires < rule.effective:
        yield ("expires",), "its last day comes before its first", "correct `effective` or `expires`"
    elif today is not None and rule.expired(today):
        remedy = (
            f"have {rule.reviewer} hold it against the law again and set a new date, or remove the file; "
            "until then no agent is served"
        )
        yield ("expires",), f"it expired: its last day was {rule.expires}", remedy


def check(
    rules: Iterable[DisclosureRule],
    say: Mapping[str, str],
    *,
    operator: str,
    file: str = "",
    lines: Mapping[str, int] | None = None,
) -> list[Problem]:
    """What is missing in a disclosure.

    Args:
        say: language → words.
        operator: operator of record; a remark in parentheses does not count.
        lines: language → line in ``file``.

    Returns:
        Errors for what a rule asks for, warnings for one that takes long.
    """
    lines = lines or {}
    problems = []
    for rule in rules:
        for language, text in say.items():
            field, line = f"disclosure.say.{language}", lines.get(language, 0)
            if language not in rule.languages:
                message = f"{rule.disclosure} was not reviewed for this language"
                problems.append(
                    Problem(file, line, field, message, "do not serve it, or have the rule reviewed")
                )
                continue
            for requirement in rule.requires.values():
                if not _says(requirement, text, language, operator):
                    message = f"{rule.disclosure}: it must {requirement.must}"
                    problems.append(Problem(file, line, field, message, requirement.remedy))
    for language, text in say.items():
        seconds = estimated_s(text)
        if seconds > WARN_S:
            message = f"it takes about {seconds:.0f} s to say"
            remedy = f"keep it under {WARN_S:.0f} s; callers hang up or talk over it"
            problems.append(
                Problem(
                    file, lines.get(language, 0), f"disclosure.say.{language}", message, remedy, "warning"
                )
            )
    return problems


def estimated_s(text: str) -> float:
    """About how long a telephone voice takes for ``text``, in seconds; 0.25 s for each sentence's pause."""
    return len(text.split()) / WORDS_PER_S + 0.25 * sum(text.count(mark) for mark in ".!?")


def _says(requirement: Requirement, text: str, language: str, operator: str) -> bool:
    said = words(text)
    if requirement.operator:
        name = words(operator.partition("(")[0])
        size = len(name.tokens)
        return size > 0 and any(
            said.tokens[i : i + size] == name.tokens for i in range(len(said.tokens) - size + 1)
        )
    phrases = requirement.any_of.get(language, ())
    return bool(PhraseIndex((0, compile_phrase(p)) for p in phrases).find(said))
