"""The simulated caller's voice: flite, a program of its own, to 8 kHz µ-law with exact edges.

Also the sounds callers make that are not speech: a cough, a burst of noise.
"""

from __future__ import annotations

import asyncio
import io
import re
import tempfile
import wave
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from controls.errors import OperatorError
from voice_runtime.caller import audible
from voice_runtime.events import RATE_HZ

#: Voices of Debian's flite; the path of a .flitevox file will do as well.
VOICES = ("slt", "awb", "rms", "kal", "kal16", "awb_time")
#: Silence kept around speech, samples (10 ms).
_MARGIN = RATE_HZ // 100
#: Peak of a caller's voice, of full scale.
LEVEL = 0.5
_TIMEOUT_S = 30.0
_LONGEST_TEXT = 2000
_KEPT = 500

#: flite's dictionary spells hums out, letter by letter; these are their phones.
_HUMS = {
    "mhmm": "m m hh m m",
    "mhm": "m hh m m",
    "mm hmm": "m m hh m m",
    "mm hm": "m m hh m",
    "hmm": "hh m m m",
    "hm": "hh m m",
    "mm": "m m m",
    "mmm": "m m m m",
}

Sound = Literal["cough", "noise", "tone"]


class FliteMissing(OperatorError):
    """The program ``flite`` is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "the simulated caller needs flite: run 'make system-deps' (or apt-get install flite)"
        )


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sound a caller makes.

    Attributes:
        ulaw: µ-law at 8 kHz, one byte a sample.
        first, last: indices of the first and last audible sample.
        text: its words, "" for a noise.
    """

    ulaw: bytes
    first: int
    last: int
    text: str = ""

    @property
    def duration_s(self) -> float:
        return len(self.ulaw) / RATE_HZ


class Flite:
    """One flite voice; sentences are synthesised once and kept.

    Args:
        voice: one of ``VOICES``.
        rate: 1.0 as recorded, 1.25 a quarter faster.
        level: peak, of 1.0 full scale; ``LEVEL`` is what recordings were made at.

    Raises:
        OperatorError: rate or level out of range.
    """

    def __init__(self, voice: str = "slt", *, rate: float = 1.0, level: float = LEVEL) -> None:
        if not 0.4 <= rate <= 2.5 or not 0.01 <= level <= 1.0:
            raise OperatorError("a caller's rate is 0.4 to 2.5, its level 0.01 to 1.0")
        if voice not in VOICES and not voice.endswith(".flitevox"):
            raise OperatorError(f"flite has the voices {', '.join(VOICES)}, or the path of a .flitevox file")
        self.voice = voice
        self.rate, self.level = rate, level
        self._kept: OrderedDict[str, Spoken] = OrderedDict()

    async def say(self, text: str) -> Spoken:
        """Synthesise ``text``, trimmed to 10 ms of silence on either side.

        Raises:
            FliteMissing: there is no flite.
            OperatorError: the text is empty or too long, or flite cannot speak it.
        """
        if text in self._kept:
            self._kept.move_to_end(text)
            return self._kept[text]
        if not text.strip() or len(text) > _LONGEST_TEXT or "\0" in text:
            raise OperatorError("a caller's sentence needs 1 to 2000 characters")
        samples, rate = _read_wave(await self._synthesise(text))
        spoken = await asyncio.to_thread(_finish, samples, rate, self.level, text)
        self._kept[text] = spoken
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return spoken

    async def _synthesise(self, text: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="sayso-caller-") as folder:
            out = Path(folder) / "speech.wav"
            command = ["flite", "-voice", self.voice, "--setf", f"duration_stretch={1 / self.rate:.3f}"]
            hum = _HUMS.get(" ".join(re.findall(r"[a-z]+", text.lower())))
            words = ["-p", f"pau {hum} pau"] if hum else ["-t", f" {text}"]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command, *words, "-o", str(out),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
            except FileNotFoundError:
                raise FliteMissing from None
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    code = await process.wait()
            except BaseException:
                with suppress(ProcessLookupError):  # it has ended: uvloop says so
                    process.kill()
                await process.wait()
                raise
            if code or not out.exists():
                raise OperatorError(f"flite could not speak with the voice '{self.voice}' (exit code {code})")
            return out.read_bytes()


def _read_wave(data: bytes) -> tuple[NDArray[np.int16], int]:
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2 or file.getnchannels() != 1:
                raise OperatorError("flite gave something other than 16-bit mono")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2"), file.getframerate()
    except (wave.Error, EOFError) as error:
        raise OperatorError(f"flite gave no wave file: {error}") from error


def _finish(samples: NDArray[np.int16], rate: int, level: float, text: str) -> Spoken:
    signal = samples.astype(np.float32)
    if rate != RATE_HZ:
        signal = np.asarray(soxr.resample(signal, rate, RATE_HZ), dtype=np.float32)
    peak = float(np.max(np.abs(signal), initial=0.0))
    if peak:
        signal = signal * (level * 32767 / peak)
    spoken = _spoken(signal, text)
    if spoken is None:
        raise OperatorError("flite gave nothing audible")
    return spoken


def _spoken(signal: NDArray[np.float32], text: str) -> Spoken | None:
    """Clip to 16 bits, trim, and measure the edges on what µ-law leaves of it."""
    pcm = np.clip(np.rint(signal), -32768, 32767).astype("<i2")
    edges = audible.bounds(audible.to_pcm(audible.to_ulaw(pcm.tobytes())))
    if edges is None:
        return None
    ulaw = audible.to_ulaw(pcm[max(0, edges[0] - _MARGIN) : edges[1] + 1 + _MARGIN].tobytes())
    final = audible.bounds(audible.to_pcm(ulaw))
    if final is None:
        return None
    return Spoken(ulaw, final[0], final[1], text)


def sound(kind: Sound, duration_s: float, *, level: float = 0.3, seed: int = 0) -> Spoken:
    """A noise: the same samples for the same arguments.

    ``cough`` is a burst of low-passed noise with a sharp start and a decay,
    ``noise`` is steady and white, ``tone`` is 440 Hz.

    Raises:
        OperatorError: too short, too long, or too soft to be audible.
    """
    if not 0.02 <= duration_s <= 60:
        raise OperatorError("a sound lasts 0.02 to 60 s")
    count = int(duration_s * RATE_HZ)
    rng = np.random.default_rng(seed)
    time = np.arange(count) / RATE_HZ
    if kind == "tone":
        signal = np.sin(2 * np.pi * 440 * time)
    else:
        signal = rng.uniform(-1, 1, count)
    if kind == "cough":
        signal = np.convolve(signal, np.ones(4) / 4, mode="same")
        signal *= np.exp(-time / (duration_s / 4)) * np.minimum(1, time / 0.008)
        signal /= max(1e-9, float(np.max(np.abs(signal))))
    spoken = _spoken((signal * level * 32767).astype(np.float32), "")
    if spoken is None:
        raise OperatorError("that sound would not be audible")
    return spoken
