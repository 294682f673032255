"""What the recogniser is told while the caller speaks, and what it tells before the turn is over."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipecat.frames.frames import InterruptionFrame

from tests.simulators import whisper_model as said
from tests.simulators.recogniser import ScriptedRecogniser
from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.test_whisper import Gate
from tests.voice_runtime.listen.test_whisper import running as whisper_running
from voice_runtime.breaker import Breaker
from voice_runtime.events import CHUNK_BYTES, PauseSpeechFrame
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.listen.turn_audio import TurnAudio

pytestmark = pytest.mark.anyio


async def test_the_recogniser_is_told_where_speech_ends() -> None:
    async with staged() as stage:
        await stage.line((QUIET, 1000), (LOUD, 400), (QUIET, 100))
        [utterance] = stage.recogniser.utterances
        # The pre-roll and the first 80 ms came together, when the turn began.
        assert utterance.spoke == [True] * (1 + 16) + [False] * 5
        assert len(utterance.fed) == 15 * CHUNK_BYTES + 21 * CHUNK_BYTES


async def test_a_chain_passes_it_on() -> None:
    engine = ScriptedRecogniser("one", "hello")
    utterance = RecogniserChain([Link(engine, 30.0, Breaker("one"))], 60.0).open("k")
    utterance.feed(LOUD)
    utterance.feed(QUIET, False)
    assert engine.spoke == [True, False]
    utterance.cancel()


async def test_words_interrupt_while_the_caller_still_speaks() -> None:
    async with staged() as stage:
        await stage.agent(True)
        await stage.line((LOUD, 200))
        assert [f for f in stage.ours if isinstance(f, PauseSpeechFrame)]
        stage.recogniser.partial = "can i"
        await stage.line((LOUD, 20))
        stage.recogniser.partial = "can i see"
        await stage.line((LOUD, 20))
        assert [f for f in stage.ours if isinstance(f, InterruptionFrame)], "two texts agree on two words"


async def test_with_whisper_the_text_is_there_at_the_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn's audio, a real engine between: its last decoding ended behind the speech, so none follows."""
    gate = Gate(monkeypatch)
    gate.open.set()
    folder = said.speaking_model(tmp_path)
    async with whisper_running(folder, partial_every_ms=0) as recogniser:
        audio = TurnAudio(recogniser, "k", 300, lambda: 0)
        for _ in range(15):
            audio.add(QUIET, False)
        audio.begin()
        tone = said.tone(said.BOOK, 1.2)
        for at in range(0, len(tone), CHUNK_BYTES):
            audio.add(tone[at : at + CHUNK_BYTES], True)
        for _ in range(6):
            audio.add(QUIET, False)
        await gate.reached()
        for _ in range(4):  # the ear's 200 ms are over
            audio.add(QUIET, False)
        understood = await audio.recognise(audio.finish())
        assert understood.text == "can i see doctor patel on tuesday"
        assert gate.sizes == [1]
        audio.close()
