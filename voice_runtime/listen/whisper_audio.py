"""What Whisper is given to hear: 8 kHz samples as log-mel windows that are only as long as what was said.

Stock Whisper pads every utterance to 30 s before it is encoded, which costs
twenty times what a sentence of 2 s needs. Here a window is as long as the
speech, rounded up, with a floor: Whisper was trained on windows of 30 s and
misbehaves on very short ones. How short is safe is a property of the weights;
nothing here was tried on published ones
(``docs/decisions/0005-one-whisper-for-all-calls.md``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import soxr
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from voice_runtime.events import RATE_HZ

MODEL_RATE_HZ = 16000
#: The window the model was trained on; nothing longer is encoded.
LONGEST_WINDOW_S = 30.0
#: Windows come in few lengths, so that utterances of several calls can be encoded together.
WINDOW_STEP_S = 0.5
#: Less is a click, not a word; the model would make one up.
SHORTEST_SPEECH_S = 0.1
#: The largest sample below which a line is silent: -60 dB of full scale, under µ-law's idle noise.
_SILENT_PEAK = 32
#: A longer utterance is cut at its quietest 100 ms within this much before the end of a window.
_CUT_WITHIN_S, _CUT_S = 6.0, 0.1

Mono = NDArray[np.float32]


def speech_s(pcm: bytes) -> float:
    """Seconds of 8 kHz s16le samples."""
    return len(pcm) / (2 * RATE_HZ)


def worth_recognising(pcm: bytes) -> bool:
    """Whether there is enough in it for a word: 0.1 s, and not digital silence."""
    if speech_s(pcm) < SHORTEST_SPEECH_S:
        return False
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
    return int(samples.max()) > _SILENT_PEAK or int(samples.min()) < -_SILENT_PEAK


def window_s(seconds: float, shortest_s: float) -> float:
    """The window for that much audio: rounded up to a step, between the floor and 30 s."""
    needed = math.ceil(seconds / WINDOW_STEP_S) * WINDOW_STEP_S
    return min(LONGEST_WINDOW_S, max(needed, math.ceil(shortest_s / WINDOW_STEP_S) * WINDOW_STEP_S))


def pieces(pcm: bytes) -> Iterator[bytes]:
    """Cut 8 kHz s16le samples into pieces of at most 30 s, each cut where it is quietest."""
    most = round(LONGEST_WINDOW_S * RATE_HZ)
    within, width = round(_CUT_WITHIN_S * RATE_HZ), round(_CUT_S * RATE_HZ)
    samples = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2)
    while len(samples) > most:
        tail = samples[most - within : most].astype(np.float32)
        loudness = (tail[: within // width * width].reshape(-1, width) ** 2).sum(axis=1)
        cut = most - within + int(np.argmin(loudness)) * width + width // 2
        yield samples[:cut].tobytes()
        samples = samples[cut:]
    yield samples.tobytes()


def widen(pcm: bytes) -> Mono:
    """16 kHz samples, -1 to 1, of 8 kHz s16le ones: the whole utterance at once, so that no edge is heard."""
    narrow = np.frombuffer(pcm, dtype="<i2", count=len(pcm) // 2).astype(np.float32) / 32768.0
    wide: Mono = soxr.resample(narrow, RATE_HZ, MODEL_RATE_HZ, quality="HQ")
    return wide


def log_mel(extractor: FeatureExtractor, pcm: bytes, seconds: float) -> Mono:
    """Log-mel features of shape (mels, 100 × ``seconds``), silence after the speech as in training.

    Args:
        pcm: 8 kHz s16le samples; what goes beyond the window is cut off.
        seconds: a multiple of ``WINDOW_STEP_S``.
    """
    window = np.zeros(round(seconds * MODEL_RATE_HZ), dtype=np.float32)
    wide = widen(pcm)[: len(window)]
    window[: len(wide)] = wide
    return np.ascontiguousarray(extractor(window, padding=0), dtype=np.float32)
