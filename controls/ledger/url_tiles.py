"""A published log read over HTTP, within limits: C2SP tlog-tiles as its clients see them."""

from __future__ import annotations

import http.client
import socket
import time
import urllib.error
import urllib.request
import zlib
from typing import IO
from urllib.parse import urlsplit

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.prover import size_limit

#: Seconds one file may take to begin and go on, and to be whole.
TIMEOUT_S = 10.0
DEADLINE_S = 60.0
_REDIRECTS = 5
_CHUNK = 65_536
_PORTS = {"http": 80, "https": 443}
#: zlib: a gzip stream.
_GZIP = 31


class UnreachableError(LedgerError):
    """Nobody answers at the address; ``why`` in a word or two."""

    def __init__(self, path: str, why: str) -> None:
        """``path``: what was asked for."""
        super().__init__(f"{path} cannot be read: {why}")
        self.why = why


def _place(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL.

    Raises:
        ValueError: it is none of HTTP's.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ValueError("no http or https address")
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme]


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows redirects to the same host alone, and never from https back to http."""

    max_redirections = _REDIRECTS

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme, host, port = _place(req.full_url)
        try:
            there = _place(newurl)
        except ValueError:
            there = ("", "", 0)
        upgraded = scheme == "http" and there[:2] == ("https", host)
        if there != (scheme, host, port) and not upgraded:
            raise urllib.error.HTTPError(
                req.full_url, code, "redirect to another place, refused", headers, fp
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class UrlTiles:
    """A ``TileSource`` behind an address; each ``get`` is one request and blocks.

    Only http and https, no other host by way of a redirect, sizes as the names
    allow, gzip undone within the same limit. Proxies are those of the environment.
    """

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, deadline_s: float = DEADLINE_S) -> None:
        """Read below ``url``, the log's prefix.

        Args:
            timeout_s: seconds any single step over the network may take.
            deadline_s: seconds one whole file may take.

        Raises:
            OperatorError: it is no http or https address.
        """
        try:
            _place(url)
        except ValueError:
            raise OperatorError("a published log has an http:// or https:// address") from None
        self.url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._deadline_s = deadline_s
        # Not build_opener: it brings file:, ftp: and data: along.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), urllib.request.HTTPSHandler(),
            urllib.request.HTTPDefaultErrorHandler(), urllib.request.HTTPErrorProcessor(), _SameHost(),
        ):  # fmt: skip
            self._opener.add_handler(handler)

    def get(self, path: str, /) -> bytes | None:
        """As ``TileSource.get``; 404 and 410 say that there is no such file.

        Raises:
            UnreachableError: the server cannot be reached, a ``LedgerError``.
        """
        limit = size_limit(path)
        request = urllib.request.Request(  # noqa: S310 - `_place` has let http and https through alone
            f"{self.url}/{path}", headers={"Accept-Encoding": "gzip, identity", "User-Agent": "sayso"}
        )
        deadline = time.monotonic() + self._deadline_s
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                data = _read(response, limit, deadline)
                encoding = response.headers.get("Content-Encoding", "identity")
        except urllib.error.HTTPError as error:
            with error:  # it holds the connection
                if error.code in (404, 410):
                    return None
                why = error.reason if 300 <= error.code < 400 else f"HTTP {error.code}"
            raise LedgerError(f"{path} cannot be read: {why}") from None
        except urllib.error.URLError as error:  # it came to no answer at all
            raise UnreachableError(path, _why(error.reason)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise LedgerError(f"{path} cannot be read: {type(error).__name__}") from error
        if data is None:
            raise IntegrityError(f"{path}: longer than such a file can be")
        return _decoded(data, encoding, limit, path)


def _why(reason: object) -> str:
    match reason:
        case ConnectionRefusedError():
            return "connection refused"
        case socket.gaierror():
            return "no such host"
        case TimeoutError():
            return "timed out"
        case OSError(strerror=str(said)):
            return said
    return "no connection"


def _read(response: http.client.HTTPResponse, limit: int, deadline: float) -> bytes | None:
    """The body; None when it is longer than ``limit``.

    Raises:
        TimeoutError: the deadline has passed.
    """
    found = bytearray()
    while chunk := response.read1(_CHUNK):
        found += chunk
        if len(found) > limit:
            return None
        if time.monotonic() > deadline:
            raise TimeoutError
    if response.length:  # read1 does not tell a cut-off body by itself
        raise http.client.IncompleteRead(bytes(found), response.length)
    return bytes(found)


def _decoded(data: bytes, encoding: str, limit: int, path: str) -> bytes:
    if encoding == "identity":
        return data
    if encoding != "gzip":
        raise LedgerError(f"{path} cannot be read: its encoding was not asked for")
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error:
        raise IntegrityError(f"{path}: malformed gzip") from None
    if len(plain) > limit:
        raise IntegrityError(f"{path}: longer than such a file can be")
    if not stream.eof or stream.unused_data:
        raise IntegrityError(f"{path}: malformed gzip")
    return plain
