"""A Whisper model that says what the caller's tone asks for: real code, made-up weights (no accuracy)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from loadtests.whisper_model import Sentence, build

RATE_HZ = 8000

#: Tone in Hz → what the model says of it.
BOOK, THANKS, SPANISH, HUM, LOOP, UNSURE = 400, 1000, 2500, 1600, 700, 3200
SENTENCES = (
    Sentence("can i see doctor patel on tuesday", BOOK),
    Sentence("no thank you", THANKS),
    Sentence("quiero una cita mañana", SPANISH, language="es"),
    Sentence("background music", HUM, probability=0.2, no_speech=0.97),
    Sentence("la li lu", LOOP, endless=True),
    Sentence("perhaps maybe", UNSURE, probability=0.4),
)


def speaking_model(folder: Path, *, multilingual: bool = True) -> Path:
    """Write the model (1 MB, 50 ms) into ``folder`` and return it."""
    return build(folder, SENTENCES, multilingual=multilingual)


def tone(hz: int, seconds: float = 1.2, *, amplitude: int = 8000) -> bytes:
    """8 kHz s16le samples of a sine."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes()
