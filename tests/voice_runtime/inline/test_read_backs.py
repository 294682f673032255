"""A yes belongs to the question that was asked last: nothing said after it leaves a stale one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import Tool
from voice_runtime.events import CallerSaidFrame

pytestmark = pytest.mark.anyio

BOOK = call(("book", '{"day": "Monday"}'))
QUESTION = "Monday. Shall I book it?"
Between = Callable[[OnTheLine], Awaitable[None]]


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base, read_back_say={"en-US": "{day}. Shall I book it?"}),)


async def _silence(line: OnTheLine) -> None:
    await line.carrier.stay_silent(9)
    await line.settled()


def _says(*texts: str) -> Between:
    async def between(line: OnTheLine) -> None:
        await line.say(*texts)

    return between


async def _not_understood(line: OnTheLine) -> None:
    line.call.ear_failed("misheard")
    await line.settled()


async def _broken_recogniser(line: OnTheLine) -> None:
    line.call.ear_failed("crash")
    await line.settled()


async def _nobody_reached(line: OnTheLine) -> None:
    line.control.failing = True
    await line.say("let me talk to a person", "no")


async def _key_zero(line: OnTheLine) -> None:
    line.control.failing = True
    await line.press("0")
    await line.press("2")


async def _emergency(line: OnTheLine) -> None:
    line.control.failing = True
    await line.say("i have chest pain")


async def _fetched_by_a_rule(line: OnTheLine) -> None:
    line.control.failing = True
    line.call.fetch_a_person("rule", "the call lasts long")
    await line.settled()
    await line.say("no")


BETWEEN: list[tuple[str, Between, str]] = [
    ("silence", _silence, "yes"),
    ("not understood", _not_understood, "yes"),
    ("recogniser broken", _broken_recogniser, "yes"),
    ("person not reached", _nobody_reached, "okay"),
    ("key 0, nobody reached", _key_zero, "all right"),
    ("fetched by a rule", _fetched_by_a_rule, "okay"),
    ("robot question", _says("are you a robot"), "oh okay"),
    ("receipt", _says("can i have a receipt"), "okay"),
    ("objection", _says("don't record this"), "okay"),
    ("no training", _says("do not use this call for training"), "okay"),
    ("stop", _says("stop"), "okay"),
    ("opt-out question", _says("leave me alone", "no"), "okay"),
    ("emergency, nobody reached", _emergency, "okay"),
    ("something else", _says("what are your hours"), "yes"),
]


@pytest.mark.parametrize(("between", "yes"), [row[1:] for row in BETWEEN], ids=[row[0] for row in BETWEEN])
async def test_a_yes_to_something_else_books_nothing(between: Between, yes: str) -> None:
    """Each of these booked: the read-back outlived whatever was said after it."""
    answers = [say("As you like.")] * 6
    async with on_the_line(BOOK, *answers, tools=tools, caller="") as line:
        await line.opened()
        await line.say("book monday")
        assert line.played()[-1] == QUESTION
        await between(line)
        if not line.carrier.over:
            await line.say(yes)
        assert line.service.uses == []
        assert [t for t in line.types() if t.startswith("tool.")] == ["tool.refused"]
        assert line.of("tool.refused")[0][0].reason == "unconfirmed"


async def test_what_was_dropped_is_asked_anew_and_its_own_yes_counts() -> None:
    async with on_the_line(BOOK, BOOK, say("Booked."), tools=tools) as line:
        await line.opened()
        await line.say("book monday")
        await _silence(line)
        await line.say("yes")
        assert line.played()[-3:] == [QUESTION, "still-there", QUESTION]
        told = [m["content"] for m in line.model.requests[-1].json["messages"] if m["role"] == "tool"]
        assert "unconfirmed" in told[-1]
        await line.say("yes")
        assert len(line.service.uses) == 1
        assert line.played()[-1] == "Booked."


@pytest.mark.parametrize(
    ("key", "records", "uses"),
    [("1", ["tool.requested", "tool.executed"], 1), ("2", ["tool.refused"], 0)],
)
async def test_keys_answer_it_and_the_outcome_is_told(key: str, records: list[str], uses: int) -> None:
    """2, which every other question teaches as "no", objected to the recording and left it open."""
    async with on_the_line(BOOK, say("Right."), say("Well."), tools=tools) as line:
        await line.opened()
        await line.say("book monday")
        await line.press(key)
        assert len(line.service.uses) == uses
        assert [t for t in line.types() if t.startswith("tool.")] == records
        assert line.of("consent.withdrawn") == []
        assert line.played()[-1] == "Right."
        if key == "2":
            assert line.of("tool.refused")[0][0].reason == "caller_said_no"
        await line.press(key)
        assert len(line.service.uses) == uses, "a second key answers nothing"


async def test_a_key_pressed_before_the_question_sounds_is_no_yes() -> None:
    async with on_the_line(BOOK, say("Right."), tools=tools) as line:
        await line.opened()
        line.carrier.freeze(40)
        await line.carrier.say("book monday")
        assert await line.carrier.frozen()
        await line.press("1")
        assert line.service.uses == []
        assert line.played()[-1] == QUESTION, "it is asked to its end, and can be answered then"
        await line.press("1")
        assert len(line.service.uses) == 1


async def test_a_key_two_where_nothing_is_asked_is_still_an_objection() -> None:
    async with on_the_line(BOOK, say("Right."), tools=tools) as line:
        await line.opened()
        await line.say("book monday")
        await line.press("1")
        await line.press("2")
        assert line.played()[-1] == "not-recorded"


async def test_the_one_of_a_number_is_no_yes() -> None:
    async with on_the_line(BOOK, say("Booked."), tools=tools) as line:
        await line.opened()
        await line.say("book monday")
        await line.press("4111")
        assert line.service.uses == []
        assert [r.reason for r, _ in line.of("tool.refused")] == ["unconfirmed"]


async def test_a_yes_that_was_over_before_the_question_began_is_none() -> None:
    """Words that were recognised late came in behind a question that they cannot have been an answer to."""
    async with on_the_line(BOOK, say("Once more."), tools=tools) as line:
        await line.opened()
        before_ns = line.carrier.clock.monotonic_ns()
        await line.say("book monday")
        assert line.played()[-1] == QUESTION
        late = CallerSaidFrame("yes", 0.9, 0.0, 0.1, before_ns, before_ns, before_ns, "test")
        await line.carrier.send(late)
        await line.settled()
        assert line.service.uses == []
        assert [r.reason for r, _ in line.of("tool.refused")] == ["unconfirmed"]
