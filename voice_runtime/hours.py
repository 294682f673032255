"""When a desk is open, as one plain string, and what follows from it at a given time. Pure.

A release keeps a desk's hours as text, so that they are digested and bound to
calls with everything else::

    America/Chicago; mon 08:00-12:00,13:00-17:00; fri 08:00-16:00; closed 2026-12-25
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours, read from their text."""

    zone: ZoneInfo
    spans: dict[int, tuple[tuple[int, int], ...]]
    closed: frozenset[str]

    @staticmethod
    @lru_cache(maxsize=256)
    def parse(text: str) -> Hours:
        """Read hours; "" is never open.

        Raises:
            ValueError: when it is no such text.
        """
        if not text:
            return Hours(ZoneInfo("UTC"), {}, frozenset())
        zone, *parts = text.split("; ")
        spans: dict[int, tuple[tuple[int, int], ...]] = {}
        closed: frozenset[str] = frozenset()
        for part in parts:
            day, _, rest = part.partition(" ")
            if day == "closed":
                closed = frozenset(rest.split(","))
            else:
                spans[DAYS.index(day)] = tuple(
                    (_minutes(s[:5]), _minutes(s[6:])) for s in sorted(rest.split(","))
                )
        return Hours(ZoneInfo(zone), spans, closed)

    def open_at(self, unix_s: float) -> bool:
        """Whether somebody is there at that time."""
        now = dt.datetime.fromtimestamp(unix_s, self.zone)
        minute = now.hour * 60 + now.minute
        return any(start <= minute < end for start, end in self._day(now.date()))

    def after_working(self, unix_s: float, hours: float) -> dt.datetime | None:
        """The moment by which ``hours`` working hours have passed since ``unix_s``.

        Whole minutes, in the desk's zone; None when the desk never opens within a year.
        """
        now = dt.datetime.fromtimestamp(unix_s, self.zone)
        left = round(hours * 60)
        minute = now.hour * 60 + now.minute
        day = now.date()
        for _ in range(366):
            for start, end in self._day(day):
                begin = max(start, minute)
                if end - begin >= left and begin < end:
                    return dt.datetime.combine(day, dt.time(), self.zone) + dt.timedelta(minutes=begin + left)
                left -= max(0, end - begin)
            day += dt.timedelta(days=1)
            minute = 0
        return None

    def _day(self, day: dt.date) -> tuple[tuple[int, int], ...]:
        return () if day.isoformat() in self.closed else self.spans.get(day.weekday(), ())


_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "es": ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
}


def spoken(due: dt.datetime, language: str) -> str:
    """A moment as it is spoken, to the next full hour: ``Monday, 3 PM``; "" in a language not known here."""
    full = due if not (due.minute or due.second or due.microsecond) else due + dt.timedelta(hours=1)
    days = _DAYS.get(language.partition("-")[0])
    if days is None:
        return ""
    hour = (full.hour - 1) % 12 + 1
    if days is _DAYS["en"]:
        return f"{days[full.weekday()]}, {hour} {'AM' if full.hour < 12 else 'PM'}"
    part = "de la mañana" if full.hour < 12 else "de la tarde" if full.hour < 20 else "de la noche"
    return f"{days[full.weekday()]} a la{'' if hour == 1 else 's'} {hour} {part}"


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
