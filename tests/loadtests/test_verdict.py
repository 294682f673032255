"""Met, missed or not decidable, and where the loads bend. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.reporting.loads import Load, loads
from loadtests.reporting.verdict import (
    Goal,
    Judgement,
    Verdict,
    error_ms,
    findings,
    goals,
    judge,
    knee,
    overall,
)
from loadtests.results import Calibration, Run, Turn
from tests.loadtests.made_up import results, run, turn

AUDIO = Goal("first_audio_out_ms", 95, 1400, "target")


def load(*runs: Run) -> Load:
    [[found]] = loads(runs).values()
    return found


def of(turns: list[Turn], **changed: object) -> Load:
    """A load of exactly these turns."""
    from loadtests.summary import summarise

    return load(
        run(calls=1, turns=0).model_copy(update={"turns": turns, "summary": summarise(turns, []), **changed})
    )


def answers(n: int, ms: float) -> list[Turn]:
    return [turn(0, i, ms) for i in range(n)]


@pytest.mark.parametrize(
    ("n", "ms", "verdict"),
    [
        (200, 1399, "met"),
        (200, 1400, "missed"),
        (200, 1500, "missed"),
        (199, 900, "not decidable"),  # too few for a p95
        (199, 1500, "missed"),  # but not for a median over it
        (19, 1500, "not decidable"),
    ],
)
def test_a_target_is_decided_by_what_the_turns_can_carry(n: int, ms: float, verdict: Verdict):
    assert judge(of(answers(n, ms)), AUDIO).verdict == verdict


def test_what_is_closer_to_the_limit_than_the_error_is_not_decided():
    near = of(answers(200, 1398))
    assert judge(near, AUDIO, error_ms=2.5).verdict == "not decidable"
    assert judge(near, AUDIO, error_ms=1.5).verdict == "met"
    assert judge(of(answers(200, 1402)), AUDIO, error_ms=2.5).verdict == "not decidable"


def test_the_allowance_for_the_telephone_network_must_fit_as_well():
    found = of(answers(200, 1300))
    assert judge(found, AUDIO).verdict == "met"
    assert judge(found, AUDIO, allowance_ms=150).verdict == "missed"


def test_callers_who_got_nothing_are_misses_however_quick_the_others_were():
    assert judge(load(run(calls=100, refused=5)), AUDIO).verdict == "met"
    gone = judge(load(run(calls=100, refused=6)), AUDIO)
    assert (gone.verdict, gone.why) == ("missed", "6 of 100 calls got nothing")


def test_calls_that_the_test_cut_short_are_no_finding_about_the_server():
    stopped = run(calls=100)
    cut = stopped.model_copy(update={"outcomes": {"completed": 60, "cut_short": 40}, "completed": 60})
    assert load(cut).offered == 60
    assert judge(load(cut), AUDIO).verdict == "met"


def test_turns_never_answered_reach_the_verdict_through_their_cap():
    slow = [turn(0, i, 6000, censored=True) for i in range(11)]
    assert judge(of(answers(189, 700) + slow), AUDIO).verdict == "missed"
    assert judge(of(answers(190, 700) + slow[:10]), AUDIO).verdict == "met"


def test_no_first_token_of_a_server_that_answered_nothing_is_a_target_missed():
    token = Goal("asr_to_first_token_ms", 95, 800, "target")
    never = [turn(0, i, 6000, asr_to_first_token_ms=None, censored=True) for i in range(3)]
    judged = judge(of(never), token)
    assert (judged.verdict, judged.why) == ("missed", "none of 3 turns was answered")
    once = [*never, turn(0, 3, 600, asr_to_first_token_ms=None)]
    assert judge(of(once), token).verdict == "not decidable"  # nobody sees this server's tokens
    governance = Goal("governance_ms", 95, 5, "objective")
    mute = [one.model_copy(update={"governance_ms": None}) for one in never]
    assert judge(of(mute), governance).verdict == "not decidable"


def test_a_run_that_does_not_count_decides_nothing():
    assert judge(load(run(calls=100, valid=False)), AUDIO).verdict == "not decidable"


def test_blocks_of_one_load_are_put_together_and_invalid_ones_left_out():
    bad = run(seed=3, calls=60, slower=9, valid=False, invalid_because=("stolen",))
    found = load(run(seed=1, calls=30), run(seed=2, calls=30), bad)
    assert (len(found.calls), len(found.turns), found.offered) == (60, 360, 60)
    assert len({call.n for call in found.calls}) == 60
    assert found.valid
    assert found.why_not == ("stolen",)
    assert found.summary["first_audio_out_ms"].n == 300
    assert found.summary["first_audio_out_ms"].p95 is not None
    assert load(bad).valid is False


def test_over_all_loads_it_is_met_as_far_as_it_goes():
    ramp = [load(run(concurrency=n, calls=60, slower=slow)) for n, slow in ((1, 1), (4, 1.2), (8, 3))]
    found = overall([judge(each, AUDIO) for each in reversed(ramp)])
    assert (found.verdict, found.up_to, found.words) == ("met", 4, "met up to 4; 8 missed")
    assert "missed at 8 calls" in found.why
    assert overall([judge(ramp[2], AUDIO)]).verdict == "missed"
    assert overall([judge(ramp[0], AUDIO)]).words == "met"
    assert overall([]).verdict == "not decidable"


@pytest.mark.parametrize(
    ("verdicts", "words", "up_to"),
    [
        ("met", "met", None),
        ("met met met", "met", None),
        ("met met missed", "met up to 2; 4 missed", 2),
        ("met met open", "met up to 2; 4 not decidable", 2),
        ("met met invalid", "met up to 2; 4 does not count", 2),
        ("open met met", "met up to 4; 1 not decidable", 4),
        ("met missed open invalid invalid", "met up to 1; 2 missed; 4 not decidable; 8, 16 do not count", 1),
        ("met missed met", "met up to 1; 2 missed", 1),
        ("missed missed", "missed", None),
        ("missed met", "missed at 1", None),
        ("open missed", "missed at 2; 1 not decidable", None),
        ("open invalid", "not decidable", None),
    ],
)
def test_met_is_said_only_when_every_load_met_it(verdicts: str, words: str, up_to: int | None):
    made = []
    for i, kind in enumerate(verdicts.split()):
        of_load = load(run(concurrency=2**i, calls=1, valid=kind != "invalid"))
        verdict: Verdict = {"met": "met", "missed": "missed"}.get(kind, "not decidable")  # type: ignore[assignment]
        made.append(Judgement(of_load, verdict, None, "made up"))
    found = overall(made)
    assert (found.words, found.up_to) == (words, up_to)


def test_a_load_met_above_one_that_missed_is_no_merit():
    bent = [load(run(concurrency=n, calls=60, slower=slow)) for n, slow in ((1, 3), (2, 1))]
    assert overall([judge(each, AUDIO) for each in bent]).verdict == "missed"


def test_goals_are_targets_and_objectives_and_nothing_is_dropped_silently():
    found, unmeasured = goals(results())
    assert [(goal.limit_ms, goal.whose) for goal in found] == [
        (800, "target and objective of healthcare"),
        (1300, "objective of healthcare"),
        (1400, "target"),
    ]
    assert unmeasured == ["disclosure_played_in_full_percent"]
    assert goals(results(objectives={"barge_in_pause_ms": 300}))[0][-1].percent == 95


def test_the_allowance_is_the_telephones_only_and_baselines_are_not_judged():
    runs = [run(calls=60), run(calls=60, transport="webrtc"), run("defaults", calls=60)]
    made = results(runs)
    found = findings(made, loads(made.runs))
    assert {(f.setting.transport, f.farther is None) for f in found} == {("twilio", False), ("webrtc", True)}
    assert len(found) == 2 * 3


def test_the_knee_is_where_a_ramp_would_have_ended():
    ramp = [run(concurrency=n, calls=60, slower=slow) for n, slow in ((1, 1), (2, 1.1), (4, 3))]
    [found] = loads(ramp).values()
    assert (knee(found).carried, knee(found).missed) == (2, 4)
    assert (knee(found[:2]).carried, knee(found[:2]).missed) == (2, None)
    assert (knee(found[2:]).carried, knee(found[2:]).missed) == (None, 4)
    [skipped] = loads([*ramp[:2], run(concurrency=4, calls=60, slower=3, valid=False)]).values()
    assert (knee(skipped).carried, knee(skipped).missed, knee(skipped).by) == (2, 4, "test")
    assert knee(found).by == "server"
    assert knee(found[:2]).by == ""
    [above] = loads([*ramp[:1], run(concurrency=2, calls=60, valid=False), ramp[2]]).values()
    assert (knee(above).missed, knee(above).by) == (4, "server")  # one that counts lies above it


def test_the_knee_with_the_networks_allowance_is_lower():
    [found] = loads([run(concurrency=n, calls=60, slower=1 + n / 16) for n in (1, 4)]).values()
    assert (knee(found).carried, knee(found).missed) == (4, None)
    assert (knee(found, 150).carried, knee(found, 150).missed) == (1, 4)


def test_the_error_is_the_calibrations():
    plain = Calibration(delay_ms=1, bias_ms=40, error_p50_ms=1, error_p95_ms=2.5, error_max_ms=4, n=200)
    assert error_ms(plain) == 2.5
    assert error_ms(None) == 0
