"""A caller's request: so long at most from its connection to the answer's last byte, and so long an answer.

An HTTP client's own time-out is for each byte: a server that lets one fall every few seconds would keep a
caller, and with it a whole test, for as long as it likes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from controls.errors import ProviderError
from voice_runtime.caller.twilio_wire import SUPPLIER

#: Longer answers are read no further, bytes.
MOST_BODY = 1 << 20
#: The connection's share of the time: whoever is not connected by then is not there, rather than slow.
_CONNECTION_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever it says."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def is_success(self) -> bool:
        """Whether its status says so (RFC 9110, 15.3)."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The JSON it is; None where it is none."""
        try:
            return json.loads(self.text.removeprefix("\ufeff"))
        except (ValueError, RecursionError):
            return None


async def post(client: httpx.AsyncClient, url: str, within_s: float, **sent: Any) -> Answer:
    """Send a POST, and read the whole answer.

    Args:
        within_s: for all of it, s.
        sent: headers and body, as ``client.stream`` takes them.

    Raises:
        ProviderError: not reached, no whole answer in time, or one of more than ``MOST_BODY``.
        ValueError, httpx.InvalidURL: ``url`` is none.
    """
    timeout = httpx.Timeout(within_s, connect=_CONNECTION_SHARE * within_s)
    body = bytearray()
    try:
        async with (
            asyncio.timeout(within_s),
            client.stream("POST", url, timeout=timeout, **sent) as response,
        ):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BODY:
                    raise ProviderError("the answer has no end", supplier=SUPPLIER, transient=False)
    except httpx.HTTPError as error:
        raise ProviderError(f"server not reached: {type(error).__name__}", supplier=SUPPLIER) from error
    except TimeoutError as error:
        raise ProviderError(f"no whole answer within {within_s:g} s", supplier=SUPPLIER) from error
    return Answer(response.status_code, response.headers, _text(bytes(body), response.encoding))


def _text(body: bytes, encoding: str | None) -> str:
    try:
        return body.decode(encoding or "utf-8", errors="replace")
    except (LookupError, ValueError):  # the server names a codec that is not of text
        return body.decode(errors="replace")
