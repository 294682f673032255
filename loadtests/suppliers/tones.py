"""A voice that a machine can tell apart: speech-like bursts whose pair of pitches says which answer it is.

Twelve pitches between 500 and 2480 Hz, 180 Hz apart, two at a time: 66 ids. Both
sound with equal strength under one envelope of some four syllables a second, which
never falls silent, so a gap in it is the server's. A window of 64 ms tells the pair;
G.711, Opus and resamplers leave it alone.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from controls.errors import OperatorError

#: Rate of what ``identify`` reads, Hz.
RATE_HZ = 8000
PITCHES_HZ = tuple(range(500, 2481, 180))
_PAIRS = tuple(combinations(range(len(PITCHES_HZ)), 2))
#: How many ids there are; 0 is that of words which are no answer.
IDS = len(_PAIRS)
#: Pace, ms for each character: some 170 words a minute.
_MS_PER_CHARACTER = 60
_SHORTEST_MS, _LONGEST_MS = 300, 30_000
_FADE_MS = 15
_LEVEL = 12_000

_WINDOW = 512
_HOP = 256
#: Softer than this is silence (root mean square), whatever sounds in it.
_QUIET = 150.0
#: Of a window's power the pair has at least this share, and neither pitch less than a tenth of the other's.
_SHARE, _BALANCE = 0.6, 0.1
_FEWEST_WINDOWS = 2


def voice(text: str, id: int, rate_hz: int = 24_000) -> bytes:
    """Speak ``text``: s16le mono. Loud from its first ms, silent at its last sample.

    Args:
        id: which answer, 0 to ``IDS`` - 1.

    Raises:
        OperatorError: there is no such id.
    """
    if not 0 <= id < IDS:
        raise OperatorError(f"a tone's id is 0 to {IDS - 1}")
    ms = min(_LONGEST_MS, max(_SHORTEST_MS, _MS_PER_CHARACTER * len(text.strip())))
    return _spoken(id, ms, rate_hz)


@lru_cache(maxsize=256)
def _spoken(id: int, ms: int, rate_hz: int) -> bytes:
    time = np.arange(rate_hz * ms // 1000) / rate_hz
    first, second = (PITCHES_HZ[n] for n in _PAIRS[id])
    signal = np.sin(2 * np.pi * first * time) + np.sin(2 * np.pi * second * time)
    signal *= _LEVEL / 2 * (0.7 + 0.3 * np.cos(2 * np.pi * 4 * time))
    fade = rate_hz * _FADE_MS // 1000
    signal[-fade:] *= np.linspace(1, 0, fade)
    return bytes(np.rint(signal).astype("<i2").tobytes())


def identify(pcm: bytes) -> int | None:
    """Which id sounds in 8 kHz s16le samples: the one that sounds longest; None when none does.

    Words that are no answer (id 0) count only when nothing else sounds: they go
    before an answer, or between its sentences, without making it another.
    """
    votes = Counter(_pairs(np.frombuffer(pcm, "<i2", count=len(pcm) // 2)))
    other = votes.pop(0, 0)
    for most, windows in votes.most_common(1):
        if windows >= _FEWEST_WINDOWS:
            return most
    return 0 if other >= _FEWEST_WINDOWS else None


@lru_cache(maxsize=1)
def _shape() -> tuple[NDArray[np.float64], tuple[NDArray[np.int64], ...]]:
    """The window, and the bins of each pitch."""
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE_HZ)
    bins = tuple(np.flatnonzero(np.abs(hertz - pitch) <= 2.2 * RATE_HZ / _WINDOW) for pitch in PITCHES_HZ)
    return np.hanning(_WINDOW), bins


def _pairs(samples: NDArray[np.int16]) -> list[int]:
    """The id of each window that has one."""
    if len(samples) < _WINDOW:
        return []
    window, bins = _shape()
    cut = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP].astype(np.float64)
    cut = cut[np.sqrt(np.square(cut).mean(axis=1)) >= _QUIET]
    power = np.square(np.abs(np.fft.rfft(cut * window, axis=1)))
    total = power.sum(axis=1)
    pitches = np.stack([power[:, of].sum(axis=1) for of in bins], axis=1)
    found = []
    for row, whole in zip(pitches, total, strict=True):
        order = np.argsort(row)
        weaker, stronger = row[order[-2]], row[order[-1]]
        if weaker >= _BALANCE * stronger and weaker + stronger >= _SHARE * whole:
            pair = sorted((int(order[-2]), int(order[-1])))
            found.append(_PAIRS.index((pair[0], pair[1])))
    return found
