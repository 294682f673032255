"""A chat server that can be told, mid-test, to refuse, stall, stutter, lie or die. Real sockets.

Each request is answered by the next of ``plans`` (the last one again when they
run out). A plan is a list of steps, made by the functions below.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

Step = tuple[str, Any]
Plan = list[Step]
S = TypeVar("S", bound="RawServer")


def say(*pieces: str, finish: str = "stop", usage: tuple[int, int] | None = (11, 7)) -> Plan:
    """A whole answer of these pieces."""
    steps: Plan = [("delta", {"role": "assistant", "content": ""})]
    steps += [("delta", {"content": piece}) for piece in pieces]
    steps.append(("finish", finish))
    if usage:
        steps.append(("usage", usage))
    return [*steps, ("done", None)]


def call(*tools: tuple[str, str], text: str = "") -> Plan:
    """An answer that asks for tools: names and raw arguments, in two fragments each."""
    steps: Plan = [("delta", {"content": text})] if text else []
    for n, (name, raw) in enumerate(tools):
        empty = {"name": name, "arguments": ""}
        head = {"index": n, "id": f"call_{n}", "type": "function", "function": empty}
        steps.append(("delta", {"tool_calls": [head]}))
        half = len(raw) // 2
        for part in (raw[:half], raw[half:]):
            steps.append(("delta", {"tool_calls": [{"index": n, "function": {"arguments": part}}]}))
    return [*steps, ("finish", "tool_calls"), ("done", None)]


def refuse(status: int) -> Plan:
    return [("status", status)]


STALL: Step = ("stall", None)
DIE: Step = ("die", None)
HALF: Step = ("half", None)


def raw(text: str) -> Step:
    """Bytes into the event stream as they are."""
    return ("raw", text)


def pieces(*words: str) -> Plan:
    """Some words and no end; add a step that says what happens next."""
    return [("delta", {"content": word}) for word in words]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    reader: asyncio.StreamReader

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class RawServer:
    """HTTP/1.1 by hand; one answer per connection unless ``keep_alive``, so that no task outlives a test."""

    keep_alive: bool = False
    requests: list[Request] = field(default_factory=list)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        """Answer; whether the connection may be used again."""
        raise NotImplementedError

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            again = True
            while again and (request := await _read(reader)) is not None:
                self.requests.append(request)
                self.arrived.set()
                again = await self.answer(request, writer) and self.keep_alive
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @property
    def _connection_header(self) -> bytes:
        return b"" if self.keep_alive else b"connection: close\r\n"

    async def wait_for_request(self, n: int = 1) -> None:
        """Until ``n`` requests have arrived."""
        async with asyncio.timeout(30):
            while len(self.requests) < n:
                self.arrived.clear()
                await self.arrived.wait()

    async def stall(self, request: Request) -> None:
        """Say nothing more until the client has gone, or ``closing`` is set."""
        ends = [asyncio.ensure_future(self.closing.wait()), asyncio.ensure_future(request.reader.read())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    def reset(self, writer: asyncio.StreamWriter) -> None:
        """Cut the connection with a reset, as a crashed machine's neighbour would."""
        sock: socket.socket | None = writer.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async def reply(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json"
    ) -> bool:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
        writer.write(head.encode() + self._connection_header + b"\r\n" + body)
        await writer.drain()
        return True


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body, reader)


@dataclass
class ModelServer(RawServer):
    plans: list[Plan] = field(default_factory=lambda: [say("Hello.")])

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> bool:
        if request.method == "GET":  # a client that warms its connection: not a request to the model
            return await self.reply(writer, 200, b'{"object": "list", "data": []}')
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if plan and plan[0][0] == "status":
            body = json.dumps({"error": {"message": "SECRET-ECHO " + request.body.decode()[:50]}}).encode()
            return await self.reply(writer, plan[0][1], body)
        if plan[:1] == [STALL]:
            await self.stall(request)
            return False
        if plan[:1] == [DIE]:
            self.reset(writer)
            return False
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        writer.write(head + self._connection_header + b"\r\n")
        return await self._stream(plan, request, writer)

    async def _stream(self, plan: Plan, request: Request, writer: asyncio.StreamWriter) -> bool:
        for kind, value in plan:
            if kind == "stall":
                await self.stall(request)
                return False
            if kind == "die":
                self.reset(writer)
                return False
            if kind == "half":
                break
            _chunk(writer, _event(kind, value, str(request.json.get("model"))))
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _event(kind: str, value: Any, model: str) -> bytes:
    if kind == "raw":
        return str(value).encode()
    if kind == "done":
        return b"data: [DONE]\n\n"
    common: dict[str, Any] = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": model}
    if kind == "usage":
        usage = {"prompt_tokens": value[0], "completion_tokens": value[1], "total_tokens": sum(value)}
        common |= {"choices": [], "usage": usage}
    elif kind == "finish":
        common["choices"] = [{"index": 0, "delta": {}, "finish_reason": value}]
    else:
        common["choices"] = [{"index": 0, "delta": value, "finish_reason": None}]
    return b"data: " + json.dumps(common).encode() + b"\n\n"


@asynccontextmanager
async def serving(server: S) -> AsyncIterator[S]:
    """Run a simulated server on a port the system chose."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server._connection(reader, writer)
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        server.closing.set()
        listener.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks))
        await listener.wait_closed()
