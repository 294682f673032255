"""A caller who speaks while a use waits for a person: nothing happens before it is clear what they want."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.desk import Desk
from voice_runtime.agent import Tool
from voice_runtime.phrases import STILL_WAITING, WAITING

pytestmark = pytest.mark.anyio

ASK = Ask("compliance", 60, "refuse")

MakeDesk = Callable[..., Desk]


@pytest.fixture
async def at_the_desk(call: Call, make_tool: Callable[..., Tool], tmp_path: Path) -> AsyncIterator[MakeDesk]:
    made: list[Desk] = []

    def make(**options: Any) -> Desk:
        call.gate.approvals.release = "sha256:" + "d" * 64
        made.append(Desk(call, tmp_path, (make_tool("find", call.server.url, approval=ASK),), **options))
        return made[-1]

    yield make
    for desk in made:
        await desk.runner.aclose()


async def test_a_caller_who_speaks_ends_the_wait_and_is_answered_first(
    call: Call, at_the_desk: MakeDesk
) -> None:
    desk = at_the_desk()
    using = desk.use()
    [waiting] = await desk.waits()
    using.cancel()  # an interruption cancels the answer, as of any tool's use
    await asyncio.gather(using, return_exceptions=True)
    assert len(await desk.waits(1)) == 1, "nobody knows yet what the caller wants"
    desk.runner.nobody_waits()  # something else
    assert await desk.waits(0) == []
    [told] = await desk.runner.settle()
    assert told.content["reason"] == "not_approved"
    assert told.before_caller, "what the caller said since is the newer news"
    late = await desk.ask("decide", use=waiting["use"], who="Anna Berg", word="granted")
    assert (late["counts"], late["state"]) == (False, "abandoned")
    assert desk.types() == ["approval.requested", "approval.abandoned", "tool.refused", "approval.late"]
    assert call.recorder.of("approval.abandoned")[0][0].reason == "interrupted"
    assert not call.server.connections


async def test_a_caller_who_speaks_while_a_confirmed_use_waits_ends_it_too(
    call: Call, make_tool: Callable[..., Tool], tmp_path: Path
) -> None:
    call.gate.approvals.release = "sha256:" + "d" * 64
    desk = Desk(call, tmp_path, (make_tool("book", call.server.url, approval=ASK),))
    await desk.runner.use("book", {"doctor": "Doctor Patel", "day": "Tuesday"}, 1)
    desk.runner.answer(True, 2)
    settling = asyncio.create_task(desk.runner.settle())
    await desk.waits()
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    desk.runner.nobody_waits()
    [told] = await desk.runner.settle()
    assert told.content["reason"] == "not_approved"
    assert "approval.abandoned" in desk.types()
    assert not call.server.connections


async def test_who_was_interrupted_may_wait_again_and_the_caller_hears_so(
    call: Call, at_the_desk: MakeDesk
) -> None:
    desk = at_the_desk()
    using = desk.use()
    await desk.waits()
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    settling = asyncio.create_task(desk.runner.settle())
    async with asyncio.timeout(20):
        while len(desk.said) < 2:
            await asyncio.sleep(0)
    assert desk.said == [WAITING, STILL_WAITING]
    await desk.decide("granted")
    [told] = await settling
    assert told.ok
    assert desk.types() == ["approval.requested", "approval.granted", "tool.requested", "tool.executed"]


async def test_nothing_is_said_of_the_wait_while_the_caller_speaks(at_the_desk: MakeDesk) -> None:
    desk = at_the_desk(repeat_s=0.001)
    using = desk.use()
    await desk.waits()
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    said, until_s = list(desk.said), time.monotonic() + 0.02  # twenty times as long as between two
    while time.monotonic() < until_s:
        await asyncio.sleep(0)
    assert desk.said == said
    await desk.runner.aclose()


@pytest.mark.parametrize("called_off", [True, False])
async def test_a_grant_while_the_caller_speaks_has_no_effect_before_it_is_clear_what_they_want(
    call: Call, at_the_desk: MakeDesk, called_off: bool
) -> None:
    desk = at_the_desk()
    using = desk.use()
    await desk.waits()
    using.cancel()
    await asyncio.gather(using, return_exceptions=True)
    await desk.decide("granted")
    for _ in range(50):
        await asyncio.sleep(0)
    assert not call.server.connections
    if called_off:
        desk.runner.nobody_waits()
    [told] = await desk.runner.settle()
    assert told.ok is not called_off
    assert len(call.server.uses) == (0 if called_off else 1)
    assert desk.types()[-1] == ("tool.refused" if called_off else "tool.executed")
