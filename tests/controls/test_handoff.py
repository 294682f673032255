"""A request for a person ends with a person, a promise or a recorded failure; never in silence."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.handoff import (
    TRIES,
    Accepted,
    Durable,
    Event,
    Failed,
    Finish,
    Gone,
    Handoff,
    No,
    Number,
    Output,
    PromiseCallback,
    ReadBack,
    RecordAccepted,
    RecordCompleted,
    RecordFailed,
    Refused,
    Request,
    Route,
    Say,
    Transfer,
    Unclear,
    Wanted,
    Yes,
    clean_number,
    spoken_number,
)

DESK = Route("desk", "reception", "+12025550177")
NIGHT = Route("desk", "night", "+12025550178", open_now=False)
BACK = Route("callback", "reception", within_working_h=4)
CALLER = "+12025550143"


def run(handoff: Handoff, *events: Event) -> tuple[Handoff, list[Output]]:
    outputs: list[Output] = []
    for event in events:
        handoff, some = handoff.step(event)
        outputs += some
    return handoff, outputs


def test_a_desk_takes_the_call() -> None:
    handoff, outputs = run(Handoff.over([DESK, BACK]), Wanted("caller_voice"), Durable(), Accepted(7))
    assert outputs == [
        Request("caller_voice"), Say("handoff"), Transfer(DESK),
        RecordAccepted("blind", 7), RecordCompleted("blind", 7), Finish("completed", True),
    ]  # fmt: skip
    assert handoff.done


def test_nothing_is_transferred_before_the_request_is_on_record() -> None:
    _, outputs = run(Handoff.over([DESK]), Wanted("caller_key"), Accepted(), Yes(), Number("2025550143"))
    assert outputs == [Request("caller_key")]


def test_the_demo_nobody_is_free_and_a_call_back_is_promised() -> None:
    handoff, outputs = run(
        Handoff.over([NIGHT, DESK, BACK], CALLER),
        Wanted("caller_voice"), Durable(), Failed("no_answer", 40), Yes(), Durable(),
    )  # fmt: skip
    assert outputs == [
        Request("caller_voice"),
        RecordFailed("night", "outside_hours", 0),
        Say("handoff"), Transfer(DESK),
        RecordFailed("reception", "no_answer", 40),
        Say("no-one-free"), ReadBack(CALLER),
        PromiseCallback(BACK, CALLER, True),
        Say("callback-promised"), Finish("promised", True),
    ]  # fmt: skip
    assert handoff.waited_s == 40


def test_another_number_is_asked_for_and_read_back() -> None:
    _, outputs = run(
        Handoff.over([BACK], CALLER),
        Wanted("caller_voice"),
        Durable(),
        No(),
        Number("202 555 0199"),
        Yes(),
        Durable(),
    )
    assert PromiseCallback(BACK, "2025550199", True) in outputs
    assert outputs[-1] == Finish("promised", True)


def test_a_number_said_at_once_corrects_the_one_read_back() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Number("2025550199"), Yes())
    assert outputs[-1] == PromiseCallback(BACK, "2025550199", True)


def test_a_number_that_is_never_confirmed_is_promised_as_unconfirmed() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), *[Unclear()] * TRIES)
    assert outputs[-1] == PromiseCallback(BACK, CALLER, False)


def test_without_any_number_the_failure_is_said_and_recorded() -> None:
    _, outputs = run(Handoff.over([BACK]), Wanted("rule"), Durable(), *[Unclear()] * TRIES)
    assert outputs[-3:] == [
        RecordFailed("reception", "nobody_there", 0), Say("nobody-reached"), Finish("nobody", True)
    ]  # fmt: skip


def test_no_routes_at_all() -> None:
    _, outputs = run(Handoff.over([]), Wanted("caller_voice"), Durable())
    assert outputs[1:] == [RecordFailed("", "no_desk", 0), Say("nobody-reached"), Finish("nobody", True)]


def test_a_promise_that_is_not_on_record_is_not_made() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Yes(), Refused())
    assert Say("callback-promised") not in outputs
    assert outputs[-1] == Finish("nobody", True)


def test_without_a_receipt_nobody_is_transferred() -> None:
    _, outputs = run(Handoff.over([DESK, BACK], CALLER), Wanted("rule"), Refused())
    assert not any(isinstance(o, Transfer) for o in outputs)
    assert ReadBack(CALLER) in outputs


def test_an_emergency_is_transferred_without_another_word() -> None:
    _, outputs = run(Handoff.over([DESK]), Wanted("emergency"), Durable())
    assert outputs == [Request("emergency"), Transfer(DESK)]


@pytest.mark.parametrize("events", [(), (Failed("busy"),), (Failed("busy"), No())])
def test_who_hangs_up_is_still_called_back(events: tuple[Event, ...]) -> None:
    handoff, outputs = run(
        Handoff.over([DESK, BACK], CALLER), Wanted("caller_voice"), Durable(), *events, Gone(), Durable()
    )
    assert PromiseCallback(BACK, CALLER, False) in outputs
    assert outputs[-1] == Finish("promised", False)
    assert handoff.done


def test_who_hangs_up_unknown_is_a_recorded_failure() -> None:
    _, outputs = run(Handoff.over([DESK, BACK]), Wanted("caller_voice"), Durable(), Gone())
    assert outputs[-2:] == [RecordFailed("reception", "nobody_there", 0), Finish("nobody", False)]


ROUTES = st.lists(
    st.builds(
        Route, st.sampled_from(["desk", "callback"]), st.sampled_from(["a", "b"]),
        st.sampled_from(["", "+12025550177"]), st.booleans(),
    ),
    max_size=5,
)  # fmt: skip
NUMBERS = st.sampled_from(["", "2025550199", "12", "+12025550143", "no digits"])
EVENTS: Any = st.one_of(
    st.builds(Wanted, st.sampled_from(["caller_voice", "emergency", "rule"])),
    st.builds(Accepted, st.integers(0, 60)),
    st.builds(Failed, st.sampled_from(["no_answer", "busy", "carrier"]), st.integers(0, 60)),
    st.builds(Number, NUMBERS),
    st.sampled_from([Durable(), Refused(), Yes(), No(), Unclear(), Gone()]),
)


def answers_to(output: Output) -> list[str]:
    match output:
        case Request() | PromiseCallback():
            return ["durable", "refused"]
        case Transfer():
            return ["accepted", "failed", "gone"]
        case ReadBack():
            return ["yes", "no", "number", "unclear", "gone"]
        case Say(_, True):
            return ["number", "unclear", "yes", "gone"]
    return []


MADE: dict[str, Event] = {
    "durable": Durable(), "refused": Refused(), "accepted": Accepted(3), "failed": Failed("no_answer", 40),
    "yes": Yes(), "no": No(), "number": Number("2025550199"), "unclear": Unclear(), "gone": Gone(),
}  # fmt: skip


@settings(max_examples=500)
@given(ROUTES, NUMBERS, st.sampled_from(["caller_voice", "emergency", "failure"]), st.data())
def test_every_handoff_ends(routes: list[Route], caller: str, by: Any, data: st.DataObject) -> None:
    handoff = Handoff.over(routes, caller)
    waiting: deque[Event] = deque([Wanted(by)])
    outputs: list[Output] = []
    gone = False
    for _ in range(60):
        if not waiting:
            break
        event = waiting.popleft()
        gone = gone or isinstance(event, Gone)
        handoff, some = handoff.step(event)
        for output in some:
            outputs.append(output)
            possible = [
                a for a in answers_to(output) if not (gone and a in ("yes", "no", "number", "unclear"))
            ]
            if possible:
                waiting.append(MADE[data.draw(st.sampled_from(possible))])
    assert handoff.done
    check_ending(outputs)


def check_ending(outputs: list[Output]) -> None:
    [finish] = [o for o in outputs if isinstance(o, Finish)]
    assert outputs[-1] == finish
    kinds = [type(o) for o in outputs]
    if finish.ending == "completed":
        assert RecordCompleted in kinds
    elif finish.ending == "promised":
        assert PromiseCallback in kinds
    else:
        assert RecordFailed in kinds
        assert not finish.caller_there or Say("nobody-reached") in outputs
    if finish.caller_there and finish.ending == "promised":
        assert Say("callback-promised") in outputs


@settings(max_examples=500)
@given(ROUTES, NUMBERS, st.lists(EVENTS, max_size=20))
def test_stray_events_do_no_harm(routes: list[Route], caller: str, events: list[Event]) -> None:
    handoff = Handoff.over(routes, caller)
    outputs: list[Output] = []
    cleared = False
    for event in events:
        before = handoff
        handoff, some = handoff.step(event)
        cleared = cleared or (isinstance(event, Durable) and bool(outputs))
        outputs += some
        assert not (before.done and some)
        assert handoff.there or not any(isinstance(o, Say | ReadBack) for o in some)
        assert cleared or not any(isinstance(o, Transfer) for o in some)
    assert sum(isinstance(o, Finish) for o in outputs) == int(handoff.done)
    if handoff.done and any(isinstance(o, Request) for o in outputs):
        check_ending(outputs)


def test_numbers() -> None:
    assert clean_number("+1 (202) 555-0143") == "+12025550143"
    assert clean_number("202 555 0143") == "2025550143"
    assert [clean_number(n) for n in ("", "123", "anonymous", "1" * 16, "٣٣٣٣٣٣٣٣")] == [""] * 5
    assert spoken_number("+12025550143") == "2 0 2, 5 5 5, 0 1 4 3"
    assert spoken_number("5550143") == "5 5 5, 0 1 4 3"


def test_no_number_is_shown_by_accident() -> None:
    handoff, outputs = run(
        Handoff.over([DESK, BACK], CALLER), Wanted("rule"), Durable(), Failed("busy"), Yes()
    )
    assert "2025550" not in repr(handoff) + repr(outputs) + repr(Number(CALLER))
