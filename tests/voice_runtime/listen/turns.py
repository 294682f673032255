"""What tests of the turn policy share: a machine, its line chunk by chunk, and what it put out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from voice_runtime.listen.expected import expected
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import EndOfTurn, Output, TurnPolicy

URGENT = {"stop", "person", "let me talk to a person"}


def machine(asking: str = "", **policy: Any) -> TurnMachine:
    """A machine; ``asking``: the agent's words of which the last ones sound, whenever that is asked."""
    return TurnMachine(
        TurnPolicy(**policy),
        "en-US",
        lambda text: text in URGENT,
        asking=lambda: expected(asking, "en-US"),
    )


def play(m: TurnMachine, speech: bool, ms: int) -> list[Output]:
    return [out for _ in range(ms // 20) for out in m.chunk(speech)]


def kinds(outputs: Iterable[Output]) -> list[str]:
    return [type(o).__name__ for o in outputs]


def the_end(outputs: Iterable[Output]) -> EndOfTurn:
    [end] = [o for o in outputs if isinstance(o, EndOfTurn)]
    return end


def speak_and_pause(m: TurnMachine, ms: int = 600) -> list[Output]:
    return play(m, True, ms) + play(m, False, 200)
