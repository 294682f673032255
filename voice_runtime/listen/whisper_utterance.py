"""One utterance for Whisper: decoded again while the caller speaks, and ahead of the end where they pause.

Whisper reads an utterance whole, so a partial text is a decoding of all there is so
far, and costs as much as a final one. Two kinds of such decodings are made ahead,
never two at a time for one utterance:

- *rolling*, while the caller speaks: for the turn policy (words that interrupt,
  words that may not wait). Only where a worker has nothing else to do, and at most a
  quarter of the time, so a slow machine makes fewer of them;
- *trailing*, as soon as the caller has been silent for ``TAIL_MS``: most likely that
  is the end, and the ear asks for the final text 80 ms later. It waits behind final
  ones, and goes ahead of rolling ones.

The final text is that of the newest decoding when it covers all speech and ``TAIL_MS``
behind it: decoding the same words once more would only tell the same. Otherwise it is
decoded anew. What was asked for ahead and is no longer wanted is withdrawn.

Positions are bytes of the utterance, so everything here is counted in media time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from controls.errors import InternalError
from voice_runtime.events import RATE_HZ
from voice_runtime.listen.whisper_audio import LONGEST_WINDOW_S, worth_recognising
from voice_runtime.listen.whisper_prompt import Prompt
from voice_runtime.listen.whisper_text import Decoded, judge
from voice_runtime.ports import Recognition

_PER_MS = 2 * RATE_HZ // 1000
#: Samples an utterance keeps, in bytes: 120 s at 8 kHz. What comes after is not recognised.
_MOST_BYTES = 120_000 * _PER_MS
#: Silence behind the last speech that a text needs to count as whole: the quiet end of a word is within it.
TAIL_MS = 120
_TAIL_BYTES = TAIL_MS * _PER_MS
#: Nothing longer than one window is decoded ahead: its end alone would be no final text.
_AHEAD_BYTES = round(LONGEST_WINDOW_S * 1000) * _PER_MS
#: After a rolling decoding that took so long, this many times as long without one.
_REST = 3
#: When there was no room for one, the next attempt comes after so much more audio.
_AGAIN_BYTES = 100 * _PER_MS


class Decoding(Protocol):
    """What an utterance needs of its engine (``listen.whisper.WhisperRecogniser``)."""

    def ahead(
        self, pcm: bytes | bytearray, prompt: Prompt, *, likely: bool
    ) -> asyncio.Future[Decoded] | None:
        """Decode a copy before the end, most likely the end or not; None when there is no room now."""
        ...

    def withdraw(self, ahead: asyncio.Future[Decoded]) -> None:
        """It is no longer wanted; what is being computed goes on."""
        ...

    async def recognise(
        self, pcm: bytes, prompt: Prompt, ahead: asyncio.Future[Decoded] | None
    ) -> Recognition:
        """The final text; of ``ahead``, where that comes to one."""
        ...


class WhisperUtterance:
    """One utterance (``ports.Utterance``). Made by ``WhisperRecogniser.open``.

    It holds no place in any pool but while it is being decoded: only its samples, 16 kB a second.
    """

    def __init__(self, engine: Decoding, prompt: Prompt, *, every_ms: int) -> None:
        """Begin one.

        Args:
            every_ms: least speech between rolling decodings; 0 makes none.
        """
        self._engine = engine
        self._prompt = prompt
        self._every_bytes = every_ms * _PER_MS
        self._pcm = bytearray()
        self._spoken = 0  # where the newest speech ends
        self._next = 2 * self._every_bytes  # where the next rolling decoding may begin; pre-roll is no speech
        self._ahead: asyncio.Future[Decoded] | None = None
        self._asked_to = 0  # where the newest one that was asked for ends
        self._likely = False  # that one is trailing
        self._text = Recognition("", 0.0)
        self._text_to = 0  # how far the newest text goes
        self._finished = False

    @property
    def partial(self) -> str:
        """The text of the newest decoding; "" before the first."""
        return self._text.text

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        if self._finished or len(self._pcm) >= _MOST_BYTES:
            return
        self._pcm += pcm
        end = len(self._pcm)
        if speech:
            self._spoken = end
            if self._ahead is not None and self._likely:
                self._engine.withdraw(self._ahead)  # it was not the end
        if self._ahead is None and end <= _AHEAD_BYTES:
            self._decode_ahead(end)

    async def finish(self) -> Recognition:
        if self._finished:
            raise InternalError("an utterance is finished once, and not after it was cancelled")
        self._finished = True
        pcm, self._pcm = bytes(self._pcm), bytearray()
        ahead, self._ahead = self._ahead, None
        whole = self._spoken + _TAIL_BYTES
        if ahead is None and self._text_to >= whole and worth_recognising(pcm):
            return self._text
        if ahead is not None and self._asked_to < whole:
            ahead.cancel()  # superseded
            ahead = None
        return await self._engine.recognise(pcm, self._prompt, ahead)

    def cancel(self) -> None:
        self._finished = True
        self._pcm = bytearray()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()

    # -- ahead of the end -------------------------------------------------------------------------

    def _decode_ahead(self, end: int) -> None:
        likely = end - self._spoken >= _TAIL_BYTES
        if likely:
            wanted = self._asked_to < self._spoken + _TAIL_BYTES  # once, whatever becomes of it
        else:
            wanted = bool(self._every_bytes) and end >= self._next
        if not wanted:
            return
        ahead = self._engine.ahead(self._pcm, self._prompt, likely=likely)
        if ahead is None:
            self._next = max(self._next, end + _AGAIN_BYTES)
            return
        self._ahead, self._asked_to, self._likely = ahead, end, likely
        ahead.add_done_callback(self._decoded)

    def _decoded(self, ahead: asyncio.Future[Decoded]) -> None:
        wanted = ahead is self._ahead
        if wanted:
            self._ahead = None
        if ahead.cancelled() or ahead.exception() is not None or not wanted:
            return
        self._text, self._text_to = judge([ahead.result()], self._prompt.terms), self._asked_to
        took = len(self._pcm) - self._asked_to
        self._next = max(self._asked_to + self._every_bytes, len(self._pcm) + _REST * took)
