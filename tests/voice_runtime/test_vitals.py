"""What the process measures of itself: each figure of a reading on a clock moved by hand, and a real loop."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.budget import ANNOUNCED_MS, ANNOUNCED_PAUSE_MS, LEAD_MS
from voice_runtime.garbage import Ahead
from voice_runtime.headroom import Headroom, Reading
from voice_runtime.process_usage import ProcessUsage
from voice_runtime.settings import Headroom as Limits
from voice_runtime.telemetry import Telemetry
from voice_runtime.vitals import TICK_S, Counts, GarbagePauses, Vitals, lateness, worst

pytestmark = pytest.mark.anyio


def sample(telemetry: Telemetry, name: str, **labels: str) -> float:
    value = telemetry.registry.get_sample_value(name, labels)
    assert value is not None, f"{name} is not there"
    return value


@dataclass
class Hand(ProcessUsage):
    """A process whose clock, CPU time and counts are moved by hand."""

    now: float = 100.0
    thread: float = 0.0
    tree: float = 0.0
    counts: Counts = field(default_factory=Counts)
    told: list[Reading] = field(default_factory=list)
    telemetry: Telemetry = field(default_factory=Telemetry)
    ahead: Ahead = field(default_factory=Ahead)

    def __post_init__(self) -> None:
        self.vitals = Vitals(
            self.telemetry,
            counts=lambda: self.counts,
            on_reading=self.told.append,
            ahead=self.ahead,
            usage=self,
            now_s=lambda: self.now,
            thread_s=lambda: self.thread,
        )
        self.vitals._cores = 2.0
        self.vitals.begin()
        self.vitals._due_s = self.now + TICK_S

    def cpu_s(self) -> float:
        return self.tree

    def tick(self, late_s: float = 0.0) -> None:
        """The timer wakes, so much late; without an event loop nothing sets it again but this."""
        self.now += TICK_S + late_s
        self.vitals.tick()
        self.vitals._due_s = self.now + TICK_S

    def collection(self, length_s: float, *, prepared: bool = False, extra_ms: int = 0) -> None:
        """Garbage is collected for so long, and the tick that was due as it began comes when it is over."""
        self.ahead.collecting, self.ahead.ms = prepared, extra_ms
        self.now += TICK_S
        self.vitals._pauses._told("start", {})
        self.now += length_s
        self.vitals._pauses._told("stop", {})
        self.ahead.collecting, self.ahead.ms = False, 0
        self.vitals.tick()
        self.vitals._due_s = self.now + TICK_S

    def second(self, *, busy: float = 0.0, tree: float = 0.0, late_s: float = 0.0) -> None:
        """Twenty ticks, the last one late."""
        self.thread += busy
        self.tree += tree
        for n in range(20):
            self.tick(late_s if n == 19 else 0.0)


def test_the_first_reading_is_of_a_whole_stretch() -> None:
    hand = Hand()
    for _ in range(5):
        hand.second()
    assert hand.told == []
    hand.second()
    [reading] = hand.told
    assert reading.at_s - reading.since_s == pytest.approx(5.0)
    hand.vitals.begin()
    for _ in range(5):
        hand.second()
    assert len(hand.told) == 1, "what was measured while it started up is forgotten"


def test_cpu_is_of_one_core_for_the_loop_and_of_all_for_the_tree() -> None:
    hand = Hand()
    for _ in range(6):
        hand.second(busy=0.3, tree=1.0)
    [reading] = hand.told
    assert reading.loop_percent == pytest.approx(30.0)
    assert reading.cpu_percent == pytest.approx(50.0)
    assert reading.cores == 2.0
    assert sample(hand.telemetry, "sayso_loop_busy_ratio") == pytest.approx(0.3)
    assert sample(hand.telemetry, "sayso_cpu_used_ratio") == pytest.approx(0.5)


def test_lateness_is_the_99th_percentile_of_ten_seconds_and_forgotten_after_them() -> None:
    hand = Hand()
    for _ in range(3):
        hand.second(late_s=0.03)
    for _ in range(3):
        hand.second()
    assert hand.told[-1].loop_lag_ms == pytest.approx(30.0)
    assert sample(hand.telemetry, "sayso_loop_lag_p99_seconds") == pytest.approx(0.03)
    for _ in range(10):
        hand.second()
    assert hand.told[-1].loop_lag_ms == pytest.approx(0.0)


def test_a_loop_that_stood_still_counts_for_every_tick_it_missed() -> None:
    hand = Hand()
    for _ in range(6):
        hand.second()
    hand.tick(late_s=0.3)
    for _ in range(19):
        hand.tick()
    assert hand.told[-1].loop_lag_ms == pytest.approx(250.0), "the second of 145: six are of one stall"
    assert sample(hand.telemetry, "sayso_loop_lag_seconds_count") == 140


def test_counts_are_those_of_the_last_ten_seconds_and_a_queue_is_one_that_never_emptied() -> None:
    hand = Hand(counts=Counts(underruns=7, recogniser_waiting=3, turn_questions_refused=2))
    for n in range(6):
        hand.counts = Counts(7 + n, 3 + n, 2)
        hand.second()
    reading = hand.told[-1]
    assert (reading.underruns, reading.recogniser_waiting, reading.turn_questions_refused) == (5, 4, 0)
    hand.counts = Counts(12, 0, 5)
    hand.second()
    hand.counts = Counts(12, 9, 5)
    for _ in range(4):
        hand.second()
    reading = hand.told[-1]
    assert (reading.underruns, reading.recogniser_waiting, reading.turn_questions_refused) == (5, 0, 3)
    for _ in range(10):
        hand.second()
    assert (hand.told[-1].underruns, hand.told[-1].recogniser_waiting) == (0, 9)


# --- collections of garbage that callers were prepared for ------------------------------------------

LENGTHS = st.integers(0, 2_000)


def test_an_announced_collection_does_not_shut_the_door() -> None:
    """Regression: each collection at 64 calls and more shut it for 10 s and ``calm_s``."""
    hand, headroom = Hand(), Headroom(Limits())
    for _ in range(6):
        hand.second()
    hand.collection(0.2, prepared=True, extra_ms=ANNOUNCED_MS)
    for _ in range(19):
        hand.tick()
    reading = hand.told[-1]
    assert reading.loop_lag_ms == pytest.approx(0.0)
    assert reading.announced_pause_ms == pytest.approx(200.0)
    headroom.measured(reading)
    assert headroom.open
    assert sample(hand.telemetry, "sayso_loop_lag_p99_seconds") == pytest.approx(0.15), "it is no secret"
    assert sample(hand.telemetry, "sayso_loop_lag_felt_p99_seconds") == pytest.approx(0.0)
    assert sample(hand.telemetry, "sayso_loop_lag_seconds_sum") == pytest.approx(0.2)
    assert sample(hand.telemetry, "sayso_gc_pause_seconds_sum", announced="yes") == pytest.approx(0.2)
    assert sample(hand.telemetry, "sayso_gc_pause_uncovered_seconds") == 0.0


def test_an_announced_collection_longer_than_what_was_sent_ahead_shuts_it() -> None:
    hand, headroom = Hand(), Headroom(Limits())
    for _ in range(6):
        hand.second()
    hand.collection((ANNOUNCED_PAUSE_MS + 5) / 1000, prepared=True, extra_ms=ANNOUNCED_MS)
    for _ in range(19):
        hand.tick()
    change = headroom.measured(hand.told[-1])
    assert change is not None
    assert change.over == (f"announced_pause_ms {ANNOUNCED_PAUSE_MS + 5} > {ANNOUNCED_PAUSE_MS}",)
    assert sample(hand.telemetry, "sayso_gc_pause_uncovered_seconds") == pytest.approx(0.005)
    for _ in range(11):
        hand.second()
    assert hand.told[-1].announced_pause_ms == 0.0, "forgotten after ten seconds"


def test_a_collection_nobody_was_prepared_for_is_lag_as_ever() -> None:
    hand, headroom = Hand(), Headroom(Limits())
    for _ in range(6):
        hand.second()
    hand.collection(0.2)
    for _ in range(19):
        hand.tick()
    reading = hand.told[-1]
    assert (reading.loop_lag_ms, reading.announced_pause_ms) == (pytest.approx(150.0), 0.0)
    headroom.measured(reading)
    assert not headroom.open
    assert sample(hand.telemetry, "sayso_gc_pause_uncovered_seconds") == pytest.approx(0.2 - LEAD_MS / 1000)


def test_a_collection_while_nobody_is_on_the_line_is_felt_by_nobody() -> None:
    hand = Hand()
    for _ in range(6):
        hand.second()
    hand.collection(2.0, prepared=True)
    for _ in range(19):
        hand.tick()
    reading = hand.told[-1]
    assert (reading.loop_lag_ms, reading.announced_pause_ms) == (pytest.approx(0.0), 0.0)
    assert sample(hand.telemetry, "sayso_gc_pause_uncovered_seconds") == 0.0


@given(before_ms=LENGTHS, pause_ms=LENGTHS, after_ms=LENGTHS)
def test_only_the_pause_itself_is_forgiven(before_ms: int, pause_ms: int, after_ms: int) -> None:
    """A loop that stands still before the collection, and after it, is late for as long as that."""
    pauses = GarbagePauses(Ahead(), now_s=lambda: now)
    pauses._ahead.collecting = True
    due = 50.0
    now = due + before_ms / 1000
    pauses._told("start", {})
    now += pause_ms / 1000
    pauses._told("stop", {})
    now += after_ms / 1000
    assert now - due - pauses.prepared_s(due, now) == pytest.approx((before_ms + after_ms) / 1000)
    assert pauses.prepared_s(now, now + 1) == 0.0


async def test_what_the_timer_missed_before_serving_began_is_not_counted_after_it() -> None:
    """Regression: the collection at the end of starting up made the timer late that was set before it."""
    now = 100.0
    told: list[Reading] = []
    telemetry = Telemetry()
    vitals = Vitals(telemetry, on_reading=told.append, now_s=lambda: now, thread_s=lambda: 0.0)
    await vitals.start()
    try:
        now += 2.28
        vitals.begin()
        assert vitals._due_s == pytest.approx(now + TICK_S)
        now += TICK_S
        vitals.tick()
        assert sample(telemetry, "sayso_loop_lag_seconds_sum") == 0.0
    finally:
        await vitals.close()


@given(late_ms=st.integers(0, 5000))
def test_missed_ticks_are_as_many_as_fit_into_the_time(late_ms: int) -> None:
    found = list(lateness(late_ms / 1000))
    assert len(found) == -(-late_ms // 50)
    assert found == sorted(found, reverse=True)
    assert all(0 < late <= late_ms / 1000 for late in found)


@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=300), st.integers(1, 100))
def test_a_percentile_is_a_value_that_was_measured(values: list[float], percent: int) -> None:
    found = worst(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert worst([], percent) is None


def test_pauses_for_garbage_are_measured_and_nothing_is_touched_meanwhile() -> None:
    now = iter(range(1000))
    pauses = GarbagePauses(now_s=lambda: float(next(now)))
    pauses.start()
    try:
        gc.collect()
    finally:
        pauses.close()
        pauses.close()
    found = pauses.take()
    assert found
    assert {pause.length_s for pause in found} == {1.0}
    assert not any(pause.prepared for pause in found)
    assert pauses.longest_s == 1.0
    assert pauses.uncovered_s == pytest.approx(1.0 - LEAD_MS / 1000)
    assert pauses.take() == []
    gc.collect()
    assert pauses.take() == []


async def test_a_blocked_loop_shows_as_lag_and_a_collection_as_a_pause() -> None:
    telemetry = Telemetry()
    vitals = Vitals(telemetry)
    await vitals.start()
    try:
        await asyncio.sleep(0)
        time.sleep(0.2)  # what no code of ours may do
        gc.collect()
        async with asyncio.timeout(60):
            while not telemetry.registry.get_sample_value(
                "sayso_gc_pause_seconds_count", {"announced": "no"}
            ):
                await asyncio.sleep(0.01)
        assert sample(telemetry, "sayso_loop_lag_seconds_sum") > 0.1
        assert sample(telemetry, "sayso_loop_lag_p99_seconds") > 0.1
        assert sample(telemetry, "sayso_gc_pause_longest_seconds") > 0
    finally:
        await vitals.close()
        await vitals.close()


@pytest.mark.anyio
async def test_without_calls_the_timer_is_one_of_a_second() -> None:
    seconds, busy = list[int](), [False]

    def asked() -> Counts:
        seconds.append(1)
        return Counts()

    vitals = Vitals(Telemetry(), counts=asked, busy=lambda: busy[0], now_s=lambda: 100.0)
    await vitals.start()
    try:
        vitals.tick()
        assert len(seconds) == 1, "each look is a second's"
        busy[0] = True
        vitals.tick()
        assert len(seconds) == 2
        for _ in range(19):
            vitals.tick()
        assert len(seconds) == 2, "with calls on the line it looks twenty times a second"
        vitals.tick()
        assert len(seconds) == 3
    finally:
        await vitals.close()
