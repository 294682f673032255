"""A synthesiser that hums: every word a tone of its own length, so that samples map to words."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import AsyncIterator

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ, Word
from voice_runtime.ports import Speech

_MS_A_LETTER = 60
_PERIOD = array("h", [round(4000 * math.sin(2 * math.pi * i / 20)) for i in range(20)])  # 400 Hz


class ToneSynthesiser:
    """Implements ``ports.Synthesiser``. ``failing`` may be changed mid-test; ``spoken``: so far."""

    name = "tone"

    def __init__(self) -> None:
        self.failing = False
        self.spoken: list[str] = []

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        if self.failing:
            raise ProviderError("told to fail", supplier=self.name)
        self.spoken.append(text)
        at = 0
        for found in re.finditer(r"\S+", text):
            samples = len(found.group()) * _MS_A_LETTER * RATE_HZ // 1000
            tone = (_PERIOD * (samples // len(_PERIOD) + 1))[:samples]
            yield Speech(tone.tobytes(), [Word(found.start(), found.end(), at)])
            at += samples
