"""What a decoding is worth: text, confidence, and texts that nobody said. Pure.

Whisper writes something for any sound: the guard here drops what its own
numbers disown. The thresholds are the published ones (OpenAI's ``transcribe.py``:
``no_speech_threshold`` 0.6, ``logprob_threshold`` -1.0,
``compression_ratio_threshold`` 2.4); where stock Whisper would sample again at a
higher temperature, this gives up, because a caller is waiting.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from voice_runtime.ports import Recognition

NO_SPEECH, LEAST_LOG_PROBABILITY, MOST_COMPRESSION = 0.6, -1.0, 2.4
#: Terms of the prompt in a row, in the prompt's own order: an echo of the prompt, not speech.
_ECHOED_TERMS = 3
#: A decoding that its token limit ended did not come to an end by itself: it is believed half as much.
_CONFIDENCE_OF_CUT = 0.5


@dataclass(frozen=True, slots=True)
class Decoded:
    """What the model made of one window.

    Attributes:
        tokens: of the text, end-of-text not among them.
        log_probability: mean over these tokens and the end of text, natural logarithm, at most 0.
        no_speech: the model's probability that nobody spoke, 0 to 1.
        cut: the token limit ended it, not the model.
        language: as detected (``es``); "" when it was not asked.
    """

    tokens: tuple[int, ...]
    text: str
    log_probability: float
    no_speech: float
    cut: bool = False
    language: str = ""


def confidence(log_probability: float, no_speech: float) -> float:
    """0 to 1: the geometric mean of the tokens' probabilities, less what speaks for silence.

    ``exp(mean log-probability) × (1 - no_speech / 2)``. Rises with the first,
    falls with the second. Silence can at most halve it: a probable text is
    believed although the model thought nobody spoke, as stock Whisper does. The
    published limit of -1.0 comes out at 0.37, under the 0.4 that the ear acts on.
    """
    mean = math.exp(min(0.0, log_probability)) if not math.isnan(log_probability) else 0.0
    return mean * (1.0 - min(1.0, max(0.0, no_speech)) / 2.0)


def compression_ratio(text: str) -> float:
    """Bytes over bytes deflated: above 2.4 a text repeats itself."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def echoes(text: str, terms: Sequence[str]) -> bool:
    """Whether a text is the prompt read aloud: three or more of its terms in its order, and nothing else."""
    said, at = _words(text), 0
    listed = [_words(term) for term in terms]
    for first in range(len(listed)):
        at = count = 0
        for term in listed[first:]:
            if said[at : at + len(term)] != term:
                break
            at += len(term)
            count += 1
        if count >= _ECHOED_TERMS and at == len(said):
            return True
    return False


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’][^\W_]+)*", text.lower())


def judge(decoded: Sequence[Decoded], terms: Sequence[str]) -> Recognition:
    """One utterance of the windows it was cut into; what nobody said is left out.

    Args:
        terms: the hotwords of the prompt.
    """
    kept = [d for d in decoded if _was_said(d, terms)]
    if not kept:
        return Recognition("", 0.0, language=_language(decoded))
    weights = [max(1, len(d.tokens)) for d in kept]
    worth = [
        confidence(d.log_probability, d.no_speech) * (_CONFIDENCE_OF_CUT if d.cut else 1.0) for d in kept
    ]
    mean = sum(w * c for w, c in zip(weights, worth, strict=True)) / sum(weights)
    return Recognition(" ".join(d.text for d in kept), min(1.0, mean), language=_language(kept))


def _was_said(decoded: Decoded, terms: Sequence[str]) -> bool:
    if not _words(decoded.text):
        return False
    if decoded.no_speech > NO_SPEECH and decoded.log_probability < LEAST_LOG_PROBABILITY:
        return False
    return compression_ratio(decoded.text) <= MOST_COMPRESSION and not echoes(decoded.text, terms)


def _language(decoded: Sequence[Decoded]) -> str:
    """What most tokens were said in."""
    counts: dict[str, int] = {}
    for d in decoded:
        counts[d.language] = counts.get(d.language, 0) + max(1, len(d.tokens))
    return max(counts, key=lambda code: counts[code]) if counts else ""
