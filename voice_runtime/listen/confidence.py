"""How sure a supplier was of its text, from the shapes in which suppliers say so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

#: For suppliers that do not say. Above what the ear asks again for, and visibly no measurement.
ASSUMED = 0.75


def from_log_probabilities(values: Iterable[Any]) -> float | None:
    """The geometric mean of probabilities given as natural logarithms, 0 to 1; None without any."""
    found = [min(0.0, float(v)) for v in values if isinstance(v, int | float) and math.isfinite(v)]
    return math.exp(sum(found) / len(found)) if found else None


def confidence_of(result: Any) -> float | None:
    """Read a supplier's raw result, object or mapping; None when it says nothing of the kind.

    Understood: Whisper's ``segments[].avg_logprob``, OpenAI's ``logprobs[].logprob``,
    ``channel.alternatives[0].confidence`` (Deepgram), ``confidence`` at the top, and
    ``confidence`` of words or tokens (Soniox, ElevenLabs and kin), whose mean is taken.
    """
    if isinstance(result, Sequence) and not isinstance(result, str | bytes):
        return _mean(_get(part, "confidence") for part in result)
    for name, inner in (("segments", "avg_logprob"), ("logprobs", "logprob")):
        parts = _get(result, name)
        if isinstance(parts, Sequence) and not isinstance(parts, str | bytes):
            found = from_log_probabilities(_get(part, inner) for part in parts)
            if found is not None:
                return found
    alternatives = _get(_get(result, "channel"), "alternatives")
    best = alternatives[0] if isinstance(alternatives, Sequence) and alternatives else None
    for holder in (best, result):
        found = _mean([_get(holder, "confidence")])
        if found is not None:
            return found
    for name in ("words", "tokens"):
        parts = _get(result, name)
        if isinstance(parts, Sequence) and not isinstance(parts, str | bytes):
            return _mean(_get(part, "confidence") for part in parts)
    return None


def _get(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, dict) else getattr(of, name, None)


def _mean(values: Iterable[Any]) -> float | None:
    found = [
        min(1.0, max(0.0, float(v)))
        for v in values
        if isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v)
    ]
    return sum(found) / len(found) if found else None
