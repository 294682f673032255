"""A door for browsers' calls whose media cross a bad network: offers and answers are rewritten on the way.

Requests pass unchanged, but for the session descriptions in them: each side gets one
candidate, a port of ``impaired_udp``'s link, in the place of the other side's own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from loadtests.network.udp import ImpairedLink, Impairment, udp_link

#: Where descriptions travel: ours, and that of pipecat's own runner.
_OFFERS = ("/webrtc/offer", "/api/offer")
_PASSED_ON = ("content-type", "origin", "authorization")
_MOST_LINKS = 1000


class _Doorway:
    """Passes requests on to ``base_url``; every offer gets a link of its own."""

    def __init__(self, base_url: str, impairment: Impairment, client: aiohttp.ClientSession) -> None:
        self._base_url = base_url.rstrip("/")
        self._impairment = impairment
        self._client = client
        self._links = AsyncExitStack()
        self._count = 0

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        link: ImpairedLink | None = None
        if request.method == "POST" and request.path in _OFFERS and self._count < _MOST_LINKS:
            link, body = await self._offer(body)
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        try:
            async with self._client.request(
                request.method, self._base_url + request.path_qs, data=body, headers=headers
            ) as answer:
                data, status, kind = await answer.read(), answer.status, answer.content_type
        except aiohttp.ClientError:
            raise web.HTTPBadGateway from None
        if link is not None and status == 200:
            data = _rewritten(data, link.answer)
        return web.Response(body=data, status=status, content_type=kind)

    async def _offer(self, body: bytes) -> tuple[ImpairedLink, bytes]:
        up, down = (self._drawn(2 * self._count + way) for way in (0, 1))
        self._count += 1
        link = await self._links.enter_async_context(udp_link(up, down))
        return link, _rewritten(body, link.offer)

    def _drawn(self, number: int) -> Impairment:
        like = self._impairment
        return Impairment(
            like.loss, like.delay_ms, like.jitter_ms, like.overtaken, seed=like.seed * 1_000_003 + number
        )

    async def close(self) -> None:
        await self._links.aclose()


def _rewritten(body: bytes, rewrite: Any) -> bytes:
    """The JSON with its ``sdp`` rewritten; as it is when there is none."""
    try:
        message = json.loads(body)
        message["sdp"] = rewrite(message["sdp"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return body
    return json.dumps(message).encode()


@asynccontextmanager
async def impaired_offers(base_url: str, impairment: Impairment) -> AsyncIterator[str]:
    """The address of a door to ``base_url`` behind that network, until the block ends."""
    async with aiohttp.ClientSession() as client:
        doorway = _Doorway(base_url, impairment, client)
        app = web.Application(client_max_size=1 << 20)
        app.router.add_route("*", "/{path:.*}", doorway.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            yield f"http://{host}:{port}"
        finally:
            await runner.cleanup()
            await doorway.close()
