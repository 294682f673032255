"""Labelled sentences: what a pack must stop, and what no pack may touch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from controls.errors import ConfigurationError, Problem
from voice_runtime.yaml_file import Closed, check, load_document

Set = Literal["development", "held_out"]
Moment = Literal["agent_says", "caller_says", "tool"]
FOLDER = Path(__file__).parent


class Sentence(Closed):
    """One labelled sentence.

    Attributes:
        pack: whose rules must stop it, or beside whose rules it must pass; its file's where not given.
        label: ``block``: a rule of that pack objects; ``pass``: no rule of any pack does.
        text: what is said; empty for a tool's use.
        said: what the caller said just before, where it matters.
    """

    pack: str = ""
    moment: Moment
    language: str
    label: Literal["block", "pass"]
    text: str = ""
    said: str = ""
    tool: str = ""
    args: dict[str, Any] = Field(default_factory=dict)

    @property
    def shown(self) -> str:
        """It in one line."""
        return self.text or f"{self.tool} {self.args}"


class Labelled(Closed):
    """One file of sentences; ``pack`` where all of them are one pack's."""

    pack: str = ""
    sentences: tuple[Sentence, ...] = Field(min_length=1)


def sentences(name: Set, folder: Path = FOLDER) -> tuple[Sentence, ...]:
    """All sentences of a set.

    Raises:
        ConfigurationError: a file cannot be used, with every problem found and its line.
    """
    found: list[Sentence] = []
    problems: list[Problem] = []
    for path in sorted((folder / name).glob("*.yaml")):
        try:
            labelled, wrong = check(Labelled, load_document(path, path.parent, what="set of sentences"))
        except ConfigurationError as error:
            problems += error.problems
            continue
        problems += wrong
        if labelled is not None:
            found += [
                s if s.pack else s.model_copy(update={"pack": labelled.pack}) for s in labelled.sentences
            ]
    if problems:
        raise ConfigurationError(problems)
    return tuple(found)
