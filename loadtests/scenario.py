"""What a load test's callers say, and what a mock model answers: one YAML file.

A caller's script (``voice_runtime.caller.script``) with seven fields more::

    title: Three questions        # of the report
    agent: healthcare             # folder under agents/
    answers:                      # what a mock model answers to what is said
      where can i park: Parking is behind the building. It costs our patients nothing.
    voices: [rms, slt]            # taken in turn by the calls, as are rates and snr_db
    rates: [1.0, 1.1]
    snr_db: [20, 15]
    also:                         # further kinds of call, by name: taken in turn with the steps above
      hangs-up: [wait, {say: {text: where can i park, wait: false}}, {hang_up: abrupt}]
    fails: [where are you]        # a mock model answers these with an error, and nothing else

Answers tell themselves apart by ear and by word: none begins like another, and
no sentence of one is part of another. Each is long enough to be interrupted, and in
plain words, so that no rule of the agent's has anything to find in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator

from controls.errors import ConfigurationError, Problem
from loadtests.results import Transport
from voice_runtime.caller.script import (
    Backchannel,
    Interrupt,
    Rate,
    Say,
    Script,
    SnrDb,
    StepEntry,
    Steps,
    Text,
    TypeWords,
    known_voice,
    script_of,
)
from voice_runtime.yaml_file import Document, check, load_document

#: The scenarios that come with the load tests.
SCENARIOS = Path(__file__).parent / "scenarios"
#: An answer shorter than this is over before anybody could interrupt it, characters.
SHORTEST_ANSWER = 40

KindName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]


class _ScenarioFile(Steps):
    """A scenario as written."""

    title: Annotated[str, StringConstraints(min_length=3, max_length=120)]
    agent: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    answers: dict[str, Text] = Field(min_length=1)
    voices: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    rates: Annotated[tuple[Rate, ...], Field(max_length=64)] = ()
    snr_db: Annotated[tuple[SnrDb, ...], Field(max_length=64)] = ()
    also: dict[KindName, Annotated[tuple[StepEntry, ...], Field(min_length=1, max_length=500)]] = Field(
        default_factory=dict, max_length=64
    )
    fails: Annotated[tuple[Text, ...], Field(max_length=64)] = ()

    @field_validator("voices")
    @classmethod
    def _voices(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_voice(name) for name in names)

    @field_validator("snr_db", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return [value] if isinstance(value, int | float) else value


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script, the agent it is meant for, and an answer to everything that is said in it.

    Attributes:
        name: the file's, without its ending.
        agent: folder under ``agents``.
        answers: what a mock model answers to what is said.
        voices, rates, snr_db: taken in turn by the calls; empty: as the script says.
        others: scripts of further kinds of call, by name; with ``script`` they are taken in turn.
        fails: what a mock model answers with an error.
    """

    name: str
    title: str
    agent: str
    script: Script
    answers: Mapping[str, str]
    voices: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    snr_db: tuple[float, ...] = ()
    others: Mapping[str, Script] = field(default_factory=dict)
    fails: tuple[str, ...] = ()

    @property
    def scripts(self) -> tuple[Script, ...]:
        """Every kind of call, in the order they are taken in turn."""
        return (self.script, *self.others.values())

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every text that is said, once each, in order; backchannels too. Nothing else is ever said."""
        steps = (step for script in self.scripts for step in script.steps)
        spoken = (s.text for s in steps if isinstance(s, Say | Interrupt | Backchannel))
        return tuple(dict.fromkeys(spoken))

    def script_for(self, n: int) -> Script:
        """The script of call ``n`` (from 0): kind, voice, rate, SNR and the noise's beginning go by ``n``.

        Each list is gone through at a pace of its own (as the digits of ``n`` in a mixed-radix
        number), so that every combination comes once before any comes again.
        """
        changes: dict[str, object] = {"seed": n}
        left, kind = divmod(n, len(self.scripts))
        for name, values in (("voice", self.voices), ("rate", self.rates), ("snr_db", self.snr_db)):
            if values:
                left, which = divmod(left, len(values))
                changes[name] = values[which]
        return self.scripts[kind].model_copy(update=changes)


def load_scenario(path_or_name: str | Path, transport: Transport | None = None) -> Scenario:
    """Read a scenario: a file, or the name of one under ``SCENARIOS``.

    Args:
        transport: by which its calls will be placed, which must carry what it does; None: nobody says.

    Raises:
        ConfigurationError: every problem, with its line and field.
    """
    path = _found(path_or_name)
    document = load_document(path, what="scenario")
    written, problems = check(_ScenarioFile, document)
    if written is None:
        raise ConfigurationError(problems)
    problems = [*_unanswered(written, document), *_answers(written.answers, document)]
    problems += _typed(written, document) if transport == "twilio" else ()
    if problems:
        raise ConfigurationError(problems)
    return Scenario(
        name=path.stem,
        title=written.title,
        agent=written.agent,
        script=_script(written),
        answers=written.answers,
        voices=written.voices,
        rates=written.rates,
        snr_db=written.snr_db,
        others={
            kind: _script(written.model_copy(update={"steps": steps})) for kind, steps in written.also.items()
        },
        fails=written.fails,
    )


def _script(written: _ScenarioFile) -> Script:
    return script_of(written, written.snr_db[0] if written.snr_db else None)


def _entries(written: _ScenarioFile) -> Iterator[tuple[tuple[str | int, ...], StepEntry]]:
    """Every step of every kind of call, with its place in the file."""
    kinds: list[tuple[tuple[str | int, ...], tuple[StepEntry, ...]]] = [(("steps",), written.steps)]
    kinds += [(("also", kind), steps) for kind, steps in written.also.items()]
    for at, steps in kinds:
        for n, entry in enumerate(steps):
            yield (*at, n), entry


def _found(path_or_name: str | Path) -> Path:
    path = Path(path_or_name)
    if path.suffix or len(path.parts) > 1 or path.exists():
        return path
    shipped = SCENARIOS / f"{path_or_name}.yaml"
    if not shipped.exists():
        known = ", ".join(sorted(file.stem for file in SCENARIOS.glob("*.yaml")))
        problem = Problem(str(path_or_name), 0, "", "no such scenario", f"known: {known}; or name a file")
        raise ConfigurationError([problem])
    return shipped


def _unanswered(written: _ScenarioFile, document: Document) -> Iterator[Problem]:
    """What is said or typed to be answered, and has no answer."""
    for at, entry in _entries(written):
        step = entry.step()
        answered = {*written.answers, *written.fails}
        if isinstance(step, Say | Interrupt | TypeWords) and step.text not in answered:
            name = next(iter(entry.model_fields_set))
            yield document.problem((*at, name), "has no answer", f"add under answers: {step.text}: …")


def _typed(written: _ScenarioFile, document: Document) -> Iterator[Problem]:
    """What no telephone takes."""
    for at, entry in _entries(written):
        if entry.type is not None:
            yield document.problem(
                (*at, "type"),
                "is typed: no telephone takes that",
                "say it, or give --transport webrtc",
            )


def _answers(answers: Mapping[str, str], document: Document) -> Iterator[Problem]:
    first_words: dict[str, str] = {}
    for said, answer in answers.items():
        at = ("answers", said)
        if len(answer) < SHORTEST_ANSWER:
            yield document.problem(at, "is too short", f"write at least {SHORTEST_ANSWER} characters")
        if not re.fullmatch(r"[A-Za-z' ,.?!]+", answer):
            yield document.problem(at, "is not in plain words", "write letters and , . ? ! only: ten, not 10")
        sentences = _sentences(answer)
        if len(sentences) < 2:
            yield document.problem(at, "is one sentence", "write two: the second is spoken behind the first")
        first = f"{answer} ".split()[0].lower().strip(",.?!")
        if first in first_words:
            yield document.problem(
                at, f"begins as the answer to '{first_words[first]}' does", "begin with another word"
            )
        first_words.setdefault(first, said)
        for other_said, other in answers.items():
            shared = other_said != said and set(sentences) & set(_sentences(other))
            if shared:
                yield document.problem(
                    at, f"shares a sentence with the answer to '{other_said}'", "word it otherwise"
                )
                break


def _sentences(answer: str) -> list[str]:
    parts = (" ".join(re.findall(r"[a-z']+", part)) for part in re.split(r"[.?!]", answer.lower()))
    return [part for part in parts if part]
