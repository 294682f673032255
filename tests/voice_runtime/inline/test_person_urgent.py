"""The way to a person: nobody is called back without a yes, and an emergency waits for nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulators.house import DESK
from tests.simulators.way import CALLBACK, OPEN, READ_BACK, Way
from voice_runtime.agent import DeskRoute
from voice_runtime.events import SpokenFrame

pytestmark = pytest.mark.anyio


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
    way.way._answers.keys._pause_s = 0.01
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
