"""What each fixed phrase is for, and what its words must say and may never say. Pure.

Callers' yeses, keys and rights hang on a handful of fixed phrases: "are you a robot?" is answered by
one, a call-back is agreed to by answering another. ``configs/must_say.yaml`` says of each what has to
occur in it (phrases of ``controls.rules.matchers``, one of every list), what may not, whether it asks,
and shows sentences that hold and some that do not. An agent words its phrases as it likes within that.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from controls.documents import MAX_BYTES, Document, Fault, dotted, line_of, read, refuse, validate
from controls.errors import ConfigurationError
from controls.ledger.records import Language, Slug
from controls.quick_yaml import quickly
from controls.rules.examples import Tried
from controls.rules.matchers import Words, compile_phrase, words
from controls.rules.model import Sentence
from controls.rules.phrase_index import PhraseIndex

#: What stands where a rule has its pack: ``must-say/ai-answer.en-US``.
MUST_SAY = "must-say"
#: Language → how yes and no are said, as ``words`` writes them; the keys are 1 and 2 everywhere.
_YES_NO = {"en": ("yes", "no"), "es": ("si", "no")}

By = dict[Language, tuple[Sentence, ...]]


class Wanted(Document):
    """One thing that has to be said, in any of these ways.

    Attributes:
        must: what, as in "it must …".
        any_of: language → phrases, one of which must occur.
    """

    must: Sentence
    any_of: By


class PhraseRule(Document):
    """What one fixed phrase is held to.

    Attributes:
        purpose: what it is for, for whoever words it.
        because: why, with its source.
        citations: statutes and controls behind it, where there are any.
        asks: whether it asks exactly one thing, or nothing at all.
        keys: whether it says that yes is key 1, and no key 2.
        must: all of it has to be said.
        never: language → phrases that may not occur.
        unless: language → a phrase of ``never`` found inside one of these does not count.
        examples: language → words that hold; the first one is shown to whoever words it amiss.
        fails: language → words that do not.
    """

    purpose: Sentence
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]
    citations: tuple[Sentence, ...] = ()
    asks: bool
    keys: bool = False
    must: tuple[Wanted, ...] = ()
    never: By = Field(default_factory=dict)
    unless: By = Field(default_factory=dict)
    examples: By
    fails: By

    def said_in(self, language: str) -> dict[str, Any]:
        """What it holds words of one language to, as plain values."""
        return {
            "asks": self.asks,
            "keys": self.keys,
            "must": [sorted(wanted.any_of.get(language, ())) for wanted in self.must],
            "never": sorted(self.never.get(language, ())),
            "unless": sorted(self.unless.get(language, ())),
        }


class MustSay(Document):
    """``configs/must_say.yaml``.

    Attributes:
        owner: the role of configs/people.yaml that answers for it.
        reviewed: when it was last held against the law and the controls.
        languages: for which all of it is written.
        never_anywhere: language → what no fixed phrase may say: it would be said whatever has happened.
        phrases: phrase or template id → what it is held to.
    """

    format: Literal[1]
    title: Sentence
    owner: Slug
    reviewed: datetime.date
    languages: tuple[Language, ...] = Field(min_length=1)
    never_anywhere: By
    phrases: dict[Slug, PhraseRule] = Field(min_length=1)

    def lacking(self, phrase: str, text: str, language: str) -> tuple[str, ...]:
        """What is wrong with ``text`` as the words of ``phrase``, each as "it must …".

        Nothing is wrong where the file knows no such phrase, or not the language: whoever asks names that.
        """
        rule = self.phrases.get(phrase)
        if rule is None or language not in self.languages:
            return ()
        said = words(text)
        anywhere = _amiss(said, self.never_anywhere.get(language, ()), ())
        return (*_lacking(rule, text, language), *anywhere)

    def example(self, phrase: str, language: str) -> str:
        """Words that hold, to be shown."""
        return self.phrases[phrase].examples[language][0]


def parse_must_say(text: str, file: str) -> MustSay:
    """Read the file and hold it to its own examples.

    Raises:
        ConfigurationError: with file, line, field and remedy.
    """
    return _parsed(text, file)


@lru_cache(maxsize=4)  # every agent of a house has the same
def _parsed(text: str, file: str) -> MustSay:
    try:  # a hundred times faster than with the lines, which only a fault needs
        found = MustSay.model_validate(quickly(text) if len(text) <= MAX_BYTES else None)
        if not any(_faults(found)) and not any(_examples_that_fail(found)):
            return found
    except (ValidationError, ConfigurationError):
        pass
    data = read(text, file)
    found = validate(data, file, MustSay)
    refuse(data, file, _faults(found))
    refuse(data, file, _examples_that_fail(found))
    return found


def tried_phrases(text: str, file: str) -> Iterator[Tried]:
    """Every example of the file, tried, as rules are (``sayso rules test``).

    Raises:
        ConfigurationError: it is no such file, or a phrase of it cannot be read.
    """
    data = read(text, file)
    found = validate(data, file, MustSay)
    refuse(data, file, _faults(found))
    for name, rule in found.phrases.items():
        for language in found.languages:
            for field, holds in (("fails", False), ("examples", True)):
                for i, example in enumerate(getattr(rule, field)[language]):
                    where = partial(_place, data, file, ("phrases", name, field, language, i))
                    wrong = found.lacking(name, example, language)
                    fault = "" if (not any(wrong)) is holds else _not_held(holds)
                    yield Tried(f"{MUST_SAY}/{name}.{language}", not holds, example, where, fault)


def _place(data: Any, file: str, where: tuple[int | str, ...]) -> tuple[str, int, str]:
    return file, line_of(data, where), dotted(where)


def _not_held(holds: bool) -> str:
    return "the example does not hold" if holds else "the example holds though it must not"


def _lacking(rule: PhraseRule, text: str, language: str) -> Iterator[str]:
    said = words(text)
    for wanted in rule.must:
        if not _index(wanted.any_of.get(language, ())).find(said):
            yield f"it must {wanted.must}"
    yield from _amiss(said, rule.never.get(language, ()), rule.unless.get(language, ()))
    asked = text.count("?")
    if rule.asks and asked != 1:
        yield "it must ask one thing, and only that"
    if not rule.asks and asked:
        yield "it may ask nothing: an answer to it would count for something else"
    if rule.keys and not _names_keys(said.tokens, language):
        yield "it must say that yes is key 1 and no is key 2"


def _amiss(said: Words, never: tuple[str, ...], unless: tuple[str, ...]) -> Iterator[str]:
    """The first thing that may not be said, outside of what is excepted."""
    masks = _index(unless).find(said).get(0, [])
    for start, end in sorted(_index(never).find(said).get(0, [])):
        if not any(a <= start and end <= b for a, b in masks):
            shown = said.text[said.spans[start][0] : said.spans[end - 1][1]]
            yield f"it may not say '{shown}'"
            return


def _names_keys(tokens: Iterable[str], language: str) -> bool:
    """Whether the keys are named last, each beside its own answer."""
    yes, no = _YES_NO.get(language.partition("-")[0], ("1", "2"))
    named = [token for token in tokens if token in (yes, no, "1", "2")][-4:]
    return [set(named[:2]), set(named[2:])] in ([{yes, "1"}, {no, "2"}], [{no, "2"}, {yes, "1"}])


@lru_cache(maxsize=1024)
def _index(phrases: tuple[str, ...]) -> PhraseIndex:
    return PhraseIndex((0, compile_phrase(phrase)) for phrase in phrases)


def _faults(found: MustSay) -> Iterator[Fault]:
    for language in found.languages:
        if not found.never_anywhere.get(language):
            yield ("never_anywhere",), f"there is nothing in {language}", f"add `{language}: […]`"
    for name, rule in found.phrases.items():
        lists: list[tuple[tuple[int | str, ...], Mapping[str, tuple[str, ...]], bool]] = [
            (("must", i, "any_of"), wanted.any_of, True) for i, wanted in enumerate(rule.must)
        ]
        lists += [(("never",), rule.never, bool(rule.never)), (("unless",), rule.unless, False)]
        lists += [(("examples",), rule.examples, True), (("fails",), rule.fails, True)]
        for at, by, needed in lists:
            where = ("phrases", name, *at)
            for language in found.languages if needed else ():
                if not by.get(language):
                    yield where, f"there is nothing in {language}", f"add `{language}: […]`"
            for language, given in by.items():
                if language not in found.languages:
                    yield (
                        (*where, language),
                        "is in a language the file does not have",
                        "add it to `languages`",
                    )
                for i, phrase in enumerate(given if at[0] in ("must", "never", "unless") else ()):
                    try:
                        compile_phrase(phrase)
                    except ValueError as error:
                        message, _, remedy = str(error).partition(" | ")
                        yield (*where, language, i), message, remedy
        if not (rule.must or rule.never):
            yield ("phrases", name), "it is held to nothing", "add `must: …` or `never: …`"


def _examples_that_fail(found: MustSay) -> Iterator[Fault]:
    for name, rule in found.phrases.items():
        for language in found.languages:
            for field, holds in (("examples", True), ("fails", False)):
                for i, example in enumerate(getattr(rule, field)[language]):
                    if (not found.lacking(name, example, language)) is not holds:
                        where = ("phrases", name, field, language, i)
                        yield where, _not_held(holds), "change what it is held to, or the example"
