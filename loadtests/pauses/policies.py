"""What a turn policy is here, and the simplest one: so much silence ends the turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from loadtests.pauses.lines import Line
from voice_runtime.events import CHUNK_MS


class Listener(Protocol):
    """One policy on one line. Media time: it knows of nothing but the chunks it was given."""

    async def chunk(self, pcm: bytes) -> str:
        """Take the next 20 ms (8 kHz s16le): why the turn ends with it, "" while it goes on.

        Afterwards it listens for the next turn.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class Policy(Protocol):
    """A turn policy, for any number of lines one after another."""

    name: str

    def listen(self, line: Line) -> Listener:
        """Begin on a line. Its words may be used as a recogniser's text would; its labels may not."""
        ...


class FixedSilence:
    """So much silence ends the turn, whatever was said.

    Args:
        silence_ms: from the end of the last speech, a multiple of 20.
        speech_of: which chunks of a line are speech; a voice detector judges ahead of time what
            it would judge chunk by chunk.
        start_ms: speech that begins a turn.
    """

    def __init__(
        self, silence_ms: int, speech_of: Callable[[Line], Sequence[bool]], *, start_ms: int = 80
    ) -> None:
        self.name = f"silence {silence_ms} ms"
        self._silence_ms = silence_ms
        self._start_ms = start_ms
        self._speech_of = speech_of

    def listen(self, line: Line) -> Listener:
        return _Silence(self._speech_of(line), self._silence_ms, self._start_ms)


class _Silence:
    def __init__(self, speech: Sequence[bool], silence_ms: int, start_ms: int) -> None:
        self._speech = iter(speech)
        self._silence_ms, self._start_ms = silence_ms, start_ms
        self._spoken_ms = self._silent_ms = 0
        self._open = False

    async def chunk(self, pcm: bytes) -> str:
        if next(self._speech):
            self._spoken_ms, self._silent_ms = self._spoken_ms + CHUNK_MS, 0
            self._open = self._open or self._spoken_ms >= self._start_ms
            return ""
        self._spoken_ms, self._silent_ms = 0, self._silent_ms + CHUNK_MS
        ended = self._open and self._silent_ms >= self._silence_ms
        self._open = self._open and not ended
        return f"{self._silence_ms} ms of silence" if ended else ""

    async def close(self) -> None:
        """Nothing to give back."""
