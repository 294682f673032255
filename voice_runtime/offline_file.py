"""An agent's ``offline.yaml`` as a closed model: what the rule-based stand-in answers.

An agent of several languages has one file for each: ``offline.yaml`` for its
first, ``offline.es-US.yaml`` for a further one. They exist so that an agent can
be tried without a language model. They are outside the release's digest, and
they are where the offline recogniser learns what callers may say.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from controls.errors import Problem
from voice_runtime.agent_file import placeholders
from voice_runtime.yaml_file import Closed, Document, check, load_document

FILE = "offline.yaml"

SlotName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=400)]


def _one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_TEXT = {"type": "string", "minLength": 1, "maxLength": 400}
Alternatives = Annotated[
    tuple[Sentence, ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT}]}),
]


class When(Closed):
    """Either what the caller said, or which tool's result just came; further keys are its fields."""

    model_config = ConfigDict(extra="allow", frozen=True)

    said: Alternatives = Field(default=(), description="what the caller says, alternatives in a list")
    tool_result: str | None = Field(default=None, description="a tool's name")

    @model_validator(mode="after")
    def _one_condition(self) -> When:
        if bool(self.said) == (self.tool_result is not None):
            raise PydanticCustomError("when", "needs one condition", {"remedy": "write said, or tool_result"})
        if self.said and self.model_extra:
            unknown = ", ".join(sorted(self.model_extra))
            raise PydanticCustomError(
                "when", "asks about a result where none came", {"remedy": f"remove {unknown}"}
            )
        return self


class ToolCall(Closed):
    tool: str = Field(description="a tool the agent declares")
    arguments: dict[str, Any] = Field(default={}, description="argument → value, with {slots}")


class Pattern(Closed):
    """One entry; the first that applies answers."""

    when: When | None = Field(default=None, description="such as {said: …}")
    otherwise: Literal[True] | None = Field(default=None, description="true: whatever was said; the last one")
    say: Sentence | None = Field(default=None, description="the answer, with {slots}")
    call: ToolCall | None = Field(default=None, description="a tool instead of an answer")

    @model_validator(mode="after")
    def _one_answer(self) -> Pattern:
        if (self.when is None) == (self.otherwise is None):
            raise PydanticCustomError(
                "pattern", "needs one condition", {"remedy": "write when, or otherwise: true"}
            )
        if (self.say is None) == (self.call is None):
            raise PydanticCustomError("pattern", "needs one answer", {"remedy": "write say, or call"})
        return self


_SLOT_SCHEMA = {"anyOf": [{"type": "array", "items": _TEXT}, {"const": "digits"}]}
Slot = Annotated[tuple[Sentence, ...] | Literal["digits"], WithJsonSchema(_SLOT_SCHEMA)]


class OfflineFile(Closed):
    """``agents/<name>/offline.yaml``."""

    format: Literal[1] = Field(default=1, description="1")
    slots: dict[SlotName, Slot] = Field(
        default={}, description="slot → the words it may take, or digits: a telephone number"
    )
    or_: str = Field(
        default="or", alias="or", min_length=1, max_length=20, description="between alternatives, such as o"
    )
    patterns: tuple[Pattern, ...] = Field(min_length=1, max_length=500, description="in order")
    phrases: tuple[Sentence, ...] = Field(
        default=(), max_length=500, description="further sentences for the recogniser"
    )

    @property
    def spoken(self) -> dict[str, tuple[str, ...]]:
        """Slot → words; none for a number, whose digits a recogniser expects anyway."""
        return {str(k): () if v == "digits" else tuple(v) for k, v in self.slots.items()}

    @field_validator("patterns")
    @classmethod
    def _last_resort(cls, value: tuple[Pattern, ...]) -> tuple[Pattern, ...]:
        if any(p.otherwise for p in value[:-1]) or not value[-1].otherwise:
            raise PydanticCustomError(
                "patterns", "have no last resort at their end", {"remedy": "end with one otherwise: true"}
            )
        return value


def offline_name(language: str, first: str) -> str:
    """The script's file name in a language; ``first`` is the agent's first one."""
    return FILE if language == first else f"offline.{language}.yaml"


def load_offline(
    folder: Path, root: Path, tools: frozenset[str], file: str = FILE
) -> tuple[OfflineFile | None, list[Problem]]:
    """Read an agent's script of one language; None when it has problems, or does not exist.

    Args:
        tools: names the agent declares; a pattern may call no other.
        file: as ``offline_name`` gives it.
    """
    path = folder / file
    if not path.is_file():
        return None, []
    document = load_document(path, root, what="script of the stand-in")
    found, problems = check(OfflineFile, document)
    if found is not None:
        problems = _slots(found, document) + _tools(found, document, tools)
    return (None if problems else found), problems


def _slots(found: OfflineFile, document: Document) -> list[Problem]:
    problems = []
    known = ", ".join(found.slots) or "none yet"
    sentences: list[tuple[tuple[str | int, ...], str]] = [
        (("patterns", i, "when", "said"), said)
        for i, pattern in enumerate(found.patterns)
        if pattern.when
        for said in pattern.when.said
    ]
    sentences += [(("phrases", i), said) for i, said in enumerate(found.phrases)]
    for path, said in sentences:
        if strange := sorted(placeholders(said) - set(found.slots)):
            message = f"names a slot that is not declared: {', '.join(strange)}"
            problems.append(document.problem(path, message, f"slots here: {known}"))
    return problems


def _tools(found: OfflineFile, document: Document, tools: frozenset[str]) -> list[Problem]:
    problems = []
    for i, pattern in enumerate(found.patterns):
        named: list[tuple[tuple[str | int, ...], str]] = []
        if pattern.call is not None:
            named.append((("patterns", i, "call", "tool"), pattern.call.tool))
        if pattern.when is not None and pattern.when.tool_result is not None:
            named.append((("patterns", i, "when", "tool_result"), pattern.when.tool_result))
        for path, tool in named:
            if tool not in tools:
                options = ", ".join(sorted(tools)) or "none"
                problems.append(
                    document.problem(path, f"there is no tool '{tool}'", f"this agent's tools: {options}")
                )
    return problems
