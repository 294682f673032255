"""Two wishes in one breath: both are met, what remains goes on once, and what this is is never left open."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulators.house import CALLER, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.agent import DeskRoute
from voice_runtime.store.opt_outs import OptOutBook

pytestmark = pytest.mark.anyio

ANSWER = "ai-answer"
DESKLESS = (DeskRoute("callback", "reception", title="reception"),)


def asked_of_the_model(line: OnTheLine) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in line.model.requests]


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("are you a robot move my visit to the 14th at 10:30", "move my visit to the 14th at 10:30"),
        ("are you a robot and what are your hours", "and what are your hours"),
        ("are you a robot cancel my appointment", "cancel my appointment"),
        ("are you a robot i don't see why", "i don't see why"),
    ],
)
async def test_what_stands_beside_a_robot_question_reaches_the_model_once_and_unchanged(
    said: str, left: str
) -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say(said)
        assert line.played()[2:] == [ANSWER, "At nine."]
        assert asked_of_the_model(line) == [left]
        assert line.addressed() == [(said, "ai_question")]


async def test_a_card_beside_a_robot_question_is_redirected_and_reaches_no_model() -> None:
    async with on_the_line(say("Thank you.")) as line:
        await line.opened()
        await line.say("are you a robot and my card is 4111 1111 1111 1111")
        assert line.played()[2] == ANSWER
        assert line.played()[3].startswith("rule.")
        assert line.model.requests == []


async def test_the_last_figures_of_a_card_beside_a_robot_question_reach_no_model() -> None:
    async with on_the_line(say("Go on."), say("Thank you.")) as line:
        await line.opened()
        await line.say("4111 1111 1111")
        before = len(line.model.requests)
        await line.say("are you a robot 1111")
        assert ANSWER in line.played()
        assert not any("1111" in text for text in asked_of_the_model(line)[before:])


async def test_an_objection_beside_a_robot_question_takes_effect_and_both_are_answered() -> None:
    async with on_the_line(say("No, of course not.")) as line:
        await line.opened()
        await line.say("am i talking to a machine i don't want to be recorded")
        assert line.played()[2:] == ["not-recorded", ANSWER]
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["record", "transcript"]
        assert line.addressed() == [("", "consent")]
        assert line.model.requests == []


async def test_a_bare_objection_beside_a_robot_question_takes_effect_too() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("are you a robot don't keep the transcript of this call")
        assert line.played()[2:] == ["not-recorded", ANSWER]


async def test_a_question_beside_an_objection_goes_on_to_the_model() -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("don't record this what are your hours")
        assert line.played()[2:] == ["not-recorded", "At nine."]
        assert asked_of_the_model(line) == ["what are your hours"]
        assert line.addressed() == [("", "consent")]


async def test_two_objections_in_one_breath_both_take_effect() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("don't use my call for training and i don't want anyone listening in")
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["training", "listening"]
        assert line.model.requests == []


async def test_a_question_beside_an_objection_into_the_disclosure_is_answered_after_it() -> None:
    async with on_the_line(say("At nine.")) as line:
        line.carrier.freeze(100)
        line.start()
        assert await line.carrier.frozen()
        await line.carrier.say("don't record this are you a robot and what are your hours")
        await line.settled()
        assert line.played() == ["disclosure", "not-recorded", "greeting", ANSWER, "At nine."]
        assert asked_of_the_model(line) == ["and what are your hours"]


@pytest.mark.parametrize(
    "said", ["are you a robot or can i talk to a person", "is there a real person there"]
)
async def test_who_asks_for_a_person_in_robot_words_is_told_and_gets_one(said: str) -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say(said)
        assert line.played()[2] == ANSWER
        assert line.control.transfers
        assert line.addressed() == [(said, "person")]


async def test_an_objection_beside_the_wish_for_a_person_holds_for_these_words_already() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("get me a real person and don't record this")
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["record", "transcript"]
        assert line.control.transfers
        assert line.addressed() == [("", "person")]


async def test_who_asks_for_a_person_in_other_words_is_told_nothing_of_robots() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("let me talk to a person")
        assert line.control.transfers
        assert ANSWER not in line.played()


async def test_a_receipt_beside_a_robot_question_is_the_runtimes_own_to_give() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("are you a robot and can i have a receipt")
        assert line.played()[2] == ANSWER
        assert len(line.of("receipt.issued")) == 1
        assert line.model.requests == []


async def test_opting_out_beside_a_robot_question_hears_both(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with on_the_line(opt_outs=book) as line:
        await line.opened()
        await line.carrier.say("are you a robot never call me again")
        await line.ended()
        assert line.played()[2:] == [ANSWER, "opted-out"]
        assert line.closed() == ("caller", "opted_out")
    assert book.known("clinic", CALLER)


async def test_what_may_be_opting_out_beside_a_robot_question_is_asked_back_behind_the_answer() -> None:
    async with on_the_line(say("Fine.")) as line:
        await line.opened()
        await line.say("are you a robot leave me alone")
        assert line.played()[2:] == [ANSWER, "ask-opt-out"]


async def test_an_answer_beside_a_robot_question_counts_while_a_number_is_asked_for() -> None:
    async with on_the_line(caller="", handoff=DESKLESS) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        assert line.played()[-1] == "ask-number"
        await line.say("are you a robot call me back at 202 555 0143")
        assert ANSWER in line.played()
        assert "two zero two" in line.played()[-1]
        assert line.addressed()[-1][1] == "ai_question"
        await line.hang_up()


async def test_a_number_beside_an_objection_counts_while_it_is_asked_for() -> None:
    async with on_the_line(caller="", handoff=DESKLESS) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        assert line.played()[-1] == "ask-number"
        await line.say("don't record this call me back at 202 555 0143")
        assert "two zero two" in line.played()[-1]
        assert line.addressed()[-1] == ("", "consent")
        await line.hang_up()


async def test_an_emergency_beside_a_robot_question_waits_for_no_answer() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("are you a robot i can't breathe")
        assert len(line.of("emergency.detected")) == 1
        assert ANSWER not in line.played()
