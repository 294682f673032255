"""Servers of the Model Context Protocol as services of tools: the same gate and record, one connection each.

Protocol: modelcontextprotocol.io, revision 2025-11-25, through the ``mcp`` package; stdio or streamable HTTP.

1. Nothing a server says of itself reaches a model: names, descriptions and schemas are the reviewed ones of
   ``configs/services.yaml``, and whatever else it offers is not there.
2. Before each use the server is asked what it offers. Where the tool is not, to the byte of its canonical
   form, what was reviewed (``pinned``), nothing is sent: a server may change after it was looked at.
3. One request leaves, and is never repeated. There is no asking later: an outcome that is lost stays unknown.
4. What a server asks of us (sampling, elicitation, roots) is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import importlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785
from loguru import logger

from controls.errors import OperatorError
from voice_runtime.agent import Release, Tool
from voice_runtime.settings import Settings
from voice_runtime.think.answers import MOST_BYTES, Answer, Came

#: How long a server may take to start and to shake hands, s.
CONNECT_S = 10.0
#: With less time left than this, s, a use is not sent.
_LEAST_S = 0.5
_OTHER = "tool {}: server {} offers another one than was reviewed"
#: Pages of a server's list of tools that are read.
_MOST_PAGES = 20
#: JSON-RPC's and MCP's errors that are answered before a tool is run.
_NOT_RUN = frozenset((-32700, -32600, -32601, -32602))


@dataclass(frozen=True, slots=True)
class Where:
    """How a server is reached: by a command of this machine, or by its address.

    Attributes:
        key: sent as a bearer token, or given to the command as ``key_env``; never printed.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    key: str = field(default="", repr=False)
    key_env: str = ""


@dataclass(frozen=True, slots=True)
class Offered:
    """One tool as a server describes it, untrusted."""

    name: str
    description: str
    arguments: dict[str, Any]
    result: dict[str, Any] | None

    @property
    def digest(self) -> str:
        """``sha256:…`` over the canonical form (RFC 8785) of all that describes it."""
        return "sha256:" + hashlib.sha256(self.canonical).hexdigest()

    def is_pinned(self, pinned: str) -> bool:
        """Whether it is what was reviewed; what has no canonical form was not."""
        try:
            return self.digest == pinned
        except ValueError:  # RFC 8785 knows no integers beyond 2^53, and no lone surrogates
            return False

    @property
    def canonical(self) -> bytes:
        return rfc8785.dumps(
            {
                "name": self.name, "description": self.description, "inputSchema": self.arguments,
                "outputSchema": self.result,
            }
        )  # fmt: skip


class McpServer:
    """One server; its connection is opened by the first use and anew by the first after it was lost.

    Ordering: none between uses. Losing the connection makes unknown whatever is under way on it.
    Closing: ``aclose`` ends the connection, and a server that is a command.
    """

    def __init__(self, where: Where, *, connect_s: float = CONNECT_S) -> None:
        self._where = where
        self._connect_s = connect_s
        self._opening = asyncio.Lock()
        self._session: Any = None
        self._owner: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    async def call(
        self, tool: Tool, arguments: Mapping[str, Any], use: str, may_leave: Callable[[], bool]
    ) -> Answer:
        """Use a tool, once. Never raises for what a server or network does.

        Args:
            use: the tool use id (``u_…``); sent as metadata, for servers that know what to do with it.
            may_leave: asked at the very last; connecting and asking what is offered take their time.
        """
        started = time.monotonic_ns()

        def answer(came: Came, body: dict[str, Any] | None = None) -> Answer:
            return Answer(came, 0, body or {}, (time.monotonic_ns() - started) // 1_000_000)

        assert tool.mcp is not None  # whoever made the tool says where it is
        try:
            async with asyncio.timeout(tool.timeout_s):
                session = await self._connected()
                offered = {one.name: one for one in await _listed(session)}
        except Exception as error:  # noqa: BLE001  # whatever a foreign server and package do
            self._lost(error)
            return answer(Came.UNREACHED)
        found = offered.get(tool.mcp.tool)
        if found is None or not found.is_pinned(tool.mcp.pinned):
            logger.error(
                "tool {}: server {} offers another one than was reviewed", tool.name, self._where.name
            )
            return answer(Came.CHANGED)
        left_s = tool.timeout_s - (time.monotonic_ns() - started) / 1e9
        if left_s < min(_LEAST_S, tool.timeout_s / 4):  # what would come of it, nobody would know
            return answer(Came.UNREACHED)
        if not may_leave():
            return answer(Came.STOPPED)
        try:
            async with asyncio.timeout(left_s):
                made = await session.call_tool(
                    tool.mcp.tool, dict(arguments), meta={"sayso/use": use}, allow_input_required=False
                )
        except TimeoutError:
            return answer(Came.TIMEOUT)
        except Exception as error:  # noqa: BLE001  # as above
            if getattr(getattr(error, "error", None), "code", None) in _NOT_RUN:
                return answer(Came.REFUSED)
            self._lost(error)
            return answer(Came.BROKEN)
        body = _body(made)
        if body is None:
            return answer(Came.BROKEN)
        return answer(Came.FAILED if made.is_error else Came.DONE, body)

    async def offers(self) -> list[Offered]:
        """All it offers, for people to review.

        Raises:
            Exception: whatever the server or the package does; ``TimeoutError`` past ``connect_s``.
        """
        async with asyncio.timeout(self._connect_s):
            return await _listed(await self._connected())

    async def look(self, tools: list[Tool]) -> None:
        """Connect, and log what is not as it was reviewed: each use of it is refused. Never raises."""
        try:
            offered = {one.name: one.digest for one in await self.offers()}
        except Exception as error:  # noqa: BLE001  # a server that is not there is no reason not to serve
            logger.error("mcp server {} does not answer: {}", self._where.name, type(error).__name__)
            self._lost(error)
            return
        for tool in tools:
            if tool.mcp is not None and offered.get(tool.mcp.tool) != tool.mcp.pinned:
                logger.error(
                    "tool {}: server {} offers another one than was reviewed", tool.name, tool.service
                )

    async def aclose(self) -> None:
        """End the connection."""
        owner = self._owner
        if owner is not None:
            self._leave.set()
            await asyncio.wait({owner})

    # -- the connection ---------------------------------------------------------------------------

    async def _connected(self) -> Any:
        """The open session. It lives in a task of its own, as its package asks for."""
        async with self._opening:
            if self._owner is not None and self._session is None:
                self._leave.set()
                await asyncio.wait({self._owner})
                self._owner = None
            if self._owner is None or self._owner.done():
                self._leave = asyncio.Event()
                ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                name = f"mcp {self._where.name}"
                self._owner = asyncio.create_task(self._own(ready, self._leave), name=name)
                try:
                    self._session = await asyncio.shield(ready)
                except BaseException:
                    self._leave.set()
                    self._owner.cancel()
                    raise
            return self._session

    async def _own(self, ready: asyncio.Future[Any], leave: asyncio.Event) -> None:
        """Open, shake hands, stay until told to leave, and close, in one task."""
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._connect_s):
                    session = await stack.enter_async_context(_session(self._where))
                    await session.initialize()
                if not ready.done():
                    ready.set_result(session)
                await leave.wait()
        except asyncio.CancelledError:
            if not ready.done():
                ready.cancel()
            raise
        except BaseException as error:  # noqa: BLE001  # also a group of them; a server's end is no fault of ours
            if ready.done():
                logger.warning("mcp server {}: {} at its end", self._where.name, type(error).__name__)
            else:
                ready.set_exception(ConnectionError(f"{self._where.name}: {type(error).__name__}"))
        finally:
            self._session = None

    def _lost(self, error: BaseException) -> None:
        """The next use connects anew."""
        logger.warning("mcp server {}: {}", self._where.name, type(error).__name__)
        self._session = None
        self._leave.set()


async def mcp_servers(releases: Mapping[str, Release], settings: Settings) -> dict[str, McpServer]:
    """The servers that agents' tools are on, connected where they answer; whatever does not is on the log.

    Raises:
        OperatorError: the ``mcp`` package is not installed.
    """
    tools = [tool for release in releases.values() for tool in release.tools if tool.mcp is not None]
    if not tools:
        return {}
    await asyncio.to_thread(import_package)  # half a second of the event loop
    found: dict[str, McpServer] = {}
    for tool in tools:
        assert tool.mcp is not None
        address = settings.services.get(tool.service)
        key = address.key.reveal() if address is not None and address.key is not None else ""
        at = tool.mcp
        found[tool.service] = McpServer(Where(tool.service, at.command, at.url, key, at.key_env))
    await asyncio.gather(
        *(server.look([t for t in tools if t.service == name]) for name, server in found.items())
    )
    return found


def import_package() -> None:
    """Load what speaks the protocol. Blocks.

    Raises:
        OperatorError: it is not installed.
    """
    try:
        for name in ("httpx2", "mcp.client.session", "mcp.client.stdio", "mcp.client.streamable_http"):
            importlib.import_module(name)
    except ImportError as error:
        raise OperatorError("tools of MCP servers need the mcp package: pip install 'sayso[mcp]'") from error


@contextlib.asynccontextmanager
async def _session(where: Where) -> AsyncIterator[Any]:
    """A session over the server's transport, not yet initialised."""
    import httpx2
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client

    async with contextlib.AsyncExitStack() as stack:
        if where.command:
            program, *given = where.command
            environment = {where.key_env: where.key} if where.key_env and where.key else None
            parameters = StdioServerParameters(command=program, args=given, env=environment)
            # What it writes beside the protocol may hold anything; it goes nowhere.
            nowhere = stack.enter_context(Path(os.devnull).open("w"))  # noqa: ASYNC230, SIM115 - a device
            streams = await stack.enter_async_context(stdio_client(parameters, nowhere))
        else:
            headers = {"Authorization": f"Bearer {where.key}"} if where.key else {}
            client = httpx2.AsyncClient(headers=headers, trust_env=False, timeout=httpx2.Timeout(30.0))
            await stack.enter_async_context(client)
            streams = await stack.enter_async_context(streamable_http_client(where.url, http_client=client))
        yield await stack.enter_async_context(ClientSession(streams[0], streams[1]))


async def _listed(session: Any) -> list[Offered]:
    """Every tool, page by page."""
    from mcp_types import PaginatedRequestParams

    found: list[Offered] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        found += [
            Offered(tool.name, tool.description or "", dict(tool.input_schema), tool.output_schema)
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _body(made: Any) -> dict[str, Any] | None:
    """What a tool answered as one object: its structured content, else its texts; None when too long."""
    content = made.structured_content
    if not isinstance(content, dict):
        said = [part.text for part in made.content if getattr(part, "type", "") == "text"]
        content = {"text": "\n".join(said)} if said else {}
    try:
        return content if len(json.dumps(content)) <= MOST_BYTES else None
    except (ValueError, RecursionError):
        return None
