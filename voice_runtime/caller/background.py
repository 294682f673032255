"""Noise that lies under everything a caller sends: speech and silence alike, at a stated SNR.

A loop of some seconds, made before the call. ``Live`` takes 20 ms of it a tick
(``mix``), so that a call with noise costs two table look-ups and an addition, and a call
without it nothing. Edges of speech are never measured on the mix: a turn's first
and last sample are those of the clean speech that lies in it.

``white`` is even; ``street`` is low-passed at 500 Hz and swells and ebbs by half in
some seconds; ``babble`` is eight of flite's talkers at once. The root mean square of the
whole loop is what the SNR names, against that of the caller's own speech while there is any.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from voice_runtime.caller import audible
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.events import RATE_HZ

NoiseKind = Literal["white", "street", "babble"]

LOOP_SAMPLES = 12 * RATE_HZ
#: Speech of a caller who says nothing would have had this level: -26 dBov, nominal in ITU-T P.56.
NOMINAL_RMS = 32768 * 10 ** (-26 / 20)
_STREET_HZ = 500
#: Talkers of the babble: voice, rate, level. What they say is nobody's business, and not about any agent's.
_TALKERS = (
    ("slt", 1.0, 1.0), ("awb", 0.95, 0.9), ("rms", 1.1, 0.8), ("kal", 1.0, 0.7),
    ("slt", 1.2, 0.7), ("awb", 1.15, 0.8), ("rms", 0.9, 0.6), ("kal16", 1.05, 0.6),
)  # fmt: skip
_TALK = (
    "the boats came in late because the wind had turned, and nobody had thought of the nets",
    "you take the second path behind the old mill and then keep the river on your left",
    "there was hardly any bread left, so we made soup from whatever the garden would give",
    "her brother mends clocks in a village where none of them have ever shown the same hour",
    "they painted the door green twice, and both times it was raining before the evening",
    "if the train is late again we walk, it is not far, and the moon will be up by then",
    "my aunt used to say that a stove has to be asked three times before it will burn",
    "somebody left a chair in the orchard, and now the hens have taken it for their own",
)
_Signal = NDArray[np.float64]
_loops: dict[NoiseKind, _Signal] = {}


class Background:
    """A loop of noise, taken piece by piece. One call's: it remembers where it is.

    Args:
        loop: 8 kHz s16le samples, at the level at which they are to be mixed.
        start: sample of the loop to begin with.
    """

    def __init__(self, loop: bytes, *, start: int = 0) -> None:
        self._loop = loop
        self._at = start * 2 % len(loop)

    def next(self, samples: int) -> bytes:
        """The next ``samples`` of noise, s16le."""
        wanted, at = samples * 2, self._at
        piece = self._loop[at : at + wanted]
        while len(piece) < wanted:
            piece += self._loop[: wanted - len(piece)]
        self._at = (at + wanted) % len(self._loop)
        return piece

    def mix(self, ulaw: bytes) -> bytes:
        """µ-law ``ulaw`` with as much noise under it, µ-law. Under silence, the noise alone."""
        noise = self.next(len(ulaw))
        if ulaw.count(audible.ULAW_SILENCE) < len(ulaw):
            noise = audible.mix(audible.to_pcm(ulaw), noise)
        return audible.to_ulaw(noise)


async def background(
    kind: NoiseKind, snr_db: float, speech: Iterable[Spoken], *, seed: int = 0
) -> Background:
    """A noise ``snr_db`` below ``speech``: everything its caller says.

    The loop of a kind is made once per process (the babble by flite, in a second or two);
    ``seed`` only chooses where in it a call begins.

    Raises:
        FliteMissing: babble is wanted, and there is no flite.
    """
    await _unit_loop(kind)
    level = speech_rms(speech) * 10 ** (-snr_db / 20)
    # The golden ratio spreads any number of calls evenly over the loop.
    start = int(seed * 0.618033988749895 % 1 * LOOP_SAMPLES)
    return Background(_scaled(kind, level), start=start)


def speech_rms(speech: Iterable[Spoken]) -> float:
    """Root mean square of what a caller says, while there is speech, of 32768; ``NOMINAL_RMS`` of nothing."""
    sums = [_energy(spoken.ulaw) for spoken in speech]
    count = sum(n for _, n in sums)
    return float(np.sqrt(sum(square for square, _ in sums) / count)) if count else NOMINAL_RMS


@lru_cache(maxsize=512)
def _energy(ulaw: bytes) -> tuple[float, int]:
    return audible.energy(audible.to_pcm(ulaw))


@lru_cache(maxsize=64)
def _scaled(kind: NoiseKind, level: float) -> bytes:
    """The loop of a kind, which is made already, as samples: the same for every call of a voice."""
    return np.clip(np.rint(_loops[kind] * level), -32768, 32767).astype("<i2").tobytes()


async def _unit_loop(kind: NoiseKind) -> None:
    """See to it that there is a loop of that kind, at a root mean square of 1."""
    if kind not in _loops:
        made = await _babble() if kind == "babble" else _white() if kind == "white" else _street()
        _loops[kind] = made / np.sqrt(np.square(made).mean())


def _white() -> _Signal:
    return np.random.default_rng(1).standard_normal(LOOP_SAMPLES)


def _street() -> _Signal:
    """Low-passed in the frequency domain and swelling in whole periods, so that the loop has no seam."""
    rng = np.random.default_rng(2)
    spectrum = np.fft.rfft(rng.standard_normal(LOOP_SAMPLES))
    frequency = np.fft.rfftfreq(LOOP_SAMPLES, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / (1 + (frequency / _STREET_HZ) ** 4), LOOP_SAMPLES)
    phase = 2 * np.pi * np.arange(LOOP_SAMPLES) / LOOP_SAMPLES
    swell = 1 + 0.3 * np.sin(2 * phase) + 0.2 * np.sin(5 * phase + 1)
    return np.asarray(noise * swell)


async def _babble() -> _Signal:
    """Eight talkers, each beginning elsewhere in the loop and going on without a pause."""
    loop = np.zeros(LOOP_SAMPLES)
    for n, ((voice, rate, level), text) in enumerate(zip(_TALKERS, _TALK, strict=True)):
        said = await Flite(voice, rate=rate).say(text)
        talk = np.frombuffer(audible.to_pcm(said.ulaw), dtype="<i2").astype(np.float64)
        talk = np.resize(talk, LOOP_SAMPLES) * (level / np.sqrt(np.square(talk).mean()))
        loop += np.roll(talk, n * LOOP_SAMPLES // len(_TALKERS))
    return loop
