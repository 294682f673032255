"""Samples at another rate: as many as belong, in their place in time, however they are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_runtime.resample import KEPT_BACK_S, StreamResampler

RATES = [(24_000, 8000), (22_050, 8000), (16_000, 8000), (8000, 8000), (8000, 16_000), (48_000, 8000)]


def tone(rate_hz: int, seconds: float = 0.5, hz: float = 700.0) -> bytes:
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return np.rint(8000 * np.sin(2 * np.pi * hz * at)).astype("<i2").tobytes()


def through(pcm: bytes, from_hz: int, to_hz: int, cuts: list[int]) -> bytes:
    stream = StreamResampler(from_hz, to_hz)
    out, at = b"", 0
    for cut in [*cuts, len(pcm)]:
        out += stream.take(pcm[at : at + cut])
        at += cut
    return out + stream.flush()


@given(rates=st.sampled_from(RATES), cuts=st.lists(st.integers(0, 3001), max_size=30))
@settings(max_examples=40, deadline=None)
def test_how_it_is_cut_makes_no_difference(rates: tuple[int, int], cuts: list[int]) -> None:
    pcm = tone(rates[0])
    cut, whole = (np.frombuffer(through(pcm, *rates, c), "<i2").astype(int) for c in (cuts, []))
    assert len(cut) == len(whole)
    assert np.abs(cut - whole).max() <= 2  # soxr dithers what it rounds


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_nothing_is_lost_and_nothing_moves_in_time(from_hz: int, to_hz: int) -> None:
    came = np.frombuffer(through(tone(from_hz), from_hz, to_hz, [777] * 20), "<i2").astype(float)
    wanted = np.frombuffer(tone(to_hz), "<i2").astype(float)
    assert abs(len(came) - len(wanted)) <= 1
    inside = slice(200, min(len(came), len(wanted)) - 200)
    assert np.abs(came[inside] - wanted[inside]).max() < 40  # of 8000: no shift, no loss of level


@pytest.mark.parametrize(("from_hz", "to_hz"), RATES)
def test_what_is_kept_back_is_bounded_as_stated(from_hz: int, to_hz: int) -> None:
    stream, pcm = StreamResampler(from_hz, to_hz), tone(from_hz, 1.0)
    piece = from_hz // 50 * 2
    came_s = 0.0
    for at in range(0, len(pcm), piece):
        came_s += len(stream.take(pcm[at : at + piece])) / 2 / to_hz
        assert (at + piece) / 2 / from_hz - came_s <= KEPT_BACK_S


def test_half_a_sample_waits_for_its_other_half() -> None:
    stream = StreamResampler(8000, 8000)
    assert stream.take(b"\x01") == b""
    assert stream.take(b"\x02\x03\x04\x05") == b"\x01\x02\x03\x04"
    assert stream.flush() == b""


def test_a_rate_is_above_nothing() -> None:
    with pytest.raises(ValueError, match="above 0"):
        StreamResampler(0, 8000)
