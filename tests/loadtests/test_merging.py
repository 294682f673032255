"""Several results as one: nothing of any is lost, and a comparison counts only when all do."""

from __future__ import annotations

from loadtests.compare import plan
from loadtests.merging import merged
from loadtests.results import Comparison
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
    )
    both = merged([whole, later], "python -m loadtests report --out a --out b")
    assert both.runs == (*whole.runs, *later.runs)
    assert len(both.pauses) == len(whole.pauses) + 1
    assert both.calibrations == whole.calibrations
    assert (both.started_at, both.interrupted) == (later.started_at, True)
    assert both.comparison is not None
    assert whole.comparison is not None
    assert not both.comparison.valid
    assert both.comparison.rows == whole.comparison.rows
    assert both.comparison.invalid_because == ("drift",)
    assert f"made by: {whole.command}" in both.notes
