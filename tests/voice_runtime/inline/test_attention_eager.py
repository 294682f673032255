"""Eager turns through a whole call: which words the model may begin on, and what nobody ever hears of."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pipecat.frames.frames import EagerEndOfTurnCancelFrame

from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import STALL, call, pieces, say
from tests.simulators.whole import problems
from voice_runtime.agent import Tool
from voice_runtime.events import CallerPausedFrame, CallerSaidFrame, TurnEnd

pytestmark = pytest.mark.anyio

WORDS = "i need an appointment today"


def tools(base: str) -> tuple[Tool, ...]:
    return (booking(base),)


async def pause(line: OnTheLine, text: str = WORDS) -> None:
    """The caller pauses; returns once everything that came of it has gone its way."""
    await line.carrier.send(
        CallerPausedFrame(text=text, confidence=0.9, started_s=1.0, ended_s=2.0, engine="test")
    )
    await line.settled()


async def go_on(line: OnTheLine) -> None:
    await line.carrier.send(EagerEndOfTurnCancelFrame())
    await line.settled()


async def ends(line: OnTheLine, text: str = WORDS, *, aside: bool = False) -> None:
    """The turn ends, as an ear tells it."""
    now = line.carrier.clock.monotonic_ns()
    await line.carrier.send(
        CallerSaidFrame(
            text=text, confidence=0.9, started_s=1.0, ended_s=2.0, t0_ns=now, ended_ns=now,
            recognised_ns=now, engine="test", why=TurnEnd.SILENCE, aside=aside,
        )
    )  # fmt: skip
    await line.settled()


async def over(line: OnTheLine, n: int = 1) -> None:
    """Until ``n`` requests are on record."""
    async with asyncio.timeout(60):
        while len(line.of("turn.decided")) < n:
            await asyncio.sleep(0)


def asked(line: OnTheLine) -> list[str]:
    """The caller's words with which the model was asked, request by request."""
    return [request.json["messages"][-1]["content"] for request in line.model.requests]


async def test_the_answer_begun_is_the_turns_and_nothing_of_it_came_before() -> None:
    async with on_the_line(say("We have ten o'clock.")) as line:
        await line.opened()
        before = len(line.types())
        await pause(line)
        await over(line)
        await line.settled()
        assert line.types()[before:] == ["turn.provisional", "turn.decided"]
        assert [m["role"] for m in line.call.context.get_messages()] == ["assistant"]  # the opening
        await ends(line)
        assert line.played()[-1] == "We have ten o'clock."
        assert asked(line) == [WORDS]
        said = line.types().index("caller.said")
        assert said < line.types().index("clause.cleared"), "no verdict before the turn"
        await line.hang_up()
        assert problems(line.recorder.records, [WORDS]) == []


async def test_who_goes_on_is_answered_to_all_of_it() -> None:
    both = f"{WORDS} at ten"
    async with on_the_line([*pieces("We have"), STALL], say("Ten is fine.")) as line:
        await line.opened()
        await pause(line)
        await line.model.wait_for_request()
        await go_on(line)
        await over(line)
        await pause(line, both)
        await ends(line, both)
        assert line.played()[-1] == "Ten is fine."
        assert asked(line) == [WORDS, both]
        assert [r.reason for r, _ in line.of("turn.withdrawn")] == ["eager"]
        await line.hang_up()
        assert problems(line.recorder.records, [both]) == []


@pytest.mark.parametrize(
    "text",
    [
        "let me talk to a person",
        "i have chest pain",
        "please take me off your list",
        "stop",
        "give me a receipt",
    ],
)
async def test_words_for_somebody_else_are_never_shown_to_the_model(text: str) -> None:
    async with on_the_line() as line:
        await line.opened()
        await pause(line, text)
        assert line.model.requests == []
        assert line.of("turn.provisional") == []
        assert line.of("caller.said") == [], "no turn is recorded for a pause"


async def test_words_over_the_disclosure_are_not_shown() -> None:
    async with on_the_line(say("Yes.")) as line:
        line.carrier.freeze(300)
        line.start()
        assert await line.carrier.frozen()
        await line.carrier.send(
            CallerPausedFrame(text=WORDS, confidence=0.9, started_s=1.0, ended_s=2.0, engine="test")
        )
        await line.say(WORDS)
        assert line.of("turn.provisional") == []


async def test_the_answer_to_a_read_back_is_not_shown() -> None:
    async with on_the_line(call(("book", '{"day": "Monday"}')), say("Booked."), tools=tools) as line:
        await line.opened()
        await ends(line, "book monday please")
        await pause(line, "yes please do that for me")
        assert line.of("turn.provisional") == []
        await ends(line, "yes")
        assert line.played()[-1] == "Booked."


@pytest.mark.parametrize(
    "text",
    [
        "i will kill you",  # what the rules keep from the model, and record once the turn is over
        "my card is four one one one one one one",  # what they may keep from it once all of it is said
    ],
)
async def test_what_the_rules_keep_or_may_keep_from_the_model_is_not_shown(text: str) -> None:
    async with on_the_line() as line:
        await line.opened()
        before = len(line.types())
        await pause(line, text)
        assert line.types()[before:] == []
        assert line.model.requests == []


async def test_an_aside_takes_nothing_over() -> None:
    async with on_the_line(say("We have ten o'clock."), say("Now, then.")) as line:
        await line.opened()
        await pause(line)
        await over(line)
        await ends(line, aside=True)
        assert [r.reason for r, _ in line.of("turn.withdrawn")] == ["eager"]
        assert line.played() == ["disclosure", "greeting"]


async def test_key_zero_withdraws() -> None:
    async with on_the_line([*pieces("We have"), STALL]) as line:
        await line.opened()
        await pause(line)
        await line.model.wait_for_request()
        await line.press("0")
        assert [r.reason for r, _ in line.of("turn.withdrawn")] == ["eager"]
        assert line.control.transfers


async def test_hanging_up_leaves_a_complete_record() -> None:
    async with on_the_line([*pieces("We have"), STALL]) as line:
        await line.opened()
        await pause(line)
        await line.model.wait_for_request()
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert line.types()[-4:] == ["turn.provisional", "turn.decided", "turn.withdrawn", "call.closed"]
        assert problems(line.recorder.records) == []


async def test_a_profile_that_switches_it_off_asks_at_the_end_of_the_turn() -> None:
    async with on_the_line(say("We have ten o'clock."), eager="off") as line:
        await line.opened()
        await pause(line)
        assert line.model.requests == []
        await ends(line)
        assert line.played()[-1] == "We have ten o'clock."
        assert not line.of("turn.decided")[0][0].provisional


# -- any order ---------------------------------------------------------------------------------------

TEXTS = (WORDS, f"{WORDS} at ten", "let me think")
STEPS = st.lists(
    st.tuples(st.sampled_from(["pause", "pause", "go on", "ends", "ends", "cut", "say"]), st.integers(0, 2)),
    max_size=8,
)


@settings(max_examples=12, deadline=None)
@given(STEPS)
def test_in_any_order_only_turns_are_answered(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_in_order(steps))


async def _in_order(steps: list[tuple[str, int]]) -> None:
    """Every answer that sounded follows its turn, and answers that turn's words."""
    answer = "Right away."
    async with on_the_line(say(answer)) as line:
        await line.opened()
        said: list[str] = []
        for kind, n in steps:
            match kind:
                case "pause":
                    await pause(line, TEXTS[n])
                case "go on":
                    await go_on(line)
                case "cut":
                    await line.call.interrupt()
                    await line.settled()
                case _:
                    said.append(TEXTS[n])
                    await (ends(line, TEXTS[n]) if kind == "ends" else line.say(TEXTS[n]))
            assert line.played() == ["disclosure", "greeting", *([answer] * len(said))]
        await line.hang_up()
        assert problems(line.recorder.records, said) == []
        begun = len(line.of("turn.provisional"))
        early = [r for r, _ in line.of("turn.decided") if r.provisional]
        withdrawn = [r for r, _ in line.of("turn.withdrawn") if r.reason == "eager"]
        assert len(early) <= begun
        assert len(line.of("turn.decided")) - len(early) + begun - len(withdrawn) == len(said)
