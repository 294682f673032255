"""The turn policy and words that only listen: where they are one with the next, and where they answer."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.turns import kinds, machine, play, the_end
from voice_runtime.listen.expected import ANYTHING, Expected, Wanted
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import Floor, Output, Resume, TurnPolicy

QUESTION = "I have you down for Tuesday at ten. Is that right?"


def over_the_agent(m: TurnMachine, text: str, floor: Floor = Floor.SPEAKING) -> list[Output]:
    """A short utterance over the agent, whose text is sure 200 ms behind it."""
    m.floor(floor)
    outputs = play(m, True, 300) + play(m, False, 200)
    return outputs + m.final(m.pause, text)


# -- a gap within ------------------------------------------------------------------------------------------


def test_what_follows_within_half_a_second_is_judged_together_with_it() -> None:
    """Regression: "that works … for me" was two turns, of which the second cut the agent."""
    m = machine()
    outputs = over_the_agent(m, "that works")
    outputs += (
        play(m, False, 100) + play(m, True, 300) + play(m, False, 200) + m.final(m.pause, "that works for me")
    )
    outputs += play(m, False, 300)
    assert kinds(outputs) == [
        "Started",
        "Pause",
        "Resume",
        "AskText",
        "GoOn",
        "Pause",
        "Resume",
        "AskText",
        "EndOfTurn",
    ]
    assert not the_end(outputs).said


def test_words_behind_it_that_want_something_take_the_floor() -> None:
    m = machine()
    over_the_agent(m, "okay")
    play(m, True, 300)
    assert kinds(m.partial("okay but what about friday")) == ["Commit"]


def test_the_agent_goes_on_as_soon_as_it_is_known_to_be_listening() -> None:
    """A first guess of other words kept it silent."""
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 160)
    m.partial("why")
    assert "Resume" not in kinds(play(m, False, 200))
    assert m.final(1, "right") == [Resume()]


def test_the_caller_who_listens_on_and_on_is_not_taken_to_speak() -> None:
    """Also without partial texts: what was said before the gap is known."""
    m = machine()
    outputs: list[Output] = []
    for _ in range(3):
        outputs += over_the_agent(m, "mhm")
    assert "Commit" not in kinds(outputs + play(m, False, 400))


def test_it_stays_nobodys_when_the_agent_falls_silent_right_behind_it() -> None:
    m = machine()
    outputs = over_the_agent(m, "mhm") + m.floor(Floor.IDLE) + play(m, False, 300)
    assert not the_end(outputs).said


def test_it_answers_an_agent_that_fell_silent_before_the_caller_went_on() -> None:
    m = machine()
    over_the_agent(m, "that works")
    m.floor(Floor.IDLE)
    play(m, True, 300)
    assert the_end(play(m, False, 200) + m.final(m.pause, "that works for me")).said


# -- over the end of a question ------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", [Floor.SPEAKING, Floor.UNYIELDING])
@pytest.mark.parametrize("text", ["sure", "right", "fine", "perfect", "mhm", "that works for me", "great"])
def test_over_the_last_words_of_a_question_it_is_an_answer(text: str, floor: Floor) -> None:
    """Regression: an early "sure" was nobody's, and the agent waited for it in vain."""
    m = machine(asking=QUESTION)
    outputs = over_the_agent(m, text, floor) + play(m, False, 1500)
    assert the_end(outputs).said


@pytest.mark.parametrize(
    "asking", ["", "We are behind the park.", "Which day suits you?", "How old are you?"]
)
def test_over_any_other_words_it_listens(asking: str) -> None:
    m = machine(asking=asking)
    assert not the_end(over_the_agent(m, "okay") + play(m, False, 400)).said


def test_a_hesitation_answers_nothing() -> None:
    m = machine(asking=QUESTION)
    assert not the_end(over_the_agent(m, "um") + play(m, False, 400)).said


def test_an_answer_that_is_known_keeps_the_agent_silent() -> None:
    m = machine(asking=QUESTION)
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    m.partial("sure")
    assert "Resume" not in kinds(play(m, False, 200))
    assert kinds(m.final(1, "sure")) == ["Commit", "EndOfTurn"]


def test_the_question_is_the_one_over_which_the_caller_began() -> None:
    """Behind "mhm" the agent may come to its question before the words are known."""
    asked = [ANYTHING]
    m = TurnMachine(TurnPolicy(), "en-US", lambda text: False, asking=lambda: asked[0])
    m.floor(Floor.SPEAKING)
    play(m, True, 300)
    asked[0] = Expected(Wanted.YES_NO)
    play(m, False, 200)
    assert kinds(m.final(m.pause, "mhm")) == [], "it is nobody's, and waits for more"
    outputs = play(m, True, 300) + play(m, False, 200) + m.final(m.pause, "mhm sure")
    assert the_end(outputs + play(m, False, 1000)).said
