"""Arrays where the engine computes: NumPy on a CPU, CuPy on CUDA, and random weights of any size for either.

CuPy has NumPy's interface, so what is tested on a CPU is what runs on a GPU
(https://docs.cupy.dev/en/stable/user_guide/basic.html). NumPy computes in float32
(no processor here multiplies float16 matrices fast), CuPy in float16, two bytes a
weight as published models are served.
"""

from __future__ import annotations

import importlib
import math
from typing import Any, Literal

import numpy as np

from controls.errors import OperatorError

Device = Literal["cpu", "cuda"]
#: Random numbers that every matrix is cut from, each from a place of its own. A prime: rows never line up.
_POOL = 8_388_593


class Arrays:
    """The array module of a device, as ``xp``, and its weights' type.

    Attributes:
        xp: numpy, or cupy.
        name: what computes, with its version.
    """

    def __init__(self, device: Device, *, seed: int = 1) -> None:
        """Open the device.

        Raises:
            OperatorError: there is no CuPy, or it finds no CUDA device.
        """
        self.device = device
        self.xp: Any = np if device == "cpu" else _cupy()
        self.dtype = np.dtype(np.float32 if device == "cpu" else np.float16)
        self.name = f"{'NumPy' if device == 'cpu' else 'CuPy'} {self.xp.__version__}"
        self._pool: Any = None
        self._seed, self._at = seed, 0

    def random(self, rows: int, columns: int, scale: float = 1.0) -> Any:
        """A matrix of normal random numbers with deviation ``scale`` / √rows, without a copy on the host.

        One pool of 8 million numbers (17 MB in float16) is made once; a matrix is written on the device in
        pieces of it. What a product costs, time and power, is that of numbers that are all different.
        """
        if self._pool is None:
            numbers = np.random.default_rng(self._seed).standard_normal(_POOL, dtype=np.float32)
            self._pool = self.xp.asarray(numbers.astype(self.dtype))
        flat = self.xp.empty(rows * columns, self.dtype)
        done = 0
        while done < flat.size:
            self._at = (self._at + 1_000_003) % (_POOL - 1)
            piece = self._pool[self._at : self._at + flat.size - done]
            flat[done : done + piece.size] = piece
            done += piece.size
        flat *= scale / math.sqrt(rows)
        return flat.reshape(rows, columns)

    def free_bytes(self) -> int | None:
        """Free memory of the device; None where it is the processor's own."""
        return None if self.device == "cpu" else int(self.xp.cuda.runtime.memGetInfo()[0])

    def on_host(self, array: Any) -> np.ndarray[Any, Any]:
        """A copy for the processor, once everything before it is computed."""
        return np.asarray(array if self.device == "cpu" else array.get())


def _cupy() -> Any:
    try:
        cupy = importlib.import_module("cupy")
        found = int(cupy.cuda.runtime.getDeviceCount())
    except ImportError as error:
        raise OperatorError(
            "the stand-in for the language model needs CuPy on CUDA: pip install cupy-cuda13x (cupy-cuda12x "
            "with a CUDA 12 driver), or install vllm, or write --device cpu"
        ) from error
    except Exception as error:  # cupy_backends.cuda.api.runtime.CUDARuntimeError, which is no public name
        raise OperatorError(
            f"CuPy finds no CUDA device ({type(error).__name__}): write --device cpu"
        ) from error
    if not found:
        raise OperatorError("CuPy finds no CUDA device: write --device cpu")
    return cupy
