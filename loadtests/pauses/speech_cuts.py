"""Pipecat's default over an agent that speaks: whatever its detector takes for speech cuts the agent.

pipecat's own analyser, unchanged, with its defaults (0.2 s of speech start a turn), wired as its
``VADUserTurnStartStrategy`` does (pipecat 1.14, ``turns/user_start``): a turn that starts interrupts,
at once and for good. In its favour: the transcription that starts a turn where the detector stayed
silent, which would cut it for a soft hum, too, is left out.
"""

from __future__ import annotations

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADState

from loadtests.pauses.lines import Rendered
from loadtests.pauses.overlaps import FloorEvent
from voice_runtime.events import CHUNK_MS, RATE_HZ


class SpeechCuts:
    """Silero with its own defaults; no words, no resuming."""

    name = "pipecat's defaults"

    async def over_agent(self, line: Rendered) -> list[FloorEvent]:
        """The interruption, or nothing."""
        detector = SileroVADAnalyzer(sample_rate=RATE_HZ)
        detector.set_sample_rate(RATE_HZ)
        try:
            for number, pcm in enumerate(line.chunks(), 1):
                if await detector.analyze_audio(pcm) is VADState.SPEAKING:
                    return [FloorEvent(number * CHUNK_MS * RATE_HZ // 1000, "commit")]
            return []
        finally:
            await detector.cleanup()  # type: ignore[no-untyped-call]  # pipecat's
