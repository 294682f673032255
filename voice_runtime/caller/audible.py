"""What a caller can hear: the one threshold by which starts and ends of speech are judged.

A window of 5 ms (40 samples at 8 kHz) is *audible* when its root mean square is
at least 100 of 32768 (-50 dBFS). µ-law's idle code, comfort noise and the
dither of a synthesiser lie below it, the softest consonants of a synthetic
voice above it. A start is the first sample of an audible window whose
magnitude reaches that level, an end the last one. So starts and ends err by
5 ms at most where speech begins and ends firmly, in the same direction for every system
compared; soft endings err by more (``python -m loadtests.calibrate`` says by how much).
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from voice_runtime.events import RATE_HZ

with warnings.catch_warnings():  # deprecated in the standard library; audioop-lts takes its place in 3.13
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

WINDOW_SAMPLES = RATE_HZ * 5 // 1000
AUDIBLE_RMS = 100
#: µ-law's code for zero.
ULAW_SILENCE = b"\xff"


def to_ulaw(pcm: bytes) -> bytes:
    """16-bit little-endian samples to µ-law (ITU-T G.711), one byte a sample."""
    return audioop.lin2ulaw(pcm, 2)


def to_pcm(ulaw: bytes) -> bytes:
    """µ-law (ITU-T G.711) to 16-bit little-endian samples."""
    return audioop.ulaw2lin(ulaw, 2)


def windows(pcm: bytes) -> NDArray[np.bool_]:
    """Which 5 ms windows of 8 kHz s16le samples are audible; a last short one counts as whole."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    short = -len(samples) % WINDOW_SAMPLES
    if short:
        samples = np.concatenate([samples, np.zeros(short, dtype=np.float32)])
    power = np.square(samples).reshape(-1, WINDOW_SAMPLES).mean(axis=1)
    return np.asarray(power >= AUDIBLE_RMS**2, dtype=np.bool_)


def loud(pcm: bytes) -> bool:
    """Whether one window of s16le samples, or what there is of it, is audible: as ``windows``, for a few."""
    return audioop.rms(pcm, 2) >= AUDIBLE_RMS  # rounds down, which changes nothing here


def bounds(pcm: bytes) -> tuple[int, int] | None:
    """First and last audible sample of 8 kHz s16le samples; None when nothing is audible."""
    loud = np.flatnonzero(windows(pcm))
    if not len(loud):
        return None
    samples = np.abs(np.frombuffer(pcm, dtype="<i2").astype(np.int32))
    start = int(loud[0]) * WINDOW_SAMPLES
    first = start + int(np.argmax(samples[start : start + WINDOW_SAMPLES] >= AUDIBLE_RMS))
    end = int(loud[-1]) * WINDOW_SAMPLES
    tail = np.flatnonzero(samples[end : end + WINDOW_SAMPLES] >= AUDIBLE_RMS)
    return first, end + int(tail[-1])


def energy(pcm: bytes) -> tuple[float, int]:
    """Sum of squares, and number, of the samples in audible windows of 8 kHz s16le speech.

    The root of their quotient is the level of speech while it is there (as ITU-T P.56 means
    it), whatever silence lies around it.
    """
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    loud = np.repeat(windows(pcm), WINDOW_SAMPLES)[: len(samples)]
    return float(np.square(samples[loud]).sum()), int(loud.sum())


def mix(first: bytes, second: bytes) -> bytes:
    """The sum of two equally long pieces of s16le samples, clipped."""
    return audioop.add(first, second, 2)
