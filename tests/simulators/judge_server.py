"""A chat server that judges: whole answers, no streams; it can be told to be late, lie, break or die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.model_server import RawServer, Request, serving
from voice_runtime.think.endpoints import Deadlines, Endpoint, Endpoints
from voice_runtime.think.judges import Judges

YES, NO = '{"answer": "yes"}', '{"answer": "no"}'
#: Instead of an answer's text: nothing comes, the connection is cut, or a status is answered.
STALL, DIE = "stall", "die"


@dataclass
class JudgeServer(RawServer):
    """Answers what ``says`` holds; the last one for every further request.

    Attributes:
        says: the text of an answer, STALL, DIE, or a status as a number.
        takes_schemas: otherwise a ``response_format`` is refused with 400.
        together: nothing is answered before so many questions have arrived.
    """

    says: list[str | int] = field(default_factory=lambda: [NO])
    takes_schemas: bool = True
    together: int = 1

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method == "GET":
            return await self.reply(writer, 200, b'{"object": "list", "data": []}')
        if not self.takes_schemas and "response_format" in request.json:
            return await self.reply(writer, 400, b'{"error": {"message": "unknown field"}}')
        await self.wait_for_request(self.together)
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if said == STALL:
            await self.stall(request)
            return False
        if said == DIE:
            self.reset(writer)
            return False
        if isinstance(said, int):
            return await self.reply(writer, said, b'{"error": {"message": "SECRET-ECHO"}}')
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        return await self.reply(writer, 200, json.dumps(whole).encode())

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What was judged, of each request: what stands between the marks."""
        return [judged(request.json) for request in self.requests if request.method == "POST"]


def judged(body: dict[str, Any]) -> dict[str, Any]:
    """What a request shows as data; it must stand alone between two equal marks."""
    lines = body["messages"][-1]["content"].split("\n")
    assert len(lines) == 3
    assert lines[0] == lines[2]
    assert lines[0] in body["messages"][0]["content"]
    found: dict[str, Any] = json.loads(lines[1])
    return found


@asynccontextmanager
async def judging(
    *says: str | int, name: str = "local", **endpoint: Any
) -> AsyncIterator[tuple[JudgeServer, Judges]]:
    """A judge that gives these answers, and the client of it."""
    async with serving(JudgeServer(says=list(says) or [NO])) as server:
        fields: dict[str, Any] = {"name": name, "base_url": f"{server.url}/v1", "model": "judge-1"}
        endpoints = Endpoints((Endpoint(**(fields | endpoint)),), Deadlines(first_token_s=30.0))
        try:
            yield server, Judges(endpoints)
        finally:
            await endpoints.aclose()
