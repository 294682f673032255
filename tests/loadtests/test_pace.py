"""How late ticks are: counted in tenths of a ms, the 99th percentile by nearest rank."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.pace import Pace

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
