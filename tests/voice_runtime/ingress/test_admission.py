"""Places: one for a cap of one, given back whatever happens."""

from __future__ import annotations

import asyncio

import pytest

from voice_runtime.headroom import Headroom, Reading
from voice_runtime.ingress.admission import Admission
from voice_runtime.settings import Headroom as Limits
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


# --- room for one more ------------------------------------------------------------------------------


def busy(headroom: Headroom, at_s: float, lag_ms: float) -> None:
    headroom.measured(Reading(since_s=at_s - 5, at_s=at_s, loop_lag_ms=lag_ms))


async def test_a_free_place_is_not_enough_while_those_on_the_line_need_all_there_is() -> None:
    headroom = Headroom(Limits(calm_s=1.0))
    coordinator = InProcessCoordinator(9)
    admission = Admission(coordinator, headroom, now_s=lambda: 0.0)
    assert await admission.enter("t", "a") == "admitted"
    assert admission.claim("a")
    assert await admission.enter("t", "b") == "admitted"
    busy(headroom, 10.0, 90.0)
    assert await admission.enter("t", "b") == "admitted"  # the webhook sent again
    assert admission.claim("b")
    assert await admission.enter("t", "c") == "overload"
    assert coordinator.calls == 2
    assert await admission.enter("t", "a b", returning=True) == "admitted"  # back from a transfer
    busy(headroom, 11.0, 1.0)
    assert await admission.enter("t", "c") == "overload"  # not calm for long enough
    busy(headroom, 12.0, 1.0)
    assert await admission.enter("t", "c") == "admitted"
    await admission.close()
    for call in ("a", "b"):
        await admission.leave(call)
    assert (headroom.calls, coordinator.calls, admission.ended) == (0, 0, 2)


async def test_what_was_booked_for_a_call_without_a_place_is_given_back() -> None:
    class Broken(InProcessCoordinator):
        async def admit(self, tenant: str, call: str) -> bool:
            if call == "broken":
                raise OSError
            return await super().admit(tenant, call)

    headroom = Headroom(Limits())
    admission = Admission(Broken(1), headroom)
    assert await admission.enter("t", "a") == "admitted"
    assert await admission.enter("t", "b") == "capacity"
    with pytest.raises(OSError, match=r"^$"):
        await admission.enter("t", "broken")
    assert headroom.calls == 1
    admission.drain()
    assert await admission.enter("t", "c") == "draining"
    assert headroom.calls == 1
    await admission.close()
    assert headroom.calls == 0


async def test_a_burst_takes_no_more_than_are_taken_to_fit() -> None:
    headroom = Headroom(Limits(call_percent=20.0))
    admission = Admission(InProcessCoordinator(50), headroom)
    entries = await asyncio.gather(*(admission.enter("t", f"c{n}") for n in range(12)))
    assert [entries.count(kind) for kind in ("admitted", "overload")] == [4, 8]
    await admission.close()


async def test_a_reservation_that_expires_gives_back_what_it_booked() -> None:
    headroom = Headroom(Limits())
    admission = Admission(InProcessCoordinator(5), headroom, reserve_s=0.02)
    assert await admission.enter("t", "a") == "admitted"
    async with asyncio.timeout(30):
        while headroom.calls:
            await asyncio.sleep(0.005)
    await admission.close()
