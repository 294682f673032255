"""A recogniser that knows beforehand what may be said: it compares sound with sound. No model, some ms.

Six bands of energy every 20 ms are compared with those of every sentence of the
scenario, in every voice and rate it is spoken in, wherever in the sentence the
utterance may begin. Trimming, µ-law, resampling, Opus and steady noise hardly change
them. Of an utterance that is only part of a sentence the words that fall
into it come back, as with a recogniser; what resembles nothing is "".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from voice_runtime.caller import audible
from voice_runtime.caller.speech import Spoken
from voice_runtime.events import RATE_HZ

_HOP_MS, _WINDOW_MS = 20, 32
_EDGES_HZ = (200, 400, 700, 1100, 1600, 2300, 3400)
#: Energy this far below the loudest frame counts as none, dB.
_DEPTH_DB = 30.0
#: How far below the loudest frame, and above the noise, a frame of speech is, dB.
_ABOVE_NOISE_DB = 6.0
#: An utterance may begin so much before a sentence, or end after it, frames.
_SLACK = 10
#: Correlation from which a sentence was recognised, and a part of one, where less speaks for it.
_LIKE, _LIKE_A_PART = 0.75, 0.9
#: From here on no better one is looked for.
_SURELY = 0.92
#: A sentence counts as whole when at either end no more is missing: share of it, or frames.
_TRIMMED, _TRIMMED_FRAMES = 0.15, 6
_SHORTEST_FRAMES = 6
#: In each band speech rises and falls at least so much (standard deviation, dB); noise and tones do not.
_LIVELY_DB = 1.8

Frames = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Known:
    """A sentence: its words, and its bands (frames, bands) in dB below its loudest frame."""

    text: str
    bands: Frames


class Likeness:
    """Knows sentences by their sound.

    Args:
        sentences: every one that may be said, in every voice and rate.
    """

    def __init__(self, sentences: Iterable[Spoken]) -> None:
        self._known: list[_Known] = []
        for spoken in sentences:
            bands = _speech(_bands(audible.to_pcm(spoken.ulaw), RATE_HZ))
            if len(bands):
                self._known.append(_Known(spoken.text, bands))

    def text(self, pcm: bytes, rate_hz: int) -> str:
        """What was said in s16le samples, "" for nothing known."""
        said = _bands(pcm, rate_hz)
        if len(said) < _SHORTEST_FRAMES:
            return ""
        noise = np.percentile(said, 10, axis=0).astype(np.float32)
        said = _speech(said)
        if len(said) < _SHORTEST_FRAMES or said.std(axis=0).mean() < _LIVELY_DB:
            return ""
        best, text = 0.0, ""
        for known in sorted(self._known, key=lambda k: abs(len(k.bands) - len(said))):
            score, start = _likeness(said, known.bands, noise)
            whole = _whole(start, len(said), known.bands, noise)
            if score > best and score >= (_LIKE if whole else _LIKE_A_PART):
                best = score
                length = len(known.bands)
                text = (
                    known.text if whole else _part(known.text, start / length, (start + len(said)) / length)
                )
            if whole and score >= _SURELY:
                break
        return text


def _bands(pcm: bytes, rate_hz: int) -> Frames:
    """Energy in dB below the loudest frame's, by frame and band."""
    samples = np.frombuffer(pcm, "<i2", count=len(pcm) // 2).astype(np.float32)
    window, hop = rate_hz * _WINDOW_MS // 1000, rate_hz * _HOP_MS // 1000
    if len(samples) < window:
        return np.zeros((0, len(_EDGES_HZ) - 1), np.float32)
    cut = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    power = np.square(np.abs(np.fft.rfft(cut * np.hanning(window).astype(np.float32), axis=1)))
    places = np.searchsorted(np.fft.rfftfreq(window, 1 / rate_hz), _EDGES_HZ)
    energy = np.stack([power[:, a:b].sum(axis=1) for a, b in pairwise(places)], axis=1)
    energy /= max(float(energy.sum(axis=1).max()), 1e-9)
    return np.asarray(10 * np.log10(energy + 1e-9), dtype=np.float32)


def _loudness(bands: Frames) -> Frames:
    """Of each frame, all bands together, dB."""
    return np.asarray(10 * np.log10(np.power(10, bands / 10).sum(axis=1) + 1e-9), dtype=np.float32)


def _speech(bands: Frames) -> Frames:
    """From the first to the last frame of speech."""
    if not len(bands):
        return bands
    first, last = _edges(bands, float(np.percentile(_loudness(bands), 10)))
    return bands[first : last + 1]


def _edges(bands: Frames, noise_db: float) -> tuple[int, int]:
    """First and last frame that stands out of noise of this loudness; (0, -1): none does."""
    least = max(-_DEPTH_DB, min(noise_db + _ABOVE_NOISE_DB, -_DEPTH_DB / 2))
    loud = np.flatnonzero(_loudness(bands) >= least)
    return (int(loud[0]), int(loud[-1])) if len(loud) else (0, -1)


def _likeness(said: Frames, known: Frames, noise: Frames) -> tuple[float, int]:
    """Best correlation over all places, and the frame of ``known`` at which ``said`` begins there."""
    floor = np.clip(noise, -_DEPTH_DB, -_ABOVE_NOISE_DB)
    mine = np.maximum(said, floor)
    first = min(0, len(known) - len(said)) - _SLACK
    last = max(0, len(known) - len(said)) + _SLACK
    padded = np.full((last - first + len(said), known.shape[1]), floor, np.float32)
    padded[-first : -first + len(known)] = np.maximum(known, floor)
    places = np.lib.stride_tricks.sliding_window_view(padded, len(said), axis=0)
    theirs = places.transpose(0, 2, 1).reshape(len(places), -1)
    theirs = theirs - theirs.mean(axis=1, keepdims=True)
    flat = (mine - mine.mean()).reshape(-1)
    spread = np.linalg.norm(theirs, axis=1) * np.linalg.norm(flat)
    scores = (theirs @ flat) / np.maximum(spread, 1e-6)
    at = int(np.argmax(scores))
    return float(scores[at]), at + first


def _whole(start: int, count: int, known: Frames, noise: Frames) -> bool:
    """Whether ``count`` frames from ``start`` on are all of a sentence that such noise lets through."""
    first, last = _edges(known, float(_loudness(noise[np.newaxis])[0]))
    allowed = max(_TRIMMED_FRAMES, round(_TRIMMED * len(known)))
    return start <= first + allowed and start + count > last - allowed


def _part(text: str, start: float, end: float) -> str:
    """The words of ``text`` whose middle lies between two shares of it."""
    words, chosen, at = text.split(), [], 0
    for word in words:
        middle = (at + len(word) / 2) / max(1, len(text))
        if start <= middle < end:
            chosen.append(word)
        at += len(word) + 1
    return " ".join(chosen)
