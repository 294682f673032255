"""The people behind an agent: desks with numbers and hours, and roles.

``configs/desks.yaml`` says where a desk is reached and when;
``configs/people.yaml`` says which roles exist. Hours are kept as one plain
string in a release (``America/Chicago; Mon 08:00-17:00; …``), so that whether a
desk is open is a pure function of that string and a time.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from controls.ledger.records import Slug
from voice_runtime.lines import E164
from voice_runtime.yaml_file import Closed, Document, check, load_document

DESKS_FILE = Path("configs/desks.yaml")
PEOPLE_FILE = Path("configs/people.yaml")

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)-(([01]\d|2[0-3]):([0-5]\d)|24:00)$")


def _span(value: str) -> str:
    match = _SPAN.match(value)
    if not match or value[:5] >= value[6:]:
        raise PydanticCustomError(
            "span",
            "is not a span of hours within one day",
            {"remedy": 'write "08:00-17:00"; split a span that passes midnight'},
        )
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "zone", "is not a known time zone", {"remedy": "write one such as America/Chicago or Europe/Berlin"}
        ) from None
    return value


Span = Annotated[str, AfterValidator(_span)]
Zone = Annotated[str, AfterValidator(_zone)]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Desk(Closed):
    """A place where people answer."""

    title: str = Field(min_length=1, max_length=80, description="what callers hear it called, such as reception")
    number: E164 | None = Field(default=None, description="where it is reached; left out: call-backs only")
    time_zone: Zone = Field(description="such as America/Chicago")
    hours: dict[Day, tuple[Span, ...]] = Field(
        description="weekday → spans, such as mon: [08:00-12:00, 13:00-17:00]"
    )
    closed_on: tuple[dt.date, ...] = Field(default=(), description="holidays, such as 2026-12-25")


class DesksFile(Closed):
    format: Literal[1] = Field(description="1")
    desks: dict[Slug, Desk] = Field(description="desk name → where and when")


class Role(Closed):
    """A role; the persons in it are named in the identity system, not here."""

    does: str = Field(min_length=1, max_length=200, description="what the role answers for")
    reaches: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")] | None = Field(
        default=None, description="a shared mailbox, such as front-desk@example.com"
    )


class PeopleFile(Closed):
    format: Literal[1] = Field(description="1")
    roles: dict[Slug, Role] = Field(description="role name → what it answers for", min_length=1)


def load_desks(root: Path) -> tuple[DesksFile, Document]:
    """Read ``configs/desks.yaml``.

    Raises:
        ConfigurationError: with every problem found.
    """
    return _load(DesksFile, root / DESKS_FILE, root, "list of desks")


def load_people(root: Path) -> tuple[PeopleFile, Document]:
    """Read ``configs/people.yaml``.

    Raises:
        ConfigurationError: with every problem found.
    """
    return _load(PeopleFile, root / PEOPLE_FILE, root, "list of roles")


# --- hours ----------------------------------------------------------------------------------------


def hours_text(desk: Desk) -> str:
    """A desk's hours as one line: zone, weekdays with spans, days it is closed."""
    parts = [desk.time_zone]
    parts += [f"{day} {','.join(desk.hours[day])}" for day in DAYS if desk.hours.get(day)]
    if desk.closed_on:
        parts.append("closed " + ",".join(d.isoformat() for d in sorted(desk.closed_on)))
    return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Hours:
    """Opening hours, read back from ``hours_text``."""

    zone: ZoneInfo
    spans: dict[int, tuple[tuple[int, int], ...]]
    closed: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read what ``hours_text`` wrote; "" is never open.

        Raises:
            ValueError: when it was written by nothing of ours.
        """
        if not text:
            return cls(ZoneInfo("UTC"), {}, frozenset())
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
        return cls(ZoneInfo(zone), spans, closed)

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


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _load[M: Closed](model: type[M], path: Path, root: Path, what: str) -> tuple[M, Document]:
    document = load_document(path, root, what=what)
    found, problems = check(model, document)
    if found is None:
        raise ConfigurationError(problems)
    return found, document
