"""48 kHz samples to 8 kHz ones with 1.5 ms of delay: a low-pass filter, every sixth output computed.

soxr's streams, whole-call as they are, gather their input in blocks: measured with
soxr 1.0 and 20 ms chunks, a sample comes out up to 37 ms (LQ), 65 ms (MQ) or
145 ms (HQ) after it went in, and QQ, which does not wait, has no filter against
aliasing. A linear-phase filter of 145 taps is 1.5 ms long on either side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FACTOR = 6
#: Taps for 1.2 kHz of transition (3.4 to 4.6 kHz) at 60 dB (Kaiser: N - 1 = (A - 8) / 2.285 / dw).
_TAPS = 145
_BETA = 5.65  # of the Kaiser window, for 60 dB
_CUTOFF = 4000 / 48_000
#: Delay in s: half the filter.
DELAY_S = (_TAPS - 1) / 2 / 48_000


def _low_pass() -> NDArray[np.float32]:
    n = np.arange(_TAPS) - (_TAPS - 1) / 2
    taps = np.sinc(2 * _CUTOFF * n) * np.kaiser(_TAPS, _BETA)
    low_pass: NDArray[np.float32] = (taps / taps.sum()).astype(np.float32)
    return low_pass


_LOW_PASS = _low_pass()


class Decimator:
    """One stream's filter state."""

    def __init__(self) -> None:
        self._tail = np.zeros(_TAPS - 1, dtype=np.float32)

    def take(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Filter the stream's next samples.

        Args:
            samples: shape (6 n,), 48 kHz.

        Returns:
            Shape (n,), 8 kHz.

        Raises:
            ValueError: the length is no multiple of 6.
        """
        if len(samples) % FACTOR:
            raise ValueError(f"{len(samples)} samples are no multiple of {FACTOR}")
        if not len(samples):
            return np.zeros(0, dtype=np.int16)
        joined = np.concatenate((self._tail, samples), dtype=np.float32)
        self._tail = joined[len(samples) :]
        windows = np.lib.stride_tricks.sliding_window_view(joined, _TAPS)[::FACTOR]
        filtered: NDArray[np.float32] = windows @ _LOW_PASS
        return np.clip(np.rint(filtered), -32768, 32767).astype(np.int16)
