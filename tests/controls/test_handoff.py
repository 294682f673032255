"""A request for a person ends with a person, a promise or a recorded failure; never in silence."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.handoff import (
    NOBODY,
    OFFER,
    OFFERS,
    TRIES,
    URGENT_NOBODY,
    Accepted,
    Again,
    Consent,
    Durable,
    Event,
    Failed,
    Finish,
    Gone,
    Handoff,
    No,
    Number,
    Output,
    Overtaken,
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
    Urgent,
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
        Wanted("caller_voice"), Durable(), Failed("no_answer", 40), Yes(), Yes(), Durable(),
    )  # fmt: skip
    assert outputs == [
        Request("caller_voice"),
        RecordFailed("night", "outside_hours", 0),
        Say("handoff"), Transfer(DESK),
        RecordFailed("reception", "no_answer", 40),
        Say("no-one-free"), Say(OFFER, answer=True),
        Consent(True, "voice"), ReadBack(CALLER),
        PromiseCallback(BACK, CALLER, True),
        Say("callback-promised"), Finish("promised", True),
    ]  # fmt: skip
    assert handoff.waited_s == 40


def test_another_number_is_asked_for_and_read_back() -> None:
    _, outputs = run(
        Handoff.over([BACK], CALLER),
        Wanted("caller_voice"),
        Durable(),
        Yes(),
        No(),
        Number("202 555 0199"),
        Yes(),
        Durable(),
    )
    assert PromiseCallback(BACK, "2025550199", True) in outputs
    assert outputs[-1] == Finish("promised", True)


def test_a_number_said_at_once_corrects_the_one_read_back() -> None:
    _, outputs = run(
        Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Yes(), Number("2025550199"), Yes()
    )
    assert outputs[-1] == PromiseCallback(BACK, "2025550199", True)


def test_a_number_that_is_never_confirmed_is_promised_as_unconfirmed() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Yes(), *[Unclear()] * TRIES)
    assert outputs[-1] == PromiseCallback(BACK, CALLER, False)


def test_without_any_number_the_failure_is_said_and_recorded() -> None:
    _, outputs = run(Handoff.over([BACK]), Wanted("rule"), Durable(), Yes(), *[Unclear()] * TRIES)
    assert outputs[-3:] == [
        RecordFailed("reception", "nobody_there", 0), Say("nobody-reached"), Finish("nobody", True)
    ]  # fmt: skip


def test_no_routes_at_all() -> None:
    _, outputs = run(Handoff.over([]), Wanted("caller_voice"), Durable())
    assert outputs[1:] == [RecordFailed("", "no_desk", 0), Say("nobody-reached"), Finish("nobody", True)]


def test_a_promise_that_is_not_on_record_is_not_made() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Yes(), Yes(), Refused())
    assert Say("callback-promised") not in outputs
    assert outputs[-1] == Finish("nobody", True)


def test_without_a_receipt_nobody_is_transferred() -> None:
    _, outputs = run(Handoff.over([DESK, BACK], CALLER), Wanted("rule"), Refused())
    assert not any(isinstance(o, Transfer) for o in outputs)
    assert Say(OFFER, answer=True) in outputs


# --- an emergency's -------------------------------------------------------------------------------

SCRIPT = "rule.emergency-us.danger-to-life"
LATE = Route("desk", "on-call", "+12025550179", urgent_only=True)


def test_an_emergency_is_transferred_at_once() -> None:
    _, outputs = run(Handoff.over([DESK], script=SCRIPT), Wanted("emergency"), Durable())
    assert outputs == [Request("emergency"), Say("handoff"), Transfer(DESK)]


def test_at_night_an_emergency_ends_with_the_number_to_dial_and_no_form() -> None:
    """ "Nobody is free right now. Which number may we call you back on?" was said to somebody dying."""
    handoff, outputs = run(Handoff.over([NIGHT, BACK], CALLER, SCRIPT), Wanted("emergency"), Durable())
    assert outputs == [
        Request("emergency"), RecordFailed("night", "outside_hours", 0),
        Say(URGENT_NOBODY), Say(SCRIPT), Finish("nobody", True),
    ]  # fmt: skip
    assert handoff.done


def test_a_desk_that_does_not_answer_an_emergency_is_followed_by_the_next_and_then_the_script() -> None:
    _, outputs = run(
        Handoff.over([DESK, LATE, BACK], CALLER, SCRIPT),
        Wanted("emergency"), Durable(), Failed("no_answer", 9), Failed("busy", 3),
    )  # fmt: skip
    assert outputs == [
        Request("emergency"), Say("handoff"), Transfer(DESK),
        RecordFailed("reception", "no_answer", 9), Transfer(LATE),
        RecordFailed("on-call", "busy", 3), Say(URGENT_NOBODY), Say(SCRIPT), Finish("nobody", True),
    ]  # fmt: skip


def test_nobody_but_an_emergency_is_put_through_to_who_is_on_call() -> None:
    _, outputs = run(Handoff.over([NIGHT, LATE, BACK], CALLER), Wanted("caller_voice"), Durable())
    assert not any(isinstance(o, Transfer) for o in outputs)
    assert [o.desk for o in outputs if isinstance(o, RecordFailed)] == ["night"]


def test_who_hangs_up_in_an_emergency_is_promised_nothing() -> None:
    _, outputs = run(Handoff.over([DESK, BACK], CALLER, SCRIPT), Wanted("emergency"), Durable(), Gone())
    assert outputs[-2:] == [RecordFailed("reception", "hung_up", 0), Finish("nobody", False)]


def test_a_transfer_under_way_becomes_the_emergency_s() -> None:
    _, outputs = run(
        Handoff.over([DESK, BACK], CALLER, SCRIPT), Wanted("caller_voice"), Durable(), Urgent(),
        Failed("no_answer", 5),
    )  # fmt: skip
    assert outputs[-3:] == [Say(URGENT_NOBODY), Say(SCRIPT), Finish("nobody", True)]


@pytest.mark.parametrize("events", [(), (Durable(),), (Durable(), Yes()), (Durable(), Yes(), No())])
def test_a_handoff_that_is_overtaken_is_settled_and_promises_nothing(events: tuple[Event, ...]) -> None:
    handoff, outputs = run(Handoff.over([BACK], CALLER), Wanted("caller_voice"), *events, Overtaken())
    assert outputs[-2:] == [
        RecordFailed("reception" if events else "", "overtaken", 0), Finish("nobody", True),
    ]  # fmt: skip
    assert not any(isinstance(o, PromiseCallback) for o in outputs)
    assert handoff.done


def test_what_was_promised_when_an_emergency_came_stays_promised() -> None:
    _, outputs = run(
        Handoff.over([BACK], CALLER), Wanted("caller_voice"), Durable(), Yes(), Yes(), Overtaken()
    )
    assert outputs[-2:] == [PromiseCallback(BACK, CALLER, True), Finish("nobody", True)]


# --- no call-back without a yes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "how"),
    [
        ((No(),), "voice"),
        ((No("keypad"),), "keypad"),
        ((Unclear(),) * OFFERS, "default"),
        ((Unclear(), No()), "voice"),
    ],
)
def test_no_and_silence_are_a_refusal_that_is_said_and_recorded(events: tuple[Event, ...], how: Any) -> None:
    """Whoever refused a call-back was called back all the same."""
    handoff, outputs = run(Handoff.over([BACK], CALLER), Wanted("caller_voice"), Durable(), *events)
    assert outputs[-5:] == [
        Consent(False, how), RecordFailed("reception", "declined", 0), Say("callback-cancelled"),
        Say(NOBODY), Finish("nobody", True),
    ]  # fmt: skip
    assert handoff.done


def test_a_no_to_the_number_takes_the_yes_back() -> None:
    _, outputs = run(Handoff.over([BACK]), Wanted("caller_voice"), Durable(), Yes(), No("keypad"))
    said = [o for o in outputs if isinstance(o, Consent)]
    assert said == [Consent(True, "voice"), Consent(False, "keypad")]
    assert outputs[-1] == Finish("nobody", True)


def test_call_me_on_a_number_is_a_yes() -> None:
    _, outputs = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), Number("2025550199"), Yes())
    assert outputs[-3:] == [
        Consent(True, "voice"), ReadBack("2025550199"), PromiseCallback(BACK, "2025550199", True)
    ]  # fmt: skip


def test_figures_that_are_no_telephone_s_take_back_what_was_understood_before() -> None:
    """The first ten figures of a card were promised as the number when the rest of it followed."""
    handoff, outputs = run(
        Handoff.over([BACK]), Wanted("rule"), Durable(), Yes(), Number("3782822463"), Number("")
    )
    assert outputs[-2:] == [ReadBack("3782822463"), Say("ask-number", answer=True)]
    assert handoff.number == ""
    _, outputs = run(handoff, Gone())
    assert not any(isinstance(o, PromiseCallback) for o in outputs)


@pytest.mark.parametrize(
    ("events", "question"),
    [
        ((), Say(OFFER, answer=True)),
        ((Yes(), No()), Say("ask-number", answer=True)),
        ((Yes(),), ReadBack(CALLER)),
    ],
)
def test_a_question_is_put_once_more_behind_something_else_and_counts_once(
    events: tuple[Event, ...], question: Output
) -> None:
    asked, _ = run(Handoff.over([BACK], CALLER), Wanted("rule"), Durable(), *events)
    again, outputs = run(asked, Again(), Again())
    assert outputs == [question, question]
    assert again == asked


def test_where_nothing_is_asked_nothing_is_put_once_more() -> None:
    handoff, _ = run(Handoff.over([DESK, BACK]), Wanted("rule"), Durable())
    assert handoff.step(Again()) == (handoff, ())


@pytest.mark.parametrize("count", range(4))
def test_who_hangs_up_before_saying_yes_is_not_called_back(count: int) -> None:
    events = (Durable(), Failed("busy"), Unclear())[:count]
    handoff, outputs = run(Handoff.over([DESK, BACK], CALLER), Wanted("caller_voice"), *events, Gone())
    assert not any(isinstance(o, PromiseCallback | Consent) for o in outputs)
    assert [o.reason for o in outputs if isinstance(o, RecordFailed)][-1] == "hung_up"
    assert handoff.done


@pytest.mark.parametrize("events", [(), (No(),)])
def test_who_hangs_up_after_a_yes_is_called_back(events: tuple[Event, ...]) -> None:
    handoff, outputs = run(
        Handoff.over([DESK, BACK], CALLER), Wanted("caller_voice"), Durable(), Failed("busy"), Yes(), *events,
        Gone(), Durable(),
    )  # fmt: skip
    assert PromiseCallback(BACK, CALLER, False) in outputs
    assert outputs[-1] == Finish("promised", False)
    assert handoff.done


def test_who_opted_out_is_not_asked() -> None:
    _, outputs = run(Handoff.over([NIGHT, BACK], CALLER).bar(), Wanted("caller_voice"), Durable())
    assert outputs[1:] == [RecordFailed("night", "outside_hours", 0), Say(NOBODY), Finish("nobody", True)]


@pytest.mark.parametrize("events", [(), (Yes(),), (Yes(), Number("2025550199"))])
@pytest.mark.parametrize("last", [Yes(), Gone(), Number("2025550188"), *[Unclear()]])
def test_opting_out_bars_what_was_agreed_to(events: tuple[Event, ...], last: Event) -> None:
    handoff, outputs = run(Handoff.over([BACK], CALLER), Wanted("caller_voice"), Durable(), *events)
    _, after = run(handoff.bar(), *[last] * (TRIES + OFFERS))
    assert not any(isinstance(o, PromiseCallback) for o in after)


ROUTES = st.lists(
    st.builds(
        Route, st.sampled_from(["desk", "callback"]), st.sampled_from(["a", "b"]),
        st.sampled_from(["", "+12025550177"]), st.booleans(), urgent_only=st.booleans(),
    ),
    max_size=5,
)  # fmt: skip
NUMBERS = st.sampled_from(["", "2025550199", "12", "+12025550143", "no digits"])
EVENTS: Any = st.one_of(
    st.builds(Wanted, st.sampled_from(["caller_voice", "emergency", "rule"])),
    st.builds(Accepted, st.integers(0, 60)),
    st.builds(Failed, st.sampled_from(["no_answer", "busy", "carrier"]), st.integers(0, 60)),
    st.builds(Number, NUMBERS),
    st.sampled_from([Durable(), Refused(), Yes(), No(), Unclear(), Again(), Gone(), Urgent(), Overtaken()]),
)


def answers_to(output: Output) -> list[str]:
    match output:
        case Request() | PromiseCallback():
            return ["durable", "refused"]
        case Transfer():
            return ["accepted", "failed", "gone", "urgent", "overtaken"]
        case ReadBack():
            return ["yes", "no", "number", "unclear", "gone"]
        case Say(_, True):
            return ["number", "unclear", "yes", "no", "gone"]
    return []


#: What only a caller who is there can do.
SAID = ("yes", "no", "number", "unclear", "urgent")
MADE: dict[str, Event] = {
    "durable": Durable(), "refused": Refused(), "accepted": Accepted(3), "failed": Failed("no_answer", 40),
    "urgent": Urgent(),
    "overtaken": Overtaken(), "yes": Yes(), "no": No(), "number": Number("2025550199"),
    "unclear": Unclear(), "gone": Gone(),
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
            possible = [a for a in answers_to(output) if not (gone and a in SAID)]
            if possible:
                drawn = data.draw(st.sampled_from(possible))
                waiting.append(MADE[drawn])
                if drawn == "urgent":
                    waiting.append(MADE[data.draw(st.sampled_from(["accepted", "failed", "gone"]))])
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
        assert RecordFailed in kinds or PromiseCallback in kinds
        overtaken = any(isinstance(o, RecordFailed) and o.reason == "overtaken" for o in outputs)
        told = Say(NOBODY) in outputs or Say(URGENT_NOBODY) in outputs
        assert not finish.caller_there or told or overtaken or PromiseCallback in kinds
    if PromiseCallback in kinds:
        last = [o for o in outputs if isinstance(o, Consent)][-1]
        assert last.given
        assert kinds.index(Consent) < kinds.index(PromiseCallback)
    if Request("emergency") in outputs:
        assert not {Consent, PromiseCallback, ReadBack} & set(kinds)
        assert not any(isinstance(o, Say) and o.answer for o in outputs)
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
        Handoff.over([DESK, BACK], CALLER), Wanted("rule"), Durable(), Failed("busy"), Yes(), Yes()
    )
    assert "2025550" not in repr(handoff) + repr(outputs) + repr(Number(CALLER))
