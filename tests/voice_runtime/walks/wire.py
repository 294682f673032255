"""What was on the wire, whatever the pipeline says of it: the samples themselves say whose words they are.

Every 20 ms of the walks' voice carry a number for the words and which chunk of them it is. Whoever looks at
the wire (or at what the screen took) reads both back, and needs no stage's word for what sounded.
"""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from pipecat.frames.frames import Frame, OutputAudioRawFrame

from controls.errors import ProviderError
from tests.simulators.tone import ToneSynthesiser
from voice_runtime.events import CHUNK_BYTES, Word
from voice_runtime.ports import Speech
from voice_runtime.typed import TypedCarrier

_MARK = b"wire"
_CHUNKS_A_LETTER = 3
_HEAD = struct.Struct("<4sII")


class MarkedVoice(ToneSynthesiser):
    """Implements ``ports.Synthesiser``: as long as the humming voice, and readable."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers: dict[str, int] = {}
        self._chunks: dict[str, int] = {}

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        if self.failing:
            raise ProviderError("told to fail", supplier=self.name)
        self.spoken.append(text)
        number = self._numbers.setdefault(text, len(self._numbers))
        at = place = 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            chunks = len(word) * _CHUNKS_A_LETTER
            pcm = b"".join(
                _HEAD.pack(_MARK, number, place + n).ljust(CHUNK_BYTES, b"\x01") for n in range(chunks)
            )
            yield Speech(pcm, [Word(start, at, place * CHUNK_BYTES // 2)])
            place += chunks
        self._chunks[text] = place

    def read(self, chunk: bytes) -> tuple[str | None, int]:
        """Whose words 20 ms of sound are, and which chunk of them; None: nobody synthesised that."""
        mark, number, place = _HEAD.unpack_from(chunk.ljust(CHUNK_BYTES, b"\0"))
        words = {n: text for text, n in self._numbers.items()}
        return (words.get(number), place) if mark == _MARK else (None, 0)

    def chunks(self, text: str) -> int:
        """How many there are of these words."""
        return self._chunks.get(text, 0)


@dataclass(frozen=True, slots=True)
class Sounded:
    """20 ms on the wire.

    Attributes:
        text: whose words; None is sound that no voice made.
        place: which chunk of them.
        durable: records that were in the log when it was sent.
    """

    text: str | None
    place: int
    durable: int


class TappedCarrier(TypedCarrier):
    """A typed call with a tap on the wire: what egress sent, and what the caller's screen took."""

    def __init__(self, voice: MarkedVoice, durable: Callable[[], int]) -> None:
        super().__init__()
        self._voice, self._durable = voice, durable
        self.sent: list[Sounded] = []
        self.taken: list[Sounded] = []

    def shown(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            self.sent += self._read(frame)
        super().shown(frame)

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            self.taken += self._read(frame)
        super()._take(frame)

    def _read(self, frame: OutputAudioRawFrame) -> list[Sounded]:
        durable = self._durable()
        chunks = (frame.audio[at : at + CHUNK_BYTES] for at in range(0, len(frame.audio), CHUNK_BYTES))
        return [Sounded(*self._voice.read(chunk), durable) for chunk in chunks if any(chunk)]
