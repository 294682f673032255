"""Frames of what was played and of what came back lie on one grid, whatever the clocks do."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.listen.echo_spectra import BANDS, MediaClock, PlayedAudio, band_powers

MS = 1_000_000
EPOCH = 5_000_000_000


def tone(hz: float, chunks: int = 1, amplitude: float = 8000.0) -> bytes:
    time = np.arange(160 * chunks) / 8000
    return (amplitude * np.sin(2 * np.pi * hz * time)).astype("<i2").tobytes()


# -- powers ------------------------------------------------------------------------------------------


def test_white_noise_has_its_variance_in_every_band() -> None:
    random = np.random.default_rng(1)
    frames = [band_powers(random.normal(0, 100, 320).astype(np.float32)) for _ in range(2000)]
    assert np.allclose(np.mean(frames, axis=0), 10_000, rtol=0.15)


def test_a_tone_is_in_its_band() -> None:
    powers = band_powers(np.frombuffer(tone(1000, 2), dtype="<i2").astype(np.float32))
    assert powers.shape == (BANDS,)
    assert 800 < 200 + int(np.argmax(powers)) * 3300 / BANDS < 1100
    assert powers.max() > 1000 * np.median(powers)


# -- the caller's clock --------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=120, max_size=200))
def test_jitter_does_not_move_the_clock(late_ms: list[int]) -> None:
    clock = MediaClock()
    starts = [clock.starts_ns(EPOCH + n * 20 * MS + late * MS) for n, late in enumerate(late_ms)]
    assert {b - a for a, b in pairwise(starts)} == {20 * MS}


def test_a_stall_and_its_burst_do_not_move_it_either() -> None:
    clock = MediaClock()
    arrivals = [n * 20 for n in range(100)] + [2500] * 25 + [n * 20 for n in range(125, 200)]
    starts = [clock.starts_ns(EPOCH + at * MS) for at in arrivals]
    assert {b - a for a, b in pairwise(starts)} == {20 * MS}


def test_lost_media_moves_it_within_two_seconds() -> None:
    clock = MediaClock()
    for n in range(100):
        clock.starts_ns(EPOCH + n * 20 * MS)
    starts = [clock.starts_ns(EPOCH + (n * 20 + 400) * MS) for n in range(100, 210)]
    assert starts[-1] == EPOCH + (209 * 20 + 400 - 20) * MS


# -- what was played -----------------------------------------------------------------------------------


def sounding(played: PlayedAudio, chunks: int) -> str:
    return "".join("." if played.frame(EPOCH + n * 20 * MS) is None else "#" for n in range(chunks))


def test_it_sounds_when_it_should_and_nothing_else_does() -> None:
    played = PlayedAudio()
    for n in range(3):
        played.sent(tone(500), EPOCH + (4 + n) * 20 * MS)
    # A frame is 40 ms long: it holds the chunk before its newest one too.
    assert sounding(played, 12) == "....####...."


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=2, max_size=60))
def test_chunks_never_overlap_and_never_stray_although_their_times_jitter(late_ms: list[int]) -> None:
    played = PlayedAudio()
    for n, late in enumerate(late_ms):
        played.sent(tone(700), EPOCH + (n * 20 + late) * MS)
    at = [start for start, _ in played._chunks]
    assert all(b - a >= 160 for a, b in pairwise(at))
    nominal = [EPOCH // 125_000 + n * 160 for n in range(len(late_ms))]
    assert all(abs(a - b) <= 160 for a, b in zip(at, nominal, strict=True)), "within 20 ms"


def test_a_pause_is_silence() -> None:
    played = PlayedAudio()
    played.sent(tone(500), EPOCH)
    played.sent(tone(500), EPOCH + 200 * MS)
    assert sounding(played, 14) == "##........##.."


def test_what_was_cleared_never_sounds() -> None:
    played = PlayedAudio()
    for n in range(10):
        played.sent(tone(500), EPOCH + n * 20 * MS)
    played.cleared(EPOCH + 80 * MS)
    assert sounding(played, 12) == "#####......."


def test_a_clear_nobody_told_shows_in_the_next_chunk() -> None:
    played = PlayedAudio()
    for n in range(20):
        played.sent(tone(500), EPOCH + n * 20 * MS)
    played.sent(bytes(320), EPOCH + 100 * MS)
    assert sounding(played, 20) == "######" + "." * 14


@settings(max_examples=50, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 6), min_size=1, max_size=20),
    muted=st.sets(st.integers(0, 19)),
    jitter_ms=st.integers(-15, 15),
)
def test_whether_it_sounds_is_told_ahead(gaps: list[int], muted: set[int], jitter_ms: int) -> None:
    played, n = PlayedAudio(), 0
    for i, gap in enumerate(gaps):
        n += 1 + gap
        played.sent(bytes(320) if i in muted else b"\x01\x10" * 160, EPOCH + n * 20 * MS)
    at = [EPOCH + (m * 20 + jitter_ms) * MS for m in range(n + 4)]
    ahead = [played.sounds(t) for t in at]
    assert ahead == [played.frame(t) is not None for t in at]


@pytest.mark.parametrize("chunks", [301, 900])
def test_memory_is_bounded(chunks: int) -> None:
    played = PlayedAudio()
    for n in range(chunks):
        played.sent(tone(500), EPOCH + n * 20 * MS)
    assert len(played._chunks) == 300
