"""HTTP/1.1 to suppliers in little CPU time: aiohttp's C parser under the clients that speak through httpx2.

A turn of a call is some hundred small pieces of HTTP: tokens of the model, pieces of speech. The transport
that comes with httpx2 reads each of them in Python (h11) and hands it on alone; this one parses in C, and
gives a reader all that has come since it last asked. What fails is told in httpx2's exceptions, so whoever
uses a client sees no difference.
Interface: ``httpx2.AsyncBaseTransport`` (https://www.python-httpx.org/advanced/transports/).
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import lru_cache

import aiohttp
import httpx2

#: Connections at a time to all servers of one client.
_MOST_CONNECTIONS = 1000
_BROKEN = (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientResponseError)
#: An idle connection is not used again after this, s: less than servers keep one, or a request would meet its
#: end on the way. uvicorn, llama.cpp and kin keep it 5 s; balancers and clouds a minute or more.
_KEPT_S, _KEPT_OUTSIDE_S = 4.0, 50.0


class SupplierTransport(httpx2.AsyncBaseTransport):
    """Implements httpx2's transport over one ``aiohttp`` session, for one event loop.

    Requests are sent whole (a streamed body is gathered first); answers stream. Redirects, cookies and
    compression are left to the client. An answer that is closed before its end closes its connection.
    """

    def __init__(self, *, outside: bool) -> None:
        """Prepare; nothing is opened before the first request.

        Args:
            outside: servers are beyond this host: the environment's proxies (``HTTPS_PROXY``, ``NO_PROXY``,
                ``.netrc``) are used.
        """
        self._outside = outside
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send ``request``; returns when the answer's headers are there.

        Raises:
            httpx2.TransportError: by kind, as httpx2's own transport.
            RuntimeError: the transport was closed.
        """
        body = await request.aread()
        timeouts = request.extensions.get("timeout", {})
        url = request.url
        with _translated(request):
            response = await self._open().request(
                request.method,
                str(url),
                data=body or None,
                headers=request.headers.multi_items(),
                timeout=aiohttp.ClientTimeout(
                    connect=timeouts.get("pool"),
                    sock_connect=timeouts.get("connect"),
                    sock_read=timeouts.get("read"),
                ),
                ssl=_tls() if url.scheme == "https" else True,
                allow_redirects=False,
            )
        return httpx2.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Body(response, request),
            extensions={"http_version": b"HTTP/1.1", "reason_phrase": (response.reason or "").encode()},
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise RuntimeError("the transport is closed")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_MOST_CONNECTIONS, keepalive_timeout=_KEPT_OUTSIDE_S if self._outside else _KEPT_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                auto_decompress=False,
                trust_env=self._outside,
            )
        return self._session

    async def aclose(self) -> None:
        """Close every connection; answers under way fail. Harmless when repeated."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Body(httpx2.AsyncByteStream):
    """An answer's bytes as they come: all that is there at a time."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx2.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        with _translated(self._request):
            while data := await content.readany():
                yield data

    async def aclose(self) -> None:
        self._response.close()  # after its end the connection has gone back, and stays open


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """One for the process: building one takes tens of ms."""
    return httpx2.create_ssl_context()


@contextmanager
def _translated(request: httpx2.Request) -> Iterator[None]:
    """Raise httpx2's exceptions for aiohttp's, by what they say of the connection."""
    try:
        yield
    except aiohttp.ConnectionTimeoutError as error:
        raise httpx2.ConnectTimeout("connecting took too long", request=request) from error
    except (aiohttp.ServerTimeoutError, TimeoutError) as error:
        raise httpx2.ReadTimeout("no bytes in time", request=request) from error
    except (
        aiohttp.ClientConnectorError,
        aiohttp.ClientProxyConnectionError,
        aiohttp.ClientSSLError,
    ) as error:
        raise httpx2.ConnectError("cannot connect", request=request) from error
    except _BROKEN as error:
        raise httpx2.RemoteProtocolError("the answer broke off, or is no HTTP", request=request) from error
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise httpx2.UnsupportedProtocol("no http address", request=request) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx2.ReadError("the connection failed", request=request) from error
