"""A whole call with a use that waits for a person: what the caller hears, what is on record, what is done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controls.decision import Ask
from controls.ledger import records as r
from tests.simulators.house import DESK, OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import Tool
from voice_runtime.phrases import WAITING

pytestmark = pytest.mark.anyio

OPENING = ["disclosure", "greeting"]
FIND = call(("find", '{"day": "Monday"}'))
ASK = Ask("compliance", 120, "refuse")


def tools(base: str) -> tuple[Tool, ...]:
    changes: dict[str, Any] = {"name": "find", "operation": "find", "risk": "low", "timeout_s": 30.0}
    return (booking(base, read_back=(), read_back_say={}, approval=ASK, **changes),)


async def waits(line: OnTheLine) -> str:
    """The id of what waits, once the caller was told."""
    desk = line.call.house.approvals
    assert desk is not None
    async with asyncio.timeout(60):
        while not (desk.open() and WAITING in line.played()):
            await asyncio.sleep(0.001)
    [waiting] = desk.open()
    return waiting.use


async def decide(line: OnTheLine, use: str, word: str, **more: Any) -> dict[str, Any]:
    desk = line.call.house.approvals
    assert desk is not None
    await desk.questions["approvals.show"]({"use": use, "who": "Anna Berg", "purpose": "to decide"})
    return await desk.questions["approvals.decide"]({"use": use, "who": "Anna Berg", "word": word, **more})


def order(line: OnTheLine) -> list[str]:
    return [t for t in line.types() if t.startswith(("tool.", "approval."))]


async def test_a_granted_use_is_made_and_answered(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        assert not line.service.connections
        assert (await decide(line, use, "granted"))["counts"]
        await line.settled()
        assert line.played() == [*OPENING, WAITING, "Ten is free."]
        assert order(line) == ["approval.requested", "approval.granted", "tool.requested", "tool.executed"]
        [(_, details)] = line.of("approval.requested")
        assert "caller: have you got monday" in details.shown
        assert WAITING in {f.phrase for record, _ in line.of("release.bound") for f in record.fixed}
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_a_refused_use_is_not_made_and_the_model_is_told(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("That cannot be done."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await decide(line, await waits(line), "refused", why="not on Mondays")
        await line.settled()
        assert line.played() == [*OPENING, WAITING, "That cannot be done."]
        assert order(line) == ["approval.requested", "approval.refused", "tool.refused"]
        told = line.model.requests[-1].json["messages"][-1]["content"]
        assert "a colleague said no" in told
        assert "Mondays" not in told, "what a colleague noted is for those who review it"
        assert not line.service.connections


async def test_whoever_takes_over_gets_the_caller(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("A colleague comes."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await decide(line, await waits(line), "taken_over")
        async with asyncio.timeout(60):
            await line.control.asked.wait()
        assert line.control.transfers == [DESK]
        assert "approval.taken_over" in line.types()
        assert not line.service.connections


async def test_hanging_up_while_it_waits_leaves_nothing_done(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert order(line) == ["approval.requested", "approval.abandoned", "tool.refused"]
        [(abandoned, _)] = line.of("approval.abandoned")
        assert abandoned.reason == "hung_up"
        assert line.call.house.approvals is not None
        assert line.call.house.approvals.open() == []
        assert not line.service.connections
        assert line.call.gate.approvals.get(use) is not None


async def test_the_end_of_a_wait_is_on_record_although_the_ledger_failed(tmp_path: Path) -> None:
    """A question that nobody had answered stayed open on record for ever."""
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        line.recorder.failing = True
        await line.hang_up()
        assert [record.use for record, _ in line.spool.entries if record.type == "approval.abandoned"] == [
            use
        ]


async def test_a_call_that_ends_waits_for_nobody(tmp_path: Path) -> None:
    """It stayed open behind its last words, in silence, until nobody had decided; a grant was carried out."""
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        async with asyncio.timeout(20):  # a person has 120 s
            await line.call.finish("agent", "callback")
            await line.ended()
        assert line.closed() == ("agent", "callback")
        assert order(line) == ["approval.requested", "approval.abandoned", "tool.refused"]
        assert line.of("approval.abandoned")[0][0].reason == "hung_up"
        assert not line.service.connections


async def test_speaking_while_it_waits_ends_the_wait_and_is_answered(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("All right, not then."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.carrier.say("oh leave it then")
        await line.settled()
        assert line.played()[-1] == "All right, not then."
        assert order(line) == ["approval.requested", "approval.abandoned", "tool.refused"]
        [(abandoned, _)] = line.of("approval.abandoned")
        assert abandoned.reason == "interrupted"
        late = await decide(line, use, "granted")
        assert (late["counts"], late["state"]) == (False, "abandoned")
        messages = line.model.requests[-1].json["messages"]
        assert messages[-1] == {"role": "user", "content": "oh leave it then"}
        assert not line.service.connections
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert isinstance(line.recorder.records[-1][0], r.CallClosed)
