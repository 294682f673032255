"""Taking back: offered where nobody knows what was done, and linked on record to what it takes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.voice_runtime.think.conftest import Call
from voice_runtime.agent import Tool
from voice_runtime.think.tools import ToolRunner

pytestmark = pytest.mark.anyio

ROW: dict[str, object] = {
    "type": "object", "properties": {"row": {"type": "integer"}}, "required": ["row"],
}  # fmt: skip
CANCEL: dict[str, object] = {
    "type": "object", "additionalProperties": False, "required": ["day"],
    "properties": {"day": {"type": "string"}, "row": {"type": "integer"}},
}  # fmt: skip
MONDAY = {"day": "Monday"}


@pytest.fixture
def runner(call: Call, make_tool: Callable[..., Tool]) -> ToolRunner:
    return call.runner(
        make_tool("reserve", call.server.url, undo_with="cancel", result=ROW),
        make_tool("cancel", call.server.url, parameters=CANCEL),
        make_tool("find", call.server.url),
    )


def undo_of(call: Call) -> list[str | None]:
    return [record.undo_of for record, _ in call.recorder.of("tool.requested")]


async def test_an_unknown_outcome_offers_what_takes_it_back(call: Call, runner: ToolRunner) -> None:
    call.server.mood, call.server.forgets = "nonsense", True
    result = await runner.use("reserve", MONDAY, 1)
    assert result.content["reason"] == "unknown"
    assert result.content["undo"] == {"tool": "cancel", "arguments": MONDAY}
    call.server.mood = "well"
    offered: dict[str, Any] = result.content["undo"]
    await runner.use(offered["tool"], offered["arguments"], 2)
    assert undo_of(call) == [None, result.use]


async def test_an_answer_that_cannot_be_read_offers_it_without_its_words(
    call: Call, runner: ToolRunner
) -> None:
    call.server.result = {"row": "seventeen", "day": "Friday"}
    result = await runner.use("reserve", MONDAY, 1)
    assert result.content["reason"] == "unreadable"
    assert result.content["undo"] == {"tool": "cancel", "arguments": MONDAY}


async def test_what_was_done_can_be_taken_back_once(call: Call, runner: ToolRunner) -> None:
    made = await runner.use("reserve", MONDAY, 1)
    assert "undo" not in made.content, "nobody asked for it"
    given = MONDAY | {"row": 17}
    for _ in range(2):
        assert (await runner.use("cancel", given, 2)).ok
    assert undo_of(call) == [None, made.use, None]


async def test_another_booking_s_cancellation_is_no_undo(call: Call, runner: ToolRunner) -> None:
    await runner.use("reserve", MONDAY, 1)
    await runner.use("cancel", MONDAY | {"row": 18}, 2)
    await runner.use("find", MONDAY, 3)
    assert undo_of(call) == [None, None, None]


async def test_an_undo_that_failed_may_be_tried_again(call: Call, runner: ToolRunner) -> None:
    made = await runner.use("reserve", MONDAY, 1)
    call.server.mood = "refuses"
    for _ in range(2):
        assert not (await runner.use("cancel", MONDAY | {"row": 17}, 2)).ok
    assert undo_of(call) == [None, made.use, made.use]


async def test_what_was_not_done_is_not_offered(call: Call, runner: ToolRunner) -> None:
    call.server.mood, call.server.acts = "nonsense", False
    assert "undo" not in (await runner.use("reserve", MONDAY, 1)).content
    call.server.mood = "refuses"
    assert "undo" not in (await runner.use("reserve", MONDAY, 1)).content
    call.server.mood = "well"
    await runner.use("cancel", MONDAY, 2)
    assert undo_of(call)[-1] is None


async def test_a_tool_without_one_offers_none(call: Call, runner: ToolRunner) -> None:
    call.server.mood, call.server.forgets = "nonsense", True
    assert "undo" not in (await runner.use("find", MONDAY, 1)).content
