"""One stream's samples at another rate, piece by piece: what suppliers send and take is rarely 8 kHz."""

from __future__ import annotations

import numpy as np
import soxr

#: soxr's MQ is flat to 3.6 kHz at 8 kHz and 80 dB down from 4.2 kHz on. Measured with soxr 1.0 and
#: 20 ms pieces it keeps back at most 82 ms (24 and 22.05 kHz to 8 kHz) or 116 ms (8 to 16 kHz) of
#: what came in until more comes, and nothing after ``flush``; no sample is moved in time.
_QUALITY = "MQ"
#: Most of its input that is kept back, in s.
KEPT_BACK_S = 0.12


class StreamResampler:
    """Changes the rate of one mono s16le stream. Not for two streams: it remembers the last samples."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Begin a stream.

        Raises:
            ValueError: a rate is not above 0.
        """
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError("a sample rate is above 0")
        self._stream = (
            None
            if from_hz == to_hz
            else soxr.ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=_QUALITY)
        )
        self._half = b""

    def take(self, pcm: bytes) -> bytes:
        """Return what is ready. A sample cut in two by the sender's pieces waits for its other half."""
        pcm = self._half + pcm
        whole = len(pcm) & ~1
        self._half = pcm[whole:]
        if self._stream is None:
            return pcm[:whole]
        return self._resampled(np.frombuffer(pcm, "<i2", whole // 2), last=False)

    def flush(self) -> bytes:
        """The stream is over: return what was kept back. Half a sample at its end is dropped."""
        self._half = b""
        return b"" if self._stream is None else self._resampled(np.zeros(0, "<i2"), last=True)

    def _resampled(self, samples: np.ndarray, *, last: bool) -> bytes:
        assert self._stream is not None
        return bytes(self._stream.resample_chunk(samples, last=last).astype("<i2").tobytes())
