"""One run summed up: who was offered what, what came of it, and whether it counts."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.generator.job import Done, Finished
from loadtests.generator.processes import Generated
from loadtests.results import Beside, Outcome, Resources
from loadtests.run import Offer, jobs_for, meant_call, run_of
from loadtests.scenario import load_scenario
from loadtests.schedule import MeantCall, Start, lines
from loadtests.systems import Evidence, ServerTurn, TwilioDoor, WebRtcDoor
from tests.loadtests import made_up
from voice_runtime.caller.playout import Onset
from voice_runtime.caller.results import CallResult, TurnResult

SHORT = load_scenario("short")
DOOR = TwilioDoor("http://127.0.0.1:1")


class Fake:
    """A system that was called already."""

    name, profile, tier, engines = "ours", "mock", "mock", ("made up",)
    pid, server_cores = None, ()
    doors = {"twilio": DOOR}


def offer(n: int = 1, starts: tuple[Start, ...] = (Start(0.0, 0, 0),), **more: Any) -> Offer:
    return Offer("twilio", n, SHORT, "short", starts, seed=1, **more)


def finished(n: int = 0, at_s: float = 0.0, seconds: float = 2.0, outcome: Outcome = "completed") -> Finished:
    result = CallResult(f"CA{n}", sent_samples=round(seconds * 8000))
    result.turns = [TurnResult(1, step=1, text="where can i park", first_sample=0, last_sample=8000)]
    result.turns[0].first_audio_out_ms = 500.0
    return Finished(
        start=Start(at_s, n, n), started_late_ms=0.1, answered_ms=10.0, ended_at_s=at_s + seconds,
        outcome=outcome, result=result,
    )  # fmt: skip


def generated(*calls: Finished, **more: Any) -> Generated:
    done = Done(cpu_percent=20, tick_late_p99_ms=1.0, tick_late_max_ms=3.0, seconds=9.0)
    return Generated(list(calls), more.pop("done", [done]), **more)


def run(offered: Offer, told: Generated, evidence: dict[str, Evidence] | None = None):
    return run_of(Fake(), offered, made_up.environment(), told, evidence or {}, Resources())  # type: ignore[arg-type]


def test_a_run_joins_what_both_sides_know():
    evidence = {"CA0": Evidence([ServerTurn(1010, 1400, played="Parking is behind the building.")])}
    made = run(offer(), generated(finished()), evidence)
    assert made.valid
    assert made.outcomes == {"completed": 1}
    assert made.turns[0].asr_to_first_token_ms == 400
    assert made.summary["first_audio_out_ms"].p50 == 500
    assert made.generator is not None
    assert made.generator.tick_late_max_ms == 3.0
    assert made.seconds == 9.0


def test_what_came_to_nothing_stays_among_the_offered():
    starts = (Start(0.0, 0, 0), Start(1.0, 1, 1))
    made = run(offer(2, starts), generated(finished(0), finished(1, outcome="refused")))
    assert (made.offered, made.completed, made.valid) == (2, 1, True)
    lost = [turn for turn in made.turns if turn.never_said]
    assert {turn.call for turn in lost} == {1}
    audio = made.summary["first_audio_out_ms"]
    assert (audio.censored, audio.n) == (len(lost), len(made.turns))


def test_calls_lost_by_a_dead_generator_stay_offered_and_the_run_does_not_count():
    starts = (Start(0.0, 0, 0), Start(1.0, 1, 1))
    made = run(offer(2, starts), generated(finished(0), done=[], failures=["a generator process died"]))
    assert (made.offered, made.completed, made.generator) == (2, 1, None)
    assert made.invalid_because[0] == "a generator process died"


def test_cut_short_calls_that_were_not_due_were_never_offered():
    starts = tuple(Start(float(n), n, n) for n in range(9))
    told = generated(finished(0), finished(1, outcome="cut_short"), cut_short=True)
    made = run(offer(9, starts), told)
    assert (made.offered, made.completed) == (2, 1)


def test_turns_said_before_the_load_stood_or_as_it_fell_are_kept_and_not_summed_up():
    # Two lines of two calls each, 10 s long; the one turn of a call begins as it is answered, 10 ms in.
    starts = (Start(0.0, 0, 0), Start(4.0, 1, 1), Start(10.5, 0, 2), Start(14.5, 1, 3))
    calls = [
        finished(n, start.at_s, 10.0).model_copy(update={"start": start}) for n, start in enumerate(starts)
    ]
    calls[3].result.turns[0].first_sample = 8 * 8000  # at 22.51 s: the first line was through at 20.5 s
    made = run(offer(2, starts), generated(*calls))
    assert [turn.edge for turn in made.turns] == [True, False, False, True]
    assert made.summary["first_audio_out_ms"].n == 2
    assert made.achieved is not None
    assert (made.achieved.from_s, made.achieved.to_s, made.achieved.most) == (4.0, 20.5, 2)
    busy = (10.0 - 4.0) + (14.0 - 4.01) + (20.5 - 10.51) + (20.5 - 14.51)
    assert made.achieved.mean == pytest.approx(busy / 16.5)


def test_of_one_call_a_line_every_turn_counts():
    starts = (Start(0.0, 0, 0), Start(9.0, 1, 1))
    made = run(offer(2, starts), generated(finished(0, 0.0, 10.0), finished(1, 9.0, 10.0)))
    assert not any(turn.edge for turn in made.turns)
    assert made.summary["first_audio_out_ms"].n == 2
    assert made.achieved is not None
    assert made.achieved.mean == pytest.approx(2 * 9.99 / 19)


def test_a_call_without_an_answer_is_offered_and_was_never_in_progress():
    refused = finished(0, outcome="refused").model_copy(update={"answered_ms": None})
    made = run(offer(), generated(refused))
    assert made.achieved is not None
    assert (made.achieved.mean, made.achieved.most) == (0.0, 0)
    assert run(offer(1, ()), generated()).achieved is None


def test_what_worked_beside_the_server_is_kept_and_a_late_one_makes_the_run_not_count():
    def made(late_ms: float):
        beside = (Beside(what="suppliers", late_p99_ms=late_ms, late_max_ms=90.0),)
        return run_of(
            Fake(), offer(), made_up.environment(), generated(finished()), {}, Resources(), beside=beside
        )  # type: ignore[arg-type]

    assert made(2.0).valid
    assert made(2.0).beside[0].late_max_ms == 90.0
    assert "suppliers" in made(60.0).invalid_because[0]


def test_a_generator_that_starts_its_calls_late_makes_the_run_not_count():
    late = finished().model_copy(update={"started_late_ms": 5.2})
    assert run(offer(), generated(late)).invalid_because == (
        "calls were started 5.2 ms late at p99, over 5 ms",
    )


def test_an_agent_that_spoke_on_is_in_the_run_at_the_cap():
    deaf = finished()
    deaf.result.turns[0].kind = "interrupt"
    deaf.result.turns[0].first_sample = 4000
    deaf.result.heard = [Onset(0, 16_000)]
    spread = run(offer(), generated(deaf)).summary["barge_in_pause_ms"]
    assert (spread.n, spread.censored, spread.max) == (1, 1, 10_000)


def test_calls_are_taken_to_be_like_the_first_one_if_it_went_by_its_script():
    first = finished(0, seconds=12.0)
    [turn] = first.result.turns
    turn.first_sample = 16_000
    assert meant_call(offer(), first) == MeantCall(12.0, (2.01,))
    turn.step = 5  # nobody waits for its answer
    assert meant_call(offer(), first).turns_at_s == ()
    guessed = meant_call(offer(), first.model_copy(update={"outcome": "no_answer"}))
    assert guessed == meant_call(offer(), None)
    assert guessed.length_s >= 6.0 * len(guessed.turns_at_s)
    assert len(guessed.turns_at_s) == 3


def test_browsers_are_dealt_to_processes_where_cores_allow():
    starts = lines(40, 10.0, 1, 1)
    browsers = Offer("webrtc", 40, SHORT, "short", starts, seed=1)
    door = WebRtcDoor("http://127.0.0.1:1", "healthcare")
    jobs = jobs_for(browsers, door, (0, 2, 4), answers=True)
    assert [job.cores for job in jobs] == [(0,), (2,), (4,)]
    assert sum(len(job.starts) for job in jobs) == 40
    assert jobs[0].door == door
    assert len(jobs_for(browsers, door, (), answers=True)) == 1
    telephones = jobs_for(offer(40, starts), DOOR, (0, 2, 4), answers=False)
    assert [job.cores for job in telephones] == [(0,)]


@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
def test_a_job_survives_its_way_to_the_generator(transport: str):
    door = DOOR if transport == "twilio" else WebRtcDoor("http://127.0.0.1:1", "healthcare", "pipecat")
    made = Offer(transport, 1, SHORT, "short", lines(1, 1.0, 2, 1), seed=1)  # type: ignore[arg-type]
    [job] = jobs_for(made, door, (), answers=True)
    assert type(job).model_validate_json(job.model_dump_json()) == job
