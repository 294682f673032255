"""What may be pooled or drawn together, and how many calls really went on. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.reporting.loads import Load, loads
from loadtests.results import Achieved, Run
from tests.loadtests.made_up import environment, run


def of(*runs: Run) -> tuple[Load, ...]:
    [found] = loads(runs).values()
    return found


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"cpu": "another processor"}, "on another processor, 2 cores, server on 1, callers on 0"),
        ({"cores": 16}, "on MADE UP processor, 16 cores, server on 1, callers on 0"),
        ({"accelerator": "a GPU"}, "on MADE UP processor, 2 cores, a GPU, server on 1, callers on 0"),
        ({"server_cores": (0, 1)}, "on MADE UP processor, 2 cores, server on 0 and 1, callers on 0"),
        ({"generator_cores": ()}, "on MADE UP processor, 2 cores, server on 1, callers on any"),
        ({"commit": "1111111"}, "commit 1111111"),
        ({"changed": True}, "commit 0000000 with changes"),
    ],
)
def test_figures_of_two_machines_or_two_commits_never_meet(other: dict[str, object], said: str):
    found = loads([run(), run(environment=environment(**other))])
    assert [len(of_setting) for of_setting in found.values()] == [1, 1]
    titles = [setting.title for setting in found]
    assert titles[1].endswith(f", {said}")
    assert len(set(titles)) == len({setting.key for setting in found}) == 2


def test_one_machine_and_one_commit_are_in_no_title():
    [setting] = loads([run(), run(environment=environment(memory_gb=4))])
    assert setting.title == "Mock suppliers with fixed delays, telephone (Twilio)"


def test_calls_at_once_are_weighted_by_time_over_the_blocks_that_tell():
    short = run(seed=1, concurrency=4, achieved=Achieved(mean=2.0, most=4, from_s=0, to_s=10))
    long = run(seed=2, concurrency=4, achieved=Achieved(mean=4.0, most=5, from_s=0, to_s=30))
    [load] = of(short, long, run(seed=3, concurrency=4, achieved=None))
    assert load.at == 3.5
    assert load.at_once == "4 (3.5 on average, at most 5)"


def test_a_run_from_before_that_was_kept_stands_at_the_calls_offered():
    [load] = of(run(concurrency=4, achieved=None))
    assert (load.achieved, load.at, load.at_once) == (None, 4.0, "4")


def test_what_the_test_itself_spoilt_was_not_offered():
    outcomes = {"completed": 15, "cut_short": 2, "harness_failed": 3}
    [load] = of(run(calls=20, outcomes=outcomes, completed=15))
    assert (load.offered, load.completed, load.lost) == (15, 15, 0)
