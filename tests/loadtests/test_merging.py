"""Several results as one: nothing of any is lost, and a comparison counts only when all do."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.compare import plan
from loadtests.merging import merged
from loadtests.ratios import ratios
from loadtests.results import Calibration, Comparison, Network, Profile, Results
from tests.loadtests import made_up


def test_one_stays_as_it_is():
    one = made_up.results([made_up.run(calls=2)])
    assert merged([one], "again") is one


def test_runs_and_rows_and_policies_come_together_and_the_newest_speaks_for_the_rest():
    whole = made_up.whole()
    later = made_up.results(
        [made_up.run(calls=2, concurrency=3)],
        started_at="2026-11-22T00:00:00+00:00",
        interrupted=True,
        calibrations=(),
        comparison=Comparison(valid=False, invalid_because=("drift",), blocks=plan(["defaults"], [1])),
        pauses=made_up.pauses()[:1],
        barge_in=(made_up.barge_in("file"),),
    )
    both = merged([whole, later], "python -m loadtests report --out a --out b")
    assert both.runs == (*whole.runs, *later.runs)
    assert both.pauses == (*whole.pauses, *later.pauses)
    assert both.barge_in == (*whole.barge_in, *later.barge_in)
    assert both.calibrations == whole.calibrations
    assert (both.started_at, both.interrupted) == (later.started_at, True)
    assert both.comparison is not None
    assert whole.comparison is not None
    assert not both.comparison.valid
    assert both.comparison.rows == whole.comparison.rows
    assert both.comparison.invalid_because == ("drift",)
    assert f"made by: {whole.command}" in both.notes


def compared(profile: Profile, network: Network) -> Comparison:
    """Ours twice as quick as bare pipecat, in that profile and network; MADE UP."""
    ours, theirs = (
        made_up.run(system, profile=profile, network=network, calls=12) for system in ("ours", "defaults")
    )
    return Comparison(valid=True, rows=ratios([ours], [theirs], draws=20))


def test_rows_of_different_profiles_and_networks_stay_apart():
    bad = Network(by="proxy", loss_percent=1, delay_ms=20)
    settings: list[tuple[Profile, Network]] = [("mock", Network()), ("mock", bad), ("cpu-whisper", Network())]
    each = [made_up.results(comparison=compared(*setting)) for setting in settings]
    both = merged(each, "again")
    assert both.comparison is not None
    keys = [
        (row.measure, row.profile, row.tier, row.transport, row.network, row.concurrency, row.baseline)
        for row in both.comparison.rows
    ]
    assert len(set(keys)) == len(keys)
    assert {(row.profile, row.tier, row.network.by) for row in both.comparison.rows} == {
        ("mock", "mock", "none"), ("mock", "mock", "proxy"), ("cpu-whisper", "real", "none"),
    }  # fmt: skip
    for one, setting in zip(each, settings, strict=True):
        assert one.comparison is not None
        assert set(one.comparison.rows) == {
            row for row in both.comparison.rows if (row.profile, row.network) == setting
        }


def on(**environment: object) -> Results:
    return made_up.results([made_up.run(calls=1, environment=made_up.environment(**environment))])


@settings(deadline=None)
@given(st.lists(st.sampled_from(["aaaaaaa", "bbbbbbb", "ccccccc"]), min_size=2, max_size=5))
def test_several_commits_are_said_and_one_is_not(commits: list[str]):
    notes = merged([on(commit=commit) for commit in commits], "again").notes
    different = list(dict.fromkeys(commits))
    said = [note for note in notes if note.startswith("from ")]
    assert said == ([f"from {len(different)} commits: {', '.join(different)}"] if len(different) > 1 else [])
    assert all(before == after for before, after in pairwise(commits)) == (not said)


def test_a_changed_checkout_another_machine_and_other_packages_are_said():
    told = [
        on(),
        on(changed=True),
        on(accelerator="MADE UP accelerator", packages={"pipecat-ai": "1.14.1"}),
        made_up.results(environment=made_up.environment(commit="1111111")),
    ]
    notes = merged(told, "again").notes
    assert "from 3 commits: 0000000, 0000000 (changed), 1111111" in notes
    [machines] = [note for note in notes if note.startswith("from 2 machines: ")]
    assert "MADE UP accelerator" in machines
    assert "with 2 sets of packages, which differ in pipecat-ai" in notes


def test_the_newest_environment_without_runs_is_kept():
    first, second = (
        made_up.results(environment=made_up.environment(commit=commit), started_at=at)
        for commit, at in (("1111111", "2026-11-22T00:00:00+00:00"), ("2222222", "2026-11-21T00:00:00+00:00"))
    )
    assert merged([first, second], "again").environment == first.environment
    assert merged([second, made_up.results()], "again").environment == second.environment


def calibrated_on(commit: str, bias_ms: float, **changed: object) -> Results:
    error = {"delay_ms": 300, "error_p50_ms": 1, "error_p95_ms": 2, "error_max_ms": 3, "n": 200}
    place = made_up.environment(commit=commit)
    calibrations = (Calibration(bias_ms=bias_ms, **error),)  # type: ignore[arg-type]
    return made_up.results(
        **{"runs": [made_up.run(calls=1, environment=place)], "calibrations": calibrations, **changed}
    )


def test_a_calibration_speaks_for_the_place_it_was_made_at_and_for_no_other():
    one, other = calibrated_on("1111111", 40), calibrated_on("2222222", 60)
    both = merged([one, other], "again")
    assert both.calibrations == ()
    assert "twilio: no calibration was made where every run was: left out" in both.notes
    newer = calibrated_on("1111111", 50, started_at="2026-11-22T00:00:00+00:00")
    again = merged([newer, one], "again")
    assert again.calibrations == newer.calibrations
    assert not any("calibration" in note for note in again.notes)


def test_a_calibration_made_by_itself_is_kept_where_the_runs_are_of_its_place():
    here = made_up.environment(commit="1111111")
    alone = calibrated_on("1111111", 40, runs=(), environment=here)
    run = made_up.results([made_up.run(calls=1, environment=here)], calibrations=())
    assert merged([run, alone], "again").calibrations == alone.calibrations
    elsewhere = made_up.results([made_up.run(calls=1)], calibrations=())
    assert merged([elsewhere, alone], "again").calibrations == ()


def test_objectives_of_several_agents_are_nobodys():
    one, other = made_up.results(), made_up.results(agent="other", objectives={"first_audio_out_p95_ms": 900})
    both = merged([one, other], "again")
    assert (both.agent, both.objectives) == ("", {})
    assert "of several agents (healthcare, other): no objectives are judged" in both.notes
    stricter = made_up.results(objectives={"first_audio_out_p95_ms": 900})
    both = merged([one, stricter], "again")
    assert (both.agent, both.objectives) == ("healthcare", {})
    assert any("its objectives differ" in note for note in both.notes)
