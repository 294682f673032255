"""One tenant's logs, period after period: which of them takes a record, and when one ends.

States of a log: *present* (takes new calls and records without one), *ending*
(its period is over; its calls finish there), *closed* (has its last leaf; read
only). There is one present log, and it is never older than one before it.

1. When the present period is over, the next log is opened, and becomes present
   once it is open and registered. Until then the old one goes on.
2. A call's records stay in the log that holds its ``call.opened``; when that log
   is closed, records about the call go to the present one.
3. An ending log is closed behind its last open call, in its own writer thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from controls.decision import PendingReceipt, Receipt
from controls.errors import IntegrityError, LedgerError, SayError
from controls.ids import new_id
from controls.ledger.batching import call_of
from controls.ledger.identity import period_of
from controls.ledger.log import Log, LogEnded
from controls.ledger.notes import Checkpoint, parse_checkpoint
from controls.ledger.options import Item, LedgerClock
from controls.ledger.periods import Period
from controls.ledger.read_only import log_directories
from controls.ledger.records import (
    REGISTER,
    CallClosed,
    CallOpened,
    OriginClosed,
    Personal,
    Record,
)
from controls.ledger.storage import FORMAT, OPEN_CALLS, LeafRow, translated
from controls.ledger.upkeep import TOMBSTONE, erased_by

#: Ended calls whose log is still known, for records that come late.
_REMEMBERED = 4096

#: Begins a log: directory, period, the log before (``o_…``).
Begin = Callable[[Path, Period, str | None], Log]


@dataclass(frozen=True, slots=True)
class FoundLog:
    """A log as it lies there before anything is opened; ``end`` is its last checkpoint once it is closed."""

    directory: Path
    origin: str
    tenant: str
    period: Period
    previous: str | None
    calls: frozenset[str]
    end: Checkpoint | None


def find_logs(root: Path) -> list[FoundLog]:
    """Every log under ``root``, the older ones first. Reads only.

    Raises:
        LedgerError: one cannot be read.
        IntegrityError: one has another version's format.
    """
    found = []
    for directory in log_directories(root):
        try:
            found.append(_find(directory))
        except (LedgerError, IntegrityError) as error:
            raise type(error)(f"{error}; run: python -m controls.ledger verify {root}") from error
    return sorted(found, key=lambda f: (f.period.start, f.period.end))


def _find(directory: Path) -> FoundLog:
    with translated(f"{directory}/log.db cannot be read"):
        db = sqlite3.connect(f"{(directory / 'log.db').absolute().as_uri()}?mode=ro", uri=True)
        try:
            meta = dict(db.execute("SELECT key, value FROM meta"))
            calls = frozenset(row[0] for row in db.execute(OPEN_CALLS))
            last = db.execute("SELECT leaf, type FROM leaves ORDER BY leaf DESC LIMIT 1").fetchone()
            note = db.execute("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1").fetchone()
        finally:
            db.close()
    if meta.get("format") != FORMAT:
        raise IntegrityError(
            f"{directory} has format {meta.get('format')!r}, this version reads {FORMAT}: use a new data_dir"
        )
    newest = parse_checkpoint(note[0]) if note is not None else None
    ended = newest is not None and last == (newest.size - 1, OriginClosed.type)
    return FoundLog(
        directory, meta["origin"], meta["tenant"], period_of(meta), meta.get("previous") or None, calls,
        newest if ended and meta["tenant"] != REGISTER else None,
    )  # fmt: skip


def tombstones_in(directory: Path) -> set[str]:
    """The artefacts that tombstones in this log name. Reads only.

    Raises:
        LedgerError, IntegrityError: it cannot be read.
    """
    with translated(f"{directory}/log.db cannot be read"):
        db = sqlite3.connect(f"{(directory / 'log.db').absolute().as_uri()}?mode=ro", uri=True)
        try:
            rows = db.execute("SELECT leaf, call, n, type, envelope FROM leaves WHERE type=?", (TOMBSTONE,))
            return erased_by(LeafRow(*row) for row in rows)
        finally:
            db.close()


class TenantLogs:
    """A tenant's logs. ``append``, ``append_spooled`` and what only reads never block for the disk."""

    def __init__(
        self,
        root: Path,
        found: Iterable[FoundLog],
        *,
        begin: Begin,
        period_at: Callable[[Period | None], Period],
        clock: LedgerClock,
    ) -> None:
        """Open the newest log and those with calls to finish, each in its own thread; ``wait`` waits.

        Args:
            found: what ``find_logs`` found of this tenant, the older ones first.
            period_at: the period of this moment, given the one before it.
        """
        self._root, self._begin, self._period_at, self._clock = root, begin, period_at, clock
        self._gate = threading.Lock()
        self._keeping = threading.Lock()
        self._stopped = False
        self._next: Path | None = None
        self._ended: deque[str] = deque()
        known = list(found)
        #: Directories of closed logs, the older ones first.
        self.closed: list[Path] = [f.directory for f in known if f.end is not None]
        self._calls = {call: f.directory for f in known for call in f.calls}
        self._places: dict[Path, tuple[Period, str | None]] = {
            f.directory: (f.period, f.previous) for f in known if f.end is None
        }
        newest = known[-1] if known else None
        if newest is not None and newest.end is None:
            self._present = newest.directory
        else:
            self._present = root / new_id("o")
            period = period_at(newest.period if newest else None)
            self._places[self._present] = (period, newest.origin if newest else None)
        self._logs: dict[Path, Log] = {}
        with self._gate:
            for directory in self._places:
                self._started(directory)

    def _started(self, directory: Path) -> Log:
        """The log of an open directory; one that could not be opened is tried again. Gate held."""
        log = self._logs.get(directory)
        if log is None or (log.failed and not self._stopped):
            log = self._logs[directory] = self._begin(directory, *self._places[directory])
            if directory != self._present:
                log.finish()
        return log

    @property
    def present(self) -> Log:
        """The log that takes new calls."""
        with self._gate:
            return self._started(self._present)

    def logs(self) -> list[Log]:
        """Those that are open or being opened; the present one last."""
        with self._gate:
            return [self._started(directory) for directory in self._places]

    def begun(self) -> list[Log]:
        """The same, as they are: none is tried again."""
        with self._gate:
            return list(self._logs.values())

    def wait(self) -> None:
        """Block until all of them are open, and the present one is of the present period.

        Raises:
            SayError: one cannot be opened.
        """
        for log in self.logs():
            if not log.finished.done():
                log.wait()
        self._advance()

    # -- records --------------------------------------------------------------------------------

    def append(self, record: Record, personal: Personal | None = None) -> PendingReceipt:
        """Queue one record in the log it belongs to."""
        item = Item(record, personal)
        with self._gate:
            directory = self._place_of(record)
            if not self._started(directory).offer(item) and not self._started(self._present).offer(item):
                item.future.set_exception(LogEnded(f"{record.type}: the log has got its last leaf"))
        if isinstance(record, CallOpened):
            item.future.add_done_callback(lambda done: self._forget(record.call, done))
        return item.future

    def append_spooled(self, record: Record, personal: Personal | None = None) -> Receipt:
        """Spool one record beside the log it belongs to; raises as ``Log.append_spooled``."""
        with self._gate:
            log, present = self._started(self._place_of(record)), self._started(self._present)
        try:
            return log.append_spooled(record, personal)
        except LogEnded:
            return present.append_spooled(record, personal)

    def _place_of(self, record: Record) -> Path:
        call = call_of(record)
        if call is None:
            return self._present
        directory = self._calls.get(call, self._present)
        if isinstance(record, CallOpened):
            self._calls[call] = directory
        elif isinstance(record, CallClosed) and call in self._calls:
            self._ended.append(call)
            if len(self._ended) > _REMEMBERED:
                self._calls.pop(self._ended.popleft(), None)
        return directory

    def _forget(self, call: str, opened: PendingReceipt) -> None:
        """A call whose first record was lost is in no log."""
        if opened.exception() is not None:
            with self._gate:
                self._calls.pop(call, None)

    # -- periods --------------------------------------------------------------------------------

    @property
    def keeping(self) -> threading.Lock:
        """While it is held, no log begins or ends here."""
        return self._keeping

    def keep(self) -> list[Log]:
        """Go over to a new period if it is time; returns the logs that were closed since. May block."""
        self._advance()
        with self._keeping, self._gate:
            done = {d: log for d, log in self._logs.items() if log.finished.done()}
            for directory in done:
                del self._logs[directory], self._places[directory]
                self.closed.append(directory)
            if done:
                self._calls = {c: d for c, d in self._calls.items() if d not in done}
        return list(done.values())

    def _advance(self) -> None:
        with self._keeping:
            with self._gate:
                old, (period, _) = self._started(self._present), self._places[self._present]
            if self._stopped or not old.ready or not period.over(self._clock.unix_s()):
                return
            directory = self._next = self._next or self._root / new_id("o")
            log = self._begin(directory, self._period_at(period), old.origin)
            try:
                log.wait()
            except SayError as error:  # the old one goes on meanwhile
                logger.error("ledger {}: the next period's log cannot be opened: {}", old.origin, error)
                return
            with self._gate:
                self._places[directory] = (log.period, old.origin)
                self._logs[directory], self._present, self._next = log, directory, None
            old.finish()
            logger.info("ledger {}: its period is over, {} takes new calls", old.origin, log.origin)

    def stop(self) -> None:
        """Begin no log any more."""
        with self._keeping:
            self._stopped = True

    def close(self) -> None:
        """Drain and close every log. Blocks."""
        self.stop()
        with self._gate:
            logs = list(self._logs.values())
        for log in logs:
            log.close()


def failed_future(error: Exception) -> Future[Receipt]:
    """A receipt that will not come."""
    future: Future[Receipt] = Future()
    future.set_exception(error)
    return future
