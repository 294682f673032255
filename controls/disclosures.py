"""What a disclosure must say: wording rules per jurisdiction, checked before an agent is served. Pure.

The words themselves are the agent's (``disclosure.say`` in agent.yaml); the rules
stand in ``configs/disclosures/<name>.yaml`` with their citations, and the agent
names those it has to meet (``disclosure.meets``).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, dotted, line_of, read, validate
from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Language
from controls.rules.matchers import PhraseIndex, compile_phrase, words
from controls.rules.model import Name, Sentence

#: Spoken words a second that a calm telephone voice reaches; used to estimate a length.
WORDS_PER_S = 2.6
#: Above this many estimated seconds a disclosure is warned about.
WARN_S = 7.0


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


class DisclosureRule(Document):
    """One file under ``configs/disclosures``."""

    format: Literal[1]
    disclosure: Name
    title: Sentence
    reviewed: datetime.date
    languages: tuple[Language, ...] = Field(min_length=1)
    requires: dict[Name, Requirement] = Field(min_length=1)
    examples: dict[Language, tuple[Sentence, ...]] = Field(min_length=1)
    fails: dict[Language, tuple[Sentence, ...]] = Field(min_length=1)


def parse_disclosure(text: str, file: str) -> DisclosureRule:
    """Read one file of wording rules and hold it to its own examples.

    Raises:
        ConfigurationError: with file, line, field and remedy.
    """
    data = read(text, file)
    rule = validate(data, file, DisclosureRule)
    problems = [
        Problem(file, line_of(data, where), dotted(where), message, remedy)
        for where, message, remedy in _faults(rule)
    ]
    if problems:
        raise ConfigurationError(problems)
    for language in rule.languages:
        for field, holds in (("examples", True), ("fails", False)):
            for i, example in enumerate(getattr(rule, field).get(language, ())):
                found = any(check([rule], {language: example}, operator=example))
                if found is holds:
                    where = (field, language, i)
                    message = "the example does not hold" if holds else "the example holds though it must not"
                    remedy = "change the requirement or the example"
                    problems.append(Problem(file, line_of(data, where), dotted(where), message, remedy))
    if problems:
        raise ConfigurationError(problems)
    return rule


def _faults(rule: DisclosureRule) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
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
