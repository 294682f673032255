"""The browsers' door: one-time call tokens, offers and answers, trickled candidates.

``WebRtcDoor.router`` answers

* ``POST /call/{agent}/token``: a page asks for leave to call;
* ``POST /webrtc/offer``: its offer, once for each token; later ones, by the call's ``pc_id``,
  renegotiate, restart ICE, or put a new connection in the place of one that broke;
* ``PATCH /webrtc/offer``: candidates it found afterwards.

Steps of a first offer, in this order: 1. the page's origin; 2. a bounded body; 3. the token,
used up by this; 4. the offer itself; 5. a place; 6. our answer; 7. the call's first records,
durable; 8. the answer is sent. Whatever fails gives the place back.

Answers: 400 ``offer``, 403 ``origin`` or ``token``, 404 ``unknown_agent`` or ``unknown_call``,
503 ``capacity``, or ``unavailable`` when the house takes no calls now. No offer, candidate,
address or id is logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from loguru import logger
from pipecat.transports.smallwebrtc.request_handler import (
    IceCandidate,
    SmallWebRTCPatchRequest,
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)

from controls.ids import new_id
from voice_runtime.ingress import libopus
from voice_runtime.ingress.admission import Admission
from voice_runtime.ingress.origins import Origins
from voice_runtime.ingress.twilio_hooks import FULL, Refusal
from voice_runtime.ingress.twilio_hooks import Reason as RefusalReason
from voice_runtime.ingress.webrtc_call import READY_S, BrowserCall, WebRtcControl, WebRtcHooks, WebRtcOpened
from voice_runtime.ingress.webrtc_http import CandidatesBody, IceServer, OfferBody, Refused, read_body
from voice_runtime.ingress.webrtc_messages import Reason
from voice_runtime.ingress.webrtc_peer import Peer
from voice_runtime.ingress.webrtc_presence import Patience
from voice_runtime.ingress.webrtc_sdp import BadOffer, check_offer, parse_candidate
from voice_runtime.lines import Line

__all__ = [
    "BrowserCall",
    "IceServer",
    "Patience",
    "WebRtcControl",
    "WebRtcDoor",
    "WebRtcHooks",
    "WebRtcOpened",
]

#: Refusals of strangers (no valid token) that are recorded in a minute; the rest are only counted.
_MOST_RECORDED = 20
_METHODS = {"Access-Control-Allow-Methods": "POST, PATCH", "Access-Control-Allow-Headers": "content-type"}


class _Connections(SmallWebRTCRequestHandler):
    """pipecat's map of live connections, which renegotiates and takes candidates by their ids."""

    def add(self, peer: Peer) -> None:
        self._pcs_map[peer.pc_id] = peer

    def forget(self, peer: Peer) -> None:
        self._pcs_map.pop(peer.pc_id, None)


class WebRtcDoor:
    """The routes and the calls behind them. ``close`` it when the server stops.

    Args:
        public_url: this server's own address.
        origins: other sites whose pages may call.
        ice_servers: for this side and for pages.
        web_line: agent → its web entry, None when it has none.
        languages: in which a call on a line may be held; the first is its own.
        admission: places.
        hooks: what to do with calls.
        token_ttl_s: how long a page may take from token to offer, s.
        connect_s: how long a browser may take from the answer to media and data channel, s.
        ready_s: how long a page may take from its channel to "ready", s.
        patience: see ``webrtc_presence``.

    Raises:
        OperatorError: there is no libopus.
    """

    def __init__(
        self,
        *,
        public_url: str | Callable[[], str],
        origins: Iterable[str] = (),
        ice_servers: Sequence[IceServer] = (),
        web_line: Callable[[str], Line | None],
        languages: Callable[[Line], Sequence[str]],
        admission: Admission,
        hooks: WebRtcHooks,
        token_ttl_s: float = 60.0,
        connect_s: float = 20.0,
        ready_s: float = READY_S,
        patience: Patience | None = None,
    ) -> None:
        libopus.library()  # now, and not while the first caller's loop waits for the disk
        self._origins = Origins(public_url, origins)
        self._ice_servers = tuple(ice_servers)
        self._web_line = web_line
        self._languages = languages
        self._admission = admission
        self._hooks = hooks
        self._token_ttl_s = token_ttl_s
        self._connect_s = connect_s
        self._ready_s = ready_s
        self._patience = patience
        self._connections = _Connections(ice_servers=[])
        self._calls: dict[str, BrowserCall] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        # A page asks for a token without showing anything, so one that is given out costs no memory: it
        # says itself until when it is valid. Only those that were used are remembered, until then.
        self._key = secrets.token_bytes(32)
        self._used: dict[str, float] = {}
        self._recorded: deque[float] = deque()
        self.router = APIRouter()
        add = self.router.add_api_route
        add("/call/{agent}/token", self.token, methods=["POST"], include_in_schema=False)
        add("/webrtc/offer", self.offer, methods=["POST"], include_in_schema=False)
        add("/webrtc/offer", self.candidates, methods=["PATCH"], include_in_schema=False)
        for path in ("/call/{agent}/token", "/webrtc/offer"):
            add(path, self.preflight, methods=["OPTIONS"], include_in_schema=False)

    @property
    def calls(self) -> tuple[BrowserCall, ...]:
        """Calls that are connected or connecting."""
        return tuple(self._calls.values())

    async def close(self) -> None:
        """End every call that is left, and wait for it."""
        for call in self.calls:
            await call.close("ended")
        for task in tuple(self._running):
            task.cancel()
        while left := self._running | self._ending:
            await asyncio.wait(left)

    # -- routes -----------------------------------------------------------------------------------

    async def preflight(self, request: Request) -> Response:
        """A browser asks whether a page of another site may ask (WHATWG Fetch, 3.2.2)."""
        origin = request.headers.get("origin")
        allowed = origin is not None and self._origins.allows(origin)
        more = _METHODS if allowed else {}
        return Response(status_code=204, headers={**self._origins.cors(origin), **more})

    async def token(self, request: Request, agent: str) -> Response:
        """A one-time token for a call to an agent, and the servers a page needs to connect."""
        return await self._answered(request, self._token(agent))

    async def offer(self, request: Request) -> Response:
        """An offer: a new call's, or a further one of a call that is under way."""
        return await self._answered(request, self._offer(request))

    async def candidates(self, request: Request) -> Response:
        """Candidates found after the offer."""
        return await self._answered(request, self._candidates(request))

    async def _answered(self, request: Request, work: Coroutine[Any, Any, Mapping[str, Any]]) -> Response:
        origin = request.headers.get("origin")
        headers = {**self._origins.cors(origin), "Cache-Control": "no-store"}
        try:
            if not self._origins.allows(origin):
                work.close()
                await self._stranger(Refusal("token", detail="origin"))
                raise Refused(403, "origin")
            return JSONResponse(await work, headers=headers)
        except Refused as refused:
            return JSONResponse({"error": refused.error}, status_code=refused.status, headers=headers)

    # -- tokens -----------------------------------------------------------------------------------

    async def _token(self, agent: str) -> Mapping[str, Any]:
        line = self._web_line(agent[:100])
        if line is None:
            raise Refused(404, "unknown_agent")
        expires_ms = round((time.monotonic() + self._token_ttl_s) * 1000)
        claims = f"{secrets.token_urlsafe(12)}.{expires_ms}.{agent}"
        return {
            "token": f"{claims}.{self._mac(claims)}",
            "ice_servers": [server.for_page() for server in self._ice_servers],
            "expires_s": self._token_ttl_s,
        }

    def _mac(self, claims: str) -> str:
        return hmac.new(self._key, claims.encode(), hashlib.sha256).hexdigest()

    def _take(self, token: str) -> str | None:
        """The agent a token is for, once; None when it is not ours, used or expired."""
        claims, _, mac = token.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(claims).encode()):
            return None
        nonce, expires_ms, agent = claims.split(".", 2)
        now, expires = time.monotonic(), int(expires_ms) / 1000
        self._used = {used: until for used, until in self._used.items() if until > now}
        if expires <= now or nonce in self._used:
            return None
        self._used[nonce] = expires
        return agent

    # -- offers -----------------------------------------------------------------------------------

    async def _offer(self, request: Request) -> Mapping[str, Any]:
        body = await read_body(request, OfferBody)
        if body.pc_id is not None:
            return await self._further(body)
        agent = self._take(body.token or "")
        if agent is None:
            await self._stranger(Refusal("token", detail="unknown, used or expired"))
            raise Refused(403, "token")
        line = self._web_line(agent)
        if line is None:
            raise Refused(404, "unknown_agent")
        try:
            check_offer(body.sdp)
        except BadOffer as error:
            logger.info("an offer was refused: {}", error)
            raise Refused(400, "offer") from None
        return await self._first(body, line, self._language(body, line))

    def _language(self, body: OfferBody, line: Line) -> str:
        served = tuple(self._languages(line))
        if body.language and body.language not in served:
            raise Refused(400, "offer")
        return body.language or line.language or (served[0] if served else "")

    async def _first(self, body: OfferBody, line: Line, language: str) -> Mapping[str, Any]:
        call_id = new_id("c")
        reason = await self._hooks.may_take(line) if self._hooks.may_take is not None else None
        if reason is None:
            entry = await self._admission.enter(line.tenant, call_id)
            reason = "token" if entry == "repeated" else None if entry == "admitted" else entry
        if reason is not None:
            raise await self._turned_away(reason, line)
        call: BrowserCall | None = None
        try:
            call = BrowserCall(
                call_id, line, language, [s.for_us() for s in self._ice_servers],
                patience=self._patience, ready_s=self._ready_s,
            )  # fmt: skip
            await call.peer.initialize(body.sdp)
            reason = await self._opened(call)
            if reason is not None:
                raise await self._turned_away(reason, line)
        except BaseException as error:
            await self._admission.leave(call_id)
            if call is not None:
                await call.close("failed")
            if isinstance(error, BadOffer):
                logger.info("an offer was refused: {}", error)
                raise Refused(400, "offer") from None
            raise
        self._calls[call.peer.pc_id] = call
        self._connections.add(call.peer)
        task = asyncio.create_task(self._run(call), name="webrtc-call")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {**call.peer.answer(), "call": call_id}

    async def _opened(self, call: BrowserCall) -> RefusalReason | None:
        if self._hooks.open_call is None:
            return None
        opened = WebRtcOpened(call.id, call.line, call.language, self._connect_s + 5)
        try:
            return await self._hooks.open_call(opened)
        except Exception as error:  # noqa: BLE001 - an unopened call is not answered, whatever the reason
            logger.error("a call could not be opened: {}", type(error).__name__)
            return "ledger"

    async def _further(self, body: OfferBody) -> Mapping[str, Any]:
        call = self._calls.get(body.pc_id or "")
        if call is None:
            raise Refused(404, "unknown_call")
        async with call.negotiating:
            asked = SmallWebRTCRequest(
                sdp=body.sdp, type="offer", pc_id=body.pc_id, restart_pc=body.restart_pc
            )
            try:
                answer = await self._connections.handle_web_request(asked, _never)
            except BadOffer as error:
                logger.info("call {}: an offer was refused: {}", call.id, error)
                raise Refused(400, "offer") from None
            call.restarted(new_connection=body.restart_pc)
        return {**(answer or {}), "call": call.id}

    async def _candidates(self, request: Request) -> Mapping[str, Any]:
        body = await read_body(request, CandidatesBody)
        call = self._calls.get(body.pc_id)
        if call is None:
            raise Refused(404, "unknown_call")
        taken = []
        try:
            for given in body.candidates:
                useful = parse_candidate(given.candidate, given.sdp_mid, given.sdp_mline_index)
                if useful is not None and call.may_take_candidate():
                    text = given.candidate.removeprefix("candidate:")
                    taken.append(IceCandidate(text, given.sdp_mid or "", given.sdp_mline_index or 0))
            if taken:
                async with call.negotiating:
                    await self._connections.handle_patch_request(SmallWebRTCPatchRequest(body.pc_id, taken))
        except (BadOffer, ValueError):
            raise Refused(400, "offer") from None
        return {}

    # -- calls ------------------------------------------------------------------------------------

    async def _run(self, call: BrowserCall) -> None:
        """One call: wait until it stands, run it, and give its place back whatever happens."""
        reason: Reason = "ended"
        watching: asyncio.Task[None] | None = None
        try:
            if not await call.stand(self._connect_s) or not self._admission.claim(call.id):
                reason = "timed_out"
                logger.info("call {} never connected", call.id)  # its record is closed by whoever opened it
                return
            watching = asyncio.create_task(call.watch(), name="webrtc-watch")
            await self._hooks.on_call(call)
        except Exception as error:  # noqa: BLE001 - one call's bug must not cost another
            reason = "failed"
            logger.error("a call ended by {}", type(error).__name__)
        finally:
            if watching is not None:
                watching.cancel()
            ending = asyncio.create_task(self._over(call, reason), name="webrtc-ending")
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            await asyncio.shield(ending)

    async def _over(self, call: BrowserCall, reason: Reason) -> None:
        self._calls.pop(call.peer.pc_id, None)
        self._connections.forget(call.peer)
        try:
            await call.close(reason)
        finally:
            await self._admission.leave(call.id)

    # -- refusals ---------------------------------------------------------------------------------

    async def _turned_away(self, reason: RefusalReason, line: Line) -> Refused:
        await self._refused(Refusal(reason, line))
        return Refused(503, "capacity" if reason in FULL else "unavailable")

    async def _stranger(self, refusal: Refusal) -> None:
        """Somebody without a valid token: recorded so often at most that a flood costs little."""
        now = time.monotonic()
        while self._recorded and self._recorded[0] < now - 60:
            self._recorded.popleft()
        if len(self._recorded) < _MOST_RECORDED:
            self._recorded.append(now)
            await self._refused(refusal)

    async def _refused(self, refusal: Refusal) -> None:
        logger.info("call refused: {} {}", refusal.reason, refusal.detail)
        if self._hooks.on_refused is None:
            return
        try:
            await self._hooks.on_refused(refusal)
        except Exception as error:  # noqa: BLE001 - the answer to the page does not wait for our bugs
            logger.error("a refusal could not be recorded: {}", type(error).__name__)


async def _never(connection: Any) -> None:
    """Pipecat would make a connection for an unknown id; those never come so far."""
    raise AssertionError("a connection for an unknown id")
