"""The ear in a real pipeline: what it lets out, in which order, and that audio ends there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputAudioRawFrame, InputDTMFFrame, InterruptionFrame, TextFrame

from controls.errors import ProviderError
from tests import audio
from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.fakes import settle
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import (
    CallerSaidFrame,
    CallerSilentFrame,
    CallerStartedFrame,
    KeyPressedFrame,
    MediaStoppedFrame,
    ThinkingFrame,
    TurnEnd,
)
from voice_runtime.listen.sphinx import SphinxRecogniser
from voice_runtime.listen.vad import Vad
from voice_runtime.ports import Hints, Recognition
from voice_runtime.settings import Turn

pytestmark = pytest.mark.anyio

# -- turns ---------------------------------------------------------------------------------------------


async def test_one_turn() -> None:
    async with staged() as stage:
        await stage.line((QUIET, 1000))
        before_ns = stage.clock.now_ns
        await stage.say("when are you open")
        [started, said] = stage.ours
        assert isinstance(started, CallerStartedFrame)
        assert started.at_s == 1.0
        assert isinstance(said, CallerSaidFrame)
        assert (said.text, said.confidence, said.engine) == ("when are you open", 0.9, "fake")
        assert (said.started_s, said.ended_s, said.why) == (1.0, 1.6, TurnEnd.QUESTION)
        assert said.t0_ns == before_ns + 600_000_000, "received with the last speech sample"
        assert said.t0_ns < said.recognised_ns <= said.ended_ns <= said.t0_ns + 240_000_000
        assert (said.during_agent, said.urgent) == (False, False)


def _overrules(text: str, reading: str) -> bool:
    return reading == "chest pain" and text != "a person"


@pytest.mark.parametrize(("text", "confidence"), [("i have a test plan", 0.6), ("gibberish", 0.1), ("", 0.0)])
async def test_another_reading_that_names_an_emergency_is_the_turn(text: str, confidence: float) -> None:
    async with staged(overrules=_overrules, urgent=lambda text: text == "chest pain") as stage:
        stage.recogniser.hears = Recognition(text, confidence, also=("nothing", "chest pain"))
        await stage.line((LOUD, 600), (QUIET, 300))
        [said] = stage.said
        assert (said.text, said.urgent) == ("chest pain", True)
        assert not stage.failed


@pytest.mark.parametrize(
    ("text", "confidence", "also", "said"),
    [
        ("when are you open", 0.9, ("when a few hope on",), ["when are you open"]),
        ("when are you open", 0.75, ("chest pain",), ["when are you open"]),  # it is sure of that
        ("a person", 0.9, ("chest pain",), ["a person"]),
        ("gibberish", 0.1, ("pain of some kind",), []),
    ],
)
async def test_another_reading_that_overrules_nothing_goes_nowhere(
    text: str, confidence: float, also: tuple[str, ...], said: list[str]
) -> None:
    async with staged(overrules=_overrules) as stage:
        stage.recogniser.hears = Recognition(text, confidence, also=also)
        await stage.line((LOUD, 600), (QUIET, 1500))
        assert [f.text for f in stage.said] == said
        assert stage.failed == ([] if said else ["misheard"])


@pytest.mark.parametrize(("confidence", "unsure"), [(0.1, True), (0.39, True), (0.4, False)])
async def test_an_emergency_is_never_too_unsure_to_be_told(confidence: float, unsure: bool) -> None:
    """Below the bar it was dropped as misheard, like a cough."""
    grave = {"chest pain"}.__contains__
    async with staged(grave=grave, urgent=grave) as stage:
        stage.recogniser.hears = Recognition("chest pain", confidence)
        await stage.line((LOUD, 600), (QUIET, 300))
        [said] = stage.said
        assert (said.text, said.urgent, said.unsure) == ("chest pain", True, unsure)
        assert not stage.failed
        stage.recogniser.hears = Recognition("when are you open", 0.39)
        await stage.line((LOUD, 700), (QUIET, 1500))
        assert len(stage.said) == 1
        assert stage.failed == ["misheard"]


async def test_audio_ends_here() -> None:
    async with staged() as stage:
        await stage.say("yes")
        await stage.head.send(TextFrame("passes"))
        await settle()
        assert not [f for f in stage.tail.frames if isinstance(f, InputAudioRawFrame)]
        assert [f for f in stage.tail.frames if isinstance(f, TextFrame)]
        assert bytes(stage.recorded) == LOUD * 30 + QUIET * 50, "the recording has every sample"


async def test_the_recogniser_gets_the_preroll_first() -> None:
    async with staged() as stage:
        soft = b"\x01\x00" * 160
        await stage.line((QUIET, 2000))
        stage.ear._vad.hear = lambda chunk: chunk == LOUD  # type: ignore[method-assign]
        await stage.line((soft, 300), (LOUD, 600), (QUIET, 300))
        [utterance] = stage.recogniser.utterances
        fed = bytes(utterance.fed)
        assert fed.index(LOUD) >= 220 * 16, "at least 220 ms from before the first speech"
        assert fed.count(LOUD) == 30
        assert fed.endswith(QUIET * 10)


async def test_going_on_after_a_pause_is_recognised_as_one(needs_system: Callable[..., None]) -> None:
    async with staged() as stage:
        stage.turn_model.says = 0.2
        stage.recogniser.hears = Recognition("can i see doctor", 0.9)
        await stage.line((LOUD, 600), (QUIET, 400))
        assert stage.names() == ["CallerStarted"]
        stage.recogniser.hears = Recognition("can i see doctor patel on tuesday", 0.9)
        await stage.line((LOUD, 600), (QUIET, 400))
        assert [f.text for f in stage.said] == ["can i see doctor patel on tuesday"]
        assert bytes(stage.recogniser.utterances[-1].fed).count(LOUD) == 60


async def test_a_very_long_turn_keeps_the_text_of_its_first_part() -> None:
    async with staged() as stage:
        stage.turn_model.says = 0.01
        stage.recogniser.hears = Recognition("first part", 0.9)
        await stage.line((LOUD, 11_000), (QUIET, 400))
        stage.recogniser.hears = Recognition("second part", 0.5)
        await stage.line((LOUD, 600), (QUIET, 2600))
        [said] = stage.said
        assert (said.text, said.confidence) == ("first part second part", 0.5)
        assert len(stage.recogniser.utterances[-1].fed) < 3 * 16000


async def test_turn_model_and_recogniser_work_at_the_same_time() -> None:
    async with staged() as stage:
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600), (QUIET, 460))
        assert stage.turn_model.asked, "asked while the text is still awaited"
        assert stage.recogniser.utterances[0].finished
        stage.recogniser.hears = Recognition("i need an appointment today", 0.9)
        stage.recogniser.answering.set()
        await settle()
        assert stage.said[0].why is TurnEnd.TURN_MODEL


async def test_a_turn_model_that_refuses_leaves_it_to_the_clock() -> None:
    async with staged() as stage:
        stage.turn_model.says = None
        await stage.say("i need an appointment today")
        assert stage.said[0].why is TurnEnd.SILENCE


async def test_a_caller_who_never_stops() -> None:
    async with staged(turn=Turn(longest_s=3)) as stage:
        stage.recogniser.hears = Recognition("and then", 0.9)
        await stage.line((LOUD, 7000))
        assert [f.why for f in stage.said] == [TurnEnd.TOO_LONG, TurnEnd.TOO_LONG]
        assert stage.names().count("CallerStarted") == 3


# -- barge-in ------------------------------------------------------------------------------------------


async def test_an_interruption_pauses_then_cuts() -> None:
    async with staged() as stage:
        await stage.agent(True)
        await stage.say("let me talk to somebody", ms=800)
        assert stage.names() == ["CallerStarted", "PauseSpeech", "Interruption", "CallerSaid"]
        assert any(isinstance(f, InterruptionFrame) for f in stage.head.frames), "upstream too"


async def test_the_pause_comes_within_100_ms_of_speech() -> None:
    async with staged() as stage:
        await stage.agent(True)
        await stage.line((LOUD, 80))
        assert stage.names() == ["CallerStarted", "PauseSpeech"]


async def test_words_heard_so_far_cut_before_the_caller_pauses() -> None:
    async with staged() as stage:
        await stage.agent(True)
        await stage.line((LOUD, 200))
        stage.recogniser.partial = "what about"
        await stage.line((LOUD, 100))
        stage.recogniser.partial = "what about friday"
        await stage.line((LOUD, 40))
        assert stage.names() == ["CallerStarted", "PauseSpeech", "Interruption"]


async def test_a_backchannel_pauses_and_resumes() -> None:
    async with staged() as stage:
        await stage.agent(True)
        await stage.say("uh huh", ms=300)
        assert stage.names() == ["CallerStarted", "PauseSpeech", "ResumeSpeech", "CallerSaid"]
        assert stage.failed == []


@pytest.mark.parametrize(("text", "confidence"), [("", 0.0), ("patel", 0.1)])
async def test_a_cough_leaves_no_hole(text: str, confidence: float) -> None:
    async with staged() as stage:
        await stage.agent(True)
        stage.recogniser.hears = Recognition(text, confidence)
        await stage.line((LOUD, 160), (QUIET, 240))
        assert stage.names() == ["CallerStarted", "PauseSpeech", "ResumeSpeech"], "400 ms later it speaks on"
        assert stage.failed == []


async def test_while_thinking_words_cut_and_nothing_pauses() -> None:
    async with staged() as stage:
        await stage.tail.send(ThinkingFrame(active=True, turn=1))
        await settle()
        await stage.say("what about friday", ms=800)
        assert stage.names() == ["CallerStarted", "Interruption", "CallerSaid"]


async def test_words_under_uninterruptible_speech_are_heard_and_cut_nothing() -> None:
    async with staged() as stage:
        await stage.agent(True, yields=False)
        await stage.say("a person", ms=800)
        assert stage.said[0].during_agent
        assert stage.said[0].urgent
        assert stage.names() == ["CallerStarted", "CallerSaid"]


# -- what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cause", "reason"), [(TimeoutError(), "deadline"), (None, "crash"), (OSError(), "crash")]
)
async def test_recognition_that_fails_closes_the_turn_and_says_so(
    cause: BaseException | None, reason: str
) -> None:
    async with staged() as stage:
        stage.recogniser.failure = ProviderError("broken", supplier="fake")
        stage.recogniser.failure.__cause__ = cause
        await stage.say("lost")
        assert stage.names() == ["CallerStarted"]
        assert stage.failed == [reason]
        stage.recogniser.failure = None
        await stage.say("yes")
        assert stage.said[0].text == "yes"


async def test_a_recogniser_without_a_place_is_a_failure_too() -> None:
    async with staged() as stage:
        stage.recogniser.refusing = True
        await stage.say("lost")
        assert stage.failed == ["crash"]


async def test_words_nobody_can_trust_are_not_passed_on() -> None:
    async with staged() as stage:
        await stage.say("please nine ambulance patel", confidence=0.1)
        assert stage.names() == ["CallerStarted"]
        assert stage.failed == ["misheard"]


async def test_a_short_noise_is_no_misheard_turn() -> None:
    async with staged() as stage:
        await stage.say("", ms=120)
        assert stage.names() == ["CallerStarted"]
        assert stage.failed == []


@pytest.mark.parametrize("framed", [True, False])
@pytest.mark.parametrize("size", [1, 7, 160, 320, 333, 1600, 5000])
async def test_samples_of_any_size_in_frames_or_without(size: int, framed: bool) -> None:
    async with staged() as stage:
        stage.recogniser.hears = Recognition("yes", 0.9)
        pieces = audio.chunks(QUIET * 25 + LOUD * 30 + QUIET * 20, size - size % 2 or 320)
        for pcm in (b"x", *(piece + b"\x7f" * (size % 2) for piece in pieces)):  # half a sample is no sound
            if framed:
                await stage.head.send(InputAudioRawFrame(audio=pcm, sample_rate=8000, num_channels=1))
            elif (doing := stage.ear.hear(pcm)) is not None:
                await doing
            await settle(8)
        await settle()
        assert [(f.started_s, f.ended_s) for f in stage.said] == [(0.5, 1.1)]


async def test_another_rate_and_two_channels(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    async with staged(vad=Vad) as stage:
        line = audio.silence(400) + await audio.said("yes please", "rms") + audio.silence(800)
        mono = np.frombuffer(line, dtype="<i2").repeat(2)
        stereo = np.stack([mono, mono], axis=1).astype("<i2").tobytes()
        for piece in audio.chunks(stereo, 1280):
            await stage.head.send(InputAudioRawFrame(audio=piece, sample_rate=16000, num_channels=2))
            await settle(8)
        await settle()
        assert len(stage.said) == 1
        assert abs(len(stage.recorded) - len(line)) < 2000


# -- silence, media, keys ------------------------------------------------------------------------------


async def test_silence_is_asked_about_and_then_ended() -> None:
    async with staged(ask_after_s=2, end_after_s=5) as stage:
        await stage.line((QUIET, 10_000))
        steps = [(f.step, f.for_s) for f in stage.ours if isinstance(f, CallerSilentFrame)]
        assert steps == [(1, 2.0), (2, 5.0)] * 2, "a call that goes on all the same is asked about again"


async def test_silence_does_not_count_while_the_agent_has_the_floor() -> None:
    async with staged(ask_after_s=2, end_after_s=5) as stage:
        await stage.agent(True)
        await stage.line((QUIET, 4000))
        await stage.tail.send(ThinkingFrame(active=True, turn=1))
        await stage.agent(False)
        await stage.line((QUIET, 4000))
        await stage.tail.send(ThinkingFrame(active=False, turn=1))
        await settle()
        assert stage.names() == []
        await stage.line((QUIET, 2000))
        assert stage.names() == ["CallerSilent"]


async def test_whatever_the_caller_does_breaks_the_silence() -> None:
    async with staged(ask_after_s=2, end_after_s=5) as stage:
        await stage.line((QUIET, 1800))
        await stage.head.send(InputDTMFFrame(button=KeypadEntry.FIVE))
        await stage.line((QUIET, 1800))
        await stage.say("yes")
        await stage.line((QUIET, 800))
        assert "CallerSilent" not in stage.names()


async def test_noise_does_not_break_the_silence() -> None:
    async with staged(ask_after_s=2, end_after_s=5) as stage:
        await stage.line((QUIET, 1000))
        await stage.say("", ms=100)
        await stage.line((QUIET, 1000))
        assert "CallerSilent" in stage.names()


async def test_keys() -> None:
    async with staged() as stage:
        for key in KeypadEntry:
            await stage.head.send(InputDTMFFrame(button=key))
        await settle()
        pressed = [f.key for f in stage.ours if isinstance(f, KeyPressedFrame)]
        assert sorted(pressed) == sorted("0123456789*#")


async def test_media_that_stops_is_told_by_the_wall_clock() -> None:
    async with staged() as stage:
        await stage.clock.pass_(60)
        assert stage.names() == [], "no media yet is not media that stopped"
        await stage.line((QUIET, 100))
        await stage.clock.pass_(1.5)
        assert stage.names() == []
        await stage.clock.pass_(9)
        gaps = [f.for_s for f in stage.ours if isinstance(f, MediaStoppedFrame)]
        assert len(gaps) == 5
        assert gaps[-1] >= 10.0
        stage.tail.frames.clear()
        await stage.line((QUIET, 100))
        await stage.clock.pass_(1.5)
        assert stage.names() == []
        await stage.clock.pass_(1.0)
        assert stage.names() == ["MediaStopped"], "told anew after media came back"


async def test_media_that_stops_in_a_turn_closes_it() -> None:
    async with staged() as stage:
        stage.recogniser.hears = Recognition("i would like to", 0.9)
        await stage.line((LOUD, 600))
        await stage.clock.pass_(3)
        assert [f.why for f in stage.said] == [TurnEnd.MEDIA]
        assert stage.names() == ["CallerStarted", "MediaStopped", "CallerSaid"]


async def test_a_call_that_ends_in_mid_turn_leaves_nothing() -> None:
    async with staged() as stage:
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600), (QUIET, 300), (LOUD, 300))
    assert stage.recogniser.utterances[-1].cancelled
    assert not stage.ear._beside


# -- the real engines ----------------------------------------------------------------------------------


async def test_a_real_voice_through_real_engines(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    recogniser = SphinxRecogniser(1)
    await recogniser.start()
    clock: Clock = SystemClock()
    try:
        hints = Hints("en-US", ("when are you open", "uh huh", "yes please", "at ten", "person"))
        await recogniser.load("k", hints)
        async with staged(vad=Vad, clock=clock) as stage:
            stage.ear._audio._recogniser = recogniser
            for text in ("when are you open", "yes please"):
                line = audio.silence(400) + await audio.said(text, "rms") + audio.silence(300)
                for chunk in audio.chunks(line):
                    await stage.head.send(InputAudioRawFrame(audio=chunk, sample_rate=8000, num_channels=1))
                    await clock.sleep(0.002)
                await stage.tail.until(lambda frames: any(isinstance(f, CallerSaidFrame) for f in frames))
                assert [f.text for f in stage.said] == [text]
                stage.tail.frames.clear()
            await stage.agent(True)
            for chunk in audio.chunks(audio.cough() + audio.silence(400)):
                await stage.head.send(InputAudioRawFrame(audio=chunk, sample_rate=8000, num_channels=1))
            assert stage.names() == [], "a cough is no speech"
    finally:
        await recogniser.close()
