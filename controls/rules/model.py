"""Rule packs as files: what a compliance officer writes, and what is wrong with it.

A pack is one YAML file under ``configs/rules``. An agent's own rules become one
more, named ``ours`` (``controls.rules.own``). Packs are added to one another: no
rule can take another's verdict back.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PrivateAttr,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from controls.annex_a import ANNEX_A
from controls.decision import Ask, Verdict
from controls.documents import Document, Location, dotted, line_of, plain
from controls.errors import Problem
from controls.ledger.records import Language, Slug
from controls.rules import judges, moments
from controls.rules.expression import Expression
from controls.rules.matchers import Phrase, compile_phrase, words
from controls.rules.together import Together, compile_together
from controls.rules.topic_files import Examples

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+){0,4}$", max_length=32)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Moment = Literal["agent_says", "caller_says", "tool", "handoff", "call_ends"]

#: What a CEL expression may look at.
VARIABLES = (
    "said", "clause", "text", "tool", "args", "numbers", "cards", "prices", "dates", "topics", "language",
    "handoff", "call",
)  # fmt: skip
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)")


class Example(Document):
    """A sentence a rule must catch or let pass; written as plain text where that is enough.

    ``language`` counts where a rule goes by a topic's examples; the pack's first where it is not given.
    ``handoff`` and ``call`` are facts of these moments; what an example does not give is as by default.
    """

    text: str = ""
    language: str = ""
    said: str = ""
    tool: str = ""
    args: dict[str, Any] = Field(default_factory=dict)
    handoff: moments.HandoffFacts | None = None
    call: moments.CallFacts | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value


class Like(Document):
    """What is said is like a topic's examples.

    Attributes:
        topic: one of the pack's.
        by: its words (``controls.rules.topics``), or its meaning (``controls.rules.meaning``).
        at_least: score from which on it applies; 0 is neither like it nor not.
        without_model: for ``by: meaning``, the score by words that counts where the profile has no model.
    """

    topic: Name
    by: Literal["words", "meaning"] = "words"
    at_least: float = Field(gt=0, le=100)
    without_model: float | None = Field(default=None, gt=0, le=100)


class Condition(Document):
    """When a rule applies: words are found that nothing takes back, and the CEL expression holds.

    Attributes:
        phrases: any of these; see ``controls.rules.matchers``.
        together: or all parts of any of these, ``<one list> + <another>``; see ``controls.rules.together``.
        unless: what is found inside one of these does not count.
        without: nor does what is found in the same sentence as one of these.
        cel: an expression over ``VARIABLES``; must yield true or false.
        like: what is said is like a topic. Beside phrases or an expression, both must hold.
        judge: what a model is asked, once all the rest holds; see ``controls.rules.judges``.
    """

    phrases: tuple[Sentence, ...] = ()
    together: tuple[Sentence, ...] = ()
    unless: tuple[Sentence, ...] = ()
    without: tuple[Sentence, ...] = ()
    cel: str = ""
    like: Like | None = None
    judge: judges.JudgeSpec | None = None


class AskSpec(Document):
    """Whom a tool's use waits for.

    Attributes:
        role: whose decision it is, a role of configs/people.yaml.
        within_s: how long the caller waits for it, s.
        else_: what a passed time leads to; it never lets the use happen.
    """

    role: Slug
    within_s: int = Field(ge=10, le=300)
    else_: Literal["refuse", "handoff"] = Field(alias="else")

    @property
    def ask(self) -> Ask:
        """The same as a value of the decision."""
        return Ask(self.role, self.within_s, self.else_)


class RuleSpec(Document):
    """One rule as written.

    Attributes:
        when: what is judged: the agent's words, the caller's, a tool's use, what a person is told, or whether
            the agent may end the call (``controls.rules.moments``).
        tools: for ``tool``, the tools' names; empty means every tool.
        then: what happens with what is judged; ``approve``: a person decides before it happens.
        ask: for ``approve``, who decides.
        to: for ``when: handoff`` and ``then: handoff``, the desk that is tried first.
        say: for ``block`` (and, if wanted, ``handoff``) the words spoken instead.
        rewrite_to: for ``rewrite``, what takes the place of the words found.
        risk: 0 to 100.
        owner: who answers for it, where that is not the pack's owner; a role of configs/people.yaml.
        because: the reason, with its source.
    """

    name: Name
    when: Moment
    tools: tuple[str, ...] = ()
    if_: Condition = Field(alias="if")
    then: Literal["allow", "rewrite", "approve", "block", "handoff"]
    ask: AskSpec | None = None
    to: Slug | None = None
    say: dict[Language, Sentence] = Field(default_factory=dict)
    rewrite_to: dict[Language, str] = Field(default_factory=dict)
    risk: int = Field(ge=0, le=100)
    annex_a: tuple[str, ...] = Field(min_length=1)
    owner: Slug | None = None
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]
    catches: tuple[Example, ...] = Field(min_length=1)
    lets_pass: tuple[Example, ...] = Field(min_length=1)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.then)

    @field_validator("annex_a")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [a for a in value if a not in ANNEX_A]
        if unknown:
            raise ValueError(
                f"no control of Annex A: {', '.join(unknown)} | see controls/annex_a.py for the 38"
            )
        return value


class Pack(Document):
    """One file of rules.

    Attributes:
        kind: ``emergency`` packs are looked at before everything else.
        owner: who answers for its rules, a role of configs/people.yaml.
        reviewed: day on which a person last read the sources cited in it.
        languages: those it was reviewed for; no other is served with it. An emergency pack may ``say`` its
            scripts in others too: whose emergencies another pack finds hear what to do here.
        places: of an emergency pack, the jurisdictions whose numbers it tells, such as ``us``; ``us-il`` is
            part of that.
        lists: word lists that phrases name as ``<name>``.
        topics: what rules name under ``like``, by language; read from files of their own
            (``controls.rules.topic_files``).
    """

    format: Literal[1]
    pack: Name
    title: Sentence
    kind: Literal["guard", "emergency"] = "guard"
    owner: Slug
    reviewed: datetime.date
    languages: tuple[Language, ...] = Field(min_length=1)
    places: tuple[Slug, ...] = ()
    lists: dict[Name, tuple[Sentence, ...]] = Field(default_factory=dict)
    topics: dict[Name, dict[Language, Examples]] = Field(default_factory=dict)
    rules: tuple[RuleSpec, ...] = Field(min_length=1)
    _source: tuple[str, Callable[[], Any], Location] = PrivateAttr(default=("", lambda: None, ()))
    #: What ``controls.rules.compiled`` made of it, or nothing yet; one list for all copies of a pack.
    _compiled: list[Any] = PrivateAttr(default_factory=list)
    _phrases: dict[str, Phrase] = PrivateAttr(default_factory=dict)
    _together: dict[str, Together] = PrivateAttr(default_factory=dict)

    def came_from(self, file: str, data: Callable[[], Any], at: Location = ()) -> None:
        """Remember where the rules were read, for errors found later.

        Args:
            data: yields their list with its lines; asked for once, when a line is wanted.
            at: the list's place in the file.
        """
        self._source = (file, lru_cache(maxsize=1)(data), at)

    def where(self, *location: int | str) -> tuple[str, int, str]:
        """File, line and field of a place under ``rules``."""
        file, data, at = self._source
        name = dotted((*at, *location))
        return file or f"pack {self.pack}", line_of(data(), location), name

    def phrase(self, written: str) -> Phrase:
        """A phrase of its rules, compiled with its lists; once, for all copies of it.

        Raises:
            ValueError: as ``compile_phrase``.
        """
        found = self._phrases.get(written)
        if found is None:
            found = self._phrases[written] = compile_phrase(written, self.lists)
        return found

    def together(self, written: str) -> Together:
        """A line of ``together`` of its rules; as ``phrase``."""
        found = self._together.get(written)
        if found is None:
            found = self._together[written] = compile_together(written, self.phrase)
        return found

    def speaks_for(self, place: str) -> bool:
        """Whether its emergency numbers are those of a jurisdiction; "" is any."""
        return not place or self.covers(place)

    def covers(self, jurisdiction: str) -> bool:
        """Whether it is for that jurisdiction, or for what that is a part of (``us-il`` of ``us``)."""
        return any(jurisdiction == place or jurisdiction.startswith(f"{place}-") for place in self.places)

    def owner_of(self, rule: RuleSpec) -> str:
        """Role that answers for a rule."""
        return rule.owner or self.owner

    def phrase_id(self, rule: RuleSpec) -> str:
        """Id of the fixed phrase a rule speaks, ``rule.<pack>.<name>``."""
        return f"rule.{self.pack}.{rule.name}"


# --- checks across fields -------------------------------------------------------------------------


def problems_of(
    pack: Pack, data: Any, file: str, at: Location = (), ours: int | str | None = None
) -> Iterator[Problem]:
    def found(location: Location, message: str, remedy: str) -> Problem:
        shown = location if ours is None else (ours, *location[1:])
        return Problem(file, line_of(data, location), dotted((*at, *shown)), message, remedy)

    if ours is None and pack.pack == "ours":
        yield found(("pack",), "`ours` names the agent's own rules", "choose another name")
    for name, entries in pack.lists.items():
        for i, entry in enumerate(entries):
            if not any(c.isalnum() for c in entry) and not len(words(entry)):
                yield found(("lists", name, i), "the entry holds no words", "remove it")
    if pack.kind == "emergency" and not pack.places:
        yield found(("kind",), "says nowhere where its numbers are dialled", "add `places: [us]`, or yours")
    elif pack.kind != "emergency" and pack.places:
        yield found(("places",), "`places` belongs to emergency packs", "remove it")
    seen: set[str] = set()
    for i, rule in enumerate(pack.rules):
        where: Location = ("rules", i)
        if rule.name in seen:
            yield found((*where, "name"), "two rules have this name", "rename one")
        seen.add(rule.name)
        for field, message, remedy in _ruleproblems_of(pack, rule):
            yield found((*where, *field), message, remedy)


_Fault = tuple[Location, str, str]


def _ruleproblems_of(pack: Pack, rule: RuleSpec) -> Iterator[_Fault]:
    condition = rule.if_
    if not (condition.phrases or condition.together or condition.cel or condition.like or condition.judge):
        yield ("if",), "the rule never applies", "give `phrases`, `together`, `like`, `cel` or `judge`"
    yield from judges.faults_of(rule)
    yield from moments.faults_of(rule)
    if condition.like is not None:
        if condition.like.by == "words" and condition.like.without_model is not None:
            yield ("if", "like", "without_model"), "words need no model", "remove it, or write `by: meaning`"
        name = condition.like.topic
        topic = pack.topics.get(name, {})
        for language in pack.languages:
            if language not in topic:
                yield (
                    ("if", "like"),
                    f"no examples of {name} in {language}",
                    f"write them in {_examples(pack)}/{name}.{language}.txt",
                )
    for field in ("phrases", "together", "unless", "without"):
        compile_one = pack.together if field == "together" else pack.phrase
        for i, written in enumerate(getattr(condition, field)):
            try:
                compile_one(written)
            except ValueError as error:
                message, _, remedy = str(error).partition(" | ")
                yield ("if", field, i), message, remedy
    yield from _celproblems_of(rule.if_.cel)
    yield from _wordsproblems_of(pack, rule)
    if rule.when == "tool" and rule.then == "rewrite":
        yield ("then",), "a tool's use cannot be rewritten", "write block or handoff"
    if rule.when == "caller_says" and rule.then == "rewrite":
        yield ("then",), "the caller's words cannot be rewritten", "write block or handoff"
    if rule.then == "approve":
        if rule.when != "tool":
            yield ("then",), "only a tool's use can wait for a person", "write block or handoff"
        if rule.ask is None:
            yield ("ask",), "says nobody who decides", "add `ask: {role: …, within_s: 60, else: refuse}`"
    elif rule.ask is not None:
        yield ("ask",), "`ask` belongs to rules with `then: approve`", "remove it"
    if rule.tools and rule.when != "tool":
        yield ("tools",), "`tools` belongs to rules with `when: tool`", "remove it"
    if pack.kind == "emergency" and (rule.when, rule.then) != ("caller_says", "handoff"):
        yield (
            ("then",),
            "an emergency rule is `when: caller_says` and `then: handoff`",
            "correct it, or move the rule",
        )


def _examples(pack: Pack) -> str:
    """Where a pack's topics stand: beside it, an agent's own in its folder."""
    return "the agent's folder: examples" if pack.pack == "ours" else f"examples/{pack.pack}"


def _celproblems_of(expression: str) -> Iterator[_Fault]:
    if not expression:
        return
    try:
        names = Expression(expression).names
    except ValueError as error:
        yield ("if", "cel"), f"this is no CEL expression: {error}", "see https://cel.dev for the language"
        return
    unknown = names - set(VARIABLES) - set(_BOUND.findall(expression))
    if unknown:
        yield (
            ("if", "cel"),
            f"the expression names what does not exist: {', '.join(sorted(unknown))}",
            f"use {', '.join(VARIABLES)}",
        )


def _wordsproblems_of(pack: Pack, rule: RuleSpec) -> Iterator[_Fault]:
    if (rule.then == "block" and rule.when != "handoff") or pack.kind == "emergency":
        for language in pack.languages:
            if language not in rule.say:
                yield ("say",), f"no words in {language}", f"add `{language}: …`, what is spoken instead"
    elif rule.say and rule.then != "handoff":
        yield (
            ("say",),
            f"`then: {rule.then}` speaks nothing of its own",
            "remove `say`, or write `then: block`",
        )
    if rule.then == "rewrite":
        if not rule.if_.phrases:
            yield ("if",), "a rewrite needs phrases: they are what is replaced", "add `phrases`"
        for language in pack.languages:
            if language not in rule.rewrite_to:
                yield ("rewrite_to",), f"no words in {language}", f"add `{language}: …`"
    elif rule.rewrite_to:
        yield ("rewrite_to",), "only `then: rewrite` replaces words", "remove it, or write `then: rewrite`"
    try:
        TypeAdapter(Slug).validate_python(pack.phrase_id(rule))
    except ValidationError:
        yield (
            ("name",),
            "the names of pack and rule together are too long",
            "shorten one (64 characters in all)",
        )


def as_plain(pack: Pack) -> Mapping[str, Any]:
    """A pack as plain values, for digests."""
    return dict(plain(pack.model_dump(mode="json", by_alias=True)))
