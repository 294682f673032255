"""A server of OpenAI's Responses API over server-sent events, for a service that speaks no chat protocol.

Events and their fields: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.simulators.model_server import RawServer, Request, _chunk


@dataclass
class ResponsesServer(RawServer):
    #: What is answered: pieces of text, then tools as (name, raw arguments).
    text: list[str] = field(default_factory=lambda: ["Hello ", "there."])
    tools: list[tuple[str, str]] = field(default_factory=list)
    #: whole, status:N, stall, stall_within, failed
    then: str = "whole"
    asked: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        self.asked.append(request.json)
        if self.then.startswith("status:"):
            return await self.reply(writer, int(self.then[7:]), b'{"error": {"message": "SECRET-ECHO"}}')
        if self.then == "stall":
            return await self._stall(request)
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        writer.write(head + self._connection_header + b"\r\n")
        for n, event in enumerate(self._events()):
            event["sequence_number"] = n
            _chunk(writer, f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            await writer.drain()
            await asyncio.sleep(0)
            if self.then == "stall_within" and event["type"] == "response.output_text.delta":
                return await self._stall(request)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _stall(self, request: Request) -> bool:
        await self.stall(request)
        self.gone.set()
        return False

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = [
            {"type": "response.output_text.delta", "item_id": "m", "output_index": 0, "content_index": 0,
             "delta": piece, "logprobs": []}
            for piece in self.text
        ]  # fmt: skip
        for n, (name, raw) in enumerate(self.tools):
            item = {"type": "function_call", "id": f"f{n}", "call_id": f"call_{n}", "name": name}
            events.append(_item("added", n, item | {"arguments": "", "status": "in_progress"}))
            events.append(
                {
                    "type": "response.function_call_arguments.delta",
                    "item_id": f"f{n}",
                    "output_index": n,
                    "delta": raw,
                }
            )
            events.append(_item("done", n, item | {"arguments": raw, "status": "completed"}))
        if self.then == "failed":
            error = {"code": "server_error", "message": "SECRET-ECHO"}
            return [*events, {"type": "response.failed", "response": _response("failed") | {"error": error}}]
        return [*events, {"type": "response.completed", "response": _response("completed")}]


def _item(what: str, n: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{what}", "output_index": n, "item": item}


def _response(status: str) -> dict[str, Any]:
    return {
        "id": "resp_1", "object": "response", "created_at": 0, "model": "small-model", "status": status,
        "output": [], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "usage": {
            "input_tokens": 21, "output_tokens": 9, "total_tokens": 30,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
        },
    }  # fmt: skip
