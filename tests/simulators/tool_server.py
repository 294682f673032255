"""A tool's service that can be told, mid-test, to refuse, stall, answer nonsense or die after acting."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.simulators.model_server import RawServer, Request

Mood = Literal["well", "refuses", "stalls", "nonsense", "list", "dies", "fails", "endless", "redirects"]


@dataclass
class ToolServer(RawServer):
    """Attributes:
    mood: what happens after a request was read.
    acts: whether the operation is done before ``mood`` shows.
    forgets: ``/operations`` answers nonsense as well.
    go: cleared, every answer waits for it.
    """

    mood: Mood = "well"
    acts: bool = True
    forgets: bool = False
    result: dict[str, Any] = field(default_factory=lambda: {"row": 17})
    done: dict[str, dict[str, Any]] = field(default_factory=dict)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    @property
    def uses(self) -> list[Request]:
        """Requests that were for an operation, not about one."""
        return [r for r in self.requests if r.method == "POST"]

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        await self.go.wait()
        key = request.headers.get("idempotency-key", "")
        if request.path.startswith("/operations/"):
            if self.forgets:
                return await self.reply(writer, 200, b"who knows")
            asked = request.path.rpartition("/")[2]
            body = {"done": asked in self.done, "result": self.done.get(asked)}
            return await self.reply(writer, 200, json.dumps(body).encode())
        if self.acts and self.mood != "refuses":
            self.done[key] = self.result
        return await self._mood(request, writer)

    async def _mood(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        match self.mood:
            case "well":
                return await self.reply(writer, 200, json.dumps(self.result).encode())
            case "refuses":
                return await self.reply(writer, 409, b'{"reason": "taken"}')
            case "nonsense":
                return await self.reply(writer, 200, b"<html>proxy</html>", "text/html")
            case "list":
                return await self.reply(writer, 200, b"[1, 2]")
            case "fails":
                return await self.reply(writer, 500, b'{"row": 3}')
            case "redirects":
                writer.write(b"HTTP/1.1 307 X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n")
                writer.write(self._connection_header + b"\r\n")
            case "endless":
                return await self.reply(writer, 200, b'{"a": "' + b"x" * 200_000 + b'"}')
            case "dies":
                self.reset(writer)
            case "stalls":
                await self.stall(request)
        return False
