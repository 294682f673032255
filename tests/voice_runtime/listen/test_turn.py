"""The turn policy: when a turn ends, one example for each rule."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.turns import kinds, machine, play, speak_and_pause, the_end
from voice_runtime.events import TurnEnd
from voice_runtime.listen.expected import ANYTHING, Expected, Wanted
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import AskSmartTurn, EndOfTurn, Output, TurnPolicy


def test_a_complete_question_ends_at_the_short_stop() -> None:
    m = machine()
    assert kinds(speak_and_pause(m)) == ["Started", "AskText"]
    end = the_end(m.final(1, "when are you open"))
    assert end == EndOfTurn(TurnEnd.QUESTION, "when are you open", True, 0, 600, False, False, 600)


def test_nothing_ends_before_its_text_is_known() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.turn_model(1, 0.99) == []
    assert play(m, False, 1000) == []
    assert the_end(m.final(1, "yes")).text == "yes"


def test_a_final_text_that_says_more_than_the_words_so_far() -> None:
    m = machine()
    play(m, True, 400)
    m.partial("i would like")
    play(m, True, 200)
    assert kinds(play(m, False, 200)) == ["AskText"]
    assert the_end(m.final(1, "i would like to see doctor patel please")).why is TurnEnd.QUESTION


def test_a_text_that_settles_it_while_spoken_spares_the_turn_model() -> None:
    m = machine()
    play(m, True, 400)
    m.partial("when are you open")
    assert kinds(play(m, True, 200) + play(m, False, 200)) == ["AskText"]


@pytest.mark.parametrize(
    ("text", "probability", "silence_ms", "why"),
    [
        ("when are you open", None, 200, TurnEnd.QUESTION),
        ("when are you open", 0.01, 200, TurnEnd.QUESTION),
        ("i need an appointment today", 0.9, 200, TurnEnd.TURN_MODEL),
        ("i need an appointment today", 0.3, 200, TurnEnd.TURN_MODEL),
        ("i need an appointment today", None, 600, TurnEnd.SILENCE),
        ("i need an appointment today", 0.01, 600, TurnEnd.SILENCE),
        ("two bedrooms near the park", 0.9, 600, TurnEnd.TURN_MODEL),
        ("two bedrooms near the park", 0.3, 1500, TurnEnd.SILENCE),
        ("two bedrooms near the park", None, 1500, TurnEnd.SILENCE),
        ("two bedrooms near the park", 0.01, 2400, TurnEnd.SILENCE),
        ("i want to pay", 0.99, 1500, TurnEnd.SILENCE),
        ("so my husband took the car back", None, 1500, TurnEnd.SILENCE),
        ("i would like to see", 0.99, 2400, TurnEnd.SILENCE),
        ("can i see doctor patel and", 0.99, 2400, TurnEnd.SILENCE),
        ("five five five", 0.99, 2400, TurnEnd.SILENCE),
    ],
)
def test_how_long_it_waits(text: str, probability: float | None, silence_ms: int, why: TurnEnd) -> None:
    m = machine()
    speak_and_pause(m)
    outputs = m.final(1, text)
    if probability is not None:
        outputs += m.turn_model(1, probability)
    while "EndOfTurn" not in kinds(outputs):
        outputs = m.chunk(False)
    end = the_end(outputs)
    assert end.said
    assert m.now_ms - end.ended_ms == silence_ms
    assert end.why is why


def test_a_language_without_lists_is_left_to_the_turn_model_and_the_clock() -> None:
    m = TurnMachine(TurnPolicy(), "fr-FR", lambda text: False)
    speak_and_pause(m)
    assert m.final(1, "oui") + m.turn_model(1, 0.99) == [AskSmartTurn(1)]
    assert the_end(play(m, False, 400)).why is TurnEnd.TURN_MODEL


def test_a_text_that_turns_out_less_clear_than_it_seemed_is_put_to_the_turn_model_after_all() -> None:
    m = machine()
    play(m, True, 400)
    m.partial("i would like to")
    assert kinds(play(m, True, 200) + play(m, False, 200)) == ["AskText"]
    assert m.final(1, "i would like to cancel") == [AskSmartTurn(1)]
    assert the_end(m.turn_model(1, 0.9)).why is TurnEnd.TURN_MODEL


def test_a_pause_without_words_so_far_is_put_to_the_turn_model_when_its_text_takes_long() -> None:
    m = machine()
    assert kinds(speak_and_pause(m)) == ["Started", "AskText"]
    assert play(m, False, 220) == []
    assert play(m, False, 20) == [AskSmartTurn(1)]
    assert play(m, False, 400) == [], "once"
    assert m.turn_model(1, 0.9) == []
    assert the_end(m.final(1, "i would like to cancel")).why is TurnEnd.TURN_MODEL


def test_the_question_that_was_asked_decides() -> None:
    asked = [ANYTHING]
    m = TurnMachine(TurnPolicy(), "en-US", lambda text: False, lambda: asked[0])
    speak_and_pause(m)
    assert m.final(1, "nine") == [], "the first of many figures, for all one knows"
    the_end(play(m, False, 2200))
    asked[0] = Expected(Wanted.CHOICE, offered=frozenset(("nine", "ten")))
    speak_and_pause(m)
    assert the_end(m.final(2, "nine")).why is TurnEnd.QUESTION
    asked[0] = Expected(Wanted.NUMBER, (4,))
    speak_and_pause(m)
    assert m.final(3, "nine four seven") == []
    play(m, True, 300)
    play(m, False, 200)
    assert the_end(m.final(4, "nine four seven oh")).why is TurnEnd.QUESTION


def test_who_asks_a_silent_agent_to_wait_is_waited_for() -> None:
    m = TurnMachine(TurnPolicy(), "en-US", lambda text: text == "hang on")
    speak_and_pause(m)
    assert m.final(1, "hang on") == []
    end = the_end(play(m, False, 2200))
    assert (end.urgent, m.now_ms - end.ended_ms) == (True, 2400)


def test_an_emergency_does_not_wait_for_what_a_caller_in_fear_says_behind_it() -> None:
    m = TurnMachine(TurnPolicy(), "es-US", lambda text: True, only_silences=lambda text: False)
    speak_and_pause(m)
    assert the_end(m.final(1, "no puede respirar un momento")).urgent


def test_an_empty_recognition_ends_at_once_and_nothing_was_said() -> None:
    m = machine()
    speak_and_pause(m)
    assert not the_end(m.final(1, "")).said


def test_going_on_after_a_pause_is_the_same_turn() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.final(1, "can i see doctor") == []
    assert kinds(play(m, True, 600)) == ["GoOn"]
    assert m.final(1, "can i see doctor") == []  # the answer to a pause that is over
    assert m.turn_model(1, 1.0) == []
    assert kinds(play(m, False, 200)) == ["AskText"]
    assert m.final(1, "yes") == []
    assert m.turn_model(1, 1.0) == []
    end = the_end(m.final(2, "can i see doctor patel on tuesday"))
    assert (end.started_ms, end.ended_ms, end.spoken_ms) == (0, 1400, 1200)


def test_a_blip_in_a_pause_postpones_nothing() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.final(1, "i would like to") == []
    outputs: list[Output] = []
    while not outputs:
        outputs = m.chunk(True) + [o for _ in range(4) for o in m.chunk(False)]
    assert m.now_ms - the_end(outputs).ended_ms <= 2500


def test_a_caller_who_never_stops_is_ended_and_begins_anew() -> None:
    m = machine(longest_ms=3000)
    assert kinds(play(m, True, 3000)) == ["Started", "AskText"]
    assert play(m, True, 200) == [], "while its text is awaited, too"
    assert the_end(m.final(1, "so i said")).why is TurnEnd.TOO_LONG
    assert kinds(play(m, True, 100)) == ["Started"]


def test_media_that_stops_ends_the_turn_with_what_was_heard() -> None:
    m = machine()
    play(m, True, 600)
    assert kinds(m.media_stopped()) == ["AskText"]
    end = the_end(m.final(1, "i would like to"))
    assert (end.why, end.text, end.said) == (TurnEnd.MEDIA, "i would like to", True)


def test_media_that_stops_in_a_pause_ends_it_at_once() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.final(1, "i would like to") == []
    assert the_end(m.media_stopped()).why is TurnEnd.MEDIA


def test_a_recogniser_that_never_answers_holds_no_turn_open() -> None:
    m = machine()
    speak_and_pause(m)
    end = the_end(play(m, False, 4000))
    assert not end.said
    assert not m.open


def test_noise_shorter_than_a_start_is_no_turn() -> None:
    m = machine()
    assert [o for _ in range(50) for o in play(m, True, 60) + play(m, False, 40)] == []
