"""What one line makes of the agent's voice: its gain in each band, its noise, and how far it strays.

Everything is per band and in log2 of power (1.0 is 3 dB). The margin is learnt as a
quantile: a room's reverberation and a loudspeaker's distortion exceed the
predicted echo by some dB, a caller by more, in more bands at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voice_runtime.listen.echo_match import PLAYED_FLOOR, RECEIVED_FLOOR, SILENT, Fit
from voice_runtime.listen.echo_spectra import BANDS, Powers

#: What distortion and other bands' leakage add to each band: the mean of all, -20 dB.
_LEAKAGE = np.float32(0.01)
#: Margins above the predicted echo: at first, at least, at most; and the quantile they follow.
_MARGIN, _LEAST_MARGIN, _MOST_MARGIN, _WITHIN = 3.0, 1.8, 3.7, 0.97
_MARGIN_STEP, _GAIN_STEP, _NOISE_STEP = 0.06, 0.03, 0.05
#: A band's excess counts up to here (8 dB).
_MOST_EXCESS = 2.66
#: Mean excess from which it is the caller, for a soft echo and for a loud one (it brings its distortion
#: along), and the gains between which the one becomes the other.
_CALLER, _CALLER_LOUD, _SOFT, _LOUD = 0.09, 0.13, -7.5, -5.5
#: A turn of echo that had passed for the caller makes more careful by this factor, at most up to that.
_CAREFUL, _MOST_CAREFUL = 1.3, 2.0
#: Powers are compared above this many times the noise: its own fluctuation is no likeness.
_NOISE_FLOOR = np.float32(3.0)
#: Gain is learnt from bands in which echo or speech stands this far out of the noise.
_TELLING = np.float32(2.0)
_FLOOR = np.float32(RECEIVED_FLOOR)
_PLAYED = np.float32(PLAYED_FLOOR * 0.99)
_MEAN = np.full(BANDS, 1 / BANDS, dtype=np.float32)
_LEAST = np.float32(1.0)


class EchoPath:
    """One line's echo path. ``forget`` leaves the noise: that is the line's, not the echo's.

    Attributes:
        enough: mean excess from which it is the caller.
    """

    def __init__(self) -> None:
        self._noise = np.full(BANDS, RECEIVED_FLOOR, dtype=np.float32)
        self._noise_frames = 0
        self._floor = self._noise + _FLOOR
        self._compared_above = self._noise * _NOISE_FLOOR + _FLOOR
        self.forget()

    def forget(self) -> None:
        """There is no echo any more."""
        self._gain = np.zeros(BANDS, dtype=np.float32)
        self._frames = np.zeros(BANDS, dtype=np.float32)
        self._margin = np.full(BANDS, _MARGIN, dtype=np.float32)
        self._careful = 1.0
        self.enough = _CALLER_LOUD

    def learn(self, found: Fit) -> None:
        """Begin with the gains of a fit."""
        self._gain = found.gain.copy()
        self._frames = found.frames.copy()
        self._weigh()

    @property
    def level_db(self) -> float:
        """Gain over all bands, dB."""
        return _level(self._gain) * 3.01

    # -- noise ------------------------------------------------------------------------------------

    def follow_noise(self, received: Powers) -> None:
        """A frame in which neither side makes a sound."""
        self._noise_frames += 1
        step = np.float32(max(_NOISE_STEP, 1 / self._noise_frames))
        self._noise += step * (received - self._noise)
        self._floor = self._noise + _FLOOR
        self._compared_above = self._noise * _NOISE_FLOOR + _FLOOR

    def compressed(self, received: Powers) -> Powers:
        """Log2 of received powers, flat where they do not stand out of the noise."""
        return np.asarray(np.log2(received + self._compared_above))

    # -- excess -----------------------------------------------------------------------------------

    def over(self, received: Powers, sounding: Powers) -> tuple[Powers, Powers]:
        """By how much received powers exceed echo and noise, (…, BANDS), log2; and the echo's powers.

        Args:
            received: powers.
            sounding: log2 powers played, as late as the echo.
        """
        return self._over(received, sounding, self._gain)

    def excess(self, over: Powers) -> Powers:
        """Mean over bands of what exceeds the margin too, each up to 8 dB; log2."""
        return np.asarray(np.minimum(np.maximum(over - self._margin, 0.0), _MOST_EXCESS) @ _MEAN)

    def excess_of(self, compressed: Powers, sounding: Powers, found: Fit | None) -> tuple[Powers, float]:
        """Excess of each of n frames, and what is enough; with the gains of ``found`` or the known ones."""
        gain = self._gain if found is None else found.gain
        over, _ = self._over(np.exp2(compressed) - self._compared_above, sounding, gain)
        return self.excess(over), _enough(gain)

    def adapt(self, over: Powers, received: Powers, echo: Powers, sounding: Powers) -> None:
        """Follow gain and margin on a frame that is echo."""
        self._margin += (over > self._margin) * np.float32(_MARGIN_STEP) - np.float32(
            _MARGIN_STEP * (1 - _WITHIN)
        )
        np.minimum(np.maximum(self._margin, _LEAST_MARGIN), _MOST_MARGIN, out=self._margin)
        telling = (sounding > SILENT + 1.0) & (np.maximum(received, echo) > _TELLING * self._floor)
        step = np.maximum(np.float32(_GAIN_STEP), 1 / (self._frames + 4)) * telling
        bare = np.log2(np.maximum(received, _LEAST) / (echo + self._floor))
        self._gain += step * np.minimum(np.maximum(bare, -1.0), 1.0)
        self._frames += telling
        self._weigh()

    def be_careful(self) -> None:
        """An echo has passed for the caller."""
        self._careful = min(_MOST_CAREFUL, self._careful * _CAREFUL)
        self._weigh()

    def _over(self, received: Powers, sounding: Powers, gain: Powers) -> tuple[Powers, Powers]:
        echo = np.exp2(gain) * (np.exp2(sounding) - _PLAYED)
        leaked = _LEAKAGE * (echo @ _MEAN)
        expected = echo + (self._floor + leaked[..., None])
        return np.log2(np.maximum(received, _LEAST) / expected), echo

    def _weigh(self) -> None:
        self.enough = _enough(self._gain) * self._careful


def _level(gain: NDArray[np.float32]) -> float:
    return float(np.log2(np.exp2(gain) @ _MEAN))


def _enough(gain: NDArray[np.float32]) -> float:
    """Excess from which it is the caller, for an echo of this gain."""
    loud = (_level(gain) - _SOFT) / (_LOUD - _SOFT)
    return _CALLER + (_CALLER_LOUD - _CALLER) * min(1.0, max(0.0, loud))
