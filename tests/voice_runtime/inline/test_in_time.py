"""Ends that come by the clock or with the server: no emergency's script and no doubt is cut by them."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.ids import new_id
from tests.simulators.house import OnTheLine, on_the_line
from tests.simulators.model_server import say
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.clock import SystemClock
from voice_runtime.events import CallerSaidFrame, CallerSilentFrame
from voice_runtime.inline.in_time import MOST_S, EndsInTime, ended_within_s
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.urgency import Urgency

pytestmark = pytest.mark.anyio

SCRIPT = "rule.emergency-us.danger-to-life"
ENDS = pytest.mark.parametrize("how", ["too_long", "drained"])


def end(line: OnTheLine, how: str) -> tuple[str, str]:
    if how == "drained":
        line.call.drain()
        return "operator", "drained"
    line.call.too_long()
    return "agent", "too_long"


def unsure() -> CallerSaidFrame:
    now = time.monotonic_ns()
    return CallerSaidFrame(
        "i have chest pain", 0.2, 1.0, 1.2, now, now, now, "test", urgent=True, unsure=True
    )


@ENDS
async def test_an_emergency_s_script_is_not_cut_by_the_clock_or_the_server(how: str) -> None:
    """900 ms of the script were played, then "Goodbye."."""
    async with on_the_line(handoff=()) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("i have chest pain")
        assert await line.carrier.frozen()
        ending = end(line, how)
        line.carrier._let_go()
        await line.ended()
        assert line.played()[2:] == [SCRIPT, "emergency-nobody", SCRIPT, "goodbye"]
        assert line.closed() == ending
        assert [record.script for record, _ in line.of("agent.played")][2:] == [True, None, True, None]


@ENDS
async def test_a_doubt_is_settled_before_the_call_ends(how: str) -> None:
    async with on_the_line(handoff=()) as line:
        await line.opened()
        await line.carrier.send(unsure())
        await line.settled()
        ending = end(line, how)
        await line.settled()
        assert line.played()[2:] == [SCRIPT, "ask-emergency"]
        await line.carrier.send(CallerSilentFrame(for_s=8.0, step=1))
        await line.ended()
        assert line.played()[4:] == [SCRIPT, "emergency-nobody", SCRIPT, "goodbye"]
        assert line.closed() == ending


async def test_with_a_no_the_call_ends_at_once() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.carrier.send(unsure())
        await line.settled()
        line.call.too_long()
        await line.carrier.say("no")
        await line.ended()
        assert line.played()[-1] == "goodbye"
        assert line.closed() == ("agent", "too_long")


@ENDS
async def test_past_the_bound_the_number_is_said_once_more_and_then_goodbye(how: str) -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.carrier.send(unsure())
        await line.settled()
        line.call.in_time._most_s = 0.0
        ending = end(line, how)
        await line.ended()
        assert line.played()[4:] == [SCRIPT, "goodbye"]
        assert line.closed() == ending


async def test_an_emergency_named_in_the_goodbye_is_seen_to_first() -> None:
    """Once its goodbye was cut, a call that had lasted too long went on for good."""
    async with on_the_line(handoff=()) as line:
        await line.opened()
        line.carrier.freeze(300)
        line.call.too_long()
        assert await line.carrier.frozen()
        await line.carrier.say("i have chest pain")
        line.carrier._let_go()
        await line.ended()
        assert line.played()[2:] == ["goodbye…", SCRIPT, "emergency-nobody", SCRIPT, "goodbye"]
        assert line.closed() == ("agent", "too_long")


async def test_a_call_without_an_emergency_waits_for_nothing() -> None:
    async with on_the_line(say("Yes.")) as line:
        await line.opened()
        line.call.too_long()
        await line.ended()
        assert line.played()[2:] == ["goodbye"]


async def test_a_server_that_stops_waits_for_emergencies_as_long_as_their_ends_are_put_off() -> None:
    async with on_the_line() as line:
        await line.opened()
        urgencies = [line.call.person.urgency]
        assert ended_within_s(urgencies) == 10.0
        await line.carrier.send(unsure())
        await line.settled()
        assert ended_within_s(urgencies) == 10.0 + MOST_S


# --- on fakes -------------------------------------------------------------------------------------


class Bench:
    """An urgency in the test's hand, and what was said at the end."""

    def __init__(self, most_s: float) -> None:
        journal = Journal(
            MemoryRecorder(), tenant="clinic", call=new_id("c"), clock=SystemClock(), context=LLMContext()
        )
        self.fetching = False
        self.urgency = Urgency(journal, lambda: self.fetching)
        self.said: list[tuple[str, bool]] = []
        self.ends = EndsInTime(self.urgency, lambda: "number", self._goodbye, most_s=most_s)

    async def _goodbye(self, ended_by: str, reason: str, first: str) -> None:
        self.said.append((first, self.urgency.stands))

    async def act(self, step: str) -> None:
        match step:
            case "doubt":
                self.urgency.doubted("p/r", "s", 1, "")
            case "no":
                self.urgency.drop()
            case "found":
                self.fetching = True
                self.urgency.found("p/r", 1, "")
                self.urgency.taken_up()
            case "fetched":
                self.fetching = False
                self.urgency.changed()
            case "end":
                self.ends.end("agent", "too_long")
        for _ in range(8):
            await asyncio.sleep(0)


STEPS = st.lists(st.sampled_from(["doubt", "no", "found", "fetched", "end"]), max_size=12)


@given(steps=STEPS)
def test_no_goodbye_is_begun_while_an_emergency_stands(steps: list[str]) -> None:
    async def walk() -> None:
        bench = Bench(most_s=600.0)
        try:
            for step in steps:
                await bench.act(step)
            if "end" in steps:
                await bench.act("no")
                await bench.act("fetched")
                assert bench.said
            assert all(said == ("", False) for said in bench.said)
        finally:
            bench.ends.close()

    asyncio.run(walk())


@given(steps=STEPS)
def test_no_emergency_puts_an_end_off_past_the_bound(steps: list[str]) -> None:
    async def walk() -> None:
        bench = Bench(most_s=0.0)
        try:
            for step in steps:
                await bench.act(step)
            assert bool(bench.said) == ("end" in steps)
            assert all(first == ("number" if stood else "") for first, stood in bench.said)
        finally:
            bench.ends.close()

    asyncio.run(walk())
