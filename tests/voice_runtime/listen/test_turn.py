"""The turn policy: examples of each rule, and what holds for any caller."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.events import TurnEnd
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_values import (
    AskSmartTurn,
    AskText,
    Commit,
    EndOfTurn,
    Floor,
    GoOn,
    Output,
    Pause,
    Resume,
    Started,
    TurnPolicy,
)

URGENT = {"stop", "person", "let me talk to a person"}


def machine(**policy: int) -> TurnMachine:
    return TurnMachine(TurnPolicy(**policy), "en-US", lambda text: text in URGENT)


def play(m: TurnMachine, speech: bool, ms: int) -> list[Output]:
    return [out for _ in range(ms // 20) for out in m.chunk(speech)]


def kinds(outputs: Iterable[Output]) -> list[str]:
    return [type(o).__name__ for o in outputs]


def the_end(outputs: Iterable[Output]) -> EndOfTurn:
    [end] = [o for o in outputs if isinstance(o, EndOfTurn)]
    return end


def speak_and_pause(m: TurnMachine, ms: int = 600) -> list[Output]:
    return play(m, True, ms) + play(m, False, 200)


# -- ending ----------------------------------------------------------------------------------------


def test_a_complete_question_ends_at_the_short_stop() -> None:
    m = machine()
    assert kinds(speak_and_pause(m)) == ["Started", "AskText", "AskSmartTurn"]
    end = the_end(m.final(1, "when are you open"))
    assert end == EndOfTurn(TurnEnd.QUESTION, "when are you open", True, 0, 600, False, False, 600)


def test_nothing_ends_before_its_text_is_known() -> None:
    m = machine()
    speak_and_pause(m)
    assert m.turn_model(1, 0.99) == []
    assert play(m, False, 1000) == []
    assert the_end(m.final(1, "yes")).text == "yes"


def test_a_text_that_settles_it_while_spoken_spares_the_turn_model() -> None:
    m = machine()
    play(m, True, 400)
    m.partial("when are you open")
    assert kinds(play(m, True, 200) + play(m, False, 200)) == ["AskText"]


@pytest.mark.parametrize(
    ("text", "probability", "silence_ms", "why"),
    [
        ("i need an appointment today", 0.9, 200, TurnEnd.TURN_MODEL),
        ("i need an appointment today", 0.3, 460, TurnEnd.SILENCE),
        ("i need an appointment today", None, 460, TurnEnd.SILENCE),
        ("i need an appointment today", 0.01, 1200, TurnEnd.SILENCE),
        ("i would like to see", 0.9, 460, TurnEnd.TURN_MODEL),
        ("can i see doctor patel and", 0.99, 1200, TurnEnd.SILENCE),
        ("five five five", 0.99, 1200, TurnEnd.SILENCE),
    ],
)
def test_how_long_it_waits(text: str, probability: float | None, silence_ms: int, why: TurnEnd) -> None:
    m = machine()
    speak_and_pause(m)
    outputs = m.final(1, text)
    if probability is not None:
        outputs += m.turn_model(1, probability)
    while not outputs:
        outputs = m.chunk(False)
    end = the_end(outputs)
    assert end.said
    if end.why is not TurnEnd.TURN_MODEL:
        assert m.now_ms - end.ended_ms == silence_ms
    assert end.why is why


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
    assert kinds(play(m, False, 200)) == ["AskText", "AskSmartTurn"]
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
    assert m.now_ms - the_end(outputs).ended_ms <= 1300


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


# -- barge-in --------------------------------------------------------------------------------------


def test_speech_silences_the_agent_within_80_ms() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert play(m, True, 80) == [Started(0), Pause(80)]


def test_long_speech_takes_the_floor() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    assert kinds(play(m, True, 540)) == ["Started", "Pause"]
    assert kinds(play(m, True, 40)) == ["Commit"]
    assert kinds(play(m, True, 2000)) == []


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
    assert m.partial("stop") == []
    assert m.partial("stop") == [Commit()]


@pytest.mark.parametrize("text", ["mhm", "uh huh", "okay", "right"])
def test_a_backchannel_resumes_and_nothing_was_said(text: str) -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    speak_and_pause(m, 300)
    resume, end = m.final(1, text)
    assert isinstance(resume, Resume)
    assert isinstance(end, EndOfTurn)
    assert not end.said


def test_a_long_backchannel_is_still_one() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    play(m, True, 200)
    m.partial("uh huh")
    m.partial("uh huh okay")
    assert play(m, True, 600) == []
    play(m, False, 200)
    assert kinds(m.final(1, "uh huh okay right")) == ["Resume", "EndOfTurn"]


def test_the_same_words_are_an_answer_when_the_agent_is_silent() -> None:
    m = machine()
    speak_and_pause(m, 300)
    assert the_end(m.final(1, "okay")).said


def test_sounds_without_words_resume() -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    speak_and_pause(m, 160)
    assert kinds(m.final(1, "")) == ["Resume", "EndOfTurn"]
    speak_and_pause(m, 160)
    assert kinds(m.final(2, "patel", understood=False)) == ["Resume", "EndOfTurn"]


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
    assert kinds(speak_and_pause(m, 300)) == ["Started", "AskText", "AskSmartTurn"]
    assert kinds(m.final(1, "wait")) == ["Commit", "EndOfTurn"]


def test_an_answer_that_begins_while_the_caller_speaks_is_paused_and_cut() -> None:
    m = machine()
    play(m, True, 1000)
    assert kinds(m.floor(Floor.SPEAKING)) == ["Pause", "Commit"]


def test_uninterruptible_speech_is_never_paused_but_the_caller_is_heard() -> None:
    m = machine()
    m.floor(Floor.UNYIELDING)
    assert kinds(speak_and_pause(m, 1500)) == ["Started", "AskText", "AskSmartTurn"]
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


# -- what holds for any caller -----------------------------------------------------------------------

TEXTS = st.sampled_from(
    ["", "mhm", "yes", "stop", "um", "can i see doctor", "when are you open", "patel", "five"]
)
STEP = st.one_of(
    st.tuples(st.just("speech"), st.integers(1, 60)),
    st.tuples(st.just("silence"), st.integers(1, 40)),
    st.tuples(st.just("flicker"), st.integers(1, 20)),
    st.tuples(st.just("partial"), TEXTS),
    st.tuples(st.just("floor"), st.sampled_from(list(Floor))),
    st.tuples(st.just("media_stopped"), st.none()),
)
ANSWERS = st.lists(
    st.tuples(TEXTS, st.booleans(), st.integers(0, 400), st.one_of(st.none(), st.floats(0, 1))), max_size=20
)


@dataclass
class Line:
    """Drives a machine and answers it late, or not at all; keeps what it did."""

    m: TurnMachine
    answers: deque[tuple[str, bool, int, float | None]]
    done: list[tuple[int, Output]] = field(default_factory=list)
    due: list[tuple[int, str, int, str, bool, float]] = field(default_factory=list)

    def take(self, outputs: list[Output]) -> None:
        for output in outputs:
            self.done.append((self.m.now_ms, output))
            if isinstance(output, AskText | AskSmartTurn) and self.answers:
                text, understood, late, probability = self.answers[0]
                if isinstance(output, AskText):
                    self.answers.popleft()
                    self.due.append((self.m.now_ms + late, "text", output.pause, text, understood, 0.0))
                elif probability is not None:
                    self.due.append((self.m.now_ms + late, "model", output.pause, "", True, probability))

    def chunk(self, speech: bool) -> None:
        self.take(self.m.chunk(speech))
        for answer in [d for d in self.due if d[0] <= self.m.now_ms]:
            self.due.remove(answer)
            _, kind, pause, text, understood, probability = answer
            if kind == "text":
                self.take(self.m.final(pause, text, understood=understood))
            else:
                self.take(self.m.turn_model(pause, probability))

    def chunks(self, speech: Iterable[bool]) -> None:
        for one in speech:
            self.chunk(one)

    def run(self, steps: list[tuple[str, object]]) -> None:
        for kind, value in steps:
            match kind, value:
                case ("speech", int(n)):
                    self.chunks(True for _ in range(n))
                case ("silence", int(n)):
                    self.chunks(False for _ in range(n))
                case ("flicker", int(n)):
                    self.chunks(i % 5 == 0 for i in range(n * 5))
                case ("partial", str(text)):
                    self.take(self.m.partial(text))
                case ("floor", Floor() as floor):
                    self.take(self.m.floor(floor))
                case _:
                    self.take(self.m.media_stopped())


def _line(steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]) -> Line:
    line = Line(machine(longest_ms=5000), deque(answers))
    line.run(steps)
    return line


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=30), ANSWERS)
def test_every_turn_ends_once_and_every_pause_is_lifted(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    line = _line(steps, answers)
    line.run([("silence", 40)] * 10)  # the caller stops at last
    turns, paused = 0, False
    for _, output in line.done:
        match output:
            case Started():
                assert turns == 0, "a turn began in a turn"
                turns = 1
            case EndOfTurn():
                assert turns == 1, "an end without a beginning"
                assert not paused, "a turn ended with the agent paused"
                turns = 0
            case AskText() | AskSmartTurn() | GoOn():
                assert turns == 1
            case Pause():
                assert not paused, "paused twice"
                paused = True
            case Resume() | Commit():
                assert paused or isinstance(output, Commit)
                paused = False
    assert turns == 0
    assert not paused
    assert not line.m.open


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=40), ANSWERS)
def test_nothing_lasts_longer_than_its_bound(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    line = _line(steps, answers)
    line.run([("silence", 40)] * 10)
    policy = line.m.policy
    longest_turn = policy.longest_ms + policy.text_ms + policy.incomplete_wait_ms + 100
    # Kept silent by sounds now and then, then waiting for text, then for more words.
    longest_pause = 2400 + 200 + policy.text_ms + policy.incomplete_wait_ms + 100
    started = paused = 0
    for at_ms, output in line.done:
        match output:
            case Started(begun):
                started = begun
            case EndOfTurn():
                assert at_ms - started <= longest_turn
            case Pause(at):
                paused = at
            case Resume() | Commit() if paused:
                assert at_ms - paused <= longest_pause
                paused = 0


@settings(max_examples=50, deadline=None)
@given(st.lists(STEP, max_size=30), ANSWERS)
def test_the_same_line_gives_the_same_turns(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    assert _line(steps, answers).done == _line(steps, answers).done


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, max_size=30), ANSWERS)
def test_only_a_yielding_agent_is_paused(
    steps: list[tuple[str, object]], answers: list[tuple[str, bool, int, float | None]]
) -> None:
    line = Line(machine(longest_ms=5000), deque(answers))
    for step in steps:
        if step[0] == "floor" and step[1] is Floor.SPEAKING:
            step = ("floor", Floor.UNYIELDING)
        line.run([step])
    assert not [o for _, o in line.done if isinstance(o, Pause | Resume)]
