"""A use whose outcome nobody knows, asked for again, is the same use: it never has a second effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.tool_limits import AmountLimit
from tests.voice_runtime.think.conftest import Call, tool
from voice_runtime.agent import Tool
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.think.call_uses import CallUses
from voice_runtime.think.counting import Counting
from voice_runtime.think.doubts import Doubts

pytestmark = pytest.mark.anyio

MONDAY: dict[str, Any] = {"day": "Monday"}


def keys(call: Call) -> list[str]:
    return [request.headers["idempotency-key"] for request in call.server.uses]


async def lost(call: Call, runner: Any, arguments: dict[str, Any] = MONDAY, name: str = "find") -> str:
    """A use that was done, of which the answer and the answer to the question after it were lost."""
    call.server.mood, call.server.forgets = "nonsense", True
    result = await runner.use(name, arguments, 1)
    assert result.content["reason"] == "unknown"
    call.server.mood, call.server.forgets = "well", False
    return str(result.use)


async def test_a_use_of_unknown_outcome_asked_for_again_leaves_with_the_key_of_the_first(call: Call) -> None:
    """It left with a key of its own, and a service that keeps its word booked twice."""
    runner = call.runner()
    first = await lost(call, runner)
    call.server.forgets = True
    result = await runner.use("find", {"day": " monday  "}, 2)
    assert result.ok
    assert keys(call) == [first, first]
    [_, (again, _)] = call.recorder.of("tool.requested")
    assert (again.use, again.repeats) == (result.use, first)
    assert result.use != first


async def test_what_was_done_the_first_time_is_told_and_not_sent_again(call: Call) -> None:
    runner = call.runner()
    first = await lost(call, runner)
    result = await runner.use("find", MONDAY, 2)
    assert result.ok
    assert result.content["data"] == {"row": 17}
    assert keys(call) == [first]
    assert call.types() == ["tool.requested", "tool.unknown", "tool.refused", "tool.unknown"]
    assert call.recorder.of("tool.refused")[0][0].reason == "in_doubt"
    settled, _ = call.recorder.of("tool.unknown")[-1]
    assert (settled.use, settled.reconciled) == (first, "done")
    assert (await runner.use("find", MONDAY, 3)).ok
    assert len(set(keys(call))) == 2, "once it is known, the same is a use of its own"


async def test_what_may_not_be_sent_again_fetches_a_person(
    call: Call, make_tool: Callable[..., Tool]
) -> None:
    runner = call.runner(make_tool("find", call.server.url, idempotent=False))
    first = await lost(call, runner)
    call.server.forgets = True
    result = await runner.use("find", MONDAY, 2)
    assert result.content["reason"] == "in_doubt"
    assert keys(call) == [first]
    assert call.handoffs == ["tool/in-doubt"]


async def test_it_is_sent_once_more_and_then_a_person_comes(call: Call) -> None:
    runner = call.runner()
    first = await lost(call, runner)
    call.server.mood, call.server.forgets = "nonsense", True
    assert (await runner.use("find", MONDAY, 2)).content["reason"] == "unknown"
    assert not call.handoffs
    assert (await runner.use("find", MONDAY, 3)).content["reason"] == "in_doubt"
    assert keys(call) == [first, first]
    assert call.handoffs == ["tool/in-doubt"]


async def test_a_request_that_was_on_its_way_when_asked_about_keeps_its_key(call: Call) -> None:
    """ "Not done" is what a service says before a late request reaches it."""
    call.server.mood, call.server.acts = "nonsense", False
    runner = call.runner()
    first = await runner.use("find", MONDAY, 1)
    assert first.content["reason"] == "not_done"
    call.server.mood, call.server.acts = "well", True
    assert (await runner.use("find", MONDAY, 2)).ok
    assert keys(call) == [first.use, first.use]


async def test_other_arguments_are_another_use(call: Call) -> None:
    runner = call.runner()
    first = await lost(call, runner)
    assert (await runner.use("find", {"day": "Tuesday"}, 2)).ok
    assert keys(call)[0] == first
    assert keys(call)[1] != first
    assert call.recorder.of("tool.requested")[-1][0].repeats is None


async def test_what_never_left_is_not_in_doubt(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner = call.runner(make_tool("find", "http://127.0.0.1:1"))
    uses = [await runner.use("find", MONDAY, turn) for turn in (1, 2)]
    assert [u.content["reason"] for u in uses] == ["unreached"] * 2
    assert [record.repeats for record, _ in call.recorder.of("tool.requested")] == [None, None]


async def test_a_confirmed_use_in_doubt_is_the_same_although_it_may_be_made_but_once(
    call: Call, make_tool: Callable[..., Tool]
) -> None:
    """The limit of the call counts uses, and this is one."""
    booking = {"doctor": "Doctor Patel", "day": "Tuesday"}
    runner = call.runner(make_tool("book", call.server.url, per_call=1))
    call.server.mood, call.server.forgets = "nonsense", True
    await runner.use("book", booking, 1)
    runner.answer(True, 2)
    [first] = await runner.settle()
    call.server.mood = "well"
    assert (await runner.use("book", booking, 3)).pending
    runner.answer(True, 4)
    [again] = await runner.settle()
    assert again.ok
    assert keys(call) == [first.use, first.use]
    assert (await runner.use("book", booking, 5)).content["reason"] == "too_often"


async def test_it_counts_once_against_the_day(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path
) -> None:
    book = await asyncio.to_thread(ToolUseBook, tmp_path)
    limited = make_tool("find", call.server.url, per_day=1, amount=None)
    runner = call.runner(limited, counting=Counting(book, "test"))
    await lost(call, runner)
    call.server.forgets = True
    assert (await runner.use("find", MONDAY, 2)).ok
    assert (await runner.use("find", {"day": "Friday"}, 3)).content["reason"] == "too_often"


async def test_a_refused_repeat_is_given_back_and_settled(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path
) -> None:
    book = await asyncio.to_thread(ToolUseBook, tmp_path)
    limited = make_tool("find", call.server.url, per_day=1)
    runner = call.runner(limited, counting=Counting(book, "test"))
    await lost(call, runner)
    call.server.forgets, call.server.mood = True, "refuses"
    assert not (await runner.use("find", MONDAY, 2)).ok
    call.server.mood = "well"
    assert (await runner.use("find", {"day": "Friday"}, 3)).ok, "its place of the day is free again"


# --- from call to call ----------------------------------------------------------------------------


def of_call(book: Any, lasting: Tool, caller: str) -> CallUses:
    return CallUses.of((lasting,), book, "test", caller)


@pytest.mark.parametrize(
    ("hours", "second", "same"),
    [(24, "+12025550123", True), (24, "+12025550199", False), (24, "", False), (0, "+12025550123", False)],
    ids=["the same caller", "another caller", "a withheld number", "a tool that does not say so"],
)
async def test_in_another_call_it_is_the_same_for_the_same_caller(
    call: Call, services: Any, tmp_path: Path, hours: int, second: str, same: bool
) -> None:
    book = await asyncio.to_thread(ToolUseBook, tmp_path)
    lasting = tool("find", call.server.url, doubt_lasts_h=hours)
    first = await lost(call, call.runner(lasting, uses=of_call(book, lasting, "+12025550123")))
    later = Call(call.server, services)
    later.server.forgets = True
    result = await later.runner(lasting, uses=of_call(book, lasting, second)).use("find", MONDAY, 1)
    assert result.ok
    assert (keys(call) == [first, first]) is same
    assert (later.recorder.of("tool.requested")[0][0].repeats == first) is same


async def test_in_another_call_what_was_done_is_told(call: Call, services: Any, tmp_path: Path) -> None:
    book = await asyncio.to_thread(ToolUseBook, tmp_path)
    lasting = tool("find", call.server.url, doubt_lasts_h=1)
    await lost(call, call.runner(lasting, uses=of_call(book, lasting, "+12025550123")))
    later = Call(call.server, services)
    runner = later.runner(lasting, uses=of_call(book, lasting, "+12025550123"))
    result = await runner.use("find", MONDAY, 1)
    assert result.content["data"] == {"row": 17}
    assert len(keys(call)) == 1
    assert later.types() == ["tool.refused"], "the other call's use is not in this call's record"
    assert (await runner.use("find", MONDAY, 2)).ok
    assert len(set(keys(call))) == 2


class Broken:
    def doubted(self, about: bytes) -> str | None:
        raise OperatorError("tool-uses.db cannot be used")

    def doubt(self, about: bytes, use: str, lasts_h: int) -> None:
        raise OperatorError("tool-uses.db cannot be used")

    def settle(self, use: str) -> None:
        raise OperatorError("tool-uses.db cannot be used")


class CannotKeep(Broken):
    def doubted(self, about: bytes) -> str | None:
        return None


@pytest.mark.parametrize("book", [Broken(), CannotKeep(), None], ids=["cannot say", "cannot keep", "none"])
async def test_a_store_that_fails_lets_nothing_leave_that_relies_on_it(call: Call, book: Any) -> None:
    lasting = tool("find", call.server.url, doubt_lasts_h=1)
    runner = call.runner(lasting, uses=of_call(book, lasting, "+12025550123"))
    assert (await runner.use("find", MONDAY, 1)).content["reason"] == "not_counted"
    assert not call.server.uses
    assert call.recorder.of("tool.refused")[-1][0].reason == "not_counted"


# --- the store, and what is the same --------------------------------------------------------------


class At:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def unix_s(self) -> float:
        return self.now


def test_the_store_forgets_when_the_hours_are_over_and_holds_nothing_of_the_callers(tmp_path: Path) -> None:
    clock = At()
    book = ToolUseBook(tmp_path, clock)  # type: ignore[arg-type]
    book.doubt(b"+12025550123 Monday", "u_1", 2)
    book.doubt(b"+12025550123 Monday", "u_2", 2)
    assert ToolUseBook(tmp_path, clock).doubted(b"+12025550123 Monday") == "u_1"  # type: ignore[arg-type]
    kept = (tmp_path / "tool-uses.db").read_bytes()
    assert b"2025550123" not in kept
    assert b"Monday" not in kept
    clock.now += 2 * 3600
    assert book.doubted(b"+12025550123 Monday") is None
    book.doubt(b"other", "u_3", 1)
    book.settle("u_3")
    assert book.doubted(b"other") is None


texts = st.text(max_size=12)


@given(
    st.dictionaries(
        texts, st.one_of(texts, st.integers(), st.booleans(), st.none(), st.lists(texts, max_size=3))
    )
)
def test_the_same_is_the_same_whatever_its_capitals_spaces_and_order(arguments: dict[str, Any]) -> None:
    doubts, asked = Doubts(), tool("find", "http://here")
    written = {
        k: f"  {v.upper().lower()} " if isinstance(v, str) and v.upper().lower() == v.casefold() else v
        for k, v in reversed(arguments.items())
    }
    assert doubts._about(asked, arguments) == doubts._about(asked, written)


@given(st.dictionaries(texts, st.integers(), min_size=1), st.integers())
def test_what_differs_is_not_the_same(arguments: dict[str, Any], other: int) -> None:
    doubts, asked = Doubts(), tool("find", "http://here")
    name = next(iter(arguments))
    changed = arguments | {name: other}
    assert (doubts._about(asked, arguments) == doubts._about(asked, changed)) is (arguments[name] == other)
    assert doubts._about(asked, arguments) != doubts._about(tool("book", "http://here"), arguments)


def test_a_limit_of_the_store_is_still_counted_beside_doubts(tmp_path: Path) -> None:
    book = ToolUseBook(tmp_path)
    assert book.take("u_1", "test", "find", 0, 1, AmountLimit("total")) is None
    book.doubt(b"x", "u_1", 1)
    assert book.take("u_1", "test", "find", 0, 1, AmountLimit("total")) is None, "the same use counts once"
    assert book.take("u_2", "test", "find", 0, 1, None) is not None
