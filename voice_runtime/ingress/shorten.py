"""Make a piece of speech a little shorter without changing its pitch, pure.

Overlap-add at the lag where the signal is most like itself (as in waveform
similarity overlap-add, Verhelst and Roelands, 1993): the first and the last sample
stay what they are, so pieces still join. In near silence any lag will do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voice_runtime.events import RATE_HZ

Samples = NDArray[np.int16]

#: What is compared and faded: 7.5 ms; in near silence 5 ms are enough.
_COMPARED, _FADED = RATE_HZ * 75 // 10_000, RATE_HZ * 5 // 1000
#: The shortest lag, 2.5 ms: the period of a voice of 400 Hz.
_SHORTEST = RATE_HZ * 25 // 10_000
#: Least likeness (normalised cross-correlation) for a cut; voiced speech reaches 0.8 and more.
LIKE_ENOUGH = 0.6


def shorten(samples: Samples, most: int, *, quiet: bool, like: float = LIKE_ENOUGH) -> Samples:
    """Take up to ``most`` samples out of the piece.

    Args:
        samples: shape (n,).
        quiet: near silence, where any ``most`` samples may go.
        like: least likeness of what is laid over one another, -1 to 1.

    Returns:
        Shape (m,), n - most <= m <= n; the piece itself when nothing can go.
    """
    fade = _FADED if quiet else _COMPARED
    lag = min(most, len(samples) - fade) if quiet else _lag(samples, most, like)
    if lag <= 0:
        return samples
    joined = _cross(samples[:fade], samples[lag : lag + fade])
    return np.concatenate((joined, samples[lag + fade :]))


def _lag(samples: Samples, most: int, like: float) -> int:
    """The lag at which the piece is most like its own start; 0 when it is nowhere like enough."""
    longest = min(most, len(samples) - _COMPARED)
    if longest < _SHORTEST:
        return 0
    signal = samples.astype(np.float32)
    start = signal[:_COMPARED]
    windows = np.lib.stride_tricks.sliding_window_view(signal, _COMPARED)[_SHORTEST : longest + 1]
    energy = np.einsum("ij,ij->i", windows, windows) * (start @ start)
    likeness = (windows @ start) / np.sqrt(np.maximum(energy, 1.0))
    best = int(np.argmax(likeness))
    return best + _SHORTEST if likeness[best] >= like else 0


def _cross(falling: Samples, rising: Samples) -> Samples:
    ramp = (np.arange(len(rising), dtype=np.float32) + 0.5) / len(rising)
    return np.rint(falling * (1 - ramp) + rising * ramp).astype(np.int16)
