"""An agent of exactly known delay, against which the callers' own error is measured.

``python -m loadtests.echo_agent.agent`` serves Twilio's media protocol and pipecat's WebRTC offer
(``loadtests.echo_agent.peer``) and prints their ports as one JSON line; it ends when its standard input
does. It answers each utterance with a sound whose first audible sample comes exactly so
many samples after the last audible one of the caller. It has no clock of its own: for
each 20 ms received, the 20 ms of the same sample indices go back at once, so its delay is
known by counting, whatever the machine does. Its waveform is then at the caller later by one
packet (a packet leaves when its last sample has been spoken) and the playout: ``TWILIO_BIAS_MS``.

What it does is asked of it with the stream's custom parameters, over WebRTC in the address:
``delays_ms`` ("300,437", one utterance after the other, from the beginning again when
through), ``answer`` ("tone" or "speech"), ``answer_ms`` (length), and ``call``, a name under which it
keeps an account of when its answers really left (``loadtests.echo_agent.account``).
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
import uvloop
from websockets.asyncio.server import Server, ServerConnection, serve

from controls.errors import OperatorError
from loadtests.child import Child
from loadtests.echo_agent.account import Account
from loadtests.echo_agent.answers import Echo, answer_of, voices
from loadtests.echo_agent.peer import peers
from loadtests.results import Transport
from loadtests.systems import Door, TwilioDoor, WebRtcDoor
from voice_runtime.caller.media_socket import SocketClosed, Unqueued
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.speech import Spoken

_SENTENCE = "can i see doctor patel on tuesday"
_STARTS_WITHIN_S, _ENDS_WITHIN_S = 60.0, 10.0


class _Stream(Unqueued, ServerConnection):
    """One media stream of Twilio's protocol, at the agent."""

    voice: Mapping[str, Spoken] = {}
    accounts: dict[str, Account]
    _account: Account | None = None
    _came = 0
    _echo: Echo
    _sid: str

    def take(self, data: bytes) -> None:
        """A message of the caller's carrier; one that is none closes the stream."""
        try:
            message = json.loads(data)
            match message["event"]:
                case "media":
                    self._media(base64.b64decode(message["media"]["payload"]))
                case "start":
                    self._sid = message["streamSid"]
                    asked = message["start"]["customParameters"]
                    if "call" in asked:
                        self._account = self.accounts.setdefault(asked["call"], Account())
                    self._echo = answer_of(asked, self.voice, self._account)
                case _:
                    pass  # marks that come back; after "stop" the caller closes
        except SocketClosed:
            pass
        except (ValueError, KeyError, TypeError, AttributeError, OperatorError) as error:
            print(f"a stream was closed: {error}", file=sys.stderr)
            self.transport.close()

    def _media(self, ulaw: bytes) -> None:
        back = self._echo.take(ulaw)
        if back:
            payload = base64.b64encode(back).decode()
            self.put(f'{{"event":"media","streamSid":"{self._sid}","media":{{"payload":"{payload}"}}}}')
            if self._account is not None:
                self._account.left_ns[self._came] = time.monotonic_ns()
            if not self._echo.answering:
                self.put(f'{{"event":"mark","streamSid":"{self._sid}","mark":{{"name":"said"}}}}')
        self._came += 1


async def serving(voice: Mapping[str, Spoken], accounts: dict[str, Account]) -> Server:
    """Serve Twilio's media protocol on 127.0.0.1; close the server to end. ``accounts``: as ``peers``."""
    kind = type("_Echoing", (_Stream,), {"voice": voice, "accounts": accounts})

    async def attended(stream: Any) -> None:
        stream.attend(stream.take, lambda: None)
        await stream.wait_closed()

    return await serve(
        attended, "127.0.0.1", 0,
        create_connection=kind, compression=None, ping_interval=None, close_timeout=1,
    )  # fmt: skip


async def _until_told() -> None:
    voice = voices([await RecordedFlite("rms").say(_SENTENCE)])
    accounts: dict[str, Account] = {}
    server = await serving(voice, accounts)
    try:
        async with peers(voice, accounts) as offers:
            ports = {"twilio": server.sockets[0].getsockname()[1], "webrtc": offers}
            print(json.dumps(ports), flush=True)
            reader = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
            )
            await reader.read()
    finally:
        server.close()
        await server.wait_closed()


@dataclass(frozen=True, slots=True)
class EchoDoors:
    """The way to a running echo agent, by what is asked of it (``delays_ms``, ``answer``, ``answer_ms``)."""

    twilio_port: int
    webrtc_port: int

    def door(self, transport: Transport, **asked: str) -> Door:
        """A door behind which every call gets what is ``asked``."""
        if transport == "webrtc":
            base_url = f"http://127.0.0.1:{self.webrtc_port}/{urlencode(asked, safe=',')}"
            return WebRtcDoor(base_url, dialect="pipecat")
        address = f"127.0.0.1:{self.twilio_port}"
        return TwilioDoor(f"http://{address}", stream_url=f"ws://{address}/echo", parameters=asked)

    async def account(self, call: str) -> Account:
        """The account of the call that was named so, handed out once.

        Raises:
            OperatorError: there is none.
        """
        async with httpx.AsyncClient(trust_env=False, verify=False, timeout=10) as client:  # noqa: S501 - plain http on loopback
            try:
                answer = await client.get(f"http://127.0.0.1:{self.webrtc_port}/account/{call}")
                return Account.from_json(answer.raise_for_status().json())
            except httpx.HTTPError as error:
                why = type(error).__name__
                raise OperatorError(f"the echo agent has no account of a call: {why}") from None


@asynccontextmanager
async def echo_agent(*, core: int | None = None) -> AsyncIterator[EchoDoors]:
    """An echo agent in a process of its own.

    Args:
        core: it is pinned to.

    Raises:
        OperatorError: it does not come up.
    """
    agent = Child(
        [sys.executable, "-m", "loadtests.echo_agent.agent"],
        cores=() if core is None else (core,),
        told="serve",
        env={"LOGURU_LEVEL": "WARNING"},  # pipecat greets at INFO when it is imported
    )
    try:
        ports = await agent.start(_STARTS_WITHIN_S)
        yield EchoDoors(ports["twilio"], ports["webrtc"])
    finally:
        await agent.stop(_ENDS_WITHIN_S)


if __name__ == "__main__":
    uvloop.run(_until_told())
