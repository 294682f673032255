"""What never came about stands at its cap, and only where the server is to blame. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.censoring import BARGE_IN_CAP_MS, never_came, spoken_through
from loadtests.generator.job import Finished
from loadtests.results import Outcome, Turn
from loadtests.schedule import Start
from loadtests.steady_stretch import Stretch
from loadtests.summary import summarise, turn_values
from tests.loadtests import made_up
from voice_runtime.caller.playout import Onset
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.script import HangUp, Interrupt, Press, Say, Script, Silence, Wait

#: Five turns: one answer nobody waits for, one key, three spoken ones that are waited for.
SCRIPT = Script(
    steps=(
        Wait(),
        Say(text="one", timeout_s=4),
        Say(text="two", wait=False),
        Silence(seconds=1),
        Press(keys="1", timeout_s=5),
        Say(text="three", timeout_s=6),
        Interrupt(text="four", timeout_s=7),
        HangUp(),
    )
)
ALWAYS = Stretch(0.0, 100.0)
RATE = 8000


def call(*steps: int, outcome: Outcome = "closed_early", ended_at_s: float = 9.0) -> Finished:
    """A call that came to these steps."""
    result = CallResult("CA", sent_samples=9 * RATE)
    result.turns = [TurnResult(n + 1, step=step) for n, step in enumerate(steps)]
    return Finished(
        start=Start(0.0, 0, 3), started_late_ms=0.0, answered_ms=5.0, ended_at_s=ended_at_s, outcome=outcome,
        result=result,
    )  # fmt: skip


def test_spoken_turns_that_a_lost_call_never_came_to_stand_at_the_callers_patience():
    lost = never_came(call(1), SCRIPT, ALWAYS)
    assert [(turn.call, turn.n, turn.kind, turn.text, turn.first_audio_out_ms) for turn in lost] == [
        (3, 2, "say", "three", 6000.0),
        (3, 3, "interrupt", "four", 7000.0),
    ]
    assert all(turn.censored and turn.never_said and not turn.edge for turn in lost)
    refused = never_came(call(outcome="refused"), SCRIPT, ALWAYS)
    assert [turn.text for turn in refused] == ["one", "three", "four"]


@pytest.mark.parametrize("outcome", ["completed", "cut_short", "harness_failed"])
def test_what_the_test_itself_broke_off_lost_nothing(outcome: Outcome):
    assert never_came(call(outcome=outcome), SCRIPT, ALWAYS) == []


def test_a_call_lost_before_the_load_stood_is_at_the_edge():
    inside, outside = Stretch(5.0, 10.0), Stretch(10.0, 20.0)
    assert not any(turn.edge for turn in never_came(call(1), SCRIPT, inside))
    assert all(turn.edge for turn in never_came(call(1), SCRIPT, outside))


def test_calls_lost_and_answers_slow_are_in_one_percentile():
    """4.9 % of the calls lost and 4.9 % of the turns slow is a p95 that is missed."""
    quick = [made_up.turn(n, 1, 600) for n in range(905)]
    slow = [made_up.turn(n, 1, 1500) for n in range(905, 951)]
    lost = [
        turn.model_copy(update={"call": 951 + n})
        for n in range(49)
        for turn in never_came(call(1, 2, 4, 5, outcome="closed_early"), SCRIPT, ALWAYS)
    ]
    found = summarise([*quick, *slow, *lost], [])
    audio, token = found["first_audio_out_ms"], found["asr_to_first_token_ms"]
    assert (audio.n, audio.censored, audio.max) == (1000, 49, 7000)
    assert audio.p95 == 1500
    assert (token.n, token.censored, token.p95) == (1000, 49, 1360)
    assert summarise([*quick, *slow], [])["first_audio_out_ms"].p95 == 600


def interrupted(first_s: float, heard: tuple[float, float] | None, pause_ms: float | None = None) -> Finished:
    """A call whose caller interrupts at ``first_s``; the agent was audible from and to."""
    made = call(6, outcome="completed")
    turn = made.result.turns[0]
    turn.kind, turn.barge_in_pause_ms = "interrupt", pause_ms
    turn.first_sample = round(first_s * RATE)
    made.result.heard = [Onset(round(heard[0] * RATE), round(heard[1] * RATE))] if heard else []
    return made


def turns(pause_ms: float | None = None) -> list[Turn]:
    return [made_up.turn(3, 1, 900, kind="interrupt", barge_in_pause_ms=pause_ms)]


@pytest.mark.parametrize(
    ("heard", "censored"),
    [((1.0, 8.0), True), ((1.0, 3.9), True), ((1.0, 3.5), False), ((5.0, 8.0), False), (None, False)],
)
def test_an_interruption_that_the_agent_spoke_on_through_is_silent_at_the_cap(
    heard: tuple[float, float] | None, censored: bool
):
    [turn] = spoken_through(interrupted(4.0, heard), turns())
    assert turn.barge_in_censored is censored
    assert turn.barge_in_pause_ms == (BARGE_IN_CAP_MS if censored else None)
    values = turn_values([turn], "barge_in_pause_ms")
    assert values == ([(3, BARGE_IN_CAP_MS, True)] if censored else [])


def test_an_interruption_that_silenced_the_agent_keeps_its_time():
    [turn] = spoken_through(interrupted(4.0, (1.0, 4.2), 200.0), turns(200.0))
    assert (turn.barge_in_pause_ms, turn.barge_in_censored) == (200.0, False)


def test_of_a_call_that_the_test_cut_short_nobody_knows_whether_the_agent_would_have_stopped():
    cut = interrupted(4.0, (1.0, 8.0)).model_copy(update={"outcome": "cut_short"})
    [turn] = spoken_through(cut, turns())
    assert turn.barge_in_pause_ms is None
