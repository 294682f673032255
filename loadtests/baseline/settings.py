"""What a bare pipecat server is told when it is started."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

#: Silence after which pipecat's VAD says that speech has ended, ms: its own default, and what its
#: documentation asks to leave alone.
VAD_STOP_MS = 200


class BaselineSettings(BaseModel):
    """Attributes of the server.

    Attributes:
        name: ``defaults`` (Smart Turn v3) or ``equal_silence`` (a fixed silence ends a turn).
        suppliers: base address of recogniser, model and voice, up to and including ``/v1``.
        greeting: spoken when a caller is there; "" says nothing.
        silence_ms: of ``equal_silence``: end of speech to end of turn, the VAD's stop included.
        notes: JSON-lines file, one line for each call that is over.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["defaults", "equal_silence"]
    suppliers: str
    greeting: str = ""
    instruction: str = "You answer a clinic's telephone. Your words are spoken: no lists, no markup."
    silence_ms: int = Field(default=VAD_STOP_MS, ge=VAD_STOP_MS, le=5000)
    notes: Path
