"""Words that may be all: which pauses are told ahead, and that each is settled, for any caller."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voice_runtime.listen.test_turn_properties import ANSWERS, STEP, Line
from tests.voice_runtime.listen.turns import kinds, machine, play, speak_and_pause
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import AskSmartTurn, EndOfTurn, Floor, GoOn, Provisional, Withdrawn

WORDS = "i need an appointment today"  # likely to be all
UNSURE = "two bedrooms near the park"


def eager(**policy: int) -> TurnMachine:
    return machine(eager=True, **policy)


# -- examples ----------------------------------------------------------------------------------------


def test_words_of_a_pause_are_told_before_the_turn_is_over_and_its_end_confirms_them() -> None:
    m = eager()
    speak_and_pause(m)
    assert m.final(1, WORDS) == [AskSmartTurn(1), Provisional(WORDS)]
    assert play(m, False, 380) == []
    [end] = play(m, False, 20)
    assert isinstance(end, EndOfTurn)
    assert (end.text, end.said) == (WORDS, True)


def test_the_turn_model_may_end_the_turn_in_the_words_that_were_told() -> None:
    m = eager()
    speak_and_pause(m)
    assert m.final(1, WORDS) == [AskSmartTurn(1), Provisional(WORDS)]
    [end] = m.turn_model(1, 0.3)
    assert isinstance(end, EndOfTurn)
    assert (end.text, end.said) == (WORDS, True)


def test_nothing_is_told_unless_the_policy_says_so() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.final(1, WORDS) == [AskSmartTurn(1)]


@pytest.mark.parametrize(
    ("text", "probability"), [("when are you open", None), ("when are you open", 0.01), (WORDS, 0.3)]
)
def test_a_turn_that_ends_with_its_text_needs_no_telling(text: str, probability: float | None) -> None:
    m = eager()
    speak_and_pause(m)
    if probability is not None:
        assert m.turn_model(1, probability) == []
    assert kinds(m.final(1, text)) == ["EndOfTurn"]


@pytest.mark.parametrize(
    "text",
    ["can i see doctor patel and", "five five five", "um", "okay", "", "i would like to"],
)
def test_words_that_ask_for_more_or_say_nothing_are_not_told(text: str) -> None:
    m = eager(complete_wait_ms=400)
    speak_and_pause(m)
    assert "Provisional" not in kinds(m.final(1, text))


def test_words_nobody_can_trust_are_not_told() -> None:
    m = eager()
    speak_and_pause(m)
    assert m.final(1, WORDS, understood=False) == [AskSmartTurn(1)]


def test_urgent_words_end_the_turn_and_are_not_told() -> None:
    m = eager(complete_wait_ms=400)
    speak_and_pause(m)
    assert kinds(m.final(1, "stop")) == ["EndOfTurn"]


@pytest.mark.parametrize(
    ("text", "probability", "told"),
    [(WORDS, 0.01, False), (UNSURE, 0.01, False), (UNSURE, 0.3, True), (UNSURE, 0.9, True)],
)
def test_what_sounds_broken_off_is_not_told(text: str, probability: float, told: bool) -> None:
    m = eager()
    speak_and_pause(m)
    assert m.turn_model(1, probability) == []
    assert m.final(1, text) == ([Provisional(text)] if told else [])


def test_over_the_disclosure_nothing_is_told() -> None:
    m = eager()
    m.floor(Floor.UNYIELDING)
    speak_and_pause(m)
    assert m.final(1, WORDS) == [AskSmartTurn(1)]


def test_going_on_voids_it_before_anything_else_happens() -> None:
    m = eager()
    speak_and_pause(m)
    m.final(1, WORDS)
    assert play(m, True, 80) == [Withdrawn(), GoOn()]
    play(m, False, 200)
    assert m.final(2, f"{WORDS} at ten") == [AskSmartTurn(2), Provisional(f"{WORDS} at ten")]


def test_media_that_stops_confirms_what_was_told() -> None:
    m = eager()
    speak_and_pause(m)
    m.final(1, WORDS)
    [end] = m.media_stopped()
    assert isinstance(end, EndOfTurn)
    assert (end.text, end.said) == (WORDS, True)


def test_a_turn_that_is_dropped_takes_its_words_back() -> None:
    m = eager()
    speak_and_pause(m)
    m.final(1, WORDS)
    assert kinds(m.drop()) == ["Withdrawn", "EndOfTurn"]


# -- what holds for any caller -------------------------------------------------------------------------

STEPS = st.lists(st.one_of(STEP, st.tuples(st.just("drop"), st.none())), max_size=40)


def _run(line: Line, steps: list[tuple[str, object]]) -> None:
    for step in steps:
        if step[0] == "drop":
            line.take(line.m.drop())
        else:
            line.run([step])


@settings(max_examples=300, deadline=None)
@given(STEPS, ANSWERS)
def test_what_was_told_is_settled_once_and_before_anything_is_told_anew(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    line = Line(eager(longest_ms=5000, complete_wait_ms=300), deque(answers))
    _run(line, steps)
    line.run([("silence", 40)] * 10)
    told = ""
    for _, output in line.done:
        match output:
            case Provisional(text):
                assert not told, "told twice without a settling"
                assert text
                told = text
            case Withdrawn():
                assert told, "withdrawn, and nothing was told"
                told = ""
            case GoOn():
                assert not told, "the caller went on, and the words still stood"
            case EndOfTurn():
                if told:
                    assert output.said
                    assert output.text == told
                told = ""
    assert not told


@settings(max_examples=200, deadline=None)
@given(STEPS, ANSWERS)
def test_telling_ahead_changes_no_turn(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    """When a turn ends, and what interrupts, is the same with and without."""
    lines = [
        Line(machine(eager=on, longest_ms=5000, complete_wait_ms=300), deque(answers)) for on in (False, True)
    ]
    for line in lines:
        _run(line, steps)
    without, with_ = (
        [(at, o) for at, o in line.done if not isinstance(o, Provisional | Withdrawn)] for line in lines
    )
    assert with_ == without
