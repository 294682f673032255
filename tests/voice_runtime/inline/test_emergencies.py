"""Emergencies named in words too unsure to act on: asked back, with the number, and never dropped."""

from __future__ import annotations

import time

import pytest

from controls.rules.engine import Rules
from controls.rules.pack_files import load_packs
from tests.controls.rules.packs import FOLDER, shipped_packs
from tests.simulators.house import DESK, PHRASES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.agent import DeskRoute
from voice_runtime.events import CallerSaidFrame, CallerSilentFrame

pytestmark = pytest.mark.anyio

NIGHT = "+12025550199"
#: The desk is closed; somebody is there for emergencies only.
ON_CALL = (
    DeskRoute("desk", "reception", DESK, hours="UTC"),
    DeskRoute("desk", "on-call", NIGHT, always=True, urgent_only=True),
    DeskRoute("callback", "reception", title="reception"),
)
SCRIPT, ASK = "rule.emergency-us.danger-to-life", "ask-emergency"
#: Read before a loop runs. Without their examples: those are tried where packs are compiled.
EVERYWHERE = Rules([*shipped_packs(), *load_packs(FOLDER, ["emergency-eu"])])


def unsure(text: str = "i have chest pain") -> CallerSaidFrame:
    now = time.monotonic_ns()
    return CallerSaidFrame(text, 0.2, 1.0, 1.2, now, now, now, "test", urgent=True, unsure=True)


async def doubtful(line: OnTheLine) -> None:
    await line.opened()
    await line.carrier.send(unsure())
    await line.settled()
    assert line.played()[2:] == [SCRIPT, ASK]
    assert line.control.transfers == []


def found(line: OnTheLine) -> list[tuple[str, bool]]:
    return [(details.rule, record.asked_back) for record, details in line.of("emergency.detected")]


RULE = "emergency-us/danger-to-life"


async def test_an_emergency_too_unsure_to_act_on_is_asked_back_with_the_number() -> None:
    """It was dropped as misheard: "Sorry, I didn't get that." """
    async with on_the_line() as line:
        await doubtful(line)
        assert found(line) == [(RULE, True)]
        assert line.of("handoff.requested") == []
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


@pytest.mark.parametrize("how", ["voice", "keypad", "silence", "again"])
async def test_yes_silence_and_the_same_again_fetch_a_person(how: str) -> None:
    async with on_the_line() as line:
        await doubtful(line)
        match how:
            case "voice":
                await line.say("yes")
            case "keypad":
                await line.press("1")
            case "silence":
                await line.carrier.send(CallerSilentFrame(for_s=8.0, step=1))
            case _:
                await line.carrier.send(unsure())
        await line.settled()
        assert line.played()[4:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [DESK]
        assert found(line) == [(RULE, True), (RULE, False)]
        assert line.of("handoff.requested")[0][0].requested_by == "emergency"


@pytest.mark.parametrize("how", ["voice", "keypad"])
async def test_no_lets_the_call_go_on(how: str) -> None:
    async with on_the_line(say("At nine.")) as line:
        await doubtful(line)
        await (line.say("no") if how == "voice" else line.press("2"))
        assert line.played()[4:] == ["greeting"]
        await line.say("when do you open")
        assert line.played()[-1] == "At nine."
        assert found(line) == [(RULE, True)]
        assert line.of("handoff.requested") == []


@pytest.mark.parametrize("early", ["no", "and my arm hurts", "2"])
async def test_what_comes_before_the_question_ends_no_doubt(early: str) -> None:
    """A "no" to the script, or the caller's going on, counted as the answer to what had not been asked."""
    async with on_the_line() as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.send(unsure())
        assert await line.carrier.frozen()
        await (line.press(early) if early == "2" else line.say(early))
        assert line.played()[2:] == [SCRIPT, ASK]
        await line.carrier.send(CallerSilentFrame(for_s=8.0, step=1))
        await line.settled()
        assert line.control.transfers == [DESK]


@pytest.mark.parametrize(
    "said", ["yes please hurry", "oh god yes", "yes i need help", "no yes", "yes i think so"]
)
async def test_a_yes_with_more_beside_it_fetches_a_person(said: str) -> None:
    """Found by reading: it went to the model as other words, and the emergency was lost."""
    async with on_the_line() as line:
        await doubtful(line)
        await line.say(said)
        assert line.played()[4:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [DESK]


async def test_an_objection_beside_an_emergency_holds() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("do not record this call i have chest pain")
        assert [w.scope for w, _ in line.of("consent.withdrawn")] == ["record", "transcript"]
        assert line.control.transfers == [DESK]
        assert [said.text for _, said in line.of("caller.said")] == [""]


async def test_other_words_are_answered() -> None:
    async with on_the_line(say("At nine.")) as line:
        await doubtful(line)
        await line.say("when do you open")
        assert line.played()[4:] == ["At nine."]
        assert line.addressed()[-1] == ("when do you open", "model")


@pytest.mark.parametrize("said", ["are you a robot", "yes are you a robot"])
async def test_what_this_is_is_answered_and_leaves_the_question_open(said: str) -> None:
    """Found by reading: it counted as other words, and a yes beside it was lost."""
    async with on_the_line() as line:
        await doubtful(line)
        await line.say(said)
        assert line.played()[4:] == ["ai-answer"]
        await line.carrier.send(CallerSilentFrame(for_s=8.0, step=1))
        await line.settled()
        assert line.played()[5:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [DESK]


@pytest.mark.parametrize("how", ["voice", "keypad"])
async def test_a_person_asked_for_instead_is_the_emergency_s(how: str) -> None:
    """Whoever is for emergencies only was not tried, and a call-back was offered."""
    async with on_the_line(handoff=ON_CALL) as line:
        await doubtful(line)
        await (line.say("let me talk to a person") if how == "voice" else line.press("0"))
        assert line.played()[4:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [NIGHT]
        assert line.of("handoff.requested")[0][0].requested_by == "emergency"
        assert found(line) == [(RULE, True), (RULE, False)]


async def test_a_no_beside_the_wish_for_a_person_is_a_no() -> None:
    async with on_the_line(handoff=ON_CALL) as line:
        await doubtful(line)
        await line.say("no i want to talk to a person")
        assert line.played()[4:] == ["no-one-free", "ask-callback"]
        assert line.control.transfers == []
        assert found(line) == [(RULE, True)]


async def test_a_stop_in_doubt_says_so_and_the_number_and_fetches_who_is_on_call() -> None:
    """It asked "May we call you back?", and the yes to that was one to the emergency."""
    async with on_the_line(handoff=ON_CALL) as line:
        await doubtful(line)
        line.call.stop()
        await line.settled()
        assert line.played()[4:] == ["stopped", SCRIPT, "handoff"]
        assert line.control.transfers == [NIGHT]
        assert found(line) == [(RULE, True), (RULE, False)]


async def test_a_stop_in_doubt_with_nobody_there_ends_with_the_number() -> None:
    """With a no, a stopped agent asked "How can I help you?"."""
    async with on_the_line(handoff=()) as line:
        await doubtful(line)
        line.call.stop()
        await line.ended()
        assert line.played()[4:] == ["stopped", SCRIPT, "emergency-nobody", SCRIPT, "goodbye"]
        assert line.closed() == ("operator", "stopped")


@pytest.mark.parametrize("reason", ["misheard", "crash", "deadline"])
async def test_an_answer_that_nobody_understood_counts_as_silence_does(reason: str) -> None:
    """It asked to say that again, then fetched somebody as for any failure: who is on call was not tried."""
    async with on_the_line(handoff=ON_CALL) as line:
        await doubtful(line)
        line.call.ear_failed(reason)
        await line.settled()
        assert line.played()[4:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [NIGHT]
        assert line.of("handoff.requested")[0][0].requested_by == "emergency"
        broken = [(record.control, record.reason) for record, _ in line.of("control.failed")]
        assert broken == ([] if reason == "misheard" else [("recogniser", reason)])


async def test_a_noise_behind_the_script_answers_no_question_that_is_to_come() -> None:
    async with on_the_line(handoff=ON_CALL) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.send(unsure())
        assert await line.carrier.frozen()
        line.call.ear_failed("misheard")
        line.carrier._let_go()
        await line.settled()
        assert line.played()[2:] == [SCRIPT, ASK]
        assert line.control.transfers == []


@pytest.mark.parametrize("words", ["stop", "hold on"])
async def test_no_stop_of_the_caller_s_cuts_the_number(words: str) -> None:
    async with on_the_line() as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.send(unsure())
        assert await line.carrier.frozen()
        await line.carrier.say(words)
        line.carrier._let_go()
        await line.settled()
        assert line.played()[2:4] == [SCRIPT, ASK]


async def test_who_opts_out_in_doubt_is_told_the_number_first() -> None:
    async with on_the_line(handoff=ON_CALL) as line:
        await doubtful(line)
        await line.carrier.say("never call me again")
        await line.ended()
        assert line.played()[4:] == [SCRIPT, "opted-out"]
        assert line.closed() == ("caller", "opted_out")
        assert line.of("handoff.requested") == []
        assert [record.script for record, _ in line.of("agent.played")][2:] == [True, None, True, None]


async def test_who_opts_out_while_an_emergency_s_handoff_runs_is_told_the_number_first() -> None:
    """The call ended with the goodbye."""
    async with on_the_line(handoff=ON_CALL) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("i have chest pain")
        assert await line.carrier.frozen()
        await line.carrier.say("never call me again")
        line.carrier._let_go()
        await line.ended()
        assert line.played()[2:] == [SCRIPT + "…", SCRIPT, "opted-out"]
        assert line.closed() == ("caller", "opted_out")
        assert "consent.withdrawn" in line.types()
        assert line.control.transfers == []
        assert line.of("handoff.failed")[-1][0].reason == "declined"


async def test_who_falls_silent_while_somebody_is_fetched_stays_on_the_line() -> None:
    async with on_the_line(handoff=ON_CALL) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("i have chest pain")
        assert await line.carrier.frozen()
        await line.carrier.send(CallerSilentFrame(for_s=30.0, step=2))
        line.carrier._let_go()
        await line.settled()
        assert line.played()[2:] == [SCRIPT, "handoff"]
        assert line.control.transfers == [NIGHT]


async def test_in_the_disclosure_it_is_asked_and_the_disclosure_comes_back() -> None:
    async with on_the_line() as line:
        line.carrier.freeze(300)
        line.start()
        assert await line.carrier.frozen()
        await line.carrier.send(unsure())
        line.carrier._let_go()
        await line.settled()
        assert line.played() == ["disclosure…", SCRIPT, ASK]
        await line.say("no")
        assert line.played()[3:] == ["disclosure", "greeting"]


async def test_while_a_person_is_fetched_it_is_acted_on() -> None:
    async with on_the_line(caller="") as line:
        line.control.failing = True
        await line.opened()
        await line.say("let me talk to a person")
        line.control.failing = False
        await line.carrier.send(unsure())
        await line.settled()
        assert line.played()[-2:] == [SCRIPT, "handoff"]
        assert found(line) == [(RULE, False)]


# --- the numbers of the place ---------------------------------------------------------------------


PLACED = {k: {"en-US": v} for k, v in PHRASES.items()} | EVERYWHERE.phrases


@pytest.mark.parametrize(
    ("place", "script"),
    [
        ("us-il", "rule.emergency-us.danger-to-life"),
        ("eu-ie", "rule.emergency-eu.danger-to-life"),
        ("uk", "rule.emergency-eu.danger-to-life"),
        ("", "rule.emergency-us.danger-to-life"),
        ("au-nsw", "emergency"),
    ],
)
async def test_the_script_names_the_number_of_the_place(place: str, script: str) -> None:
    """A caller on an Irish line was told to dial nine one one, because the agent spoke American English."""
    async with on_the_line(rules=EVERYWHERE, phrases=PLACED, jurisdiction=place, handoff=()) as line:
        await line.opened()
        await line.say("i have chest pain")
        assert line.played()[2:] == [script, "emergency-nobody", script]
        words = PLACED[script]["en-US"]
        assert ("1 1 2" in words, "9 1 1" in words) == (place[:2] in ("eu", "uk"), place[:2] in ("us", ""))


async def test_a_doubt_names_it_as_well() -> None:
    async with on_the_line(rules=EVERYWHERE, phrases=PLACED, jurisdiction="eu-ie") as line:
        await line.opened()
        await line.carrier.send(unsure())
        await line.settled()
        assert line.played()[2:] == ["rule.emergency-eu.danger-to-life", ASK]
