"""What callers want of the runtime itself, on a call: what they talk to is never denied, and nobody is
opted out who did not ask for it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from controls.disclosures import parse_disclosure
from controls.jurisdiction import Jurisdictions
from tests.controls.rules.packs import ROOT
from tests.simulators.house import CALLER, PHRASES, RULES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.agent import DeskRoute
from voice_runtime.house import Supplier
from voice_runtime.store.opt_outs import OptOutBook

pytestmark = pytest.mark.anyio

ANSWER, ASK = "ai-answer", "ask-opt-out"
RULE = "rule.truthful-ai.never-answers-as-a-person"


def asked_of_the_model(line: OnTheLine) -> list[str]:
    return [request.json["messages"][-1]["content"] for request in line.model.requests]


# -- are you a robot? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "question",
    [
        "are you a robot", "wait am i talking to a real person", "is this a recording",
        "you sound like a robot",
        "is there a real lady there or is it one of them computers", "tell me the truth are you human",
    ],
)  # fmt: skip
@pytest.mark.parametrize("lie", ["No, of course not.", "Yes, I'm human.", "Nope.", "Yes, you are."])
async def test_a_model_that_lies_in_bare_words_is_not_even_asked_whether_it_is_a_robot(
    question: str, lie: str
) -> None:
    async with on_the_line(say(lie)) as line:
        await line.opened()
        await line.say(question)
        assert line.played() == ["disclosure", "greeting", ANSWER]
        assert line.model.requests == []
        assert line.addressed() == [(question, "ai_question")]
        said, played = line.types().index("caller.said"), len(line.types()) - 1
        assert line.types()[played] == "agent.played" and said < played
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_in_spanish_too() -> None:
    phrases = {k: {"es-US": v} for k, v in PHRASES.items()} | RULES.phrases
    async with on_the_line(
        say("No, claro que no."), language="es-US", languages=("en-US", "es-US"), phrases=phrases
    ) as line:
        await line.opened()
        await line.say("oiga es usted un robot")
        assert line.played() == ["disclosure", "greeting", ANSWER]
        assert line.model.requests == []


async def test_what_else_was_asked_is_answered_and_the_question_is_kept_from_the_model() -> None:
    async with on_the_line(say("On Tuesday at ten.")) as line:
        await line.opened()
        await line.say("are you a robot and when can i come on tuesday")
        assert line.played()[2:] == [ANSWER, "On Tuesday at ten."]
        assert asked_of_the_model(line) == ["and when can i come on tuesday"]
        assert line.addressed() == [("are you a robot and when can i come on tuesday", "ai_question")]
        await line.say("thank you")
        roles = [m["role"] for m in line.model.requests[-1].json["messages"]]
        assert roles[-3:] == ["user", "assistant", "user"]
        told = line.model.requests[-1].json["messages"][-2]["content"]
        assert told == "I am an AI assistant, not a person. On Tuesday at ten."


@pytest.mark.parametrize("lie", ["No, of course not.", "Nope.", "Not me!"])
async def test_beside_another_question_a_bare_no_is_refused(lie: str) -> None:
    async with on_the_line(say(lie)) as line:
        await line.opened()
        await line.say("are you a robot and when can i come on tuesday")
        assert line.played()[2:] == [ANSWER, RULE]
        [(_, details)] = line.of("clause.refused")
        assert [v.rule for v in details.verdicts] == ["truthful-ai/never-answers-as-a-person"]


async def test_asked_while_the_disclosure_plays_it_is_answered_after_it() -> None:
    async with on_the_line(say("No, of course not.")) as line:
        line.carrier.freeze(100)
        line.start()
        assert await line.carrier.frozen()
        await line.carrier.say("are you a robot")
        await line.settled()
        assert ANSWER in line.played()
        assert line.model.requests == []


async def test_asked_while_a_number_for_a_call_back_is_asked_for_it_is_answered_too() -> None:
    async with on_the_line(
        caller="", handoff=(DeskRoute("callback", "reception", title="reception"),)
    ) as line:
        await line.opened()
        await line.say("let me talk to a person")
        assert line.played()[-1] == "ask-callback"
        await line.say("yes")
        assert line.played()[-1] == "ask-number"
        await line.say("are you a robot")
        assert line.played()[-2:] == [ANSWER, "ask-number"]
        assert line.addressed()[-1] == ("are you a robot", "ai_question")
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


# -- opting out ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "take me off the waitlist", "remove me from tuesday's appointment", "take me off lisinopril",
        "don't contact me by email", "i don't want you to call my husband", "take me off speaker",
        "leave me alone for a second", "drop my number seven piercing",
    ],
)  # fmt: skip
async def test_words_that_mean_something_else_opt_nobody_out(said: str, tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with on_the_line(say("Done."), opt_outs=book) as line:
        await line.opened()
        await line.say(said)
        assert line.played()[-1] == "Done."
        assert line.addressed() == [(said, "model")]
    assert not book.known("clinic", CALLER)


async def test_unmistakable_words_end_the_call_and_are_remembered(tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with on_the_line(opt_outs=book) as line:
        await line.opened()
        await line.carrier.say("take me off your list and never call me again")
        await line.ended()
        assert line.closed() == ("caller", "opted_out")
    assert book.known("clinic", CALLER)


@pytest.mark.parametrize(("answer", "how"), [("yes", "voice"), ("1", "keypad")])
async def test_unclear_words_are_asked_back_and_a_yes_opts_out(answer: str, how: str, tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with on_the_line(opt_outs=book) as line:
        await line.opened()
        await line.say("please leave me alone")
        assert line.played()[-1] == ASK
        assert not book.known("clinic", CALLER)
        assert line.addressed() == [("please leave me alone", "maybe_opt_out")]
        await (line.carrier.press(answer) if how == "keypad" else line.carrier.say(answer))
        await line.ended()
        assert line.closed() == ("caller", "opted_out")
        [withdrawn] = [record for record, _ in line.of("consent.withdrawn")]
        assert (withdrawn.scope, withdrawn.how) == ("callback", how)
    assert book.known("clinic", CALLER)


@pytest.mark.parametrize("answer", ["no", "2"])
async def test_a_no_goes_on_with_what_was_said(answer: str, tmp_path: Path) -> None:
    book = OptOutBook(tmp_path)
    async with on_the_line(say("Which list?"), opt_outs=book) as line:
        await line.opened()
        await line.say("take me off the list")
        await (line.press(answer) if answer == "2" else line.say(answer))
        assert line.played()[-2:] == [ASK, "Which list?"]
        assert asked_of_the_model(line) == ["take me off the list"]
        assert line.of("consent.withdrawn") == []  # key 2 answered the question
    assert not book.known("clinic", CALLER)


async def test_neither_yes_nor_no_goes_to_the_model_with_what_was_said_before() -> None:
    async with on_the_line(say("It's done.")) as line:
        await line.opened()
        await line.say("take me off the list", "the one for friday")
        assert line.played()[-1] == "It's done."
        assert asked_of_the_model(line) == ["take me off the list the one for friday"]


async def test_a_person_asked_for_instead_of_an_answer_gets_the_caller() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("leave me alone", "let me talk to a person")
        assert line.control.transfers
        assert line.of("consent.withdrawn") == []


async def test_what_it_talks_to_may_be_asked_instead_of_an_answer() -> None:
    async with on_the_line(say("Fine.")) as line:
        await line.opened()
        await line.say("leave me alone", "are you a robot")
        assert line.played()[-2:] == [ASK, ANSWER]


# -- objecting to what is kept without a question ------------------------------------------------------


async def test_key_2_objects_to_the_text_that_is_kept_without_recording() -> None:
    async with on_the_line(say("At nine."), say("At ten.")) as line:
        await line.opened()
        await line.say("when do you open")
        await line.press("2")
        assert line.played()[-1] == "not-recorded"
        await line.say("and on sunday")
        assert [(w.scope, w.how) for w, _ in line.of("consent.withdrawn")] == [
            ("record", "keypad"),
            ("transcript", "keypad"),
        ]
        assert line.addressed() == [("when do you open", "model"), ("", "model")]
        await line.press("2")  # again: there is nothing left to take back
        assert len(line.of("consent.withdrawn")) == 2


@pytest.mark.parametrize("by", ["2", "i object"])
async def test_an_objection_into_the_disclosure_holds_at_once_and_is_acknowledged_after_it(by: str) -> None:
    async with on_the_line(say("At nine.")) as line:
        line.carrier.freeze(100)
        line.start()
        assert await line.carrier.frozen()
        await (line.carrier.press(by) if by == "2" else line.carrier.say(by))
        await line.settled()
        assert line.played() == ["disclosure", "not-recorded", "greeting"]
        await line.say("when do you open")
        assert line.played()[-1] == "At nine."
        assert {text for text, _ in line.addressed()} == {""}


@pytest.mark.parametrize("said", ["i object to the price", "yes i object to paying a deposit"])
async def test_an_objection_to_something_else_goes_to_the_model_and_takes_nothing_back(said: str) -> None:
    async with on_the_line(say("I can tell the owner.")) as line:
        await line.opened()
        await line.say(said)
        assert line.played()[-1] == "I can tell the owner."
        assert line.addressed() == [(said, "model")]
        assert line.of("consent.withdrawn") == []


@pytest.mark.parametrize("said", ["i object to being recorded", "i object to you keeping my words"])
async def test_an_objection_that_names_the_record_is_one_at_any_time(said: str) -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("when do you open", said)
        assert line.played()[-1] == "not-recorded"
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["record", "transcript"]


# -- what else takes consent ------------------------------------------------------------------------------

OUTSIDE = (Supplier("recogniser", "far-away", "ears-1", "us", outside=True),)


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ("don't use my call for training", "training"), ("i don't want anyone listening in", "listening"),
        ("don't send my voice to another company", "supplier"), ("don't call me back", "callback"),
    ],
)  # fmt: skip
async def test_consent_of_every_kind_is_taken_back_by_voice(said: str, scope: str) -> None:
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say(said)
        assert line.played()[-1] == "objection-noted"
        assert [(w.scope, w.how) for w, _ in line.of("consent.withdrawn")] == [(scope, "voice")]
        assert line.addressed() == [(said, "consent")]
        await line.say("when do you open")
        assert line.played()[-1] == "At nine."


async def test_who_is_heard_by_another_company_and_takes_that_back_gets_a_person() -> None:
    async with on_the_line(suppliers=OUTSIDE, jurisdictions=Jurisdictions(), asks=()) as line:
        assert not line.call.opening.supplier_may_hear  # nothing is known of the law there: asked first
    async with on_the_line(suppliers=OUTSIDE) as line:
        await line.opened()
        may_hear = [line.call.opening.supplier_may_hear]
        await line.say("don't send my voice to another company")
        may_hear.append(line.call.opening.supplier_may_hear)
        assert may_hear == [True, False]
        assert line.control.transfers


EXTRA = Jurisdictions.of(
    [
        parse_disclosure(path.read_text(encoding="utf-8"), path.name)
        for path in sorted((ROOT / "configs" / "disclosures").glob("*.yaml"))
    ],
    date(2026, 11, 22),
)


def asking(*scopes: str) -> dict[str, Any]:
    """Fields of a release that asks for these besides."""
    found = [EXTRA.at("us-il").wording(scope, "en-US") for scope in scopes]  # type: ignore[arg-type]
    words = {wording.phrase: {"en-US": wording.words} for wording in found if wording is not None}
    phrases = {k: {"en-US": v} for k, v in PHRASES.items()} | RULES.phrases | words
    return {"jurisdictions": EXTRA, "phrases": phrases, "asks": scopes}


async def test_what_an_agent_asks_for_is_asked_and_what_is_not_given_is_not_done() -> None:
    async with on_the_line(jurisdiction="us-il", **asking("listening", "training")) as line:
        await line.opened()
        assert line.played() == ["disclosure", "ask.us-general.listening"]
        await line.say("yes")
        assert line.played()[-1] == "ask.us-general.training"
        await line.press("2")
        assert line.played()[-1] == "greeting"
        given = [(c.scope, c.given, c.how) for c, _ in line.of("consent.recorded")]
        assert given == [("listening", True, "voice"), ("training", False, "keypad")]
        assert line.call.opening.allows("listening")
        assert not line.call.opening.allows("training")
        await line.say("i don't want anyone listening in")
        assert not line.call.opening.allows("listening")


async def test_who_lets_no_text_be_kept_is_not_asked_what_it_may_be_used_for() -> None:
    async with on_the_line(jurisdiction="us-il", **asking("training")) as line:
        line.carrier.freeze(100)
        line.start()
        assert await line.carrier.frozen()
        await line.press("2")
        assert line.played() == ["disclosure", "not-recorded", "greeting"]
        assert line.of("consent.recorded") == []


@pytest.mark.parametrize("between", ["are you a robot", "can i have a receipt", "not understood", "broken"])
async def test_an_okay_to_something_else_opts_nobody_out(between: str) -> None:
    """Found by reading: the question whether that was meant outlived whatever sounded behind it."""
    async with on_the_line(say("At nine.")) as line:
        await line.opened()
        await line.say("leave me alone")
        assert line.played()[-1] == "ask-opt-out"
        if between in ("not understood", "broken"):
            line.call.ear_failed("misheard" if between == "not understood" else "crash")
            await line.settled()
        else:
            await line.say(between)
        await line.say("okay")
        assert line.of("consent.withdrawn") == []
        assert "opted-out" not in line.played()


async def test_key_two_is_an_objection_also_while_a_person_is_fetched() -> None:
    async with on_the_line() as line:
        await line.opened()
        line.carrier.freeze(100)
        await line.carrier.say("let me talk to a person")
        assert await line.carrier.frozen()
        await line.press("2")
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["record", "transcript"]
