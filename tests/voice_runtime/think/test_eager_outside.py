"""Eager turns and outside suppliers: none is shown words of a pause that the profile keeps inside."""

from __future__ import annotations

import pytest

from controls.errors import LedgerError
from tests.simulators.model_server import refuse, say
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.early import (
    ONCE,
    WORDS,
    decided,
    eager_line,
    ends,
    go_on,
    pause,
    turn_records,
)
from tests.voice_runtime.think.test_chat import AMPLE, server
from voice_runtime.think.eager import EagerAnswer
from voice_runtime.think.endpoints import Endpoint, Endpoints

pytestmark = pytest.mark.anyio


# -- outside suppliers -------------------------------------------------------------------------------


async def test_inside_no_outside_supplier_is_shown_words_of_a_pause(call: Call) -> None:
    model = server(say("Hi."))
    async with eager_line(call, model, outside=True) as line:
        await pause(line)
        await line.model_idle()
        assert not model.connections
        assert call.recorder.records == []
        await ends(line)
        await line.stopped()
        assert [(r.outcome, r.provisional) for r, _ in line.decided()] == [("answered", False)]


async def test_inside_a_fallback_that_is_outside_waits_for_the_turn(call: Call) -> None:
    inside, outside = server(refuse(400)), server(say("From outside."))
    async with eager_line(call, inside, outside, outside_from=1, deadlines=ONCE) as line:
        await pause(line)
        await inside.wait_for_request()
        await line.model_idle()
        assert not outside.connections
        await ends(line)
        await line.stopped()
        assert line.text() == "From outside."
        assert len(outside.requests) == 1
        assert turn_records(call) == ["provisional", "decided answered"]


async def test_inside_a_fallback_that_is_outside_is_never_asked_when_the_caller_goes_on(call: Call) -> None:
    inside, outside = server(refuse(400)), server(say("From outside."))
    async with eager_line(call, inside, outside, outside_from=1, deadlines=ONCE) as line:
        await pause(line)
        await inside.wait_for_request()
        await line.model_idle()
        await go_on(line)
        await decided(line)
    assert not outside.connections


async def test_all_an_outside_supplier_is_asked_once_the_words_are_on_record(call: Call) -> None:
    async def durable() -> None:
        await call.journal.caller_words_durable(30)

    model = server(say("Hi."))
    call.recorder.delayed = True
    async with eager_line(call, model, mode="all", outside=True, wait_before_sending=durable) as line:
        await pause(line)
        await line.model_idle()
        assert not model.connections
        assert [record.type for record, _, _ in call.recorder.waiting] == ["turn.provisional"]
        call.recorder.delayed = False
        call.recorder.commit()
        await model.wait_for_request()
        assert call.recorder.of("turn.provisional")[0][1].text == WORDS
        await ends(line)
        await line.stopped()
        assert line.text() == "Hi."


async def test_all_without_a_receipt_no_outside_supplier_is_asked(call: Call) -> None:
    """Whatever ``receipt_first`` says of it: here words leave that may never be a turn."""

    async def refused() -> None:
        raise LedgerError("disk full")

    model = server(say("Hi."))
    async with eager_line(
        call, model, mode="all", outside=True, receipt_first=False, wait_before_sending=refused
    ) as line:
        await pause(line)
        await decided(line)
        assert not model.connections
        await ends(line)
        await line.stopped()
        assert line.text() == "Hi.", "a turn's words go there without one, says its entry"


# -- parts -------------------------------------------------------------------------------------------


async def test_nobody_gets_an_answer_that_was_not_taken() -> None:
    answer = EagerAnswer(1, [])
    await answer.put("We open")
    with pytest.raises(PermissionError):
        await answer.next()
    answer.withdraw()
    with pytest.raises(PermissionError):
        await answer.next()
    assert not answer.fits(1, [])


async def test_an_endpoint_on_trial_is_not_asked_for_what_may_come_to_nothing() -> None:
    endpoints = Endpoints((Endpoint("a", "http://127.0.0.1:9/v1", "m"),), AMPLE)
    try:
        assert endpoints.may_begin(outside=False)
        [breaker] = endpoints.breakers
        for _ in range(3):
            breaker.failed("late")
        assert not endpoints.may_begin(outside=False)
        breaker.answered()
        assert endpoints.may_begin(outside=False)
    finally:
        await endpoints.aclose()
