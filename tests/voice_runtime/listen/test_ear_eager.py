"""The ear tells words of a pause ahead, and takes back whatever does not become a turn."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import EagerEndOfTurnCancelFrame, Frame

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, Stage, staged
from tests.voice_runtime.listen.fakes import settle
from tests.voice_runtime.listen.test_ear_typed_and_echo import FakeEcho
from voice_runtime.events import CallerPausedFrame, CallerSaidFrame, TypedWordsFrame
from voice_runtime.ports import Recognition
from voice_runtime.settings import Turn

pytestmark = pytest.mark.anyio

WORDS = "two bedrooms near the park"  # the waits decide, whatever the turn model says


def turns(stage: Stage) -> list[Frame]:
    """What it told of turns, in order."""
    kinds = CallerPausedFrame | CallerSaidFrame | EagerEndOfTurnCancelFrame
    return [f for f in stage.tail.frames if isinstance(f, kinds)]


def names(stage: Stage) -> list[str]:
    return [type(f).__name__.removesuffix("Frame") for f in turns(stage)]


async def pause(stage: Stage, text: str = WORDS, confidence: float = 0.9) -> None:
    """Words, and a pause that is long enough to ask for them and too short to end the turn."""
    stage.turn_model.says = 0.9
    stage.recogniser.hears = Recognition(text, confidence)
    await stage.line((LOUD, 600), (QUIET, 300))


async def test_the_words_of_a_pause_come_first_and_the_turn_in_the_same_words() -> None:
    async with staged() as stage:
        await pause(stage)
        [paused] = turns(stage)
        assert isinstance(paused, CallerPausedFrame)
        assert (paused.text, paused.confidence, paused.engine) == (WORDS, 0.9, "fake")
        assert (paused.started_s, paused.ended_s) == (0.0, 0.6)
        await stage.line((QUIET, 600))
        _, said = turns(stage)
        assert isinstance(said, CallerSaidFrame)
        assert (said.text, said.started_s, said.ended_s) == (WORDS, 0.0, 0.6)


async def test_who_goes_on_takes_them_back() -> None:
    async with staged() as stage:
        await pause(stage)
        stage.recogniser.hears = Recognition(f"{WORDS} at ten", 0.9)
        await stage.line((LOUD, 600), (QUIET, 1000))
        assert names(stage) == ["CallerPaused", "EagerEndOfTurnCancel", "CallerPaused", "CallerSaid"]


async def test_words_typed_meanwhile_take_them_back() -> None:
    async with staged() as stage:
        await pause(stage)
        await stage.head.send(TypedWordsFrame("something else"))
        await settle()
        assert names(stage) == ["CallerPaused", "EagerEndOfTurnCancel", "CallerSaid"]


async def test_a_profile_may_switch_it_off() -> None:
    async with staged(turn=Turn(eager="off")) as stage:
        await pause(stage)
        await stage.line((QUIET, 600))
        assert names(stage) == ["CallerSaid"]


async def test_the_agents_own_voice_is_never_told() -> None:
    echo = FakeEcho()
    echo.all_echo = lambda first, last: True
    async with staged(echo=echo) as stage:
        await pause(stage)
        await stage.line((QUIET, 600))
        assert names(stage) == []


async def test_a_caller_who_is_gone_has_said_it() -> None:
    async with staged() as stage:
        await pause(stage)
        await stage.ear.last_words(1.0)
        await settle()
        assert names(stage) == ["CallerPaused", "CallerSaid"]
