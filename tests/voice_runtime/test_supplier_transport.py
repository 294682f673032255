"""HTTP to suppliers over aiohttp: real sockets, servers that answer wrongly, httpx2's exceptions."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2
import pytest

from voice_runtime.supplier_http import http_client
from voice_runtime.supplier_transport import SupplierTransport

pytestmark = pytest.mark.anyio

Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers each request of a connection with the next of its parts; counts connections and requests."""

    def __init__(self, *answers: bytes, then_close: bool = False) -> None:
        self.answers = list(answers)
        self.then_close = then_close
        self.requests: list[bytes] = []
        self.connections = 0
        self.gone = asyncio.Event()
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                self.requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.then_close and not self.answers:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()


@asynccontextmanager
async def asking(server: Server, *, read_s: float = 20.0) -> AsyncIterator[httpx2.AsyncClient]:
    listening = await asyncio.start_server(server.connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1/x"
    client = http_client(outside=False, deadline_s=read_s, api_key="k-1")
    try:
        async with asyncio.timeout(20):
            yield client
    finally:
        await client.aclose()
        listening.close()
        await listening.wait_closed()


def chunked(*parts: bytes, whole: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: audio/pcm\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head + body + (b"0\r\n\r\n" if whole else b"")


async def test_what_is_sent_and_what_comes_back() -> None:
    server = Server(chunked(b"ab", b"cd"))
    async with asking(server) as client:
        answer = await client.post(server.url, json={"a": 1})
    assert (answer.status_code, answer.content) == (200, b"abcd")
    assert answer.headers["content-type"] == "audio/pcm"
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert lines[0] == b"post /v1/x http/1.1"
    assert b"authorization: bearer k-1" in lines
    assert lines.count(b"content-type: application/json") == 1
    assert sum(line.startswith(b"user-agent:") for line in lines) == 1
    assert body == b'{"a":1}'


async def test_connections_are_kept() -> None:
    server = Server(chunked(b"a"), b"HTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nb", chunked())
    async with asking(server) as client:
        codes = [(await client.get(server.url)).status_code for _ in range(3)]
    assert codes == [200, 404, 200]
    assert server.connections == 1


async def test_one_that_idled_for_long_is_not_met_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_runtime.supplier_transport._KEPT_S", 0.0)
    server = Server(chunked(b"a"), chunked(b"b"))
    async with asking(server) as client:
        assert [(await client.post(server.url)).content for _ in range(2)] == [b"a", b"b"]
    assert server.connections == 2


async def test_an_answer_closed_before_its_end_closes_the_connection() -> None:
    server = Server(chunked(b"a" * 100, whole=False))
    async with asking(server) as client:
        async with client.stream("GET", server.url) as answer:
            assert await anext(answer.aiter_raw()) == b"a" * 100
        await server.gone.wait()


async def test_a_redirect_is_not_followed() -> None:
    server = Server(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")
    async with asking(server) as client:
        assert (await client.get(server.url)).status_code == 302


async def test_cookies_are_not_kept_by_the_transport() -> None:
    ok = b"HTTP/1.1 200 OK\r\nset-cookie: s=1; domain=example.org\r\ncontent-length: 0\r\n\r\n"
    server = Server(ok, ok)
    async with asking(server) as client:
        await client.get(server.url)
        await client.get(server.url)
    assert b"cookie" not in server.requests[1].lower()


async def test_a_compressed_answer_is_unpacked_once() -> None:
    packed = gzip.compress(b"words")
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
    server = Server(head + packed)
    async with asking(server) as client:
        assert (await client.get(server.url)).content == b"words"


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (b"", httpx2.RemoteProtocolError),
        (b"SSH-2.0-x\r\n\r\n", httpx2.RemoteProtocolError),
        (chunked(b"ab", whole=False), httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", httpx2.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", httpx2.RemoteProtocolError),
    ],
    ids=["closes", "no HTTP", "breaks off", "no chunk", "shorter than told"],
)
async def test_answers_that_are_none(answer: bytes, raised: type[Exception]) -> None:
    server = Server(answer, then_close=True)
    async with asking(server) as client:
        with pytest.raises(raised):
            await client.post(server.url, json={})
    assert len(server.requests) == 1, "nobody is asked twice behind our back"


async def test_silence_is_a_time_out() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n")
    async with asking(server, read_s=0.05) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(server.url)


async def test_nobody_there_and_no_address() -> None:
    async with asking(Server()) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("http://127.0.0.1:1/")
        with pytest.raises(httpx2.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1/")


async def test_cancelling_a_request_closes_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n")
    async with asking(server) as client:
        task = asyncio.create_task(client.get(server.url))
        while not server.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.gone.wait()


async def test_closed_it_takes_no_request_and_may_be_closed_again() -> None:
    transport = SupplierTransport(outside=False)
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(RuntimeError):
        await transport.handle_async_request(httpx2.Request("GET", "http://127.0.0.1:1/"))
