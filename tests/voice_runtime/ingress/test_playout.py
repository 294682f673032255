"""Chunks in virtual time: one per tick whatever comes, the talker's samples, back to the target in 3 s."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from controls.errors import ProviderError
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.ingress.jitter import TICK, Packet, units
from voice_runtime.ingress.playout import Playout

DAMAGED = b"damaged"


def talker(seconds: float, *, pauses: bool = True) -> NDArray[np.int16]:
    """A made-up voice of 120 Hz that pauses for 0.4 s in every 2 s, or never, over a little noise."""
    t = np.arange(int(seconds * 8000)) / 8000
    phase = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 0.7 * t)) / 8000
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    talking = (t % 2.0 < 1.6) if pauses else np.ones_like(t)
    return (1500 * voice * talking + np.random.default_rng(1).normal(0, 10, len(t))).astype(np.int16)


class Spoken:
    """Decodes a packet's number to that 20 ms of ``samples``; conceals with a constant no packet holds."""

    made_up = 12_345

    def __init__(self, samples: NDArray[np.int16]) -> None:
        self.samples = samples

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        if payload == DAMAGED:
            raise ProviderError("damaged", supplier="test")
        n = int.from_bytes(payload, "big")
        return self.samples[n * CHUNK_SAMPLES : (n + 1) * CHUNK_SAMPLES]

    def conceal(self) -> NDArray[np.int16]:
        return np.full(CHUNK_SAMPLES, self.made_up, dtype=np.int16)


class Call:
    """A sender and a player, tick by tick."""

    def __init__(self, samples: NDArray[np.int16], *, phase: int = 100) -> None:
        self.playout = Playout(Spoken(samples))
        self.phase = phase
        self.now = self.sent = 0
        self.coming: list[Packet] = []
        self.chunks: list[NDArray[np.int16]] = []

    def go(self, late_ms: float | None = 0.0, *, payload: bytes | None = None) -> None:
        """One packet that is ``late_ms`` late or lost (None), and one tick."""
        if late_ms is not None:
            self.coming.append(
                Packet(
                    7,
                    self.sent % 65536,
                    self.sent * TICK % 2**32,
                    TICK,
                    payload or self.sent.to_bytes(4, "big"),
                    self.now + units(late_ms),
                )
            )
        self.sent += 1
        at = self.now + self.phase
        for packet in sorted((p for p in self.coming if p.arrived <= at), key=lambda p: p.arrived):
            self.playout.put(packet)
            self.coming.remove(packet)
        self.chunks.append(self.playout.pull(at))
        self.now += TICK

    @property
    def audio(self) -> NDArray[np.int16]:
        return np.concatenate(self.chunks)

    @property
    def delay_ms(self) -> float:
        return self.playout.delay_ms


def test_a_clean_line_gives_every_sample_unchanged():
    samples = talker(4)
    call = Call(samples)
    for _ in range(200):
        call.go()
    assert np.array_equal(call.audio[CHUNK_SAMPLES:], samples[: len(call.audio) - CHUNK_SAMPLES])
    stats = call.playout.stats
    assert (stats.lost, stats.concealed_ms, stats.dropped_ms) == (0, 0, 0)


def test_a_lost_packet_is_made_up_and_the_next_ones_are_in_their_place():
    samples = talker(4)
    call = Call(samples)
    for n in range(200):
        call.go(None if n in (80, 120) else 0.0)
    made_up = [i for i, chunk in enumerate(call.chunks) if (chunk == Spoken.made_up).all()]
    assert made_up == [0, 81, 121]  # one tick after they were sent, as all others
    for n in (79, 81, 119, 121, 198):
        assert np.array_equal(call.chunks[n + 1], samples[n * CHUNK_SAMPLES : (n + 1) * CHUNK_SAMPLES])
    assert call.playout.stats.lost == 2
    assert call.playout.stats.concealed_ms == 40


def test_concealment_fades_to_silence():
    call = Call(talker(4))
    for n in range(100):
        call.go(0.0 if n < 50 else None)
    levels = [int(chunk[-1]) for chunk in call.chunks[52:70]]
    assert levels[0] == levels[1] == Spoken.made_up
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 0
    assert sum(0 < level < Spoken.made_up for level in levels) >= 4
    assert not np.any(call.chunks[-1])


def test_a_damaged_packet_is_made_up():
    call = Call(talker(4))
    for n in range(100):
        call.go(payload=DAMAGED if n == 60 else None)
    assert (call.chunks[61] == Spoken.made_up).all()
    stats = call.playout.stats
    assert (stats.foreign, stats.received, stats.concealed_ms) == (1, 100, 20)


@pytest.mark.parametrize("pauses", [True, False])
def test_a_stall_is_drained_without_losing_the_pitch_or_a_word(pauses: bool):
    samples = talker(12, pauses=pauses)
    call = Call(samples)
    for n in range(500):
        call.go(max(0.0, 300 - (n - 300) * 20.0) if n >= 300 else 0.0)
    stats = call.playout.stats
    assert call.delay_ms < 45
    assert stats.lost == 0
    assert 200 <= stats.dropped_ms <= 320
    late = call.audio[-100 * CHUNK_SAMPLES :]
    assert np.abs(np.diff(late.astype(int))).max() < 2 * np.abs(np.diff(samples.astype(int))).max()


def test_delay_goes_up_where_audio_is_missing_anyway_and_comes_down_again():
    rng = random.Random(3)
    call = Call(talker(12))
    for n in range(250):
        call.go(rng.uniform(0, 60) if n > 50 else 0.0)
    assert call.playout.stats.lost < 5
    assert call.delay_ms + call.playout.stats.target_ms > 80
    for _ in range(150):
        call.go()
    assert call.delay_ms < 45


@pytest.mark.parametrize("per_packet", [120, 240, 480, 960, 1920, 2880, 5760])
def test_packets_of_any_length_that_opus_has(per_packet: int):
    """2.5 ms to 120 ms: one chunk per tick all the same, and nothing is cut out."""
    size = per_packet // 6
    samples = talker(6)
    coded = {n: samples[n * size : (n + 1) * size] for n in range(len(samples) // size)}

    class Longer(Spoken):
        def decode(self, payload: bytes) -> NDArray[np.int16]:
            return coded[int.from_bytes(payload, "big")]

    playout = Playout(Longer(samples))
    sent, chunks = 0, []
    for tick in range(250):
        at = tick * TICK + 5
        while (sent + 1) * per_packet <= at:  # a packet is sent once its last sample exists
            playout.put(
                Packet(
                    1, sent, sent * per_packet, per_packet, sent.to_bytes(4, "big"), (sent + 1) * per_packet
                )
            )
            sent += 1
        chunks.append(playout.pull(at))
    audio = np.concatenate(chunks)
    where = audio.tobytes().find(samples[800:1600].tobytes())
    assert where >= 0
    where = where // 2 - 800
    length = len(audio) - where
    assert np.array_equal(audio[where + 800 :], samples[800:length])
    assert playout.stats.lost == 0
    assert playout.stats.dropped_ms == 0


fates = st.lists(
    st.one_of(st.just(0.0), st.none(), st.floats(0, 200), st.sampled_from([300.0, 280.0, 260.0, 240.0])),
    min_size=1,
    max_size=100,
)


@settings(max_examples=30, deadline=None)
@given(fates, st.integers(0, TICK - 1), st.booleans())
def test_three_seconds_after_any_trouble_the_delay_is_back(
    fates: list[float | None], phase: int, pauses: bool
):
    call = Call(talker(8, pauses=pauses), phase=phase)
    for _ in range(25):
        call.go()
    for late_ms in fates:
        call.go(late_ms)
    for _ in range(150):
        call.go()
    assert call.delay_ms <= 20 + 20 + 5 + 20
    assert all(len(chunk) == CHUNK_SAMPLES and chunk.dtype == np.int16 for chunk in call.chunks)
    assert len(call.chunks) == 25 + len(fates) + 150
