"""Rule packs as files: what a compliance officer writes, and what is wrong with it.

A pack is one YAML file under ``configs/rules``. An agent's own rules
(``rules.ours`` in agent.yaml) become one more pack, named ``ours``. Packs are
added to one another: no rule can take another's verdict back.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import cel
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
from controls.decision import Verdict
from controls.documents import Document, Location, dotted, line_of, plain, read, validate
from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Language, Slug
from controls.rules.matchers import compile_phrase, words

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+){0,4}$", max_length=32)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]
Moment = Literal["agent_says", "caller_says", "tool"]

#: What a CEL expression may look at.
VARIABLES = ("said", "clause", "text", "tool", "args", "numbers", "cards", "topics", "language")
_BOUND = re.compile(r"\.(?:all|exists|exists_one|map|filter)\(\s*([A-Za-z_]\w*)")
_CONTROL = re.compile(r"\bA\.\d{1,2}(?:\.\d{1,2}){1,2}\b")


class Example(Document):
    """A sentence a rule must catch or let pass; written as plain text where that is enough."""

    text: str = ""
    said: str = ""
    tool: str = ""
    args: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        return {"text": value} if isinstance(value, str) else value


class Condition(Document):
    """When a rule applies: a phrase is found outside of every ``unless``, and the CEL expression holds.

    Attributes:
        phrases: see ``controls.rules.matchers``; "" matches nothing.
        unless: a phrase found inside one of these does not count.
        cel: an expression over ``VARIABLES``; must yield true or false.
    """

    phrases: tuple[Sentence, ...] = ()
    unless: tuple[Sentence, ...] = ()
    cel: str = ""


class RuleSpec(Document):
    """One rule as written.

    Attributes:
        when: what is judged: the agent's words, the caller's, or a tool's use.
        tools: for ``tool``, the tools' names; empty means every tool.
        then: what happens with what is judged.
        say: for ``block`` (and, if wanted, ``handoff``) the words spoken instead.
        rewrite_to: for ``rewrite``, what takes the place of the words found.
        risk: 0 to 100.
        because: the reason, with its source.
    """

    name: Name
    when: Moment
    tools: tuple[str, ...] = ()
    if_: Condition = Field(alias="if")
    then: Literal["allow", "rewrite", "block", "handoff"]
    say: dict[Language, Sentence] = Field(default_factory=dict)
    rewrite_to: dict[Language, str] = Field(default_factory=dict)
    risk: int = Field(ge=0, le=100)
    annex_a: tuple[str, ...] = Field(min_length=1)
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
        reviewed: day on which a person last read the sources cited in it.
        languages: those it was reviewed for; no other is served with it.
        lists: word lists that phrases name as ``<name>``.
    """

    format: Literal[1]
    pack: Name
    title: Sentence
    kind: Literal["guard", "emergency"] = "guard"
    reviewed: datetime.date
    languages: tuple[Language, ...] = Field(min_length=1)
    lists: dict[Name, tuple[Sentence, ...]] = Field(default_factory=dict)
    rules: tuple[RuleSpec, ...] = Field(min_length=1)
    _source: tuple[str, Any, Location] = PrivateAttr(default=("", None, ()))

    def came_from(self, file: str, data: Any, at: Location = ()) -> None:
        """Remember where the rules were read, for errors found later; ``at`` is their list's place."""
        self._source = (file, data, at)

    def where(self, *location: int | str) -> tuple[str, int, str]:
        """File, line and field of a place under ``rules``."""
        file, data, at = self._source
        name = dotted((*at, *location))
        return file or f"pack {self.pack}", line_of(data, location), name

    def phrase_id(self, rule: RuleSpec) -> str:
        """Id of the fixed phrase a rule speaks, ``rule.<pack>.<name>``."""
        return f"rule.{self.pack}.{rule.name}"


class OurRule(Document):
    """A rule of the agent's own, as agent.yaml writes it."""

    name: Name
    if_agent_says: tuple[Sentence, ...] = Field(min_length=1)
    unless: tuple[Sentence, ...] = ()
    then: Literal["say", "handoff"]
    say: dict[Language, Sentence] = Field(min_length=1)
    risk: int = Field(default=50, ge=0, le=100)
    because: Annotated[str, StringConstraints(strip_whitespace=True, min_length=10, max_length=600)]
    catches: tuple[Sentence, ...] = Field(min_length=1)
    lets_pass: tuple[Sentence, ...] = Field(min_length=1)


def parse_pack(text: str, file: str) -> Pack:
    """Read one pack.

    Raises:
        ConfigurationError: with file, line, field and remedy of every problem.
    """
    data = read(text, file)
    pack = validate(data, file, Pack)
    pack.came_from(file, data["rules"], ("rules",))
    problems = list(_problems(pack, data, file))
    if problems:
        raise ConfigurationError(problems)
    return pack


def load_packs(folder: Path, names: Iterable[str]) -> tuple[Pack, ...]:
    """Read the named packs from ``folder`` (``<name>.yaml``).

    Raises:
        ConfigurationError: a pack is missing, or cannot be used.
    """
    packs: list[Pack] = []
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        path = folder / f"{name}.yaml"
        try:
            packs.append(parse_pack(path.read_text(encoding="utf-8"), str(path)))
        except ConfigurationError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            known = ", ".join(pack_names(folder)) or "none"
            problems.append(Problem(str(path), 0, "", f"there is no pack `{name}`", f"use one of: {known}"))
    if problems:
        raise ConfigurationError(problems)
    return tuple(packs)


def pack_names(folder: Path) -> list[str]:
    """Names of the packs in ``folder``, sorted."""
    return sorted(
        path.stem
        for path in folder.glob("*.yaml")
        if re.search(r"^pack:", path.read_text("utf-8", "replace"), re.MULTILINE)
    )


def our_rules(
    rules: Sequence[Any], *, file: str, languages: Sequence[str], at: Location = ("rules", "ours")
) -> Pack | None:
    """An agent's own rules as the pack ``ours``; None when there are none.

    Args:
        rules: ``rules.ours`` of agent.yaml, as mappings (ruamel's keep their lines).
        languages: the languages the agent serves.

    Raises:
        ConfigurationError: with every problem, fields named from ``at`` on.
    """
    problems: list[Problem] = []
    specs: list[RuleSpec] = []
    for i, raw in enumerate(rules):
        try:
            specs.append(_spec(validate(raw, file, OurRule, (*at, i))))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    if not specs:
        return None
    pack = Pack.model_construct(
        format=1, pack="ours", title="The agent's own rules", kind="guard", reviewed=datetime.date.min,
        languages=tuple(languages), lists={}, rules=tuple(specs),
    )  # fmt: skip
    pack.came_from(file, rules, at)
    problems = list(_problems(pack, {"rules": rules}, file, at[:-1], ours=at[-1]))
    if problems:
        raise ConfigurationError(problems)
    return pack


def _spec(rule: OurRule) -> RuleSpec:
    cited = tuple(dict.fromkeys(a for a in _CONTROL.findall(rule.because) if a in ANNEX_A))
    return RuleSpec.model_validate(
        {
            "name": rule.name,
            "when": "agent_says",
            "if": {"phrases": rule.if_agent_says, "unless": rule.unless},
            "then": "block" if rule.then == "say" else "handoff",
            "say": rule.say,
            "risk": rule.risk,
            "annex_a": cited or ("A.9.2",),
            "because": rule.because,
            "catches": rule.catches,
            "lets_pass": rule.lets_pass,
        }
    )


# --- checks across fields -------------------------------------------------------------------------


def _problems(
    pack: Pack, data: Any, file: str, at: Location = (), ours: int | str | None = None
) -> Iterator[Problem]:
    def found(location: Location, message: str, remedy: str) -> Problem:
        shown = location if ours is None else (ours, *location[1:])
        return Problem(file, line_of(data, location), dotted((*at, *shown)), message, remedy)

    if ours is None and pack.pack == "ours":
        yield found(("pack",), "`ours` names the agent's own rules", "choose another name")
    for name, entries in pack.lists.items():
        for i, entry in enumerate(entries):
            if not len(words(entry)):
                yield found(("lists", name, i), "the entry holds no words", "remove it")
    seen: set[str] = set()
    for i, rule in enumerate(pack.rules):
        where: Location = ("rules", i)
        if rule.name in seen:
            yield found((*where, "name"), "two rules have this name", "rename one")
        seen.add(rule.name)
        for field, message, remedy in _rule_problems(pack, rule):
            yield found((*where, *field), message, remedy)


_Fault = tuple[Location, str, str]


def _rule_problems(pack: Pack, rule: RuleSpec) -> Iterator[_Fault]:
    if not rule.if_.phrases and not rule.if_.cel:
        yield ("if",), "the rule never applies", "give `phrases`, `cel` or both"
    for field, phrases in (("phrases", rule.if_.phrases), ("unless", rule.if_.unless)):
        for i, phrase in enumerate(phrases):
            try:
                compile_phrase(phrase, pack.lists)
            except ValueError as error:
                message, _, remedy = str(error).partition(" | ")
                yield ("if", field, i), message, remedy
    yield from _cel_problems(rule.if_.cel)
    yield from _words_problems(pack, rule)
    if rule.when == "tool" and rule.then == "rewrite":
        yield ("then",), "a tool's use cannot be rewritten", "write block or handoff"
    if rule.when == "caller_says" and rule.then == "rewrite":
        yield ("then",), "the caller's words cannot be rewritten", "write block or handoff"
    if rule.tools and rule.when != "tool":
        yield ("tools",), "`tools` belongs to rules with `when: tool`", "remove it"
    if pack.kind == "emergency" and (rule.when, rule.then) != ("caller_says", "handoff"):
        yield (
            ("then",),
            "an emergency rule is `when: caller_says` and `then: handoff`",
            "correct it, or move the rule",
        )


def _cel_problems(expression: str) -> Iterator[_Fault]:
    if not expression:
        return
    try:
        program = cel.compile(expression)
    except Exception as error:  # noqa: BLE001  # the extension raises ValueError, but a panic must not pass either
        first = (str(error).splitlines() or [type(error).__name__])[0][:120]
        yield ("if", "cel"), f"this is no CEL expression: {first}", "see https://cel.dev for the language"
        return
    unknown = set(program.variables()) - set(VARIABLES) - set(_BOUND.findall(expression))
    if unknown:
        yield (
            ("if", "cel"),
            f"the expression names what does not exist: {', '.join(sorted(unknown))}",
            f"use {', '.join(VARIABLES)}",
        )


def _words_problems(pack: Pack, rule: RuleSpec) -> Iterator[_Fault]:
    if rule.then == "block" or pack.kind == "emergency":
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
