"""The test audio itself: µ-law as G.711 has it, noise at its stated level, word errors counted right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests import audio


@pytest.mark.parametrize(
    ("sample", "code"), [(0, 0xFF), (32635, 0x80), (-32635, 0x00), (32767, 0x80), (-32768, 0x00), (4, 0xFE)]
)
def test_mulaw_codes(sample: int, code: int) -> None:
    assert audio.mulaw_encode(np.array([sample], dtype=np.int16))[0] == code


def test_every_mulaw_code_survives() -> None:
    codes = np.arange(256, dtype=np.uint8)
    again = audio.mulaw_encode(audio.mulaw_decode(codes))
    assert [c for c in range(256) if again[c] != c] == [0x7F], "minus nothing is nothing"


@pytest.mark.parametrize("snr_db", [0, 10, 30])
def test_noise_has_the_stated_level(snr_db: float) -> None:
    tone = (8000 * np.sin(np.arange(16000) / 3)).astype(np.int16)
    mixed = np.frombuffer(audio.with_noise(tone.tobytes(), snr_db), dtype="<i2").astype(float)
    noise = mixed - tone
    measured = 10 * np.log10(np.mean(tone.astype(float) ** 2) / np.mean(noise**2))
    assert abs(measured - snr_db) < 1.0


@pytest.mark.parametrize(
    ("expected", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "", 3),
        ("a b c", "a x c", 1),
        ("a b c", "b c", 1),
        ("a b c", "a b b c d", 2),
        ("", "a", 1),
    ],
)
def test_word_errors(expected: str, heard: str, errors: int) -> None:
    assert audio.word_errors(expected, heard) == (errors, len(expected.split()))


def test_word_error_rate_is_over_all_words() -> None:
    assert audio.word_error_rate([("a b c", "a b c"), ("d", "e")]) == 0.25


def test_a_voice_begins_and_ends_with_speech(needs_system: Callable[..., None]) -> None:
    needs_system("flite")
    samples = np.abs(np.frombuffer(audio.say("yes", "rms"), dtype="<i2").astype(int))
    assert samples[:20].max() > 100
    assert samples[-20:].max() > 100
    assert 3000 < len(samples) < 8000
