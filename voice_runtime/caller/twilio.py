"""A simulated caller and carrier in one: places a call over Twilio's protocol and follows a script.

Real sockets, real time, real audio: the signed webhook, the media websocket at
20 ms pace, marks and ``clear`` as Twilio treats them, and what Twilio does when
the stream is over. Nothing is measured from the server's own times.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Literal, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from controls.errors import OperatorError, ProviderError, SayError
from voice_runtime.caller import bounded_http
from voice_runtime.caller.acting import News, OnEvent, follow, prepare
from voice_runtime.caller.failure import Refused, failure_of
from voice_runtime.caller.media_socket import MediaSocket
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import Script
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.caller.stream import MediaStream
from voice_runtime.caller.tls import context_for
from voice_runtime.caller.twilio_wire import SUPPLIER, Outgoing, Verb, new_sid, parse_twiml, signature

DialOutcome = Literal["completed", "busy", "no-answer", "failed", "canceled"]

#: A fallback that points at itself is followed no further than this.
_MOST_DOCUMENTS = 5

_Connection = TypeVar("_Connection", bound=ClientConnection)


class TwilioCaller:
    """Places calls, one at a time; many of these make many calls.

    Args:
        base_url: the server's public address: what Twilio would request, and sign.
        auth_token: the account's; "" sends no signature.
        from_number, to_number: E.164.
        connect_to: where the server really listens, when that is not ``base_url``.
        confined: everything must be there: an answer that leads elsewhere is the operator's fault, not
            followed. For whoever stands in between, such as an impaired network.
        webhook: path of the voice webhook.
        stream_url: ws(s) address of any agent's media stream: no webhook is sent, the call begins there.
        parameters: custom parameters of ``start`` where no webhook gives them.
        voice: speaks; shared between callers it synthesises each sentence once.
        on_event: awaited for each event, in order, beside the call: a slow one
            delays no audio, and beyond 1000 waiting events they are lost and counted.
        dial_outcome: what comes of dialling a number in TwiML.
        longest_s: the caller hangs up after so long, s.
        connect_timeout_s: for each webhook up to its answer's last byte, and for opening the stream, s.

    Attributes:
        stream: of the call in progress.
        playout: what the newest call's caller was played, from its answer on and after its end.
        result: of the newest call.

    Raises:
        OperatorError: an address is none.
    """

    def __init__(
        self,
        base_url: str,
        auth_token: str,
        from_number: str,
        to_number: str,
        *,
        connect_to: str | None = None,
        confined: bool = False,
        account_sid: str = "",
        webhook: str = "/telephony/twilio/voice",
        stream_url: str = "",
        parameters: Mapping[str, str] | None = None,
        voice: Flite | None = None,
        on_event: OnEvent | None = None,
        dial_outcome: Callable[[str], DialOutcome] = lambda to: "no-answer",
        longest_s: float = 600.0,
        connect_timeout_s: float = 10.0,
    ) -> None:
        self._public = base_url.rstrip("/")
        self._real = (connect_to or base_url).rstrip("/")
        for url in (self._public, self._real):
            if not url.startswith(("http://", "https://")):
                raise OperatorError("a server's address starts with http:// or https://")
            if not _is_address(url):
                raise OperatorError("a server's address has a host, and a number for a port if it has one")
        if stream_url and not stream_url.startswith(("ws://", "wss://")):
            raise OperatorError("a media stream's address starts with ws:// or wss://")
        if not webhook and not stream_url:
            raise OperatorError("a call needs a webhook or the address of a media stream")
        self._confined = confined
        self._webhook = webhook
        self._stream_url = stream_url
        self._parameters = dict(parameters or {})
        self._auth_token = auth_token
        self._account_sid = account_sid or new_sid("AC")
        self._from, self._to = from_number, to_number
        self._voice = voice
        self._on_event = on_event
        self._dial_outcome = dial_outcome
        self._longest_s = longest_s
        self._connect_timeout_s = connect_timeout_s
        self._update: str | None = None
        self.call_sid = new_sid("CA")
        self.stream: MediaStream | None = None
        self.playout: Playout | None = None
        self.result = CallResult(self.call_sid)

    # -- a whole call -----------------------------------------------------------------------------

    async def run(self, script: Script, *, back_with: list[Verb] | None = None) -> CallResult:
        """Place a call and follow ``script``; returns when the call and its aftermath are over.

        A call that fails is a result (``ended_by`` "failed", ``error``), not an exception.

        Args:
            back_with: no new call: the same caller comes back from a transfer with
                this document (the last of ``result.afterwards``).

        Raises:
            OperatorError: a sentence cannot be spoken (flite is missing), or is to be typed; or the call,
                ``confined``, was led elsewhere.
        """
        if script.typed:
            raise OperatorError("a telephone takes no typed words: use --via webrtc")
        speech = await prepare(script, self._voice)
        self._update = None
        self.playout = None
        if back_with is None:
            self.call_sid = new_sid("CA")
        self.result = result = CallResult(self.call_sid)
        news = News(result, self._on_event)
        try:
            await self._call(script, speech, back_with, news)
        except OperatorError:
            news.drop()
            raise
        except (SayError, OSError, httpx.HTTPError, WebSocketException, TimeoutError) as error:
            result.ended_by = "failed"
            result.error = str(error) or type(error).__name__
            result.failure = failure_of(error)
        except BaseException:
            news.drop()
            raise
        finally:
            self.stream = None
        news.now("ended", by=result.ended_by)
        if result.afterwards:
            news.now("afterwards", verbs=[verb.name for verb in result.afterwards])
        await news.told()
        return result

    async def _call(
        self, script: Script, speech: Mapping[str, Spoken], back_with: list[Verb] | None, news: News
    ) -> None:
        began = time.monotonic_ns()
        news.emit("ringing", 0.0)
        verbs = await self.place() if back_with is None else back_with
        connect_at = next((i for i, verb in enumerate(verbs) if verb.name == "Connect"), None)
        if connect_at is None:
            self.result.ended_by = "refused"
            news.emit("refused", 0.0, says=[v.text for v in verbs if v.name == "Say"])
            await self._go_on(verbs)
            return
        verb = verbs[connect_at]
        async with self._open(verb, MediaSocket) as ws:
            out = Outgoing(new_sid("MZ"), self.call_sid, self._account_sid)
            self.stream = stream = MediaStream(ws, out, news)
            stream.start(parameters(verb))
            self.playout = stream.playout
            self.result.answered_ns = stream.answered_ns
            self.result.webhook_ms = (stream.answered_ns - began) / 1e6
            news.emit("answered", 0.0)
            try:
                await follow(stream, script, speech, self.result, news, longest_s=self._longest_s)
            finally:
                stream.collect(self.result)
        if self._update is not None:
            self.result.ended_by = "carrier"
            await self._go_on(parse_twiml(self._update) if self._update else [])
        elif self.result.ended_by == "server":
            await self._after(verb, verbs[connect_at + 1 :])

    # -- the carrier ------------------------------------------------------------------------------

    async def place(self) -> list[Verb]:
        """Send the webhook; returns the TwiML's verbs, or those that lead straight to ``stream_url``.

        Raises:
            ProviderError: not reached, refused, or not answered with TwiML.
        """
        if self._stream_url:
            given = tuple(
                Verb("Parameter", {"name": name, "value": value}) for name, value in self._parameters.items()
            )
            return [Verb("Connect", nouns=(Verb("Stream", {"url": self._stream_url}, nouns=given),))]
        return await self.webhook(urljoin(self._public + "/", self._webhook), {"CallStatus": "ringing"})

    async def webhook(self, url: str, more: Mapping[str, str]) -> list[Verb]:
        """Send a signed webhook to ``url`` (as the public would see it).

        Raises:
            ProviderError: not reached, refused, or not answered with TwiML.
        """
        fields = {
            "AccountSid": self._account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call_sid,
            "Direction": "inbound",
            "From": self._from,
            "To": self._to,
            **more,
        }
        headers = {}
        if self._auth_token:
            headers["X-Twilio-Signature"] = signature(self._auth_token, url, fields)
        real = self._reach(url)
        try:
            async with httpx.AsyncClient(
                verify=context_for(real),
                trust_env=False,
            ) as client:
                answer = await bounded_http.post(
                    client, real, self._connect_timeout_s, data=fields, headers=headers
                )
        except (httpx.InvalidURL, ValueError):  # the host of an action's address is none
            raise _no_address() from None
        if not answer.is_success:
            raise Refused(
                f"the server answered the webhook with status {answer.status}",
                supplier=SUPPLIER,
                transient=answer.status >= 500,
            )
        return parse_twiml(answer.text)

    def open(self, verb: Verb) -> AbstractAsyncContextManager[ClientConnection]:
        """Open the media websocket a ``<Connect>`` names, for raw tests.

        Raises:
            ProviderError: no stream in it, or it does not open.
        """
        return self._open(verb, ClientConnection)

    @asynccontextmanager
    async def _open(self, verb: Verb, kind: type[_Connection]) -> AsyncIterator[_Connection]:
        stream = verb.noun("Stream")
        if stream is None or "url" not in stream.attributes:
            raise ProviderError("<Connect> without a <Stream url>", supplier=SUPPLIER, transient=False)
        url = self._reach(stream.attributes["url"])
        try:
            ws = await connect(
                url,
                ssl=context_for("http" + url.removeprefix("ws")) or None,
                compression=None,
                proxy=None,
                open_timeout=self._connect_timeout_s,
                close_timeout=1,
                ping_interval=None,
                max_size=1 << 20,
                create_connection=kind,
            )
        except ValueError:  # of its host
            raise _no_address() from None
        except (OSError, TimeoutError, WebSocketException) as error:
            raise ProviderError(f"stream not opened: {type(error).__name__}", supplier=SUPPLIER) from error
        assert isinstance(ws, kind)
        try:
            yield ws
        finally:
            await ws.close()

    async def update(self, *, twiml: str = "") -> None:
        """What Twilio's REST interface does to a call: another document, or ("") its end."""
        if self.stream is None:
            raise ProviderError("the call is not in progress", supplier=SUPPLIER, transient=False)
        self._update = twiml
        await self.stream.stop()

    async def _after(self, verb: Verb, behind: list[Verb]) -> None:
        """Our side of the stream closed it: the action if there is one, else the verbs behind."""
        action = verb.attributes.get("action")
        if action is None:
            await self._go_on(behind)
            return
        try:
            await self._go_on(await self.webhook(self._joined(action), {}))
        except ProviderError as error:  # Twilio: error 11200, then the number's fallback URL
            self.result.error = f"after the stream: {error}"

    async def _go_on(self, verbs: list[Verb]) -> None:
        """Execute verbs as Twilio would: dial, ask the dial's action, stop at a hang-up."""
        for _ in range(_MOST_DOCUMENTS):
            following: list[Verb] | None = None
            for verb in verbs:
                self.result.afterwards.append(verb)
                if verb.name in ("Hangup", "Connect"):
                    return
                if verb.name == "Dial" and "action" in verb.attributes:
                    status = self._dial_outcome(verb.target)
                    more = {"DialCallStatus": status, "DialCallDuration": "0"}
                    following = await self.webhook(self._joined(verb.attributes["action"]), more)
                    break
            if following is None:
                return
            verbs = following

    def _joined(self, action: str) -> str:
        """The public address of an ``action``.

        Raises:
            ProviderError: it is none.
        """
        try:
            return urljoin(self._public + "/", action)
        except ValueError:
            raise _no_address() from None

    def _reach(self, url: str) -> str:
        """A public address as it is really reached.

        Raises:
            ProviderError: it is none.
            OperatorError: it is somewhere else, and this caller is confined.
        """
        for public, real in (
            (self._public, self._real),
            ("ws" + self._public.removeprefix("http"), "ws" + self._real.removeprefix("http")),
        ):
            if url.startswith(public + "/"):
                return real + url.removeprefix(public)
            if _server(url) == _server(public):  # beside the public address's path
                parts = urlsplit(real)
                return urlsplit(url)._replace(scheme=parts.scheme, netloc=parts.netloc).geturl()
            if _server(url) == _server(real):
                return url
        if self._confined:
            raise OperatorError(
                f"the call leads to {urlsplit(url).netloc}, and what stands in between (an impaired network) "
                f"stands before {urlsplit(self._public).netloc} only: give that server's own address"
            )
        return url


def _server(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address.

    Raises:
        ProviderError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_address() from None
    return parts.scheme, parts.hostname or "", port or (443 if parts.scheme in ("https", "wss") else 80)


def _is_address(url: str) -> bool:
    try:
        return bool(_server(url)[1])
    except ProviderError:
        return False


def _no_address() -> ProviderError:
    return ProviderError("an address in the answer is none", supplier=SUPPLIER, transient=False)


def parameters(verb: Verb) -> dict[str, str]:
    """``<Parameter>``s of a ``<Connect>``'s stream: they come back in ``start``."""
    stream = verb.noun("Stream")
    nouns = stream.nouns if stream is not None else ()
    return {n.attributes["name"]: n.attributes.get("value", "") for n in nouns if "name" in n.attributes}
