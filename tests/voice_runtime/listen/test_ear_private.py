"""The ear while figures are entered by keys: nothing recorded, nobody interrupted, words private."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from voice_runtime.events import AgentSpeakingFrame
from voice_runtime.listen.private import Private
from voice_runtime.ports import Recognition

pytestmark = pytest.mark.anyio


class Switch:
    def __init__(self) -> None:
        self.on = False

    def __call__(self) -> bool:
        return self.on


async def test_nothing_is_recorded_meanwhile_and_everything_before_and_after_is() -> None:
    private = Switch()
    async with staged(private=private) as stage:
        await stage.line((QUIET, 200))
        private.on = True
        await stage.line((LOUD, 600), (QUIET, 1000))
        private.on = False
        await stage.line((QUIET, 200))
        assert bytes(stage.recorded) == QUIET * 20


@pytest.mark.parametrize(
    ("begins_ms", "ends_ms"), [(0, 4000), (0, 1000), (1200, 1400), (1400, 4000), (0, 700)],
    ids=["throughout", "its beginning", "its middle", "its end", "the samples from before it"],
)  # fmt: skip
async def test_a_turn_any_part_of_which_was_said_meanwhile_is_private(begins_ms: int, ends_ms: int) -> None:
    private = Switch()
    async with staged(private=private) as stage:
        stage.recogniser.hears = Recognition("when are you open", 0.9)
        for at_ms in range(0, 4000, 20):
            private.on = begins_ms <= at_ms < ends_ms
            await stage.line((LOUD if 800 <= at_ms < 1600 else QUIET, 20))
        [said] = stage.said
        assert said.private


async def test_turns_before_it_and_behind_it_are_not() -> None:
    private = Switch()
    async with staged(private=private) as stage:
        await stage.say("when are you open")
        private.on = True
        await stage.line((QUIET, 2000))
        private.on = False
        await stage.line((QUIET, 1000))
        await stage.say("when are you open")
        assert [said.private for said in stage.said] == [False, False]


async def test_speech_interrupts_nobody_meanwhile() -> None:
    private = Switch()
    async with staged(private=private) as stage:
        await stage.agent(speaking=True)
        private.on = True
        await stage.say("wait i want something else", ms=2000)
        assert not set(stage.names()) & {"PauseSpeech", "Interruption"}
        private.on = False
        await stage.line((QUIET, 1000))
        await stage.say("wait i want something else", ms=2000)
        assert {"PauseSpeech", "Interruption"} <= set(stage.names()), "and afterwards it does"


async def test_silence_and_what_is_not_understood_are_nobodys_business_meanwhile() -> None:
    private = Switch()
    async with staged(private=private, ask_after_s=3, end_after_s=6) as stage:
        await stage.tail.send(AgentSpeakingFrame(speaking=False))
        private.on = True
        await stage.say("", ms=2000)
        await stage.line((QUIET, 9000))
        assert "CallerSilent" not in stage.names()
        assert stage.failed == []


def test_media_time_decides() -> None:
    private = Switch()
    part = Private(private, 300)
    assert not part.covers(0)
    private.on = True
    assert part.chunk(1000)
    assert part.covers(5000), "it goes on"
    private.on = False
    assert not part.chunk(1020)
    assert part.covers(1300)
    assert not part.covers(1301)
