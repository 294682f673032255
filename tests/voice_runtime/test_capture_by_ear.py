"""A whole call with a real ear in which a card is keyed in: what is said meanwhile reaches nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest
from pipecat.frames.frames import InputAudioRawFrame
from pipecat.processors.frame_processor import FrameProcessor

from tests.simulators.house import OnTheLine
from tests.simulators.model_server import say
from tests.voice_runtime.listen.ear_stage import LOUD, QUIET
from tests.voice_runtime.listen.fakes import FakeRecogniser, FakeTurnModel, LoudIsSpeech
from tests.voice_runtime.test_capture_on_the_line import PAY, VISA, asked, ended, line_of, shown
from voice_runtime.breaker import Breaker
from voice_runtime.call import Call
from voice_runtime.carrier import Hearing, make_ear
from voice_runtime.clock import SystemClock
from voice_runtime.listen.chain import Link, RecogniserChain
from voice_runtime.listen.echo import Echo
from voice_runtime.ports import Recognition
from voice_runtime.settings import Turn
from voice_runtime.typed import TypedCarrier

pytestmark = pytest.mark.anyio


class WithAnEar(TypedCarrier):
    """A typed call whose caller can be listened to as well, by a recogniser of the house's own."""

    def __init__(self) -> None:
        super().__init__()
        self.recogniser = FakeRecogniser()

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        chain = RecogniserChain([Link(self.recogniser, 5.0, Breaker("fake"), outside=False)], 5.0)
        hearing = Hearing(chain, FakeTurnModel(), Turn(), SystemClock())
        ear = make_ear(hearing, call, call.release, Echo(lambda active: None))
        ear._vad = LoudIsSpeech()
        return [*super().entry(call), ear]

    async def sound(self, *pieces: tuple[bytes, int]) -> None:
        """``(chunk, ms)`` pieces from the caller's microphone."""
        for chunk, ms in pieces:
            for _ in range(ms // 20):
                await self.send(InputAudioRawFrame(audio=chunk, sample_rate=8000, num_channels=1))
                await asyncio.sleep(0)

    @property
    def fed(self) -> int:
        """Samples that the recogniser was given, in bytes."""
        return sum(len(utterance.fed) for utterance in self.recogniser.utterances)


def ear_of(line: OnTheLine) -> WithAnEar:
    assert isinstance(line.carrier, WithAnEar)
    return line.carrier


async def test_a_recogniser_of_ones_own_gets_nothing_while_a_card_is_keyed_in() -> None:
    """It went on, and was given the card that a caller read aloud while keying it in."""
    async with line_of(PAY, say("Taken."), say("At nine."), carrier_of=WithAnEar) as line:
        await asked(line)
        caller = ear_of(line)
        caller.recogniser.hears = Recognition("four one one one one one one one", 0.9)
        before = caller.fed
        await caller.sound((LOUD, 1600), (QUIET, 1000))
        for key in VISA[:8]:
            await caller.press(key)
        await caller.sound((LOUD, 1600), (QUIET, 1000))
        await caller.press(VISA[8:] + "#")
        await line.settled()
        assert caller.fed == before == 0
        assert not caller.recogniser.utterances, "not even a place was taken"
        assert json.loads(line.service.uses[0].body)["card"] == VISA
        assert ended(line) == ("captured", 1)
        caller.recogniser.hears = Recognition("when do you open", 0.9)
        await caller.sound((QUIET, 1000), (LOUD, 800), (QUIET, 2000))
        await line.settled()
        assert 0 < caller.fed < 3 * 320 * 50, "afterwards it goes on, with nothing of what was said before"
        assert line.addressed()[-1] == ("when do you open", "model")
        assert "four one one" not in shown(line)


async def test_who_speaks_instead_of_keying_is_told_how_they_are_listened_to() -> None:
    """In an emergency too: nobody may be left to find out in 24 seconds that nothing is recognised."""
    async with line_of(PAY, say("Yes?"), carrier_of=WithAnEar) as line:
        await asked(line)
        caller = ear_of(line)
        await caller.sound((LOUD, 4000))
        await line.settled()
        assert line.played()[-1] == "capture-keys-only"
        assert line.call.capture.paused
        await caller.sound((LOUD, 6000))
        await line.settled()
        assert line.played().count("capture-keys-only") == 1
        await line.press("#")
        assert ended(line) == ("gave_up", 0)
        caller.recogniser.hears = Recognition("i have chest pain", 0.9)
        await caller.sound((LOUD, 800), (QUIET, 2000))
        await line.control.asked.wait()
        assert [record.requested_by for record, _ in line.of("handoff.requested")] == ["emergency"]
