"""The ledger's end for one call: what it writes is counted, so that ``call.closed`` can say how many."""

from __future__ import annotations

import threading
from collections.abc import Callable

from controls.decision import PendingReceipt, Receipt, Recorder
from controls.ledger import records as r

#: Writes a record to the fallback spool; blocks for one small write.
Spool = Callable[[r.Record, r.Personal | None], Receipt]


class Counted:
    """The ledger's end for one call: counts the records it has, and lets spans follow.

    What failed counts only once it lies in the spool, so that ``call.closed`` names neither
    more nor fewer records than the call will have when the spool has been taken up.
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
        receipt = self._recorder.append(record, personal)
        self._add(1)
        receipt.add_done_callback(lambda future: self._add(-1) if future.exception() else None)
        self._follow(record, personal)
        return receipt

    def _into_spool(self, record: r.Record, personal: r.Personal | None) -> Receipt:
        assert self._spool is not None
        receipt = self._spool(record, personal)
        self._add(1)
        return receipt

    def _add(self, records: int) -> None:
        with self._lock:
            self._count += records
