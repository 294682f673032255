"""The ear and the agent's question: what was asked for decides when an answer is whole."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.ear_stage import QUIET, staged
from voice_runtime.events import TurnEnd
from voice_runtime.listen.expected import FOUR, Expected, Wanted

pytestmark = pytest.mark.anyio


async def test_a_number_is_waited_for_until_it_has_its_length() -> None:
    async with staged(expected=lambda: Expected(Wanted.NUMBER, FOUR)) as stage:
        await stage.say("nine four one")
        assert stage.said == [], "three of four figures"
        await stage.line((QUIET, 2000))
        await stage.say("nine four one oh")
        assert [f.why for f in stage.said] == [TurnEnd.SILENCE, TurnEnd.QUESTION]


async def test_what_is_asked_for_may_change_in_mid_turn() -> None:
    asked = [Expected(Wanted.NAME, least_words=3)]
    async with staged(expected=lambda: asked[0]) as stage:
        stage.turn_model.says = 0.01
        await stage.say("rosa keller")
        assert stage.said == []
        await stage.line((QUIET, 2000))
        asked[0] = Expected(Wanted.NAME)
        await stage.say("rosa keller")
        assert [f.why for f in stage.said] == [TurnEnd.SILENCE, TurnEnd.QUESTION]
