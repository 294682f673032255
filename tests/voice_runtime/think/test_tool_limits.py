"""Limits of a day on the line: refused with a reason, recorded, given back when nothing was done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from controls.errors import OperatorError
from controls.tool_limits import MILLIONTHS, AmountLimit
from tests.simulators.tool_server import Mood
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.desk import Desk
from voice_runtime.agent import Tool
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.think.counting import Counting
from voice_runtime.think.tools import ToolRunner

pytestmark = pytest.mark.anyio

MONDAY = {"day": "Monday"}
BOOKING = {"doctor": "Patel", "day": "Monday"}


@pytest.fixture
def book(tmp_path: Path) -> ToolUseBook:
    return ToolUseBook(tmp_path)


def refund(base: str, make: Callable[..., Tool], **limits: Any) -> Tool:
    parameters = {
        "type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"],
        "additionalProperties": False,
    }  # fmt: skip
    limit = AmountLimit("total", **(limits or {"at_most": 200, "per_day": 1000}))
    return make("refund", base, parameters=parameters, amount=limit)


def reasons(call: Call) -> list[str]:
    return [record.reason for record, _ in call.recorder.of("tool.refused")]


async def test_calls_count_together(call: Call, make_tool: Callable[..., Tool], book: ToolUseBook) -> None:
    find = make_tool("find", call.server.url, per_day=3)
    runners = [call.runner(find, counting=Counting(book, "clinic")) for _ in range(2)]
    results = [await runners[n % 2].use("find", MONDAY, 1) for n in range(4)]
    assert [r.ok for r in results] == [True, True, True, False]
    assert results[3].content["reason"] == "too_often"
    assert results[3].content["detail"] == "used 3 times in a day already, which is the most"
    assert reasons(call) == ["too_often"]
    assert len(call.server.uses) == 3
    other = call.runner(find, counting=Counting(book, "salon"))
    assert (await other.use("find", MONDAY, 1)).ok, "another agent counts for itself"


async def test_at_once_no_more_than_the_limit_leaves(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    find = make_tool("find", call.server.url, per_day=2)
    runners = [call.runner(find, counting=Counting(book, "clinic")) for _ in range(6)]
    results = await asyncio.gather(*(runner.use("find", MONDAY, 1) for runner in runners))
    assert sum(r.ok for r in results) == 2 == len(call.server.uses)


async def test_amounts_of_a_use_and_of_a_day(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    runner = call.runner(refund(call.server.url, make_tool), counting=Counting(book, "clinic"))
    asked = [201, 200, 200, 200, 200, 150.5, 49.51, 49.5, -5]
    results = [await runner.use("refund", {"total": total}, 1) for total in asked]
    assert [r.ok for r in results] == [False, True, True, True, True, True, False, True, False]
    assert [r.content["reason"] for r in results if not r.ok] == ["too_much", "too_much", "bad_arguments"]
    assert reasons(call) == ["too_much", "too_much", "bad_arguments"]
    assert sum(r.json["total"] for r in call.server.uses) == 1000


async def test_a_limit_of_one_use_needs_no_store(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner = call.runner(refund(call.server.url, make_tool, at_most=10))
    assert (await runner.use("refund", {"total": 10}, 1)).ok
    assert (await runner.use("refund", {"total": 10.01}, 1)).content["reason"] == "too_much"


@pytest.mark.parametrize(
    ("mood", "acts", "counts"),
    [
        ("well", True, True),
        ("refuses", True, False),
        ("nonsense", True, True),  # it is found out that it was done
        ("nonsense", False, False),  # and that it was not
        ("dies", True, True),
    ],
)
async def test_what_was_certainly_not_done_is_given_back(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook, mood: Mood, acts: bool, counts: bool
) -> None:
    call.server.mood, call.server.acts = mood, acts
    find = make_tool("find", call.server.url, per_day=1)
    runner = call.runner(find, counting=Counting(book, "clinic"))
    await runner.use("find", MONDAY, 1)
    assert (book.room("clinic", "find", 0, 1, None) is not None) is counts


async def test_an_outcome_that_nobody_knows_counts(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    call.server.mood, call.server.forgets = "nonsense", True
    runner = call.runner(make_tool("find", call.server.url, per_day=1), counting=Counting(book, "clinic"))
    assert (await runner.use("find", MONDAY, 1)).content["reason"] == "unknown"
    assert book.room("clinic", "find", 0, 1, None) is not None


async def test_what_never_left_is_given_back(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    counting = Counting(book, "clinic")
    nowhere = call.runner(make_tool("find", "http://127.0.0.1:1", per_day=1), counting=counting)
    assert (await nowhere.use("find", MONDAY, 1)).content["reason"] == "unreached"
    call.recorder.failing = True
    lost = call.runner(make_tool("find", call.server.url, per_day=1), counting=counting)
    assert not (await lost.use("find", MONDAY, 1)).ok
    call.recorder.failing = False
    assert (await lost.use("find", MONDAY, 1)).ok


async def test_what_a_rule_refuses_is_given_back(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    runner = call.runner(make_tool("book", call.server.url, per_day=1), counting=Counting(book, "clinic"))
    for day, ok in (("Friday", False), ("Monday", True)):
        await runner.use("book", BOOKING | {"day": day}, 1)
        runner.answer(True, 2)
        (told,) = await runner.settle()
        assert told.ok is ok


async def test_nobody_is_asked_to_agree_to_what_would_be_refused(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    runner = call.runner(make_tool("book", call.server.url, per_day=1), counting=Counting(book, "clinic"))
    asked = await runner.use("book", BOOKING, 1)
    assert asked.pending
    assert book.room("clinic", "book", 0, 1, None) is None, "a question is no use yet"
    runner.answer(True, 2)
    (told,) = await runner.settle()
    assert told.ok
    again = await runner.use("book", BOOKING, 3)
    assert not again.pending
    assert again.content["reason"] == "too_often"
    assert runner.pending is None


async def test_the_last_use_may_be_gone_by_the_time_of_the_yes(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook
) -> None:
    tool = make_tool("book", call.server.url, per_day=1)
    slow, quick = (call.runner(tool, counting=Counting(book, "clinic")) for _ in range(2))
    for runner in (slow, quick):
        assert (await runner.use("book", BOOKING, 1)).pending
    for runner in (quick, slow):
        runner.answer(True, 2)
        (told,) = await runner.settle()
    assert told.content["reason"] == "too_often"
    assert len(call.server.uses) == 1


class BrokenBook:
    """A store that fails, or does not answer until it is let go."""

    def __init__(self, inner: ToolUseBook, *, late: bool) -> None:
        self.inner, self.late = inner, late
        self.go, self.asked = threading.Event(), threading.Event()

    def _break(self) -> None:
        self.asked.set()
        if not self.late:
            raise OperatorError("the disk is gone")
        assert self.go.wait(20)

    def room(self, *given: Any) -> Any:
        self._break()
        return self.inner.room(*given)

    def take(self, *given: Any) -> Any:
        self._break()
        return self.inner.take(*given)

    def give_back(self, use: str) -> None:
        self.inner.give_back(use)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", ["find", "book"])
async def test_what_cannot_be_counted_is_not_done(
    call: Call, make_tool: Callable[..., Tool], book: ToolUseBook, late: bool, name: str
) -> None:
    broken = BrokenBook(book, late=late)
    counting = Counting(broken, "clinic", deadline_s=0.02)
    runner = call.runner(make_tool(name, call.server.url, per_day=1), counting=counting)
    result = await runner.use(name, BOOKING if name == "book" else MONDAY, 1)
    assert not result.pending
    assert result.content["reason"] == "not_counted"
    assert reasons(call) == ["not_counted"]
    assert not call.server.connections
    broken.go.set()
    await runner.aclose()
    assert book.room("clinic", name, 0, 1, None) is None, "what was counted too late is given back"


async def test_without_a_store_a_limited_tool_is_refused(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner: ToolRunner = call.runner(make_tool("find", call.server.url, per_day=1))
    assert (await runner.use("find", MONDAY, 1)).content["reason"] == "not_counted"


# --- with people ------------------------------------------------------------------------------------


def waiting(call: Call, make: Callable[..., Tool], folder: Path, book: ToolUseBook) -> Desk:
    call.gate.approvals.release = "sha256:" + "d" * 64
    parameters = {
        "type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"],
        "additionalProperties": False,
    }  # fmt: skip
    limit = AmountLimit("total", at_most=200, per_day=300)
    tool = make(
        "find", call.server.url, parameters=parameters, amount=limit, approval=Ask("compliance", 60, "refuse")
    )
    return Desk(call, folder, (tool,), counting=Counting(book, "clinic"))


async def test_what_waits_for_a_person_counts_until_they_refuse(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path, book: ToolUseBook
) -> None:
    desk = waiting(call, make_tool, tmp_path, book)
    limit = AmountLimit("total", at_most=200, per_day=300)
    for word, counts in (("refused", False), ("granted", True)):
        using = asyncio.create_task(desk.runner.use("find", {"total": 200}, 1))
        await desk.waits()
        assert book.room("clinic", "find", 101 * MILLIONTHS, None, limit) is not None, "while it waits"
        await desk.decide(word)
        assert (await using).ok is counts
        assert (book.room("clinic", "find", 101 * MILLIONTHS, None, limit) is not None) is counts
    await desk.runner.aclose()


async def test_nobody_is_asked_about_what_is_over_the_limit(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path, book: ToolUseBook
) -> None:
    desk = waiting(call, make_tool, tmp_path, book)
    result = await desk.runner.use("find", {"total": 201}, 1)
    assert result.content["reason"] == "too_much"
    assert desk.types() == ["tool.refused"]
    await desk.runner.aclose()


async def test_a_person_cannot_edit_a_use_past_its_limit(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path, book: ToolUseBook
) -> None:
    desk = waiting(call, make_tool, tmp_path, book)
    using = asyncio.create_task(desk.runner.use("find", {"total": 100}, 1))
    await desk.decide("edited", changed={"total": 201})
    result = await using
    assert result.content["reason"] == "too_much"
    assert desk.types() == ["approval.requested", "approval.edited", "tool.refused", "tool.refused"]
    assert reasons(call) == ["not_approved", "too_much"]
    assert not call.server.connections
    assert book.room("clinic", "find", 300 * MILLIONTHS, None, AmountLimit("total", per_day=300)) is None
    await desk.runner.aclose()
