"""Is it the caller, or the agent's own voice coming back? One call's echo comparison.

A microphone beside a loudspeaker and a telephone's hybrid send the agent's
words back, 20 to 600 ms later, and the voice detector takes them for a caller.
Here the band powers of what came back are compared with those of what was
played (magnitudes, not waveforms: see ``echo_spectra``):

1. delay: the lag at which both correlate best (``echo_match``);
2. gain: per band, the middle of received over played power, following slowly;
3. excess: by how much a frame exceeds the echo that delay and gain predict,
   band by band, over a margin learnt from this line (its reverberation and its
   loudspeaker's distortion);
4. verdict: speech with excess is the caller's, and for 200 ms thereafter;
   the rest is echo.

States: CLEAR (no echo found: every decision is the voice detector's, unchanged)
→ FOUND when the correlation says so, at the earliest after 60 ms of speech →
HALF DUPLEX once half a second of it has been kept from the caller's turn, which
is told once → CLEAR when the agent has spoken for ten seconds without any.
While the agent is silent, and has been for longer than an echo takes, nothing is suppressed.

Pure but for its callback: no clock, no asyncio. Cost per 20 ms chunk: see
``python -m loadtests.echo``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from voice_runtime.events import CHUNK_BYTES, CHUNK_MS
from voice_runtime.listen.echo_match import (
    LAGS,
    PLAYED_FLOOR,
    RECEIVED_FLOOR,
    SILENT,
    Fit,
    RunningMatch,
    at_lag,
    fit,
)
from voice_runtime.listen.echo_spectra import BANDS, MediaClock, PlayedAudio, Powers, band_powers

#: Correlation from which it is an echo, and frames of speech it takes at least.
_ECHO, _LEAST_SPEECH = 0.52, 3
#: Another lag is taken when it correlates better by this.
_BETTER_LAG = 0.03
#: A band's power played is the largest of three frames (clocks and ticks differ by one either way)
#: and decays by 3 dB a frame (a room of RT60 0.4 s).
_DECAY = 0.5
#: What distortion and other bands' leakage add to each band: the mean of all, -20 dB.
_LEAKAGE = 0.01
#: Margins above the predicted echo, log2 of power: at first, at least, at most; and their quantile.
_MARGIN, _LEAST_MARGIN, _MOST_MARGIN, _WITHIN = 3.0, 1.8, 3.7, 0.97
_MARGIN_STEP, _GAIN_STEP, _NOISE_STEP = 0.06, 0.03, 0.05
#: A band's excess counts up to here (8 dB); the mean over bands, smoothed, from which it is the caller.
_MOST_EXCESS, _CALLER, _CALLER_LOUD = 2.66, 0.09, 0.13
#: Gains (log2) between which the one becomes the other: a loud echo brings more of its distortion along.
_SOFT, _LOUD = -7.5, -5.5
_SMOOTH = 0.65
#: A turn of echo that had passed for the caller makes more careful by this factor, at most up to that.
_CAREFUL, _MOST_CAREFUL = 1.3, 2.0
#: Powers are compared above this many times the noise: its own fluctuation is no likeness.
_NOISE_FLOOR = np.float32(3.0)
#: Gain is learnt from bands in which echo or speech stands this far out of the noise.
_TELLING = 2.0
#: The caller's verdict lasts this many frames after the newest excess.
_LASTS = 10
#: Frames of "caller" across the agent after which the echo itself may have changed (1.5 s).
_DOUBTED_AFTER = 75
_HALF_DUPLEX_AFTER = 500 // CHUNK_MS
_CLEAR_AFTER = 10_000 // CHUNK_MS
#: Frames kept for judging whole turns (8 s), and those before a turn that count with it.
_KEPT, _BEFORE = 400, 10
#: A turn is echo with at most this share of frames with excess, and this much of it in all.
_MOST_UNEXPLAINED, _MOST_IN_ALL = 0.15, 1.0

#: Log2 powers received, (n, BANDS), and played, (n + LAGS, BANDS), and which of the n frames are speech.
Stretch = tuple[Powers, Powers, NDArray[np.bool_]]


class Echo:
    """One call's echo comparison. Feed it everything sent, and every received chunk in order."""

    def __init__(self, on_half_duplex: Callable[[bool], None] | None = None) -> None:
        """Make it.

        Args:
            on_half_duplex: told when the line's echo has turned out to persist (True), and when it has
                subsided (False).
        """
        self._on_half_duplex = on_half_duplex
        self._played = PlayedAudio()
        self._clock = MediaClock()
        self._before = bytes(CHUNK_BYTES)
        self._count = 0
        self._silent_for = LAGS + _BEFORE
        self._newest = np.zeros((3, BANDS), dtype=np.float32)
        self._envelope = np.zeros(BANDS, dtype=np.float32)
        self._lags = np.full((LAGS, BANDS), SILENT, dtype=np.float32)
        self._noise = np.full(BANDS, RECEIVED_FLOOR, dtype=np.float32)
        self._noise_frames = 0
        self._match = RunningMatch()
        self._speech_seen = 0.0
        self._history = _History()
        self._clear()

    def _clear(self) -> None:
        self._found = False
        self._lag = 0
        self._gain = np.zeros(BANDS, dtype=np.float32)
        self._gain_frames = np.zeros(BANDS, dtype=np.float32)
        self._margin = np.full(BANDS, _MARGIN, dtype=np.float32)
        self._score, self._enough, self._careful = 0.0, _CALLER_LOUD, 1.0
        self._caller_for = self._doubted = 0
        self._suppressed = self._since_suppressed = 0
        self.half_duplex = False

    # -- what the ear sees ------------------------------------------------------------------------

    @property
    def delay_ms(self) -> int | None:
        """How late the echo comes, to 20 ms; None when there is none."""
        return (self._lag + 1) * CHUNK_MS if self._found else None

    @property
    def gain_db(self) -> float | None:
        """How loud it comes back, over all bands; None when there is none."""
        return _level(self._gain) * 3.01 if self._found else None

    def on_sent(self, chunk: bytes, at_ns: int) -> None:
        """A chunk was handed to the carrier.

        Args:
            chunk: 20 ms, 8 kHz s16le.
            at_ns: monotonic time at which it should sound; 20 ms of jitter do no harm. A time well
                before the previous chunk's end says that the rest of what was sent has been cleared.
        """
        self._played.sent(chunk, at_ns)

    def cleared(self, at_ns: int) -> None:
        """The carrier dropped what had not sounded by ``at_ns``."""
        self._played.cleared(at_ns)

    def hear(self, chunk: bytes, at_ns: int, speech: bool) -> bool:
        """Whether a received chunk is the caller's speech.

        Args:
            chunk: 20 ms, 8 kHz s16le; every chunk of the line, in order.
            at_ns: monotonic time at which it was received.
            speech: whether the voice detector takes it for speech.
        """
        before, self._before = self._before, chunk
        self._count += 1
        played = self._played.frame(self._clock.starts_ns(at_ns))
        self._silent_for = self._silent_for + 1 if played is None else 0
        if self._silent_for > LAGS + 1:
            self._caller_for = 0
            if not speech and self._count % 5 == 0:
                self._follow_noise(_powers(before, chunk))
            return speech
        self._follow_played(played)
        received = _powers(before, chunk)
        log_received = np.log2(received + (self._noise * _NOISE_FLOOR + RECEIVED_FLOOR))
        self._history.add(self._count, log_received, self._lags[0], speech)
        self._compare(log_received, speech)
        if not self._found:
            return speech
        return self._judge(received, speech)

    def explains(self, first_ms: int, last_ms: int) -> bool:
        """Whether the speech between two times is nothing but echo, judged as a whole.

        Takes some ms. A turn whose echo nobody knew of yet is recognised as one, and learnt from.

        Args:
            first_ms, last_ms: media time: 20 ms for each chunk ``hear`` was given.
        """
        first, last = first_ms // CHUNK_MS + 1, min(last_ms // CHUNK_MS, self._count)
        stretch = self._history.stretch(max(first, last - _KEPT + LAGS + _BEFORE), last)
        if stretch is None:
            return False
        received, played, speech = stretch
        found = fit(received, played, speech)
        known = self._found and abs(found.lag - self._lag) <= 1
        explained = self._all_echo(found, self._gain if known else found.gain, stretch)
        if explained and not self._found:
            self._learn(found)
        elif explained:
            self._careful = min(_MOST_CAREFUL, self._careful * _CAREFUL)
        return explained

    def _all_echo(self, found: Fit, gain: Powers, stretch: Stretch) -> bool:
        """Whether a stretch correlates, and hardly a frame of its speech exceeds the echo."""
        received, played, speech = stretch
        if found.correlation < _ECHO:
            return False
        powers = np.exp2(received) - (self._noise * _NOISE_FLOOR + np.float32(RECEIVED_FLOOR))
        echo = self._predicted(at_lag(played, len(received), found.lag), gain)
        excess = self._excess(powers, echo)[speech]
        over = excess > _enough(gain)
        return float(np.mean(over)) <= _MOST_UNEXPLAINED and float(np.sum(excess)) <= _MOST_IN_ALL

    # -- following --------------------------------------------------------------------------------

    def _follow_played(self, played: Powers | None) -> None:
        newest = self._newest
        newest[:2] = newest[1:]
        newest[2] = 0.0 if played is None else played
        self._envelope *= _DECAY
        np.maximum(self._envelope, newest.max(axis=0), out=self._envelope)
        self._lags[1:] = self._lags[:-1]
        np.log2(self._envelope + np.float32(PLAYED_FLOOR), out=self._lags[0])

    def _follow_noise(self, received: Powers) -> None:
        self._noise_frames += 1
        step = max(_NOISE_STEP, 1 / self._noise_frames)
        self._noise += np.float32(step) * (received - self._noise)

    def _compare(self, log_received: Powers, speech: bool) -> None:
        """Find the echo, and follow its delay, on frames that are not the caller's."""
        self._doubted = self._doubted + 1 if self._caller_for else 0
        if self._doubted:
            self._maybe_doubt()
            return
        self._match.add(log_received, self._lags)
        self._speech_seen = self._speech_seen * 0.99 + speech
        if not speech:
            return
        best = self._match.compare()
        correlation = self._match.correlation
        if correlation[best] < _ECHO:
            return
        if not self._found:
            stretch = self._history.stretch(self._count - 2 * LAGS, self._count)
            if stretch is not None and self._speech_seen > _LEAST_SPEECH - 0.5:
                self._learn(fit(*stretch, lag=best))
        elif correlation[best] > correlation[self._lag] + _BETTER_LAG:
            self._lag = best

    def _maybe_doubt(self) -> None:
        """A caller who talks across the agent for long may be an echo grown louder, or another path."""
        if self._doubted % _DOUBTED_AFTER:
            return
        stretch = self._history.stretch(self._count - _DOUBTED_AFTER, self._count)
        if stretch is None:
            return
        found = fit(*stretch)
        if self._all_echo(found, found.gain, stretch):
            self._learn(found)

    def _learn(self, found: Fit) -> None:
        self._found = True
        self._lag = found.lag
        self._gain = found.gain.copy()
        self._gain_frames = found.frames.copy()
        self._enough = _enough(self._gain)
        self._careful = 1.0
        self._score = 0.0
        self._caller_for = self._doubted = 0

    # -- judging ----------------------------------------------------------------------------------

    def _predicted(self, sounding: Powers, gain: Powers) -> Powers:
        """Echo expected in each band, without leakage; log2 powers in, powers out."""
        powers = np.exp2(sounding) - np.float32(PLAYED_FLOOR * 0.99)
        return np.asarray(np.exp2(gain) * powers, dtype=np.float32)

    def _excess(self, received: Powers, echo: Powers) -> Powers:
        """Mean over bands of what exceeds echo, noise and margin."""
        expected = echo + np.float32(_LEAKAGE) * echo.mean(axis=-1, keepdims=True)
        expected += self._noise + np.float32(RECEIVED_FLOOR)
        over = np.log2(np.maximum(received, 1.0) / expected) - self._margin
        return np.asarray(np.clip(over, 0.0, _MOST_EXCESS).mean(axis=-1))

    def _judge(self, received: Powers, speech: bool) -> bool:
        sounding = self._lags[self._lag]
        echo = self._predicted(sounding, self._gain)
        self._score = _SMOOTH * self._score + (1 - _SMOOTH) * float(self._excess(received, echo))
        if speech and self._score > self._enough:
            self._caller_for = _LASTS
        elif self._caller_for:
            self._caller_for -= 1
        self._since_suppressed += 1
        if not speech:
            self._maybe_clear()
            return False
        if self._caller_for:
            return True
        self._adapt(received, echo, sounding)
        self._suppress()
        return False

    def _adapt(self, received: Powers, echo: Powers, sounding: Powers) -> None:
        """Follow gain and margin on a frame that is echo."""
        floor = self._noise + np.float32(RECEIVED_FLOOR)
        powers = np.maximum(received, 1.0)
        over = np.log2(powers / (echo + floor + np.float32(_LEAKAGE) * echo.mean()))
        self._margin += np.where(over > self._margin, _MARGIN_STEP * _WITHIN, -_MARGIN_STEP * (1 - _WITHIN))
        np.clip(self._margin, _LEAST_MARGIN, _MOST_MARGIN, out=self._margin)
        telling = (sounding > SILENT + 1.0) & (np.maximum(received, echo) > _TELLING * floor)
        step = np.maximum(_GAIN_STEP, 1 / (self._gain_frames + 4))
        self._gain += (telling * step * np.clip(np.log2(powers / (echo + floor)), -1.0, 1.0)).astype(np.float32)
        self._gain_frames += telling
        self._enough = _enough(self._gain) * self._careful

    def _suppress(self) -> None:
        self._since_suppressed = 0
        self._suppressed += 1
        if self._suppressed == _HALF_DUPLEX_AFTER:
            self._tell(True)

    def _maybe_clear(self) -> None:
        if self._since_suppressed >= _CLEAR_AFTER:
            told = self.half_duplex
            self._clear()
            if told:
                self._tell(False)

    def _tell(self, active: bool) -> None:
        self.half_duplex = active
        if self._on_half_duplex is not None:
            self._on_half_duplex(active)


class _History:
    """The newest frames in which the agent may have sounded, as log2 powers in half precision."""

    def __init__(self) -> None:
        self._number = np.zeros(_KEPT, dtype=np.int64)
        self._received = np.zeros((_KEPT, BANDS), dtype=np.float16)
        self._played = np.full((_KEPT, BANDS), SILENT, dtype=np.float16)
        self._speech = np.zeros(_KEPT, dtype=np.bool_)

    def add(self, number: int, received: Powers, played: Powers, speech: bool) -> None:
        at = number % _KEPT
        self._number[at] = number
        self._received[at] = received
        self._played[at] = played
        self._speech[at] = speech

    def stretch(self, first: int, last: int) -> Stretch | None:
        """Frames ``first - _BEFORE`` to ``last`` for ``echo_match.fit``; None when there is nothing to judge."""
        numbers = np.arange(max(1, first - _BEFORE), last + 1)
        known = self._number[numbers % _KEPT] == numbers
        if not known.all():  # the agent was silent in between: judge what came after
            numbers = numbers[len(numbers) - int(np.argmin(known[::-1])) :]
        at = numbers % _KEPT
        speech = self._speech[at] & (numbers >= first)
        if int(speech.sum()) < _LEAST_SPEECH:
            return None
        earlier = np.arange(numbers[0] - LAGS, last + 1)
        played = self._played[earlier % _KEPT].astype(np.float32)
        played[self._number[earlier % _KEPT] != earlier] = SILENT
        return self._received[at].astype(np.float32), played, speech


def _enough(gain: Powers) -> float:
    """Excess from which it is the caller, for an echo of this gain."""
    loud = (_level(gain) - _SOFT) / (_LOUD - _SOFT)
    return _CALLER + (_CALLER_LOUD - _CALLER) * min(1.0, max(0.0, loud))


def _level(gain: Powers) -> float:
    """Gain over all bands, log2 of power."""
    return float(np.log2(np.exp2(gain).mean()))


def _powers(before: bytes, chunk: bytes) -> Powers:
    return band_powers(np.frombuffer(before + chunk, dtype="<i2").astype(np.float32))
