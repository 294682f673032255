"""A scripted conversation: what a caller does, and what must and must not come of it.

Files lie in ``agents/<name>/evals``. They are outside the release's digest; a
result names the digest it ran on. What is expected is read from the record,
never from what a stage says of itself: words count once they were played, a
booking once a row has changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError, Problem
from controls.ledger.records import RECORDS, Language, Slug
from voice_runtime.agent import Release
from voice_runtime.agent_file import Sentence
from voice_runtime.services import Name
from voice_runtime.yaml_file import Closed, Document, Path_, check, load_document

FOLDER = "evals"

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$")]
Handoff = Literal["none", "transferred", "callback", "nobody"]


class ToolExpected(Closed):
    """A tool in this step: asked about (read-back), executed, refused, or not known."""

    name: Name = Field(description="a tool of the agent")
    outcome: Literal["asked", "executed", "refused", "unknown"] = Field(
        default="executed", description="asked: read back, and nothing happened yet"
    )
    arguments: dict[Name, str] = Field(
        default={}, description="arguments it must have, compared without case"
    )


class Expected(Closed):
    """What must hold until the next step. Words are compared without case and punctuation."""

    says: tuple[Sentence, ...] = Field(default=(), description="each occurs in what was played")
    never_says: tuple[Sentence, ...] = Field(default=(), description="none occurs in what was played")
    phrase: Slug | None = Field(default=None, description="a fixed phrase that was played in full")
    verdict: Literal["allow", "rewrite", "block", "handoff"] | None = Field(
        default=None, description="the gravest verdict of this step"
    )
    rule: RuleName | None = Field(default=None, description="the rule that found it, pack/name")
    addressed: (
        Literal[
            "model",
            "question",
            "person",
            "emergency",
            "opt_out",
            "maybe_opt_out",
            "consent",
            "ai_question",
            "stop",
            "receipt",
        ]
        | None
    ) = Field(default=None, description="whom the caller's words went to")
    tool: ToolExpected | None = Field(default=None, description="such as {name: find_slots}")
    rows: int | None = Field(default=None, description="change in the number of booked appointments")
    handoff: Handoff | None = Field(default=None, description="what the way to a person came to")
    emergency: RuleName | None = Field(default=None, description="the emergency rule that applied")


class Step(Closed):
    """One thing the caller, or a colleague, does.

    Exactly one of ``caller``, ``key``, ``silent_s``, ``hangs_up``, ``colleague``.
    """

    caller: Sentence | None = Field(default=None, description="what the caller says")
    interrupts: bool = Field(default=False, description="true: said while the agent still speaks")
    key: Annotated[str, StringConstraints(pattern=r"^[0-9*#]{1,16}$")] | None = Field(
        default=None, description="keys pressed, in quotes"
    )
    silent_s: float | None = Field(default=None, gt=0, le=120, description="s of saying nothing")
    hangs_up: Literal[True] | None = Field(default=None, description="true: the caller hangs up")
    colleague: Literal["granted", "refused", "taken_over"] | None = Field(
        default=None, description="what a colleague decides on the use that waits for them"
    )
    expect: Expected = Field(default=Expected(), description="what must come of it")

    @model_validator(mode="after")
    def _one_deed(self) -> Step:
        deeds = [self.caller, self.key, self.silent_s, self.hangs_up, self.colleague]
        if sum(d is not None for d in deeds) != 1:
            raise PydanticCustomError(
                "step",
                "needs one deed",
                {"remedy": "write one of caller, key, silent_s, hangs_up, colleague"},
            )
        if self.interrupts and self.caller is None:
            raise PydanticCustomError(
                "step", "interrupts without words", {"remedy": "add caller, or remove interrupts"}
            )
        return self


class Outcome(Closed):
    """What must hold of the whole call."""

    never_says: tuple[Sentence, ...] = Field(default=(), description="none was ever played")
    rows: int = Field(default=0, description="booked appointments more than before")
    handoff: Handoff = Field(default="none", description="what the way to a person came to")
    emergency: bool = Field(default=False, description="whether an emergency was detected")
    ended_by: Literal["caller", "agent", "person", "carrier"] | None = Field(
        default=None, description="who ended the call"
    )
    records: tuple[str, ...] = Field(default=(), description="record types that must occur")
    never_records: tuple[str, ...] = Field(default=(), description="record types that must not occur")

    @model_validator(mode="after")
    def _known(self) -> Outcome:
        for name in (*self.records, *self.never_records):
            if name not in RECORDS:
                raise PydanticCustomError(
                    "record",
                    "names '{name}', which is no record type",
                    {"name": name, "remedy": "see docs/record-format"},
                )
        return self


class EvalFile(Closed):
    """``agents/<name>/evals/<eval>.yaml``."""

    format: Literal[1] = Field(description="1")
    title: str = Field(min_length=1, max_length=120, description="what it shows, in a sentence")
    about: tuple[Slug, ...] = Field(min_length=1, description="what it guards, such as [emergency]")
    language: Language | None = Field(
        default=None, description="the call's language; left out: the agent's first"
    )
    number_withheld: bool = Field(default=False, description="true: the caller's number is not known")
    opening: Expected = Field(
        default=Expected(phrase="disclosure"), description="what must hold before the caller does anything"
    )
    steps: tuple[Step, ...] = Field(min_length=1, max_length=60, description="what the caller does, in order")
    outcome: Outcome = Field(description="what must hold of the whole call")


def evals_of(root: Path, release: Release) -> tuple[dict[str, EvalFile], list[Problem]]:
    """The scripted conversations of a release's agent, as ``load_evals``."""
    packs = release.rules.packs if release.rules is not None else ()
    return load_evals(
        root, release.name, tools=[t.name for t in release.tools], phrases=release.phrases,
        rules=[f"{p.pack}/{rule.name}" for p in packs for rule in p.rules], languages=release.languages,
    )  # fmt: skip


def load_evals(
    root: Path,
    agent: str,
    *,
    tools: Iterable[str],
    phrases: Iterable[str],
    rules: Iterable[str],
    languages: Iterable[str] = (),
) -> tuple[dict[str, EvalFile], list[Problem]]:
    """Read an agent's scripted conversations, by name, sorted; and what is wrong with them.

    Args:
        tools, phrases, rules: names the agent has (rules as ``pack/name``); an eval
            that expects others could never hold.
        languages: those it serves; none: not checked.
    """
    found: dict[str, EvalFile] = {}
    problems: list[Problem] = []
    known = {"tool": frozenset(tools), "phrase": frozenset(phrases), "rule": frozenset(rules)}
    served = tuple(languages)
    for path in sorted((root / "agents" / agent / FOLDER).glob("*.yaml")):
        try:
            document = load_document(path, root, what="scripted conversation")
        except ConfigurationError as error:
            problems += error.problems
            continue
        case, wrong = check(EvalFile, document)
        if case is not None:
            wrong = _unknown_names(case, document, known)
            if served and case.language not in (None, *served):
                message = f"this agent does not serve {case.language}"
                wrong.append(document.problem(("language",), message, f"it serves {', '.join(served)}"))
            found[path.stem] = case
        problems += wrong
    return found, problems


def _unknown_names(case: EvalFile, document: Document, known: dict[str, frozenset[str]]) -> list[Problem]:
    problems = []
    expected: list[tuple[Path_, Expected]] = [(("opening",), case.opening)]
    expected += [(("steps", i, "expect"), step.expect) for i, step in enumerate(case.steps)]
    for at, wanted in expected:
        named = (
            ("tool", (*at, "tool", "name"), wanted.tool.name if wanted.tool else None),
            ("phrase", (*at, "phrase"), wanted.phrase),
            ("rule", (*at, "rule"), wanted.rule),
            ("rule", (*at, "emergency"), wanted.emergency),
        )
        for what, path, name in named:
            if name is not None and name not in known[what]:
                remedy = f"name one of its {what}s" if known[what] else f"it has no {what}s"
                problems.append(document.problem(path, f"this agent has no {what} '{name}'", remedy))
    return problems
