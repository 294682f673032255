"""Messages without a queue: the same ones, in the same order, as uvicorn gives, however they are cut."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, WebSocket
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState
from websockets.client import ClientProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.uri import parse_uri

from voice_runtime.ingress.direct_protocol import DirectProtocol

MOST_BYTES = 64 * 1024


class FakeTransport(asyncio.Transport):
    """A socket that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.reading = True
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Stream:
    """One open websocket: the server's protocol, and a client that is ``websockets``' own."""

    def __init__(self, protocol: DirectProtocol, transport: FakeTransport, client: ClientProtocol) -> None:
        self.protocol, self.transport, self.client = protocol, transport, client
        self.messages: list[str | bytes] = []
        self.ends = 0

    def attend(self) -> None:
        self.protocol.attend(self.messages.append, self._end)

    def _end(self) -> None:
        self.ends += 1

    def framed(self, *frames: Frame) -> bytes:
        """Frames as a client sends them."""
        return b"".join(frame.serialize(mask=True) for frame in frames)

    def give(self, data: bytes) -> None:
        self.protocol.data_received(data)

    def answers(self) -> list[Frame]:
        """What the server wrote since."""
        self.client.receive_data(bytes(self.transport.written))
        self.transport.written.clear()
        return [event for event in self.client.events_received() if isinstance(event, Frame)]


def text(message: str) -> Frame:
    return Frame(Opcode.TEXT, message.encode())


def on_a_stream(test: Callable[[Stream], Awaitable[None]]) -> None:
    """Run a test on an open websocket."""

    async def run() -> None:
        over = asyncio.Event()
        app = FastAPI()

        @app.websocket("/")
        async def media(websocket: WebSocket) -> None:
            await websocket.accept()
            assert DirectProtocol.of(websocket) is protocol
            await over.wait()

        config = uvicorn.Config(
            app, ws=DirectProtocol, lifespan="off", log_config=None, ws_per_message_deflate=False,
            ws_max_size=MOST_BYTES, ws_ping_interval=None,
        )  # fmt: skip
        config.load()
        protocol, transport = DirectProtocol(config, ServerState(), {}), FakeTransport()
        protocol.connection_made(transport)
        client = ClientProtocol(parse_uri("ws://127.0.0.1/"))
        client.send_request(client.connect())
        protocol.data_received(b"".join(client.data_to_send()))
        while not transport.written:
            await asyncio.sleep(0)
        stream = Stream(protocol, transport, client)
        assert stream.answers() == []
        try:
            await test(stream)
        finally:
            over.set()
            await asyncio.gather(*protocol.tasks)
            if protocol in protocol.connections:
                protocol.connection_lost(None)
            if protocol.close_timer is not None:
                protocol.close_timer.cancel()

    asyncio.run(run())


MESSAGES = st.one_of(
    st.text(max_size=200),
    st.integers(0, 70_000).map(lambda n: "x" * (n % 300 if n % 7 else min(n, MOST_BYTES))),
    st.binary(max_size=200),
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(MESSAGES, st.sampled_from(["whole", "parts", "behind a ping"])), max_size=8),
    st.lists(st.integers(0, 2_000), max_size=12),
    st.integers(0, 8),
)
def test_messages_arrive_whole_and_in_order_however_they_are_cut(
    messages: list[tuple[str | bytes, str]], cuts: list[int], attended_after: int
) -> None:
    async def test(stream: Stream) -> None:
        data, pings = b"", 0
        for message, how in messages:
            body = message.encode() if isinstance(message, str) else message
            opcode = Opcode.TEXT if isinstance(message, str) else Opcode.BINARY
            if how == "parts":
                middle = len(body) // 2
                first, second = Frame(opcode, body[:middle], fin=False), Frame(Opcode.CONT, body[middle:])
                data += stream.framed(first, second)
                continue
            if how == "behind a ping":
                data += stream.framed(Frame(Opcode.PING, b"?"))
                pings += 1
            data += stream.framed(Frame(opcode, body))
        pieces, at = [], 0
        for cut in cuts:
            pieces.append(data[at : at + cut])
            at += cut
        pieces.append(data[at:])
        for n, piece in enumerate(pieces):
            if n == attended_after:
                stream.attend()
            if piece:
                stream.give(piece)
        if attended_after >= len(pieces):
            stream.attend()
        assert stream.messages == [message for message, _ in messages]
        assert stream.ends == 0
        assert stream.transport.reading
        assert [frame.opcode for frame in stream.answers()] == [Opcode.PONG] * pings

    on_a_stream(test)


def test_a_carriers_messages_pass_no_parser_but_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(stream: Stream) -> None:
        stream.attend()
        stream.give(stream.framed(text("short")))

        def unwanted(data: bytes) -> None:
            raise AssertionError("the long way")

        with monkeypatch.context() as patch:
            patch.setattr(stream.protocol.conn, "receive_data", unwanted)
            stream.give(stream.framed(text("m" * 300)))
            stream.give(stream.framed(text("m" * 126), text("m" * 125), text("ü" * 20_000)))
        stream.give(stream.framed(text("m" * 65_535), Frame(Opcode.PING, b"")))
        assert [len(m) for m in stream.messages] == [5, 300, 126, 125, 20_000, 65_535]
        assert [f.opcode for f in stream.answers()] == [Opcode.PONG]

    on_a_stream(test)


LONG = Frame(Opcode.TEXT, b"x" * 300).serialize(mask=True)
WRONG = {
    "not-utf-8": (Frame(Opcode.TEXT, b"\xff" * 300).serialize(mask=True), CloseCode.INVALID_DATA),
    "oversized": (
        Frame(Opcode.TEXT, b"x" * (MOST_BYTES + 1)).serialize(mask=True),
        CloseCode.MESSAGE_TOO_BIG,
    ),
    "unmasked": (Frame(Opcode.TEXT, b"x" * 300).serialize(mask=False), CloseCode.PROTOCOL_ERROR),
    "reserved-bit": (b"\xc1" + LONG[1:], CloseCode.PROTOCOL_ERROR),
    "unknown-kind": (b"\x83" + LONG[1:], CloseCode.PROTOCOL_ERROR),
    "inside-another": (
        Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True) + LONG,
        CloseCode.PROTOCOL_ERROR,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_ends_the_stream_behind_what_was_right(name: str) -> None:
    data, code = WRONG[name]

    async def test(stream: Stream) -> None:
        stream.attend()
        stream.give(stream.framed(text("first")))
        stream.give(stream.framed(text("m" * 300)) + data + stream.framed(text("n" * 300)))
        assert stream.messages == ["first", "m" * 300]
        assert stream.ends == 1
        [close] = stream.answers()
        assert (close.opcode, struct.unpack("!H", close.data[:2])) == (Opcode.CLOSE, (code,))
        assert stream.transport.closed
        stream.protocol.connection_lost(None)
        assert stream.ends == 1

    on_a_stream(test)


@pytest.mark.parametrize("how", ["close", "lost", "server-stops"])
def test_the_end_comes_once_and_last(how: str) -> None:
    async def test(stream: Stream) -> None:
        stream.give(stream.framed(text("early")))
        assert not stream.transport.reading  # as uvicorn does it, until somebody takes the message
        stream.attend()
        assert stream.transport.reading
        if how == "close":
            stream.give(stream.framed(text("m" * 300), Frame(Opcode.CLOSE, struct.pack("!H", 1000))))
        else:
            stream.give(stream.framed(text("m" * 300)))
        if how == "server-stops":
            stream.protocol.shutdown()
        stream.protocol.connection_lost(None)
        assert stream.messages == ["early", "m" * 300]
        assert stream.ends == 1
        assert not stream.protocol.put(b"late")

    on_a_stream(test)


def test_an_end_before_anybody_attends_is_not_lost() -> None:
    async def test(stream: Stream) -> None:
        stream.give(stream.framed(text("early")))
        stream.protocol.connection_lost(None)
        stream.attend()
        assert (stream.messages, stream.ends) == (["early"], 1)

    on_a_stream(test)


def test_reading_stops_until_whoever_attends_can_follow() -> None:
    async def test(stream: Stream) -> None:
        stream.attend()
        stream.protocol.pause(True)
        stream.protocol.pause(True)
        assert not stream.transport.reading
        stream.give(stream.framed(text("m" * 300), text("short")))  # was on its way already
        assert not stream.transport.reading
        stream.protocol.pause(False)
        assert stream.transport.reading
        assert stream.messages == ["m" * 300, "short"]

    on_a_stream(test)


def test_who_pauses_while_messages_are_handed_over_is_not_read_to() -> None:
    """Regression: ``attend`` ended with reading on, whatever the listener had said meanwhile."""

    async def test(stream: Stream) -> None:
        def take(message: str | bytes) -> None:
            stream.messages.append(message)
            stream.protocol.pause(True)

        stream.give(stream.framed(text("early"), text("earlier than that")))
        stream.protocol.attend(take, stream._end)
        assert not stream.transport.reading
        stream.protocol.pause(False)
        assert stream.transport.reading
        assert stream.messages == ["early", "earlier than that"]

    on_a_stream(test)


@pytest.mark.parametrize("length", [0, 125, 126, 300, 65_535, 65_536])
def test_what_is_put_arrives_whole(length: int) -> None:
    async def test(stream: Stream) -> None:
        stream.attend()
        assert stream.protocol.put(b"a" * length)
        assert stream.protocol.put(b"next")
        assert [bytes(f.data) for f in stream.answers()] == [b"a" * length, b"next"]

    on_a_stream(test)


def test_who_sends_much_waits_until_the_peer_has_taken_it() -> None:
    async def test(stream: Stream) -> None:
        stream.attend()
        assert not stream.protocol.full
        stream.protocol.pause_writing()
        assert stream.protocol.full
        waiting = asyncio.create_task(stream.protocol.drained())
        await asyncio.sleep(0)
        assert not waiting.done()
        stream.protocol.resume_writing()
        await waiting
        assert not stream.protocol.full

    on_a_stream(test)


def test_a_websocket_served_otherwise_says_how_to_serve_it() -> None:
    async def none(*args: Any) -> Any:
        raise AssertionError

    websocket = WebSocket({"type": "websocket", "extensions": {}}, none, none)
    with pytest.raises(RuntimeError, match="ws=DirectProtocol"):
        DirectProtocol.of(websocket)
