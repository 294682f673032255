"""Whisper weights that tell a scenario's sentences apart by ear: a linear reading fitted to their own sound.

The model (``whisper_model``) computes in full and understands nothing. So that a
caller's turns come back as what was said, the first convolution draws random
features from the spectrogram, the second weighs them for and against each sentence,
one attention head averages that over the frames where somebody speaks, and the
largest mark chooses the sentence, whatever the length of the window (random features:
Rahimi and Recht, Weighted Sums of Random Kitchen Sinks, NeurIPS 2008). The weighing is
a ridge regression on the sentences as the callers say them, with silence around them
as endpoints leave it, softer and louder, in noise. It knows these recordings and no
others: it is **no recogniser**, and its word error rate means nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from loadtests.whisper_model import SHAPES, Listening, Sentence, build
from voice_runtime.caller.speech import Spoken
from voice_runtime.events import RATE_HZ

_MODEL_RATE_HZ = 16_000
#: Windows are as our recogniser cuts them: steps of 0.5 s, at least 2 s.
_STEP_S, _SHORTEST_S = 0.5, 2.0
#: Silence before and after, s, gains and signal-to-noise ratios, dB, as lines and endpoints vary them.
_BEFORE_S, _AFTER_S, _GAIN, _SNR_DB = (0.0, 0.4), (0.1, 0.8), (0.3, 1.0), (12.0, 60.0)
#: Of each utterance at least and at most, and of all together about as many (20 ms of CPU each).
_VARIATIONS, _ALL = (4, 10), 300
#: The activation (GELU) leaves what is above this as it is.
_LINEAR_FROM = 4.0
_RIDGE = 5e-3

#: Frames the encoder sees, s, and in 30 s; every so many-th of them is enough to fit to.
_FRAME_S, _STOCK_FRAMES, _EVERY = 0.02, 1500, 3
#: Frames of speech and silence that one frame of padding counts for when they are told apart.
_PADDING_COUNTS = 20
#: The attention's logit of speech over that of silence, and the gain of the channel that carries it.
_SHARP, _LOUD = 5.0, 3.0


@dataclass(slots=True)
class _Window:
    """One variation.

    Attributes:
        frames: (mels, 3, t), and once features are drawn (width, t); the last is digital silence.
        speech: (t,), where it is.
    """

    sentence: int
    frames: NDArray[np.float32]
    speech: NDArray[np.bool_]

    def attended(self, values: NDArray[Any], logits: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
        """The mean of (k, t) values that attention sees, in this window, and in one padded to 30 s."""
        weights = np.exp(logits - logits.max()).astype(np.float64)
        padding = weights[-1]
        for count in (0, _STOCK_FRAMES - len(weights) + 1):
            weights[-1] = count * padding
            yield values @ (weights / weights.sum())


def write_whisper(
    folder: Path,
    sentences: Sequence[str],
    shape: str,
    *,
    spoken: Iterable[Spoken] = (),
    quantization: str | None = "int8",
) -> Path:
    """Write a Whisper model of a published shape, with random weights, into ``folder`` and return it.

    Args:
        sentences: what it can say. Of several, ``spoken`` tells which.
        shape: of ``whisper_model.SHAPES``; large-v3-turbo for ``gpu``, micro-turbo for its toy.
        spoken: each sentence as the callers say it, in every voice and rate; without any, the first
            sentence is said to everything.
        quantization: int8 for a CPU, float16 for CUDA.

    Raises:
        ValueError: a sentence was not spoken, or there are more than the shape can tell apart.
    """
    distinct = list(dict.fromkeys(sentences))
    recordings = list(spoken)
    if not recordings or len(distinct) == 1:
        return build(folder, [Sentence(distinct[0])], shape=shape, quantization=quantization)
    listening = listen(distinct, recordings, SHAPES[shape].mels, SHAPES[shape].width)
    said = [Sentence(text) for text in distinct]
    return build(folder, said, shape=shape, quantization=quantization, listening=listening)


def listen(
    sentences: Sequence[str], spoken: Sequence[Spoken], mels: int, width: int, seed: int = 1
) -> Listening:
    """Fit the reading.

    Args:
        width: of the model: as many random features, and its layer normalisation is part of what is fitted.

    Raises:
        ValueError: a sentence was not spoken.
    """
    random = np.random.default_rng(seed)
    extractor = FeatureExtractor(feature_size=mels)
    windows: list[_Window] = []
    least, most = _VARIATIONS
    count = max(least, min(most, _ALL // max(1, len(spoken))))
    for one in spoken:
        if one.text in sentences:
            which = sentences.index(one.text)
            windows += (_window(extractor, which, *varied) for varied in _variations(one, count, random))
    of = [window.sentence for window in windows]
    if missing := set(range(len(sentences))) - set(of):
        raise ValueError(f"nobody says: {', '.join(sentences[n] for n in sorted(missing))}")
    features, thresholds = _random_features(windows, width, random)
    for window in windows:
        drawn = np.einsum("umk,mkt->ut", features, window.frames)
        window.frames = _gelu(drawn + thresholds[:, None])
    # 1. which frames are speech, 2. what their mean says about the sentence, 3. how the model will see both
    loud = _loudness(windows)
    targets = np.repeat(np.eye(len(sentences))[of], 2, axis=0) - 1 / len(sentences)
    means = np.stack([m for w in windows for m in w.attended(w.frames, _SHARP * (loud @ w.frames))])
    marks = np.vstack((_ridge(means - means.mean(axis=0), targets).T, _LOUD * loud)).astype(np.float32)
    lowest = min(float((marks @ w.frames).min()) for w in windows)
    offset = np.full(len(marks), _LINEAR_FROM - lowest, np.float32)
    normal = [_normalised(marks @ w.frames + offset[:, None], width) for w in windows]
    spread = [n[-1][w.speech].mean() - n[-1][~w.speech].mean() for n, w in zip(normal, windows, strict=True)]
    attention = _SHARP / float(np.mean(spread))
    pairs = zip(normal, windows, strict=True)
    seen = np.stack([m for n, w in pairs for m in w.attended(n[:-1], attention * n[-1])])
    readout = _ridge(seen - seen.mean(axis=0), targets, 1e-8)
    bias = 1 / len(sentences) - seen.mean(axis=0) @ readout
    return Listening(
        features, thresholds, marks, offset, attention,
        readout.T.astype(np.float32), bias.astype(np.float32),
    )  # fmt: skip


def _loudness(windows: Sequence[_Window]) -> NDArray[np.float64]:
    """What each feature counts for a frame to be speech: to about 1 above what is none."""
    few = [np.r_[0 : len(w.speech) : _EVERY, [len(w.speech) - 1] * _PADDING_COUNTS] for w in windows]
    x = np.concatenate([w.frames[:, n] for n, w in zip(few, windows, strict=True)], axis=1).T.astype(
        np.float64
    )
    y = np.concatenate([w.speech[n] for n, w in zip(few, windows, strict=True)]).astype(np.float64)
    return _ridge(x - x.mean(axis=0), y[:, None] - y.mean())[:, 0]


def _stacked(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each second frame with its neighbours, (mels, 3, frames / 2), as the convolutions see them."""
    padded = np.pad(window, ((0, 0), (1, 1)))
    count = window.shape[1]
    return np.stack([padded[:, k : k + count : 2] for k in range(3)], axis=1)


def _random_features(
    windows: Sequence[_Window], width: int, random: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (width, mels, 3) and biases of units that are each on for some frames and off for others."""
    few = windows[:: max(1, len(windows) // 50)]
    frames = np.concatenate([w.frames[:, :, ::_EVERY] for w in few], axis=2)
    weights = random.standard_normal((width, *frames.shape[:2]), dtype=np.float32)
    drawn = np.einsum("umk,mkt->ut", weights, frames)
    scale = 2 / drawn.std(axis=1)
    thresholds = [np.quantile(row, q) for row, q in zip(drawn, random.uniform(0.1, 0.9, width), strict=True)]
    return weights * scale[:, None, None], (-np.array(thresholds) * scale).astype(np.float32)


def _gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """By its usual approximation (https://arxiv.org/abs/1606.08415, section 2), wrong by 0.001 at most."""
    found: NDArray[np.float32] = 0.5 * x * (1 + np.tanh(0.7978846 * (x + 0.044715 * x**3)))
    return found


def _ridge(x: NDArray[np.float64], y: NDArray[np.float64], strength: float = _RIDGE) -> NDArray[np.float64]:
    """Weights (features, outputs) of a least squares fit; ``strength`` is of the features' mean power."""
    gram = x.T @ x
    power = strength * np.trace(gram) / len(gram)
    found: NDArray[np.float64] = np.linalg.solve(gram + power * np.eye(len(gram)), x.T @ y)
    return found


def _normalised(channels: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """What the encoder's last layer normalisation makes of the marked channels, frame by frame."""
    marked = channels.astype(np.float64)
    mean = marked.sum(axis=0) / width
    power = (marked**2).sum(axis=0) / width - mean**2
    scaled: NDArray[np.float64] = (marked - mean) / np.sqrt(power + 1e-5)
    return scaled


def _variations(
    spoken: Spoken, count: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], float, float]]:
    """The utterance at 16 kHz with silence around it, at some level, every other in noise; its edges, s."""
    pcm = _linear(spoken.ulaw)[spoken.first : spoken.last + 1]
    power = float((pcm**2).mean())
    for n in range(count):
        before, after = (round(random.uniform(*bounds) * RATE_HZ) for bounds in (_BEFORE_S, _AFTER_S))
        narrow = np.pad(pcm, (before, after))
        if n % 2:
            level = math.sqrt(power * 10 ** (-random.uniform(*_SNR_DB) / 10))
            narrow = narrow + random.normal(0, level, len(narrow))
        narrow = (narrow * random.uniform(*_GAIN)).astype(np.float32)
        wide = soxr.resample(narrow, RATE_HZ, _MODEL_RATE_HZ, quality="HQ")
        yield wide, before / RATE_HZ, (before + len(pcm)) / RATE_HZ


def _window(
    extractor: FeatureExtractor, sentence: int, samples: NDArray[np.float32], begins_s: float, ends_s: float
) -> _Window:
    """Log-mel bands in a window as our recogniser chooses it."""
    seconds = len(samples) / _MODEL_RATE_HZ
    chosen = max(_SHORTEST_S, math.ceil(seconds / _STEP_S) * _STEP_S)
    padded = np.zeros(round(chosen * _MODEL_RATE_HZ), np.float32)
    padded[: len(samples)] = samples
    bands = extractor(padded, padding=0)
    # faster-whisper pads to 30 s with bands of 0: one such frame stands for all of them
    frames = np.pad(_stacked(bands), ((0, 0), (0, 0), (0, 1)))
    at = np.arange(frames.shape[2]) * _FRAME_S
    return _Window(sentence, frames, (at >= begins_s) & (at <= ends_s))


def _linear(ulaw: bytes) -> NDArray[np.float64]:
    """µ-law to samples of ±1 (ITU-T G.711, table 2a)."""
    code = ~np.frombuffer(ulaw, np.uint8)
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = ((mantissa.astype(np.int32) * 2 + 33) << exponent) - 33
    signed: NDArray[np.float64] = np.where(code & 0x80, -magnitude, magnitude) / 8192
    return signed
