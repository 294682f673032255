"""A simulated caller in a browser: aiortc in the place of one, speaking the page's protocol.

Real sockets, real time, real Opus: token, offer, peer connection, data channel;
20 ms out and 20 ms played on one clock. Figures come from the waveform that is
played, behind a fixed playout buffer of 40 ms, as a browser has one, too. Nothing is
measured from the server's own times.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import httpx
from aiortc import RTCIceServer

from controls.errors import OperatorError, ProviderError, SayError
from voice_runtime.caller.acting import News, OnEvent, follow
from voice_runtime.caller.results import CallResult, CaptionShown
from voice_runtime.caller.script import Script
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.caller.webrtc_stream import WebRtcStream
from voice_runtime.caller.webrtc_wire import SUPPLIER, checked


class WebRtcCaller:
    """Places calls, one at a time; many of these make many calls.

    Args:
        base_url: the server's address.
        agent: whom to call.
        language: BCP 47; "" leaves it to the line.
        microphone: None has one where the script makes a sound.
        origin: the ``Origin`` header of a page; "" sends none, as other programs do.
        voice: speaks; shared between callers it synthesises each sentence once.
        on_event: awaited for each event, in order, beside the call: a slow one
            delays no audio, and beyond 1000 waiting events they are lost and counted.
        longest_s: the caller hangs up after so long, s.
        connect_timeout_s: for each request, and for the connection to come about, s.
    """

    def __init__(
        self,
        base_url: str,
        agent: str,
        *,
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
        self._language = language
        self._microphone = microphone
        self._headers = {"origin": origin} if origin else {}
        self._voice = voice
        self._on_event = on_event
        self._longest_s = longest_s
        self._connect_timeout_s = connect_timeout_s
        self.stream: WebRtcStream | None = None
        self.result = CallResult("")

    async def run(self, script: Script) -> CallResult:
        """Place a call and follow ``script``; returns when it is over.

        A call that fails is a result (``ended_by`` "failed" or "refused", ``error``), not an exception.

        Raises:
            OperatorError: a sentence cannot be spoken (flite is missing).
        """
        voice = self._voice or Flite(script.voice, rate=script.rate)
        speech = {text: await voice.say(text) for text in script.sentences}
        self.result = result = CallResult("")
        news = News(result, self._on_event)
        try:
            await self._call(script, speech, news)
        except (SayError, OSError, httpx.HTTPError, TimeoutError) as error:
            if result.ended_by != "refused":
                result.ended_by = "failed"
            result.error = str(error) or type(error).__name__
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
        microphone = script.audible if self._microphone is None else self._microphone
        async with httpx.AsyncClient(
            trust_env=False, timeout=self._connect_timeout_s, headers=self._headers
        ) as client:
            granted = await self._post(client, f"/call/{self._agent}/token", {}, news)
            token = checked(granted, "token")["token"]
            self.stream = stream = WebRtcStream(
                news, lambda message: self._told(message, news), _ice_servers(granted), microphone=microphone
            )
            try:
                offer: dict[str, Any] = {"token": token, "type": "offer", "sdp": await stream.offer()}
                if self._language:
                    offer["language"] = self._language
                answer = checked(await self._post(client, "/webrtc/offer", offer, news), "sdp", "call")
                self.result.call_sid = answer["call"]
                await stream.answered(answer["sdp"], self._connect_timeout_s)
                self.result.answered_ns = stream.answered_ns
                self.result.webhook_ms = (stream.answered_ns - began) / 1e6
                news.emit("answered", 0.0)
                await follow(stream, script, speech, self.result, news, longest_s=self._longest_s)
            finally:
                await stream.close()
        stream.collect(self.result)
        self.result.lost_packets = stream.lost_packets
        if stream.broken:
            raise ProviderError(stream.broken, supplier=SUPPLIER)

    async def _post(self, client: httpx.AsyncClient, path: str, body: dict[str, Any], news: News) -> Any:
        """Ask the server.

        Raises:
            ProviderError: refused, or not answered as documented.
        """
        try:
            response = await client.post(self._url + path, json=body)
        except httpx.HTTPError as error:
            raise ProviderError(f"server not reached: {type(error).__name__}", supplier=SUPPLIER) from error
        try:
            answer = response.json()
        except ValueError:
            answer = None
        if response.is_success:
            return answer
        why = answer.get("error") if isinstance(answer, dict) else None
        self.result.ended_by = "refused"
        news.emit("refused", 0.0, says=[str(why)])
        raise ProviderError(
            f"server refused: status {response.status_code}, {why}", supplier=SUPPLIER, transient=False
        )

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
    return [
        RTCIceServer(
            urls=server["urls"], username=server.get("username"), credential=server.get("credential")
        )
        for server in granted.get("ice_servers") or ()
        if isinstance(server, dict) and isinstance(server.get("urls"), list)
    ]
