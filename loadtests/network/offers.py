"""A door for browsers' calls whose media cross a bad network: offers and answers are rewritten on the way.

Requests pass unchanged, but for the session descriptions in them: each side gets one
candidate, a port of ``impaired_udp``'s link, in the place of the other side's own.

A link ends with its call: once nothing has come from the caller's side for ``QUIET_S`` (a connection that
stands asks at least every six seconds whether it does: RFC 7675, 5.1). An offer for which there is no link
is refused in the words of RFC 9209, by which the caller knows that no server said so: a call that
went past the bad network would be measured as if it had crossed it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from loadtests.network.udp import ImpairedLink, Impairment, open_link
from voice_runtime.caller.bounded_http import MOST_BODY
from voice_runtime.caller.failure import NO_PLACE_STATUS, PROXY_STATUS

#: Where descriptions travel: ours, and that of pipecat's own runner.
_OFFERS = ("/webrtc/offer", "/api/offer")
_PASSED_ON = ("content-type", "origin", "authorization")
#: Links at one time; each takes two sockets.
MOST_LINKS = 1000
#: A link over which nothing comes from its caller for so long to twice as long is closed, s.
QUIET_S = 15.0


class Doorway:
    """Passes requests on to ``base_url``; every offer gets a link of its own.

    Args:
        most: links at one time.
    """

    def __init__(
        self, base_url: str, impairment: Impairment, client: aiohttp.ClientSession, most: int = MOST_LINKS
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._impairment = impairment
        self._client = client
        self._most = most
        self._count = 0
        self._opening = 0
        #: Links by whether their offers were answered: until then nothing can come.
        self._links: dict[ImpairedLink, bool] = {}

    @property
    def links(self) -> int:
        """How many are open."""
        return len(self._links)

    async def answer(self, request: web.Request) -> web.Response:
        """Pass a request on, and its answer back."""
        body = await request.read()
        if request.method != "POST" or request.path not in _OFFERS:
            return await self._passed_on(request, body)
        link = await self._link()
        if link is None:
            reason = {"error": "the impaired network has no link left for this call"}
            return web.json_response(reason, status=NO_PLACE_STATUS, headers=dict([PROXY_STATUS]))
        taken = False
        try:
            answered = await self._passed_on(request, _rewritten(body, link.offer))
            taken = 200 <= answered.status < 300
            if taken:
                answered.body = _rewritten(answered.body, link.answer)
                self._links[link] = True
            return answered
        finally:
            if not taken:
                self._close(link)

    async def _passed_on(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        try:
            async with self._client.request(
                request.method, self._base_url + request.path_qs, data=body, headers=headers
            ) as answer:
                data, status, kind = await _beginning(answer), answer.status, answer.content_type
        except aiohttp.ClientError:
            raise web.HTTPBadGateway from None
        return web.Response(body=data, status=status, content_type=kind)

    async def _link(self) -> ImpairedLink | None:
        """A link for one more call; None where there are too many, or no sockets left for it."""
        if len(self._links) + self._opening >= self._most:
            return None
        number, self._count = self._count, self._count + 1
        self._opening += 1
        try:
            link = await open_link(self._drawn(2 * number), self._drawn(2 * number + 1))
        except OSError:
            return None
        finally:
            self._opening -= 1
        self._links[link] = False
        return link

    def _drawn(self, number: int) -> Impairment:
        like = self._impairment
        return Impairment(
            like.loss, like.delay_ms, like.jitter_ms, like.overtaken, seed=like.seed * 1_000_003 + number
        )

    def sweep(self) -> None:
        """Close each link over which nothing came from its caller since the last time."""
        for link, answered in list(self._links.items()):
            if answered and not link.came_up():
                self._close(link)

    async def sweeping(self) -> None:
        """Sweep every ``QUIET_S``, until cancelled."""
        while True:
            await asyncio.sleep(QUIET_S)
            self.sweep()

    def _close(self, link: ImpairedLink) -> None:
        self._links.pop(link, None)
        link.close()

    def close(self) -> None:
        """Close every link."""
        for link in list(self._links):
            self._close(link)


async def _beginning(answer: aiohttp.ClientResponse) -> bytes:
    """As much of an answer as no caller takes; it says so itself."""
    data = bytearray()
    async for part in answer.content.iter_any():
        data += part
        if len(data) > MOST_BODY:
            break
    return bytes(data[: MOST_BODY + 1])


def _rewritten(body: Any, rewrite: Any) -> bytes:
    """The JSON with its ``sdp`` rewritten; as it is when there is none."""
    try:
        message = json.loads(body)
        message["sdp"] = rewrite(message["sdp"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return bytes(body)
    return json.dumps(message).encode()


@asynccontextmanager
async def open_doorway(
    base_url: str, impairment: Impairment, *, most: int = MOST_LINKS
) -> AsyncIterator[tuple[str, Doorway]]:
    """A doorway to ``base_url`` behind that network, and its address, until the block ends.

    Args:
        most: calls at one time; further offers are refused.
    """
    async with aiohttp.ClientSession() as client:
        doorway = Doorway(base_url, impairment, client, most)
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", doorway.answer)
        # a caller who gives up takes with it what was asked for it
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await runner.setup()
        sweeping = asyncio.create_task(doorway.sweeping(), name="impaired-links")
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}", doorway
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)
            await runner.cleanup()
            doorway.close()


@asynccontextmanager
async def impaired_offers(base_url: str, impairment: Impairment) -> AsyncIterator[str]:
    """The address of ``open_doorway``, until the block ends."""
    async with open_doorway(base_url, impairment) as (address, _):
        yield address
