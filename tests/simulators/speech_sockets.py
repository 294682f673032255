"""Suppliers of speech on websockets, as pipecat's services speak to them: Cartesia, Soniox and Deepgram.

Written from those services' own source (pipecat 1.14), the other side of each
message. Samples are a constant level that belongs to the text (``level_of``).
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.simulators.speech_server import levels, samples_of


@dataclass
class Connection:
    """One websocket: what came on it, and that it is gone."""

    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    audio: bytearray = field(default_factory=bytearray)
    messages: list[Any] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    drop: Any = None


@dataclass
class SpeechSockets:
    """All three suppliers at one address; a connection's path says which."""

    port: int = 0
    connections: list[Connection] = field(default_factory=list)
    #: Final texts, one for each time that something is finalised; then none.
    says: list[str] = field(default_factory=list)
    #: Instead: the text for samples of a level (``level_of``), whoever sends them.
    hears: dict[int, str] = field(default_factory=dict)
    #: Sent as soon as the first samples came.
    interims: list[str] = field(default_factory=list)
    #: Final texts sent as soon as the first samples came, before anything is finalised.
    early: list[str] = field(default_factory=list)
    #: Answers wait for it.
    go: asyncio.Event = field(default_factory=asyncio.Event)
    #: What a clause comes to: pieces of 100 ms; after ``stall_after`` of them nothing more, or the end.
    pieces: int = 4
    stall_after: int | None = None
    drop_after: int | None = None
    refuse: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    spoken: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.go.set()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def until(self, what: Any) -> None:
        """Until ``what()`` holds."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(what)

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for connection in self.connections:
            connection.drop()
        await asyncio.gather(*(c.gone.wait() for c in self.connections))

    async def _note(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        parts = urlsplit(socket.request.path)
        here = Connection(parts.path, parse_qs(parts.query), dict(socket.request.headers.raw_items()))
        here.drop = socket.transport.abort
        self.connections.append(here)
        await self._note()
        if self.refuse:
            await socket.close(4001, "refused")
            return
        speak = {
            "/tts/websocket": self._cartesia_voice,
            "/stt/websocket": self._cartesia_ear,
            "/transcribe-websocket": self._soniox,
            "/v1/speak": self._deepgram_voice,
        }[parts.path]
        try:
            await speak(socket, here)
        except ConnectionClosed:
            pass
        finally:
            here.gone.set()
            await self._note()

    # -- voices ------------------------------------------------------------------------------------

    async def _pieces(self, text: str, rate_hz: int) -> AsyncIterator[bytes]:
        for n in range(self.pieces):
            if self.stall_after == n:
                await asyncio.Event().wait()
            if self.drop_after == n:
                raise ConnectionAbortedError
            yield samples_of(text, 100, rate_hz)
            await asyncio.sleep(0)

    async def _cartesia_voice(self, socket: ServerConnection, here: Connection) -> None:
        speaking: dict[str, asyncio.Task[None]] = {}

        async def say(message: dict[str, Any]) -> None:
            text, context = message["transcript"], message["context_id"]
            self.spoken.append(text)
            await self._note()
            words = text.split()
            times = [0.4 * n / max(1, len(words)) for n in range(len(words))]
            stamps = {"words": words, "start": times, "end": times}
            await socket.send(
                json.dumps({"type": "timestamps", "context_id": context, "word_timestamps": stamps})
            )
            try:
                async for piece in self._pieces(text, message["output_format"]["sample_rate"]):
                    data = base64.b64encode(piece).decode()
                    await socket.send(json.dumps({"type": "chunk", "context_id": context, "data": data}))
            except ConnectionAbortedError:
                socket.transport.abort()

        async def done(context: str, said: asyncio.Task[None]) -> None:
            try:
                await said
                await socket.send(json.dumps({"type": "done", "context_id": context}))
            finally:
                said.cancel()

        try:
            async for raw in socket:
                message = json.loads(raw)
                here.messages.append(message)
                await self._note()
                context = message["context_id"]
                if message.get("cancel"):
                    if task := speaking.pop(context, None):
                        task.cancel()
                elif message["transcript"]:
                    speaking[context] = asyncio.create_task(say(message))
                elif not message["continue"]:
                    said = speaking[context]
                    speaking[context] = asyncio.create_task(done(context, said))
        finally:
            for task in speaking.values():
                task.cancel()
            await asyncio.gather(*speaking.values(), return_exceptions=True)

    async def _deepgram_voice(self, socket: ServerConnection, here: Connection) -> None:
        rate = int(here.query["sample_rate"][0])
        async for raw in socket:
            message = json.loads(raw)
            here.messages.append(message)
            await self._note()
            if message["type"] == "Speak":
                self.spoken.append(message["text"])
                await self._note()
                sending = asyncio.create_task(self._send_all(socket, message["text"], rate))
                try:
                    # Whatever comes meanwhile waits, as with a server that synthesises in order.
                    await asyncio.wait(
                        [sending, asyncio.create_task(socket.wait_closed())], return_when="FIRST_COMPLETED"
                    )
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
            elif message["type"] == "Flush":
                await socket.send(json.dumps({"type": "Flushed", "sequence_id": 0}))
            elif message["type"] == "Close":
                return

    async def _send_all(self, socket: ServerConnection, text: str, rate_hz: int) -> None:
        try:
            async for piece in self._pieces(text, rate_hz):
                await socket.send(piece)
        except ConnectionAbortedError:
            socket.transport.abort()

    # -- ears --------------------------------------------------------------------------------------

    async def _hear(self, here: Connection, raw: bytes) -> bool:
        """Take samples; True with the first."""
        first = not here.audio
        here.audio += raw
        await self._note()
        return first

    def _next(self, here: Connection) -> str:
        if self.hears:
            return " ".join(self.hears.get(level, "") for level in levels(bytes(here.audio))).strip()
        return self.says.pop(0) if self.says else ""

    async def _cartesia_ear(self, socket: ServerConnection, here: Connection) -> None:
        async def transcript(text: str, final: bool) -> None:
            await socket.send(json.dumps({"type": "transcript", "text": text, "is_final": final}))

        async for raw in socket:
            if isinstance(raw, bytes):
                if await self._hear(here, raw):
                    for text in self.early:
                        await transcript(text, True)
                    for text in self.interims:
                        await transcript(text, False)
                continue
            here.messages.append(raw)
            await self._note()
            if raw == "finalize":
                await self.go.wait()
                if text := self._next(here):
                    await transcript(text, True)
                await socket.send(json.dumps({"type": "flush_done"}))
            elif raw == "done":
                return

    async def _soniox(self, socket: ServerConnection, here: Connection) -> None:
        def token(text: str, final: bool) -> dict[str, Any]:
            return {"text": text, "is_final": final, "confidence": 0.9, "language": "en"}

        here.messages.append(json.loads(await socket.recv()))
        async for raw in socket:
            if isinstance(raw, bytes):
                if await self._hear(here, raw) and self.interims:
                    tokens = [token(text, False) for text in self.interims]
                    await socket.send(json.dumps({"tokens": tokens}))
                continue
            if not raw:
                return
            message = json.loads(raw)
            here.messages.append(message)
            await self._note()
            if message["type"] == "finalize":
                await self.go.wait()
                text = self._next(here)
                words = [token(w + " ", True) for w in text.split()]
                await socket.send(json.dumps({"tokens": [*words, token("<fin>", True)]}))


@asynccontextmanager
async def suppliers(sockets: SpeechSockets | None = None) -> AsyncIterator[SpeechSockets]:
    """Run them on a port the system chose."""
    sockets = sockets or SpeechSockets()
    async with serve(sockets.handle, "127.0.0.1", 0, close_timeout=0.2) as server:
        sockets.port = next(iter(server.sockets)).getsockname()[1]
        yield sockets
        sockets.go.set()
