"""Incoming packets to one 20 ms chunk per tick: what is due, decoded, concealed, kept on time.

Pure but for the decoder it is given: time comes in as a number. A chunk comes out
of every ``pull``, also when nothing came. Delay above the target is taken out of
the audio itself, at once where it is near silence, and where speech goes on too
long by leaving out whole pitch periods (``shorten.py``). Whole ticks go, because a
part of a chunk left over would only wait for the next. Delay below the target
needs nothing of the kind: the next packet that is missing raises it (``jitter.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from controls.errors import ProviderError
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ
from voice_runtime.ingress.jitter import CLOCK_HZ, TICK, BufferSettings, Due, JitterBuffer, Packet, units
from voice_runtime.ingress.shorten import LIKE_ENOUGH, shorten

Samples = NDArray[np.int16]

_UNITS = CLOCK_HZ // RATE_HZ  # RTP units per sample
#: Surplus that is left alone, so that the drift of two clocks does not make it flap.
_TOLERATED = units(5)
#: Speech is only shortened when no pause has come for this many ticks (400 ms) …
_PATIENCE = 20
#: … or when this much delay is too much (100 ms), and then also where it is less like itself.
_URGENT = units(100)
_LIKE_WHEN_URGENT = 0.4
#: Near silence: below twice the noise floor, which falls at once and rises slowly (RMS of 16-bit samples).
_LEAST_FLOOR, _MOST_FLOOR, _RISE = 30.0, 300.0, 1.01
#: Concealment at full level, then fading to silence (samples): made-up speech gets worse with time.
_FULL, _FADE = RATE_HZ * 60 // 1000, RATE_HZ * 100 // 1000
_FADE_IN = RATE_HZ * 5 // 1000


class Decoder(Protocol):
    """One stream's decoder to 8 kHz."""

    def decode(self, payload: bytes) -> Samples:
        """A packet's samples. Raises ProviderError: it is damaged."""
        ...

    def conceal(self) -> Samples:
        """What may follow the newest packet; at least one sample."""
        ...


@dataclass(frozen=True, slots=True)
class AudioStats:
    """What became of a call's incoming audio so far. Packets, and ms of output.

    Attributes:
        received: packets that came, duplicates and strays included.
        lost: packets never played for not being there in time, late ones among them.
        late: packets that came after their place had been played.
        duplicates: packets that came twice.
        foreign: packets that were not Opus, or damaged.
        restarts: the stream began anew (another source, a jump of its clock).
        concealed_ms: made up for what was lost or had not come.
        paused_ms: put out while nothing was sent: before the first packet, in pauses, on mute.
        dropped_ms: audio left out to come back to the target delay.
        delay_ms: the newest packet's, from its arrival to its playing.
        target_ms: how long the fastest packets are to wait.
    """

    received: int
    lost: int
    late: int
    duplicates: int
    foreign: int
    restarts: int
    concealed_ms: float
    paused_ms: float
    dropped_ms: float
    delay_ms: float
    target_ms: float


class Playout:
    """One stream's way from packets to chunks."""

    def __init__(self, decoder: Decoder, settings: BufferSettings | None = None) -> None:
        self._decoder = decoder
        self._buffer = JitterBuffer(settings)
        self._ready = np.zeros(0, dtype=np.int16)
        self._surplus = 0  # samples to take out in this tick
        self._urgent = False
        self._impatient = 0  # ticks of speech since there is a surplus
        self._concealing = 0  # samples made up since the last real one
        self._floor = _LEAST_FLOOR
        self._dropped = 0
        self._damaged = 0
        #: Packets that were not given to ``put`` because they are not Opus.
        self.foreign = 0

    def put(self, packet: Packet, *, timed: bool = True) -> None:
        """Take a packet, in any order; ``timed``: its time of arrival is to be relied on."""
        self._buffer.put(packet, timed=timed)

    def pull(self, now: int) -> Samples:
        """The chunk of the tick ``now`` (RTP units of our clock): exactly CHUNK_SAMPLES samples."""
        if len(self._ready) < CHUNK_SAMPLES:
            self._surplus = self._to_take_out(now)
        while len(self._ready) < CHUNK_SAMPLES:
            step = self._buffer.pull(now)
            if step.due is Due.PLAY:
                piece = self._played(step.payload, step.length)
            else:
                piece = self._made_up(step.length // _UNITS)
            self._ready = np.concatenate((self._ready, piece)) if len(self._ready) else piece
        chunk, self._ready = self._ready[:CHUNK_SAMPLES], self._ready[CHUNK_SAMPLES:]
        return chunk

    @property
    def delay_ms(self) -> float:
        """From the arrival of the packet played last to its samples' going out, on the average of them."""
        return self._buffer.delay * 1000 / CLOCK_HZ + len(self._ready) * 1000 / RATE_HZ

    @property
    def stats(self) -> AudioStats:
        """All counts, now."""
        c = self._buffer.counts
        return AudioStats(
            received=c.received + self.foreign,
            lost=c.lost,
            late=c.late,
            duplicates=c.duplicates,
            foreign=self.foreign + self._damaged,
            restarts=c.restarts,
            concealed_ms=c.concealed * 1000 / CLOCK_HZ,
            paused_ms=c.paused * 1000 / CLOCK_HZ,
            dropped_ms=c.dropped * 1000 / CLOCK_HZ + self._dropped * 1000 / RATE_HZ,
            delay_ms=self.delay_ms,
            target_ms=self._buffer.target * 1000 / CLOCK_HZ,
        )

    # --- real audio -------------------------------------------------------------------------------

    def _played(self, payload: bytes, length: int) -> Samples:
        if not length:
            return np.zeros(0, dtype=np.int16)
        try:
            piece = self._decoder.decode(payload)
        except ProviderError:
            self._damaged += 1
            self._buffer.counts.concealed += length
            return self._made_up(length // _UNITS)
        if self._concealing > _FULL:
            ramp = np.linspace(self._level(self._concealing), 1.0, min(_FADE_IN, len(piece)))
            piece = piece.copy()
            piece[: len(ramp)] = (piece[: len(ramp)] * ramp).astype(np.int16)
        self._concealing = 0
        return self._shortened(piece)

    def _to_take_out(self, now: int) -> int:
        """Samples that should go, counting what is left over from the last tick."""
        surplus = self._buffer.surplus(now)
        self._urgent = surplus >= _URGENT
        if surplus < 0:
            return 0  # what is left over is needed
        return len(self._ready) + max(0, surplus - _TOLERATED) // TICK * CHUNK_SAMPLES

    def _shortened(self, piece: Samples) -> Samples:
        wave = piece.astype(np.float32)
        loud = math.sqrt(float(wave @ wave) / len(wave)) if len(wave) else 0.0
        quiet = loud < 2 * self._floor
        self._floor = min(max(loud, _LEAST_FLOOR), self._floor * _RISE, _MOST_FLOOR)
        if not self._surplus:
            self._impatient = 0
            return piece
        if not quiet:
            self._impatient += 1
            waiting = not self._urgent and self._impatient <= _PATIENCE
            if waiting or self._impatient % 2:  # never two pieces in a row: speech stays speech
                return piece
        like = _LIKE_WHEN_URGENT if self._urgent else LIKE_ENOUGH
        shorter = shorten(piece, self._surplus, quiet=quiet, like=like)
        taken = len(piece) - len(shorter)
        self._surplus -= taken
        self._dropped += taken
        return shorter

    # --- concealment ------------------------------------------------------------------------------

    def _made_up(self, length: int) -> Samples:
        """``length`` samples in place of real ones, fading to silence as they go on."""
        if self._concealing >= _FULL + _FADE:
            self._concealing += length
            return np.zeros(length, dtype=np.int16)
        pieces = []
        missing = length
        while missing > 0:
            piece = self._decoder.conceal()[:missing]
            pieces.append(piece)
            missing -= len(piece)
        made_up = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
        if self._concealing + length > _FULL:
            at = np.arange(self._concealing, self._concealing + length)
            made_up = (made_up * np.clip((_FULL + _FADE - at) / _FADE, 0.0, 1.0)).astype(np.int16)
        self._concealing += length
        return made_up

    @staticmethod
    def _level(concealed: int) -> float:
        return min(1.0, max(0.0, (_FULL + _FADE - concealed) / _FADE))
