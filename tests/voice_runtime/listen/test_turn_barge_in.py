"""The turn policy while the agent has the floor: what pauses it, what cuts it, and what lets it go on."""

from __future__ import annotations

import pytest

from tests.voice_runtime.listen.turns import kinds, machine, play, speak_and_pause, the_end
from voice_runtime.listen.turn_values import Commit, Floor, Pause, Resume, Started


def test_speech_silences_the_agent_within_60_ms() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert play(m, True, 60) == [Started(0), Pause(60)]


def test_where_nobody_speaks_a_turn_takes_80_ms_to_begin() -> None:
    m = machine()
    assert play(m, True, 60) == []
    assert play(m, True, 20) == [Started(0)]


def test_long_speech_takes_the_floor() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert kinds(play(m, True, 600)) == ["Started", "Pause"]
    assert kinds(play(m, True, 20)) == ["Commit"]
    assert kinds(play(m, True, 2000)) == []


def test_a_long_sound_that_is_over_takes_nothing() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert kinds(play(m, True, 540) + play(m, False, 200)) == ["Started", "Pause", "Resume", "AskText"]


def test_a_first_guess_of_other_words_takes_the_floor_once_speech_lasts() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    assert m.partial("can") == []
    assert kinds(play(m, True, 20)) == []
    assert kinds(play(m, True, 20)) == ["Commit"]


@pytest.mark.parametrize("text", ["yeah", "yeah i", "oh okay got", "i", "that's", "oh that's really"])
def test_what_may_become_a_backchannel_is_waited_for(text: str) -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 300)
    m.partial(text)
    m.partial(text)
    assert kinds(play(m, True, 600)) == []
    assert m.partial("yeah but no") == [Commit()]


def test_words_that_two_partial_texts_agree_on_take_the_floor_though_there_is_but_one() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 160)
    assert m.partial("but") == []
    assert m.partial("but i") == [Commit()]


def test_words_that_come_in_the_pause_behind_them_take_the_floor() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert "Resume" in kinds(play(m, True, 300) + play(m, False, 120))
    assert m.partial("right") == []
    assert m.partial("wrong") == [Commit()]


def test_a_gap_within_a_backchannel_is_not_the_end_of_it() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 300)
    m.partial("that's")
    assert kinds(play(m, False, 120)) == ["AskText"]
    assert m.final(1, "that's") == []
    assert kinds(play(m, True, 60)) == ["GoOn"]
    m.partial("that's good")
    assert "Commit" not in kinds(play(m, True, 200) + play(m, False, 120) + m.final(2, "that's good"))


def test_words_that_were_broken_off_take_the_floor() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 300)
    m.partial("that's")
    assert "Commit" not in kinds(play(m, False, 300) + m.final(1, "that's"))
    assert kinds(play(m, False, 200)) == ["Commit"]


def test_a_gap_in_a_backchannel_makes_no_interruption_of_it() -> None:
    """ "Yeah yeah … okay": behind the gap the words are recognised anew, and none are known again yet."""
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 500)
    m.partial("yeah yeah")
    assert kinds(play(m, False, 200) + play(m, True, 200)) == ["Resume", "AskText", "GoOn", "Pause"]


@pytest.mark.parametrize("floor", [Floor.SPEAKING, Floor.THINKING])
def test_words_take_the_floor(floor: Floor) -> None:
    m = machine()
    m.floor(floor)
    play(m, True, 200)
    assert m.partial("what about") == []  # a first guess
    assert m.partial("what about friday") == [Commit()]


def test_an_urgent_word_takes_the_floor_alone() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    assert m.partial("st") == []
    assert m.partial("stop") == [Commit()], "at once: no second partial text has to agree"


def test_soft_sounds_between_loud_ones_count_as_speech_that_takes_the_floor() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    sounds = [(m.now_ms, o) for loud in [True, True, True, True, False] * 20 for o in m.chunk(loud)]
    assert [at for at, o in sounds if isinstance(o, Commit)] == [620]


@pytest.mark.parametrize("text", ["mhm", "uh huh", "okay", "right"])
def test_a_backchannel_resumes_before_its_text_is_known_and_nothing_was_said(text: str) -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert kinds(play(m, True, 300)) == ["Started", "Pause"]
    assert kinds(play(m, False, 100)) == []
    assert kinds(play(m, False, 20)) == ["Resume", "AskText"]
    outputs = m.final(1, text) + play(m, False, 380)
    assert kinds(outputs) == ["EndOfTurn"]
    assert not the_end(outputs).said


def test_a_short_word_commits_although_the_agent_went_on_already() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert "Resume" in kinds(play(m, True, 240) + play(m, False, 120))
    assert kinds(m.final(1, "no")) == ["Commit"]
    assert the_end(play(m, False, 80)).cut


def test_an_agent_does_not_go_on_in_a_hole_of_a_longer_sentence() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    said = play(m, True, 460) + play(m, False, 180) + play(m, True, 100)  # "what about we…dnesday"
    assert kinds(said) == ["Started", "Pause", "Commit"]


def test_a_word_that_was_recognised_keeps_the_agent_silent() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    m.partial("harbor road")
    assert kinds(play(m, False, 120)) == ["AskText", "AskSmartTurn"]
    assert kinds(m.final(1, "harbor road")) == ["Commit"]


def test_who_goes_on_after_a_short_sound_pauses_the_agent_again() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert kinds(play(m, True, 200) + play(m, False, 120)) == [
        "Started", "Pause", "Resume", "AskText",
    ]  # fmt: skip
    assert kinds(play(m, True, 60)) == ["GoOn", "Pause"]


def test_the_silent_agent_gives_the_caller_the_longer_stop() -> None:
    m = machine()
    assert kinds(play(m, True, 200) + play(m, False, 180)) == ["Started"]
    assert "AskText" in kinds(play(m, False, 20))


def test_a_long_backchannel_is_still_one() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    m.partial("uh huh")
    m.partial("uh huh okay")
    assert play(m, True, 600) == []
    assert "Resume" in kinds(play(m, False, 200))
    assert kinds(m.final(1, "uh huh okay right") + play(m, False, 300)) == ["EndOfTurn"]


def test_the_same_words_are_an_answer_when_the_agent_is_silent() -> None:
    m = machine()
    speak_and_pause(m, 300)
    assert the_end(m.final(1, "okay")).said


def test_sounds_without_words_resume() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert "Resume" in kinds(speak_and_pause(m, 160))
    assert kinds(m.final(1, "")) == ["EndOfTurn"]
    assert "Resume" in kinds(speak_and_pause(m, 160))
    assert kinds(m.final(2, "patel", understood=False)) == ["EndOfTurn"]


def test_a_short_answer_commits_when_its_text_is_known() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    speak_and_pause(m, 200)
    outputs = m.final(1, "no")
    assert kinds(outputs) == ["Commit", "EndOfTurn"]
    assert the_end(outputs).cut


def test_while_thinking_nothing_is_audible_and_words_still_cut() -> None:
    m = machine()
    m.floor(Floor.THINKING)
    assert kinds(speak_and_pause(m, 300)) == ["Started", "AskText"]
    assert kinds(m.final(1, "what about friday")) == ["Commit", "EndOfTurn"]


def test_an_answer_that_begins_while_the_caller_speaks_is_paused_and_cut() -> None:
    m = machine()
    play(m, True, 1000)
    assert kinds(m.floor(Floor.SPEAKING)) == ["Pause", "Commit"]


def test_uninterruptible_speech_is_never_paused_but_the_caller_is_heard() -> None:
    m = machine()
    m.floor(Floor.UNYIELDING)
    assert kinds(speak_and_pause(m, 1500)) == ["Started", "AskText"]
    end = the_end(m.final(1, "let me talk to a person"))
    assert (end.said, end.during_agent, end.urgent) == (True, True, True)


def test_urgent_words_do_not_wait_for_more() -> None:
    m = machine()
    speak_and_pause(m)
    assert the_end(m.final(1, "person")).urgent


def test_words_one_cannot_trust_are_not_urgent() -> None:
    m = machine()
    speak_and_pause(m)
    outputs = m.final(1, "person", understood=False) + play(m, False, 2000)
    end = the_end(outputs)
    assert (end.urgent, end.understood) == (False, False)


def test_the_floor_given_up_lets_a_paused_agent_go() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 100)
    assert m.floor(Floor.IDLE) == [Resume()]


def test_one_interruption_cuts_an_answer_once() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert Commit() in play(m, True, 700)
    assert m.floor(Floor.THINKING) + m.floor(Floor.IDLE) == []
