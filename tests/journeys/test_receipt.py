"""A receipt for the caller: asked for by telephone and in a browser, and the call found again with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from controls.ledger import records as r
from controls.ledger.reader import Opened, Reader
from controls.receipt_code import normalise
from tests.journeys.conftest import Server
from tests.journeys.test_browser import microphone, page_of
from tests.simulators.whole import problems
from voice_runtime.caller.script import HangUp, Say, Wait
from voice_runtime.cli.app import run
from voice_runtime.inline.receipt import read_out
from voice_runtime.speak.spoken import Reader as Spoken

__all__ = ["microphone"]  # the fixture of the browser's journeys

pytestmark = pytest.mark.anyio

ASKED = "can i have a receipt for this call"


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


async def newest(server: Server) -> list[Opened]:
    """The records of the newest call, once it is closed."""
    trace = await server.ended()

    def read() -> list[Opened]:
        with Reader.open(server.ledger) as reader:
            return reader.opened(trace.call.id)

    return await asyncio.to_thread(read)


def issued(opened: list[Opened]) -> list[tuple[str, str]]:
    return [(o.record.how, o.personal.code) for o in opened if isinstance(o.record, r.ReceiptIssued)]


def spoken(opened: list[Opened]) -> str:
    return " ".join(o.personal.played_text for o in opened if isinstance(o.record, r.AgentPlayed))


def found_again(server: Server, code: str, out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The call that ``sayso receipt`` finds by the code; its file holds."""
    given = ["--as", "r.okafor", "--purpose", "a caller asks", "--config", str(server.profile_file)]
    assert run(["receipt", code.lower().replace("-", " "), "-o", str(out), "--json", *given]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["holds"]
    return str(answer["call"])


async def test_a_code_asked_for_by_telephone_finds_the_call_again(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = await server.call(Wait(), Say(text=ASKED), Say(text="again please"), HangUp())
    assert not result.error
    opened = await newest(server)
    [(how, code)] = issued(opened)
    assert how == "spoken"
    assert normalise(code) == code
    assert spoken(opened).count(Spoken("en-US").read(read_out(code)).text) == 2
    types = [o.record.type for o in opened]
    assert types.index("receipt.issued") < types.index("clause.cleared")
    assert [o.record.addressed for o in opened if isinstance(o.record, r.CallerSaid)] == ["receipt"] * 2
    assert not problems([(o.record, o.personal) for o in opened])
    call = await asyncio.to_thread(found_again, server, code, tmp_path / "receipt.zip", capsys)
    assert call == opened[0].record.call  # type: ignore[union-attr]  # a call's record


async def test_a_code_asked_for_in_a_browser_is_shown_once_it_is_on_record(
    server: Server, microphone: Path
) -> None:
    async with page_of(server, microphone) as page:
        await page.locator("#start-typed").click()
        await expect(page.get_by_role("log")).to_contain_text("I'm an AI assistant", timeout=60_000)
        await page.get_by_role("button", name="Receipt", exact=True).click()
        shown = page.locator("#receipt-code")
        await expect(shown).to_be_visible()
        code = await shown.text_content()
        await page.get_by_role("button", name="Hang up").click()
        await expect(page.get_by_role("heading", name="The call has ended")).to_be_visible()
    opened = await newest(server)
    assert issued(opened) == [("shown", code)]
    assert not problems([(o.record, o.personal) for o in opened])


def test_no_leaf_and_no_file_of_the_server_holds_a_code(server: Server) -> None:
    codes = set()
    with Reader.open(server.ledger) as reader:
        for info in reader.calls():
            codes |= {code for _, code in issued(reader.opened(info.call))}
    assert codes
    content = b"".join(p.read_bytes() for p in server.ledger.rglob("*") if p.is_file() and p.name != "lock")
    for code in codes:
        assert code.encode() not in content
        assert code.replace("-", "").encode() not in content
