"""A whole call on the way to a person: call-backs take a yes, emergencies end with the number to dial."""

from __future__ import annotations

import asyncio

import pytest

from controls.bound_phrases import phrase_digest
from tests.simulators.house import CALLER, DESK, PHRASES, OnTheLine, on_the_line
from tests.simulators.model_server import say
from voice_runtime.agent import DeskRoute

pytestmark = pytest.mark.anyio

ONLY_CALLBACK = (DeskRoute("callback", "reception", title="reception"),)


async def test_who_hangs_up_while_a_number_is_asked_for_is_called_back_on_their_own() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        await line.hang_up()
        [(record, details)] = line.of("callback.promised")
        assert (details.number, record.number_confirmed) == (CALLER, False)


async def test_who_hangs_up_unasked_is_not_called_back() -> None:
    """Everybody who hung up on the way to a person was promised a call, and told of none."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        await line.hang_up()
        assert line.of("callback.promised") == []
        assert [r.reason for r, _ in line.of("handoff.failed")] == ["hung_up"]


def callback_consents(line: OnTheLine) -> list[tuple[bool, str, str | None]]:
    return [(r.given, r.how, r.asked) for r, _ in line.of("consent.recorded") if r.scope == "callback"]


@pytest.mark.parametrize("how", ["voice", "keypad"])
async def test_a_refused_call_back_is_on_record_and_the_call_goes_on(how: str) -> None:
    async with on_the_line(say("At nine."), handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        await (line.say("no") if how == "voice" else line.press("2"))
        assert line.played()[2:] == [
            "no-one-free", "ask-callback", "callback-cancelled", "nobody-reached", "ai-again",
        ]  # fmt: skip
        assert callback_consents(line) == [(False, how, phrase_digest(PHRASES["ask-callback"]))]
        await line.say("when do you open")
        assert line.played()[-1] == "At nine."
        await line.hang_up()
        assert line.of("callback.promised") == []


async def test_an_agreed_call_back_is_on_record_before_the_promise() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes", "yes")
        await line.ended()
        assert callback_consents(line) == [(True, "voice", phrase_digest(PHRASES["ask-callback"]))]
        kinds = line.types()
        assert kinds.index("consent.recorded") < kinds.index("callback.promised")


@pytest.mark.parametrize("said", [(), ("yes",)])
async def test_opting_out_in_the_midst_of_the_form_bars_the_call_back(said: tuple[str, ...]) -> None:
    """Who opted out there was promised a call-back as the call closed."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", *said)
        await line.carrier.say("take me off your list")
        await line.ended()
        assert line.of("callback.promised") == []
        assert line.played()[-1] == "opted-out"
        assert ("callback", "voice") in [(r.scope, r.how) for r, _ in line.of("consent.withdrawn")]
        assert [r.reason for r, _ in line.of("handoff.failed")] == ["declined"]


async def test_after_hours_an_emergency_ends_with_the_number_and_the_caller_stays() -> None:
    """ "Nobody is free", a form for a call-back, and the agent's own name was the last word."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("i have chest pain")
        script = "rule.emergency-us.danger-to-life"
        assert line.played()[2:] == [script, "emergency-nobody", script]
        assert not line.carrier.over
        await line.hang_up()
        assert line.of("callback.promised") == []
        assert line.closed() == ("caller", "hung_up")


async def test_further_urgent_sentences_are_found_and_restart_nothing() -> None:
    async with on_the_line() as line:
        await line.opened()
        await line.say("i have chest pain", "i can not breathe", "i have chest pain")
        assert line.played()[2:] == ["rule.emergency-us.danger-to-life", "handoff"]
        assert line.control.transfers == [DESK]
        assert len(line.of("emergency.detected")) == 3
        assert len(line.of("handoff.requested")) == 1
        await line.hang_up()
        await line.call.transferred()
        assert line.of("callback.promised") == []


async def test_a_ledger_that_stalls_delays_no_emergency() -> None:
    """The script sounds while nothing at all is written; it waited three seconds for a promise."""
    async with on_the_line(handoff=ONLY_CALLBACK, deadline_s=5.0) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        line.recorder.delayed = True
        await line.carrier.say("yes")
        while not any(r.type == "callback.promised" for r, _, _ in line.recorder.waiting):
            await asyncio.sleep(0.001)
        line.carrier.freeze(200)
        started = asyncio.get_running_loop().time()
        await line.carrier.say("i have chest pain")
        assert await line.carrier.frozen()
        assert asyncio.get_running_loop().time() - started < 2.0
        line.recorder.delayed = False
        line.recorder.commit()
        line.carrier._let_go()
        await line.settled()
        assert line.played()[-3:] == [
            "rule.emergency-us.danger-to-life", "emergency-nobody", "rule.emergency-us.danger-to-life",
        ]  # fmt: skip


@pytest.mark.parametrize("how", ["spoken", "keyed"])
async def test_a_withheld_number_is_asked_for_and_read_back(how: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK, caller="") as line:
        await line.opened()
        await line.press("0")
        await line.press("1")
        assert line.played()[2:] == ["no-one-free", "ask-callback", "ask-number"]
        if how == "spoken":
            await line.say("two oh two five five five oh one four four")
        else:
            await line.press("2025550144")
        assert line.played()[-1] == "I have two zero two, five five five, zero one four four. Is that right?"
        await line.say("yes")
        await line.ended()
        [(record, details)] = line.of("callback.promised")
        assert (details.number, record.number_confirmed) == ("2025550144", True)
        assert line.closed() == ("agent", "callback")


# --- a number is a telephone's, a yes one to a question that was asked ------------------------------


def numbers_on_record(line: OnTheLine) -> list[str]:
    return [details.number for _, details in line.of("callback.promised")]


@pytest.mark.parametrize(
    "said",
    [
        "my card is 3782 822463 10005",
        "my social security number is 219 09 9999",
        "my account number is 1234 5678",
    ],
)
async def test_a_card_or_social_security_number_is_no_yes_and_no_number(said: str) -> None:
    """It was taken for both, was sealed unmasked, and the next yes confirmed it without a read-back."""
    async with on_the_line(handoff=ONLY_CALLBACK, caller="") as line:
        await line.opened()
        await line.say("let me talk to a person", said)
        assert line.played()[-1] == "ask-callback"
        assert callback_consents(line) == []
        await line.say("yes", said, "yes", "yes")
        await line.hang_up()
        assert numbers_on_record(line) == []
        digits = "".join(c for c in said if c.isdigit())
        kept = str([personal for _, personal in line.recorder.records])
        assert digits not in kept.replace(" ", "").replace("-", "")


@pytest.mark.parametrize("keys", ["378282246310005", "219099999", "12345678"])
async def test_keys_that_are_no_telephone_s_are_never_the_number(keys: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK, caller="") as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        await line.press(keys)
        assert line.played()[-1] == "ask-number"
        await line.press("2025550144")
        await line.say("yes")
        await line.ended()
        assert numbers_on_record(line) == ["2025550144"]
        assert keys not in str([personal for _, personal in line.recorder.records])


async def test_the_rest_of_a_card_takes_its_beginning_back() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK, caller="") as line:
        await line.opened()
        await line.say("let me talk to a person", "yes", "3782 822463", "10005")
        assert line.played()[-1] == "ask-number"
        await line.hang_up()
        assert numbers_on_record(line) == []


async def test_an_okay_before_the_question_began_is_no_consent() -> None:
    """ "okay" 0.5 s into "Nobody is free." was recorded with the digest of a question that had not begun."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("let me talk to a person")
        assert await line.carrier.frozen()
        await line.say("okay")
        assert line.played()[2:] == ["no-one-free", "ask-callback"]
        assert callback_consents(line) == []
        assert ("okay", "nobody") in line.addressed()
        await line.say("yes")
        assert [given for given, _, _ in callback_consents(line)] == [True]


@pytest.mark.parametrize(
    "said",
    [
        "nobody should call me at 202 555 0143", "did you call me from 202 555 0143",
        "why would you call me on 202 555 0143", "you people call me on 202 555 0143 every day",
        "i had someone call me from 202 555 0143 and threaten me",
    ],
)  # fmt: skip
async def test_a_number_in_a_refusal_or_a_tale_is_no_yes(said: str) -> None:
    """Found by reading: each was a consent to a call-back, and a stranger's number was promised one."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", said)
        await line.hang_up()
        assert [given for given, _, _ in callback_consents(line) if given] == []
        assert numbers_on_record(line) == []


@pytest.mark.parametrize("words", ["yes please call me back", "yes call me back"])
async def test_a_yes_that_repeats_the_question_is_one(words: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", words)
        assert [given for given, _, _ in callback_consents(line)] == [True]


@pytest.mark.parametrize(
    "said",
    ["my routing number is 202 555 0143", "account 202 555 0143", "my member id is 202 555 0143"],
)
async def test_a_number_said_to_be_something_else_is_no_call_back_number(said: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK, caller="") as line:
        await line.opened()
        await line.say("let me talk to a person", "yes", said)
        await line.hang_up()
        assert numbers_on_record(line) == []


@pytest.mark.parametrize("reason", ["misheard", "crash"])
async def test_an_okay_behind_say_that_again_is_no_consent(reason: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        line.carrier.freeze(300)
        line.call.ear_failed(reason)
        assert await line.carrier.frozen()
        await line.say("okay")
        assert line.played()[-2:] == [
            "not-understood" if reason == "misheard" else "fallback",
            "ask-callback",
        ]
        assert callback_consents(line) == []


async def test_an_okay_to_what_this_is_is_no_consent() -> None:
    """Between two questions of ours, one of the caller's: "I'm an AI assistant" – "oh okay"."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        line.carrier.freeze(300)
        await line.carrier.say("are you a robot")
        assert await line.carrier.frozen()
        await line.say("okay")
        assert line.played()[-2:] == ["ai-answer", "ask-callback"]
        assert callback_consents(line) == []
        await line.say("okay")
        assert [given for given, _, _ in callback_consents(line)] == [True]


async def test_a_question_of_an_earlier_handoff_is_answered_by_nothing() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", "no")
        line.carrier.freeze(300)
        await line.carrier.say("i want a person")
        assert await line.carrier.frozen()
        await line.say("okay")
        assert [given for given, _, _ in callback_consents(line)] == [False]
        assert line.played()[-1] == "ask-callback"


@pytest.mark.parametrize("key", ["1", "2"])
async def test_a_key_before_the_question_began_is_no_answer(key: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        line.carrier.freeze(300)
        await line.carrier.say("let me talk to a person")
        assert await line.carrier.frozen()
        await line.press(key)
        assert line.played()[2:] == ["no-one-free", "ask-callback"]
        assert callback_consents(line) == []


async def into_the_question(line: OnTheLine) -> None:
    """The question sounds for the second time, and a part of it has been played."""
    await line.opened()
    await line.say("let me talk to a person")
    line.carrier.freeze(200)
    await line.carrier.say("well i wonder")
    assert await line.carrier.frozen()
    assert line.played()[-1] == "ask-callback"


async def test_an_okay_while_the_question_sounds_is_listening() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await into_the_question(line)
        await line.say("okay")
        assert line.played()[-2:] == ["ask-callback", "ask-callback"]
        assert callback_consents(line) == []
        await line.say("okay")
        assert [given for given, _, _ in callback_consents(line)] == [True]


@pytest.mark.parametrize("how", ["voice", "keypad"])
async def test_a_yes_while_the_question_sounds_counts_once_it_was_played(how: str) -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await into_the_question(line)
        await (line.say("yes") if how == "voice" else line.press("1"))
        assert line.played()[2:5] == ["no-one-free", "ask-callback", "ask-callback"]
        assert [(given, by) for given, by, _ in callback_consents(line)] == [(True, how)]
        kinds = line.types()
        last = [i for i, (_, d) in enumerate(line.of("agent.played")) if d.phrase == "ask-callback"][-1]
        played = [i for i, kind in enumerate(kinds) if kind == "agent.played"][last]
        assert kinds.index("consent.recorded") > played


async def test_a_yes_into_the_read_back_confirms_nothing() -> None:
    """A number counted as confirmed of which the caller had heard the first figures."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        line.carrier.freeze(300)
        await line.carrier.say("yes")
        assert await line.carrier.frozen()
        await line.say("yes")
        assert line.of("callback.promised") == []
        assert line.played()[-2].endswith("…")
        assert line.played()[-1].endswith("Is that right?")
        await line.say("yes")
        await line.ended()
        [(record, _)] = line.of("callback.promised")
        assert record.number_confirmed


async def test_a_stop_during_the_question_is_said_before_it_goes_on() -> None:
    """It was never said: the caller went on with a call-back from an agent that somebody had stopped."""
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person")
        line.call.stop()
        await line.settled()
        assert line.played()[2:] == ["no-one-free", "ask-callback", "stopped", "ask-callback"]
        assert callback_consents(line) == []
        await line.say("yes", "yes")
        await line.ended()
        assert [given for given, _, _ in callback_consents(line)] == [True]
        assert line.closed() == ("agent", "callback")


async def test_a_stop_while_a_number_is_read_back_has_it_read_back_again() -> None:
    async with on_the_line(handoff=ONLY_CALLBACK) as line:
        await line.opened()
        await line.say("let me talk to a person", "yes")
        asked = line.played()[-1]
        line.call.stop()
        await line.settled()
        assert line.played()[-2:] == ["stopped", asked]
        await line.say("no", "no")
        await line.ended()
        assert line.closed() == ("operator", "stopped")
        assert numbers_on_record(line) == []
