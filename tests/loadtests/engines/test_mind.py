"""The language model behind the protocol: its tokens are the answer's, its prompt is the conversation."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.engines.mind import ForcedMind, StandIn, prompt_ids
from loadtests.suppliers.answers import NOT_CAUGHT, AnswerBook

pytestmark = pytest.mark.anyio

ANSWER = "Parking is behind the building. It is free for patients."
ASKED = [{"role": "system", "content": "You are kind."}, {"role": "user", "content": "Where can I park?"}]


async def test_the_stand_in_computes_as_many_tokens_as_the_answer_has() -> None:
    engine = StandIn("toy", "cpu")
    await engine.start()
    mind = ForcedMind(engine, AnswerBook({"where can i park": ANSWER}), engine.vocabulary)
    try:
        assert "".join([token async for token in mind.tokens(ASKED)]) == ANSWER
        lost = [*ASKED, {"role": "assistant", "content": ANSWER}, {"role": "user", "content": "Hm?"}]
        assert "".join([token async for token in mind.tokens(lost)]) == NOT_CAUGHT
        assert engine.reused > 10  # the conversation went on
        async with aclosing(cast(Any, mind.tokens(ASKED))) as tokens:
            assert await anext(tokens) == "Parking"
    finally:
        await engine.close()
        await engine.close()
    assert "random weights" in engine.line
    assert "not vLLM" in engine.line


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5), st.text(min_size=1))
def test_a_conversation_that_grows_begins_as_before(said: list[str], more: str) -> None:
    messages = [{"role": "user", "content": text} for text in said]
    ids = prompt_ids(messages, 1024)
    assert prompt_ids([*messages, {"role": "user", "content": more}], 1024)[: len(ids)] == ids
    assert all(0 <= n < 1024 for n in ids)
    assert len(ids) >= len(messages)


def test_tools_and_parts_are_part_of_the_prompt() -> None:
    plain = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    other = {"role": "assistant", "content": None, "tool_calls": [{"id": "2"}]}
    assert prompt_ids([plain], 128_256) != prompt_ids([other], 128_256)
    assert prompt_ids([{"role": "user", "content": [{"type": "text", "text": "one two"}]}], 128_256)
