"""Played and received audio on one grid of 20 ms frames, as powers in bands. No decisions here.

A frame is the Hann-windowed 40 ms that end with its chunk; a band's power is the
mean over its bins, scaled so that white noise of variance v has the power v.
Magnitudes only: they survive what phases do not (codecs, drifting clocks, a
carrier that plays on its own tick), and a few ms of misalignment.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

Powers = NDArray[np.float32]

BANDS = 48
_LOWEST_HZ, _HIGHEST_HZ = 200, 3500
_FRAME = 2 * CHUNK_SAMPLES
_BIN_HZ = RATE_HZ / _FRAME
_EDGES = np.round(np.linspace(_LOWEST_HZ, _HIGHEST_HZ, BANDS + 1) / _BIN_HZ).astype(np.intp)
_WINDOW = np.hanning(_FRAME + 2)[1:-1].astype(np.float32)
_SCALE = (1 / (np.diff(_EDGES) * float(np.sum(_WINDOW**2)))).astype(np.float32)

_NS_PER_SAMPLE = 1_000_000_000 // RATE_HZ
_CHUNK_NS = CHUNK_SAMPLES * _NS_PER_SAMPLE
#: Chunks kept (2 s): how far ahead of its sounding one may be handed over.
_MOST_CHUNKS = 100
#: A chunk that should sound this long before its predecessor ends follows a ``clear``, samples (60 ms).
_CLEARED = 3 * CHUNK_SAMPLES
#: Received chunks come late but never early: their clock is the least delay of this many (2 s).
_CLOCK_WINDOW = 100
#: Changes of that clock below this are jitter, ns.
_CLOCK_STEP_NS = 30_000_000


def band_powers(frame: NDArray[np.float32]) -> Powers:
    """Powers in ``BANDS`` bands of 320 samples."""
    spectrum = np.fft.rfft(frame * _WINDOW)[: _EDGES[-1]]
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return np.asarray(np.add.reduceat(power, _EDGES[:-1]) * _SCALE, dtype=np.float32)


class MediaClock:
    """When a received chunk was spoken, give or take a constant: arrival times without their jitter.

    Chunks are counted, so a burst after a stall is not late; media that was lost moves the clock
    after ``_CLOCK_WINDOW`` chunks.
    """

    def __init__(self) -> None:
        self._count = 0
        self._least = self._least_before = 2**62
        self._origin_ns: int | None = None

    def starts_ns(self, at_ns: int) -> int:
        """Monotonic ns at which the chunk received at ``at_ns`` begins; once a chunk, in order."""
        nominal_ns = (self._count + 1) * _CHUNK_NS
        if self._count % (_CLOCK_WINDOW // 2) == 0:
            self._least_before, self._least = self._least, 2**62
        self._count += 1
        self._least = min(self._least, at_ns - nominal_ns)
        least = min(self._least, self._least_before)
        if self._origin_ns is None or abs(least - self._origin_ns) > _CLOCK_STEP_NS:
            self._origin_ns = least
        return self._origin_ns + nominal_ns - _CHUNK_NS


class PlayedAudio:
    """What was sent, at the time at which it sounds. Positions are samples of the monotonic clock.

    A pause is silence; what a ``clear`` overtook never sounded.
    """

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, NDArray[np.int16]]] = deque(maxlen=_MOST_CHUNKS)
        self._ends = 0
        self._frame = np.zeros(_FRAME, dtype=np.float32)

    def sent(self, chunk: bytes, at_ns: int) -> None:
        """A chunk that should sound at ``at_ns``; jitter of some 20 ms is smoothed."""
        at = at_ns // _NS_PER_SAMPLE
        if at < self._ends - _CLEARED:
            self._forget_from(at)
        at = max(at, self._ends)
        self._chunks.append((at, np.frombuffer(chunk, dtype="<i2", count=CHUNK_SAMPLES)))
        self._ends = at + CHUNK_SAMPLES

    def cleared(self, at_ns: int) -> None:
        """Nothing of what was sent sounds after ``at_ns``."""
        self._forget_from(at_ns // _NS_PER_SAMPLE)

    def frame(self, starts_ns: int) -> Powers | None:
        """Band powers of the frame whose newest chunk begins at ``starts_ns``; None when it is silent."""
        last = starts_ns // _NS_PER_SAMPLE + CHUNK_SAMPLES
        first = last - _FRAME
        chunks, frame = self._chunks, self._frame
        while chunks and chunks[0][0] + CHUNK_SAMPLES + _CLEARED <= first:
            chunks.popleft()
        if not chunks or chunks[0][0] >= last:
            return None
        frame[:] = 0.0
        for at, samples in chunks:
            if at >= last:
                break
            begin, end = max(at, first), min(at + CHUNK_SAMPLES, last)
            if begin < end:
                frame[begin - first : end - first] = samples[begin - at : end - at]
        return band_powers(frame) if frame.any() else None

    def _forget_from(self, at: int) -> None:
        while self._chunks and self._chunks[-1][0] + CHUNK_SAMPLES > at:
            self._ends = self._chunks.pop()[0]
