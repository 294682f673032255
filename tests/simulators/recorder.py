"""A ledger in memory, behind ``controls.decision.Recorder``; can be told to fail or delay mid-test."""

from __future__ import annotations

import itertools
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError
from controls.ledger.records import Personal, Record


@dataclass
class MemoryRecorder:
    """Numbers records at commit, in the order they were appended.

    Attributes:
        failing: appends from now on yield futures that fail with ``LedgerError``.
        refusing: ``append`` itself raises ``LedgerError`` (as after ``close``).
        delayed: appends wait until ``commit`` is called.
        records: what is durable, oldest first, with its personal content beside it.
    """

    origin: str = "o_MEMORY"
    failing: bool = False
    refusing: bool = False
    delayed: bool = False
    records: list[tuple[Record, Personal | None]] = field(default_factory=list)
    waiting: list[tuple[Record, Personal | None, PendingReceipt]] = field(default_factory=list)
    _clock_ns: itertools.count[int] = field(default_factory=lambda: itertools.count(1_000_000, 1_000))

    def append(self, record: Any, personal: Any = None) -> PendingReceipt:
        if self.refusing:
            raise LedgerError("the ledger is closed")
        if not isinstance(record, Record) or "type" not in type(record).__dict__:
            raise TypeError("append takes a concrete record")
        wanted = type(record).personal
        if personal is not None and (wanted is None or type(personal) is not wanted):
            raise TypeError(f"{record.type} does not take this personal content")
        future: PendingReceipt = Future()
        future.set_running_or_notify_cancel()
        self.waiting.append((record, personal, future))
        if not self.delayed:
            self.commit()
        return future

    def commit(self) -> None:
        """Make durable (or, if ``failing``, fail) whatever waits."""
        queued, self.waiting = self.waiting, []
        for record, personal, future in queued:
            if self.failing:
                future.set_exception(LedgerError("disk full"))
                continue
            leaf = len(self.records)
            numbered = record.model_copy(update={"n": self._number(record)})
            self.records.append((numbered, personal))
            future.set_result(Receipt(self.origin, leaf, record.type, next(self._clock_ns)))

    def close(self) -> None:
        self.refusing = True

    def types(self) -> list[str]:
        """Types of the durable records, oldest first."""
        return [record.type for record, _ in self.records]

    def of(self, kind: str) -> list[tuple[Any, Any]]:
        """Durable records of one type, with their personal content."""
        return [(record, personal) for record, personal in self.records if record.type == kind]

    def _number(self, record: Record) -> int:
        call = getattr(record, "call", None)
        return sum(1 for r, _ in self.records if getattr(r, "call", None) == call)
