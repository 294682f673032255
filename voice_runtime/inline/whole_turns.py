"""pipecat's user turns where they come whole: attention hands over a start, the words and an end at once.

What pipecat's own strategies do besides is left out: frames that tell every stage of a caller who speaks (no
stage of ours asks; the ear knows), and a look for late words twice a second in every call.
"""

from __future__ import annotations

from pipecat.turns.user_start import ExternalUserTurnStartStrategy
from pipecat.turns.user_stop import ExternalUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies

#: Between two looks for words behind their turn, s: attention lets none through.
_LOOK_S = 30.0


class _Begins(ExternalUserTurnStartStrategy):  # type: ignore[no-untyped-call]  # pipecat leaves it untyped
    async def trigger_user_turn_started(
        self, *, enable_interruptions: bool | None = None, enable_user_speaking_frames: bool | None = None
    ) -> None:
        await super().trigger_user_turn_started(
            enable_interruptions=enable_interruptions, enable_user_speaking_frames=False
        )


class _Ends(ExternalUserTurnStopStrategy):  # type: ignore[no-untyped-call]
    async def trigger_user_turn_stopped(self, *, enable_user_speaking_frames: bool | None = None) -> None:
        await super().trigger_user_turn_stopped(enable_user_speaking_frames=False)


def whole_turns() -> ExternalUserTurnStrategies:
    """Strategies for one call's aggregator. Attention interrupts by itself, so they do not."""
    strategies = ExternalUserTurnStrategies(enable_interruptions=False)
    strategies.start, strategies.stop = [_Begins(enable_interruptions=False)], [_Ends(timeout=_LOOK_S)]
    return strategies
