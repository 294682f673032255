"""Room for one more call: limits, hysteresis without flapping, bursts bounded by what is booked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.headroom import MEASURES, Change, Headroom, Reading
from voice_runtime.settings import Headroom as Limits

LIMITS = Limits()
WELL: dict[str, Any] = {"loop_lag_ms": 2.0, "loop_percent": 10.0, "cpu_percent": 10.0}


def reading(at_s: float, **figures: Any) -> Reading:
    """Over the five seconds before ``at_s``; of a process that is well but for ``figures``."""
    return Reading(since_s=at_s - 5, at_s=at_s, **{**WELL, **figures})


def with_a_call(limits: Limits = LIMITS) -> Headroom:
    """Somebody is on the line, long enough to be in every reading."""
    headroom = Headroom(limits)
    assert headroom.take("first") is None
    headroom.came("first", 0.0)
    return headroom


# --- limits ---------------------------------------------------------------------------------------

ABOVE = {
    "loop_lag_ms": 41.0, "loop_percent": 81.0, "cpu_percent": 86.0, "announced_pause_ms": 341.0,
    "underruns": 4, "recogniser_waiting": 3,
    "turn_questions_refused": 4,
}  # fmt: skip


def test_every_measure_has_a_limit_and_is_tried_here() -> None:
    assert set(ABOVE) == set(MEASURES) <= set(Limits.model_fields)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_figure_above_its_limit_turns_the_next_call_away_and_says_why(measure: Any) -> None:
    headroom = with_a_call()
    change = headroom.measured(reading(10.0, **{measure: ABOVE[measure]}))
    assert change == Change(False, (f"{measure} {ABOVE[measure]:.4g} > {getattr(LIMITS, measure):.4g}",))
    assert headroom.take("second") == measure
    assert headroom.calls == 1
    assert headroom.measured(reading(11.0, **{measure: ABOVE[measure]})) is None, "told once"
    assert headroom.state()["over"] == [measure]
    assert headroom.used()[measure] > 1


@pytest.mark.parametrize("measure", MEASURES)
def test_a_figure_at_its_limit_shuts_nothing(measure: Any) -> None:
    headroom = with_a_call()
    assert headroom.measured(reading(10.0, **{measure: getattr(LIMITS, measure)})) is None
    assert headroom.open


def test_what_cannot_be_measured_keeps_nobody_out() -> None:
    headroom = with_a_call()
    headroom.measured(Reading(since_s=5.0, at_s=10.0))
    assert headroom.take("second") is None


def test_no_underrun_is_a_limit_too() -> None:
    headroom = with_a_call(Limits(underruns=0))
    assert headroom.measured(reading(10.0)) is None
    assert headroom.measured(reading(11.0, underruns=1)) == Change(False, ("underruns 1 > 0",))


# --- who is on the line -----------------------------------------------------------------------------


def test_a_server_without_calls_takes_one_whatever_was_measured() -> None:
    headroom = Headroom(LIMITS)
    headroom.measured(reading(10.0, loop_lag_ms=500.0))
    assert not headroom.open
    assert headroom.take("first") is None
    assert headroom.take("second") == "loop_lag_ms"
    headroom.drop("first")
    assert headroom.take("second") is None


def test_a_call_that_was_taken_is_never_asked_about_again() -> None:
    headroom = with_a_call()
    assert headroom.take("second") is None
    headroom.measured(reading(10.0, loop_lag_ms=500.0))
    assert headroom.take("first") is None
    assert headroom.take("second") is None
    assert headroom.take("third") == "loop_lag_ms"
    assert headroom.take("third", returning=True) is None
    assert headroom.calls == 3


# --- bursts -----------------------------------------------------------------------------------------


def test_a_burst_takes_as_many_as_are_taken_to_fit_and_more_once_they_were_measured() -> None:
    headroom = with_a_call(Limits(call_percent=10.0, loop_percent=50.0))
    headroom.measured(reading(10.0, loop_percent=20.0))
    taken = [n for n in range(20) if headroom.take(f"burst {n}") is None]
    assert taken == [0, 1, 2], "20 % used and 30 % booked"
    for n in taken:
        headroom.came(f"burst {n}", 11.0)
    headroom.measured(reading(15.0, loop_percent=24.0))  # its stretch began before they came
    assert headroom.take("more") == "loop_percent"
    headroom.measured(reading(16.0, loop_percent=24.0))  # wholly seen: they are in the 24 %
    assert headroom.booked == 0
    assert headroom.take("more") is None


def test_a_call_that_never_came_gives_back_what_it_booked() -> None:
    headroom = with_a_call(Limits(call_percent=30.0))
    assert headroom.take("second") is None
    assert headroom.take("third") == "loop_percent"
    headroom.drop("second")
    assert headroom.take("third") is None


def test_what_a_call_costs_is_learnt_from_those_on_the_line() -> None:
    headroom = Headroom(Limits(call_percent=8.0, loop_percent=80.0))
    for n in range(8):
        headroom.take(f"c{n}")
        headroom.came(f"c{n}", 0.0)
    for second in range(40):
        headroom.measured(reading(10.0 + second, loop_percent=24.0, cpu_percent=20.0, cores=2.0))
    taken = [n for n in range(50) if headroom.take(f"burst {n}") is None]
    assert len(taken) == 18, "24 % used, 3 % each of the loop: 80 % are full before the two cores are"


def test_a_call_is_never_taken_to_cost_nothing() -> None:
    headroom = Headroom(Limits(call_percent=8.0))
    for n in range(8):
        headroom.take(f"c{n}")
        headroom.came(f"c{n}", 0.0)
    for second in range(60):
        headroom.measured(reading(10.0 + second, loop_percent=0.0, cpu_percent=0.0))
    assert len([n for n in range(100) if headroom.take(f"burst {n}") is None]) == 39, "2 % each within 80"


@given(
    limit=st.integers(20, 90),
    cost=st.integers(1, 30),
    used=st.integers(0, 100),
    arrivals=st.integers(1, 60),
    cores=st.integers(1, 8),
)
def test_whatever_arrives_between_two_measurements_stays_within_the_limits(
    limit: int, cost: int, used: int, arrivals: int, cores: int
) -> None:
    limits = Limits(loop_percent=limit, cpu_percent=limit, call_percent=cost)
    headroom = with_a_call(limits)
    headroom.measured(reading(10.0, loop_percent=float(used), cpu_percent=float(used), cores=float(cores)))
    taken = sum(headroom.take(f"burst {n}") is None for n in range(arrivals))
    assert taken == 0 or used + taken * cost <= limit
    room = (limit - used) // cost if used <= limit else 0
    assert taken == min(arrivals, max(0, room)), "neither more nor fewer than fit"


# --- hysteresis -------------------------------------------------------------------------------------


def test_it_opens_only_after_a_calm_time_well_below_the_limit() -> None:
    headroom = with_a_call(Limits(loop_lag_ms=100.0, resume_percent=80.0, calm_s=3.0))
    told = []
    for at_s, lag in (
        (10, 101),
        (11, 99),
        (12, 80),
        (13, 80),
        (14, 81),
        (15, 10),
        (16, 10),
        (17, 10),
        (18, 10),
    ):
        if (change := headroom.measured(reading(float(at_s), loop_lag_ms=float(lag)))) is not None:
            told.append((at_s, change.open))
    assert told == [(10, False), (18, True)]
    assert headroom.take("second") is None


_LAGS = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=200)


@given(lags=_LAGS, calm_s=st.integers(1, 10))
def test_it_never_flaps(lags: list[float], calm_s: int) -> None:
    """Once shut, it stays so for ``calm_s``; and no figure between the two thresholds changes anything."""
    headroom = with_a_call(Limits(loop_lag_ms=100.0, resume_percent=80.0, calm_s=float(calm_s)))
    shut_s: float | None = None
    calm_since_s: float | None = None
    for second, lag in enumerate(lags):
        at_s = 10.0 + second
        change = headroom.measured(reading(at_s, loop_lag_ms=lag))
        calm_since_s = None if lag > 80.0 else at_s if calm_since_s is None else calm_since_s
        if change is None:
            assert headroom.open == (shut_s is None)
            continue
        assert change.open == (shut_s is not None), "it changes to and fro"
        if change.open:
            assert lag <= 80.0
            assert shut_s is not None
            assert calm_since_s is not None
            assert at_s - calm_since_s >= calm_s
            assert at_s - shut_s >= calm_s
            shut_s = None
        else:
            assert lag > 100.0
            shut_s = at_s


@given(
    st.lists(st.tuples(st.sampled_from(["take", "came", "drop", "measured"]), st.integers(0, 5)), max_size=80)
)
def test_nothing_stays_booked_by_who_has_gone(steps: list[tuple[str, int]]) -> None:
    headroom = Headroom(LIMITS)
    there: set[str] = set()
    for at, (step, n) in enumerate(steps):
        call = f"c{n}"
        if step == "take":
            if headroom.take(call) is None:
                there.add(call)
        elif step == "came":
            headroom.came(call, float(at))
        elif step == "drop":
            headroom.drop(call)
            there.discard(call)
        else:
            headroom.measured(reading(float(at), loop_lag_ms=float(20 * n)))
        assert headroom.calls == len(there)
        assert 0 <= headroom.booked <= headroom.calls
    for call in there:
        headroom.drop(call)
    assert (headroom.calls, headroom.booked) == (0, 0)


# --- for people -------------------------------------------------------------------------------------


def test_its_state_has_every_figure_with_its_limit() -> None:
    headroom = with_a_call()
    assert headroom.state()["measures"]["loop_lag_ms"] == {"now": None, "limit": 40.0}
    headroom.measured(reading(10.0, loop_lag_ms=12.345))
    state = headroom.state()
    assert state["open"]
    assert set(state["measures"]) == set(MEASURES)
    assert state["measures"]["loop_lag_ms"] == {"now": 12.35, "limit": 40.0}
    assert state["booked"] == 0
