"""A caller's media stream against servers that send what no carrier expects: real sockets, bounded memory."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from voice_runtime.caller import stream as stream_module
from voice_runtime.caller.background import Background
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.script import HangUp, Script, Silence
from voice_runtime.caller.stream import MediaStream
from voice_runtime.caller.twilio import TwilioCaller

pytestmark = pytest.mark.anyio

Serve = Callable[[ServerConnection, str], Awaitable[None]]
CHUNK = bytes(range(160))


@asynccontextmanager
async def server(on_start: Serve, **options: Any) -> AsyncIterator[str]:
    """Yields the address of a media stream; ``on_start`` has it once ``start`` came, and its identifier."""

    async def attend(ws: ServerConnection) -> None:
        assert json.loads(await ws.recv())["event"] == "connected"
        start = json.loads(await ws.recv())
        await on_start(ws, start["streamSid"])

    async with serve(attend, "127.0.0.1", 0, compression=None, close_timeout=1, **options) as running:
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/"


def caller(url: str, **options: Any) -> TwilioCaller:
    return TwilioCaller(url.replace("ws", "http", 1), "", "+1", "+2", stream_url=url, longest_s=20, **options)


def waiting(seconds: float) -> Script:
    return Script(steps=(Silence(seconds=seconds), HangUp()))


def media(sid: str, ulaw: bytes) -> str:
    payload = base64.b64encode(ulaw).decode()
    return json.dumps({"event": "media", "streamSid": sid, "media": {"payload": payload}})


def mark(sid: str, name: str) -> str:
    return json.dumps({"event": "mark", "streamSid": sid, "mark": {"name": name}})


async def drained(ws: ServerConnection) -> list[dict[str, Any]]:
    """Everything the caller sends, to the end."""
    return [json.loads(message) async for message in ws]


async def test_a_stream_without_a_webhook_begins_at_once_with_its_parameters() -> None:
    seen: list[dict[str, Any]] = []

    async def attend(ws: ServerConnection) -> None:
        await ws.recv()
        seen.append(json.loads(await ws.recv())["start"])
        seen.extend(await drained(ws))

    async with serve(attend, "127.0.0.1", 0, compression=None) as running:
        url = f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/any"
        result = await caller(url, parameters={"delay": "4 & 5"}).run(waiting(0.1))
    assert (result.ended_by, result.error) == ("caller", "")
    assert seen[0]["customParameters"] == {"delay": "4 & 5"}
    assert [m["event"] for m in seen[1:]] == ["media"] * (len(seen) - 2) + ["stop"]
    assert [m["media"]["chunk"] for m in seen[1:-1]] == [str(n + 1) for n in range(len(seen) - 2)]


async def test_what_was_played_stays_readable_after_the_call_and_after_a_failure() -> None:
    async def breaks(ws: ServerConnection, sid: str) -> None:
        await ws.send(media(sid, CHUNK))
        await ws.recv()
        await ws.recv()
        await ws.recv()
        ws.transport.abort()

    async with server(breaks) as url:
        broken = caller(url)
        result = await broken.run(waiting(10))
    assert result.ended_by == "server"
    assert broken.stream is None
    assert broken.playout is not None
    assert broken.playout.received == 160
    assert result.sent_samples >= 160

    refused = caller(url)  # nobody listens any more
    assert (await refused.run(waiting(1))).failure == "unreachable"
    assert refused.playout is None


async def test_a_server_much_faster_than_real_time_loses_nothing_within_ten_minutes() -> None:
    pieces = 3000

    async def hurries(ws: ServerConnection, sid: str) -> None:
        for _ in range(pieces):
            await ws.send(media(sid, CHUNK))
        await ws.send(json.dumps({"event": "clear", "streamSid": sid}))
        await drained(ws)

    async with server(hurries) as url:
        hurried = caller(url)
        call = asyncio.create_task(hurried.run(waiting(15)))
        async with asyncio.timeout(30):
            while hurried.playout is None or not hurried.playout.clears:
                await asyncio.sleep(0)
        assert hurried.stream is not None
        await hurried.stream.stop()
        result = await call
    assert hurried.playout.received == pieces * 160
    assert hurried.playout.played + hurried.playout.discarded == pieces * 160
    assert (result.bad_messages, hurried.playout.buffered) == (0, 0)


async def test_audio_and_marks_beyond_all_measure_count_as_bad_and_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stream_module, "_MOST_BUFFERED", 8000)
    monkeypatch.setattr(stream_module, "_MOST_QUEUED", 200)

    async def floods(ws: ServerConnection, sid: str) -> None:
        await ws.send(media(sid, b"\0" * 7000))
        await ws.send(media(sid, b"\0" * 7000))
        for n in range(1000):
            await ws.send(mark(sid, str(n)))
        await ws.send(json.dumps({"event": "clear", "streamSid": sid}))
        back = [m["mark"]["name"] for m in await drained(ws) if m["event"] == "mark"]
        returned.extend(back)

    returned: list[str] = []
    async with server(floods) as url:
        flooded = caller(url)
        call = asyncio.create_task(flooded.run(waiting(15)))
        async with asyncio.timeout(30):
            while flooded.playout is None or not flooded.playout.clears:
                await asyncio.sleep(0)
        assert flooded.stream is not None
        await flooded.stream.stop()
        result = await call
    assert flooded.playout.received == 7000
    assert 801 <= result.bad_messages <= 1001
    assert returned == [str(n) for n in range(len(returned))]
    assert len(returned) == len(result.marks) == 1001 - result.bad_messages
    assert flooded.playout.pending_marks == 0


async def test_a_message_in_fragments_is_one_message_and_noise_on_the_line_is_none() -> None:
    async def chops(ws: ServerConnection, sid: str) -> None:
        whole = media(sid, CHUNK)
        await ws.send(iter([whole[:10], whole[10:50], whole[50:]]))
        await ws.send(b"\x00\xff\xfe")
        await ws.send("{}")
        await ws.send(media("MZ-of-somebody-else", CHUNK))
        await ws.send(media(sid, CHUNK).encode())
        await drained(ws)

    async with server(chops) as url:
        chopped = caller(url)
        call = asyncio.create_task(chopped.run(waiting(15)))
        async with asyncio.timeout(30):
            while chopped.playout is None or chopped.playout.received < 320:
                await asyncio.sleep(0)
        assert chopped.stream is not None
        await chopped.stream.stop()
        result = await call
    assert result.bad_messages == 3
    assert chopped.playout.received == 320


async def test_a_peer_that_takes_nothing_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "_STUCK_NS", 0)
    monkeypatch.setattr(stream_module, "_MOST_UNSENT", 0)
    over = asyncio.Event()

    async def deaf(ws: ServerConnection, sid: str) -> None:
        ws.transport.pause_reading()
        await over.wait()

    async with server(deaf) as url:
        talking = caller(url)
        call = asyncio.create_task(talking.run(waiting(15)))
        async with asyncio.timeout(30):
            while talking.stream is None:
                await asyncio.sleep(0)
            tcp = talking.stream._ws.transport.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            talking.stream._ws.transport.write(bytes(20_000_000))  # more than any system keeps for it
            result = await call
        over.set()
    assert result.ended_by == "server"
    assert talking.playout is not None


async def test_a_background_lies_under_speech_and_silence_alike() -> None:
    heard: list[bytes] = []

    async def listens(ws: ServerConnection, sid: str) -> None:
        sent = [m["media"]["payload"] for m in await drained(ws) if m["event"] == "media"]
        heard.extend(base64.b64decode(payload) for payload in sent)

    async with server(listens) as url:
        noisy = caller(url)
        call = asyncio.create_task(noisy.run(waiting(0.3)))
        async with asyncio.timeout(30):
            while noisy.stream is None:
                await asyncio.sleep(0)
        assert isinstance(noisy.stream, MediaStream)
        noisy.stream.background = Background(b"\x00\x10\x00\xf0" * 400)
        await call
    silent = b"\xff" * 160
    assert silent not in heard[-3:]
    assert {len(packet) for packet in heard} == {160}


async def test_a_server_that_closes_when_told_that_the_caller_hung_up_did_not_end_the_call() -> None:
    async def hasty(ws: ServerConnection, sid: str) -> None:
        async for message in ws:
            if json.loads(message)["event"] == "stop":
                ws.transport.abort()

    async with server(hasty) as url:
        results: list[CallResult] = [await caller(url).run(waiting(0.05)) for _ in range(3)]
    assert [result.ended_by for result in results] == ["caller"] * 3


async def test_a_server_that_does_not_close_when_told_did_not_end_the_call_either() -> None:
    over = asyncio.Event()

    async def deaf(ws: ServerConnection, sid: str) -> None:
        ws.transport.pause_reading()
        await over.wait()

    async with server(deaf) as url:
        result = await caller(url).run(waiting(0.05))
        over.set()
    assert (result.ended_by, result.error) == ("caller", "")
