"""A local server that speaks as much of Twilio's REST interface as a call needs.

``POST|GET /2010-04-01/Accounts/{sid}/Calls[/{CallSid}].json`` with basic auth,
Twilio's call resource and error bodies: the ``twilio`` package's own client
works against it. It can be told, mid-test, to fail or to stall, and hands each
accepted update to ``on_update``, so that a simulated call can obey it.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from tests.simulators.voice_server import serving

#: Once in one of these states a call cannot be updated.
FINAL = ("completed", "canceled", "busy", "failed", "no-answer")

OnUpdate = Callable[[str, dict[str, str]], Awaitable[None]]


@dataclass
class TwilioRestServer:
    """The simulated account. Attributes may be changed while it runs.

    Attributes:
        calls: CallSid → call resource.
        requests: fields of every accepted update, in order, with the CallSid.
        fail_with: status and Twilio error code of every answer, or None.
        failures: how many answers ``fail_with`` spoils; -1 for all.
        stall: while cleared, no request is answered.
        on_update: told of each accepted update.
    """

    account_sid: str = field(default_factory=lambda: "AC" + secrets.token_hex(16))
    auth_token: str = field(default_factory=lambda: secrets.token_hex(16))
    url: str = ""
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    attempts: int = 0
    fail_with: tuple[int, int] | None = None
    failures: int = -1
    stall: asyncio.Event = field(default_factory=asyncio.Event)
    on_update: OnUpdate | None = None

    def __post_init__(self) -> None:
        self.stall.set()

    def in_progress(
        self, sid: str = "", *, caller: str = "+12025550199", called: str = "+12025550142"
    ) -> str:
        """Add a call that is under way; returns its CallSid."""
        sid = sid or "CA" + secrets.token_hex(16)
        self.calls[sid] = self._resource(sid, caller, called, "inbound", "in-progress")
        return sid

    def _resource(self, sid: str, caller: str, called: str, direction: str, status: str) -> dict[str, Any]:
        now = format_datetime(datetime.now(UTC))
        return {
            "sid": sid, "account_sid": self.account_sid, "api_version": "2010-04-01", "from": caller,
            "from_formatted": caller, "to": called, "to_formatted": called, "direction": direction,
            "status": status, "answered_by": None, "caller_name": None, "date_created": now,
            "date_updated": now, "start_time": now, "end_time": None, "duration": None,
            "forwarded_from": None, "group_sid": None, "parent_call_sid": None, "phone_number_sid": None,
            "price": None, "price_unit": "USD", "queue_time": "0", "trunk_sid": None, "annotation": None,
            "uri": f"/2010-04-01/Accounts/{self.account_sid}/Calls/{sid}.json", "subresource_uris": {},
        }  # fmt: skip

    # -- answering --------------------------------------------------------------------------------

    async def _refusal(self, request: Request, account: str) -> Response | None:
        self.attempts += 1
        await self.stall.wait()
        if self.fail_with is not None and self.failures != 0:
            self.failures -= 1
            return _error(*self.fail_with, "told to fail")
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}" or account != self.account_sid:
            return _error(401, 20003, "Authenticate")
        return None

    async def create(self, request: Request, account: str) -> Response:
        if (refusal := await self._refusal(request, account)) is not None:
            return refusal
        fields = await _fields(request)
        for name, code in (("To", 21201), ("From", 21213)):
            if not fields.get(name):
                return _error(400, code, f"No '{name}' number is specified")
        if not fields.keys() & {"Url", "Twiml", "ApplicationSid"}:
            return _error(400, 21205, "Url parameter is required.")
        sid = "CA" + secrets.token_hex(16)
        self.calls[sid] = self._resource(sid, fields["From"], fields["To"], "outbound-api", "queued")
        return JSONResponse(self.calls[sid], status_code=201)

    async def fetch(self, request: Request, account: str, sid: str) -> Response:
        if (refusal := await self._refusal(request, account)) is not None:
            return refusal
        return JSONResponse(self.calls[sid]) if sid in self.calls else _not_found(account, sid)

    async def update(self, request: Request, account: str, sid: str) -> Response:
        if (refusal := await self._refusal(request, account)) is not None:
            return refusal
        if sid not in self.calls:
            return _not_found(account, sid)
        call, fields = self.calls[sid], await _fields(request)
        if call["status"] in FINAL:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        if fields.get("Status") in ("completed", "canceled"):
            call["status"] = fields["Status"]
            call["end_time"] = format_datetime(datetime.now(UTC))
        elif "Status" in fields or not fields.keys() & {"Twiml", "Url"}:
            return _error(400, 21218, "Invalid call status or no new document")
        elif len(fields.get("Twiml", "")) > 4000:
            return _error(400, 21240, "Twiml is too long")
        self.requests.append((sid, fields))
        if self.on_update is not None:
            await self.on_update(sid, fields)
        return JSONResponse(call)


def _not_found(account: str, sid: str) -> Response:
    path = f"/2010-04-01/Accounts/{account}/Calls/{sid}.json"
    return _error(404, 20404, f"The requested resource {path} was not found")


def _error(status: int, code: int, message: str) -> Response:
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return JSONResponse(body, status_code=status)


async def _fields(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


@asynccontextmanager
async def twilio_rest() -> AsyncIterator[TwilioRestServer]:
    """Serve a simulated account on a port of the system's choice."""
    account = TwilioRestServer()
    app = FastAPI()
    root = "/2010-04-01/Accounts/{account}"
    app.add_api_route(f"{root}/Calls.json", account.create, methods=["POST"])
    app.add_api_route(f"{root}/Calls/{{sid}}.json", account.fetch, methods=["GET"])
    app.add_api_route(f"{root}/Calls/{{sid}}.json", account.update, methods=["POST"])
    async with serving(app) as url:
        account.url = url
        try:
            yield account
        finally:
            account.stall.set()
