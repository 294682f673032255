"""Pending receipts that rest on several records, or on the ledger or else the spool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError
from controls.ledger import records as r

#: Writes one record to the fallback spool; raises when it cannot.
Spool = Callable[[r.Record, r.Personal | None], Receipt]


class UrgentReceipt:
    """A receipt that comes from the ledger or, if that fails or is late, from the spool."""

    def __init__(self, record: r.Record, details: r.Personal | None, spool: Spool) -> None:
        self.receipt: PendingReceipt = Future()
        self.receipt.set_running_or_notify_cancel()
        self._record, self._details, self._write = record, details, spool
        self._lock = threading.Lock()
        self._spooling = False

    def follow(self, ledger: PendingReceipt) -> None:
        ledger.add_done_callback(self._came)

    def _came(self, ledger: PendingReceipt) -> None:
        if ledger.cancelled() or ledger.exception() is not None:
            self.spool()
            return
        with self._lock:
            if not self.receipt.done():
                self.receipt.set_result(ledger.result())

    def spool(self) -> None:
        """Write once; if the spool fails too, the ledger may still complete the receipt."""
        with self._lock:
            if self._spooling or self.receipt.done():
                return
            self._spooling = True
        try:
            receipt = self._write(self._record, self._details)
        except Exception:  # noqa: BLE001  # whatever the spool raises, the caller must learn it
            with self._lock:
                self._spooling = False
                if not self.receipt.done():
                    self.receipt.set_exception(
                        LedgerError("neither the ledger nor the spool took the record")
                    )
            return
        with self._lock:
            if not self.receipt.done():
                self.receipt.set_result(receipt)


def all_of(parts: Sequence[PendingReceipt]) -> PendingReceipt:
    """Completes with the last record's receipt when every part is durable; fails if one fails."""
    if len(parts) == 1:
        return parts[0]
    whole: PendingReceipt = Future()
    whole.set_running_or_notify_cancel()
    lock = threading.Lock()
    left = len(parts)

    def came(part: PendingReceipt) -> None:
        nonlocal left
        error = LedgerError("cancelled") if part.cancelled() else part.exception()
        with lock:
            left -= 1
            if whole.done():
                return
            if error is not None:
                whole.set_exception(error)
            elif left == 0:
                whole.set_result(max((p.result() for p in parts), key=lambda x: x.leaf))

    for part in parts:
        part.add_done_callback(came)
    return whole
