"""MCP servers, real ones over real pipes and sockets: reviewed tools only, under the same gate and record."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from controls.result_text import ResultRules
from controls.rules.engine import Rules
from tests.controls.test_result_text import pack
from tests.needs import needs_package
from tests.voice_runtime.think.conftest import Call
from voice_runtime.agent import McpTool, Tool
from voice_runtime.store.tool_uses import ToolUseBook
from voice_runtime.think.chat import tool_schemas
from voice_runtime.think.counting import Counting
from voice_runtime.think.mcp_servers import McpServer, Offered, Where, import_package
from voice_runtime.think.services import ServiceClient
from voice_runtime.think.tool_values import NOTE
from voice_runtime.think.tools import ToolRunner

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
MONDAY = {"day": "Monday"}
KEY = "a key for the calendar"
DAY: dict[str, object] = {
    "type": "object", "properties": {"day": {"type": "string"}}, "required": ["day"],
    "additionalProperties": False,
}  # fmt: skip
NOTHING: dict[str, object] = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.fixture(scope="module", autouse=True)
def _package() -> None:
    """Loaded before there is an event loop: it takes a while."""
    needs_package("mcp")
    import_package()


@dataclass
class Calendar:
    """The server, what it was asked, and the pins of what it offers."""

    server: McpServer
    folder: Path
    pins: dict[str, str]

    def mood(self, word: str) -> None:
        (self.folder / "mood").write_text(word)

    @property
    def asked(self) -> list[dict[str, Any]]:
        log = self.folder / "log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def tool(self, name: str = "enter_event", **changes: Any) -> Tool:
        made = Tool(
            name=name, does="Our own words.", risk="low", service="calendar", operation=name, method="",
            url="", timeout_s=60.0, parameters=DAY if name == "enter_event" else NOTHING, idempotent=False,
            mcp=McpTool(name, self.pins[name]),
        )  # fmt: skip
        return replace(made, **changes)


def environment(folder: Path) -> dict[str, str]:
    return {
        "CALENDAR_LOG": str(folder / "log"), "CALENDAR_MOOD": str(folder / "mood"), "PYTHONPATH": str(ROOT),
    }  # fmt: skip


def started(folder: Path) -> Where:
    """The calendar as a command; what it needs to find its files comes through ``env``."""
    given = [f"{name}={value}" for name, value in environment(folder).items()]
    command = ("env", *given, sys.executable, "-m", "tests.simulators.mcp_server")
    return Where("calendar", command=command, key=KEY, key_env="CALENDAR_KEY")


@pytest.fixture(params=["stdio", "http"])
async def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Calendar]:
    """The calendar, over either transport."""
    if request.param == "stdio":
        async for calendar in _calendar(started(tmp_path), tmp_path):
            yield calendar
        return
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.simulators.mcp_server", "--http", stdout=asyncio.subprocess.PIPE,
        env=os.environ | environment(tmp_path) | {"CALENDAR_KEY": KEY},
    )  # fmt: skip
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    where = Where("calendar", url=f"http://127.0.0.1:{port}/mcp", key=KEY)
    try:
        async for calendar in _calendar(where, tmp_path):
            yield calendar
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def calendar(tmp_path: Path) -> AsyncIterator[Calendar]:
    """The calendar, over stdio."""
    async for calendar in _calendar(started(tmp_path), tmp_path):
        yield calendar


async def _calendar(where: Where, folder: Path) -> AsyncIterator[Calendar]:
    server = McpServer(where, connect_s=60.0)
    try:
        pins = {one.name: one.digest for one in await server.offers()}
        yield Calendar(server, folder, pins)
    finally:
        await server.aclose()


def runner(call: Call, calendar: Calendar, *tools: Tool, **options: Any) -> ToolRunner:
    call.client = ServiceClient({}, mcp={"calendar": calendar.server})
    return call.runner(*(tools or (calendar.tool(),)), **options)


async def test_a_reviewed_tool_is_used_under_the_same_record(call: Call, anywhere: Calendar) -> None:
    result = await runner(call, anywhere).use("enter_event", MONDAY, 1)
    assert result.content == {"ok": True, "note": NOTE, "data": {"row": 17}}
    assert call.types() == ["tool.requested", "tool.executed"]
    assert not call.recorder.of("tool.requested")[0][0].idempotent
    assert anywhere.asked == [{"tool": "enter_event", "day": "Monday", "use": result.use, "key": KEY}]
    await call.client.aclose()


async def test_only_what_the_agent_lists_is_offered_in_its_own_words(call: Call, calendar: Calendar) -> None:
    tools = (calendar.tool(), calendar.tool("say"))
    uses = runner(call, calendar, *tools)
    assert (await uses.use("delete_everything", {}, 1)).content["reason"] == "unknown_tool"
    assert [schema.description for schema in tool_schemas(tools)] == ["Our own words."] * 2
    said = await uses.use("say", {}, 1)
    assert said.content["data"] == {"text": "in words"}
    assert (await uses.use("enter_event", {"day": 3}, 1)).content["reason"] == "bad_arguments"
    assert [asked["tool"] for asked in calendar.asked] == ["say"]
    await call.client.aclose()


async def test_a_server_that_changes_a_tool_later_is_refused(call: Call, anywhere: Calendar) -> None:
    uses = runner(call, anywhere)
    anywhere.mood("turns")
    assert (await uses.use("enter_event", MONDAY, 1)).ok
    anywhere.mood("")
    again = await uses.use("enter_event", MONDAY, 2)
    assert again.content["reason"] == "changed"
    assert call.types()[2:] == ["tool.requested", "tool.refused"]
    assert call.recorder.of("tool.refused")[0][0].reason == "changed"
    assert len(anywhere.asked) == 1, "nothing left"
    await call.client.aclose()


async def test_a_tool_that_is_not_what_was_pinned_is_refused(call: Call, calendar: Calendar) -> None:
    other = replace(calendar.tool(), mcp=McpTool("enter_event", calendar.pins["say"]))
    gone = replace(calendar.tool("say"), mcp=McpTool("moved", calendar.pins["say"]))
    uses = runner(call, calendar, other, gone)
    for name, arguments in (("enter_event", MONDAY), ("say", {})):
        assert (await uses.use(name, arguments, 1)).content["reason"] == "changed"
    assert calendar.asked == []
    await call.client.aclose()


@pytest.mark.parametrize(
    ("mood", "reason", "counts"), [("fails", "failed", True), ("refuses", "refused", False)]
)
async def test_a_failure_counts_and_a_refusal_does_not(
    call: Call, calendar: Calendar, tmp_path: Path, mood: str, reason: str, counts: bool
) -> None:
    book = ToolUseBook(tmp_path)
    calendar.mood(mood)
    uses = runner(call, calendar, calendar.tool(per_day=1), counting=Counting(book, "clinic"))
    result = await uses.use("enter_event", MONDAY, 1)
    assert result.content["reason"] == reason
    record, _ = call.recorder.of("tool.executed")[0]
    assert not record.ok
    assert (book.room("clinic", "enter_event", 0, 1, None) is not None) is counts
    await call.client.aclose()


async def test_a_server_that_stalls_leaves_the_outcome_unknown(call: Call, calendar: Calendar) -> None:
    calendar.mood("stalls")
    uses = runner(call, calendar, calendar.tool(timeout_s=1.0))
    assert (await uses.use("enter_event", MONDAY, 1)).content["reason"] == "unknown"
    assert call.types() == ["tool.requested", "tool.unknown"]
    assert call.recorder.of("tool.unknown")[0][0].reason == "timeout"
    assert len(calendar.asked) == 1, "not again"
    await call.client.aclose()


async def test_a_use_that_is_stopped_while_its_server_is_asked_what_it_offers_is_not_sent(
    call: Call, calendar: Calendar
) -> None:
    """A person stopped the tool between the last look and the request, which left all the same."""
    looks = iter([False, False, False])
    uses = runner(call, calendar, stopped=lambda tool: next(looks, True))
    assert (await uses.use("enter_event", MONDAY, 1)).content["reason"] == "stopped"
    assert call.types() == ["tool.requested", "tool.refused"]
    assert not calendar.asked
    await call.client.aclose()


async def test_a_server_that_dies_is_started_anew_by_the_next_use(call: Call, calendar: Calendar) -> None:
    calendar.mood("dies")
    uses = runner(call, calendar)
    assert (await uses.use("enter_event", MONDAY, 1)).content["reason"] == "unknown"
    assert call.recorder.of("tool.unknown")[0][0].reason == "broken_answer"
    calendar.mood("")
    assert (await uses.use("enter_event", {"day": "Tuesday"}, 2)).ok
    assert len(calendar.asked) == 2
    again = await uses.use("enter_event", MONDAY, 3)
    assert again.content["reason"] == "in_doubt", "nobody can ask it later whether Monday was entered"
    assert len(calendar.asked) == 2
    await call.client.aclose()


@pytest.mark.parametrize(
    "where", [Where("calendar", ("false",)), Where("calendar", url="http://127.0.0.1:1/mcp")]
)
async def test_a_server_that_is_not_there_is_said_to_be(
    call: Call, make_tool: Callable[..., Tool], where: Where
) -> None:
    tool = make_tool("enter_event", "", service="calendar", mcp=McpTool("enter_event", "sha256:" + "0" * 64))
    client = ServiceClient({}, mcp={"calendar": McpServer(where, connect_s=20.0)})
    call.client = client
    result = await call.runner(tool).use("enter_event", MONDAY, 1)
    assert result.content["reason"] == "unreached"
    assert call.types() == ["tool.requested", "tool.executed"]
    await client.aclose()


@pytest.mark.parametrize(("mood", "reason"), [("instructs", "unreadable"), ("grows", "unknown")])
async def test_answers_are_untrusted_text(call: Call, calendar: Calendar, mood: str, reason: str) -> None:
    calendar.mood(mood)
    rules = ResultRules(await asyncio.to_thread(lambda: Rules.compile([pack("injection")])))
    result = await runner(call, calendar, result_rules=rules).use("enter_event", MONDAY, 1)
    assert result.content["reason"] == reason
    assert "gnore" not in str(result.content)
    await call.client.aclose()


async def test_a_dry_run_reaches_no_server(call: Call, calendar: Calendar) -> None:
    result = await runner(call, calendar, calendar.tool(dry_run=True)).use("enter_event", MONDAY, 1)
    assert result.content["reason"] == "dry_run"
    assert calendar.asked == []
    await call.client.aclose()


def test_a_key_is_never_printed() -> None:
    assert KEY not in repr(Where("calendar", key=KEY))


@pytest.mark.parametrize("schema", [{"maximum": 2**63}, {"title": "\ud800"}])
def test_a_schema_without_a_canonical_form_is_not_what_was_reviewed(schema: dict[str, Any]) -> None:
    """It raised out of a use that had been counted."""
    assert not Offered("book", "books", schema, None).is_pinned("sha256:0")
