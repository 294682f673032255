"""The caller's words as pipecat's aggregator takes them: one whole turn, never an open one."""

from __future__ import annotations

from pipecat.frames.frames import (
    Frame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
)
from pipecat.utils.time import time_now_iso8601


def whole_turn(shown: str) -> tuple[Frame, ...]:
    """Proposed start, transcript and proposed stop together; none of them may an interruption drop.

    Args:
        shown: the words as the model may see them.
    """
    said = TranscriptionFrame(text=shown, user_id="caller", timestamp=time_now_iso8601(), finalized=True)
    frames: tuple[Frame, ...] = (ProposedUserStartedSpeakingFrame(), said, ProposedUserStoppedSpeakingFrame())
    for frame in frames:
        frame.interruptible = False
    return frames
