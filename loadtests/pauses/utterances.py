"""The labelled sets: what callers say, which pauses leave the turn open, and what is said over the agent.

Rules are written by the development sets: ``utterances.yaml``, ``second.yaml``, those by grammar, ``aloud``
and those of listening.
``unseen.yaml`` and ``unseen_es.yaml`` are held out: they say how good the rules are elsewhere, and stay
honest only while nobody tunes a rule to them. Read closed, validated, every error with its line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from voice_runtime.caller.speech import Sound
from voice_runtime.yaml_file import Closed, check, load_document

#: The first set, which ``loadtests.pauses`` has said.
FILE = Path(__file__).with_name("utterances.yaml")
#: The one it has said beside it, to which no rule is tuned.
HELD_OUT = Path(__file__).with_name("unseen.yaml")
#: The same in Spanish, scored by its words alone.
HELD_OUT_ES = HELD_OUT.with_name("unseen_es.yaml")
#: Those that rules are written by, scored by their words alone.
DEVELOPMENT = (
    FILE,
    *map(FILE.with_name, ("second.yaml", "grammar.yaml", "grammar_es.yaml", "aloud.yaml", "aloud_es.yaml")),
)
#: What callers say over the agent, to write rules by: two halves, and the same in Spanish by its words.
OVER_AGENT, OVER_AGENT_SECOND = map(FILE.with_name, ("listening.yaml", "listening_second.yaml"))
OVER_AGENT_ES = tuple(map(FILE.with_name, ("listening_es.yaml", "listening_second_es.yaml")))

Kind = Literal[
    "question",  # complete, no pause
    "answer",  # complete, no pause
    "thinking",  # a pause in the middle of a sentence
    "filler",  # "um", "let me see"
    "spelled",  # digits and letters in groups
    "conjunction",  # "and", "but", "because", and a pause
    "restart",  # the sentence is begun anew
    "addition",  # a whole sentence, a pause, and more
]
KINDS: tuple[Kind, ...] = (
    "question", "answer", "thinking", "filler", "spelled", "conjunction", "restart", "addition",
)  # fmt: skip
_WHOLE = ("question", "answer")

InterjectionKind = Literal[
    "backchannel",  # words of somebody who listens
    "sound",  # no words
    "command",  # a word or three that mean: stop
    "sentence",  # what somebody says who has something to say
]
INTERRUPTIONS: tuple[InterjectionKind, ...] = ("command", "sentence")
LISTENING: tuple[InterjectionKind, ...] = ("backchannel", "sound")

Words = Annotated[str, StringConstraints(pattern=r"^[a-záéíñóúü']+( [a-záéíñóúü']+)*$", max_length=200)]
Phones = Annotated[str, StringConstraints(pattern=r"^[a-z]+( [a-z]+)*$", max_length=200)]
Milliseconds = Annotated[int, Field(ge=300, le=2000)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,59}$")]


class Piece(Closed):
    """Words said in one go, and the pause after them; the last piece has none."""

    text: Words = Field(description="words as a recogniser writes them: lower case, digits in words")
    pause_ms: tuple[Milliseconds, ...] = Field(
        default=(), max_length=8, description="lengths of the pause after it, 300 to 2000 ms, taken in turn"
    )
    open: bool | None = Field(
        default=None, description="true: ending the turn in this pause cuts the caller off; false: no fault"
    )


class Utterance(Closed):
    """One turn of a caller."""

    id: Name = Field(description="a name of its own, such as tuesday-and")
    kind: Kind = Field(description=f"one of {', '.join(KINDS)}")
    pieces: tuple[Piece, ...] = Field(
        min_length=1, max_length=8, description="a list of {text, pause_ms, open}"
    )

    @model_validator(mode="after")
    def _pauses_between(self) -> Utterance:
        *before, last = self.pieces
        if last.pause_ms or last.open is not None:
            raise PydanticCustomError(
                "pieces", "ends with a pause", {"remedy": "take pause_ms and open from the last piece"}
            )
        for number, piece in enumerate(before, 1):
            if not piece.pause_ms or piece.open is None:
                raise PydanticCustomError(
                    "pieces",
                    f"lacks the pause after piece {number}",
                    {"remedy": "write pause_ms and open for every piece but the last"},
                )
        if before and self.kind in _WHOLE:
            raise PydanticCustomError(
                "pieces", f"is a complete {self.kind} with a pause in it", {"remedy": "choose another kind"}
            )
        if not before and self.kind not in _WHOLE:
            raise PydanticCustomError(
                "pieces", f"is of kind {self.kind} without a pause", {"remedy": "add a second piece"}
            )
        return self

    def pauses_ms(self, variant: int) -> tuple[int, ...]:
        """The lengths of its pauses in one rendering of it."""
        return tuple(piece.pause_ms[variant % len(piece.pause_ms)] for piece in self.pieces[:-1])


class Interjection(Closed):
    """What a caller does while the agent speaks: words, phones without words, or a noise."""

    id: Name = Field(description="a name of its own, such as okay-wait")
    kind: InterjectionKind = Field(description=f"one of {', '.join((*LISTENING, *INTERRUPTIONS))}")
    text: Words | None = Field(default=None, description="words as a recogniser writes them; none of a sound")
    phones: Phones | None = Field(
        default=None, description="how flite says it, such as 'm hh m m', where it would spell it out"
    )
    sound: Sound | None = Field(default=None, description="of kind sound alone: cough, noise or tone")
    sound_ms: tuple[Annotated[int, Field(ge=40, le=2000)], ...] = Field(
        default=(), max_length=8, description="how long it lasts, 40 to 2000 ms, taken in turn"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Interjection:
        if (self.kind == "sound") is not (self.text is None):
            raise PydanticCustomError(
                "text",
                "is a sound with words, or words without any",
                {"remedy": "give words, if any, another kind"},
            )
        if (self.sound is None) is not (not self.sound_ms) or (self.sound and (self.text or self.phones)):
            raise PydanticCustomError(
                "sound", "is a noise without a length, or one with words", {"remedy": "sound and sound_ms"}
            )
        if self.text is None and self.phones is None and self.sound is None:
            raise PydanticCustomError("sound", "sounds like nothing", {"remedy": "write sound, or phones"})
        return self

    @property
    def interrupts(self) -> bool:
        """Whether the caller wants the floor."""
        return self.kind in INTERRUPTIONS


class Labelled(Closed):
    """A file of labelled speech: turns, interjections, or both."""

    format: Literal[1] = Field(description="1")
    language: Literal["en-US", "es-US"] = Field(
        description="en-US; es-US where only the words are scored, for which there is no voice"
    )
    utterances: tuple[Utterance, ...] = Field(
        default=(), min_length=1, description="a list of utterances, said while the agent is silent"
    )
    interjections: tuple[Interjection, ...] = Field(
        default=(), min_length=1, description="a list of interjections, said while the agent speaks"
    )

    @model_validator(mode="after")
    def _anything(self) -> Labelled:
        if not self.utterances and not self.interjections:
            raise PydanticCustomError(
                "utterances", "has nothing in it", {"remedy": "write utterances, or interjections"}
            )
        return self


def load_labelled(path: Path = FILE) -> Labelled:
    """Read a labelled set.

    Raises:
        ConfigurationError: with every problem found, its line and what to write instead.
    """
    document = load_document(path, path.parent, what="set of utterances")
    found, problems = check(Labelled, document)
    if found is None:
        raise ConfigurationError(problems)
    lists: tuple[tuple[str, Sequence[Utterance | Interjection]], ...] = (
        ("utterances", found.utterances),
        ("interjections", found.interjections),
    )
    first: dict[str, tuple[str | int, ...]] = {}
    for at, name in (((key, n, "id"), one.id) for key, every in lists for n, one in enumerate(every)):
        if name in first:
            remedy = f"choose another; the first is in line {document.line(first[name])}"
            problems.append(document.problem(at, "is taken", remedy))
        first.setdefault(name, at)
    if problems:
        raise ConfigurationError(problems)
    return found


def load_utterances(path: Path = FILE) -> tuple[Utterance, ...]:
    """The turns of a labelled set.

    Raises:
        ConfigurationError: as ``load_labelled``.
    """
    return load_labelled(path).utterances
