"""Turns that come whole: the words go into the context at once, and no frame tells of a caller who speaks."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMContextFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMUserAggregator, LLMUserAggregatorParams

from tests.simulators.pipeline import running
from voice_runtime.inline.whole_turns import whole_turns

pytestmark = pytest.mark.anyio


async def test_words_go_to_the_model_with_nothing_beside_them() -> None:
    context = LLMContext()
    aggregator = LLMUserAggregator(
        context, params=LLMUserAggregatorParams(user_turn_strategies=whole_turns(), empty_user_turn=None)
    )
    async with running(aggregator) as (head, tail):
        for n, words in enumerate(("when are you open", "and on friday"), start=1):
            await head.send(ProposedUserStartedSpeakingFrame())
            await head.send(TranscriptionFrame(text=words, user_id="caller", timestamp="", finalized=True))
            await head.send(ProposedUserStoppedSpeakingFrame())
            await tail.until(lambda frames, n=n: sum(isinstance(f, LLMContextFrame) for f in frames) == n)
        said = [m["content"] for m in context.get_messages()]
        assert said == ["when are you open", "and on friday"]
        for end in (head, tail):
            assert not end.of(UserStartedSpeakingFrame)
            assert not end.of(UserStoppedSpeakingFrame)
            assert not end.of(InterruptionFrame)
