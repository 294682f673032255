"""The stretch in which a load stands, and how many calls go on, held against counting instant by instant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.job import Finished
from loadtests.schedule import Start, at_zero, lines, poisson
from loadtests.steady_stretch import (
    Span,
    Stretch,
    achieved,
    at_s,
    most_at_once,
    spans,
    steady_stretch,
)
from voice_runtime.caller.results import CallResult

#: Instants of a tenth of a second: whole numbers, so that counting at each of them is exact.
TENTHS = st.integers(0, 300)


def span(line: int, n: int, at: float, length: float | None) -> Span:
    """A call of ``length`` s, answered at once; None: one that was refused at once."""
    return Span(Start(at, line, n), None if length is None else at, at + (length or 0.0))


def going(told: list[Span], instant: float) -> int:
    """Calls in progress at an instant."""
    return sum(s.began_s is not None and s.began_s <= instant < s.ended_s for s in told)


calls_drawn = st.lists(st.tuples(TENTHS, st.integers(1, 90), st.booleans()), min_size=1, max_size=12)


@given(calls_drawn, TENTHS, st.integers(1, 200))
def test_the_mean_is_what_counting_in_every_tenth_finds(
    drawn: list[tuple[int, int, bool]], from_: int, length: int
):
    told = [
        span(n, n, at / 10, long / 10 if answered else None) for n, (at, long, answered) in enumerate(drawn)
    ]
    middles = [(from_ + i + 0.5) / 10 for i in range(length)]
    counted = sum(going(told, middle) for middle in middles) / length
    found = achieved(told, Stretch(from_ / 10, (from_ + length) / 10))
    assert found is not None
    assert found.mean == pytest.approx(counted, abs=1e-9)
    assert found.most == max(going(told, s.began_s) if s.began_s is not None else 0 for s in told)
    assert 0 <= found.mean <= found.most


@given(st.integers(1, 8), st.integers(1, 5), st.floats(0.5, 60), st.floats(0.2, 2.0), st.integers(0, 999))
def test_within_a_stretch_of_lines_every_line_has_begun_and_none_is_through(
    n: int, each: int, call_s: float, share: float, seed: int
):
    starts = at_zero(lines(n, call_s, each, seed))
    told = [span(start.line, start.n, start.at_s, share * call_s) for start in starts]
    stretch = steady_stretch("lines", starts, told)
    over = max(s.ended_s for s in told)
    by_line = {line: [s for s in told if s.start.line == line] for line in range(n)}
    firsts = [min(s.start.at_s for s in mine) for mine in by_line.values()]
    ends = [max(mine, key=lambda s: s.start.at_s).ended_s for mine in by_line.values()]
    if each == 1 or max(firsts) >= min(ends):
        assert stretch == Stretch(0.0, over)
    else:
        assert (stretch.from_s, stretch.to_s) == (max(firsts), min(ends))
        assert all(first in stretch or first < stretch.from_s for first in firsts)


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 999))
def test_calls_of_the_meant_length_keep_every_line_busy_but_for_its_pauses(n: int, each: int, seed: int):
    starts = at_zero(lines(n, 20.0, each, seed))
    told = [span(start.line, start.n, start.at_s, 20.0) for start in starts]
    found = achieved(told, steady_stretch("lines", starts, told))
    assert found is not None
    assert 0.4 * n < found.mean <= n + 1e-9  # one pause may be many times the mean of one
    assert found.most <= n
    whole = achieved(told, Stretch(0.0, max(s.ended_s for s in told)))
    assert whole is not None
    assert whole.mean <= n


def test_lines_of_one_call_each_never_stand_and_the_whole_run_is_taken():
    starts = (Start(0.0, 0, 0), Start(9.0, 1, 1))
    told = [span(0, 0, 0.0, 10.0), span(1, 1, 9.0, 10.0)]
    stretch = steady_stretch("lines", starts, told)
    assert stretch == Stretch(0.0, 19.0)
    found = achieved(told, stretch)
    assert found is not None
    assert (found.mean, found.most) == (pytest.approx(20 / 19), 2)


def test_a_line_that_was_cut_short_had_one_more_call_to_come():
    starts = (Start(0.0, 0, 0), Start(1.0, 1, 1), Start(20.0, 0, 2), Start(22.0, 1, 3))
    told = [span(0, 0, 0.0, 10.0), span(1, 1, 1.0, 10.0), span(0, 2, 20.0, 1.5)]  # stopped at 21.5
    assert steady_stretch("lines", starts, told) == Stretch(1.0, 21.5)
    assert steady_stretch("lines", starts, told[:2]) == Stretch(1.0, 11.0)


def test_a_refused_last_call_ends_its_line_as_it_is_refused():
    starts = (Start(0.0, 0, 0), Start(1.0, 1, 1), Start(20.0, 0, 2), Start(22.0, 1, 3))
    told = [span(0, 0, 0.0, 10.0), span(1, 1, 1.0, 10.0), span(0, 2, 20.0, None), span(1, 3, 22.0, 10.0)]
    assert steady_stretch("lines", starts, told) == Stretch(1.0, 20.0)


def test_poisson_arrivals_stand_from_one_call_length_to_the_last_start():
    starts = poisson(0.5, 100.0, 1)
    told = [span(start.line, start.n, start.at_s, 8.0 if start.n % 2 else 12.0) for start in starts]
    answered = [s.ended_s - s.start.at_s for s in told]
    stretch = steady_stretch("poisson", starts, told)
    assert stretch.from_s == pytest.approx(sum(answered) / len(answered))
    assert stretch.to_s == starts[-1].at_s
    brief = poisson(0.5, 100.0, 1)[:2]
    told = [span(start.line, start.n, start.at_s, 60.0) for start in brief]
    assert steady_stretch("poisson", brief, told) == Stretch(0.0, brief[-1].at_s + 60.0)


def test_a_run_without_calls_or_without_an_answer_has_no_stretch_to_speak_of():
    assert steady_stretch("lines", (), []) == Stretch(0.0, 0.0)
    assert achieved([], Stretch(0.0, 0.0)) is None
    refused = [span(0, 0, 0.0, None)]
    found = achieved(refused, steady_stretch("poisson", (Start(0.0, 0, 0),), refused))
    assert found is not None
    assert (found.mean, found.most) == (0.0, 0)


@given(calls_drawn)
def test_the_most_is_what_counting_at_every_start_finds(drawn: list[tuple[int, int, bool]]):
    told = [
        span(n, n, at / 10, long / 10 if answered else None) for n, (at, long, answered) in enumerate(drawn)
    ]
    assert most_at_once(told) == max(going(told, at / 10) for at, _, _ in drawn)


def test_a_sample_of_a_call_has_its_place_on_the_runs_clock():
    call = Finished(
        start=Start(2.0, 0, 0), started_late_ms=3.0, answered_ms=500.0, ended_at_s=9.0,
        outcome="completed", result=CallResult("CA0"),
    )  # fmt: skip
    assert at_s(call, 8000) == 3.5
    refused = call.model_copy(update={"answered_ms": None})
    assert at_s(refused, 0) is None
    assert spans([call, refused]) == [
        Span(Start(2.0, 0, 0), 2.5, 9.0),
        Span(Start(2.0, 0, 0), None, 9.0),
    ]
