"""How late an event loop is: every timer that fell due counts, and no time is told of twice."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.lateness import EVERY_MS, Late, LoopLag, ask
from tests.simulators import bad_servers

pytestmark = pytest.mark.anyio
MS = 1_000_000


class Clock:
    def __init__(self) -> None:
        self.ns = 0

    def __call__(self) -> int:
        return self.ns


def probed(woken_ms: list[float], *, each: bool = True) -> LoopLag:
    """A loop that woke the probe at these times."""
    clock = Clock()
    lag = LoopLag(each=each, now_ns=clock)
    lag.begin()
    for at_ms in woken_ms:
        clock.ns = round(at_ms * MS)
        lag.woken()
    return lag


def test_a_blocked_loop_is_late_for_every_timer_that_fell_due():
    late = probed([10, 120]).told()
    assert late is not None
    assert late.late_max_ms == 100  # due at 20 ms, woken at 120
    steady = [10.0 * n for n in range(1, 96)]  # 95 in time, then blocked for 40 ms: 40, 30, 20, 10 and 0 late
    assert probed([*steady, 990 + 10]).told() == Late(late_p99_ms=30.1, late_max_ms=40)


def test_set_anew_only_the_first_of_them_counts():
    late = probed([10, 120, 130], each=False).told()
    assert late is not None
    assert (late.late_p99_ms, late.late_max_ms) == (100.1, 100)


def test_nothing_is_due_before_its_time_and_nothing_is_told_twice():
    lag = probed([4, 9.9])
    assert lag.told() is None
    lag = probed([10, 25])
    assert lag.told() == Late(late_p99_ms=5.1, late_max_ms=5)
    assert lag.told() is None


@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_as_many_timers_count_as_fell_due(pauses_ms: list[float]):
    at, woken = 0.0, []
    for pause in pauses_ms:
        at += pause
        woken.append(at)
    late = probed(woken).told()
    assert (late is None) is (math.floor(round(at * MS) / MS / EVERY_MS) == 0)
    assert late is None or late.late_max_ms <= max(pauses_ms) + EVERY_MS


async def test_a_loop_that_runs_is_probed_until_the_block_ends():
    lag = LoopLag(every_ms=1)
    async with lag.probing():
        async with asyncio.timeout(10):
            while (late := lag.told()) is None:
                await asyncio.sleep(0)
    assert late.late_max_ms >= 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "loop-lag"]


async def test_who_does_not_say_tells_nothing():
    async with bad_servers.gone() as gone:
        assert await ask(gone) is None
    for reply in (bad_servers.http(404, "no"), bad_servers.http(200, "{}"), bad_servers.http(200, "")):
        async with bad_servers.answering(lambda path, reply=reply: reply) as address:  # type: ignore[misc]
            assert await ask(address) is None
