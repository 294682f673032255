"""Audio for tests: synthetic voices through a telephone, and the noises callers make. 8 kHz s16le mono.

``say`` speaks through flite (Debian package of that name), resamples to 8 kHz
and passes the samples through G.711 µ-law, as a telephone would. Everything
else is numpy, seeded, the same on every run.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import wave
from functools import lru_cache
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

RATE_HZ = 8000
CHUNK_BYTES = 320

Samples = NDArray[np.int16]


async def said(text: str, voice: str = "slt", *, mulaw: bool = True, gain_db: float = 0.0) -> bytes:
    """As ``say``, beside the event loop: on a busy machine a process may take its time to begin."""
    return await asyncio.to_thread(say, text, voice, mulaw=mulaw, gain_db=gain_db)


@lru_cache(maxsize=256)
def say(text: str, voice: str = "slt", *, mulaw: bool = True, gain_db: float = 0.0) -> bytes:
    """Speak ``text`` with a flite voice (slt, rms, awb, kal), as heard over a telephone line.

    The silence flite puts around a sentence is cut off, so the first and the
    last sample are speech. Call ``needs_system("flite")`` first.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=30)
        with wave.open(str(path)) as file:
            rate = file.getframerate()
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    wide = samples.astype(np.float32) * 10 ** (gain_db / 20)
    narrow = soxr.resample(wide, rate, RATE_HZ, quality="HQ") if rate != RATE_HZ else wide
    pcm = trim(np.clip(narrow, -32768, 32767).astype(np.int16))
    return (mulaw_round_trip(pcm) if mulaw else pcm).tobytes()


def trim(samples: Samples, *, below: int = 150) -> Samples:
    """Cut what is quieter than ``below`` off both ends."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > below)
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def mulaw_round_trip(samples: Samples) -> Samples:
    """Encode to G.711 µ-law (ITU-T G.711) and back."""
    return mulaw_decode(mulaw_encode(samples))


def mulaw_encode(samples: Samples) -> NDArray[np.uint8]:
    """G.711 µ-law bytes of 16-bit samples."""
    wide = samples.astype(np.int32)
    sign = np.where(wide < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(wide), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    encoded: NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return encoded


def mulaw_decode(encoded: NDArray[np.uint8]) -> Samples:
    """16-bit samples of G.711 µ-law bytes."""
    u = ~encoded & 0xFF
    exponent = ((u >> 4) & 0x07).astype(np.int32)
    magnitude = (((u & 0x0F).astype(np.int32) << 3) + 132 << exponent) - 132
    return np.where(u & 0x80, -magnitude, magnitude).astype(np.int16)


def silence(ms: int) -> bytes:
    """Digital silence."""
    return bytes(ms * RATE_HZ // 1000 * 2)


def noise(ms: int, *, rms: float = 300.0, seed: int = 1) -> bytes:
    """White noise of the given RMS amplitude, through µ-law."""
    samples = np.random.default_rng(seed).normal(0.0, rms, ms * RATE_HZ // 1000)
    return mulaw_round_trip(np.clip(samples, -32768, 32767).astype(np.int16)).tobytes()


def with_noise(pcm: bytes, snr_db: float, *, seed: int = 2) -> bytes:
    """Add white noise at a signal-to-noise ratio over the whole of ``pcm``, in dB."""
    signal = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
    level = float(np.sqrt(np.mean(signal**2))) / 10 ** (snr_db / 20)
    mixed = signal + np.random.default_rng(seed).normal(0.0, level, len(signal))
    return mulaw_round_trip(np.clip(mixed, -32768, 32767).astype(np.int16)).tobytes()


def cough(*, bursts: int = 2, peak: float = 14000.0, seed: int = 3) -> bytes:
    """Short explosive bursts of coloured noise with a quick decay, 250 ms apart: like a cough, no words."""
    random = np.random.default_rng(seed)
    out = []
    for _ in range(bursts):
        n = 180 * RATE_HZ // 1000
        shape = np.exp(-np.arange(n) / (n / 5)) * np.minimum(1.0, np.arange(n) / 40)
        coloured = np.convolve(random.normal(0.0, 1.0, n), np.ones(4) / 4, mode="same")
        out += [coloured * shape * peak, np.zeros(70 * RATE_HZ // 1000)]
    samples = np.clip(np.concatenate(out), -32768, 32767).astype(np.int16)
    return mulaw_round_trip(samples).tobytes()


def chunks(pcm: bytes, size: int = CHUNK_BYTES) -> list[bytes]:
    """Cut into pieces of ``size`` bytes; the last is padded with silence."""
    padded = pcm + bytes(-len(pcm) % size)
    return [padded[i : i + size] for i in range(0, len(padded), size)]


def word_errors(expected: str, heard: str) -> tuple[int, int]:
    """Substitutions, insertions and deletions (Levenshtein over words), and the words expected."""
    want, got = expected.lower().split(), heard.lower().split()
    row = list(range(len(got) + 1))
    for i, word in enumerate(want, 1):
        before, row = row, [i]
        for j, other in enumerate(got, 1):
            row.append(min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other)))
    return row[-1], len(want)


def word_error_rate(pairs: list[tuple[str, str]]) -> float:
    """Word errors over words expected, for pairs of (expected, recognised)."""
    counted = [word_errors(*pair) for pair in pairs]
    return sum(e for e, _ in counted) / max(1, sum(n for _, n in counted))
