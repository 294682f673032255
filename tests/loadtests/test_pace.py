"""How late ticks are: counted in tenths of a ms, the 99th percentile by nearest rank."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.pace import Pace, Used

pytestmark = pytest.mark.anyio


def noted(late_ns: list[int]) -> Pace:
    pace = Pace()
    for late in late_ns:
        pace.note(late)
    return pace


def test_without_a_tick_nothing_is_late():
    assert (Pace().p99_ms, Pace().max_ms) == (0, 0)


@given(st.lists(st.integers(0, 50_000_000), min_size=1, max_size=500))
def test_the_p99_is_the_nearest_rank_rounded_up(late_ns: list[int]):
    pace = noted(late_ns)
    exact = sorted(late_ns)[math.ceil(0.99 * len(late_ns)) - 1] / 1e6
    assert exact < pace.p99_ms <= exact + 0.1 + 1e-9
    assert pace.max_ms == max(late_ns) / 1e6


def test_an_idle_generator_is_neither_late_nor_on_time():
    calls = [True]
    pace = Pace(counts=lambda: bool(calls))
    pace.note(9_000_000)
    calls.clear()
    for _ in range(1000):  # on time, without a call: these would make the p99 0.1 ms
        pace.note(0)
    pace.note(900_000_000)  # a call's preparation, when nobody listens
    assert (pace.p99_ms, pace.max_ms) == (9.1, 9)


async def test_probes_tick_on_the_calls_own_clock():
    class Stopped:
        def cancel(self) -> None: ...

    from voice_runtime.caller.ticker import TICK_NS, Ticker

    now = 0
    later = []
    ticker = Ticker(lambda: now, lambda delay_s, call: (later.append(call), Stopped())[1])
    pace = Pace()
    pace.start(ticker, now_ns=lambda: now)
    now = TICK_NS + 7_000_000
    later[-1]()
    pace.stop()
    assert pace.max_ms == 27.0  # the first of the probes was due at 0
    assert pace.p99_ms > 0


def test_what_it_uses_is_what_it_uses_while_it_has_calls():
    cpu, now = [0.0], [0.0]
    used = Used(lambda: cpu[0], lambda: now[0])
    assert used.percent == 0
    for took_s, cpu_s, going_on in (
        (5, 5, True),
        (2, 1.5, True),
        (2, 1.5, False),
        (100, 1, False),
        (9, 9, True),
    ):
        now[0] += took_s
        cpu[0] += cpu_s
        used.going_on(going_on)
    assert used.percent == 75  # neither what went before the first call, nor the pause, nor what goes on yet
