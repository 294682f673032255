"""A speech server that can be told, mid-test, to refuse, stall, stutter, lie or die. Real sockets, HTTP.

It speaks OpenAI's ``/v1/audio/speech`` and ``/v1/audio/transcriptions``, and
Piper's ``POST /``. A clause's samples are a constant level that belongs to its
text (``level_of``), so that a test can tell whose samples it got.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import wave
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.simulators.model_server import RawServer, Request, _chunk


def level_of(text: str) -> int:
    """The level of a text's samples: 1000 to 24400, the same on every run."""
    return 1000 + zlib.crc32(text.strip().encode()) % 40 * 600


def samples_of(text: str, ms: int, rate_hz: int) -> bytes:
    """A text as this server speaks it, s16le."""
    return np.full(rate_hz * ms // 1000, level_of(text), dtype="<i2").tobytes()


def levels(pcm: bytes) -> set[int]:
    """Which texts' levels sound in 8 kHz samples, edges and rounding left out."""
    samples = np.frombuffer(pcm, "<i2").astype(np.int32)
    steady = samples[np.flatnonzero(np.abs(np.diff(samples)) <= 1)]
    rounded = np.rint((steady - 1000) / 600).astype(int) * 600 + 1000
    near = np.abs(steady - rounded) <= 5
    found, counts = np.unique(rounded[near], return_counts=True)
    return {int(f) for f, c in zip(found, counts, strict=True) if c > 80 and f >= 1000}


@dataclass
class Upload:
    """One transcription that was asked for."""

    fields: dict[str, str]
    rate_hz: int
    samples: bytes


@dataclass
class SpeechServer(RawServer):
    #: How a clause is spoken: ms of samples before each of ``then``.
    ms: int = 400
    rate_hz: int = 24_000
    #: What becomes of an answer: whole, status:N, stall, stall_within, half, die, wav, empty.
    then: str = "whole"
    #: Answers to transcriptions, in order, the last one again: a body, or a status.
    transcripts: list[dict[str, Any] | int] = field(default_factory=lambda: [{"text": "hello there"}])
    uploads: list[Upload] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    refused_formats: set[str] = field(default_factory=set)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        try:
            return await self._answer(request, writer)
        except ConnectionError:
            self.gone.set()
            raise

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.path.endswith("/audio/transcriptions"):
            return await self._transcribe(request, writer)
        if request.path.endswith("/audio/speech"):
            return await self._speak(request, writer, str(request.json["input"]))
        if request.method == "POST":  # Piper's
            return await self._speak(request, writer, str(request.json["text"]), wav=True)
        return await self.reply(writer, 404, b"{}")

    async def _speak(
        self, request: Request, writer: asyncio.StreamWriter, text: str, *, wav: bool = False
    ) -> bool:
        self.asked.append(request.json)
        if self.then.startswith("status:"):
            return await self.reply(
                writer, int(self.then[7:]), b'{"error": "SECRET-ECHO ' + text.encode() + b'"}'
            )
        if self.then == "stall":
            await self._stall(request)
            return False
        if self.then == "die":
            self.reset(writer)
            return False
        samples = b"" if self.then == "empty" else samples_of(text, self.ms, self.rate_hz)
        if wav or self.then == "wav":
            file = io.BytesIO()
            with wave.open(file, "wb") as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(self.rate_hz)
                out.writeframes(samples)
            samples = file.getvalue()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: audio/pcm\r\ntransfer-encoding: chunked\r\n"
        writer.write(head + self._connection_header + b"\r\n")
        size = 2401  # odd, so that samples are cut in two
        pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
        for n, piece in enumerate(pieces):
            if n == len(pieces) // 2 and self.then in ("stall_within", "half"):
                if self.then == "half":
                    return False
                await self._stall(request)
                return False
            _chunk(writer, piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _stall(self, request: Request) -> None:
        await self.stall(request)
        self.gone.set()

    async def _transcribe(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        fields, file = _multipart(request)
        with wave.open(io.BytesIO(file)) as wav:
            self.uploads.append(Upload(fields, wav.getframerate(), wav.readframes(wav.getnframes())))
        if fields.get("response_format") in self.refused_formats:
            return await self.reply(writer, 400, b'{"error": "unsupported response_format"}')
        plan = self.transcripts.pop(0) if len(self.transcripts) > 1 else self.transcripts[0]
        if self.then == "stall":
            await self._stall(request)
            return False
        if self.then == "die":
            self.reset(writer)
            return False
        if isinstance(plan, int):
            return await self.reply(writer, plan, b'{"error": "SECRET-ECHO"}')
        return await self.reply(writer, 200, json.dumps(plan).encode())


def _multipart(request: Request) -> tuple[dict[str, str], bytes]:
    """Fields and the file of a form (RFC 7578)."""
    boundary = re.search(r"boundary=\"?([^\";]+)", request.headers["content-type"])
    assert boundary is not None
    fields: dict[str, str] = {}
    file = b""
    for part in request.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, body = part.strip(b"\r\n").partition(b"\r\n\r\n")
        if part.endswith(b"\r\n"):
            body = part.partition(b"\r\n\r\n")[2][:-2]
        name = re.search(rb'name="([^"]+)"', head)
        assert name is not None
        if b"filename=" in head:
            file = body
        else:
            fields[name[1].decode()] = body.decode()
    return fields, file
