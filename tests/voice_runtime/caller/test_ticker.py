"""The shared clock of all callers, in virtual time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.caller.ticker import TICK_NS, Lateness, Ticker, shared_ticker

MS = 1_000_000


class Later:
    """One call later on, as an event loop keeps it."""

    def __init__(self, at_ns: int, call: Callable[[], None]) -> None:
        self.at_ns, self.call, self.cancelled = at_ns, call, False

    def __lt__(self, other: Later) -> bool:
        return self.at_ns < other.at_ns

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """An event loop whose time only passes when it is told to."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.waiting: list[Later] = []
        self.errors: list[Exception] = []

    def later(self, delay_s: float, call: Callable[[], None]) -> Later:
        waiting = Later(self.now_ns + round(delay_s * 1e9), call)
        heapq.heappush(self.waiting, waiting)
        return waiting

    def run(self, until_ns: int) -> None:
        while self.waiting and self.waiting[0].at_ns <= until_ns:
            first = heapq.heappop(self.waiting)
            self.now_ns = max(self.now_ns, first.at_ns)
            if not first.cancelled:
                try:
                    first.call()
                except Exception as error:
                    self.errors.append(error)
        self.now_ns = max(self.now_ns, until_ns)

    @property
    def armed(self) -> list[Later]:
        return [waiting for waiting in self.waiting if not waiting.cancelled]


def made() -> tuple[Loop, Ticker]:
    loop = Loop()
    return loop, Ticker(lambda: loop.now_ns, loop.later)


@given(st.lists(st.integers(0, 100 * MS), min_size=1, max_size=12))
def test_every_call_ticks_every_20_ms_less_than_1_ms_late_and_never_early(firsts: list[int]) -> None:
    loop, ticker = made()
    ticked: dict[int, list[int]] = {n: [] for n in range(len(firsts))}
    for n, first in enumerate(firsts):
        ticker.start(first, lambda late, n=n: ticked[n].append(loop.now_ns - late))  # type: ignore[misc]
    loop.run(400 * MS)
    for n, first in enumerate(firsts):
        due = list(range(first, 400 * MS - MS, TICK_NS))
        assert ticked[n][: len(due)] == due
    assert ticker.lateness.worst_ms < 1
    assert len(loop.armed) == 1


def test_ticks_that_were_missed_are_done_late_in_the_order_in_which_they_were_due() -> None:
    loop, ticker = made()
    seen: list[tuple[str, int]] = []
    ticker.start(0, lambda late: seen.append(("a", late // MS)))
    ticker.start(5 * MS, lambda late: seen.append(("b", late // MS)))
    loop.run(10 * MS)
    loop.now_ns = 62 * MS  # the process slept
    loop.run(62 * MS)
    assert seen[2:] == [("a", 42), ("b", 37), ("a", 22), ("b", 17), ("a", 2)]
    loop.run(65 * MS)
    assert seen[-1] == ("b", 0)


def test_what_falls_due_during_a_round_waits_for_the_next_one() -> None:
    """Otherwise ticks that take longer than they may would keep every socket waiting for good."""
    loop, ticker = made()
    rounds: list[int] = []

    def slow(late: int) -> None:
        rounds.append(loop.now_ns // MS)
        loop.now_ns += 25 * MS

    ticker.start(0, slow)
    first = heapq.heappop(loop.waiting)
    first.call()
    assert rounds == [0]
    assert len(loop.armed) == 1


def test_a_call_that_stopped_ticks_no_more_and_the_last_one_leaves_no_timer() -> None:
    loop, ticker = made()
    count = 0

    def twice(late: int) -> None:
        nonlocal count
        count += 1
        if count == 2:
            ticking.stop()
            ticking.stop()

    ticking = ticker.start(0, twice)
    other = ticker.start(3 * MS, lambda late: None)
    loop.run(200 * MS)
    assert count == 2
    other.stop()
    loop.run(400 * MS)
    assert loop.armed == []


def test_a_call_that_raises_stops_nobody() -> None:
    loop, ticker = made()
    ticked: list[int] = []

    def broken(late: int) -> None:
        raise RuntimeError("bug")

    ticker.start(0, broken)
    ticker.start(0, ticked.append)
    loop.run(50 * MS)
    assert len(ticked) == 3
    assert len(loop.errors) == 3


def test_a_call_that_comes_earlier_than_all_others_is_not_kept_waiting() -> None:
    loop, ticker = made()
    seen: list[str] = []
    ticker.start(50 * MS, lambda late: seen.append("late"))
    ticker.start(10 * MS, lambda late: seen.append("early"))
    loop.run(20 * MS)
    assert seen == ["early"]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50), st.sampled_from([1, 50, 95, 99, 100]))
def test_lateness_is_the_nearest_rank_rounded_up_to_a_tenth(late: list[int], percent: int) -> None:
    lateness = Lateness()
    for one in late:
        lateness.note(one)
    exact = sorted(late)[-(-len(late) * percent // 100) - 1] / MS
    assert exact <= lateness.at_ms(percent) + 1e-9
    assert lateness.at_ms(percent) - exact <= 0.1 + 1e-9
    assert lateness.worst_ms == max(late) / MS


def test_lateness_counts_on_where_it_counts_at_once() -> None:
    lateness, worst = Lateness(), 7_000_000
    for n in range(2500):  # it counts some thousand at a time
        lateness.note(worst if n == 100 else 50_000)
    assert (lateness.ticks, lateness.worst_ms, lateness.at_ms(50), lateness.at_ms(100)) == (
        2500,
        7.0,
        0.1,
        7.1,
    )
    lateness.note(9_000_000)
    assert (lateness.ticks, lateness.worst_ms) == (2501, 9.0)


@given(st.integers(0, 10**12), st.integers(1, 20 * MS))
def test_a_place_is_the_first_on_the_grid_and_everywhere_without_one(at_ns: int, grid_ns: int) -> None:
    place = Ticker(grid_ns=grid_ns).place(at_ns)
    assert place % grid_ns == 0
    assert 0 <= place - at_ns < grid_ns
    assert Ticker().place(at_ns) == at_ns


def test_where_a_loop_waits_exactly_no_tick_is_late() -> None:
    loop = Loop()
    ticker = Ticker(lambda: loop.now_ns, loop.later, step_ns=1, grid_ns=4 * MS)
    ticker.start(ticker.place(333_333), lambda late: None)
    loop.run(100 * MS)
    assert (ticker.lateness.ticks, ticker.lateness.worst_ms) == (5, 0.0)


def test_nothing_is_late_without_a_tick() -> None:
    assert (Lateness().at_ms(99), Lateness().worst_ms) == (0.0, 0.0)


@pytest.mark.anyio
async def test_an_event_loop_has_one_and_it_ticks_in_real_time() -> None:
    ticker = shared_ticker()
    assert shared_ticker() is ticker
    done = asyncio.Event()
    count = 0

    def tick(late: int) -> None:
        nonlocal count
        count += 1
        if count == 3:
            ticking.stop()
            done.set()

    ticking = ticker.start(0, tick)  # long ago: these ticks come at once
    async with asyncio.timeout(30):
        await done.wait()
