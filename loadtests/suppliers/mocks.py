"""Mock suppliers: fixed delays by the clock, answers from a book, a voice of tones.

They compute next to nothing. Every delay counts from the moment a request is there,
to the same ms every time: what varies between runs is the runtime under test, not
its suppliers.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from loadtests.suppliers import tones
from loadtests.suppliers.answers import AnswerBook, normalised
from loadtests.suppliers.backends import SPEECH_RATE_HZ, Backend
from loadtests.suppliers.ears import Likeness
from voice_runtime.caller.speech import Spoken

#: Speech leaves in pieces of this length, ms.
_PIECE_MS = 100
#: Callers of one voice say a sentence alike, to the sample: so many sounds are compared once.
_MOST_KNOWN = 10_000


class Delays(BaseModel):
    """What the mocks take.

    Attributes:
        asr_ms: from an utterance to its text.
        first_token_ms: from a conversation to the first token of its answer.
        token_ms: from a token to the next.
        speech_ms: from a clause to its first samples.
        speech_speed: how much faster than real time the rest of them come.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    asr_ms: float = Field(default=100, ge=0, le=60_000)
    first_token_ms: float = Field(default=150, ge=0, le=60_000)
    token_ms: float = Field(default=10, ge=0, le=60_000)
    speech_ms: float = Field(default=80, ge=0, le=60_000)
    speech_speed: float = Field(default=40, gt=0, le=1000)

    @property
    def lines(self) -> tuple[str, ...]:
        """What answers, as results name it."""
        return (
            f"recogniser: mock, {self.asr_ms:g} ms",
            f"model: mock, first token {self.first_token_ms:g} ms, then every {self.token_ms:g} ms",
            f"voice: mock, first samples {self.speech_ms:g} ms, then {self.speech_speed:g} x real time",
        )


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _until(when: float) -> None:
    """Sleep to a time of the loop's clock; at once when it is past."""
    left = when - _now()
    if left > 0:
        await asyncio.sleep(left)


class MockEars:
    """Implements ``backends.Ears``."""

    def __init__(self, sentences: Iterable[Spoken], delays: Delays) -> None:
        self._likeness = Likeness(sentences)
        self._delays = delays
        self._known: dict[tuple[int, bytes], str] = {}

    async def text(self, pcm: bytes, rate_hz: int) -> str:
        due = _now() + self._delays.asr_ms / 1000
        sound = rate_hz, hashlib.blake2b(pcm, digest_size=16).digest()
        text = self._known.get(sound)
        if text is None:
            text = await asyncio.to_thread(self._likeness.text, pcm, rate_hz)
            if len(self._known) < _MOST_KNOWN:
                self._known[sound] = text
        await _until(due)
        return text


class MockMind:
    """Implements ``backends.Mind``: answers the last words of the user from a book."""

    def __init__(self, book: AnswerBook, delays: Delays) -> None:
        self._book = book
        self._delays = delays

    async def tokens(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
        begun = _now()
        answer = self._book.answer(last_words(messages))
        for n, token in enumerate(split(answer)):
            await _until(begun + (self._delays.first_token_ms + n * self._delays.token_ms) / 1000)
            yield token


class MockMouth:
    """Implements ``backends.Mouth``: the tone of the answer that a clause is part of."""

    def __init__(self, book: AnswerBook, delays: Delays, rate_hz: int = SPEECH_RATE_HZ) -> None:
        self._book = book
        self._delays = delays
        self.rate_hz = rate_hz

    async def speech(self, text: str) -> AsyncIterator[bytes]:
        begun = _now()
        pcm = tones.voice(text, self._book.id_of(text), self.rate_hz)
        piece = self.rate_hz * _PIECE_MS // 1000 * 2
        every_ms = _PIECE_MS / self._delays.speech_speed
        for n, at in enumerate(range(0, len(pcm), piece)):
            await _until(begun + (self._delays.speech_ms + n * every_ms) / 1000)
            yield pcm[at : at + piece]


def mock_backend(
    sentences: Iterable[Spoken],
    answers: Mapping[str, str],
    delays: Delays,
    speech_rate_hz: int = SPEECH_RATE_HZ,
) -> Backend:
    """All three, from a scenario.

    Args:
        sentences: every one the callers say, in every voice and rate.
        answers: what is said → what is answered.

    Raises:
        OperatorError: the answers cannot be told apart (``AnswerBook``).
    """
    book = AnswerBook(answers)
    return Backend(
        MockEars(sentences, delays),
        MockMind(book, delays),
        MockMouth(book, delays, speech_rate_hz),
        delays.lines,
    )


def breaks_on(sentences: Iterable[str]) -> Callable[[Sequence[Mapping[str, Any]]], bool]:
    """Whether a conversation ends with one of these: then the model is to fail."""
    ends = tuple(f" {normalised(sentence)}" for sentence in sentences)
    return lambda messages: f" {normalised(last_words(messages))}".endswith(ends)


def split(text: str) -> list[str]:
    """Text as tokens: words with the space before them, and signs; joined they are the text."""
    return re.findall(r"\s*[\w']+|\s*[^\w\s]|\s+", text)


def last_words(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the user said last, in all messages since the assistant spoke; "" when nothing."""
    said: list[str] = []
    for message in reversed(messages):
        if message.get("role") == "assistant":
            break
        if message.get("role") == "user":
            said.append(_plain(message.get("content")))
    return " ".join(reversed(said))


def _plain(content: object) -> str:
    """A message's content as text, whole or in parts."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
