"""The ear while figures are entered by keys: nothing recorded or recognised, nobody interrupted."""

from __future__ import annotations

import pytest
from pipecat.audio.dtmf.types import KeypadEntry
from pipecat.frames.frames import InputDTMFFrame

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


BEFORE, MEANWHILE, AFTER = b"\x10\x27" * 160, b"\x11\x27" * 160, b"\x12\x27" * 160


def of(chunk: bytes, pcm: bytes) -> int:
    """How many chunks of these samples are these."""
    return sum(pcm[at : at + 320] == chunk for at in range(0, len(pcm), 320))


@pytest.mark.parametrize(
    ("begins_ms", "ends_ms"), [(0, 4000), (0, 1000), (1200, 1400), (1400, 4000), (0, 700)],
    ids=["throughout", "its beginning", "its middle", "its end", "the samples from before it"],
)  # fmt: skip
async def test_no_sample_said_meanwhile_reaches_a_recogniser_of_ours(begins_ms: int, ends_ms: int) -> None:
    """A recogniser of one's own went on: it was given the card that a caller read aloud."""
    private = Switch()
    async with staged(private=private) as stage:
        stage.recogniser.hears = Recognition("when are you open", 0.9)
        for at_ms in range(0, 4000, 20):
            private.on = begins_ms <= at_ms < ends_ms
            loud = MEANWHILE if private.on else BEFORE if at_ms < begins_ms else AFTER
            await stage.line((loud if 800 <= at_ms < 1600 else QUIET, 20))
        fed = b"".join(bytes(utterance.fed) for utterance in stage.recogniser.utterances)
        assert not of(MEANWHILE, fed)
        assert of(BEFORE, fed) or begins_ms < 800
        assert not of(MEANWHILE, bytes(stage.recorded))
        near = [said for said in stage.said if said.started_s * 1000 - 300 < ends_ms]
        assert all(said.private for said in near), "said as it went on, begun before or just behind it"


async def test_what_was_said_until_it_began_is_settled_and_may_act() -> None:
    """A caller cut off by their own card entry who had just said what is wrong is heard all the same."""
    private = Switch()
    async with staged(private=private) as stage:
        stage.recogniser.hears = Recognition("a person", 0.9)
        await stage.line((BEFORE, 800))
        private.on = True
        await stage.line((MEANWHILE, 400))
        [said] = stage.said
        assert (said.text, said.private, said.urgent) == ("a person", True, True)


async def test_nothing_said_meanwhile_is_the_pre_roll_of_what_comes_after() -> None:
    private = Switch()
    async with staged(private=private) as stage:
        private.on = True
        await stage.line((MEANWHILE, 2000))
        private.on = False
        await stage.say("when are you open")
        [utterance] = stage.recogniser.utterances
        assert not of(MEANWHILE, bytes(utterance.fed))


async def test_who_speaks_instead_is_told_once_until_the_next_key() -> None:
    private, told = Switch(), []
    async with staged(private=private, on_private_speech=lambda: told.append(1)) as stage:
        private.on = True
        await stage.agent(speaking=True)
        await stage.line((MEANWHILE, 5000))
        assert not told, "it is the agent that speaks, or its echo"
        await stage.agent(speaking=False)
        await stage.line((MEANWHILE, 3980), (QUIET, 400))
        assert not told
        await stage.line((MEANWHILE, 8000))
        assert len(told) == 1
        await stage.head.send(InputDTMFFrame(KeypadEntry.ONE))
        await stage.line((MEANWHILE, 3980))
        await stage.head.send(InputDTMFFrame(KeypadEntry.TWO))
        await stage.line((MEANWHILE, 3980))
        assert len(told) == 1, "who keys as they speak is not stopped"
        await stage.line((MEANWHILE, 20))
        assert len(told) == 2


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
