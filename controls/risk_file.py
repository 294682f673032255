"""``configs/risk.yaml``: the declared features of a risk score, read and checked. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from controls.documents import Document, Fault, plain, read, refuse, validate
from controls.ledger.records import Language
from controls.rules.matchers import compile_phrase, words
from controls.rules.model import Name, Sentence
from controls.rules.phrase_index import PhraseIndex

#: What a feature may look at.
LooksAt = Literal[
    "findings", "words", "numbers", "amount", "tool_class", "no_undo", "first_use", "confidence", "language",
]  # fmt: skip
Of = Literal["clause", "tool"]
Reviewed = Literal["reviewed", "draft"]
#: Whether a language's words here, in rules and phrases, were read by somebody who speaks it.
LANGUAGE_STATES = ("reviewed", "draft", "none")
TOOL_CLASSES = ("low", "medium", "high")
Share = Annotated[int, Field(ge=0, le=100)]
#: A tool's argument, as its JSON Schema names it.
Argument = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Because = Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=400)]

#: Keys that only some features have: what each needs, and what it may have besides.
_NEEDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "findings": ((), ()),
    "words": (("in_", "phrases", "catches"), ()),
    "numbers": (("full_at",), ()),
    "amount": (("from_",), ("arguments",)),
    "tool_class": (("shares",), ()),
    "no_undo": ((), ()),
    "first_use": ((), ()),
    "confidence": (("under",), ()),
    "language": (("shares",), ()),
}
_SOME = ("in_", "phrases", "catches", "full_at", "from_", "arguments", "shares", "under")
_OF_TOOLS = frozenset(("tool_class", "no_undo", "first_use"))
#: What `shares` has to name.
_SHARED = {"tool_class": TOOL_CLASSES, "language": LANGUAGE_STATES}


class Feature(Document):
    """One thing that makes a clause or a tool's use riskier.

    Attributes:
        looks_at: findings (the highest risk a rule found), words (phrases), numbers (how many are in
            it), amount (of money), tool_class, no_undo, first_use (of a tool in the call), confidence
            (of what the caller said), language (its review).
        of: what it counts for: clause, tool.
        points: what it adds at most, 1 to 100.
        because: why that is a risk, in a sentence.
        in_: for words: said (the caller's), proposed (the clause, or the tool's arguments).
        phrases: for words: language → phrases as in rules.
        catches: for words: language → sentences it must find.
        full_at: for numbers: so many give all points; fewer in proportion.
        from_: for amount: from this amount on, in whole units of the currency.
        arguments: for amount: names of tools' arguments that hold one.
        shares: for tool_class and language: value → per cent of the points.
        under: for confidence: below it, in proportion to what is lacking; 0 to 1.
    """

    name: Name
    looks_at: LooksAt
    of: tuple[Of, ...] = Field(min_length=1)
    points: int = Field(ge=1, le=100)
    because: Because
    in_: Literal["said", "proposed"] | None = Field(default=None, alias="in")
    phrases: dict[Language, tuple[Sentence, ...]] = Field(default_factory=dict)
    catches: dict[Language, tuple[Sentence, ...]] = Field(default_factory=dict)
    full_at: int = Field(default=0, ge=0, le=100)
    from_: int = Field(default=0, ge=0, le=999_999_999, alias="from")
    arguments: tuple[Argument, ...] = ()
    shares: dict[str, Share] = Field(default_factory=dict)
    under: float = Field(default=0.0, ge=0, le=1)


class RiskFile(Document):
    """``configs/risk.yaml``.

    Attributes:
        reviewed: day on which a person last read the features and their points.
        languages: language → reviewed or draft; any other is `none`.
        features: in the order in which their points are added.
    """

    format: Literal[1]
    reviewed: datetime.date
    languages: dict[Language, Reviewed] = Field(min_length=1)
    features: tuple[Feature, ...] = Field(min_length=1, max_length=60)

    def state_of(self, language: str) -> str:
        """How far a language was reviewed: one of ``LANGUAGE_STATES``."""
        return self.languages.get(language, "none")


def parse_risk(text: str, file: str) -> RiskFile:
    """Read the features.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    data = read(text, file)
    given = validate(data, file, RiskFile)
    refuse(data, file, _faults(given))
    return given


def _faults(given: RiskFile) -> Iterator[Fault]:
    seen: set[str] = set()
    for i, feature in enumerate(given.features):
        if feature.name in seen:
            yield ("features", i, "name"), "two features have this name", "rename one"
        seen.add(feature.name)
        for where, message, remedy in _feature_faults(feature, given):
            yield ("features", i, *where), message, remedy
    whole = [
        f
        for f in given.features
        if f.looks_at == "findings" and f.points == 100 and set(f.of) >= {"clause", "tool"}
    ]
    if len([f for f in given.features if f.looks_at == "findings"]) != 1 or not whole:
        yield (
            ("features",),
            "a score must never be below what a rule found",
            "have one feature with `looks_at: findings`, `of: [clause, tool]` and `points: 100`",
        )


def _feature_faults(feature: Feature, given: RiskFile) -> Iterator[Fault]:
    needs, may = _NEEDS[feature.looks_at]
    for key in _SOME:
        shown = key.rstrip("_")
        if key in needs and not getattr(feature, key):
            yield (shown,), f"`looks_at: {feature.looks_at}` needs it", f"add `{shown}: …`"
        elif key not in needs + may and getattr(feature, key):
            yield (shown,), f"`looks_at: {feature.looks_at}` has no use for it", "remove it"
    if feature.looks_at in _OF_TOOLS and feature.of != ("tool",):
        yield ("of",), f"`looks_at: {feature.looks_at}` counts for tools only", "write `of: [tool]`"
    if feature.looks_at in _SHARED and feature.shares:
        known = _SHARED[feature.looks_at]
        if set(feature.shares) != set(known):
            yield ("shares",), "names other values than there are", f"give a share to {', '.join(known)}"
        elif [feature.shares[name] for name in known] != sorted(feature.shares.values()):
            yield ("shares",), "a graver value has fewer points", f"let them grow: {', '.join(known)}"
    if feature.looks_at == "words":
        yield from _word_faults(feature, given)


def _word_faults(feature: Feature, given: RiskFile) -> Iterator[Fault]:
    for language in given.languages:
        for key in ("phrases", "catches"):
            if getattr(feature, key) and not getattr(feature, key).get(language):
                yield (key,), f"none in {language}", f"add `{language}: […]`, or take the language away"
    for language, phrases in feature.phrases.items():
        broken = False
        for i, phrase in enumerate(phrases):
            try:
                compile_phrase(phrase)
            except ValueError as error:
                broken = True
                message, _, remedy = str(error).partition(" | ")
                yield ("phrases", language, i), message, remedy
        if not broken:
            index = PhraseIndex((0, compile_phrase(phrase)) for phrase in phrases)
            for i, example in enumerate(feature.catches.get(language, ())):
                if not index.find(words(example)):
                    yield ("catches", language, i), "no phrase finds this", "add one, or remove the example"


def as_plain(given: RiskFile) -> Mapping[str, Any]:
    """The features as plain values, for digests."""
    return dict(plain(given.model_dump(mode="json", by_alias=True)))
