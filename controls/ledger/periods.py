"""Which stretch of time one log takes new calls for: a calendar month, quarter or year in UTC. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

PeriodKind = Literal["month", "quarter", "year"]

_MONTHS: dict[PeriodKind, int] = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True, slots=True)
class Period:
    """Unix seconds ``start`` (included) to ``end`` (not); 0 to 0 has no end.

    ``kept_until``: Unix time in s before which nothing recorded in it is pruned.
    """

    start: int = 0
    end: int = 0
    kept_until: int = 0

    def over(self, unix_s: float) -> bool:
        """Whether it has ended at this time."""
        return bool(self.end) and unix_s >= self.end


#: What a log without an end is for: the register's, or one begun outside a ledger.
ENDLESS = Period()


def period_at(unix_s: float, kind: PeriodKind, *, kept_months: int, after: Period | None = None) -> Period:
    """The period that holds this time.

    Args:
        kept_months: how many months after its end its records are kept at least.
        after: the one before it. It never overlaps that one, and is never an
            older one, wherever the clock has gone.
    """
    if after is not None and unix_s < after.end:
        unix_s = after.end
    moment = datetime.fromtimestamp(unix_s, UTC)
    months = _MONTHS[kind]
    first = moment.year * 12 + (moment.month - 1) // months * months
    start, end = _month(first), _month(first + months)
    if after is not None:
        start = max(start, after.end)
    return Period(start, end, _month(first + months + kept_months))


def _month(count: int) -> int:
    """Unix seconds at which month ``count`` (12 a year, from year 0) begins."""
    year, month = divmod(count, 12)
    return int(datetime(min(year, 9999), month + 1, 1, tzinfo=UTC).timestamp())
