"""For how long a control was off or weakened, told from records of several logs in whatever order. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from controls.evidence.occasions.tally import Where
from controls.ledger import records as r


class Weakening(NamedTuple):
    """What is off or weaker: whose, which control, and the setting that makes it so (None: switched off)."""

    tenant: str
    control: r.ControlName
    setting: r.WeakenedBy | None


@dataclass(frozen=True, slots=True)
class Period:
    """From one record to another.

    Attributes:
        how: off, or weakened by a setting.
        where: the record with which it began.
        at, until: Unix times in s; ``until`` None: it still is so.
    """

    what: Weakening
    how: str
    where: Where
    at: int
    until: int | None = None


def periods(told: Iterable[tuple[Where, r.ControlDisabled]]) -> Iterator[Period]:
    """Every period, by what is weaker and then by time.

    A house's logs are told one after the other, by the names of their directories; what counts is when each
    record was made. Records of one second in one log count in the order of their leaves; of several logs
    nobody knows that order, and one that says it is weaker then outdoes one that says it no longer is.
    """
    by: defaultdict[Weakening, list[tuple[Where, r.ControlDisabled]]] = defaultdict(list)
    for where, record in told:
        by[Weakening(record.tenant, record.control, record.setting)].append((where, record))
    for what in sorted(by, key=lambda w: (w.tenant, w.control, w.setting or "")):
        open_: Period | None = None
        for at, where, record in _by_second(by[what]):
            if record.restored and open_ is not None:
                yield Period(what, open_.how, open_.where, open_.at, at)
                open_ = None
            elif not record.restored and open_ is None:
                open_ = Period(what, record.how, where, at)
        if open_ is not None:
            yield open_


def _by_second(
    told: Iterable[tuple[Where, r.ControlDisabled]],
) -> Iterator[tuple[int, Where, r.ControlDisabled]]:
    """What a second came to: the last of each log, and of several logs one that weakens, if any does.

    What was weakened and put back within it is told as both, so that no weakening goes untold.
    """
    seconds: defaultdict[int, dict[str, list[tuple[Where, r.ControlDisabled]]]] = defaultdict(dict)
    for where, record in sorted(told, key=lambda one: (one[1].at, one[0].origin, one[0].leaf)):
        seconds[record.at].setdefault(where.origin, []).append((where, record))
    for at, logs in sorted(seconds.items()):
        where, record = min((log[-1] for log in logs.values()), key=lambda one: (one[1].restored, one[0]))
        if record.restored:
            weaker = (one for log in logs.values() for one in log if not one[1].restored)
            if (first := min(weaker, key=lambda one: one[0], default=None)) is not None:
                yield at, *first
        yield at, where, record
