"""HTTP to suppliers of speech: one client for each, its failures told in our words.

For servers that speak OpenAI's audio protocol or Piper's; language models have
``think/endpoints.py``. What a supplier answers with a failure is never read: it
may echo what it was sent.
"""

from __future__ import annotations

import asyncio

import httpx2
from loguru import logger

from controls.errors import ProviderError
from voice_runtime.supplier_transport import SupplierTransport

_CONNECT_S = 1.5
#: A free request is given up after this, s, and when its answer is longer than this, bytes.
_FREE_S, _MOST_FREE_BYTES = 2.0, 256 * 1024


def http_client(*, outside: bool, deadline_s: float, api_key: str = "") -> httpx2.AsyncClient:
    """A client that keeps its connections open; close it with ``aclose``.

    Args:
        outside: the server is beyond this host: a proxy of the environment is used.
        deadline_s: longest wait for bytes, s; whoever asks has deadlines of its own.
        api_key: sent as a bearer token; "" sends none.
    """
    return httpx2.AsyncClient(
        headers={"authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=httpx2.Timeout(deadline_s, connect=min(_CONNECT_S, deadline_s)),
        transport=SupplierTransport(outside=outside),
        trust_env=outside,
        follow_redirects=False,
    )


async def touch(client: httpx2.AsyncClient, url: str, supplier: str) -> None:
    """One ``GET`` that costs nothing, so that a connection stands.

    What is answered does not matter, a refusal opens the connection just as well; nor does failing:
    the next request that matters will tell. Never raises for what a server does.
    """
    try:
        async with asyncio.timeout(_FREE_S), client.stream("GET", url) as response:
            read = 0
            async for part in response.aiter_raw():  # to its end, or the connection cannot be used again
                read += len(part)
                if read > _MOST_FREE_BYTES:
                    break
    except (httpx2.HTTPError, httpx2.StreamError, OSError, TimeoutError, ValueError, RuntimeError) as error:
        logger.debug("{}: its connection is not warm: {}", supplier, type(error).__name__)


def refusal(status: int, supplier: str) -> ProviderError:
    """A status other than 200 as an error; asking again helps neither a wrong key nor a spent quota."""
    return ProviderError(
        f"refused with status {status}", supplier=supplier, transient=status in (408, 409) or status >= 500
    )


def translated(error: BaseException, supplier: str) -> ProviderError:
    """A failure of the client as ours, without the words of either side."""
    if isinstance(error, ProviderError):
        return error
    if isinstance(error, httpx2.TimeoutException | TimeoutError):
        return ProviderError("did not answer in time", supplier=supplier)
    if isinstance(error, httpx2.ConnectError):
        return ProviderError("cannot be reached", supplier=supplier)
    if isinstance(error, httpx2.RemoteProtocolError):
        return ProviderError("its answer broke off", supplier=supplier)
    if isinstance(error, httpx2.HTTPError | OSError):
        return ProviderError("its connection failed", supplier=supplier)
    return ProviderError(f"sent what cannot be read ({type(error).__name__})", supplier=supplier)
