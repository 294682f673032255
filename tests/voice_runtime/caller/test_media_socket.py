"""A caller's websocket reads and writes as ``websockets`` does, however a stream's bytes are cut."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from voice_runtime.caller.media_socket import MediaSocket, SocketClosed, Unqueued

pytestmark = pytest.mark.anyio


class _Plain(Unqueued, ClientConnection):
    """The same without a shortcut: what a ``MediaSocket`` is held against."""


class _Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()

    def write(self, data: Any) -> None:
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass


async def opened(kind: type[Unqueued]) -> tuple[Any, bytes, list[bytes]]:
    """A connection that asked to be opened, the server's answer to it, and where its messages go."""
    protocol = ClientProtocol(parse_uri("ws://carrier.example/"), max_size=1 << 20)
    connection: Any = kind(protocol, ping_interval=None)
    connection.connection_made(_Wire())
    server = ServerProtocol()
    request = protocol.connect()
    protocol.send_request(request)
    for data in protocol.data_to_send():
        server.receive_data(data)
    (asked,) = server.events_received()
    response = server.accept(asked)
    assert isinstance(response, Response)
    server.send_response(response)
    messages: list[bytes] = []
    connection.attend(messages.append, lambda: None)
    return connection, b"".join(server.data_to_send()), messages


def bare(opcode: Opcode, data: bytes, *, fin: bool = True, mask: bool = False) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=mask, extensions=[])


_TEXT = st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 127, 65_535, 65_536]).map(bytes))
_FRAMES = st.one_of(
    _TEXT.map(lambda data: [bare(Opcode.TEXT, data)]),
    st.binary(max_size=20).map(lambda data: [bare(Opcode.BINARY, data)]),
    st.binary(max_size=20).map(lambda data: [bare(Opcode.PING, data)]),
    st.lists(st.binary(max_size=200), min_size=2, max_size=4).map(
        lambda parts: [
            bare(Opcode.CONT if n else Opcode.TEXT, part, fin=n == len(parts) - 1)
            for n, part in enumerate(parts)
        ]
    ),
)
_ENDS = st.sampled_from(
    [
        b"",
        bare(Opcode.CLOSE, Close(1000, "").serialize()),
        bare(Opcode.TEXT, b"masked", mask=True),
        bytes([0xC1, 1, 0]),  # an extension nobody agreed on
        bytes([0x83, 0]),  # an opcode that is none
        bare(Opcode.TEXT, b"begun", fin=False) + bare(Opcode.TEXT, b"another"),
        bare(Opcode.CONT, b"of nothing"),
        bytes([0x81, 127]) + (1 << 21).to_bytes(8, "big") + b"more than anybody takes",
        bytes([0x81, 126, 1]),  # cut off
    ]
)


@settings(max_examples=80, deadline=None)
@given(
    groups=st.lists(_FRAMES, max_size=8),
    ends=_ENDS,
    behind=st.binary(max_size=30),
    sizes=st.lists(st.integers(1, 400), min_size=1, max_size=20),
)
def test_however_bytes_are_cut_it_takes_what_websockets_takes(
    groups: list[list[bytes]], ends: bytes, behind: bytes, sizes: list[int]
) -> None:
    stream = b"".join(frame for group in groups for frame in group) + ends + (behind if ends else b"")

    async def taken(kind: type[Unqueued]) -> tuple[Any, ...]:
        connection, answer, messages = await opened(kind)
        data, n = answer + stream, 0
        while data:
            size = sizes[n % len(sizes)]
            connection.data_received(data[:size])
            data, n = data[size:], n + 1
        # what it answered, without its masking: pongs and the close
        protocol, reads = connection.protocol, ServerProtocol(state=State.OPEN)
        reads.receive_data(bytes(connection.transport.written))
        sent = [(event.opcode, bytes(event.data)) for event in reads.events_received()]
        connection.connection_lost(None)
        return messages, connection.close_code, protocol.state, sent

    assert asyncio.run(taken(MediaSocket)) == asyncio.run(taken(_Plain))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_what_it_sends_a_server_reads(size: int) -> None:
    connection, answer, _ = await opened(MediaSocket)
    connection.data_received(answer)
    text = "é" * (size // 2) + "x" * (size % 2)
    reads = ServerProtocol(state=State.OPEN)
    for _ in range(3):
        connection.put(text)
    reads.receive_data(bytes(connection.transport.written))
    assert [bytes(event.data).decode() for event in reads.events_received()] == [text] * 3
    connection.connection_lost(None)


async def test_no_masking_key_comes_twice() -> None:
    connection, answer, _ = await opened(MediaSocket)
    connection.data_received(answer)
    keys = set()
    for _ in range(3000):  # more than are drawn at a time
        connection.transport.written.clear()
        connection.put("m")
        keys.add(bytes(connection.transport.written[2:6]))
    assert len(keys) > 2990
    connection.connection_lost(None)


async def test_nothing_is_sent_once_it_closes() -> None:
    connection, answer, messages = await opened(MediaSocket)
    with pytest.raises(SocketClosed):
        connection.put("too early")
    connection.data_received(answer + bare(Opcode.TEXT, b"1") + bare(Opcode.CLOSE, b""))
    assert messages == [b"1"]
    with pytest.raises(SocketClosed):
        connection.put("too late")
    connection.connection_lost(None)


async def test_over_a_real_socket_everything_comes_whole_and_in_order() -> None:
    from websockets.asyncio.client import connect

    sent = [json.dumps({"n": n, "filling": "x" * (n * 37 % 900)}) for n in range(400)]
    got: list[str] = []

    async def attend(ws: ServerConnection) -> None:
        for n, text in enumerate(sent):
            await (ws.send(iter([text[:5], text[5:]])) if n % 50 == 7 else ws.send(text))
            if n % 97 == 0:
                await ws.ping()
        got.extend([str(await ws.recv()) for _ in sent])

    came: list[str] = []
    async with serve(attend, "127.0.0.1", 0, compression=None, ping_interval=None) as running:
        port = running.sockets[0].getsockname()[1]
        ws = await connect(f"ws://127.0.0.1:{port}/", compression=None, create_connection=MediaSocket)
        assert isinstance(ws, MediaSocket)
        lost = asyncio.Event()
        ws.attend(lambda data: came.append(data.decode()), lost.set)
        for text in sent:
            ws.put(text)
        async with asyncio.timeout(20):
            await lost.wait()
        await ws.close()
    assert (came, got) == (sent, sent)
    assert ws.close_code == 1000
