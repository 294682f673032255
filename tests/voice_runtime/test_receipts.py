"""Waiting for a receipt: in time, however late the loop looks, and never cancelling the append."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

import pytest

from controls.decision import Receipt
from controls.errors import LedgerError
from voice_runtime.receipts import receipt_in_time

pytestmark = pytest.mark.anyio
RECEIPT = Receipt("example.org/log", 7, "clause.cleared", 1)


async def test_it_comes_when_the_append_is_durable() -> None:
    future: Future[Receipt] = Future()
    waiting = asyncio.create_task(receipt_in_time(future, 30))
    await asyncio.sleep(0)
    future.set_result(RECEIPT)
    assert await waiting is RECEIPT


async def test_one_that_came_while_the_loop_was_held_up_is_taken() -> None:
    """A stalled process found the deadline passed before what had come long ago, and discarded the clause."""
    future: Future[Receipt] = Future()
    waiting = asyncio.create_task(receipt_in_time(future, 0.0))
    await asyncio.sleep(0)  # it waits, its deadline is over, and the loop has not looked since
    future.set_result(RECEIPT)
    assert await waiting is RECEIPT


async def test_past_its_deadline_it_is_an_error_and_the_append_goes_on() -> None:
    future: Future[Receipt] = Future()
    with pytest.raises(LedgerError, match="no receipt within"):
        await receipt_in_time(future, 0.0)
    assert not future.cancelled()
    future.set_exception(LedgerError("disk full"))  # nobody waits any more; asyncio warns of nothing
    await asyncio.sleep(0)


async def test_who_gives_up_waiting_does_not_give_up_the_append() -> None:
    future: Future[Receipt] = Future()
    waiting = asyncio.create_task(receipt_in_time(future, 30))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not future.cancelled()
    future.set_result(RECEIPT)


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_append_that_failed_or_was_given_up_says_so(at_once: bool) -> None:
    for end, words in (("fail", "disk full"), ("cancel", "given up")):
        future: Future[Receipt] = Future()
        waiting = asyncio.create_task(receipt_in_time(future, 30))
        if not at_once:
            await asyncio.sleep(0)
        if end == "fail":
            future.set_exception(LedgerError("disk full"))
        else:
            future.cancel()
        with pytest.raises(LedgerError, match=words):
            await waiting
