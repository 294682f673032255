"""Has the caller finished? pipecat's bundled Smart Turn model: one session for all calls, off the loop.

Costs 12 to 60 ms of one core per question, so it is asked only at a pause whose
text does not settle the matter.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from typing import Any, Protocol

import numpy as np
import onnxruntime
import soxr
from pipecat.audio.turn.smart_turn._whisper_features import compute_whisper_log_mel_features

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ

NAME = "smart-turn"
_MODEL_RATE_HZ = 16000
_WINDOW_S = 8


class TurnModel(Protocol):
    """Judges by ear whether a turn is complete."""

    async def complete(self, pcm: bytes) -> float:
        """The probability, 0 to 1, that the caller has finished.

        Args:
            pcm: the turn so far with the pause at its end, 8 kHz s16le; the last 8 s count.

        Raises:
            ProviderError: it cannot say now.
        """
        ...


class SmartTurn:
    """The model itself (``TurnModel``). ``close`` it at the end."""

    def __init__(self, *, threads: int = 2, most_waiting: int = 8) -> None:
        """Load the model (about 0.1 s).

        Args:
            threads: questions answered at a time.
            most_waiting: questions in all; further ones are refused, not queued.
        """
        options = onnxruntime.SessionOptions()
        options.inter_op_num_threads = options.intra_op_num_threads = 1
        with as_file(files("pipecat.audio.turn.smart_turn.data") / "smart-turn-v3.2-cpu.onnx") as path:
            self._session: Any = onnxruntime.InferenceSession(
                path.read_bytes(), sess_options=options, providers=["CPUExecutionProvider"]
            )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="smart-turn")
        self._most_waiting = most_waiting
        self._asked = 0

    async def complete(self, pcm: bytes) -> float:
        if self._asked >= self._most_waiting:
            raise ProviderError("too many questions at once", supplier=NAME)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._judge, pcm)
        except RuntimeError as error:  # closed, or the model refused its input
            raise ProviderError(f"the turn model failed: {type(error).__name__}", supplier=NAME) from error
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Take no more questions; the threads end after those under way."""
        self._threads.shutdown(wait=False)

    def _judge(self, pcm: bytes) -> float:
        narrow = np.frombuffer(pcm[: len(pcm) & ~1], dtype="<i2")[-_WINDOW_S * RATE_HZ :]
        wide = soxr.resample(narrow.astype(np.float32) / 32768.0, RATE_HZ, _MODEL_RATE_HZ, quality="HQ")
        audio = np.zeros(_WINDOW_S * _MODEL_RATE_HZ, dtype=np.float32)
        wide = wide[-len(audio) :]
        audio[len(audio) - len(wide) :] = wide  # silence goes before, as in training
        features = compute_whisper_log_mel_features(audio, do_normalize=True)
        return float(self._session.run(None, {"input_features": features[None]})[0][0].item())
