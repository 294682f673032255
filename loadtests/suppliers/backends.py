"""What stands behind the suppliers' protocol: ears, a mind and a mouth, mocked or computing in full.

``suppliers.server`` speaks OpenAI's protocol to whoever asks and knows nothing of
how text comes about. The mocks are in ``suppliers.mocks``, engines that compute in
``loadtests.engines``. All three are shared by every call: an implementation serves
many at once and never blocks the event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

#: OpenAI's ``pcm``: s16le mono at this rate, Hz.
SPEECH_RATE_HZ = 24_000


class Ears(Protocol):
    """A recogniser of whole utterances."""

    async def text(self, pcm: bytes, rate_hz: int) -> str:
        """What was said in ``pcm`` (s16le mono at ``rate_hz``); "" when nothing was recognised."""
        ...


class Mind(Protocol):
    """A language model."""

    def tokens(self, messages: Sequence[Mapping[str, Any]]) -> AsyncIterator[str]:
        """The answer to a conversation, token by token: joined they are its text.

        Closing the iterator early (the client went away) withdraws the request.

        Args:
            messages: as of chat completions: ``role`` and ``content``, oldest first.
        """
        ...


class Mouth(Protocol):
    """A synthesiser. ``rate_hz``: of what it yields."""

    @property
    def rate_hz(self) -> int: ...

    def speech(self, text: str) -> AsyncIterator[bytes]:
        """Speech in pieces of s16le mono at ``rate_hz``, each a whole number of samples, as it is ready.

        Closing the iterator early (the caller interrupted) stops synthesis.
        """
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """The three together, and what they are in one line each; says "random weights" wherever that is so."""

    ears: Ears
    mind: Mind
    mouth: Mouth
    engines: tuple[str, ...] = ()
