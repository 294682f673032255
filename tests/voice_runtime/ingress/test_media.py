"""Media websockets over real sockets: opened once, in time and properly, or turned away."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.simulators.voice_server import VoiceServer, echo, run_pipeline, voice_server
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.twilio_wire import Outgoing, Verb
from voice_runtime.ingress.twilio import IncomingCall

pytestmark = pytest.mark.anyio


async def eventually(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


async def placed(caller: TwilioCaller) -> Verb:
    return next(verb for verb in await caller.place() if verb.name == "Connect")


def numbered(caller: TwilioCaller) -> Outgoing:
    return Outgoing("MZ" + "a" * 32, caller.call_sid, "AC1")


@asynccontextmanager
async def started(seen: VoiceServer) -> AsyncIterator[tuple[ClientConnection, Outgoing]]:
    """A raw stream whose ``start`` has been sent."""
    caller = seen.caller()
    async with caller.open(await placed(caller)) as ws:
        out = numbered(caller)
        await ws.send(out.connected())
        await ws.send(out.start({}))
        yield ws, out


async def close_code(ws: ClientConnection) -> int | None:
    """Wait for the server to close; returns its code."""
    async with asyncio.timeout(30):
        try:
            while True:
                await ws.recv()
        except ConnectionClosed:
            return ws.close_code


async def test_a_call_gets_its_numbers_line_and_marks() -> None:
    async with voice_server(echo(0)) as seen:
        async with started(seen) as (ws, out):
            await ws.send(out.media(b"\x00" * 160))
            first = json.loads(await asyncio.wait_for(ws.recv(), 30))
            assert first["event"] == "media"
            assert base64.b64decode(first["media"]["payload"]) == b"\x00" * 160
            [call] = seen.calls
            assert (call.caller, call.called, call.line.name) == ("+12025550199", "+12025550142", "front")
            assert call.stream_sid == out.stream_sid
            assert call.answered_ns > 0
            assert "+1202" not in repr(call).replace(call.line.number, "")
            for _ in range(9):
                await ws.send(out.media(b"\x00" * 160))
            while (message := json.loads(await asyncio.wait_for(ws.recv(), 30)))["event"] != "mark":
                pass
            returned: list[str] = []
            call.link.on_mark(lambda name, at_ns: returned.append(name))
            await ws.send(out.mark(message["mark"]["name"]))
            await eventually(lambda: returned == ["m10"])
            await ws.send(out.stop())
            assert await close_code(ws) == 1000
            assert call.stopped_by_carrier
        await eventually(lambda: seen.coordinator.calls == 0)
        assert seen.refusals == []


async def test_a_token_opens_one_stream_only() -> None:
    async with voice_server(echo()) as seen:
        caller = seen.caller()
        verb = await placed(caller)
        async with caller.open(verb) as first, caller.open(verb) as second:
            assert await close_code(second) == 1008
            out = numbered(caller)
            await first.send(out.connected())
            await first.send(out.start({}))
            await eventually(lambda: seen.calls)
            async with caller.open(verb) as third:
                assert await close_code(third) == 1008
        await eventually(lambda: seen.coordinator.calls == 0)
        assert [r.reason for r in seen.refusals] == ["token", "token"]


async def test_a_stream_whose_place_has_expired_is_turned_away() -> None:
    async with voice_server(echo(), cap=1) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            await seen.admission.leave(caller.call_sid)
            await ws.send(numbered(caller).start({}))
            assert await close_code(ws) == 1008
        assert [r.detail for r in seen.refusals] == ["no place reserved"]
        assert seen.calls == []


async def test_an_expired_or_invented_token_opens_none() -> None:
    async with voice_server(echo(), token_ttl_s=0.0) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            assert await close_code(ws) == 1008
        invented = Verb("Connect", {}, "", (Verb("Stream", {"url": f"{seen.url}/x".replace("http", "ws")}),))
        stream = invented.nouns[0].attributes
        url = stream["url"].removesuffix("/x") + "/telephony/twilio/media/" + "A" * 32
        async with caller.open(Verb("Connect", {}, "", (Verb("Stream", {"url": url}),))) as ws:
            assert await close_code(ws) == 1008
        assert [r.reason for r in seen.refusals] == ["token", "token"]
        assert seen.calls == []


def start(out: Outgoing, **changes: Any) -> str:
    message = json.loads(out.start({}))
    message["start"] |= changes
    return json.dumps(message)


BAD_STARTS: dict[str, Callable[[Outgoing], str | bytes]] = {
    "another-call": lambda out: start(out, callSid="CA" + "9" * 32),
    "no-call": lambda out: start(out, callSid=None),
    "pcm": lambda out: start(out, mediaFormat={"encoding": "audio/l16", "sampleRate": 8000, "channels": 1}),
    "16-khz": lambda out: start(
        out, mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1}
    ),
    "stereo": lambda out: start(
        out, mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2}
    ),
    "format-missing": lambda out: start(out, mediaFormat=None),
    "stream-sid-hostile": lambda out: start(out, streamSid='MZ","x":"'),
    "body-missing": lambda out: '{"event":"start","sequenceNumber":"1"}',
    "media-first": lambda out: out.media(b"\xff" * 160),
    "not-json": lambda out: "hello",
    "a-list": lambda out: "[]",
    "deep": lambda out: "[" * 3000 + "]" * 3000,
    "binary": lambda out: b"\x00",
    "oversized": lambda out: json.dumps({"event": "connected", "pad": "x" * 66_000}),
}


@pytest.mark.parametrize("name", BAD_STARTS)
async def test_a_stream_that_does_not_start_properly_is_closed(name: str) -> None:
    async with voice_server(echo()) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            out = numbered(caller)
            await ws.send(out.connected())
            await ws.send(BAD_STARTS[name](out))
            assert await close_code(ws) == 1008
        assert [r.reason for r in seen.refusals] == ["token"]
        assert seen.calls == []
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_connected_for_ever_is_no_start() -> None:
    async with voice_server(echo()) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            for _ in range(10):
                await ws.send(numbered(caller).connected())
            assert await close_code(ws) == 1008
        assert seen.calls == []


async def test_a_stream_that_says_nothing_is_closed_in_time() -> None:
    async with voice_server(echo(), start_timeout_s=0.1) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            assert await close_code(ws) == 1008
        assert [r.detail for r in seen.refusals] == ["timeout"]
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_a_caller_gone_before_start_gives_the_place_back() -> None:
    async with voice_server(echo(), cap=1) as seen:
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            ws.transport.abort()
        await eventually(lambda: seen.refusals)
        assert [r.detail for r in seen.refusals] == ["disconnect"]
        await eventually(lambda: seen.coordinator.calls == 0)


@pytest.mark.parametrize("how", ["stop", "close", "abrupt"])
async def test_however_the_caller_goes_the_transport_sees_it(how: str) -> None:
    async with voice_server(echo(0), cap=1) as seen:
        async with started(seen) as (ws, out):
            await ws.send(out.media(b"\xff" * 160))
            await asyncio.wait_for(ws.recv(), 30)
            if how == "stop":
                await ws.send(out.stop())
            elif how == "close":
                await ws.close()
            else:
                ws.transport.abort()
            await eventually(lambda: seen.coordinator.calls == 0)
        assert seen.calls[0].stopped_by_carrier is (how == "stop")


async def test_a_flood_of_nonsense_ends_the_stream() -> None:
    async with voice_server(echo(0)) as seen:
        async with started(seen) as (ws, out):
            await ws.send(out.media(b"\xff" * 160))
            await asyncio.wait_for(ws.recv(), 30)
            for i in range(51):
                await ws.send("{" if i % 2 else json.dumps({"event": "media", "streamSid": out.stream_sid}))
            assert await close_code(ws) == 1008
        assert seen.calls[0].stats.malformed == 51
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_fifty_bad_messages_are_survived() -> None:
    async with voice_server(echo(0)) as seen, started(seen) as (ws, out):
        for _ in range(50):
            await ws.send("nonsense")
        await ws.send(out.media(b"\x00" * 160))
        assert json.loads(await asyncio.wait_for(ws.recv(), 30))["event"] == "media"
        await ws.send(out.stop())
        assert await close_code(ws) == 1000


async def test_a_message_beyond_the_servers_bound_closes_the_socket_and_ends_the_call() -> None:
    async with voice_server(echo(0)) as seen:
        async with started(seen) as (ws, out):
            await ws.send("x" * 200_000)
            assert await close_code(ws) == 1009
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_a_call_that_raises_is_closed_and_costs_nobody_else() -> None:
    async def broken(call: IncomingCall) -> None:
        raise RuntimeError("bug")

    async with voice_server(broken, cap=1) as seen:
        for _ in range(2):
            async with started(seen) as (ws, _out):
                assert await close_code(ws) == 1011
            await eventually(lambda: seen.coordinator.calls == 0)


async def test_the_agent_hangs_up_without_rest_by_closing() -> None:
    async def over(call: IncomingCall) -> None:
        pipeline = asyncio.create_task(run_pipeline(call))
        await call.control.hang_up()
        await pipeline

    async with voice_server(over) as seen:
        caller = seen.caller()
        verb = await placed(caller)
        async with caller.open(verb) as ws:
            out = numbered(caller)
            await ws.send(out.connected())
            await ws.send(out.start({}))
            assert await close_code(ws) == 1000
        after = await caller.webhook(verb.attributes["action"], {})
        assert [v.name for v in after] == ["Hangup"]
        await eventually(lambda: seen.coordinator.calls == 0)


async def test_a_returning_caller_may_overlap_with_the_call_they_left() -> None:
    stay = asyncio.Event()

    async def lingering(call: IncomingCall) -> None:
        if call.resumed:
            return
        await stay.wait()

    from voice_runtime.ingress.twilio import AfterDial
    from voice_runtime.ingress.twilio_control import Dialling

    async with voice_server(lingering, cap=2) as seen:
        seen.after_dial = AfterDial(reconnect=True)
        caller = seen.caller()
        async with caller.open(await placed(caller)) as ws:
            await ws.send(numbered(caller).start({}))
            await eventually(lambda: seen.calls)
            first = seen.calls[0]
            await seen.coordinator.put_token(
                "dialled:d", Dialling(first.id, first.call_sid, first.called).dump(), 9
            )
            url = "https://voice.example/telephony/twilio/dialled/d"
            [verb, *_] = await caller.webhook(url, {"DialCallStatus": "no-answer"})
            async with caller.open(verb) as again:
                await again.send(numbered(caller).start({}))
                assert await close_code(again) == 1000
            assert (seen.calls[1].id, seen.calls[1].resumed) == (first.id, "no-answer")
            stay.set()
        await eventually(lambda: seen.coordinator.calls == 0)
