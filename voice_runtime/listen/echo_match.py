"""At which delay does what came back look like what was played? Correlation of band powers, lag by lag.

Over all frames in which the agent's voice may sound, also those in which nothing came
back: an echo follows the agent's pauses too, a caller who talks across them does
not. Two voices that have nothing to do with each other reach some 0.45 at the
best of all lags within a second; an echo has 0.55 and more from its first 100 ms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.ma  # np.median imports it when first used: 40 ms of the event loop
from numpy.typing import NDArray

from voice_runtime.listen.echo_spectra import BANDS, Powers

#: Lags compared, frames of 20 ms: 20 to 620 ms.
LAGS = 31
#: Powers below these carry nothing: of what came back (RMS 17 of 32768), and of what was played.
RECEIVED_FLOOR, PLAYED_FLOOR = 300.0, 30_000.0
SILENT = float(np.log2(PLAYED_FLOOR))
#: Added to both variances (log2 squared): what hardly varies proves nothing.
_STEADY = 20.0
#: Variance of a band that holds nothing but noise, log2 squared: such a band carries little weight.
_FLUCTUATION = 1.0
#: Memory of the running correlation: 100 frames, 2 s of the agent's speech.
_KEEP = 0.99
#: Most frames ``add_all`` takes at once.
MOST_AT_ONCE = 32
_WINDOWS = np.arange(MOST_AT_ONCE)[:, None] + np.arange(LAGS)
#: Weight of the other bands where a band was seen in few frames, frames.
_SHARED = 8
#: Frames of history (8 s), those that come along with a stretch, and of speech it needs.
_KEPT, _BEFORE, _LEAST_SPEECH = 400, 10, 3


class RunningMatch:
    """Correlation at every lag, forgetting as it goes.

    Attributes:
        frames: how many it rests on, those long past counting less.
        correlation: (LAGS,), as of the newest ``compare``.
    """

    def __init__(self) -> None:
        self.frames = 0.0
        self._received = np.zeros((2, BANDS), dtype=np.float32)  # sums of a, a²
        self._sums = np.zeros((3, LAGS, BANDS), dtype=np.float32)  # sums of b, b², ab
        self._new = np.zeros((3, LAGS, BANDS), dtype=np.float32)
        self.correlation: NDArray[np.float32] = np.zeros(LAGS, dtype=np.float32)

    def add(self, received: Powers, played: Powers) -> None:
        """One frame: log2 powers received, (BANDS,), and played at each lag, (LAGS, BANDS)."""
        self.frames = self.frames * _KEEP + 1.0
        self._received *= _KEEP
        self._received[0] += received
        self._received[1] += received * received
        self._new[0] = played
        np.multiply(played, played, out=self._new[1])
        np.multiply(played, received, out=self._new[2])
        self._sums *= _KEEP
        self._sums += self._new

    def add_all(self, received: Powers, played: Powers) -> None:
        """Several frames at a fraction of the cost of as many ``add``.

        Args:
            received: (n, BANDS), log2 powers, the oldest first.
            played: (LAGS + n - 1, BANDS), log2 powers, the newest first: rows i to i + LAGS belong to
                the frame i from the end.
        """
        n = len(received)
        weights = np.float32(_KEEP) ** np.arange(n, dtype=np.float32)  # newest first
        received = received[::-1]
        weighted = weights[:, None] * received
        kept = np.float32(_KEEP**n)
        self.frames = self.frames * _KEEP**n + float(weights.sum())
        self._received *= kept
        self._received[0] += weighted.sum(axis=0)
        self._received[1] += (weighted * received).sum(axis=0)
        lags = played[_WINDOWS[:n]]  # (n, LAGS, BANDS)
        self._sums *= kept
        self._sums[0] += np.tensordot(weights, lags, 1)
        self._sums[1] += np.tensordot(weights, lags * lags, 1)
        self._sums[2] += (weighted[:, None, :] * lags).sum(axis=0)

    def compare(self) -> int:
        """Bring ``correlation`` up to date; the best lag's index (lag minus one)."""
        mean = self._received[0] / self.frames
        spreads_received = self._received[1] - self._received[0] * mean
        weights = spreads_received / (spreads_received + np.float32(_FLUCTUATION * self.frames))
        spread = float(weights @ spreads_received) + _STEADY
        b, bb, ab = self._sums
        together = (ab - b * mean) @ weights
        spreads = (bb - b * b / self.frames) @ weights + _STEADY
        self.correlation = together / np.sqrt(spread * spreads)
        return int(np.argmax(self.correlation))


@dataclass(frozen=True, slots=True)
class Fit:
    """How a stretch of what came back follows what was played.

    Attributes:
        lag: index of the best lag.
        correlation: at that lag, -1 to 1.
        gain: (BANDS,), log2 of received over played power, the middle one of the frames with speech.
        frames: (BANDS,), how many frames that rests on.
    """

    lag: int
    correlation: float
    gain: Powers
    frames: NDArray[np.float32]


def fit(received: Powers, played: Powers, speech: NDArray[np.bool_], lag: int | None = None) -> Fit:
    """Fit a stretch of n frames at its best lag, or at the one given.

    Args:
        received: (n, BANDS), log2 powers.
        played: (n + LAGS, BANDS), log2 powers; row i + LAGS - lag belongs to frame i.
        speech: (n,), the frames that are speech.
        lag: index of the lag to use.
    """
    n = len(received)
    a = received - received.mean(axis=0)
    spreads = np.sum(a * a, axis=0)
    weights = spreads / (spreads + _FLUCTUATION * n)
    spread = float(weights @ spreads) + _STEADY
    a *= weights
    best, best_lag = -1.0, 0
    for index in range(LAGS) if lag is None else (lag,):
        b = at_lag(played, n, index)
        b = b - b.mean(axis=0)
        power = float(np.sum(b * b, axis=0) @ weights) + _STEADY
        found = float(np.sum(a * b)) / np.sqrt(spread * power)
        if found > best:
            best, best_lag = found, index
    sounding = at_lag(played, n, best_lag)
    usable = (sounding > SILENT + 1.0) & speech[:, None]
    ratio = np.where(usable, received - sounding, np.nan)
    frames = usable.sum(axis=0).astype(np.float32)
    if not usable.any():
        return Fit(best_lag, best, np.zeros(BANDS, dtype=np.float32), frames)
    overall = np.float32(np.nanmedian(ratio))
    seen = frames > 0
    gain = np.full(BANDS, overall, dtype=np.float32)
    gain[seen] = np.nanmedian(ratio[:, seen], axis=0)
    gain = (frames * gain + _SHARED * overall) / (frames + _SHARED)
    return Fit(best_lag, best, gain.astype(np.float32), frames)


def at_lag(played: Powers, n: int, lag: int) -> Powers:
    """The (n, BANDS) rows of ``played`` that belong to n frames at a lag."""
    first = LAGS - lag
    return played[first : first + n]


class History:
    """The newest frames in which the agent may have sounded: log2 powers, in half precision."""

    Flags = NDArray[np.bool_]

    def __init__(self) -> None:
        self._number = np.zeros(_KEPT, dtype=np.int64)
        self._received = np.zeros((_KEPT, BANDS), dtype=np.float16)
        self._played = np.full((_KEPT, BANDS), SILENT, dtype=np.float16)
        self._speech = np.zeros(_KEPT, dtype=np.bool_)

    def add(self, number: int, received: Powers, played: Powers, speech: bool) -> None:
        """One frame; numbers grow, and skip what came while the agent was silent."""
        at = number % _KEPT
        self._number[at] = number
        self._received[at] = received
        self._played[at] = played
        self._speech[at] = speech

    def add_all(self, numbers: NDArray[np.int64], received: Powers, played: Powers) -> None:
        """Several frames without speech, the oldest first."""
        at = numbers % _KEPT
        self._number[at] = numbers
        self._received[at] = received
        self._played[at] = played
        self._speech[at] = False

    def stretch(self, first: int, last: int) -> tuple[Powers, Powers, Flags] | None:
        """Frames ``first`` to ``last``, as ``fit`` takes them; None when hardly any is known and speech.

        A few frames before them come along: where speech begins tells most. After a gap, only what
        follows it; of a long stretch, the newest.
        """
        numbers = np.arange(max(1, first - _BEFORE, last - _KEPT + LAGS + 1), last + 1)
        known = self._number[numbers % _KEPT] == numbers
        if not known.all():
            numbers = numbers[len(numbers) - int(np.argmin(known[::-1])) :]
        at = numbers % _KEPT
        speech = self._speech[at] & (numbers >= first)
        if int(speech.sum()) < _LEAST_SPEECH:
            return None
        earlier = np.arange(numbers[0] - LAGS, last + 1)
        played = self._played[earlier % _KEPT].astype(np.float32)
        played[self._number[earlier % _KEPT] != earlier] = SILENT
        return self._received[at].astype(np.float32), played, speech
