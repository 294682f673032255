"""Played and received audio on one grid of 20 ms frames, as powers in bands. No decisions here.

A frame is the Hann-windowed 40 ms that end with its chunk; a band's power is the
mean over its bins, scaled so that white noise of variance v has the power v.
Magnitudes only: they survive what phases do not (codecs, drifting clocks, a
carrier that plays on its own tick), and a few ms of misalignment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.fft  # numpy imports it when first used: a stall of the event loop
from numpy.typing import NDArray

from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

Powers = NDArray[np.float32]
#: (FRAME,) and (n, FRAME)
Frame = NDArray[np.float32]
Frames = NDArray[np.float32]

BANDS = 48
_LOWEST_HZ, _HIGHEST_HZ = 200, 3500
#: Samples in a frame (40 ms).
FRAME = 2 * CHUNK_SAMPLES
_BIN_HZ = RATE_HZ / FRAME
_EDGES = np.round(np.linspace(_LOWEST_HZ, _HIGHEST_HZ, BANDS + 1) / _BIN_HZ).astype(np.intp)
_WINDOW = np.hanning(FRAME + 2)[1:-1].astype(np.float32)
_SCALE = (1 / (np.diff(_EDGES) * float(np.sum(_WINDOW**2)))).astype(np.float32)

_NS_PER_SAMPLE = 1_000_000_000 // RATE_HZ
_CHUNK_NS = CHUNK_SAMPLES * _NS_PER_SAMPLE
#: Chunks kept (6 s): up to 2 s ahead of their sounding, and until somebody asks what sounded.
_MOST_CHUNKS = 300
_SILENCE = bytes(CHUNK_SAMPLES * 2)
#: A chunk that should sound this long before its predecessor ends follows a ``clear``, samples (60 ms).
_CLEARED = 3 * CHUNK_SAMPLES
#: Received chunks come late but never early: their clock is the least delay of this many (2 s).
_CLOCK_WINDOW = 100
#: Changes of that clock below this are jitter, ns.
_CLOCK_STEP_NS = 30_000_000


def band_powers(frame: NDArray[np.float32]) -> Powers:
    """Powers in ``BANDS`` bands, (…, BANDS), of frames of 320 samples, (…, 320)."""
    spectrum = np.fft.rfft(frame * _WINDOW)[..., : _EDGES[-1]]
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    return np.asarray(np.add.reduceat(power, _EDGES[:-1], axis=-1) * _SCALE, dtype=np.float32)


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
        self._chunks: deque[tuple[int, bytes]] = deque(maxlen=_MOST_CHUNKS)
        self._ends = 0

    def sent(self, chunk: bytes, at_ns: int) -> None:
        """A chunk that should sound at ``at_ns``; jitter of some 20 ms is smoothed."""
        at = at_ns // _NS_PER_SAMPLE
        if at < self._ends - _CLEARED:
            self._forget_from(at)
        at = max(at, self._ends)
        if chunk != _SILENCE:
            self._chunks.append((at, chunk))
        self._ends = at + CHUNK_SAMPLES

    def cleared(self, at_ns: int) -> None:
        """Nothing of what was sent sounds after ``at_ns``."""
        self._forget_from(at_ns // _NS_PER_SAMPLE)

    def sounds(self, starts_ns: int) -> bool:
        """Whether ``frame`` has anything but silence; may be asked ahead of it, of the newest frame only."""
        last = starts_ns // _NS_PER_SAMPLE + CHUNK_SAMPLES
        for at, _ in reversed(self._chunks):
            if at < last:
                return at + CHUNK_SAMPLES > last - FRAME
        return False

    def frame(self, starts_ns: int) -> Frame | None:
        """The 320 samples whose newest chunk begins at ``starts_ns``; None when they are silence."""
        first = starts_ns // _NS_PER_SAMPLE + CHUNK_SAMPLES - FRAME
        frame = self._line(first, first + FRAME)
        return frame if frame is not None and frame.any() else None

    def frames(self, starts_ns: Sequence[int]) -> Frames:
        """The frames whose newest chunks begin at these times, (n, 320); asked for in order."""
        begins = [at_ns // _NS_PER_SAMPLE + CHUNK_SAMPLES - FRAME for at_ns in starts_ns]
        found = np.zeros((len(begins), FRAME), dtype=np.float32)
        for i, j in _runs(begins):
            line = self._line(begins[i], begins[j - 1] + FRAME)
            if line is not None:
                for n in range(i, j):
                    at = begins[n] - begins[i]
                    found[n] = line[at : at + FRAME]
        return found

    def _line(self, first: int, last: int) -> NDArray[np.float32] | None:
        """What was played from one sample to another; None: nothing."""
        chunks = self._chunks
        while chunks and chunks[0][0] + CHUNK_SAMPLES + _CLEARED <= first:
            chunks.popleft()
        if not chunks or chunks[0][0] >= last:
            return None
        line = np.zeros(last - first, dtype=np.float32)
        for at, chunk in chunks:
            if at >= last:
                break
            begin, end = max(at, first), min(at + CHUNK_SAMPLES, last)
            if begin < end:
                samples = np.frombuffer(chunk, dtype="<i2", count=end - begin, offset=2 * (begin - at))
                line[begin - first : end - first] = samples
        return line

    def _forget_from(self, at: int) -> None:
        while self._chunks and self._chunks[-1][0] + CHUNK_SAMPLES > at:
            self._ends = self._chunks.pop()[0]


def _runs(begins: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Slices of frames that follow each other, give or take a clock that moves."""
    first = 0
    for n in range(1, len(begins)):
        if not 0 <= begins[n] - begins[n - 1] <= 2 * FRAME:
            yield first, n
            first = n
    yield first, len(begins)
