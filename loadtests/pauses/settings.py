"""What labelled pauses are measured with: the voices, the line's noise, what our policy is given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from controls.errors import OperatorError

#: Voices of flite and how fast each speaks (1.0 as recorded).
VOICES: dict[str, float] = {"slt": 1.0, "rms": 1.15, "awb": 0.9, "kal": 1.05}
#: Of the line: speech's mean power over that of the noise, dB.
SNR_DB = 30.0
#: How late our policy gets the true words, ms.
TEXT_MS = 150
#: Fixed silences that are compared, ms: a curve of cut-offs against delay that every policy has to beat.
FIXED_MS = (200, 400, 600, 800, 1000, 1500)
#: As an agent's file has it.
Patience = Literal["quick", "normal", "unhurried"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the verdicts depend on, beside the utterances.

    Attributes:
        voices: each says every utterance once, with pauses of another length.
        snr_db: of the line, dB.
        text_ms: how late our policy gets the words, ms.
        patience: of our policy.
    """

    voices: tuple[str, ...] = tuple(VOICES)
    snr_db: float = SNR_DB
    text_ms: int = TEXT_MS
    patience: Patience = "normal"

    def __post_init__(self) -> None:
        """Refuse what cannot be said or drawn.

        Raises:
            OperatorError: what is wrong, and what there is.
        """
        if not self.voices or set(self.voices) - set(VOICES):
            raise OperatorError(f"the voices are {', '.join(VOICES)}")
        if len(set(self.voices)) < len(self.voices):
            raise OperatorError("a voice that says everything twice adds nothing: name each once")
        if not math.isfinite(self.snr_db):
            raise OperatorError("the signal-to-noise ratio is a number of dB")
        if self.text_ms < 0:
            raise OperatorError("words cannot be known before they are said: --text-ms is 0 or more")
