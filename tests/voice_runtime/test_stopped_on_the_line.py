"""Calls on the line whose agent or tool is stopped: told politely, then a person, or the end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.simulators.house import DESK, OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import DeskRoute, Tool

pytestmark = pytest.mark.anyio

NOBODY = (DeskRoute("callback", "reception", title="reception"),)


async def transferred(line: OnTheLine) -> None:
    async with asyncio.timeout(60):
        await line.control.asked.wait()


async def test_a_running_call_is_told_and_goes_to_a_person() -> None:
    async with on_the_line(say("Ten is free.")) as line:
        await line.opened()
        await line.say("have you got monday")
        line.call.stop()
        await transferred(line)
        assert line.control.transfers == [DESK]
        assert line.played()[-2:] == ["stopped", "handoff"]
        [(requested, _)] = line.of("handoff.requested")
        assert requested.requested_by == "failure"
        [(stopped, _)] = line.of("call.stopped")
        assert (stopped.turn, stopped.scope) == (1, "agent")
        assert line.types().index("call.stopped") < line.types().index("handoff.requested")


async def test_in_the_middle_of_an_answer_the_agent_falls_silent() -> None:
    async with on_the_line(say("Ten is free, and eleven as well.")) as line:
        await line.opened()
        line.carrier.freeze(200)
        await line.carrier.say("have you got monday")
        async with asyncio.timeout(60):
            while not (line.carrier._held and line.carrier._speaking):
                await asyncio.sleep(0.001)
        line.call.stop()
        await transferred(line)
        played = line.played()
        assert played[-2:] == ["stopped", "handoff"]
        assert played[2].endswith("…")


async def test_with_nobody_there_the_call_ends_as_stopped() -> None:
    async with on_the_line(say("Never."), handoff=()) as line:
        await line.opened()
        line.call.stop()
        line.call.stop()  # a second time changes nothing
        await line.ended()
        assert line.played()[2:] == ["stopped", "nobody"]
        assert line.closed() == ("operator", "stopped")
        assert not line.model.requests


async def test_what_is_said_over_its_last_words_is_answered_by_nobody() -> None:
    """Found by a walk: nobody could be reached, and until that had been said the stopped agent answered."""
    async with on_the_line(say("Never."), handoff=()) as line:
        await line.opened()
        line.carrier.freeze(300)
        line.call.stop()
        assert await line.carrier.frozen()
        await line.carrier.say("when do you open")
        await line.ended()
        assert line.model.requests == []
        assert line.addressed() == [("when do you open", "nobody")]
        assert line.closed() == ("operator", "stopped")


async def test_a_promised_call_back_stays_a_promise() -> None:
    async with on_the_line(say("Never."), handoff=NOBODY) as line:
        await line.opened()
        line.call.stop()
        await line.settled()
        await line.say("yes", "yes")
        await line.ended()
        assert "callback-promised" in line.played()
        assert line.closed() == ("agent", "callback")


async def test_whoever_asked_for_a_person_before_stays_on_the_way_there() -> None:
    async with on_the_line(say("Never.")) as line:
        await line.opened()
        await line.carrier.say("I want a person")
        await transferred(line)
        line.call.stop()
        await asyncio.sleep(0)
        assert line.control.transfers == [DESK]
        assert "stopped" not in line.played()
        assert len(line.of("handoff.requested")) == 1


async def test_a_call_stopped_before_it_begins_is_told_once_it_can_be() -> None:
    async with on_the_line(say("Never."), handoff=()) as line:
        line.call.stop()
        line.start()
        await line.ended()
        assert line.played()[-2:] == ["stopped", "nobody"]
        assert "greeting" not in line.played()
        assert line.closed() == ("operator", "stopped")


async def test_a_call_that_is_over_is_not_stopped() -> None:
    async with on_the_line(say("Ten.")) as line:
        await line.opened()
        await line.hang_up()
        line.call.stop()
        assert line.closed() == ("caller", "hung_up")


async def test_a_stopped_tool_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    from controls.stop import Person, Scope, Stop
    from tests.voice_runtime.test_stops import Worker

    def tools(base: str) -> tuple[Tool, ...]:
        changes: dict[str, Any] = {"name": "find", "operation": "find", "risk": "low"}
        return (booking(base, read_back=(), read_back_say={}, **changes),)

    switch = Worker(tmp_path).switch
    stop = Stop(Scope(kind="tool", name="find"), Person(id="p_" + "A" * 16, name="A"), "", 0.0)
    plans = (call(("find", '{"day": "Monday"}')), say("I can't look now."))
    async with on_the_line(*plans, tools=tools, stops=switch) as line:
        await line.opened()
        switch.stops, _ = switch.stops.step(stop)
        await line.say("have you got monday")
        assert line.played()[-1] == "I can't look now."
        [(refused, _)] = line.of("tool.refused")
        assert refused.reason == "stopped"
        assert not line.service.connections
