"""Whether each answer of a call was the one expected, from its waveform (mock suppliers' tones)."""

from __future__ import annotations

from loadtests.scenario import Scenario
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.tones import RATE_HZ, identify, voice
from voice_runtime.caller import audible
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult, TurnResult


class Judge:
    """Judges calls of one scenario."""

    def __init__(self, scenario: Scenario) -> None:
        self._book = AnswerBook(scenario.answers)
        identify(voice("", 0, RATE_HZ))  # the first time loads the Fourier transform: not in a call

    def correct(self, result: CallResult, playout: Playout) -> tuple[bool | None, ...]:
        """Of each turn; None where the book has no answer to it, or none sounded."""
        timeline = playout.timeline
        return tuple(self._turn(turn, timeline) for turn in result.turns)

    def _turn(self, turn: TurnResult, timeline: bytes) -> bool | None:
        expected = self._book.id_for(turn.text) if turn.text and turn.kind != "backchannel" else 0
        if not expected or turn.answer_first_sample is None:
            return None
        ulaw = timeline[turn.answer_first_sample : turn.answer_last_sample]
        return identify(audible.to_pcm(ulaw)) == expected
