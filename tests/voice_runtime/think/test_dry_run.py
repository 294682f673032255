"""A dry run: judged, recorded, read back, approved like any other; nothing leaves, and the model knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.voice_runtime.think.conftest import Call
from voice_runtime.agent import Tool
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.think.counting import Counting
from voice_runtime.think.tool_values import DRY

pytestmark = pytest.mark.anyio

BOOKING = {"doctor": "Patel", "day": "Monday"}


async def test_nothing_leaves_and_the_model_is_told_so(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner = call.runner(make_tool("find", call.server.url, dry_run=True))
    result = await runner.use("find", {"day": "Monday"}, 1)
    assert not result.ok
    assert result.content == {"ok": False, "reason": "dry_run", "detail": DRY, "dry_run": True}
    assert call.types() == ["tool.requested"]
    assert call.recorder.of("tool.requested")[0][0].dry
    assert not call.server.connections


async def test_it_is_read_back_and_judged_as_any_other(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner = call.runner(make_tool("book", call.server.url, dry_run=True))
    for day, reason in (("Monday", "dry_run"), ("Friday", "rule")):
        assert (await runner.use("book", BOOKING | {"day": day}, 1)).pending
        runner.answer(True, 2)
        (told,) = await runner.settle()
        assert told.content["reason"] == reason
    assert (await runner.use("book", {"day": "Monday"}, 3)).content["reason"] == "bad_arguments"
    assert call.types() == ["tool.requested", "tool.refused", "tool.refused"]
    assert call.recorder.of("tool.requested")[0][0].read_back == "confirmed"
    assert not call.server.connections


async def test_it_counts_for_nothing(call: Call, make_tool: Callable[..., Tool], tmp_path: Path) -> None:
    book = ToolUseBook(tmp_path)
    runner = call.runner(
        make_tool("find", call.server.url, dry_run=True, per_day=1), counting=Counting(book, "clinic")
    )
    await runner.use("find", {"day": "Monday"}, 1)
    assert book.room("clinic", "find", 0, 1, None) is None


async def test_a_real_use_is_not_marked(call: Call) -> None:
    await call.runner().use("find", {"day": "Monday"}, 1)
    assert not call.recorder.of("tool.requested")[0][0].dry
