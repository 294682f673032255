"""Entry by keys: each way it can end, and what holds for any walk."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import capture as c
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.redaction.planted import cards

VISA = "4111111111111111"


def walk(*events: c.Event, wanted: c.Wanted = c.CARD) -> tuple[c.Capture, list[c.Output]]:
    state, outputs = c.Capture(wanted), []
    for event in events:
        state, new = state.step(event)
        outputs += new
    return state, outputs


def keys(pressed: str) -> list[c.Event]:
    return [c.Key(key) for key in pressed]


BEGIN = c.Begin("u_1", "t_secret")
STARTED = [c.Pause(), c.RecordStarted("u_1", "card"), c.Say(c.ENTER), c.Wait(c.PATIENCE_S)]


def without_waiting(outputs: list[c.Output]) -> list[c.Output]:
    return [o for o in outputs[len(STARTED) :] if not isinstance(o, c.Wait)]


def test_everything_is_paused_before_anything_is_asked_for() -> None:
    state, outputs = walk(BEGIN)
    assert outputs == STARTED
    assert state.paused


def test_a_card_is_kept_under_its_token_until_it_is_taken() -> None:
    state, outputs = walk(BEGIN, *keys(VISA + "#"))
    assert without_waiting(outputs) == [
        c.RecordEnded("u_1", "captured", 1), c.Resume(), c.Hand("u_1", "t_secret"),
    ]  # fmt: skip
    assert not state.paused
    assert state.figures("t_secret") == VISA
    with pytest.raises(PermissionError):
        state.figures("t_other")
    state, _ = state.step(c.Taken())
    assert state.state is c.CaptureState.DONE
    with pytest.raises(PermissionError):
        state.figures("t_secret")
    assert VISA not in str(astuple(state))


@pytest.mark.parametrize(
    ("pressed", "finished"),
    [(VISA + "#", True), ("#", True), ("0#", True), ("1#1#1#", False), ("1#1#", False), ("411", False)],
)
def test_only_their_own_pound_finishes_an_entry_so_that_no_figure_follows(
    pressed: str, finished: bool
) -> None:
    state, _ = walk(BEGIN, *keys(pressed))
    assert state.finished is finished


def test_a_star_takes_the_last_figure_back() -> None:
    state, _ = walk(BEGIN, *keys("**42*" + VISA[1:] + "#"))
    assert state.figures("t_secret") == VISA


def test_who_speaks_instead_is_told_once_how_they_are_listened_to_and_the_next_silence_ends_it() -> None:
    state, outputs = walk(BEGIN, *keys("411"), c.Spoke(), c.Spoke())
    assert without_waiting(outputs) == [c.Say(c.KEYS_ONLY)]
    assert state.paused
    assert walk(BEGIN, c.Silent(), c.Spoke())[0] == walk(BEGIN, c.Silent())[0], (
        "they were asked again just now"
    )
    _, outputs = state.step(c.Silent())
    assert c.RecordEnded("u_1", "timed_out", 0) in outputs
    state, _ = state.step(c.Key("1"))
    assert c.Say(c.KEYS_ONLY) in state.step(c.Spoke())[1], "a key later it may be something else"


@pytest.mark.parametrize("entered", [VISA[:-1] + "2", VISA[:-1], VISA + "1111", "41"])
def test_what_does_not_fit_is_asked_for_again_and_then_a_person_comes(entered: str) -> None:
    once = [*keys(entered + "#")]
    _, outputs = walk(BEGIN, *once, *once, *once)
    assert without_waiting(outputs) == [
        c.Say(c.AGAIN), c.Say(c.AGAIN), c.RecordEnded("u_1", "gave_up", 3), c.Resume(), c.Refuse("u_1"),
        c.Say(c.NOT_TAKEN), c.ToPerson("failure"),
    ]  # fmt: skip
    state, outputs = walk(BEGIN, *once, *keys(VISA + "#"))
    assert outputs[-3] == c.RecordEnded("u_1", "captured", 2)
    assert state.figures("t_secret") == VISA


@pytest.mark.parametrize(("events", "outcome", "then"), [
    ([c.Key("#")], "gave_up", [c.Say(c.NOT_TAKEN)]),
    (keys("12**#"), "gave_up", [c.Say(c.NOT_TAKEN)]),
    (keys("0#"), "person", [c.ToPerson("caller_key")]),
    ([*keys("411"), c.Said("person")], "person", [c.ToPerson("caller_voice")]),
    ([*keys("411"), c.Said("emergency")], "emergency", [c.ToPerson("emergency")]),
    ([*keys("411"), c.Said("stop")], "stopped", [c.Say(c.NOT_TAKEN)]),
    ([*keys("411"), c.Gone()], "hung_up", []),
])  # fmt: skip
def test_other_ways_to_end(events: list[c.Event], outcome: c.Outcome, then: list[c.Output]) -> None:
    state, outputs = walk(BEGIN, *events)
    ended = [c.RecordEnded("u_1", outcome, 0), c.Resume(), c.Refuse("u_1"), *then]
    assert without_waiting(outputs) == ended
    assert state.state is c.CaptureState.DONE


@pytest.mark.parametrize("because", ["hung_up", "stopped", "person", "emergency", "failed"])
def test_others_end_it_too(because: c.EndedFor) -> None:
    state, outputs = walk(BEGIN, *keys("411"), c.Gone(because))
    assert without_waiting(outputs) == [c.RecordEnded("u_1", because, 0), c.Resume(), c.Refuse("u_1")]
    assert state.state is c.CaptureState.DONE


def test_silence_asks_once_more_and_then_gives_up() -> None:
    state, outputs = walk(BEGIN, *keys("4111"), c.Silent(), c.Silent())
    assert without_waiting(outputs) == [
        c.Say(c.AGAIN), c.RecordEnded("u_1", "timed_out", 0), c.Resume(), c.Refuse("u_1"), c.Say(c.NOT_TAKEN),
    ]  # fmt: skip
    state, _ = walk(BEGIN, *keys(VISA[:4]), c.Silent(), *keys(VISA[4:]), c.Silent(), c.Key("#"))
    assert state.figures("t_secret") == VISA, "what was entered before the silence counts"


def test_a_code_has_no_check_digit() -> None:
    state, _ = walk(BEGIN, *keys("123#"), wanted=c.CARD_CODE)
    assert state.figures("t_secret") == "123"


# --- any walk -------------------------------------------------------------------------------------

EVENTS = st.lists(
    st.one_of(
        st.just(BEGIN),
        st.sampled_from("0123456789*#").map(c.Key),
        st.sampled_from(["stop", "person", "emergency"]).map(c.Said),  # type: ignore[arg-type]
        st.sampled_from([c.Silent(), c.Spoke(), c.Taken(), c.Gone(), c.Gone("stopped"), c.Gone("person")]),
        cards().map(lambda digits: [c.Key(key) for key in digits + "#"]),
    ),
    max_size=30,
).map(lambda found: [event for one in found for event in (one if isinstance(one, list) else [one])])


@given(EVENTS)
@settings(max_examples=500)
def test_any_walk_is_framed_once_and_shows_no_figure(events: list[c.Event]) -> None:
    state, outputs = walk(*events, c.Gone())
    started = [o for o in outputs if isinstance(o, c.RecordStarted)]
    ended = [o for o in outputs if isinstance(o, c.RecordEnded)]
    assert len(started) == len(ended) == (1 if BEGIN in events[: _first_gone(events)] else 0)
    paused = [type(o) for o in outputs if isinstance(o, c.Pause | c.Resume)]
    assert paused == [c.Pause, c.Resume] * len(started)
    told = [o for o in outputs if isinstance(o, c.Hand | c.Refuse)]
    assert len(told) == len(started), "the tool is told once"
    entered = "".join(e.key for e in events if isinstance(e, c.Key) and e.key.isdigit())
    for output in outputs:
        shown = repr(output) + str([v for v in astuple(output) if isinstance(v, str)])
        assert not any(entered[i : i + 4] in shown for i in range(len(entered) - 3))
    assert state.state is c.CaptureState.DONE
    assert not state.paused


def _first_gone(events: list[c.Event]) -> int:
    return next((i for i, e in enumerate(events) if isinstance(e, c.Gone)), len(events))


@given(EVENTS)
def test_no_state_shows_what_was_entered(events: list[c.Event]) -> None:
    state = c.Capture(c.CARD)
    entered = ""
    for event in events:
        state, _ = state.step(event)
        entered += event.key if isinstance(event, c.Key) and event.key.isdigit() else ""
        assert not any(entered[i : i + 4] in repr(state) for i in range(len(entered) - 3))


@given(EVENTS)
def test_what_it_asks_for_can_be_recorded(events: list[c.Event]) -> None:
    common = {"tenant": "t", "call": new_id("c"), "turn": 1, "use": new_id("u")}
    for output in walk(*events, c.Gone())[1]:
        if isinstance(output, c.RecordStarted):
            r.CaptureStarted(**common, what=output.what)
        elif isinstance(output, c.RecordEnded):
            r.CaptureEnded(**common, outcome=output.outcome, attempts=output.attempts)


def test_every_kind_has_its_usual_form() -> None:
    assert {kind: wanted.what for kind, wanted in c.USUAL.items()} == {
        kind: kind for kind in get_args(c.Kind)
    }
    assert not c.USUAL["account"].fits("123")
    assert c.USUAL["number"].fits("7")


def test_no_key_shows_in_a_repr() -> None:
    assert "7" not in repr(c.Key("7"))


# --- what a service repeats -----------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize("told", [
    VISA, f"charged {VISA}.", "4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111",
    f"ref 99{VISA}77", " ".join(VISA), int(VISA), float(VISA), [VISA], {VISA: 1}, {"a": {"b": [int(VISA)]}},
])  # fmt: skip
def test_figures_are_masked_however_they_are_repeated(told: Any) -> None:
    clean = json.dumps(c.without_figures({"told": told}, VISA))
    assert c.ENTERED in clean
    assert "1111" not in clean


@given(JSON, st.text("0123456789", min_size=6, max_size=19), st.sampled_from(["", " ", "-", "  ", "."]))
def test_nothing_of_them_is_left_in_any_answer(value: Any, figures: str, between: str) -> None:
    answer = {"a": value, "b": f"x {between.join(figures)} y", figures: [figures]}
    clean = json.dumps(c.without_figures(answer, figures))
    assert figures not in clean
    assert between.join(figures) not in clean


@given(JSON)
def test_other_answers_stay_as_they_are(value: Any) -> None:
    figures = "9" * 19
    if figures not in json.dumps(value):
        assert c.without_figures(value, figures) == value
    assert c.without_figures(value, "") == value


def test_a_short_code_is_masked_as_a_number_of_its_own_alone() -> None:
    assert c.without_figures({"code": "123", "row": 123, "total": "1234", "at": "5123"}, "123") == {
        "code": "[entered]", "row": "[entered]", "total": "1234", "at": "5123",
    }  # fmt: skip
    assert c.without_figures({"row": 1234}, "123") == {"row": 1234}
