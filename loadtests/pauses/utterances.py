"""The labelled set: what callers say, piece by piece, and which pauses leave the turn open.

Read from ``utterances.yaml``: closed, validated, every error with its line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controls.errors import ConfigurationError
from voice_runtime.yaml_file import Closed, check, load_document

FILE = Path(__file__).with_name("utterances.yaml")

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

Words = Annotated[str, StringConstraints(pattern=r"^[a-z']+( [a-z']+)*$", max_length=200)]
Milliseconds = Annotated[int, Field(ge=300, le=2000)]


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

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{0,59}$", description="a name of its own, such as tuesday-and")
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


class _File(Closed):
    format: Literal[1] = Field(description="1")
    language: Literal["en-US"] = Field(description="en-US")
    utterances: tuple[Utterance, ...] = Field(min_length=1, description="a list of utterances")


def load_utterances(path: Path = FILE) -> tuple[Utterance, ...]:
    """Read a labelled set.

    Raises:
        ConfigurationError: with every problem found, its line and what to write instead.
    """
    document = load_document(path, path.parent, what="set of utterances")
    found, problems = check(_File, document)
    if found is None:
        raise ConfigurationError(problems)
    seen: dict[str, int] = {}
    for number, utterance in enumerate(found.utterances):
        at = ("utterances", number, "id")
        if utterance.id in seen:
            first = document.line(("utterances", seen[utterance.id], "id"))
            problems.append(document.problem(at, "is taken", f"choose another; the first is in line {first}"))
        seen.setdefault(utterance.id, number)
    if problems:
        raise ConfigurationError(problems)
    return found.utterances
