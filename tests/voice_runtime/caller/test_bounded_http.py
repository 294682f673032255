"""A request of a caller's ends in time, however slowly, or endlessly, the server goes on answering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from controls.errors import ProviderError
from tests.simulators import bad_servers
from voice_runtime.caller.bounded_http import Answer, post
from voice_runtime.caller.failure import failure_of
from voice_runtime.caller.script import HangUp, Press, Script

pytestmark = pytest.mark.anyio

SCRIPT = Script(steps=(Press(keys="1"), HangUp()))
HEAD = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def dripping(head: bytes, drop: bytes, every_s: float) -> AsyncIterator[str]:
    """A server that answers ``head``, then one ``drop`` after the other while somebody listens."""

    async def talk(path: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(every_s)

    async with bad_servers.talking(talk) as address:
        yield address


async def failures(head: bytes, drop: bytes, every_s: float) -> set[str]:
    """What calls of both kinds come to there."""
    async with asyncio.timeout(30), dripping(head, drop, every_s) as address:
        calls = (bad_servers.telephone(address).run(SCRIPT), bad_servers.browser(address).run(SCRIPT))
        return {result.failure for result in await asyncio.gather(*calls)}


@pytest.mark.parametrize(
    ("head", "drop"), [(HEAD + b"\r\n", b" "), (HEAD, b"X-More: x\r\n")], ids=["body", "head"]
)
async def test_a_server_that_answers_a_byte_now_and_then_has_stalled(head: bytes, drop: bytes) -> None:
    """An HTTP client's time-out is for each read: such a server once kept the whole test."""
    assert await failures(head, drop, 0.05) == {"stalled"}


async def test_an_answer_without_end_is_out_of_protocol() -> None:
    assert await failures(HEAD + b"\r\n", b" " * (1 << 16), 0.0) == {"out_of_protocol"}


async def test_an_answer_is_told_whole() -> None:
    reply = bad_servers.http(201, '{"a": "ä"}', "application/json")
    async with (
        bad_servers.answering(lambda path: reply) as address,
        httpx.AsyncClient(verify=False, trust_env=False) as client,
    ):
        answer = await post(client, address, 10.0, json={})
    assert (answer.status, answer.is_success, answer.json()) == (201, True, {"a": "ä"})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("charset", ["base64", "no-such", "ascii"])
async def test_an_answer_in_no_encoding_is_read_all_the_same(charset: str) -> None:
    reply = bad_servers.http(200, '{"a": 1}', f"application/json; charset={charset}")
    async with (
        bad_servers.answering(lambda path: reply) as address,
        httpx.AsyncClient(verify=False, trust_env=False) as client,
    ):
        assert (await post(client, address, 10.0)).json() == {"a": 1}


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with bad_servers.gone() as address, httpx.AsyncClient(verify=False, trust_env=False) as client:
        with pytest.raises(ProviderError) as raised:
            await post(client, address, 10.0)
    assert failure_of(raised.value) == "unreachable"


@pytest.mark.parametrize("text", ["", "<html/>", "[" * 100_000])
async def test_what_is_no_json_is_none(text: str) -> None:
    assert Answer(200, {}, text).json() is None
