"""The way to a person, one output after the other, with every phrase in the test's hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from controls.ledger import records as r
from tests.simulators.house import CALLER, DESK
from tests.simulators.way import CALLBACK, OPEN, READ_BACK, Way
from voice_runtime.agent import DeskRoute
from voice_runtime.events import SoundsFrame, SpokenFrame
from voice_runtime.hours import spoken
from voice_runtime.phrases import STOPPED

pytestmark = pytest.mark.anyio


async def test_a_desk_that_is_open_gets_the_caller() -> None:
    way = Way(OPEN, CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.control.asked.wait()
    assert (way.said, way.control.transfers, way.cuts) == (["handoff"], [DESK], 1)
    assert way.way.transferring
    way.way.dialled("completed")
    await way.way.finished()
    assert way.finished == [("person", "transferred")]
    assert way.types() == ["handoff.requested", "handoff.accepted", "handoff.completed"]
    assert way.way.at_rest


@pytest.mark.parametrize(
    ("status", "reason"), [("busy", "busy"), ("no-answer", "no_answer"), ("failed", "carrier")]
)
async def test_a_desk_that_does_not_answer_is_on_record_and_the_next_route_is_tried(
    status: str, reason: str
) -> None:
    way = Way(OPEN, CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.control.asked.wait()
    way.way.dialled(status)
    await way.until(lambda: len(way.said) == 3)
    assert way.said[1:] == ["no-one-free", "ask-callback"]
    assert way.recorder.of("handoff.failed")[0][0].reason == reason
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 4)
    assert way.said[3] == READ_BACK
    await way.way.answer("yes", True)
    await way.until(lambda: way.finished)
    assert way.finished == [("agent", "callback")]
    assert way.said[4] == "callback-promised"
    assert way.said[5].endswith(", by reception.")
    assert way.consents == [(True, "voice")]


async def test_a_carrier_that_hangs_is_given_up_after_the_routes_own_patience() -> None:
    way = Way(DeskRoute("desk", "reception", DESK, always=True, wait_s=0.02))

    async def never(to: str, *, announce: str = "") -> None:
        await asyncio.Event().wait()

    way.control.transfer = never  # type: ignore[method-assign]
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: way.nobody)
    assert way.said == ["handoff", "nobody-reached"]
    assert not way.way.transferring


async def test_without_a_carrier_that_transfers_a_call_back_is_promised() -> None:
    way = Way(OPEN, CALLBACK)
    way.way.control = None
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: way.way.asking and way.way.at_rest and len(way.said) == 3)
    await way.way.key("1")
    await way.until(lambda: len(way.said) == 4)
    await way.way.answer("yes", True)
    await way.until(lambda: way.finished)
    [(record, details)] = way.recorder.of("callback.promised")
    assert (record.number_confirmed, details.number, details.desk) == (True, CALLER, "reception")
    assert way.consents == [(True, "keypad")]


async def test_keys_without_a_hash_are_a_number_after_a_pause() -> None:
    way = Way(CALLBACK, caller="")
    way.way._answers.keys._pause_s = 0.01
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: way.said == ["no-one-free", "ask-callback"])
    await way.way.key("1")
    await way.until(lambda: way.said == ["no-one-free", "ask-callback", "ask-number"])
    for key in "2025550144":
        await way.way.key(key)
    await way.until(lambda: len(way.said) == 4)
    assert way.said[3] == "I have 2 0 2, 5 5 5, 0 1 4 4. Is that right?"
    await way.way.abandon()


async def test_a_question_that_could_not_be_spoken_is_not_waited_for_and_promises_nothing() -> None:
    way = Way(CALLBACK)
    way.silent = True
    await way.way.wanted("failure", "the record could not be written")
    await way.until(lambda: way.said)
    await way.way.spoken(SpokenFrame("person:1", "k", "no-one-free", 0, True, 1, 1, ""))
    for n in (2, 3):
        await way.until(lambda n=n: len(way.said) == n)  # type: ignore[misc]
        way.way.not_said(f"person:{n}")
        if n == 3:
            way.silent = False
        await way.way.spoken(SpokenFrame(f"person:{n}", "k", "ask-callback", 0, False, 0, 1, ""))
    await way.until(lambda: way.finished)
    assert way.said[3:] == ["callback-cancelled", "nobody"]
    assert way.consents == [(False, "default")]
    assert way.recorder.of("callback.promised") == []


async def test_a_question_goes_out_while_the_phrase_before_it_sounds() -> None:
    """Else the caller hears nothing while the proof of the phrase travels and the question is synthesised."""
    way = Way(CALLBACK)
    way.silent = True
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: len(way.said) == 2)
    assert way.said == ["no-one-free", "ask-callback"]
    await way.way.abandon()


async def test_nothing_goes_out_behind_a_question_that_still_sounds() -> None:
    """The caller may interrupt it, and would cut what waits behind it."""
    way = Way(CALLBACK)
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: len(way.said) == 2)
    way.silent = True
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 3)
    await way.way.answer("call 202 555 0144", None)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(way.said) == 3
    await way.way.spoken(SpokenFrame("person:3", "k", "", 0, True, 100, 100, ""))
    await way.until(lambda: len(way.said) == 4)
    assert way.said[3] == "I have 2 0 2, 5 5 5, 0 1 4 4. Is that right?"
    await way.way.abandon()


# --- a call-back needs a yes ----------------------------------------------------------------------


# --- an emergency ---------------------------------------------------------------------------------


async def settle() -> None:
    """Let everything that can happen by itself happen."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_second_yes_to_the_same_question_confirms_no_number() -> None:
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    await way.way.answer("yes", True)
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 3)
    await settle()
    assert (way.said[2:], way.recorder.of("callback.promised")) == ([READ_BACK], [])
    await way.way.answer("yes", True)
    await way.until(lambda: way.finished)
    [(record, _)] = way.recorder.of("callback.promised")
    assert record.number_confirmed


async def test_a_figure_keyed_before_the_number_was_said_confirms_nothing() -> None:
    way = Way(CALLBACK, caller="")
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: len(way.said) == 2)
    await way.way.key("1")
    await way.until(lambda: len(way.said) == 3)
    await way.way.key("1")
    await way.way.answer("202 555 0144", None)
    await way.until(lambda: len(way.said) == 4)
    assert way.way._answers.keys._timer is None
    await settle()
    assert way.recorder.of("callback.promised") == []
    await way.way.abandon()


@pytest.mark.parametrize(
    "instead", ["abuse", ""], ids=["another phrase in its place", "other figures in its place"]
)
async def test_what_is_not_read_back_as_it_is_is_never_confirmed(instead: str) -> None:
    """A rule refused the read-back, and the next yes confirmed the number all the same."""
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    way.silent = True
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 3)
    words = "" if instead else "I have that number. Is that right?"
    await way.way.spoken(SpokenFrame("person:3", "k", instead, 0, True, 100, 100, words))
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 4)
    assert way.said[3] == ("ask-number" if instead else READ_BACK)
    assert way.recorder.of("callback.promised") == []
    await way.way.abandon()


async def test_a_key_before_the_question_sounds_is_none() -> None:
    way = Way(CALLBACK)
    way.silent = True
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: len(way.said) == 2)
    await way.way.key("1")
    await settle()
    way.way.sounds(SoundsFrame("person:1", 0.1))
    await way.way.key("1")
    await settle()
    await way.way.spoken(SpokenFrame("person:1", "k", "no-one-free", 0, True, 100, 100, ""))
    way.way.sounds(SoundsFrame("person:2", 0.3))
    await way.way.key("1")
    await settle()
    assert way.consents == []  # the question sounds still: what answers it waits for its end
    await way.way.spoken(SpokenFrame("person:2", "k", "ask-callback", 0, True, 100, 100, ""))
    await way.until(lambda: way.consents)
    assert way.consents == [(True, "keypad")]
    await way.way.abandon()


async def test_a_stop_is_said_to_who_is_asked_something_and_to_nobody_else() -> None:
    way = Way(CALLBACK)
    assert not await way.way.says_first(STOPPED)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    assert await way.way.says_first(STOPPED)
    await way.until(lambda: len(way.said) == 4)
    assert way.said[2:] == [STOPPED, "ask-callback"]
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 5)
    assert await way.way.says_first(STOPPED)
    await way.until(lambda: len(way.said) == 7)
    assert way.said[4:] == [READ_BACK, STOPPED, READ_BACK]
    await way.way.abandon()


async def test_nobody_is_put_through_before_they_have_been_told() -> None:
    way = Way(OPEN)
    way.silent = True
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: way.said)
    for _ in range(50):
        await asyncio.sleep(0)
    assert (way.said, way.control.transfers) == (["handoff"], [])
    await way.way.spoken(SpokenFrame("person:1", "k", "handoff", 0, True, 100, 100, ""))
    await way.control.asked.wait()
    await way.way.abandon()


async def test_a_second_wish_changes_nothing_while_a_person_is_fetched() -> None:
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    await way.way.wanted("caller_key", "pressed 0")
    assert (way.types().count("handoff.requested"), way.cuts) == (1, 1)
    await way.way.abandon()


async def test_a_failure_or_a_rule_does_not_cut_the_phrase_that_says_so() -> None:
    for by in ("failure", "rule"):
        way = Way()
        await way.way.wanted(by, "because")
        await way.until(lambda way=way: way.finished or way.nobody)  # type: ignore[misc]
        assert way.cuts == 0


async def test_when_the_agent_fails_and_nobody_is_there_the_call_ends() -> None:
    way = Way()
    await way.way.wanted("failure", "the model did not answer")
    await way.until(lambda: way.finished)
    assert (way.said, way.finished) == (["nobody"], [("failure", "failed")])


async def test_who_hangs_up_before_anything_is_asked_gets_a_failed_handoff() -> None:
    way = Way()
    way.silent = True
    await way.way.wanted("caller_voice", "asked")
    await way.way.abandon()
    assert way.recorder.of("handoff.failed") or way.recorder.of("handoff.requested") == []
    assert way.way.at_rest


async def test_a_person_gets_the_newest_turns_in_their_own_words() -> None:
    way = Way(CALLBACK)
    for n in range(9):
        said = r.SaidDetails(text=f"turn {n}", confidence=1, started_s=n, ended_s=n + 1)
        way.way._journal.transcript.caller(said)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    [(_, details)] = way.recorder.of("handoff.requested")
    assert details.summary == " / ".join(f"caller: turn {n}" for n in range(3, 9))
    await way.way.abandon()


@pytest.mark.parametrize(
    ("due", "words"),
    [
        (datetime(2026, 11, 2, 15, 0, tzinfo=UTC), "Monday, 3 PM"),
        (datetime(2026, 11, 2, 15, 1, tzinfo=UTC), "Monday, 4 PM"),
        (datetime(2026, 11, 3, 11, 30, tzinfo=UTC), "Tuesday, 12 PM"),
        (datetime(2026, 11, 3, 23, 30, tzinfo=UTC), "Wednesday, 12 AM"),
    ],
)
def test_a_time_is_spoken_to_the_next_full_hour(due: datetime, words: str) -> None:
    assert spoken(due, "en-US") == words


def test_a_time_is_spoken_in_the_language_of_the_call() -> None:
    assert spoken(datetime(2026, 11, 2, 15, 0, tzinfo=UTC), "es-US") == "lunes a las 3 de la tarde"
    assert spoken(datetime(2026, 11, 3, 12, 30, tzinfo=UTC), "es-US") == "martes a la 1 de la tarde"
    assert spoken(datetime(2026, 11, 3, 12, 30, tzinfo=UTC), "de-DE") == ""


async def test_a_call_that_was_stopped_is_not_told_to_dial_the_emergency_number() -> None:
    """On a line whose place is known, the words of a stop were taken for an emergency's."""
    way = Way(OPEN, place="us-il")
    await way.way.wanted("failure", "stopped by a person", script=STOPPED, answers=False)
    await way.control.asked.wait()
    assert way.said == ["stopped", "handoff"]
    way.way.dialled("completed")
    await way.way.finished()
