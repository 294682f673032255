"""Shorter pieces: never by more than asked, ends in place, pitch kept, no seam."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from voice_runtime.ingress.shorten import shorten

pieces = st.integers(0, 2**31).flatmap(
    lambda seed: st.integers(0, 960).map(
        lambda n: np.random.default_rng(seed).integers(-32768, 32767, n).astype(np.int16)
    )
)


def voice(hz: float, samples: int = 160) -> NDArray[np.int16]:
    t = np.arange(samples) / 8000
    return (3000 * sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 6))).astype(np.int16)


@given(pieces, st.integers(0, 200), st.booleans(), st.floats(-1, 1))
def test_never_more_than_asked_and_the_ends_stay(
    piece: NDArray[np.int16], most: int, quiet: bool, like: float
):
    shorter = shorten(piece, most, quiet=quiet, like=like)
    assert len(piece) - most <= len(shorter) <= len(piece)
    assert shorter.dtype == np.int16
    for end in (0, -1) if len(piece) else ():  # to within the first step of the fade
        assert abs(int(shorter[end]) - int(piece[end])) <= 65_536 / 2 / 40 + 1


@given(pieces, st.integers(0, 200))
def test_near_silence_gives_all_that_is_asked_and_there_is_room_for(piece: NDArray[np.int16], most: int):
    room = max(0, len(piece) - 40)
    assert len(piece) - len(shorten(piece, most, quiet=True)) == min(most, room)


@pytest.mark.parametrize("hz", [90, 120, 180, 250, 380])
def test_a_voice_changes_by_whole_periods_and_without_a_seam(hz: int):
    piece = voice(hz)
    changed = shorten(piece, 100, quiet=False)
    periods = abs(len(piece) - len(changed)) * hz / 8000
    assert round(periods) >= 1
    assert periods == pytest.approx(round(periods), abs=0.05)
    assert np.abs(np.diff(changed.astype(int))).max() <= 1.1 * np.abs(np.diff(piece.astype(int))).max()


def test_noise_is_left_alone_unless_less_likeness_will_do():
    noise = np.random.default_rng(5).normal(0, 3000, 160).astype(np.int16)
    assert len(shorten(noise, 100, quiet=False)) == 160
    assert len(shorten(noise, 100, quiet=False, like=-1.0)) < 160


def test_a_piece_too_short_for_its_pitch_is_left_alone():
    piece = voice(100, 40)
    assert shorten(piece, 100, quiet=False) is piece
    assert shorten(voice(100), 0, quiet=True).size == 160
