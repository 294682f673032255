"""The turn policy: what holds for any caller."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.voice_runtime.listen.turns import machine
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
)

TEXTS = st.sampled_from(
    [
        "",
        "mhm",
        "yes",
        "stop",
        "um",
        "can i see doctor",
        "when are you open",
        "i need a table",
        "patel",
        "five",
    ]
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
    # Kept silent by sounds now and then; by words that were recognised, until their text is known.
    longest_pause = 2400 + policy.stop_ms + policy.text_ms + 100
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


@given(st.integers(3, 27))
def test_a_short_sound_silences_the_agent_hardly_longer_than_it_lasts(chunks: int) -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    done = [(m.now_ms, o) for speech in [True] * chunks + [False] * 20 for o in m.chunk(speech)]
    [resumed] = [at for at, o in done if isinstance(o, Resume)]
    stop_ms = m.policy.contested_stop_ms if chunks * 20 < 360 else m.policy.stop_ms
    assert resumed == chunks * 20 + stop_ms
    assert not [o for _, o in done if isinstance(o, Commit)]


def _committed_at(sounds: list[bool], partials: list[tuple[int, str]]) -> int:
    """When speech over the agent took the floor, ms; past the end where it did not."""
    m = machine()
    m.floor(Floor.SPEAKING)
    for n, speech in enumerate(sounds):
        out = m.chunk(speech) + [o for at, text in partials if at == n for o in m.partial(text)]
        if any(isinstance(o, Commit) for o in out):
            return m.now_ms
    return m.now_ms + 20


SOUNDS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 12)).map(lambda run: [run[0]] * run[1]), max_size=12
).map(lambda runs: [speech for run in runs for speech in run])


@given(SOUNDS, st.integers(0, 40))
def test_more_evidence_of_words_never_takes_the_floor_later(sounds: list[bool], at: int) -> None:
    """Of listening, none, a first guess, two that agree, an urgent one."""
    evidence: list[list[tuple[int, str]]] = [
        [(at, "yeah")],
        [],
        [(at, "can")],
        [(at, "can i see"), (at + 1, "can i see")],
    ]
    times = [_committed_at(sounds, partials) for partials in evidence]
    assert times[0] >= times[1] >= times[2]
    assert times[3] <= times[1]
    assert _committed_at(sounds, [(at, "stop")]) <= times[2]


@given(SOUNDS)
def test_sounds_without_words_take_the_floor_only_while_they_go_on(sounds: list[bool]) -> None:
    m = machine()
    m.floor(Floor.SPEAKING)
    started = 0
    for speech in sounds:
        for output in m.chunk(speech):
            match output:
                case Started(at_ms):
                    started = at_ms
                case Commit():
                    lasts_ms = m.now_ms - started
                    assert lasts_ms >= m.policy.commit_ms
                    assert m.now_ms - m.last_speech_ms <= 20 or lasts_ms >= 2400
                    return


@given(
    st.sampled_from(["when are you open", "i need a table", "patel", "i want to", "nine", "one moment"]),
    st.booleans(),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_words_end_a_turn_within_the_waits(text: str, understood: bool, probability: float | None) -> None:
    m = machine()
    line = Line(m, deque([(text, understood, 0, probability)]))
    line.run([("speech", 30), ("silence", 160)])
    [(ended_ms, end)] = [(at, o) for at, o in line.done if isinstance(o, EndOfTurn)]
    assert m.policy.complete_wait_ms <= ended_ms - end.ended_ms <= m.policy.incomplete_wait_ms
