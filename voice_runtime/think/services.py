"""The wire side of a tool: one signed HTTP request, its answer or the lack of one, and asking later.

Signature: ``Sayso-Signature: v1=<hex>`` is HMAC-SHA256 (RFC 2104) under the
service's key over ``<timestamp>.<idempotency key>.<body>``, with the timestamp
(whole Unix seconds) in ``Sayso-Timestamp`` and the key in ``Idempotency-Key``.
A service refuses timestamps off by more than five minutes.

Idempotency: the key is the id of the tool use. The same key means the same
operation, done once; ``GET /operations/{key}`` says ``{done, result}``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from loguru import logger

from controls.errors import OperatorError
from voice_runtime.agent import Tool
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.think.answers import MOST_BYTES, Answer, Came, Reconciled
from voice_runtime.think.mcp_servers import McpServer

#: How long the question "was it done?" may take, s.
_RECONCILE_S = 2.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service answers, and the key it shares with us.

    Attributes:
        key: HMAC key; never printed.
        base_url: when set, replaces scheme, host and port of its tools' addresses.
    """

    name: str
    key: bytes = field(repr=False)
    base_url: str = ""


#: The arguments as they leave this host.
Exchange = Callable[[Mapping[str, Any]], dict[str, Any]]


def _as_they_are(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return dict(arguments)


def sign(key: bytes, timestamp: int, idempotency_key: str, body: bytes) -> str:
    """The value of ``Sayso-Signature``."""
    message = f"{timestamp}.{idempotency_key}.".encode() + body
    return "v1=" + hmac.new(key, message, hashlib.sha256).hexdigest()


class ServiceClient:
    """Every tool's HTTP requests, for every call of the process."""

    def __init__(
        self,
        services: Mapping[str, Service],
        *,
        clock: Clock | None = None,
        client: httpx.AsyncClient | None = None,
        mcp: Mapping[str, McpServer] | None = None,
    ) -> None:
        """Make the client.

        Args:
            mcp: services that are servers of the Model Context Protocol; closed with this.
        """
        self._mcp = dict(mcp or {})
        self._services = dict(services)
        self._clock = clock or SystemClock()
        # Kept-alive connections expire before usual servers close them: a request
        # that meets a closing connection has an unknown outcome.
        self._client = client or httpx.AsyncClient(
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=2.0),
            follow_redirects=False,
            trust_env=False,
        )

    def require(self, tools: tuple[Tool, ...]) -> None:
        """Check, before a call, that each tool's service is known.

        Raises:
            OperatorError: naming the tools that could not be used.
        """
        lacking = sorted(
            t.name for t in tools if t.service not in (self._mcp if t.mcp is not None else self._services)
        )
        if lacking:
            raise OperatorError(f"no address for the services of {', '.join(lacking)}: see services")

    async def call(
        self,
        tool: Tool,
        arguments: Mapping[str, Any],
        use: str,
        *,
        exchange: Exchange = _as_they_are,
        may_leave: Callable[[], bool] = lambda: True,
    ) -> Answer:
        """Send one request. Never raises for what a service or network does; never sends twice.

        Args:
            use: the tool use id (``u_…``), which is the idempotency key.
            exchange: puts into the request, and nowhere else, what the caller entered by keys.
            may_leave: asked just before it does, where something takes its time before.
        """
        if tool.mcp is not None:
            return await self._mcp[tool.service].call(tool, arguments, use, may_leave)
        started = time.monotonic_ns()

        def answer(came: Came, status: int = 0, body: dict[str, Any] | None = None) -> Answer:
            return Answer(came, status, body or {}, (time.monotonic_ns() - started) // 1_000_000)

        body = json.dumps(exchange(arguments), separators=(",", ":"), ensure_ascii=False).encode()
        try:
            status, raw = await self._request(tool.method, self._url(tool), tool, use, body, tool.timeout_s)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol):
            return answer(Came.UNREACHED)
        except (httpx.TimeoutException, TimeoutError):
            return answer(Came.TIMEOUT)
        except (httpx.HTTPError, _TooLong) as error:
            logger.warning("tool {}: its answer broke off: {}", tool.name, type(error).__name__)
            return answer(Came.BROKEN)
        found = _object(raw)
        if 400 <= status < 500:
            return answer(Came.REFUSED, status, found)
        if 200 <= status < 300 and found is not None:
            return answer(Came.DONE, status, found)
        return answer(Came.BROKEN, status)

    async def reconcile(self, tool: Tool, use: str) -> Reconciled:
        """Ask the service, once, whether the operation of ``use`` was done.

        ``not_done`` means: not done when it was asked. It is final where the service
        refuses requests that arrive later than their timestamp allows.
        """
        if tool.mcp is not None:
            return Reconciled("no")  # the protocol has no such question
        url = self._url(tool, path=f"/operations/{use}")
        try:
            status, raw = await self._request("GET", url, tool, use, b"", _RECONCILE_S)
        except (httpx.HTTPError, TimeoutError, _TooLong) as error:
            logger.warning("tool {}: cannot be asked about: {}", tool.name, type(error).__name__)
            return Reconciled("no")
        found = _object(raw)
        if status != 200 or found is None or not isinstance(found.get("done"), bool):
            return Reconciled("no")
        result = found.get("result")
        return Reconciled("done" if found["done"] else "not_done", result if isinstance(result, dict) else {})

    async def aclose(self) -> None:
        """Close every connection."""
        await asyncio.gather(*(server.aclose() for server in self._mcp.values()))
        await self._client.aclose()

    async def _request(
        self, method: str, url: str, tool: Tool, use: str, body: bytes, timeout_s: float
    ) -> tuple[int, bytes]:
        service = self._services[tool.service]
        timestamp = int(self._clock.unix_s())
        sent = b"" if method.upper() in ("GET", "HEAD") else body
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Idempotency-Key": use,
            "Sayso-Timestamp": str(timestamp),
            "Sayso-Signature": sign(service.key, timestamp, use, sent),
        }
        timeout = httpx.Timeout(timeout_s, connect=min(1.5, timeout_s), pool=min(1.5, timeout_s))
        async with asyncio.timeout(timeout_s):
            async with self._client.stream(
                method, url, content=sent, headers=headers, timeout=timeout
            ) as response:
                raw = bytearray()
                async for piece in response.aiter_bytes():
                    raw += piece
                    if len(raw) > MOST_BYTES:
                        raise _TooLong
                return response.status_code, bytes(raw)

    def _url(self, tool: Tool, path: str = "") -> str:
        """The tool's address, at the service's own base where it has one; or ``path`` beside it."""
        own = urlsplit(tool.url)
        base = self._services[tool.service].base_url
        prefix = ""
        if base:
            there = urlsplit(base)
            own = own._replace(scheme=there.scheme, netloc=there.netloc)
            prefix = there.path.rstrip("/")
        return urlunsplit(own._replace(path=prefix + (path or own.path), query="" if path else own.query))


class _TooLong(Exception):
    """The answer exceeds ``MOST_BYTES``."""


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
