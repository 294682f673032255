"""A level has as many steady turns as it says, whatever its seed, and says so before it begins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from loadtests.levels import POISSON, level, steady_turns
from loadtests.run import Offer
from loadtests.scenario import load_scenario
from loadtests.schedule import MeantCall, at_zero, lines, poisson
from loadtests.steady_stretch import Span, steady_stretch

CALL = MeantCall(15.0, (3.0, 7.0, 11.0))


def base(seed: int = 1, variant: str = "") -> Offer:
    return Offer("twilio", 1, load_scenario("short"), "short", (), seed=seed, variant=variant)


def within(offer: Offer, share: float) -> int:
    """Turns while the load stands, were every call to last ``share`` of what was meant."""
    told = [Span(start, start.at_s, start.at_s + share * CALL.length_s) for start in offer.starts]
    stretch = steady_stretch(offer.arrivals, offer.starts, told)
    return sum(
        stretch.from_s <= start.at_s + share * at <= stretch.to_s
        for start in offer.starts for at in CALL.turns_at_s
    )  # fmt: skip


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 150), st.integers(0, 2**16), st.sampled_from(["lines", "poisson"]))
def test_turns_that_are_asked_for_are_steady_ones(n: int, turns: int, seed: int, arrivals: str):
    offer = level(base(seed), n, CALL, turns=turns, arrivals=arrivals)  # type: ignore[arg-type]
    promised = steady_turns(offer.arrivals, offer.starts, CALL)
    assert promised >= turns
    assert promised == min(within(offer, share) for share in (0.9, 1.0, 1.1))


@given(st.integers(2, 12), st.integers(1, 150), st.integers(0, 2**16))
def test_no_line_takes_a_call_more_than_the_edges_ask_for(n: int, turns: int, seed: int):
    offer = level(base(seed), n, CALL, turns=turns)
    each = len(offer.starts) // n
    assert each >= 2  # lines of one call each never stand
    if each > 2:
        fewer = at_zero(lines(n, CALL.length_s, each - 1, seed))
        assert steady_turns("lines", fewer, CALL) < turns


def test_one_line_has_no_edges():
    offer = level(base(), 1, CALL, turns=200)
    assert len(offer.starts) == 67
    assert steady_turns("lines", offer.starts, CALL) == 201


def test_by_time_a_line_takes_calls_until_it_is_over():
    offer = level(base(), 3, MeantCall(10.0), seconds=20.0)
    assert (offer.concurrency, offer.arrivals) == (3, "lines")
    assert offer.starts == at_zero(lines(3, 10.0, 2, 1))
    assert len(level(base(), 1, MeantCall(40.0), seconds=30.0).starts) == 1


@given(st.integers(2, 12), st.floats(1.0, 40.0), st.integers(0, 2**16))
def test_by_time_too_the_load_stands_however_short_it_is(n: int, seconds: float, seed: int):
    offer = level(base(seed), n, CALL, seconds=seconds)
    told = [Span(start, start.at_s, start.at_s + CALL.length_s) for start in offer.starts]
    stretch = steady_stretch("lines", offer.starts, told)
    assert len(offer.starts) >= 2 * n
    assert 0.0 < stretch.from_s < stretch.to_s < max(span.ended_s for span in told)


def test_a_scenario_that_waits_for_no_answer_goes_by_what_there_is():
    offer = level(base(), 4, MeantCall(10.0), turns=8)
    assert len(offer.starts) == 8
    assert steady_turns("lines", offer.starts, MeantCall(10.0)) == 0
    assert level(base(), 4, MeantCall(10.0), turns=8, arrivals="poisson").starts


def test_poisson_arrivals_are_told_apart_and_keep_about_their_number_going():
    offer = level(base(3, "base"), 10, MeantCall(20.0), seconds=4000.0, arrivals="poisson")
    assert (offer.arrivals, offer.variant) == ("poisson", f"base, {POISSON}")
    assert offer.starts == poisson(10 / 20.0, 4000.0, 3)
    busy = sum(min(20.0, 4000.0 - start.at_s) for start in offer.starts) / 4000.0
    assert 9 < busy < 11
    assert level(base(3), 2, MeantCall(20.0), seconds=400.0, arrivals="poisson").variant == POISSON


def test_a_time_in_which_nobody_calls_is_refused_with_a_remedy():
    silent = next(seed for seed in range(100) if not poisson(1 / 15.0, 5.0, seed))
    with pytest.raises(OperatorError, match="--turns"):
        level(base(silent), 1, CALL, seconds=5.0, arrivals="poisson")
