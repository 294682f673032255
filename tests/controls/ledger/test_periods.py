"""Which period a moment lies in: a calendar, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.ledger.periods import ENDLESS, Period, PeriodKind, period_at

KINDS = st.sampled_from(["month", "quarter", "year"])
MOMENTS = st.floats(0, 4_000_000_000, allow_nan=False)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("moment", "kind", "start", "end", "kept_until"),
    [
        ("2026-02-28T23:59:59", "month", "2026-02-01", "2026-03-01", "2026-09-01"),
        ("2026-03-01", "month", "2026-03-01", "2026-04-01", "2026-10-01"),
        ("2026-11-21T10:00:00", "quarter", "2026-10-01", "2027-01-01", "2027-07-01"),
        ("2028-02-29", "year", "2028-01-01", "2029-01-01", "2029-07-01"),
    ],
)
def test_calendar_periods(moment: str, kind: PeriodKind, start: str, end: str, kept_until: str) -> None:
    assert period_at(at(moment), kind, kept_months=6) == Period(at(start), at(end), at(kept_until))


@given(moment=MOMENTS, kind=KINDS)
def test_a_moment_lies_in_its_period(moment: float, kind: PeriodKind) -> None:
    period = period_at(moment, kind, kept_months=12)
    assert period.start <= moment < period.end < period.kept_until
    assert not period.over(moment) and period.over(period.end)


@given(moments=st.lists(MOMENTS, min_size=2, max_size=8), kinds=st.lists(KINDS, min_size=8, max_size=8))
def test_periods_never_overlap_and_never_go_back(moments: list[float], kinds: list[PeriodKind]) -> None:
    """The clock jumps both ways, and the operator changes the kind of period."""
    periods: list[Period] = []
    for moment, kind in zip(moments, kinds, strict=False):
        periods.append(period_at(moment, kind, kept_months=6, after=periods[-1] if periods else None))
    for earlier, later in pairwise(periods):
        assert later.start >= earlier.end and later.end > later.start


def test_a_log_without_a_period_never_ends() -> None:
    assert not ENDLESS.over(4e9)
