"""The ledger's end for one call: what it writes is counted, so that ``call.closed`` can say how many."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

from controls.decision import PendingReceipt, Receipt, Recorder
from controls.ledger import records as r

#: Writes a record to the fallback spool; blocks for one small write.
Spool = Callable[[r.Record, r.Personal | None], Receipt]


class Counted:
    """The ledger's end for one call: counts the records it has, and lets spans follow.

    What failed and is put into the spool by whoever learns of the failure counts all the while,
    so that ``call.closed`` names neither more nor fewer records than the call will have when
    the spool has been taken up, even if the call ends in the middle of that.
    """

    def __init__(
        self,
        recorder: Recorder,
        spool: Spool | None,
        follow: Callable[[r.Record, r.Personal | None], None],
    ) -> None:
        self._recorder = recorder
        self._spool = spool
        self._follow = follow
        self._count = 0
        #: Records whose failure is being told → whether they lie in the spool by now.
        self._failing: dict[int, bool] = {}
        self._lock = threading.Lock()  # receipts complete in the ledger's thread

    @property
    def count(self) -> int:
        """Records of this call: durable, on their way, or in the spool."""
        return self._count

    @property
    def spool(self) -> Spool | None:
        """The fallback spool, counted."""
        return self._into_spool if self._spool is not None else None

    def append(self, record: r.Record, personal: r.Personal | None = None) -> PendingReceipt:
        receipt: PendingReceipt = Future()
        receipt.set_running_or_notify_cancel()
        durable = self._recorder.append(record, personal)
        with self._lock:
            self._count += 1
        durable.add_done_callback(lambda future: self._tell(future, receipt, record))
        self._follow(record, personal)
        return receipt

    def _tell(self, durable: PendingReceipt, receipt: PendingReceipt, record: r.Record) -> None:
        if (error := durable.exception()) is None:
            receipt.set_result(durable.result())
            return
        with self._lock:
            self._failing[id(record)] = False
        receipt.set_exception(error)  # runs what waits for it: perhaps into the spool
        with self._lock:
            self._count -= not self._failing.pop(id(record))

    def _into_spool(self, record: r.Record, personal: r.Personal | None) -> Receipt:
        assert self._spool is not None
        receipt = self._spool(record, personal)
        with self._lock:
            if id(record) in self._failing:
                self._failing[id(record)] = True
            else:
                self._count += 1
        return receipt
