"""The way to a person, one output after the other, with every phrase in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pipecat.processors.aggregators.llm_context import LLMContext

from controls.gate import Gate
from controls.ids import new_id
from tests.controls.rules.packs import shipped
from tests.simulators.house import CALLER, DESK, DIGEST, FakeControl, FakeSpool, release
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.agent import DeskRoute
from voice_runtime.clock import SystemClock
from voice_runtime.events import SayFrame, SpokenFrame
from voice_runtime.hours import spoken
from voice_runtime.inline.journal import Journal
from voice_runtime.inline.person import WayToAPerson

pytestmark = pytest.mark.anyio

READ_BACK = "I have 2 0 2, 5 5 5, 0 1 2 3. Is that right?"
CALLBACK = DeskRoute("callback", "reception", title="reception")
OPEN = DeskRoute("desk", "reception", DESK, always=True)


class Way:
    """A way to a person; what it says is played at once unless ``silent``."""

    def __init__(self, *routes: DeskRoute, caller: str = CALLER) -> None:
        self.recorder, self.spool, self.control = MemoryRecorder(), FakeSpool(), FakeControl()
        self.said: list[str] = []
        self.cuts = 0
        self.silent = False
        self.finished: list[tuple[str, str]] = []
        self.nobody = 0
        self.consents: list[tuple[bool, str]] = []
        self.opted_out = False
        self.changed = asyncio.Event()
        call = new_id("c")
        journal = Journal(
            self.recorder, tenant="clinic", call=call, clock=SystemClock(), context=LLMContext(),
            spool=self.spool,
        )  # fmt: skip
        gate = Gate(
            recorder=self.recorder, tenant="clinic", call=call, rules=shipped(), language="en-US",
            spool=self.spool,
        )  # fmt: skip
        gate.bind(DIGEST, {}).result(0)
        self.way = WayToAPerson(
            journal, gate, release(handoff=routes), language="en-US", clock=SystemClock(), caller=caller,
            receipt_deadline_s=0.05, say=self._say, interrupt=self._interrupt, finish=self._finish,
            on_nobody=self._nobody, consent=self._consent, barred=lambda: self.opted_out,
        )  # fmt: skip
        self.way.control = self.control

    async def _say(self, frame: SayFrame) -> None:
        self.said.append(frame.phrase or frame.text)
        self.changed.set()
        if not self.silent:
            await self.way.spoken(SpokenFrame(frame.tag, "k", frame.phrase, 0, True, 100, 100, ""))

    async def _consent(self, given: bool, how: str) -> None:
        self.consents.append((given, how))
        self.changed.set()

    async def _interrupt(self) -> None:
        self.cuts += 1

    async def _finish(self, ended_by: str, reason: str) -> None:
        self.finished.append((ended_by, reason))
        self.changed.set()

    async def _nobody(self) -> None:
        self.nobody += 1
        self.changed.set()

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    def types(self) -> list[str]:
        return [t for t in self.recorder.types() if not t.startswith("release")]


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
    way.way._keys._pause_s = 0.01
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


async def test_nobody_agrees_to_a_call_back_they_were_not_asked_about_in_full() -> None:
    way = Way(CALLBACK)
    way.silent = True
    await way.way.wanted("caller_key", "pressed 0")
    await way.until(lambda: len(way.said) == 2)
    await way.way.answer("yes", True)
    await way.way.spoken(SpokenFrame("person:1", "k", "no-one-free", 0, True, 1, 1, ""))
    await way.way.spoken(SpokenFrame("person:2", "k", "ask-callback", 0, False, 40, 100, ""))
    await way.until(lambda: len(way.said) == 3)
    assert (way.said[2], way.consents) == ("ask-callback", [])
    await way.way.answer("yes", True)
    await way.way.spoken(SpokenFrame("person:3", "k", "ask-callback", 0, True, 100, 100, ""))
    await way.until(lambda: len(way.said) == 4)
    assert (way.said[3], way.consents) == (READ_BACK, [(True, "voice")])
    await way.way.abandon()


@pytest.mark.parametrize("how", ["voice", "keypad", "default"])
async def test_a_refused_call_back_is_said_and_the_caller_stays(how: str) -> None:
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    if how == "keypad":
        await way.way.key("2")
    elif how == "voice":
        await way.way.answer("no thanks", False)
    else:
        await way.way.answer("", None)
        await way.until(lambda: len(way.said) == 3)
        await way.way.answer("", None)
    await way.until(lambda: way.nobody)
    assert way.said[-2:] == ["callback-cancelled", "nobody-reached"]
    assert way.consents == [(False, how)]
    assert way.recorder.of("handoff.failed")[-1][0].reason == "declined"
    assert way.recorder.of("callback.promised") == []


async def test_a_wrong_number_is_refused_by_key_and_another_is_keyed() -> None:
    way = Way(CALLBACK)
    way.way._keys._pause_s = 0.01
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    await way.way.key("1")
    await way.until(lambda: len(way.said) == 3)
    await way.way.key("2")
    await way.until(lambda: len(way.said) == 4)
    assert way.said[3] == "ask-number"
    for key in "2025550144#":
        await way.way.key(key)
    await way.until(lambda: len(way.said) == 5)
    await way.way.key("1")
    await way.until(lambda: way.finished)
    [(promised, details)] = way.recorder.of("callback.promised")
    assert (promised.number_confirmed, details.number) == (True, "2025550144")


@pytest.mark.parametrize("agrees_first", [False, True])
async def test_who_opts_out_is_called_back_on_nothing(agrees_first: bool) -> None:
    """Opting out in the midst of the form got a call-back promised as the call closed."""
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    if agrees_first:
        await way.way.answer("yes", True)
        await way.until(lambda: len(way.said) == 3)
    way.opted_out = True
    await way.way.close()
    assert way.recorder.of("callback.promised") == []
    assert way.recorder.of("handoff.failed")[-1][0].reason == "declined"


async def test_who_opted_out_before_is_not_asked() -> None:
    way = Way(CALLBACK)
    way.opted_out = True
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: way.nobody)
    assert way.said == ["nobody-reached"]


# --- an emergency ---------------------------------------------------------------------------------


SCRIPT = "rule.emergency-us.danger-to-life"


async def test_an_emergency_after_hours_ends_with_the_number_to_dial() -> None:
    """It ended with "Nobody is free", and a form for a call-back."""
    way = Way(DeskRoute("desk", "reception", DESK, hours="UTC"), CALLBACK)
    await way.way.wanted("emergency", "emergency-us/danger-to-life", script=SCRIPT)
    await way.until(lambda: way.nobody)
    assert way.said == [SCRIPT, "emergency-nobody", SCRIPT]
    assert way.types() == ["handoff.requested", "handoff.failed"]
    assert way.control.transfers == []


async def test_an_emergency_reaches_who_is_on_call() -> None:
    way = Way(
        DeskRoute("desk", "reception", DESK, hours="UTC"),
        DeskRoute("desk", "on-call", "+12025550199", always=True, urgent_only=True), CALLBACK,
    )  # fmt: skip
    await way.way.wanted("emergency", "emergency-us/danger-to-life", script=SCRIPT)
    await way.control.asked.wait()
    assert (way.said, way.control.transfers) == ([SCRIPT, "handoff"], ["+12025550199"])
    await way.way.abandon()


async def test_a_further_urgent_sentence_restarts_nothing() -> None:
    """Each one said the script again and asked the carrier again, and left a false promise behind."""
    way = Way(OPEN, CALLBACK)
    await way.way.wanted("emergency", "emergency-us/danger-to-life", script=SCRIPT)
    await way.control.asked.wait()
    await way.way.wanted(
        "emergency", "emergency-us/danger-to-self", script="rule.emergency-us.danger-to-self"
    )
    assert (way.said, way.control.transfers) == ([SCRIPT, "handoff"], [DESK])
    assert way.types() == ["handoff.requested"]
    way.way.dialled("no-answer")
    await way.until(lambda: way.nobody)
    assert way.recorder.of("callback.promised") == []


async def test_it_restarts_nothing_while_the_number_to_dial_is_being_said() -> None:
    way = Way()
    await way.way.wanted("emergency", "x", script=SCRIPT)
    way.silent = True
    await way.until(lambda: len(way.said) == 3)
    await way.way.wanted("emergency", "x", script=SCRIPT)
    assert len(way.said) == 3
    await way.way.spoken(SpokenFrame("person:2", "k", "", 0, True, 1, 1, ""))
    await way.way.spoken(SpokenFrame("person:3", "k", "", 0, True, 1, 1, ""))
    await way.until(lambda: way.nobody)


async def test_a_form_that_an_emergency_overtakes_is_settled_and_promises_nothing() -> None:
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 3)
    await way.way.wanted("emergency", "x", script=SCRIPT)
    await way.until(lambda: way.nobody)
    assert way.said[3:] == [SCRIPT, "emergency-nobody", SCRIPT]
    assert way.recorder.of("callback.promised") == []
    first, second = (record for record, _ in way.recorder.of("handoff.requested"))
    failed = [(record.handoff, record.reason) for record, _ in way.recorder.of("handoff.failed")]
    assert failed == [(first.handoff, "overtaken"), (second.handoff, "nobody_there")]


async def test_a_transfer_under_way_goes_on_behind_the_script() -> None:
    way = Way(OPEN, CALLBACK)
    way.silent = True
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: way.said == ["handoff"])
    await way.way.wanted("emergency", "x", script=SCRIPT)
    await way.way.spoken(SpokenFrame("person:1", "k", "handoff", 0, False, 20, 100, ""))
    for _ in range(50):
        await asyncio.sleep(0)
    assert (way.said, way.control.transfers) == (["handoff", SCRIPT], [])
    await way.way.spoken(SpokenFrame("person:2", "k", SCRIPT, 0, True, 100, 100, ""))
    await way.control.asked.wait()
    assert way.control.transfers == [DESK]
    way.silent = False
    way.way.dialled("no-answer")
    await way.until(lambda: way.nobody)
    assert way.said[2:] == ["emergency-nobody", SCRIPT]
    assert len(way.recorder.of("handoff.requested")) == 1


async def test_a_stalled_ledger_delays_no_emergency() -> None:
    """The script waited up to three seconds for a promise on its way to disk."""
    way = Way(CALLBACK)
    await way.way.wanted("caller_voice", "asked")
    await way.until(lambda: len(way.said) == 2)
    await way.way.answer("yes", True)
    await way.until(lambda: len(way.said) == 3)
    way.recorder.delayed = True
    await way.way.answer("yes", True)
    while not any(r.type == "callback.promised" for r, _, _ in way.recorder.waiting):
        await asyncio.sleep(0)
    started = asyncio.get_running_loop().time()
    await way.way.wanted("emergency", "x", script=SCRIPT)
    assert way.said[-1] == SCRIPT
    assert asyncio.get_running_loop().time() - started < 0.5
    await way.until(lambda: way.nobody)
    way.recorder.commit()
    assert way.types() == ["handoff.requested", "callback.promised", "handoff.requested", "handoff.failed"]


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
    way.way._journal.transcript = [("caller", f"turn {n}") for n in range(9)]
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
