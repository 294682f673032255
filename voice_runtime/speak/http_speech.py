"""Voices behind one HTTP request per clause: what the servers' protocols have in common.

The answer is taken as it streams, raw s16le samples or a WAV file, and leaves at
8 kHz. Closing the generator (an interruption) closes the connection, which is
how such a server is told to stop; no other clause shares it, so nothing of one
clause can reach another.
"""

from __future__ import annotations

import asyncio
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import httpx2

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ
from voice_runtime.ports import Speech
from voice_runtime.resample import StreamResampler
from voice_runtime.speak.supplier_voice import LONGEST_S, VoiceNames, plain_text
from voice_runtime.supplier_http import http_client, refusal, touch, translated

_T = TypeVar("_T")

#: Largest piece handed on, bytes at 8 kHz: half a second.
_PIECE_BYTES = RATE_HZ
#: Once an engine is so far ahead of what can be played, s (more than the carrier is sent ahead of time), what
#: comes within the second figure, s, is taken together: each look costs a tenth of a millisecond, and fast
#: engines send hundreds of pieces a second.
_AHEAD_S, _REST_S = 0.2, 0.02
#: A WAV header beyond this is none.
_MOST_HEADER_BYTES = 4096
#: Media types of error pages: a gateway sends them with status 200, too, and as samples they are noise.
_NO_SPEECH = ("text/", "application/json", "application/problem", "application/xml", "application/xhtml")


class HttpSpeech(ABC):
    """Implements ``ports.Synthesiser``; a protocol says what is posted where. ``start`` before use."""

    #: Path below the address of a list: no synthesis, so nothing is charged for it.
    free = "models"

    def __init__(
        self,
        name: str,
        *,
        base_url: str,
        names: VoiceNames,
        rate_hz: int,
        outside: bool = True,
        api_key: str = "",
        deadline_s: float = 2.0,
        between_s: float = 2.0,
        most: int = 64,
    ) -> None:
        """Prepare; opens no connection.

        Args:
            name: the supplier's, on record.
            names: our voices and the supplier's.
            rate_hz: sample rate of answers that do not say it themselves.
            outside: the server is beyond this host.
            deadline_s: from asking to the first samples.
            between_s: from one piece to the next.
            most: clauses at a time; more are refused at once.
        """
        self.name = name
        self._base_url = base_url.rstrip("/")
        self._names = names
        self._rate_hz = rate_hz
        self._outside, self._api_key = outside, api_key
        self._deadline_s, self._between_s = deadline_s, between_s
        self._most, self._speaking = most, 0
        self._client: httpx2.AsyncClient | None = None
        self._used_s = -math.inf

    async def start(self) -> None:
        """Make the client; opens no connection."""
        self._client = http_client(
            outside=self._outside,
            deadline_s=max(self._deadline_s, self._between_s),
            api_key=self._api_key,
        )

    async def close(self) -> None:
        """Close every connection; clauses under way fail. Harmless when repeated."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def warm(self, outside_idle_s: float = 0.0, inside_idle_s: float = 0.0) -> None:
        """Open a connection, or use the one there is (``warmth.Warmable``)."""
        now_s, client = asyncio.get_running_loop().time(), self._client
        if client is None or self._speaking:
            return
        if now_s - self._used_s >= (outside_idle_s if self._outside else inside_idle_s):
            self._used_s = now_s
            await touch(client, f"{self._base_url}/{self.free}", self.name)

    @abstractmethod
    def request(self, client: httpx2.AsyncClient, text: str, voice: str, language: str) -> httpx2.Request:
        """The request for a clause. ``voice`` is the supplier's own name, "" for its only one."""

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        """Yield speech in pieces of at most half a second, without word times.

        Raises:
            ProviderError: see ``ports.Synthesiser``.
        """
        client = self._client
        if client is None:
            raise ProviderError("is not running", supplier=self.name)
        if self._speaking >= self._most:
            raise ProviderError("too many clauses at a time", supplier=self.name)
        plain = plain_text(text, self.name)
        request = self.request(client, plain, self._names.of(voice, language, self.name), language)
        loop = asyncio.get_running_loop()
        due = loop.time() + self._deadline_s
        self._speaking += 1
        response: httpx2.Response | None = None
        try:
            response = await self._within(due, client.send(request, stream=True))
            if response.status_code != 200:
                raise refusal(response.status_code, self.name)
            if response.headers.get("content-type", "").startswith(_NO_SPEECH):
                raise ProviderError("answered with what is no speech", supplier=self.name)
            body = _Body(self.name, self._rate_hz)
            pieces = response.aiter_bytes()
            began = 0.0
            while (received := await self._within(due, anext(pieces, None))) is not None:
                for speech in _cut(body.take(received)):
                    yield speech
                    began = began or loop.time()
                    due = loop.time() + self._between_s
                if began and began + body.seconds - loop.time() >= _AHEAD_S:
                    await asyncio.sleep(_REST_S)
            for speech in _cut(body.end()):
                yield speech
        finally:
            self._speaking -= 1
            self._used_s = loop.time()
            if response is not None:
                await response.aclose()

    async def _within(self, due: float, work: Awaitable[_T]) -> _T:
        try:
            async with asyncio.timeout_at(due):
                return await work
        except (httpx2.HTTPError, httpx2.StreamError, OSError, ValueError, RuntimeError) as error:
            raise translated(error, self.name) from None


def _cut(pcm: bytes) -> list[Speech]:
    return [Speech(pcm[at : at + _PIECE_BYTES]) for at in range(0, len(pcm), _PIECE_BYTES)]


class _Body:
    """An answer's bytes to 8 kHz samples: raw ones, or those of a WAV file."""

    def __init__(self, supplier: str, rate_hz: int) -> None:
        self._supplier = supplier
        self._rate_hz = rate_hz
        self._head: bytearray | None = bytearray()
        self._resampler: StreamResampler | None = None
        #: Bytes of samples that a WAV file still has; None: to the end of the answer.
        self._left: int | None = None
        self._samples = 0

    @property
    def seconds(self) -> float:
        """How long what has come so far lasts, s."""
        return self._samples / RATE_HZ

    def take(self, received: bytes) -> bytes:
        if self._head is not None:
            self._head += received
            found = self._samples_begin(bytes(self._head))
            if found is None:
                return b""
            received, self._head = found, None
        if self._left is not None:
            received = received[: self._left]
            self._left -= len(received)
        if self._resampler is None:
            self._resampler = StreamResampler(self._rate_hz, RATE_HZ)
        return self._count(self._resampler.take(received))

    def end(self) -> bytes:
        """The answer is whole: the last samples.

        Raises:
            ProviderError: it held none.
        """
        rest = self._count(self._resampler.flush()) if self._resampler is not None else b""
        if not self._samples:
            raise ProviderError("answered without a sample", supplier=self._supplier)
        return rest

    def _count(self, pcm: bytes) -> bytes:
        self._samples += len(pcm) // 2
        if self._samples > LONGEST_S * RATE_HZ:
            raise ProviderError("its answer does not end", supplier=self._supplier)
        return pcm

    def _samples_begin(self, head: bytes) -> bytes | None:
        """What follows the header, or None while it is incomplete."""
        if len(head) < 4 and b"RIFF".startswith(head):
            return None
        if not head.startswith(b"RIFF"):
            return head
        at = 12
        while at + 8 <= len(head):
            kind, length = struct.unpack_from("<4sI", head, at)
            if kind == b"data":
                # Servers that stream write 0 or the largest number for a length they don't know yet.
                self._left = length if 0 < length < 0x7FFF0000 else None
                return head[at + 8 :]
            if kind == b"fmt " and at + 24 <= len(head):
                coding, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, at + 8)
                if coding not in (1, 0xFFFE) or channels != 1 or bits != 16 or not 1000 <= rate <= 192_000:
                    raise ProviderError(
                        "answers with WAV that is not 16-bit mono", supplier=self._supplier, transient=False
                    )
                self._rate_hz = rate
            at += 8 + length + (length & 1)
        if len(head) > _MOST_HEADER_BYTES:
            raise ProviderError(
                "answers with WAV that cannot be read", supplier=self._supplier, transient=False
            )
        return None
