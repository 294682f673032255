"""The jitter buffer in virtual time: order, each once, no delay from losses, back to the target, wrapping."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.ingress.jitter import TICK, Due, JitterBuffer, Packet, Step, units, unwrap

SEQUENCES, TIMESTAMPS = 1 << 16, 1 << 32


@dataclass
class Line:
    """A sender of one packet per 20 ms and a player with a tick every 20 ms, on clocks of their own."""

    sequence: int = 0
    timestamp: int = 0
    ssrc: int = 1
    phase: int = 100  # of the ticks
    buffer: JitterBuffer = field(default_factory=JitterBuffer)
    coming: list[tuple[int, Packet]] = field(default_factory=list)
    now: int = 0
    sent: int = 0
    steps: list[tuple[int, Step]] = field(default_factory=list)

    def send(self, late_ms: float = 0, *, lost: bool = False, again_ms: float | None = None) -> None:
        """One packet now, on its way for ``late_ms`` beyond the least; its payload is its number."""
        packet = Packet(
            self.ssrc,
            self.sequence % SEQUENCES,
            self.timestamp % TIMESTAMPS,
            TICK,
            self.sent.to_bytes(4, "big"),
            self.now + units(late_ms),
        )
        if not lost:
            self.coming.append((packet.arrived, packet))
        if again_ms is not None:
            self.coming.append((self.now + units(again_ms), packet))
        self.sent += 1
        self.sequence += 1
        self.timestamp += TICK

    def tick(self) -> list[Step]:
        """Go to the next tick, and pull until it is full."""
        at = self.now + self.phase
        for arrived, packet in sorted(self.coming, key=lambda entry: entry[0]):
            if arrived <= at:
                self.buffer.put(
                    Packet(
                        packet.ssrc, packet.sequence, packet.timestamp, packet.length, packet.payload, arrived
                    )
                )
        self.coming = [entry for entry in self.coming if entry[0] > at]
        steps, filled = [], 0
        while filled < TICK:
            step = self.buffer.pull(at)
            steps.append(step)
            filled += step.length
        self.now += TICK
        self.steps += [(at, step) for step in steps]
        return steps

    def clean(self, packets: int) -> None:
        for _ in range(packets):
            self.send()
            self.tick()

    @property
    def played(self) -> list[int]:
        return [int.from_bytes(s.payload, "big") for _, s in self.steps if s.due is Due.PLAY]

    def dues(self, last: int) -> list[Due]:
        return [s.due for _, s in self.steps[-last:]]

    @property
    def delay_ms(self) -> float:
        return self.buffer.delay / 48


def test_a_clean_line_waits_for_the_floor_and_plays_everything():
    line = Line()
    line.clean(100)
    assert line.played == list(range(line.played[-1] + 1))
    assert 20 <= line.delay_ms < 40
    assert line.buffer.target == units(20)
    assert line.buffer.counts.lost == line.buffer.counts.concealed == 0


@pytest.mark.parametrize("run", [1, 2, 5, 20])
def test_lost_packets_are_concealed_and_leave_no_delay(run: int):
    line = Line()
    line.clean(100)
    before = line.delay_ms
    for _ in range(run):
        line.send(lost=True)
        line.tick()
    line.clean(50)
    assert line.delay_ms == before
    assert line.buffer.counts.lost == run
    assert line.buffer.counts.concealed == run * TICK
    assert set(range(100)) | set(range(100 + run, line.played[-1] + 1)) == set(line.played)


def test_an_outage_of_seconds_leaves_no_delay_either():
    line = Line()
    line.clean(100)
    before = line.delay_ms
    for _ in range(200):
        line.send(lost=True)
        line.tick()
    line.clean(50)
    assert line.delay_ms == before
    assert line.buffer.counts.lost == 200
    assert line.buffer.counts.restarts == 0


def test_a_stall_costs_delay_and_no_speech():
    line = Line()
    line.clean(100)
    for behind in range(10, 0, -1):  # 200 ms of packets that arrive together
        line.send(late_ms=20.0 * behind)
        line.tick()
    line.clean(15)
    assert line.played == list(range(line.played[-1] + 1))
    assert line.buffer.counts.lost == line.buffer.counts.late == 0
    assert line.delay_ms >= 200
    assert units(140) <= line.buffer.target <= units(200)
    line.clean(200)
    assert line.buffer.surplus(line.now) > units(150)  # what the player may take out, once it is not needed


def test_more_than_the_backlog_is_thrown_away_unplayed_from_its_oldest_on():
    line = Line()
    line.clean(100)
    for behind in range(45, 0, -1):  # 0.9 s
        line.send(late_ms=20.0 * behind)
        line.tick()
    line.clean(50)
    assert line.buffer.counts.dropped > 0
    assert line.buffer.counts.lost == 0
    assert line.delay_ms <= 200 + 500 + 20
    gaps = [(a, b) for a, b in zip(line.played, line.played[1:], strict=False) if b != a + 1]
    assert len(gaps) == 1
    assert gaps[0][0] in (98, 99)  # the last before the stall


def test_overtaking_packets_are_put_in_order():
    line = Line()
    line.clean(100)
    for n in range(50):
        line.send(late_ms=19 if n % 5 == 0 else 0)
        line.tick()
    assert line.played == list(range(line.played[-1] + 1))


def test_a_packet_after_its_time_is_late_and_raises_the_target():
    line = Line()
    line.clean(100)
    for n in range(60):
        line.send(late_ms=70 if n % 10 == 5 else 0)
        line.tick()
    line.clean(10)
    counts = line.buffer.counts
    assert 0 < counts.late <= 3  # only until the delay has come up
    assert counts.late == counts.lost
    assert line.buffer.target == units(70)
    assert line.played == sorted(set(line.played))


def test_duplicates_are_played_once():
    line = Line()
    for n in range(100):
        line.send(again_ms=[0, 15, 100, 300][n % 4])
        line.tick()
    for _ in range(20):
        line.tick()
    assert line.played == list(range(100))
    assert line.buffer.counts.duplicates == 100
    assert line.buffer.counts.late == 0


def test_a_pause_of_the_sender_is_no_loss_and_brings_the_delay_back():
    line = Line()
    line.clean(100)
    for behind in (3, 2, 1):
        line.send(late_ms=20.0 * behind)
        line.tick()
    line.clean(120)  # the target has come back, the delay has not: nothing was taken out
    assert line.delay_ms >= 60
    for _ in range(20):  # discontinuous transmission: time goes on, sequence numbers do not
        line.timestamp += TICK
        line.tick()
    line.clean(20)
    assert 20 <= line.delay_ms < 40
    assert line.buffer.counts.lost == 0
    assert line.buffer.counts.paused >= 18 * TICK


def test_one_packet_in_400_ms_is_played_when_it_comes():
    line = Line()
    line.clean(50)
    for _ in range(10):
        line.send()
        line.tick()
        for _ in range(19):
            line.timestamp += TICK
            line.tick()
    line.clean(20)
    assert line.played == list(range(line.played[-1] + 1))
    assert line.buffer.counts.lost == 0
    assert 20 <= line.delay_ms < 40


@pytest.mark.parametrize("clock_runs", [True, False])
def test_a_minute_of_mute_ends_without_delay(clock_runs: bool):
    """Some senders' RTP clocks stand still while they send nothing."""
    line = Line()
    line.clean(100)
    for _ in range(3000):
        line.timestamp += TICK * clock_runs
        line.tick()
    line.clean(50)
    assert line.played[-1] >= 147
    assert 20 <= line.delay_ms < 40
    assert line.buffer.counts.lost == line.buffer.counts.restarts == 0


def test_another_source_starts_afresh():
    line = Line()
    line.clean(100)
    line.ssrc, line.sequence, line.timestamp = 2, 40_000, 3_000_000_000
    line.clean(50)
    assert line.played[-1] >= 147
    assert 20 <= line.delay_ms < 40
    assert line.buffer.counts.restarts == 1
    assert line.buffer.counts.lost == 0


def test_a_stray_sequence_number_is_ignored_and_two_in_a_row_are_a_restart():
    line = Line()
    line.clean(100)
    line.sequence += 20_000
    line.send()
    line.sequence -= 20_001
    line.timestamp -= TICK
    line.clean(50)
    assert line.buffer.counts.restarts == 0
    assert 100 not in line.played
    line.sequence += 20_000
    line.clean(50)
    assert line.buffer.counts.restarts == 1
    assert line.played[-1] >= 197


def test_a_jump_of_the_senders_clock_is_a_restart():
    for jump in (10 * 48_000, -10 * 48_000):
        line = Line(timestamp=20 * 48_000)
        line.clean(100)
        line.timestamp += jump
        line.clean(50)
        assert line.played[-1] >= 147
        assert 20 <= line.delay_ms < 40
        assert line.buffer.counts.restarts == 1


def test_padding_takes_its_number_and_nothing_else():
    line = Line()
    line.clean(20)
    line.buffer.put(Packet(1, 20, (line.timestamp - TICK) % TIMESTAMPS, 0, b"", line.now))
    line.sequence += 1
    line.clean(50)
    assert line.buffer.counts.lost == 0
    assert line.delay_ms < 40


def test_the_buffer_is_bounded():
    buffer = JitterBuffer()
    for n in range(2000):
        buffer.put(Packet(1, n, n * TICK, TICK, b"x", 0))
    assert len(buffer) <= 256


def test_drifting_clocks_neither_starve_nor_pile_up():
    for ppm in (300, -300):
        line = Line()
        for n in range(6000):  # two minutes: 36 ms
            line.send(late_ms=ppm * 1e-6 * n * 20 + 40)
            line.tick()
        surplus = line.buffer.surplus(line.now)
        assert -units(20) <= surplus <= units(60)
        assert line.buffer.counts.lost == 0


@pytest.mark.parametrize(("value", "near", "expected"), [(0, 65535, 65536), (65535, 65536, 65535), (5, 5, 5)])
def test_unwrap(value: int, near: int, expected: int):
    assert unwrap(value, near, 16) == expected


@given(st.integers(0, 1 << 40), st.integers(-30_000, 30_000))
def test_unwrap_undoes_wrapping(near: int, ahead: int):
    assert unwrap((near + ahead) % SEQUENCES, near, 16) == near + ahead


# --- properties -----------------------------------------------------------------------------------

fates = st.lists(
    st.one_of(
        st.just((0.0, False, None)),
        st.tuples(
            st.floats(0, 400), st.booleans(), st.one_of(st.none(), st.floats(0, 400))
        ),  # late by, lost, and again after
    ),
    min_size=1,
    max_size=60,
)
starts = st.tuples(
    st.sampled_from([0, 1, 40_000, 65_500, 65_535]), st.sampled_from([0, 2**31, 2**32 - 5000, 2**32 - 1])
)


@settings(max_examples=60, deadline=None)
@given(fates, starts, st.integers(0, TICK - 1))
def test_each_packet_is_played_once_in_order_or_accounted_for(
    fates: list[tuple[float, bool, float | None]], start: tuple[int, int], phase: int
):
    line = Line(sequence=start[0], timestamp=start[1], phase=phase)
    line.clean(30)
    for late, lost, again in fates:
        line.send(late, lost=lost, again_ms=again)
        line.tick()
    line.clean(60)
    while line.coming or len(line.buffer):
        line.tick()
    counts = line.buffer.counts
    assert line.played == sorted(set(line.played))
    assert counts.received == len(line.played) + counts.late + counts.duplicates + counts.dropped // TICK
    assert counts.restarts == 0
    assert counts.lost == line.sent - len(line.played) - counts.dropped // TICK


@settings(max_examples=60, deadline=None)
@given(fates, starts, st.integers(0, TICK - 1))
def test_every_tick_is_filled_and_the_account_is_complete(
    fates: list[tuple[float, bool, float | None]], start: tuple[int, int], phase: int
):
    line = Line(sequence=start[0], timestamp=start[1], phase=phase)
    for late, lost, again in fates:
        line.send(late, lost=lost, again_ms=again)
        steps = line.tick()
        assert sum(step.length for step in steps) == TICK
        assert all(bool(step.payload) == (step.due is Due.PLAY) for step in steps)
    line.clean(1)
    counts = line.buffer.counts
    made_up = sum(step.length for _, step in line.steps if step.due is not Due.PLAY)
    assert counts.concealed + counts.paused + line.buffer._waited == made_up


@settings(max_examples=40, deadline=None)
@given(fates, st.integers(0, TICK - 1))
def test_two_seconds_after_any_trouble_the_target_is_the_floor_again(
    fates: list[tuple[float, bool, float | None]], phase: int
):
    line = Line(phase=phase)
    line.clean(50)
    for late, lost, again in fates:
        line.send(late, lost=lost, again_ms=again)
        line.tick()
    line.clean(20 + 100 + 2)  # the last late ones come, the window passes
    assert line.buffer.target == units(20)


@pytest.mark.parametrize("seed", range(3))
def test_jitter_of_30_ms_either_way_loses_less_than_a_percent(seed: int):
    rng = random.Random(seed)
    line = Line(phase=rng.randrange(TICK))
    for _ in range(1500):
        line.send(rng.uniform(0, 60))
        line.tick()
    assert line.buffer.counts.lost < 15
    assert line.buffer.delay <= units(60 + 20)
