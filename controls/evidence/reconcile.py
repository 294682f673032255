"""The carrier's list of calls against ours: a call that was never recorded leaves nothing else to find. Pure.

The log shows what was recorded and that nothing was taken out; it cannot show a
call that never went in. The carrier's records of the same day can. Calls are
matched by the carrier's own name for them, which is sealed in ``call.opened`` and
``call.refused``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from controls.errors import OperatorError

#: Names of the column that holds the carrier's name for a call, and of its start; letters and digits only.
_CALL = ("sid", "callsid", "callid", "uuid")
_START = ("starttime", "start", "started", "startedat", "date", "datecreated")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """One call in the carrier's list; ``started`` is None where the list does not say."""

    id: str
    started: datetime | None = None


@dataclass(frozen=True, slots=True)
class OurCall:
    """One call on record.

    Attributes:
        call: ``c_…``; "" for one that was refused.
        carrier_call: the carrier's name for it; None once erased.
        at: Unix time in s.
    """

    call: str
    carrier_call: str | None
    at: int
    outcome: Literal["opened", "refused"] = "opened"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What agrees and what does not.

    Attributes:
        unrecorded: the carrier connected them, and nothing is on record.
        unknown_to_carrier: on record, and not in the carrier's list.
        erased: on record, but what the carrier calls them is erased: not comparable.
    """

    day: date
    matched: int
    refused: int
    unrecorded: list[str]
    unknown_to_carrier: list[str]
    erased: int

    @property
    def holds(self) -> bool:
        """Whether both lists tell of the same calls."""
        return not (self.unrecorded or self.unknown_to_carrier)


def read_carrier_list(text: str, name: str) -> list[CarrierCall]:
    """Read a carrier's list of calls: CSV with a header line, or JSON (Twilio's ``Calls.json``).

    Args:
        name: what the list is called in errors.

    Raises:
        OperatorError: neither, or without a column for the call's name.
    """
    rows = _json_rows(text, name) if text.lstrip().startswith(("{", "[")) else _csv_rows(text, name)
    found = []
    for number, row in rows:
        named = {_plain(str(key)): value for key, value in row.items()}
        if str(named.get("direction") or "").lower().startswith("outbound"):
            continue  # the carrier's own leg to a person of ours: no agent speaks on it
        sid = next((str(named[c]) for c in _CALL if named.get(c)), "")
        if not sid:
            raise OperatorError(
                f"{name}:{number}: no call id; a column must be called 'Call Sid', 'sid', 'call id' or 'uuid'"
            )
        start = next((str(named[c]) for c in _START if named.get(c)), "")
        found.append(CarrierCall(sid, _time(start, f"{name}:{number}") if start else None))
    return found


def reconcile(carrier: Sequence[CarrierCall], ours: Iterable[OurCall], day: date) -> Reconciliation:
    """Compare one UTC day of the carrier's calls with ours.

    A call near midnight may stand on the day before or after in one of the
    lists: the neighbouring days are looked through for a partner, and only
    what belongs to ``day`` is reported.
    """
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
    theirs = {c.id: c for c in carrier if c.started is None or begin - _DAY <= c.started < begin + 2 * _DAY}
    mine: dict[str, OurCall] = {}
    erased = matched = refused = 0
    unknown = []
    for call in ours:
        at = datetime.fromtimestamp(call.at, UTC)
        if not begin - _DAY <= at < begin + 2 * _DAY:
            continue
        today = begin <= at < begin + _DAY
        if call.carrier_call is None:
            erased += today
            continue
        mine[call.carrier_call] = call
        if today and call.carrier_call in theirs:
            matched += call.outcome == "opened"
            refused += call.outcome == "refused"
        elif today:
            unknown.append(call.call or call.carrier_call)
    unrecorded = [
        c.id for c in theirs.values()
        if c.id not in mine and (c.started is None or begin <= c.started < begin + _DAY)
    ]  # fmt: skip
    return Reconciliation(day, matched, refused, sorted(unrecorded), sorted(unknown), erased)


def _csv_rows(text: str, name: str) -> Iterable[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise OperatorError(f"{name}:{reader.line_num}: not CSV ({error})") from None


def _json_rows(text: str, name: str) -> Iterable[tuple[int, dict[str, Any]]]:
    try:
        found = json.loads(text)
    except ValueError:
        raise OperatorError(f"{name}: neither CSV nor JSON") from None
    rows = found.get("calls") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise OperatorError(f"{name}: JSON without a list of calls")
    return enumerate(rows, 1)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())


def _time(text: str, where: str) -> datetime:
    """ISO 8601 or RFC 2822 (Twilio writes the one in exports, the other in its interface)."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            found = read(text)
        except ValueError:
            continue
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    raise OperatorError(f"{where}: {text[:40]!r} is no time; ISO 8601 is understood")
