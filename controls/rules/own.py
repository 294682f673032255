"""An agent's own rules (``rules.ours`` in agent.yaml) as one more pack, named ``ours``. Pure.

Written in short (what the agent must not say, and what it says instead), or, where a rule says ``when``, as
a pack writes it. They are added to the packs: none takes another's verdict, or its words, back.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from controls.annex_a import ANNEX_A
from controls.documents import Document, Location, validate
from controls.errors import ConfigurationError, Problem
from controls.ledger.records import Language
from controls.rules.model import Name, Pack, RuleSpec, Sentence, problems_of
from controls.rules.topic_files import Examples

_CONTROL = re.compile(r"\bA\.\d{1,2}(?:\.\d{1,2}){1,2}\b")


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


#: A rule of the agent's own, in short, or (where it says ``when``) as a pack writes it.
OwnRule = Annotated[
    Annotated[OurRule, Tag("short")] | Annotated[RuleSpec, Tag("full")],
    Discriminator(lambda rule: "full" if isinstance(rule, RuleSpec) or "when" in rule else "short"),
]


def our_rules(
    rules: Sequence[Any],
    *,
    file: str,
    languages: Sequence[str],
    owner: str,
    at: Location = ("rules", "ours"),
    topics: Mapping[str, dict[str, Examples]] | None = None,
) -> Pack | None:
    """An agent's own rules as the pack ``ours``; None when there are none.

    Args:
        rules: ``rules.ours`` of agent.yaml, as mappings (ruamel's keep their lines).
        languages: the languages the agent serves.
        owner: the role that owns the agent, and so its rules.
        topics: of the agent's own, by language.

    Raises:
        ConfigurationError: with every problem, fields named from ``at`` on.
    """
    problems: list[Problem] = []
    specs: list[RuleSpec] = []
    for i, raw in enumerate(rules):
        try:
            full = isinstance(raw, Mapping) and "when" in raw
            here = (*at, i)
            specs.append(
                validate(raw, file, RuleSpec, here) if full else _spec(validate(raw, file, OurRule, here))
            )
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    if not specs:
        return None
    pack = Pack.model_construct(
        format=1, pack="ours", title="The agent's own rules", kind="guard", owner=owner,
        reviewed=datetime.date.min, languages=tuple(languages), lists={}, rules=tuple(specs),
        topics=dict(topics or {}),
    )  # fmt: skip
    pack.came_from(file, lambda: rules, at)
    problems = list(problems_of(pack, {"rules": rules}, file, at[:-1], ours=at[-1]))
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
