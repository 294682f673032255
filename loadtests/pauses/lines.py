"""A caller's line: an utterance said by flite, paused to the sample, over low noise, in 8 kHz µ-law.

The whole turn is spoken in one go with a comma at each pause, so that the voice
keeps its tone up where more is to come (as far as flite can); then it is cut in
the silence flite leaves there and put together again with pauses of exactly the
stated length. Edges are those of the clean speech: a piece starts at its first
audible sample and stops at its last (``voice_runtime.caller.audible``), and there
are zeros between. The noise goes on top of speech and silence alike.

An interjection is one piece: words, or phones where flite's dictionary would spell them out, or a
noise of ``voice_runtime.caller.speech``, drawn anew for each voice that would have said it.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import soxr
from numpy.typing import NDArray

from controls.errors import OperatorError
from loadtests.pauses.settings import SNR_DB, VOICES
from loadtests.pauses.utterances import Interjection, Utterance
from voice_runtime.caller import audible
from voice_runtime.caller.background import NOMINAL_RMS
from voice_runtime.caller.speech import FliteMissing, sound
from voice_runtime.events import CHUNK_BYTES, CHUNK_MS, RATE_HZ

#: Line before the first word, and after the last: past it a turn counts as never ended.
LEAD_MS, TAIL_MS = 1000, 5000

_PER_MS = RATE_HZ // 1000
_PEAK = 0.5 * 32767
_TIMEOUT_S = 30.0
_PAUSE = "pau"

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Word:
    """A word, its first sample and the one after its last; words share a piece's time by their letters."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause: its first sample, the first sample after it, and whether the turn is open meanwhile."""

    start: int
    end: int
    open: bool


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """What a caller makes audible, as a telephone delivers it.

    Attributes:
        clean: s16le, before noise and µ-law.
        ulaw: what a telephone delivers, one byte a sample; a whole number of 20 ms chunks.
        pieces: first and last sample of each piece.
        words: in order; none of a noise.
    """

    clean: bytes
    ulaw: bytes
    pieces: tuple[tuple[int, int], ...]
    words: tuple[Word, ...]

    @property
    def start(self) -> int:
        """The caller's first sample."""
        return self.pieces[0][0]

    @property
    def end(self) -> int:
        """The sample after the caller's last: there the turn is over."""
        return self.pieces[-1][1] + 1

    def chunks(self) -> Iterator[bytes]:
        """20 ms at a time, 8 kHz s16le, as the ear takes them."""
        pcm = audible.to_pcm(self.ulaw)
        return (pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES))


@dataclass(frozen=True, slots=True, eq=False)
class Line(Rendered):
    """One utterance in one voice with pauses of one length."""

    utterance: Utterance
    voice: str

    @property
    def pauses(self) -> tuple[Pause, ...]:
        between = zip(self.utterance.pieces, pairwise(self.pieces), strict=False)
        return tuple(Pause(a[1] + 1, b[0], bool(piece.open)) for piece, (a, b) in between)


def line_of(utterance: Utterance, variant: int, voice: str, *, snr_db: float = SNR_DB) -> Line:
    """Render; the same samples for the same arguments.

    Args:
        variant: which of the lengths its pauses have; they are taken in turn.
        voice: one of ``settings.VOICES``.
        snr_db: speech's mean power over that of the noise; the mean is over the pieces.

    Raises:
        FliteMissing: there is no flite.
        OperatorError: no such voice, or flite pauses elsewhere than at the commas.
    """
    spoken = _pieces(utterance, voice)
    texts = [piece.text for piece in utterance.pieces]
    seed = f"{utterance.id}/{variant}/{voice}"
    made = _rendered(spoken, utterance.pauses_ms(variant), texts, seed, _power(spoken), snr_db)
    return Line(made.clean, made.ulaw, made.pieces, made.words, utterance, voice)


def interjection_of(
    interjection: Interjection, variant: int, voice: str, *, snr_db: float = SNR_DB
) -> Rendered:
    """Render what is said over the agent; the same samples for the same arguments.

    Args:
        variant: which of the lengths a noise has; they are taken in turn.
        voice: as ``line_of``; of a noise, which one is drawn.
        snr_db: as ``line_of``; under a noise lies what would lie under speech of nominal level.

    Raises:
        FliteMissing: there is no flite.
        OperatorError: no such voice, or flite pauses within it.
    """
    seed = f"{interjection.id}/{variant}/{voice}"
    if interjection.sound is None:
        spoken = _alone(interjection, voice)
        return _rendered([spoken], (), [interjection.text or ""], seed, _power([spoken]), snr_db)
    lasts_ms = interjection.sound_ms[variant % len(interjection.sound_ms)]
    noise = sound(interjection.sound, lasts_ms / 1000, seed=crc32(seed.encode()))
    samples = np.frombuffer(audible.to_pcm(noise.ulaw), dtype="<i2").astype(np.float32)
    return _rendered([samples[noise.first : noise.last + 1]], (), [""], seed, NOMINAL_RMS**2, snr_db)


def _power(spoken: Sequence[Samples]) -> float:
    """Mean square of the pieces."""
    return float(np.mean(np.square(np.concatenate(spoken))))


def _rendered(
    spoken: Sequence[Samples],
    gaps_ms: Sequence[int],
    texts: Sequence[str],
    seed: str,
    power: float,
    snr_db: float,
) -> Rendered:
    """Pieces with gaps between them, lead and tail, over noise of ``power`` less ``snr_db``."""
    gaps = [ms * _PER_MS for ms in gaps_ms]
    at, edges, parts = LEAD_MS * _PER_MS, [], [np.zeros(LEAD_MS * _PER_MS, np.float32)]
    for samples, gap in zip(spoken, [*gaps, TAIL_MS * _PER_MS], strict=True):
        edges.append((at, at + len(samples) - 1))
        parts += [samples, np.zeros(gap, np.float32)]
        at += len(samples) + gap
    parts.append(np.zeros(-at % (CHUNK_MS * _PER_MS), np.float32))
    clean = np.concatenate(parts)
    noise = np.random.default_rng(crc32(seed.encode())).standard_normal(len(clean))
    mixed = clean + noise.astype(np.float32) * (power / 10 ** (snr_db / 10)) ** 0.5
    words = [w for text, edge in zip(texts, edges, strict=True) for w in _words(text, *edge)]
    return Rendered(_pcm(clean), audible.to_ulaw(_pcm(mixed)), tuple(edges), tuple(words))


def _words(text: str, first: int, last: int) -> Iterator[Word]:
    words = text.split()
    letters = list(accumulate(map(len, words), initial=0))
    at = [first + (last + 1 - first) * n // max(1, letters[-1]) for n in letters]
    return (Word(word, *when) for word, when in zip(words, pairwise(at), strict=True))


def _pcm(signal: Samples) -> bytes:
    return np.clip(np.rint(signal), -32768, 32767).astype("<i2").tobytes()


@lru_cache(maxsize=64)
def _pieces(utterance: Utterance, voice: str) -> tuple[Samples, ...]:
    """The pieces at 8 kHz, each from its first audible sample to its last."""
    mark = "?" if utterance.kind == "question" else "."
    text = ", ".join(piece.text for piece in utterance.pieces) + mark
    return _cut(*_speak(["-t", f" {text}"], voice), len(utterance.pieces), utterance.id, voice)


@lru_cache(maxsize=64)
def _alone(interjection: Interjection, voice: str) -> Samples:
    """An interjection at 8 kHz, from its first audible sample to its last."""
    said = (
        ["-p", f"pau {interjection.phones} pau"] if interjection.phones else ["-t", f" {interjection.text}."]
    )
    return _cut(*_speak(said, voice), 1, interjection.id, voice)[0]


def _cut(
    samples: Samples, rate: int, cuts: Sequence[float], pieces: int, name: str, voice: str
) -> tuple[Samples, ...]:
    """What flite said, at 8 kHz and full level, cut in its pauses.

    Args:
        rate: of ``samples``, Hz.
        cuts: the middle of every pause inside, s.
        pieces: how many there ought to be, of what is called ``name``.

    Raises:
        OperatorError: there are others.
    """
    if len(cuts) != pieces - 1:
        raise OperatorError(
            f"the voice '{voice}' pauses {len(cuts)} times within '{name}',"
            f" which has {pieces} pieces: reword it"
        )
    if rate != RATE_HZ:
        samples = np.asarray(soxr.resample(samples, rate, RATE_HZ), dtype=np.float32)
    samples = samples * np.float32(_PEAK / max(1.0, float(np.max(np.abs(samples), initial=0.0))))
    return tuple(map(_trimmed, np.split(samples, [round(s * RATE_HZ) for s in cuts])))


def _trimmed(samples: Samples) -> Samples:
    edges = audible.bounds(_pcm(samples))
    if edges is None:
        raise OperatorError("flite gave nothing audible")
    return np.rint(samples[edges[0] : edges[1] + 1])


def _speak(said: Sequence[str], voice: str) -> tuple[Samples, int, list[float]]:
    """Samples, their rate in Hz, and the middle of every pause inside, s.

    Args:
        said: flite's option for text or phones, and these.
    """
    if voice not in VOICES:
        raise OperatorError(f"the voices are {', '.join(VOICES)}")
    stretch = f"duration_stretch={1 / VOICES[voice]:.3f}"
    with tempfile.TemporaryDirectory(prefix="sayso-pauses-") as folder:
        out = Path(folder) / "speech.wav"
        command = ["flite", "-voice", voice, "--setf", stretch, "-psdur", *said, "-o", str(out)]
        try:
            printed = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
        except FileNotFoundError:
            raise FliteMissing from None
        except (subprocess.SubprocessError, OSError) as error:
            raise OperatorError(f"flite could not speak with the voice '{voice}'") from error
        with wave.open(str(out)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32)
            return samples, file.getframerate(), _inner_pauses(printed.stdout)


def _inner_pauses(segments: str) -> list[float]:
    """The middle of each pause in flite's list of segments and their ends, ``pau:0.209 ay:0.444 …``, s."""
    phones = [(name, float(end)) for name, _, end in (s.partition(":") for s in segments.split())]
    inner = phones[1:-1]
    before = phones[:-2]
    return [(a[1] + b[1]) / 2 for a, b in zip(before, inner, strict=True) if b[0] == _PAUSE]
