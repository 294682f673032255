"""Twilio's end of a call: signed webhooks in, one-time media streams, outcomes of transfers.

``twilio_router`` answers

* ``POST /telephony/twilio/voice``: someone calls a number;
* ``WS   /telephony/twilio/media/{token}``: that call's audio, once;
* ``POST /telephony/twilio/after/{token}``: the stream has ended (only without REST);
* ``POST /telephony/twilio/dialled/{token}``: how a transfer went.

How a call ends
    Twilio goes on behind ``<Connect>`` when *our* side closes the stream, also
    when it breaks; with an ``action`` it asks that address instead and never
    reaches the verbs behind (Twilio, "TwiML Voice: <Connect>", action). So:

    With REST, ``<Connect>`` has no ``action``: the verbs behind it (``<Say>``,
    ``<Dial>`` a person) need nothing of ours, and a dead process still reaches
    a person. The agent ends or transfers a call by REST, which replaces the
    document, so these verbs do not run. Should REST fail, closing the stream
    sends the caller to a person: wrong on the safe side.

    Without REST (demo, development) the ``action`` finds the document
    ``TwilioControl`` left: hang up, or dial. Finding none, it answers with the
    person. A dead process is then caught by the number's own fallback URL only.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response, WebSocket
from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect

from controls.ids import new_id
from voice_runtime.ingress import signature, twiml
from voice_runtime.ingress.admission import Admission
from voice_runtime.ingress.twilio_control import Dialling, TwilioControl, TwilioRest
from voice_runtime.ingress.twilio_hooks import (
    FULL,
    AfterDial,
    Dialled,
    Lines,
    Opened,
    Reason,
    Refusal,
    TwilioHooks,
)
from voice_runtime.ingress.twilio_media import BadStart, IncomingCall, Start, answered_now, read_start
from voice_runtime.ingress.twilio_serializer import TwilioLink, TwilioSerializer
from voice_runtime.ingress.twilio_socket import CLOSE_INTERNAL, CLOSE_NORMAL, CLOSE_POLICY, MediaSocket
from voice_runtime.ingress.twiml import Words
from voice_runtime.lines import Line
from voice_runtime.ports import Coordinator

__all__ = [
    "AfterDial", "Dialled", "IncomingCall", "Lines", "Opened", "Reason", "Refusal", "TwilioHooks",
    "TwilioRest", "Words", "twilio_router",
]  # fmt: skip

ROOT = "/telephony/twilio"
_MOST_FORM_BYTES = 64 * 1024
_MOST_FIELDS = 200
_LONGEST_ADDRESS = 300
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a stream token stands for."""

    call: str
    call_sid: str
    caller: str
    called: str
    resumed: str = ""

    @property
    def place(self) -> str:
        """Its name in admission: a call that comes back takes a place of its own, as the first may linger."""
        return f"{self.call_sid} {self.resumed}".rstrip()

    def dump(self) -> str:
        return json.dumps([self.call, self.call_sid, self.caller, self.called, self.resumed])

    @classmethod
    def load(cls, value: str) -> _Facts:
        return cls(*(str(part) for part in json.loads(value)))


@dataclass(frozen=True, slots=True)
class _Form:
    """A signed webhook's fields."""

    fields: dict[str, str]

    def get(self, name: str) -> str:
        return self.fields.get(name, "")[:_LONGEST_ADDRESS]


class _Unsigned(Exception):
    """The request is not Twilio's, or not a form."""


def twilio_router(
    *,
    public_url: str | Callable[[], str],
    auth_token: str,
    lines: Lines,
    words: Callable[[Line | None], Words],
    admission: Admission,
    coordinator: Coordinator,
    hooks: TwilioHooks,
    rest: TwilioRest | None = None,
    token_ttl_s: float = 60.0,
    start_timeout_s: float = 5.0,
) -> APIRouter:
    """Return the routes of one Twilio account.

    Serve it with WebSocket compression off and messages bounded, as uvicorn's
    ``ws=DirectProtocol, ws_per_message_deflate=False, ws_max_size=65536``.

    Args:
        public_url: the address Twilio was given, ``https://…``; signatures cover it.
        auth_token: the account's; it signs webhooks.
        lines: called number → line.
        words: what the carrier's voice says on a line, None for an unknown one.
        admission: places.
        coordinator: one-time tokens.
        hooks: what to do with calls.
        rest: None in demo and development (see the module's docstring).
        token_ttl_s: how long Twilio may take from the webhook to the stream, s.
        start_timeout_s: how long a stream may take to start, s.
    """
    end = _TwilioEnd(
        public_url=public_url,
        auth_token=auth_token,
        lines=lines,
        words=words,
        admission=admission,
        coordinator=coordinator,
        hooks=hooks,
        rest=rest,
        token_ttl_s=token_ttl_s,
        start_timeout_s=start_timeout_s,
    )
    router = APIRouter(prefix=ROOT)
    router.add_api_route("/voice", end.voice, methods=["POST"], include_in_schema=False)
    router.add_api_route("/after/{token}", end.after, methods=["POST"], include_in_schema=False)
    router.add_api_route("/dialled/{token}", end.dialled, methods=["POST"], include_in_schema=False)
    router.add_api_websocket_route("/media/{token}", end.media)
    return router


@dataclass(frozen=True)
class _TwilioEnd:
    """The routes' shared state: see ``twilio_router``."""

    public_url: str | Callable[[], str]
    auth_token: str
    lines: Lines
    words: Callable[[Line | None], Words]
    admission: Admission
    coordinator: Coordinator
    hooks: TwilioHooks
    rest: TwilioRest | None
    token_ttl_s: float
    start_timeout_s: float

    # -- webhooks ---------------------------------------------------------------------------------

    async def voice(self, request: Request) -> Response:
        """Someone calls: TwiML that streams the call here, or that says why not."""
        try:
            form = await self._signed(request)
        except _Unsigned as error:
            await self._refused(Refusal("signature", detail=str(error)))
            return Response(status_code=403)
        line = self.lines.find(form.get("To"))
        if line is None:
            await self._refused(Refusal("unknown_line", carrier_call=form.get("CallSid")))
            words = self.words(None)
            return _xml(twiml.say_and_hang_up(words.no_person, words.language))
        facts = _Facts(new_id("c"), form.get("CallSid"), form.get("From"), form.get("To"))
        reason = await self._reason_against(line, facts)
        if reason is None:
            reason = await self._opened(facts, line)
        if reason is not None:
            await self._refused(Refusal(reason, line, carrier_call=facts.call_sid))
            words = self.words(line)
            return _xml(twiml.full(words) if reason in FULL else twiml.unreachable(words))
        return _xml(await self._connect(facts, line))

    async def _opened(self, facts: _Facts, line: Line) -> Reason | None:
        """Open the call's record before it is answered; its place is given back when that fails."""
        if self.hooks.open_call is None:
            return None
        opened = Opened(facts.call, line, facts.caller, facts.called, facts.call_sid, self.token_ttl_s)
        try:
            reason = await self.hooks.open_call(opened)
        except Exception as error:  # noqa: BLE001 - an unopened call is not answered, whatever the reason
            logger.error("a call could not be opened: {}", type(error).__name__)
            reason = "ledger"
        if reason is not None:
            await self.admission.leave(facts.place)
        return reason

    async def after(self, request: Request, token: str) -> Response:
        """The stream is over and REST is not in use: what the agent wished, else the person."""
        try:
            form = await self._signed(request)
        except _Unsigned as error:
            await self._refused(Refusal("signature", detail=str(error)))
            return Response(status_code=403)
        wish = await self.coordinator.take_token(f"after:{token[:100]}")
        return _xml(wish or twiml.unreachable(self.words(self.lines.find(form.get("To")))))

    async def dialled(self, request: Request, token: str) -> Response:
        """A transfer is over: report it, and answer what becomes of the caller."""
        try:
            form = await self._signed(request)
        except _Unsigned as error:
            await self._refused(Refusal("signature", detail=str(error)))
            return Response(status_code=403)
        value = await self.coordinator.take_token(f"dialled:{token[:100]}")
        if value is None:
            return _xml(twiml.say_and_hang_up(""))
        dialling = Dialling.load(value)
        line = self.lines.find(dialling.line_number)
        dialled = Dialled(dialling.call, line, _dial_status(form), _seconds(form.get("DialCallDuration")))
        after = await self._report(dialled)
        if after is not None and after.reconnect and line is not None:
            facts = _Facts(dialling.call, dialling.call_sid, form.get("From"), line.number, dialled.status)
            if await self._reason_against(line, facts) is None:
                return _xml(await self._connect(facts, line))
            after = None
        words = self.words(line)
        if after is None:
            after = AfterDial(say="" if dialled.status == "completed" else words.no_person)
        return _xml(twiml.say_and_hang_up(after.say, words.language))

    async def _report(self, dialled: Dialled) -> AfterDial | None:
        if self.hooks.on_dialled is None:
            return None
        try:
            return await self.hooks.on_dialled(dialled)
        except Exception as error:  # noqa: BLE001 - the caller is still on the line
            logger.error("a transfer's outcome could not be taken: {}", type(error).__name__)
            return None

    async def _connect(self, facts: _Facts, line: Line) -> str:
        token = secrets.token_urlsafe(24)
        await self.coordinator.put_token(f"stream:{token}", facts.dump(), self.token_ttl_s)
        stream = "ws" + self._public().removeprefix("http") + f"{ROOT}/media/{token}"
        after = None if self.rest else self._public() + f"{ROOT}/after/{token}"
        return twiml.connect(stream, {"call": facts.call}, self.words(line), after_url=after)

    async def _reason_against(self, line: Line, facts: _Facts) -> Reason | None:
        """Why this line takes no call now; None when a place is reserved for it."""
        if not facts.call_sid:
            return "token"
        if self.hooks.may_take is not None:
            reason = await self.hooks.may_take(line)
            if reason is not None:
                return reason
        entry = await self.admission.enter(line.tenant, facts.place, returning=bool(facts.resumed))
        if entry == "repeated":
            return "token"
        return None if entry == "admitted" else entry

    async def _signed(self, request: Request) -> _Form:
        """Read a webhook's form.

        1. Bounded body, of the form type.
        2. The signature over the *public* address and every field.

        Raises:
            _Unsigned: either does not hold.
        """
        if request.headers.get("content-type", "").split(";")[0].strip() != _FORM:
            raise _Unsigned("content type")
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > _MOST_FORM_BYTES:
                    raise _Unsigned("size")
        except ClientDisconnect:
            raise _Unsigned("disconnect") from None
        try:
            fields = parse_qsl(
                body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict"
            )
        except ValueError:
            raise _Unsigned("form") from None
        path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        query: bytes = request.scope["query_string"]
        url = self._public() + (path + (b"?" + query if query else b"")).decode("latin-1")
        given = request.headers.get(signature.HEADER, "")
        if not signature.holds(self.auth_token, url, fields, given):
            raise _Unsigned("signature" if given else "no signature")
        return _Form(dict(fields))

    def _public(self) -> str:
        url = self.public_url if isinstance(self.public_url, str) else self.public_url()
        return url.rstrip("/")

    async def _refused(self, refusal: Refusal) -> None:
        logger.info("call refused: {} {}", refusal.reason, refusal.detail)
        if self.hooks.on_refused is None:
            return
        try:
            await self.hooks.on_refused(refusal)
        except Exception as error:  # noqa: BLE001 - the answer to the carrier does not wait for our bugs
            logger.error("a refusal could not be recorded: {}", type(error).__name__)

    # -- media ------------------------------------------------------------------------------------

    async def media(self, websocket: WebSocket, token: str) -> None:
        """One call's audio.

        1. The token is taken: unknown, used or expired ones end here.
        2. ``connected`` and ``start`` in time, of that call, in µ-law.
        3. The place reserved by the webhook is claimed.
        4. The call runs; its place is given back whatever happens.
        """
        await websocket.accept()
        value = await self.coordinator.take_token(f"stream:{token[:100]}")
        if value is None:
            await self._turn_away(websocket, Refusal("token", detail="unknown, used or expired"))
            return
        facts = _Facts.load(value)
        line = self.lines.find(facts.called)
        try:
            start = await read_start(websocket, call_sid=facts.call_sid, timeout_s=self.start_timeout_s)
        except BadStart as error:
            await self.admission.leave(facts.place)
            await self._turn_away(websocket, Refusal("token", line, str(error), facts.call_sid))
            return
        except BaseException:
            await self.admission.leave(facts.place)
            raise
        if line is None or not self.admission.claim(facts.place):
            await self._turn_away(websocket, Refusal("token", line, "no place reserved", facts.call_sid))
            return
        try:
            await self._run(websocket, facts, line, start, token)
        finally:
            await self.admission.leave(facts.place)

    async def _run(self, websocket: WebSocket, facts: _Facts, line: Line, start: Start, token: str) -> None:
        link = TwilioLink(start.stream_sid)
        serializer = TwilioSerializer(start.stream_sid, link, start_sequence=start.sequence)
        socket = MediaSocket(websocket, serializer)
        words = self.words(line)
        control = TwilioControl(
            Dialling(facts.call, facts.call_sid, facts.called),
            coordinator=self.coordinator,
            after=token,
            dialled_url=lambda t: self._public() + f"{ROOT}/dialled/{t}",
            new_token=lambda: secrets.token_urlsafe(24),
            close=socket.close,
            rest=self.rest,
            language=words.language,
        )
        call = IncomingCall(
            id=facts.call,
            line=line,
            caller=facts.caller,
            called=facts.called,
            call_sid=facts.call_sid,
            stream_sid=start.stream_sid,
            answered_ns=answered_now(),
            websocket=socket,
            serializer=serializer,
            link=link,
            control=control,
            resumed=facts.resumed,
        )
        code = CLOSE_NORMAL
        try:
            await self.hooks.on_call(call)
        except WebSocketDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - the carrier goes on to a person when the stream closes
            code = CLOSE_INTERNAL
            logger.error("a call ended by {}", type(error).__name__)
        finally:
            await socket.close(code)

    async def _turn_away(self, websocket: WebSocket, refusal: Refusal) -> None:
        await self._refused(refusal)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await websocket.close(CLOSE_POLICY)


def _xml(document: str) -> Response:
    return Response(document, media_type="application/xml")


def _dial_status(form: _Form) -> Literal["completed", "busy", "no-answer", "failed", "canceled"]:
    match form.get("DialCallStatus"):
        case "completed" | "answered":
            return "completed"
        case "busy":
            return "busy"
        case "no-answer":
            return "no-answer"
        case "canceled":
            return "canceled"
        case _:
            return "failed"


def _seconds(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
