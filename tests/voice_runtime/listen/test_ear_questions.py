"""The ear's questions to the turn model: withdrawn as soon as nobody waits for the answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.fakes import FakeTurnModel
from voice_runtime.events import TurnEnd
from voice_runtime.ports import Recognition

pytestmark = pytest.mark.anyio


class Pondering(FakeTurnModel):
    """Never answers; counts who no longer waits."""

    withdrawn = 0

    async def complete(self, pcm: bytes) -> float:
        self.asked.append(len(pcm))
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise
        raise AssertionError("nobody sets that")


async def test_a_question_is_withdrawn_when_the_caller_goes_on_and_when_the_turn_ends() -> None:
    model = Pondering()
    async with staged(turn_model=model) as stage:
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600), (QUIET, 500))
        assert (len(model.asked), model.withdrawn) == (1, 0)
        await stage.line((LOUD, 600))
        assert (len(model.asked), model.withdrawn) == (1, 1), "the caller went on"
        stage.recogniser.hears = Recognition("i need an appointment today", 0.9)
        stage.recogniser.answering.set()
        await stage.line((QUIET, 1000))
        assert stage.said[-1].why is TurnEnd.SILENCE
        assert (len(model.asked), model.withdrawn) == (2, 2), "the turn has ended"


async def test_an_ear_that_stops_leaves_no_question_behind() -> None:
    model = Pondering()
    async with staged(turn_model=model) as stage:
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600), (QUIET, 500))
        assert model.withdrawn == 0
    assert model.withdrawn == 1
