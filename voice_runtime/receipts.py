"""Waiting for a record to be durable: in time, and without ever cancelling its append."""

from __future__ import annotations

import asyncio
from typing import Any

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError


async def receipt_in_time(future: PendingReceipt, deadline_s: float) -> Receipt:
    """The receipt, as soon as it is there; the append goes on whatever becomes of the wait.

    A loop that was held up finds the deadline passed before it looks at what came meanwhile: a receipt
    that is there is taken, however late it is looked at.

    Raises:
        LedgerError: the append failed or was given up, or ``deadline_s`` passed.
    """
    if not future.done():
        coming = asyncio.wrap_future(future)
        coming.add_done_callback(_taken)
        await asyncio.wait({coming}, timeout=deadline_s)
        if not future.done():
            raise LedgerError(f"no receipt within {deadline_s:g} s")
    if future.cancelled():
        raise LedgerError("the append was given up")
    return future.result()


def _taken(coming: asyncio.Future[Any]) -> None:
    """Its outcome is read from the append itself; asyncio is to warn of none that nobody took."""
    if not coming.cancelled():
        coming.exception()
