"""What a generator process is told, and what it tells: one JSON object a line, over its own pipes.

The parent writes a ``Job``, the generator answers ``Ready`` (or ``Failed``); the
parent writes ``Begin``, the generator a ``Finished`` for each call, and ``Done``.
``Begin`` carries CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from loadtests.results import Outcome, Transport
from loadtests.schedule import Start
from loadtests.shapes import Shape
from loadtests.systems import Door, TwilioDoor, WebRtcDoor
from voice_runtime.caller.results import CallResult


class Job(Shape):
    """Calls for one generator process.

    Attributes:
        scenario: path of its file.
        starts: in order of time.
        cores: to be pinned to; empty: wherever.
        answers: judge from the waveform which answer it was (mock suppliers speak in tones).
        agent_opens: the agent speaks first; otherwise the script's leading ``wait`` is left out.
        longest_s: a call is hung up after so long, or once its script must be through, whichever is later.
        connect_timeout_s: for a connection to come about.
    """

    transport: Transport
    twilio: TwilioDoor | None = None
    webrtc: WebRtcDoor | None = None
    scenario: str
    starts: tuple[Start, ...]
    cores: tuple[int, ...] = ()
    answers: bool = False
    agent_opens: bool = True
    longest_s: float = 600.0
    connect_timeout_s: float = 10.0

    @property
    def door(self) -> Door:
        """Where its calls go.

        Raises:
            ValueError: it has none.
        """
        door = self.twilio or self.webrtc
        if door is None:
            raise ValueError("a job without a door")
        return door


class Begin(Shape):
    """Sample zero of the run: ``time.monotonic_ns`` at which ``at_s`` 0 is."""

    begin_ns: int


class Ready(Shape):
    """Everything a call needs is at hand."""

    kind: Literal["ready"] = "ready"


class Failed(Shape):
    """The job cannot be done at all: the operator's fault, with its remedy in ``error``."""

    kind: Literal["failed"] = "failed"
    error: str


class Finished(Shape):
    """One call that is over.

    Attributes:
        started_late_ms: after its intended start, the generator's own doing.
        answered_ms: from the intended start to the stream; None: never.
        ended_at_s: since the run began.
        correct: of each turn, whether the answer was the expected one; None where it cannot tell.
    """

    kind: Literal["call"] = "call"
    start: Start
    started_late_ms: float
    answered_ms: float | None
    ended_at_s: float
    outcome: Outcome
    correct: tuple[bool | None, ...] = ()
    result: CallResult


class Done(Shape):
    """How the generator itself did while it had calls. ``seconds``: from ``Begin`` to its last call's end."""

    kind: Literal["done"] = "done"
    cpu_percent: float
    tick_late_p99_ms: float
    tick_late_max_ms: float
    seconds: float


Told = Annotated[Ready | Failed | Finished | Done, Field(discriminator="kind")]
_TOLD: TypeAdapter[Ready | Failed | Finished | Done] = TypeAdapter(Told)


def read_line(line: bytes) -> Ready | Failed | Finished | Done:
    """One line of a generator.

    Raises:
        ValueError: it is none.
    """
    try:
        return _TOLD.validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ValueError(f"a generator told something unknown: {first['msg']}") from None
