"""The voice: a neural text-to-speech graph computes every frame, and a tone of the right length goes out.

What the graph makes is noise, for its weights are random, and is thrown away. In its
place goes the signal that tells which answer it is (``suppliers.tones``), piece by
piece as the frames under it are ready.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from loadtests.engines.arrays import Device
from loadtests.engines.voice_graph import VOICES, frames_graph, text_graph
from loadtests.suppliers import tones
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.backends import SPEECH_RATE_HZ

#: Frames of the first piece (232 ms at Piper's rate) and of later ones (464 ms).
_FIRST, _LATER = 20, 40
#: Frames on either side that a piece is computed with, so that its edges would fit.
_AROUND = 6


class NeuralVoice:
    """The two graphs in onnxruntime. Thread-safe; blocks while it computes.

    Attributes:
        name: of the shape, for a report.
        device: what it really computes on.
        where: the same for a report; says why when it is not what was asked for.
    """

    def __init__(self, shape: str, device: Device, threads: int) -> None:
        """Write the graphs and load them.

        Args:
            threads: CPU threads of one computation.
        """
        self.shape = VOICES[shape]
        self.name = "VITS as Piper's medium voices" if shape == "full" else "VITS, toy shape"
        possible = onnxruntime.get_available_providers()
        self.device: Device = "cuda" if device == "cuda" and "CUDAExecutionProvider" in possible else "cpu"
        provider = "CUDAExecutionProvider" if self.device == "cuda" else "CPUExecutionProvider"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        models = [graph(self.shape) for graph in (text_graph, frames_graph)]
        self.parameters = sum(math.prod(w.dims) for model in models for w in model.graph.initializer)
        self._text, self._frames = (
            onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[provider])
            for model in models
        )
        if provider not in self._text.get_providers():  # onnxruntime goes on without what fails to load
            self.device = "cpu"
        missing = ", for onnxruntime has no CUDA provider here" if device != self.device else ""
        self.where = f"{self.device}{missing}"
        self._noise = np.random.default_rng(1).standard_normal(
            (1, self.shape.latent, _LATER + 2 * _AROUND), dtype=np.float32
        )
        self.read("warm up")
        for frames in (_FIRST, _LATER):
            self.render(frames)

    def read(self, text: str) -> NDArray[np.float32]:
        """Encode a text: a symbol a character, with blanks between as Piper has them."""
        symbols = [ord(c) % (self.shape.symbols - 1) + 1 for c in text] or [1]
        ids = np.zeros((1, 2 * len(symbols) + 1), np.int64)
        ids[0, 1::2] = symbols
        prior: Any = self._text.run(["prior", "durations"], {"ids": ids})[0]
        return prior[0]  # type: ignore[no-any-return]

    def render(self, frames: int) -> NDArray[np.float32]:
        """Samples of so many frames, computed with their surroundings."""
        latent = self._noise[:, :, : frames + 2 * _AROUND]
        samples: Any = self._frames.run(["samples"], {"latent": latent})[0]
        edge = _AROUND * self.shape.frame
        return samples[0, 0, edge:-edge]  # type: ignore[no-any-return]


class NeuralMouth:
    """Implements ``suppliers.backends.Mouth``. ``close`` it when done."""

    rate_hz = SPEECH_RATE_HZ

    def __init__(self, voice: NeuralVoice, book: AnswerBook, workers: int) -> None:
        """Speak with ``voice``, as many pieces at a time as there are ``workers``."""
        self._voice, self._book = voice, book
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="voice")
        self.line = (
            f"voice: {voice.name}, {voice.parameters / 1e6:.3g} M random weights, onnxruntime "
            f"{onnxruntime.__version__}, {voice.where}; its samples are replaced by a tone"
        )

    async def speech(self, text: str) -> AsyncIterator[bytes]:
        run = asyncio.get_running_loop().run_in_executor
        signal = await run(self._pool, self._begin, text)
        shape = self._voice.shape
        total = math.ceil(len(signal) / 2 / self.rate_hz * shape.rate_hz / shape.frame)
        rendered = 0
        while rendered < total:
            frames = min(_LATER if rendered else _FIRST, total - rendered)
            await run(self._pool, self._voice.render, frames)
            bounds = (self._sample(rendered), self._sample(rendered + frames))
            yield signal[2 * bounds[0] : 2 * bounds[1]]
            rendered += frames

    def _begin(self, text: str) -> bytes:
        self._voice.read(text)
        return tones.voice(text, self._book.id_of(text), self.rate_hz)

    def _sample(self, frame: int) -> int:
        """Where a frame begins in what goes out."""
        return round(frame * self._voice.shape.frame / self._voice.shape.rate_hz * self.rate_hz)

    def close(self) -> None:
        """End the threads once they are done."""
        self._pool.shutdown(wait=True, cancel_futures=True)
