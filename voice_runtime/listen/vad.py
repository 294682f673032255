"""Is this speech? Cheap on silence, sure on speech; one Silero session for all calls.

Per 20 ms chunk, in order of cost:

1. energy: at least ``_ABOVE_FLOOR`` times the line's own noise (without NumPy: 50
   times a second on every line, between two other lines, its code would come from memory);
2. webrtcvad, inline (about 10 µs);
3. Silero, only while 1 and 2 say there may be speech: 256-sample windows at
   8 kHz, recurrent state and 32 samples of context per call, fresh at each
   onset because silence dulls it.

A chunk counts as speech when 1 and 2 hold and Silero was sure of it in its
last windows. So the end of speech is as sharp as webrtcvad's, and a cough or a
slammed door is not speech. What is silent between two sounds is put to Silero
when the second one comes, and never where none comes.
"""

from __future__ import annotations

import warnings
from collections import deque
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import onnxruntime
import webrtcvad

from voice_runtime.events import CHUNK_BYTES, RATE_HZ

with warnings.catch_warnings():  # deprecated in the standard library; audioop-lts takes its place in 3.13
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

_WINDOW = 256
_CONTEXT = 32
_RATE = np.array(RATE_HZ, dtype="int64")
#: Makes 16-bit samples -1 to 1.
_FULL_SCALE = np.float32(1 / 32768)
#: Silero's published threshold for speech, and the usual 0.15 below it to stay in it.
_SPEECH, _STILL_SPEECH = 0.5, 0.35
#: Chunks after the last active one for which Silero goes on (400 ms).
_HANGOVER = 20
#: Chunks before an onset that Silero hears first (160 ms).
_LEAD = 8
#: Noise floor: how fast it follows quieter and louder chunks, and its bounds (RMS of 16-bit samples).
_FALL, _RISE, _LEAST, _MOST = 0.2, 0.005, 20.0, 1500.0
_ABOVE_FLOOR = 2.0


@cache
def silero_session() -> Any:
    """The process's one Silero session (pipecat's bundled model); thread-safe, holds no state."""
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    with as_file(files("pipecat.audio.vad.data") / "silero_vad.onnx") as path:
        return onnxruntime.InferenceSession(
            path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
        )


class Silero:
    """One call's recurrent state on the shared session."""

    def __init__(self) -> None:
        self._session = silero_session()
        self._input = np.zeros((1, _CONTEXT + _WINDOW), dtype=np.float32)
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._filled = 0

    def reset(self) -> None:
        """Forget everything heard."""
        self._input[:] = 0
        self._state = np.zeros((2, 1, 128), dtype=np.float32)
        self._filled = 0

    def hear(self, pcm: bytes) -> float | None:
        """Take s16le samples; the newest probability of speech, or None when no window is full."""
        probability = None
        samples = np.frombuffer(pcm, dtype="<i2")
        while len(samples):
            room = min(_WINDOW - self._filled, len(samples))
            at = _CONTEXT + self._filled
            np.multiply(samples[:room], _FULL_SCALE, out=self._input[0, at : at + room])
            samples = samples[room:]
            self._filled += room
            if self._filled == _WINDOW:
                feed = {"input": self._input, "state": self._state, "sr": _RATE}
                out, self._state = self._session.run(None, feed)
                probability = float(out[0, 0])
                self._input[0, :_CONTEXT] = self._input[0, -_CONTEXT:]
                self._filled = 0
        return probability


def loudness(pcm: bytes) -> float:
    """RMS of s16le samples, 0 to 32768.

    Widened to 32 bits first: ``audioop`` gives whole numbers only, which are then 1/65536 of a step.
    """
    return audioop.rms(audioop.lin2lin(pcm, 2, 4), 4) / 65536


class Vad:
    """One call's voice activity detector. Takes 20 ms chunks in order."""

    def __init__(self, *, aggressiveness: int = 2) -> None:
        """Make a detector.

        Args:
            aggressiveness: of webrtcvad, 0 (lets most pass) to 3.
        """
        self._webrtc = webrtcvad.Vad(aggressiveness)
        self._silero = Silero()
        self._floor = 60.0
        self._quiet_for = _HANGOVER + 1
        self._sure = False
        self._lead: deque[bytes] = deque(maxlen=_LEAD)
        self._between: list[bytes] = []
        self.probability = 0.0

    @property
    def awake(self) -> bool:
        """Whether there may be speech: Silero decides, or the sound before was not long ago."""
        return self._quiet_for <= _HANGOVER

    def hear(self, chunk: bytes) -> bool:
        """Whether this chunk is speech.

        Args:
            chunk: exactly 20 ms, 8 kHz s16le.

        Raises:
            ValueError: it is not 320 bytes long.
        """
        if len(chunk) != CHUNK_BYTES:
            raise ValueError(f"a chunk has {CHUNK_BYTES} bytes, not {len(chunk)}")
        rms = loudness(chunk)
        active = rms > self._floor * _ABOVE_FLOOR and self._webrtc.is_speech(chunk, RATE_HZ)
        self._follow_noise(rms)
        was_awake = self.awake
        self._quiet_for = 0 if active else self._quiet_for + 1
        if not self.awake:
            self._rest(chunk)
            return False
        if not was_awake:
            self._wake()
        if not active:
            self._between.append(chunk)
            return False
        for silent in self._between:
            self._judge(self._silero.hear(silent))
        self._between.clear()
        self._judge(self._silero.hear(chunk))
        return self._sure

    def _follow_noise(self, rms: float) -> None:
        rate = _FALL if rms < self._floor else _RISE
        self._floor = min(_MOST, max(_LEAST, self._floor + rate * (rms - self._floor)))

    def _rest(self, chunk: bytes) -> None:
        self._sure = False
        self.probability = 0.0
        self._between.clear()
        self._lead.append(chunk)

    def _wake(self) -> None:
        self._silero.reset()
        for chunk in self._lead:
            self._judge(self._silero.hear(chunk))
        self._lead.clear()

    def _judge(self, probability: float | None) -> None:
        if probability is not None:
            self.probability = probability
            self._sure = probability >= (_STILL_SPEECH if self._sure else _SPEECH)
