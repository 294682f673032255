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

As long as there is no echo and no speech nothing is decided, so the newest of those
frames are only kept, and worked off together before one that is speech: on a line
where nobody talks across the agent, the comparison costs next to nothing. What is
older than ``_KEPT_BACK`` would count for little by then and is never looked at. Pure but for its
callback: no clock, no asyncio. Cost per 20 ms chunk: see ``python -m loadtests.echo``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from voice_runtime.events import CHUNK_BYTES, CHUNK_MS
from voice_runtime.listen.echo_match import (
    LAGS,
    MOST_AT_ONCE,
    PLAYED_FLOOR,
    SILENT,
    Fit,
    History,
    RunningMatch,
    at_lag,
    fit,
)
from voice_runtime.listen.echo_path import EchoPath
from voice_runtime.listen.echo_spectra import (
    BANDS,
    FRAME,
    MediaClock,
    PlayedAudio,
    Powers,
    band_powers,
)

#: Correlation from which it is an echo, and frames of speech it takes at least; below which what was
#: taken for one was none, as long as it has not persisted.
_FOUND, _LEAST_SPEECH, _NONE = 0.57, 3, 0.42
#: In a call's first frames of agent's speech it takes this much more: two onsets are soon alike.
_MORE_AT_FIRST, _AT_FIRST = 0.13, 80
#: Correlation that a turn of a known echo has at least, and from which its delay is followed.
_ECHO = 0.52
#: Another lag is taken when it correlates better by this; looked at every so many frames of echo.
_BETTER_LAG, _LOOK_EVERY = 0.03, 4
#: A band's power played is the largest of three frames (clocks and ticks differ by one either way)
#: and decays by 3 dB a frame (a room of RT60 0.4 s).
_DECAY = np.float32(0.5)
#: Smoothing of a frame's excess.
_SMOOTH = 0.65
#: The caller's verdict lasts this many frames after the newest excess.
_LASTS = 10
#: Frames of "caller" across the agent after which the echo itself may have changed (1.5 s).
_DOUBTED_AFTER = 75
_HALF_DUPLEX_AFTER = 500 // CHUNK_MS
_CLEAR_AFTER = 10_000 // CHUNK_MS
#: A turn is echo with at most this share of frames with excess, and this much of it in all (log2).
_MOST_UNEXPLAINED, _MOST_IN_ALL = 0.15, 1.0
#: Of an echo nobody knows: the correlation it takes, and frames of speech. Few frames correlate by chance.
_SURE, _LEAST_UNKNOWN = 0.65, 12
#: Frames kept back (4 s): in the running correlation, what is older would weigh less than 0.14.
_KEPT_BACK = 200
#: The noise of the line is looked at once in so many frames while the agent is silent; so many are kept.
_NOISE_EVERY, _NOISE_KEPT = 5, 40


#: A frame kept back: its number, when its newest chunk began (monotonic ns), its samples.
_Later = tuple[int, int, bytes]


class Echo:
    """One call's echo comparison. Feed it everything sent, and every received chunk in order.

    Attributes:
        half_duplex: the echo persists.
    """

    def __init__(self, on_half_duplex: Callable[[bool], None] | None = None) -> None:
        """Make it.

        Args:
            on_half_duplex: told when the line's echo has turned out to persist (True), and when it has
                subsided (False).
        """
        self._on_half_duplex = on_half_duplex
        self._played = PlayedAudio()
        self._clock = MediaClock()
        self._path = EchoPath()
        self._match = RunningMatch()
        self._history = History()
        self._before = bytes(CHUNK_BYTES)
        self._later: deque[_Later] = deque(maxlen=_KEPT_BACK)
        self._overflowed = False
        self._noise: deque[bytes] = deque(maxlen=_NOISE_KEPT)
        self._count = 0
        self._silent_for = LAGS + 2
        self._newest = np.zeros((3, BANDS), dtype=np.float32)
        self._envelope = np.zeros(BANDS, dtype=np.float32)
        self._lags = np.full((LAGS, BANDS), SILENT, dtype=np.float32)
        self._speech_seen = 0.0
        self._found = False
        self._lag = 0
        self._score = 0.0
        self._caller_for = self._doubted = 0
        self._suppressed = self._since_suppressed = 0
        self.half_duplex = False

    # -- what the ear sees ------------------------------------------------------------------------

    @property
    def delay_ms(self) -> int | None:
        """How late the echo comes, to some 20 ms; None when there is none."""
        return (self._lag + 1) * CHUNK_MS if self._found else None

    @property
    def level_db(self) -> float | None:
        """How loud it comes back against what was sent, over all bands; None when there is none."""
        return self._path.level_db if self._found else None

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
        starts_ns = self._clock.starts_ns(at_ns)
        self._silent_for = 0 if self._played.sounds(starts_ns) else self._silent_for + 1
        if self._silent_for > LAGS + 1:
            self._caller_for = 0
            if not speech and self._count % _NOISE_EVERY == 0:
                self._noise.append(before + chunk)
            return speech
        if not speech and not self._found:
            self._overflowed |= len(self._later) == self._later.maxlen
            self._later.append((self._count, starts_ns, before + chunk))
            return speech
        self._catch_up()
        played = self._played.frame(starts_ns)
        self._follow_played(None if played is None else band_powers(played))
        received = _powers(before + chunk)[0]
        compressed = self._path.compressed(received)
        self._history.add(self._count, compressed, self._lags[0], speech)
        self._compare(compressed, speech)
        return self._judge(received, speech) if self._found else speech

    def explains(self, first_ms: int, last_ms: int) -> bool:
        """Whether the speech between two times is nothing but echo, judged as a whole.

        Takes up to some ms where the agent spoke meanwhile. An echo that nobody knew of is learnt.

        Args:
            first_ms, last_ms: media time: 20 ms for each chunk ``hear`` was given. Of a long stretch
                the newest 7 s are judged.
        """
        self._catch_up()
        last = min(last_ms // CHUNK_MS, self._count)
        stretch = self._history.stretch(first_ms // CHUNK_MS + 1, last)
        if stretch is None:
            return False
        found = fit(*stretch)
        known = self._found and abs(found.lag - self._lag) <= 1
        if not known and int(np.sum(stretch[2])) < _LEAST_UNKNOWN:
            return False
        if not self._all_echo(found, stretch, known=known):
            return False
        if not self._found:
            self._learn(found)
        elif known:
            self._path.be_careful()
        return True

    def _all_echo(self, found: Fit, stretch: tuple[Powers, Powers, History.Flags], *, known: bool) -> bool:
        """Whether a stretch correlates, and hardly a frame of its speech exceeds the echo."""
        if found.correlation < (_ECHO if known else _SURE):
            return False
        received, played, speech = stretch
        sounding = at_lag(played, len(received), found.lag)
        excess, enough = self._path.excess_of(received, sounding, None if known else found)
        unexplained = float(np.mean(excess[speech] > enough))
        return unexplained <= _MOST_UNEXPLAINED and float(np.sum(excess[speech])) <= _MOST_IN_ALL

    # -- following --------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Work off the frames that were kept back, all of them without speech."""
        if self._noise:
            for received in _powers(b"".join(self._noise)):
                self._path.follow_noise(received)
            self._noise.clear()
        if not self._later:
            return
        later = list(self._later)
        self._later.clear()
        counted_from = 0
        if self._overflowed:  # what was played right before the first of them is not known
            self._overflowed = False
            self._follow_nothing()
            counted_from = LAGS
        for at in range(0, len(later), MOST_AT_ONCE):
            self._work_off(later[at : at + MOST_AT_ONCE], max(0, counted_from - at))
        self._speech_seen *= 0.99 ** len(later)
        self._doubted = 0

    def _work_off(self, later: list[_Later], counted_from: int) -> None:
        """Up to ``MOST_AT_ONCE`` frames; those from ``counted_from`` on are compared."""
        n = len(later)
        compressed = self._path.compressed(_powers(b"".join(pcm for _, _, pcm in later)))
        played = self._played.frames([starts_ns for _, starts_ns, _ in later])
        rows = self._decay_all(band_powers(played))
        np.log2(rows + np.float32(PLAYED_FLOOR), out=rows)
        newest_first = np.concatenate((rows[::-1], self._lags[:-1]))
        self._history.add_all(np.array([number for number, _, _ in later]), compressed, rows)
        if compared := n - min(n, counted_from):
            self._match.add_all(compressed[-compared:], newest_first[: LAGS + compared - 1])
        self._lags[:] = newest_first[:LAGS]

    def _decay_all(self, played: Powers) -> Powers:
        """``_decay`` for n frames, (n, BANDS): the envelope after each."""
        newest = np.concatenate((self._newest, played))
        self._newest[:] = newest[-3:]
        largest = np.maximum(np.maximum(newest[1:-2], newest[2:-1]), newest[3:])
        # It decays with each frame and is never below the largest: a running maximum, once that is undone.
        decay = _DECAY ** np.arange(len(played) + 1, dtype=np.float32)[:, None]
        raised = np.concatenate((self._envelope[None], largest)) / decay
        envelopes = np.maximum.accumulate(raised, axis=0)[1:] * decay[1:]
        self._envelope[:] = envelopes[-1]
        return np.asarray(envelopes, dtype=np.float32)

    def _follow_nothing(self) -> None:
        self._newest[:] = 0.0
        self._envelope[:] = 0.0
        self._lags[:] = SILENT

    def _decay(self, played: Powers | None) -> None:
        newest = self._newest
        newest[:2] = newest[1:]
        newest[2] = 0.0 if played is None else played
        self._envelope *= _DECAY
        np.maximum(self._envelope, newest.max(axis=0), out=self._envelope)

    def _follow_played(self, played: Powers | None) -> None:
        self._decay(played)
        self._lags[1:] = self._lags[:-1]
        np.log2(self._envelope + np.float32(PLAYED_FLOOR), out=self._lags[0])

    def _compare(self, compressed: Powers, speech: bool) -> None:
        """Find the echo, and follow its delay, on frames that are not the caller's."""
        self._doubted = self._doubted + 1 if self._caller_for else 0
        if self._doubted:
            self._maybe_doubt()
            return
        self._match.add(compressed, self._lags)
        self._speech_seen = self._speech_seen * 0.99 + speech
        if not speech or (self._found and self._suppressed % _LOOK_EVERY):
            return
        best = self._match.compare()
        correlation = self._match.correlation
        if self._found:
            if correlation[best] < _NONE and not self.half_duplex:
                self._forget()
            elif correlation[best] >= max(_ECHO, correlation[self._lag] + _BETTER_LAG):
                self._lag = best
        elif correlation[best] >= self._enough_to_find() and self._speech_seen > _LEAST_SPEECH - 0.5:
            stretch = self._history.stretch(self._count - 2 * LAGS, self._count)
            if stretch is not None:
                self._learn(fit(*stretch, lag=best))

    def _enough_to_find(self) -> float:
        return _FOUND + _MORE_AT_FIRST * max(0.0, 1 - self._match.frames / _AT_FIRST)

    def _maybe_doubt(self) -> None:
        """A caller who talks across the agent for long may be an echo grown louder, or another path."""
        if self._doubted % _DOUBTED_AFTER:
            return
        stretch = self._history.stretch(self._count - _DOUBTED_AFTER, self._count)
        if stretch is not None:
            found = fit(*stretch)
            if self._all_echo(found, stretch, known=False):
                self._learn(found)

    def _learn(self, found: Fit) -> None:
        self._found = True
        self._lag = found.lag
        self._path.learn(found)
        self._score = 0.0
        self._caller_for = self._doubted = self._since_suppressed = 0

    # -- judging ----------------------------------------------------------------------------------

    def _judge(self, received: Powers, speech: bool) -> bool:
        sounding = self._lags[self._lag]
        over, echo = self._path.over(received, sounding)
        self._score = _SMOOTH * self._score + (1 - _SMOOTH) * float(self._path.excess(over))
        if speech and self._score > self._path.enough:
            self._caller_for = _LASTS
        elif self._caller_for:
            self._caller_for -= 1
        self._since_suppressed += 1
        if not speech:
            self._maybe_clear()
            return False
        if self._caller_for:
            return True
        self._path.adapt(over, received, echo, sounding)
        self._suppress()
        return False

    def _suppress(self) -> None:
        self._since_suppressed = 0
        self._suppressed += 1
        if self._suppressed >= _HALF_DUPLEX_AFTER and not self.half_duplex:
            self._tell(True)

    def _maybe_clear(self) -> None:
        """The agent has spoken for long, and nothing came back."""
        if self._since_suppressed < _CLEAR_AFTER:
            return
        self._forget()
        if self.half_duplex:
            self._tell(False)

    def _forget(self) -> None:
        self._found = False
        self._suppressed = self._caller_for = 0
        self._path.forget()

    def _tell(self, active: bool) -> None:
        self.half_duplex = active
        if self._on_half_duplex is not None:
            self._on_half_duplex(active)


def _powers(pcm: bytes) -> Powers:
    """Band powers, (n, BANDS), of n frames of ``FRAME`` samples, s16le."""
    return band_powers(np.frombuffer(pcm, dtype="<i2").astype(np.float32).reshape(-1, FRAME))
