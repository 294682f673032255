"""Ending and transferring a call at Twilio, by its REST interface or without it.

With REST (production): ``POST /2010-04-01/Accounts/{sid}/Calls/{CallSid}.json``
replaces the call's TwiML or ends it; Twilio then ends the stream.
Without REST (demo, development): the wish is left for the ``action`` of
``<Connect>`` to find (``ingress.twilio``) and the stream is closed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from loguru import logger

from controls.errors import ProviderError
from voice_runtime.ingress import twiml
from voice_runtime.ports import Coordinator

SUPPLIER = "twilio"
_CALL_SID = re.compile(r"CA[0-9a-fA-F]{32}")
#: A transferred call may last this long and its outcome still be told, s.
DIAL_TTL_S = 4 * 3600.0
#: How long the wish for an end waits for Twilio to ask for it, s.
WISH_TTL_S = 300.0


class TwilioRest:
    """The part of Twilio's REST interface a call needs. Shared by all calls.

    Args:
        client: shared HTTP client; its owner closes it.
        account_sid, auth_token: basic auth.
        rest_url: ``https://api.twilio.com``, or a server that speaks the same.
        timeout_s: for each attempt, s.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        account_sid: str,
        auth_token: str,
        *,
        rest_url: str = "https://api.twilio.com",
        timeout_s: float = 5.0,
    ) -> None:
        self._client = client
        self._account_sid = account_sid
        self._auth = httpx.BasicAuth(account_sid, auth_token)
        self._root = rest_url.rstrip("/")
        self._timeout_s = timeout_s

    async def replace(self, call_sid: str, document: str) -> None:
        """Make Twilio go on with another TwiML document. Sent again only if it never arrived.

        Raises:
            ProviderError: refused, failed, too slow, or the call is over.
        """
        await self._update(call_sid, {"Twiml": document}, repeat_unknown=False)

    async def complete(self, call_sid: str) -> None:
        """End the call; a call that is over already is no error.

        Raises:
            ProviderError: refused, failed or too slow, twice.
        """
        try:
            await self._update(call_sid, {"Status": "completed"}, repeat_unknown=True)
        except _CallOver:
            logger.debug("the call was over already")

    async def _update(self, call_sid: str, fields: dict[str, str], *, repeat_unknown: bool) -> None:
        if not _CALL_SID.fullmatch(call_sid):
            raise ProviderError("not a Twilio call id", supplier=SUPPLIER, transient=False)
        try:
            await self._post(call_sid, fields)
        except ProviderError as error:
            if not error.transient or not (repeat_unknown or isinstance(error, _NeverArrived)):
                raise
            await self._post(call_sid, fields)

    async def _post(self, call_sid: str, fields: dict[str, str]) -> None:
        url = f"{self._root}/2010-04-01/Accounts/{self._account_sid}/Calls/{call_sid}.json"
        try:
            response = await self._client.post(url, data=fields, auth=self._auth, timeout=self._timeout_s)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NeverArrived(f"carrier not reached: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise ProviderError(f"carrier: {type(error).__name__}", supplier=SUPPLIER) from error
        if response.is_success:
            return
        code = _error_code(response)
        # 20404: no such resource; 21220: the call is not in progress
        if response.status_code == 404 or code == 21220:
            raise _CallOver(f"carrier: the call is over (status {response.status_code}, error {code})")
        raise ProviderError(
            f"carrier refused: status {response.status_code}, error {code}",
            supplier=SUPPLIER,
            transient=response.status_code >= 500 or response.status_code == 429,
        )


class _NeverArrived(ProviderError):
    """The request did not reach the carrier: sending it again cannot do it twice."""

    def __init__(self, message: str) -> None:
        super().__init__(message, supplier=SUPPLIER, transient=True)


class _CallOver(ProviderError):
    """The call has ended at the carrier."""

    def __init__(self, message: str) -> None:
        super().__init__(message, supplier=SUPPLIER, transient=False)


def _error_code(response: httpx.Response) -> int:
    try:
        body = response.json()
    except ValueError:
        return 0
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else 0


@dataclass(frozen=True, slots=True)
class Dialling:
    """What ``/dialled`` must know about a transfer under way; kept as a one-time token's value."""

    call: str
    call_sid: str
    line_number: str

    def dump(self) -> str:
        return json.dumps([self.call, self.call_sid, self.line_number])

    @classmethod
    def load(cls, value: str) -> Dialling:
        call, call_sid, line_number = json.loads(value)
        return cls(str(call), str(call_sid), str(line_number))


class TwilioControl:
    """``ports.CallControl`` of one call.

    Args:
        dialling: who this call is.
        after: name under which ``/after`` looks for a wish.
        dialled_url: makes the address for a transfer's outcome from a one-time token.
        new_token: makes a one-time token.
        close: ends the stream from our side.
        rest: None to go by ``/after`` alone.
    """

    def __init__(
        self,
        dialling: Dialling,
        *,
        coordinator: Coordinator,
        after: str,
        dialled_url: Callable[[str], str],
        new_token: Callable[[], str],
        close: Callable[[], Awaitable[None]],
        rest: TwilioRest | None,
        language: str = "en-US",
        ring_s: int = twiml.RING_S,
    ) -> None:
        self._dialling = dialling
        self._coordinator = coordinator
        self._after = after
        self._dialled_url = dialled_url
        self._new_token = new_token
        self._close = close
        self._rest = rest
        self._language = language
        self._ring_s = ring_s

    async def transfer(self, to: str, *, announce: str = "") -> None:
        """Hand the caller to ``to``; the stream ends, and the outcome goes to ``on_dialled``.

        Raises:
            OperatorError: ``to`` is neither an E.164 number nor a SIP address.
            ProviderError: the carrier refused, failed or did not answer in time.
        """
        token = self._new_token()
        document = twiml.dial(
            to,
            announce=announce,
            language=self._language,
            action=self._dialled_url(token),
            ring_s=self._ring_s,
        )
        await self._coordinator.put_token(f"dialled:{token}", self._dialling.dump(), DIAL_TTL_S)
        await self._go_on_with(document)

    async def hang_up(self) -> None:
        """End the call.

        Raises:
            ProviderError: the carrier refused, failed or did not answer in time. Closing
                the stream then sends the caller to a person (TwiML after ``<Connect>``).
        """
        if self._rest is not None:
            await self._rest.complete(self._dialling.call_sid)
        else:
            await self._go_on_with(twiml.say_and_hang_up(""))

    async def _go_on_with(self, document: str) -> None:
        if self._rest is not None:
            await self._rest.replace(self._dialling.call_sid, document)
            return
        await self._coordinator.put_token(f"after:{self._after}", document, WISH_TTL_S)
        await self._close()
