"""A run counts only when the test itself kept up; what the server does badly never makes it invalid."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.results import Beside, Generator, Resources
from loadtests.shapes import Spread
from loadtests.validity import drift_percent, why_invalid, why_no_comparison
from tests.loadtests import made_up

GOOD = Generator(cpu_percent=30, tick_late_p99_ms=1, tick_late_max_ms=40)


def test_a_generator_within_its_limits_counts():
    assert why_invalid(GOOD, Resources(steal_percent=0.3)) == ()
    assert why_invalid(GOOD, Resources()) == ()  # a server elsewhere: nothing was weighed


@pytest.mark.parametrize(
    ("generator", "resources", "named"),
    [
        (GOOD.model_copy(update={"cpu_percent": 70.5}), Resources(), "70 % of a core"),
        (GOOD.model_copy(update={"tick_late_p99_ms": 5.1}), Resources(), "5.1 ms late"),
        (GOOD, Resources(steal_percent=2.1), "2.1 % of the CPU was stolen"),
        (None, Resources(), "did not tell"),
    ],
)
def test_each_limit_is_named(generator: Generator | None, resources: Resources, named: str):
    reasons = why_invalid(generator, resources)
    assert len(reasons) == 1
    assert named in reasons[0]


def test_what_works_beside_the_server_may_be_ten_ms_late():
    fit = Beside(what="suppliers", late_p99_ms=10.0, late_max_ms=300.0)
    late = Beside(what="proxy", late_p99_ms=10.1, late_max_ms=12.0)
    assert why_invalid(GOOD, Resources(), beside=(fit,)) == ()
    [reason] = why_invalid(GOOD, Resources(), beside=(fit, late))
    assert reason == "the proxy's event loop was late by 10.1 ms at p99, over 10 ms"


def test_failures_of_the_test_itself_come_first():
    reasons = why_invalid(None, Resources(steal_percent=50), failures=["a generator process died"])
    assert reasons[0] == "a generator process died"
    assert len(reasons) == 3


@given(st.floats(0, 200), st.floats(0, 50), st.one_of(st.none(), st.floats(0, 100)))
def test_valid_exactly_within_all_limits(cpu: float, late: float, steal: float | None):
    generator = Generator(cpu_percent=cpu, tick_late_p99_ms=late, tick_late_max_ms=late)
    within = cpu <= 70 and late <= 5 and (steal is None or steal <= 2)
    assert (why_invalid(generator, Resources(steal_percent=steal)) == ()) is within


def block(system: str, p50: float, **changed: object):
    summary = {"first_audio_out_ms": Spread(p50=p50, max=p50, n=20)}
    return made_up.run(system, calls=2, summary=summary, **changed)  # type: ignore[arg-type]


def test_drift_is_of_the_medians():
    assert drift_percent([block("defaults", 1000), block("defaults", 1099)]) == pytest.approx(9.9)
    assert drift_percent([block("defaults", 1000)]) is None
    assert drift_percent([block("defaults", 1000), made_up.run("defaults", calls=2, summary={})]) is None


def test_a_baseline_that_drifts_over_ten_percent_cannot_be_compared_with():
    ours = [block("ours", 500, block=0), block("ours", 900, block=3)]
    still = [block("defaults", 1000, block=1), block("defaults", 1100, block=2)]
    assert why_no_comparison(ours, still) == ()
    moved = [block("defaults", 1000, block=1), block("defaults", 1101, block=2)]
    assert "drifted by 10 %" in why_no_comparison(ours, moved)[0]


def test_a_block_that_does_not_count_is_named():
    bad = block("ours", 500, block=3, valid=False, invalid_because=("too late",))
    still = [block("defaults", 1000, block=1), block("defaults", 1000, block=2)]
    assert why_no_comparison([block("ours", 500), bad], still) == ("block 3 (ours): too late",)


@given(st.lists(st.floats(0, 4.9), min_size=99, max_size=99), st.floats(5.1, 1000))
def test_one_late_start_in_a_hundred_is_let_pass_and_two_are_not(quick: list[float], late: float):
    assert why_invalid(GOOD, Resources(), started_late_ms=[*quick, late]) == ()
    [reason] = why_invalid(GOOD, Resources(), started_late_ms=[*quick, late, late])
    assert reason.startswith("calls were started ")
