"""Who hangs up in mid-sentence: what was being said is recognised and told before the ear ends."""

from __future__ import annotations

import asyncio

import pytest

from tests.voice_runtime.listen.ear_stage import LOUD, QUIET, staged
from tests.voice_runtime.listen.fakes import settle
from voice_runtime.events import TurnEnd
from voice_runtime.ports import Recognition

pytestmark = pytest.mark.anyio


async def test_the_last_words_of_who_hung_up_in_mid_sentence_are_told() -> None:
    """They were dropped with the open turn: said, recognised, and on no record."""
    async with staged() as stage:
        stage.recogniser.hears = Recognition("cancel my appointment", 0.9)
        await stage.line((LOUD, 600))
        await stage.ear.last_words(5.0)
        assert [(s.text, s.why) for s in stage.said] == [("cancel my appointment", TurnEnd.MEDIA)]


async def test_the_text_of_a_turn_that_is_waited_for_is_told_when_it_comes() -> None:
    async with staged() as stage:
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600), (QUIET, 600))
        telling = asyncio.create_task(stage.ear.last_words(5.0))
        await settle()
        assert not telling.done()
        stage.recogniser.hears = Recognition("at ten", 0.9)
        stage.recogniser.answering.set()
        await telling
        assert [s.text for s in stage.said] == ["at ten"]


async def test_last_words_that_never_come_are_not_waited_for_any_longer() -> None:
    async with staged() as stage:
        await stage.ear.last_words(5.0)  # nobody was speaking
        stage.recogniser.answering.clear()
        await stage.line((LOUD, 600))
        await stage.ear.last_words(0.01)
        assert stage.said == []
        stage.recogniser.answering.set()


async def test_listening_over_the_agent_is_told_as_an_aside() -> None:
    """ "Mhm" was recognised, resumed the agent, and stood on no record."""
    async with staged() as stage:
        await stage.agent(speaking=True)
        await stage.say("mhm", ms=300)
        assert [(s.text, s.aside) for s in stage.said] == [("mhm", True)]
        await stage.agent(speaking=False)
        await stage.say("mhm")
        assert [s.aside for s in stage.said] == [True, False]
