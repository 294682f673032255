"""One run summed up: who was offered what, what came of it, and whether it counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.job import Done, Finished
from loadtests.generator.processes import Generated
from loadtests.results import Outcome, Resources
from loadtests.run import Offer, calls_each, jobs_for, level, most_at_once, run_of
from loadtests.scenario import load_scenario
from loadtests.schedule import Start, at_zero, lines
from loadtests.systems import Evidence, ServerTurn, TwilioDoor, WebRtcDoor
from tests.loadtests import made_up
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


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.1, 20)), min_size=1, max_size=20))
def test_most_at_once_is_what_counting_at_every_start_finds(calls: list[tuple[float, float]]):
    made = [finished(n, at_s, seconds) for n, (at_s, seconds) in enumerate(calls)]
    spans = [(at_s + 0.01, max(at_s + 0.01, at_s + seconds)) for at_s, seconds in calls]
    counted = max(sum(a <= begin < b for a, b in spans) for begin, _ in spans)
    assert most_at_once(made) == max(1, counted)


def test_calls_that_were_never_answered_were_never_in_progress():
    refused = finished().model_copy(update={"answered_ms": None})
    assert most_at_once([refused]) == 0


def test_a_line_takes_as_many_calls_as_turns_or_time_ask_for():
    assert calls_each(5, 15.0, 3, turns=0, seconds=30.0) == 2
    assert calls_each(5, 40.0, 3, turns=0, seconds=30.0) == 1
    assert calls_each(4, 15.0, 3, turns=200, seconds=30.0) == 17  # 204 turns
    assert calls_each(1000, 15.0, 3, turns=10, seconds=30.0) == 1


def test_a_level_draws_its_lines_from_the_offers_seed():
    made = level(offer(), 3, 10.0, seconds=20.0)
    assert made.concurrency == 3
    assert made.starts == at_zero(lines(3, 10.0, 2, 1))


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
