"""Places: one for a cap of one, given back whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from voice_runtime.ingress.admission import Admission
from voice_runtime.store.coordination import InProcessCoordinator

pytestmark = pytest.mark.anyio


async def test_a_cap_of_one_takes_one() -> None:
    coordinator = InProcessCoordinator(1)
    admission = Admission(coordinator)
    assert await admission.enter("t", "a") == "admitted"
    assert await admission.enter("t", "a") == "admitted"  # the webhook sent again
    assert await admission.enter("t", "b") == "capacity"
    assert admission.claim("a")
    assert not admission.claim("a")
    assert not admission.claim("b")
    assert await admission.enter("t", "a") == "repeated"
    assert await admission.enter("t", "b") == "capacity"
    await admission.leave("a")
    assert await admission.enter("t", "b") == "admitted"
    await admission.close()
    assert coordinator.calls == 0


async def test_a_reservation_without_media_expires() -> None:
    coordinator = InProcessCoordinator(1)
    admission = Admission(coordinator, reserve_s=0.02)
    assert await admission.enter("t", "a") == "admitted"
    async with asyncio.timeout(30):
        while coordinator.calls:
            await asyncio.sleep(0.005)
    assert not admission.claim("a")
    assert await admission.enter("t", "b") == "admitted"
    assert admission.claim("b")
    await asyncio.sleep(0.05)  # a claimed place does not expire
    assert coordinator.calls == 1
    await admission.leave("b")


async def test_draining_takes_nobody_new_and_waits_for_the_rest() -> None:
    admission = Admission(InProcessCoordinator(5))
    await admission.enter("t", "a")
    assert admission.claim("a")
    admission.drain()
    assert await admission.enter("t", "b") == "draining"
    assert not await admission.wait_empty(0.01)
    assert admission.active == 1
    waiting = asyncio.create_task(admission.wait_empty(30))
    await admission.leave("a")
    assert await waiting


async def test_leaving_survives_cancellation() -> None:
    class Slow(InProcessCoordinator):
        def __init__(self) -> None:
            super().__init__(1)
            self.go = asyncio.Event()

        async def release(self, call: str) -> None:
            await self.go.wait()
            await super().release(call)

    coordinator = Slow()
    admission = Admission(coordinator)
    await admission.enter("t", "a")
    assert admission.claim("a")
    leaving = asyncio.create_task(admission.leave("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert leaving.cancelled()
    coordinator.go.set()
    await admission.close()
    assert coordinator.calls == 0
