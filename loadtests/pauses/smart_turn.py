"""Pipecat's recommended turn taking on a labelled line: Silero, then Smart Turn v3, nothing else.

pipecat's own analysers, unchanged, wired as its user aggregator and its
``TurnAnalyzerUserTurnStopStrategy`` wire them (pipecat 1.14, ``turns/user_stop``): the
detector's defaults (0.2 s of speech start, 0.2 s of silence stop), one question to the
model at each stop, and the analyser's fallback of 3 s of silence. In its favour:
neither its transcript, which it would wait for, nor the model's time is counted.
"""

from __future__ import annotations

import time
from unittest.mock import patch

from pipecat.audio.turn.base_turn_analyzer import EndOfTurnState
from pipecat.audio.turn.smart_turn import base_smart_turn
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState

from loadtests.pauses.lines import Line
from loadtests.pauses.policies import Listener
from voice_runtime.events import CHUNK_MS, RATE_HZ


class SmartTurnAlone:
    """Silero (stop 0.2 s) and ``LocalSmartTurnAnalyzerV3`` with its own defaults."""

    name = "Smart Turn alone"

    def __init__(self) -> None:
        self._analyser = LocalSmartTurnAnalyzerV3()
        self._analyser.set_sample_rate(RATE_HZ)

    def listen(self, line: Line) -> Listener:
        return _Aggregator(self._analyser)


class _MediaTime:
    """Stands in for ``time`` where the analyser notes when audio came: here it comes in media time."""

    perf_counter = staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.now_ms = 0

    def monotonic(self) -> float:
        # Never 0: the analyser takes 0 for "no speech yet".
        return 1.0 + self.now_ms / 1000


class _Aggregator:
    def __init__(self, analyser: LocalSmartTurnAnalyzerV3) -> None:
        self._analyser = analyser
        self._analyser.clear()  # type: ignore[no-untyped-call]  # pipecat's
        self._vad = SileroVADAnalyzer(sample_rate=RATE_HZ)
        self._vad.set_sample_rate(RATE_HZ)
        self._speaking = False
        self._clock = _MediaTime()

    async def chunk(self, pcm: bytes) -> str:
        state = await self._vad.analyze_audio(pcm)
        # The detector's frames are queued behind the audio that caused them: the analyser has it by then.
        with patch.object(base_smart_turn, "time", self._clock):
            waited = self._analyser.append_audio(pcm, self._speaking) is EndOfTurnState.COMPLETE
        self._clock.now_ms += CHUNK_MS
        why = "its 3 s of silence" if waited else ""
        if state is VADState.SPEAKING and not self._speaking:
            self._speaking = True
            self._analyser.update_vad_start_secs(self._vad.params.start_secs)
        elif state is VADState.QUIET and self._speaking:
            self._speaking = False
            judged, _ = await self._analyser.analyze_end_of_turn()
            if judged is EndOfTurnState.COMPLETE:
                why = "the turn model"
        if why:
            self._analyser.clear()  # type: ignore[no-untyped-call]  # pipecat's
        return why

    async def close(self) -> None:
        await self._vad.cleanup()  # type: ignore[no-untyped-call]  # pipecat's
        await self._analyser.cleanup()  # type: ignore[no-untyped-call]  # pipecat's
