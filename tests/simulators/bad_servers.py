"""Servers that do a call wrong, each in one way, over real sockets: what a caller must come away from.

One small HTTP server answers the webhook (or a page's requests) with bytes of the
test's choice, one websocket server takes the stream. Nothing here waits: audio goes out
all at once, and the caller's own playout gives it its time.
"""

from __future__ import annotations

import asyncio
import base64
import json
import math
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from voice_runtime.caller import audible
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.webrtc import WebRtcCaller

#: What answers a request: its bytes on the wire, or None: nothing, for as long as the client waits.
Reply = bytes | None
#: What happens on an open stream, told its streamSid; the stream is closed behind it.
Act = Callable[["Stream"], Awaitable[None]]
#: What a server does on a request: its path, and both ways of the connection.
Talk = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CALLER, _NUMBER = "+12025550143", "+12025550142"
_TIMEOUT_S = 1.0


def http(status: int, body: str, kind: str = "text/xml") -> bytes:
    """A response as it goes over the wire."""
    data = body.encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + data


def twiml(url: str) -> bytes:
    """The answer of a server that takes the call."""
    return http(200, f'<Response><Connect><Stream url="{url}"/></Connect></Response>')


class Stream:
    """The server's end of a media stream."""

    def __init__(self, ws: ServerConnection, sid: str) -> None:
        self.ws = ws
        self.sid = sid

    async def speak(self, seconds: float) -> None:
        """Send a loud tone, all of it at once."""
        tone = [round(8000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(8000)]
        ulaw = audible.to_ulaw(struct.pack("<8000h", *tone))
        samples = round(seconds * 8000)
        payload = (ulaw * (samples // 8000 + 1))[:samples]
        await self.send({"event": "media", "media": {"payload": base64.b64encode(payload).decode()}})

    async def send(self, message: dict[str, object]) -> None:
        """Send any message of this stream."""
        await self.ws.send(json.dumps({"streamSid": self.sid, **message}))

    async def until_key(self) -> None:
        """Take what comes until the caller presses a key, or the stream ends."""
        async for data in self.ws:
            if json.loads(data)["event"] == "dtmf":
                return

    async def until_closed(self) -> None:
        """Take what comes until the stream ends."""
        async for _ in self.ws:
            pass


@asynccontextmanager
async def talking(talk: Talk) -> AsyncIterator[str]:
    """An HTTP server that does ``talk`` on each request (told its path); its address."""
    going: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        going.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await talk(head.split(b" ", 2)[1].decode(), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            going.discard(task)
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        left = list(going)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await server.wait_closed()


@asynccontextmanager
async def answering(reply: Callable[[str], Reply]) -> AsyncIterator[str]:
    """An HTTP server that answers each request (told its path) with what ``reply`` gives; its address."""

    async def talk(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = reply(path)
        if found is None:
            await reader.read()  # until the client gives up
        else:
            writer.write(found)
            await writer.drain()

    async with talking(talk) as address:
        yield address


@asynccontextmanager
async def streaming(act: Act) -> AsyncIterator[str]:
    """A server that takes the call and then does ``act`` on its stream; its address."""

    async def take(ws: ServerConnection) -> None:
        try:
            await ws.recv()  # connected
            start = json.loads(await ws.recv())
            await act(Stream(ws, start["start"]["streamSid"]))
        except ConnectionClosed:
            pass

    async with serve(take, "127.0.0.1", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with answering(lambda path: twiml(f"ws://127.0.0.1:{port}/")) as address:
            yield address


@asynccontextmanager
async def gone() -> AsyncIterator[str]:
    """The address of a server that is not there any more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


def telephone(address: str) -> TwilioCaller:
    """A caller with little patience."""
    return TwilioCaller(address, "", _CALLER, _NUMBER, connect_timeout_s=_TIMEOUT_S)


def browser(address: str) -> WebRtcCaller:
    """A caller in a browser, with little patience."""
    return WebRtcCaller(address, "healthcare", connect_timeout_s=_TIMEOUT_S)


# -- the bad ones, by what they do ------------------------------------------------------------------


async def stay_silent(stream: Stream) -> None:
    """Take the call and never make a sound."""
    await stream.until_closed()


async def never_answer(stream: Stream) -> None:
    """Open the call, and then nothing."""
    await stream.speak(0.3)
    await stream.until_closed()


async def speak_on(stream: Stream) -> None:
    """Speak for a minute, whatever the caller does."""
    await stream.speak(60)
    await stream.until_closed()


async def close_early(stream: Stream) -> None:
    """Open the call, take a key, and hang up."""
    await stream.speak(0.3)
    await stream.until_key()


async def break_off(stream: Stream) -> None:
    """As ``close_early``, without a closing frame."""
    await stream.speak(0.3)
    await stream.until_key()
    stream.ws.transport.abort()


async def answer(stream: Stream) -> None:
    """Do it right: open the call, answer every key."""
    await stream.speak(0.3)
    while True:
        await stream.until_key()
        await stream.speak(0.3)


async def answer_and_close(stream: Stream) -> None:
    """Answer a key, let the answer sound (its mark comes back), and hang up: an agent may end a call."""
    await stream.speak(0.3)
    await stream.until_key()
    await stream.speak(0.3)
    await stream.send({"event": "mark", "mark": {"name": "end"}})
    async for data in stream.ws:
        if json.loads(data)["event"] == "mark":
            return


async def say_nonsense(stream: Stream) -> None:
    """Messages that are none: no JSON, of another stream, of no known kind, with a broken payload."""
    await stream.ws.send("no json")
    await stream.ws.send(b"\x00\x01\x02")
    await stream.ws.send(json.dumps({"event": "media", "streamSid": "MZother", "media": {"payload": ""}}))
    await stream.send({"event": "sing"})
    await stream.send({"event": "media", "media": {"payload": "%%%"}})
    await answer(stream)
