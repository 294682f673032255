"""A whole call with a use that waits for a person: what the caller hears, what is on record, what is done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pipecat.frames.frames import InterruptionFrame

from controls.decision import Ask
from controls.ledger import records as r
from tests.simulators.house import DESK, OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import Tool
from voice_runtime.phrases import CALLED_OFF, STILL_WAITING, WAITING

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


async def sounds(line: OnTheLine, phrase: str) -> None:
    """Until it has been played."""
    async with asyncio.timeout(60):
        while phrase not in line.played():
            await asyncio.sleep(0.001)


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


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        ("are you a robot", "ai-answer"),
        ("don't record this", "not-recorded"),
        ("can i have a receipt", "The code of this call."),
    ],
)
@pytest.mark.parametrize("during", [True, False], ids=["the agent speaks", "the agent waits"])
async def test_an_exercised_right_leaves_the_wait_as_it_is(
    words: str, phrase: str, during: bool, tmp_path: Path
) -> None:
    """Each of these withdrew the request, and the caller then heard a refusal that nobody had decided."""
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        if during:
            await line.carrier.send(InterruptionFrame())
        await line.carrier.say(words)
        await sounds(line, STILL_WAITING)
        assert line.played()[2] == WAITING
        assert line.played()[3].startswith(phrase)
        assert line.of("approval.abandoned") == []
        assert (await decide(line, use, "granted"))["counts"]
        await line.settled()
        assert line.played()[-1] == "Ten is free."
        assert order(line) == ["approval.requested", "approval.granted", "tool.requested", "tool.executed"]
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_an_objection_with_another_wish_is_answered_once(tmp_path: Path) -> None:
    """The model spoke of the use that was called off before the caller was told, and then answered."""
    async with on_the_line(FIND, say("One."), say("Two."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.say("don't record this what are your hours")
        assert line.played()[2:] == [WAITING, "not-recorded", CALLED_OFF, "One."]


async def test_an_okay_to_what_was_said_meanwhile_leaves_the_wait_as_it_is(tmp_path: Path) -> None:
    """It was taken for another wish, and called the request off."""
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.carrier.say("are you a robot")
        await sounds(line, STILL_WAITING)
        await line.carrier.send(InterruptionFrame())
        await line.carrier.say("oh okay")
        assert (await decide(line, use, "granted"))["counts"]
        await line.settled()
        assert line.played()[-1] == "Ten is free."
        assert line.of("approval.abandoned") == []


async def test_key_two_leaves_the_wait_as_it_is(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.carrier.press("2")
        await sounds(line, STILL_WAITING)
        assert line.played()[2:] == [WAITING, "not-recorded", STILL_WAITING]
        assert (await decide(line, use, "granted"))["counts"]
        await line.settled()
        assert line.played()[-1] == "Ten is free."


@pytest.mark.parametrize("words", ["oh leave it then", "are you a robot and what time do you open on sunday"])
async def test_another_wish_calls_it_off_and_the_caller_is_told(words: str, tmp_path: Path) -> None:
    async with on_the_line(FIND, say("All right."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.carrier.say(words)
        await line.settled()
        assert line.played()[-2:] == [CALLED_OFF, "All right."]
        assert line.of("approval.abandoned")[0][0].reason == "interrupted"
        told = [m["content"] for m in line.model.requests[-1].json["messages"] if m["role"] == "tool"]
        assert "nobody said no" in told[-1]
        assert not line.service.connections


async def test_stop_calls_it_off_and_the_caller_is_told(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.carrier.say("stop")
        await line.settled()
        assert line.played()[-1] == CALLED_OFF
        assert "approval.abandoned" in line.types()
        assert not line.service.connections


async def test_a_person_calls_it_off_and_the_caller_is_told_first(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.carrier.say("let me talk to a person")
        await sounds(line, "handoff")
        assert line.played()[3:5] == [CALLED_OFF, "handoff"]
        assert line.of("approval.abandoned")[0][0].reason == "interrupted"


async def test_an_emergency_has_the_first_word_and_what_lapsed_is_told_after_it(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("As you like."), tools=tools, people=tmp_path) as line:
        line.control.failing = True
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.carrier.say("i have chest pain")
        await line.settled()
        assert CALLED_OFF not in line.played()
        await line.say("what are your hours")
        assert line.played()[-2:] == [CALLED_OFF, "As you like."]
        assert not line.service.connections


async def test_a_grant_while_the_caller_speaks_waits_for_what_they_want(tmp_path: Path) -> None:
    """It was carried out between their first word and what they said: "no, leave it"."""
    async with on_the_line(FIND, say("All right."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.carrier.send(InterruptionFrame())
        assert line.call._leg is not None
        while line.call._leg.approving._awaited.is_set():  # type: ignore[union-attr]
            await asyncio.sleep(0)
        assert (await decide(line, use, "granted"))["counts"]
        await line.carrier.say("no leave it")
        await line.settled()
        assert not line.service.connections
        assert order(line)[-1] == "tool.refused"
        assert line.played()[-2:] == [CALLED_OFF, "All right."]


async def test_an_objection_said_twice_leaves_the_wait_as_it_is(tmp_path: Path) -> None:
    """The second one is owed no words: whoever waited was cut, and nobody was told what came of it."""
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.say("don't record this")
        await line.carrier.say("have you got monday")
        use = await waits(line)
        await line.carrier.say("don't record this")
        await sounds(line, STILL_WAITING)
        assert (await decide(line, use, "granted"))["counts"]
        await line.settled()
        assert line.played()[-1] == "Ten is free."


async def test_a_rule_that_fetches_a_person_calls_it_off_first(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Never."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await waits(line)
        await line.carrier.say("i know where you work and i will hurt you")
        await sounds(line, "handoff")
        assert line.played()[3:6] == [CALLED_OFF, "rule.abuse.caller-threatens", "handoff"]
        assert line.of("approval.abandoned")[0][0].reason == "interrupted"


def confirmed(base: str) -> tuple[Tool, ...]:
    """A use that the caller agrees to, and a person decides on after that."""
    return (booking(base, approval=ASK),)


@pytest.mark.parametrize("called_off", [True, False])
async def test_what_came_of_a_confirmed_use_stands_where_it_belongs(called_off: bool, tmp_path: Path) -> None:
    """On "okay", behind a wait that had lapsed, the agent told of a refusal: the result stood behind it."""
    plans = (call(("book", '{"day": "Monday"}')), say("Well."))
    async with on_the_line(*plans, tools=confirmed, people=tmp_path) as line:
        await line.opened()
        await line.say("book monday")
        await line.carrier.say("yes")
        use = await waits(line)
        if called_off:
            await line.carrier.say("what are your hours")
        else:
            await line.carrier.say("are you a robot")
            await sounds(line, STILL_WAITING)
            await decide(line, use, "granted")
        await line.settled()
        messages = line.model.requests[-1].json["messages"]
        result, newest = next(m for m in reversed(messages) if m["role"] == "tool"), messages[-1]
        assert ("nobody said no" in result["content"]) is called_off
        assert newest == ({"role": "user", "content": "what are your hours"} if called_off else result)
        assert len(line.service.uses) == (0 if called_off else 1)
        assert line.played()[-1] == "Well."
