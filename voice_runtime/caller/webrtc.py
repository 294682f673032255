"""A simulated caller in a browser: aiortc in the place of one, speaking the page's protocol.

Real sockets, real time, real Opus: token, offer, peer connection, data channel;
20 ms out and 20 ms played on one clock. Figures come from the waveform that is
played, behind a fixed playout buffer of 40 ms, as a browser has one, too. Nothing is
measured from the server's own times.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import httpx
from aiortc import RTCIceServer
from aiortc.rtcicetransport import parse_stun_turn_uri

from controls.errors import OperatorError, ProviderError, SayError
from voice_runtime.caller import bounded_http
from voice_runtime.caller.acting import News, OnEvent, follow, prepare
from voice_runtime.caller.failure import PROXY_STATUS, NoPlace, Refused, failure_of
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult, CaptionShown
from voice_runtime.caller.script import Script
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.caller.tls import context_for
from voice_runtime.caller.webrtc_stream import WebRtcStream
from voice_runtime.caller.webrtc_wire import SUPPLIER, checked

#: ``sayso``: our page's protocol. ``pipecat``: ``POST /api/offer`` as pipecat's runner takes it, without
#: a data channel: no keys, no typed words, no captions.
Dialect = Literal["sayso", "pipecat"]
_LAST_PORT = 65_535


class WebRtcCaller:
    """Places calls, one at a time; many of these make many calls.

    Args:
        base_url: the server's address.
        agent: whom to call; pipecat's dialect names nobody.
        dialect: how a call is offered.
        language: BCP 47; "" leaves it to the line.
        microphone: None has one where the script makes a sound; pipecat cannot do without.
        origin: the ``Origin`` header of a page; "" sends none, as other programs do.
        voice: speaks; shared between callers it synthesises each sentence once.
        on_event: awaited for each event, in order, beside the call: a slow one
            delays no audio, and beyond 1000 waiting events they are lost and counted.
        longest_s: the caller hangs up after so long, s.
        connect_timeout_s: for each request up to its answer's last byte, and for the connection to come
            about, s.

    Attributes:
        stream: of the call in progress.
        playout: what the newest call's caller was played, from its answer on and after its end.
        result: of the newest call.

    Raises:
        OperatorError: the address is none.
    """

    def __init__(
        self,
        base_url: str,
        agent: str = "",
        *,
        dialect: Dialect = "sayso",
        language: str = "",
        microphone: bool | None = None,
        origin: str = "",
        voice: Flite | None = None,
        on_event: OnEvent | None = None,
        longest_s: float = 600.0,
        connect_timeout_s: float = 10.0,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise OperatorError("a server's address starts with http:// or https://")
        self._url = base_url.rstrip("/")
        self._agent = agent
        self._dialect = dialect
        self._language = language
        self._microphone = microphone
        self._headers = {"origin": origin} if origin else {}
        self._voice = voice
        self._on_event = on_event
        self._longest_s = longest_s
        self._connect_timeout_s = connect_timeout_s
        self.stream: WebRtcStream | None = None
        self.playout: Playout | None = None
        self.result = CallResult("")

    async def run(self, script: Script) -> CallResult:
        """Place a call and follow ``script``; returns when it is over.

        A call that fails is a result (``ended_by`` "failed" or "refused", ``error``), not an exception.

        Raises:
            OperatorError: a sentence cannot be spoken (flite is missing).
        """
        speech = await prepare(script, self._voice)
        self.playout = None
        self.result = result = CallResult("")
        news = News(result, self._on_event)
        try:
            await self._call(script, speech, news)
        except (SayError, OSError, httpx.HTTPError, TimeoutError) as error:
            if result.ended_by != "refused":
                result.ended_by = "failed"
            result.error = str(error) or type(error).__name__
            result.failure = failure_of(error)
        except BaseException:
            news.drop()
            raise
        finally:
            self.stream = None
        news.now("ended", by=result.ended_by, **({"reason": result.reason} if result.reason else {}))
        await news.told()
        return result

    async def _call(self, script: Script, speech: Mapping[str, Spoken], news: News) -> None:
        began = time.monotonic_ns()
        news.emit("ringing", 0.0)
        microphone = self._microphone
        if microphone is None:
            microphone = script.audible or self._dialect == "pipecat"
        async with httpx.AsyncClient(
            verify=context_for(self._url),
            trust_env=False,
            headers=self._headers,
        ) as client:
            token, ice_servers = await self._admitted(client, news)
            self.stream = stream = WebRtcStream(
                news,
                lambda message: self._told(message, news),
                ice_servers,
                microphone=microphone,
                channel=self._dialect == "sayso",
            )
            try:
                answer = await self._offered(client, await stream.offer(), token, news)
                await stream.answered(answer, self._connect_timeout_s)
                self.playout = stream.playout
                self.result.answered_ns = stream.answered_ns
                self.result.webhook_ms = (stream.answered_ns - began) / 1e6
                news.emit("answered", 0.0)
                await follow(stream, script, speech, self.result, news, longest_s=self._longest_s)
            finally:
                await stream.close()
                if self.playout is not None:
                    stream.collect(self.result)
        self.result.lost_packets = stream.lost_packets
        if stream.broken:
            raise ProviderError(stream.broken, supplier=SUPPLIER)

    async def _admitted(self, client: httpx.AsyncClient, news: News) -> tuple[str, list[RTCIceServer]]:
        """A token to call with, and the servers' ICE; pipecat asks for no token."""
        if self._dialect == "pipecat":
            return "", []
        granted = await self._post(client, f"/call/{self._agent}/token", {}, news)
        return checked(granted, "token")["token"], _ice_servers(granted)

    async def _offered(self, client: httpx.AsyncClient, sdp: str, token: str, news: News) -> str:
        """The SDP that answers ours; the call has an identifier from then on."""
        offer: dict[str, Any] = {"type": "offer", "sdp": sdp}
        path, call = "/api/offer", "pc_id"
        if self._dialect == "sayso":
            path, call = "/webrtc/offer", "call"
            offer["token"] = token
            if self._language:
                offer["language"] = self._language
        answer = checked(await self._post(client, path, offer, news), "sdp", call)
        self.result.call_sid = answer[call]
        return answer["sdp"]

    async def _post(self, client: httpx.AsyncClient, path: str, body: dict[str, Any], news: News) -> Any:
        """Ask the server.

        Raises:
            ProviderError: refused, or not answered as documented.
        """
        response = await bounded_http.post(client, self._url + path, self._connect_timeout_s, json=body)
        answer = response.json()
        if response.is_success:
            return answer
        why = answer.get("error") if isinstance(answer, dict) else None
        name, says = PROXY_STATUS
        if response.headers.get(name) == says:
            raise NoPlace(str(why), supplier=SUPPLIER)
        self.result.ended_by = "refused"
        news.emit("refused", 0.0, says=[str(why)])
        raise Refused(f"server refused: status {response.status}, {why}", supplier=SUPPLIER, transient=False)

    def _told(self, message: dict[str, Any], news: News) -> None:
        """Something the page would show."""
        kind = message.pop("type")
        if kind == "caption":
            answered = self.result.answered_ns
            at_ms = (time.monotonic_ns() - answered) / 1e6 if answered else 0.0
            shown = {name: message[name] for name in ("who", "id", "text", "state")}
            self.result.captions.append(CaptionShown(at_ms, **shown))
            news.emit("caption", at_ms, **shown)
        elif kind == "state":
            news.now("state", agent=message["agent"])
        elif kind == "closed":
            self.result.reason = message["reason"]


def _ice_servers(granted: Any) -> list[RTCIceServer]:
    """The ICE servers of an answer, in the form of ``RTCIceServer`` (W3C, WebRTC, 4.2.4).

    Raises:
        ProviderError: they are no list of them, or have an address that no browser takes.
    """
    named = granted.get("ice_servers")
    try:
        return [_ice_server(server) for server in _listed([] if named is None else named)]
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ProviderError(
            "the server names ICE servers in a form that is none", supplier=SUPPLIER, transient=False
        ) from None


def _ice_server(server: Any) -> RTCIceServer:
    urls = server["urls"]
    urls = [urls] if isinstance(urls, str) else _listed(urls)
    for url in urls:
        if parse_stun_turn_uri(url)["port"] > _LAST_PORT:
            raise ValueError
    username, credential = server.get("username"), server.get("credential")
    if not isinstance(username, str | None) or not isinstance(credential, str | None):
        raise TypeError
    return RTCIceServer(urls=urls, username=username, credential=credential)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value
