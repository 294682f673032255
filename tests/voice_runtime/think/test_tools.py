"""Tools: nothing leaves unjudged, unrecorded or unconfirmed, and nothing is done twice."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from controls.errors import OperatorError
from controls.ids import new_id
from tests.simulators.tool_server import Mood
from tests.voice_runtime.think.conftest import KEY, Call
from voice_runtime.agent import Tool
from voice_runtime.think.services import Service, ServiceClient
from voice_runtime.think.tool_values import NOTE
from voice_runtime.think.tools import ToolRunner

pytestmark = pytest.mark.anyio

BOOKING: dict[str, Any] = {"doctor": "Doctor Patel", "day": "Tuesday"}


async def test_a_use_is_recorded_signed_and_answered(call: Call) -> None:
    result = await call.runner().use("find", {"day": "Monday"}, call.said("monday"))
    assert result.ok
    assert result.content == {"ok": True, "note": NOTE, "data": {"row": 17}}
    assert call.types() == ["tool.requested", "tool.executed"]
    (request,) = call.server.requests
    assert request.json == {"day": "Monday"}
    assert request.headers["idempotency-key"] == result.use
    stamp = request.headers["sayso-timestamp"]
    assert abs(int(stamp) - time.time()) < 5
    message = f"{stamp}.{result.use}.".encode() + request.body
    expected = hmac.new(KEY, message, hashlib.sha256).hexdigest()
    assert request.headers["sayso-signature"] == f"v1={expected}"
    record, personal = call.recorder.of("tool.executed")[0]
    assert (record.ok, record.status, record.use) == (True, 200, result.use)
    assert personal.result == {"row": 17}


async def test_nothing_leaves_before_the_receipt(call: Call) -> None:
    call.recorder.delayed = True
    using = asyncio.create_task(call.runner().use("find", {"day": "Monday"}, 1))
    await asyncio.sleep(0.05)
    assert call.recorder.waiting
    assert not call.server.connections
    call.recorder.delayed = False
    call.recorder.commit()
    assert (await using).ok


@pytest.mark.parametrize("how", ["late", "failing", "closed"])
async def test_without_a_receipt_nothing_leaves_at_all(call: Call, how: str) -> None:
    call.recorder.delayed = how == "late"
    call.recorder.failing = how == "failing"
    call.recorder.refusing = how == "closed"
    result = await call.runner(receipt_deadline_s=0.05).use("find", {"day": "Monday"}, 1)
    assert not result.ok
    assert not call.server.connections
    if how == "late":
        call.recorder.commit()
        assert call.types() == ["tool.requested", "tool.refused"]
        assert call.recorder.of("tool.refused")[0][0].reason == "stopped"


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("hack", {"day": "Monday"}, "unknown_tool"),
        ("find", {}, "bad_arguments"),
        ("find", {"day": 3}, "bad_arguments"),
        ("find", {"day": "Monday", "sudo": "yes"}, "bad_arguments"),
        ("find", None, "bad_arguments"),
        ("book", {"day": "Monday"}, "bad_arguments"),  # the read-back would have a hole
    ],
)
async def test_what_does_not_fit_is_refused_and_told(
    call: Call, name: str, arguments: dict[str, Any] | None, reason: str
) -> None:
    result = await call.runner().use(name, arguments, 1)
    assert not result.ok
    assert result.content["reason"] == reason
    assert call.types() == ["tool.refused"]
    assert call.recorder.of("tool.refused")[0][0].reason == reason
    assert not call.server.connections


async def test_at_most_per_call(call: Call, make_tool: Callable[..., Tool]) -> None:
    runner = call.runner(make_tool("find", call.server.url, per_call=2))
    results = [await runner.use("find", {"day": "Monday"}, 1) for _ in range(3)]
    assert [r.ok for r in results] == [True, True, False]
    assert results[2].content["reason"] == "too_often"
    assert len(call.server.uses) == 2


async def test_a_rule_refuses_a_confirmed_use(call: Call) -> None:
    runner = call.runner()
    await runner.use("book", BOOKING | {"day": "Friday"}, call.said("friday"))
    assert runner.answer(True, call.said("yes"))
    (told,) = await runner.settle()
    assert told.content["reason"] == "rule"
    assert not call.server.connections
    record, personal = call.recorder.of("tool.refused")[0]
    assert record.reason == "rule"
    assert personal.verdicts[0].rule == "test/no-friday"


# --- read-back -------------------------------------------------------------------------------------


async def test_a_read_back_waits_for_yes(call: Call) -> None:
    runner = call.runner()
    asked = await runner.use("book", BOOKING, call.said("at ten"))
    assert asked.pending
    assert runner.pending is not None
    assert runner.pending.words == "Doctor Patel, Tuesday. Shall I book it?"
    assert not call.types()
    assert runner.answer(True, call.said("yes"))
    (told,) = await runner.settle()
    assert told.ok
    assert told.use == asked.use
    assert call.types() == ["tool.requested", "tool.executed"]
    assert call.recorder.of("tool.requested")[0][0].read_back == "confirmed"
    assert len(call.server.uses) == 1
    assert not runner.answer(True, 3), "a second yes has nothing to confirm"
    assert await runner.settle() == []


@pytest.mark.parametrize(
    ("yes", "reason", "before"),
    [(False, "caller_said_no", False), (None, "unconfirmed", True)],
)
async def test_anything_but_a_yes_books_nothing(
    call: Call, yes: bool | None, reason: str, before: bool
) -> None:
    runner = call.runner()
    await runner.use("book", BOOKING, 1)
    assert runner.answer(yes, 2)
    (told,) = await runner.settle()
    assert told.content["reason"] == reason
    assert told.before_caller is before
    assert call.recorder.of("tool.refused")[0][0].reason == reason
    assert runner.pending is None
    assert not call.server.connections


async def test_a_newer_read_back_replaces_the_older(call: Call) -> None:
    runner = call.runner()
    first = await runner.use("book", BOOKING, 1)
    await runner.use("book", BOOKING | {"day": "Monday"}, 2)
    runner.answer(True, 3)
    dropped, done = await runner.settle()
    assert dropped.use == first.use
    assert dropped.content["reason"] == "unconfirmed"
    assert done.ok
    assert [r.json["day"] for r in call.server.uses] == ["Monday"]


async def test_the_arguments_sent_are_those_that_were_judged(call: Call) -> None:
    runner = call.runner()
    arguments = dict(BOOKING)
    await runner.use("book", arguments, 1)
    runner.answer(True, 2)
    await asyncio.sleep(0)  # the gate has judged; a late change must not count
    arguments["day"] = "Friday"
    (told,) = await runner.settle()
    assert told.ok
    assert call.server.uses[0].json["day"] == "Tuesday"


async def test_hanging_up_refuses_what_waits_for_a_yes(call: Call) -> None:
    runner = call.runner()
    await runner.use("book", BOOKING, 1)
    await runner.aclose()
    assert call.types() == ["tool.refused"]


# --- services that misbehave -----------------------------------------------------------------------


async def test_a_refusal_is_told_with_its_reason(call: Call) -> None:
    call.server.mood = "refuses"
    result = await call.runner().use("find", {"day": "Monday"}, 1)
    assert result.content == {"ok": False, "reason": "refused", "note": NOTE, "data": {"reason": "taken"}}
    record, _ = call.recorder.of("tool.executed")[0]
    assert (record.ok, record.status) == (False, 409)


@pytest.mark.parametrize("mood", ["stalls", "nonsense", "list", "dies", "fails", "endless", "redirects"])
@pytest.mark.parametrize("acts", [True, False])
async def test_an_unknown_outcome_is_asked_about_once_and_never_repeated(
    call: Call, make_tool: Callable[..., Tool], mood: Mood, acts: bool
) -> None:
    call.server.mood, call.server.acts = mood, acts
    runner = call.runner(make_tool("find", call.server.url, timeout_s=1.0 if mood == "stalls" else 30.0))
    result = await runner.use("find", {"day": "Monday"}, 1)
    assert result.ok is acts
    assert call.types() == ["tool.requested", "tool.unknown", "tool.unknown"]
    first, second = (r for r, _ in call.recorder.of("tool.unknown"))
    assert first.reconciled == "no"
    assert second.reconciled == ("done" if acts else "not_done")
    assert first.reason == ("timeout" if mood == "stalls" else "broken_answer")
    assert [r.path for r in call.server.uses] == ["/tools/find"], "not again, and nowhere else"
    assert result.content.get("data") == ({"row": 17} if acts else None)


async def test_an_outcome_that_stays_unknown_is_said_to_be(call: Call) -> None:
    call.server.mood, call.server.forgets = "nonsense", True
    result = await call.runner().use("find", {"day": "Monday"}, 1)
    assert result.content["reason"] == "unknown"
    assert [r.reconciled for r, _ in call.recorder.of("tool.unknown")] == ["no"]


async def test_a_service_that_is_not_there_is_no_unknown_outcome(
    call: Call, make_tool: Callable[..., Tool]
) -> None:
    runner = call.runner(make_tool("find", "http://127.0.0.1:1"))
    result = await runner.use("find", {"day": "Monday"}, 1)
    assert result.content["reason"] == "unreached"
    record, _ = call.recorder.of("tool.executed")[0]
    assert (record.ok, record.status) == (False, 0)


async def test_an_interruption_does_not_stop_what_was_sent(call: Call) -> None:
    call.server.mood = "stalls"
    runner = call.runner()
    using = asyncio.create_task(runner.use("find", {"day": "Monday"}, 1))
    await call.server.wait_for_request()
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    assert call.types() == ["tool.requested"]
    call.server.closing.set()  # the connection dies; the outcome is asked for
    (told,) = await runner.settle()
    assert told.ok
    assert told.before_caller
    assert call.recorder.of("tool.unknown")[-1][0].reconciled == "done"
    assert await runner.settle() == []


async def test_a_cancelled_settle_loses_nothing(call: Call) -> None:
    call.server.mood = "stalls"
    runner = call.runner()
    await runner.use("book", BOOKING, 1)
    runner.answer(True, 2)
    waiting = asyncio.create_task(runner.settle())
    await call.server.wait_for_request()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    call.server.closing.set()
    (told,) = await runner.settle()
    assert told.ok


async def test_recovery_asks_by_key(call: Call, make_tool: Callable[..., Tool]) -> None:
    use = new_id("u")
    find = make_tool("find", call.server.url)
    assert (await call.client.reconcile(find, use)).state == "not_done"
    call.server.done[use] = {"row": 4}
    answer = await call.client.reconcile(find, use)
    assert (answer.state, answer.result) == ("done", {"row": 4})
    call.server.forgets = True
    assert (await call.client.reconcile(find, use)).state == "no"
    assert (await call.client.reconcile(make_tool("find", "http://127.0.0.1:1"), use)).state == "no"


async def test_a_base_address_replaces_the_one_in_the_release(
    call: Call, make_tool: Callable[..., Tool]
) -> None:
    client = ServiceClient({"appointments": Service("appointments", KEY, base_url=call.server.url + "/v2")})
    await client.call(make_tool("find", "http://appointments.invalid"), {"day": "Monday"}, new_id("u"))
    await client.reconcile(make_tool("find", "http://appointments.invalid"), "u_X")
    await client.aclose()
    assert [r.path for r in call.server.requests] == ["/v2/tools/find", "/v2/operations/u_X"]


def test_tools_that_cannot_work_are_refused_before_a_call(make_tool: Callable[..., Tool]) -> None:
    book = make_tool("book", "http://x")
    broken = [
        replace(book, parameters={"type": "no type"}),
        replace(book, read_back_say={}),
        replace(book, read_back_say={"en-US": "{doctor} {nobody}"}),
        replace(book, read_back_say={"en-US": "{doctor"}),
        replace(book, read_back_say={"en-US": "{}"}),
    ]
    for bad in broken:
        with pytest.raises(OperatorError, match="book"):
            ToolRunner((bad,), gate=None, journal=None, services=None, language="en-US")  # type: ignore[arg-type]


def test_a_key_is_never_printed() -> None:
    assert "test" not in repr(Service("appointments", KEY))
