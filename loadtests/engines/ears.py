"""A recogniser for systems that take recognition over the network: faster-whisper, as its users call it."""

from __future__ import annotations

import asyncio
import ctypes
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import ctranslate2
import numpy as np
import soxr
from faster_whisper import WhisperModel

from controls.errors import OperatorError, ProviderError
from loadtests.engines.arrays import Device

_MODEL_RATE_HZ = 16_000
_CUBLAS = "libcublas.so.12"
#: How stock Whisper computes here, for whoever reads its figures beside those of a recogniser that does not.
STOCK = "one at a time, 30 s window"


def whisper_device(device: Device) -> tuple[Device, Literal["float16", "int8"], str]:
    """Where CTranslate2 can compute, in what, and why not on cuda where that was asked for ("": it is).

    Its wheel for CUDA is linked with cuBLAS 12, which it looks for only when it computes.
    """
    if device == "cpu":
        return "cpu", "int8", ""
    if not ctranslate2.get_cuda_device_count():
        return "cpu", "int8", "CTranslate2 finds no CUDA device"
    try:
        ctypes.CDLL(_CUBLAS)
    except OSError:
        return "cpu", "int8", f"there is no {_CUBLAS}, which CTranslate2 needs"
    return "cuda", "float16", ""


class NoEars:
    """Implements ``suppliers.backends.Ears`` where no model was named: it refuses."""

    line = ""

    async def text(self, pcm: bytes, rate_hz: int) -> str:
        raise ProviderError("this server was started without a recogniser", supplier="engines")


class WhisperEars:
    """Implements ``suppliers.backends.Ears``: one utterance at a time, padded to 30 s as stock Whisper."""

    def __init__(self, folder: str, device: Device, threads: int) -> None:
        """Load the model and run it once.

        Raises:
            OperatorError: it cannot be loaded there.
        """
        used, compute, why = whisper_device(device)
        try:
            self._model = WhisperModel(folder, device=used, compute_type=compute, cpu_threads=threads)
            self._text(bytes(2 * _MODEL_RATE_HZ), _MODEL_RATE_HZ)
        except (RuntimeError, ValueError, OSError) as error:
            raise OperatorError(f"the recogniser in {folder} does not run on {device}: {error}") from error
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="whisper")
        where = f"{used}, for {why}" if why else used
        how = f"faster-whisper, {compute}, random weights, {where}, {STOCK}"
        self.line = f"recogniser over the network: {how}"

    async def text(self, pcm: bytes, rate_hz: int) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._text, pcm, rate_hz)

    def _text(self, pcm: bytes, rate_hz: int) -> str:
        samples = np.frombuffer(pcm, "<i2", count=len(pcm) // 2).astype(np.float32) / 32768
        if rate_hz != _MODEL_RATE_HZ:
            samples = soxr.resample(samples, rate_hz, _MODEL_RATE_HZ)
        segments, _ = self._model.transcribe(
            samples, language="en", beam_size=1, temperature=0.0, without_timestamps=True,
            condition_on_previous_text=False,
        )  # fmt: skip
        return "".join(segment.text for segment in segments).strip()

    def close(self) -> None:
        """End the thread once it is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)
