"""How patient an agent is: the turn policy that a profile's settings make of its patience."""

from __future__ import annotations

from typing import Literal

from voice_runtime.listen.turn_values import TurnPolicy
from voice_runtime.settings import Turn

#: The recogniser's own deadline comes first, ms.
_AFTER_RECOGNITION_MS = 500

Patience = Literal["quick", "normal", "unhurried"]


def policy_of(turn: Turn, patience: Patience, recognition_s: float = 0.0) -> TurnPolicy:
    """The turn policy of a profile for an agent's patience.

    Args:
        recognition_s: how long recognition may take, s: a turn is not closed without its text before.
    """
    waits = turn.patience[patience]
    text_ms = max(TurnPolicy().text_ms, round(recognition_s * 1000) + _AFTER_RECOGNITION_MS)
    return TurnPolicy(
        stop_ms=turn.vad_stop_ms,
        complete_wait_ms=waits.complete_wait_ms,
        unsure_wait_ms=waits.unsure_wait_ms,
        incomplete_wait_ms=waits.incomplete_wait_ms,
        longest_ms=round(turn.longest_s * 1000),
        text_ms=text_ms,
        eager=turn.eager != "off",
    )
