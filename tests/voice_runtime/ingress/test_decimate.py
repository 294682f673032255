"""48 kHz to 8 kHz: what is spoken passes, what would alias does not, 1.5 ms late, however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_runtime.ingress.decimate import DELAY_S, FACTOR, Decimator


def tone(hz: float, samples: int = 24_000) -> NDArray[np.int16]:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(samples) / 48_000)).astype(np.int16)


def gain_db(hz: float) -> float:
    out = Decimator().take(tone(hz))[100:].astype(float)
    return 20 * np.log10(np.sqrt(np.mean(out**2)) / (8000 / np.sqrt(2)) + 1e-9)


@pytest.mark.parametrize("hz", [100, 440, 1000, 2000, 3000, 3400])
def test_speech_passes(hz: int):
    assert abs(gain_db(hz)) < 0.1


@pytest.mark.parametrize("hz", [4700, 5000, 7100, 9000, 12_500, 17_000, 23_000])
def test_what_would_alias_is_gone(hz: int):
    assert gain_db(hz) < -55


def test_the_delay_is_what_it_says():
    impulse = np.zeros(4800, dtype=np.int16)
    impulse[600] = 30_000
    out = Decimator().take(impulse)
    assert int(np.argmax(out)) == 600 // FACTOR + round(DELAY_S * 8000)
    assert DELAY_S == 0.0015


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=10))
def test_it_does_not_matter_how_the_stream_is_cut(cuts: list[int]):
    stream = np.random.default_rng(7).integers(-20_000, 20_000, sum(cuts) * FACTOR).astype(np.int16)
    whole = Decimator().take(stream)
    pieces, at, decimator = [], 0, Decimator()
    for cut in cuts:
        pieces.append(decimator.take(stream[at : at + cut * FACTOR]))
        at += cut * FACTOR
    joined = np.concatenate(pieces)
    assert len(joined) == len(whole) == sum(cuts)
    assert np.abs(joined.astype(int) - whole).max(initial=0) <= 1  # sums in another order round otherwise


def test_loud_input_does_not_wrap():
    square = np.where(np.arange(4800) // 60 % 2, 32767, -32768).astype(np.int16)  # overshoots
    out = Decimator().take(square)
    assert out.max() == 32767
    assert out.min() == -32768


def test_a_part_of_a_sample_is_refused():
    with pytest.raises(ValueError, match="multiple of 6"):
        Decimator().take(np.zeros(7, dtype=np.int16))
