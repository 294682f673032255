"""What a command may have the running server do: a closed set, one at a time, off the loop, to its end."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError, OperatorError
from tests.simulators.recorder import MemoryRecorder
from voice_runtime import local
from voice_runtime.local import OPERATIONS, LocalSocket, operate_via_server, socket_path

pytestmark = pytest.mark.anyio


@dataclass
class Keeper:
    """Operations that say what they were asked, and may be made to wait or fail."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    fault: Exception | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def rotate(self, tenant: str) -> str:
        self.asked.append(("rotate_log", tenant))
        self.threads.add(threading.current_thread().name)
        if self.fault is not None:
            raise self.fault
        return "1 log has a new key"

    def rewrap(self, tenant: str) -> str:
        self.begun.set()
        assert self.go_on.wait(20)
        self.asked.append(("rewrap", tenant))
        return "17"


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def server(keeper: Keeper, tmp_path: Path) -> AsyncIterator[LocalSocket]:
    operations: dict[local.OperationName, local.Operation] = {
        "rotate_log": keeper.rotate, "rewrap": keeper.rewrap,
    }  # fmt: skip
    opened = LocalSocket(MemoryRecorder(), socket_path(tmp_path), operations)
    await opened.start()
    yield opened
    keeper.go_on.set()
    await opened.close()


async def test_a_command_has_the_server_do_it_and_learns_what_came_of_it(server, keeper, tmp_path):
    told = await asyncio.to_thread(operate_via_server, tmp_path, "rotate_log", "clinic")
    assert (told, keeper.asked) == ("1 log has a new key", [("rotate_log", "clinic")])
    assert threading.current_thread().name not in keeper.threads  # the event loop's was not blocked


async def test_without_a_server_there_is_no_answer(tmp_path):
    assert operate_via_server(tmp_path, "rotate_log") is None


async def test_what_the_server_has_no_way_to_do_is_refused(server, keeper, tmp_path):
    assert set(OPERATIONS) == {"rotate_log", "rotate_node", "rewrap"}
    with pytest.raises(OperatorError, match="cannot do this"):
        await asyncio.to_thread(operate_via_server, tmp_path, "rotate_node")
    assert keeper.asked == []


@pytest.mark.parametrize(
    "asked",
    [
        {"operation": "erase_everything"},
        {"operation": "rotate_log", "tenant": "../other"},
        {"operation": "rotate_log", "tenant": None},
        {"operation": "rotate_log", "force": True},
        {"operation": ["rotate_log"]},
        {"operation": "rotate_log", "type": "access.viewed", "record": {}},
    ],
)
async def test_anything_else_is_refused_and_nothing_done(server, keeper, tmp_path, asked):
    reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
    writer.write(json.dumps(asked).encode() + b"\n" + b"[" * 200_000 + b"\n")
    assert json.loads(await reader.readline())["error"] == "refused"
    assert json.loads(await reader.readline())["error"] == "refused"
    writer.close()
    await writer.wait_closed()
    assert keeper.asked == []


@pytest.mark.parametrize(
    ("fault", "raised", "why"),
    [
        (OperatorError("no such tenant"), OperatorError, "no such tenant"),
        (LedgerError("disk full"), LedgerError, "disk full"),
        (IntegrityError("root"), LedgerError, "root"),
        (ValueError("a caller's words"), LedgerError, "ValueError"),  # never a foreign message
    ],
)
async def test_a_failure_is_told_in_its_own_words_or_none(server, keeper, tmp_path, fault, raised, why):
    keeper.fault = fault
    with pytest.raises(raised, match=f"^{why}$"):
        await asyncio.to_thread(operate_via_server, tmp_path, "rotate_log")


async def test_one_at_a_time_and_records_go_on_meanwhile(server, keeper, tmp_path):
    first = asyncio.create_task(asyncio.to_thread(operate_via_server, tmp_path, "rewrap"))
    assert await asyncio.to_thread(keeper.begun.wait, 20)
    with pytest.raises(OperatorError, match="try again later"):
        await asyncio.to_thread(operate_via_server, tmp_path, "rotate_log")
    record = local._Request(type="access.viewed", record={"tenant": "clinic", "what": "trace"})
    assert await asyncio.to_thread(local._ask, tmp_path, record, wait_s=20)
    keeper.go_on.set()
    assert await first == "17"
    assert await asyncio.to_thread(operate_via_server, tmp_path, "rotate_log")


async def test_closing_waits_for_what_has_begun(server, keeper, tmp_path):
    client = asyncio.create_task(asyncio.to_thread(operate_via_server, tmp_path, "rewrap"))
    assert await asyncio.to_thread(keeper.begun.wait, 20)
    closing = asyncio.create_task(server.close())
    with pytest.raises(LedgerError, match="gave no answer"):  # cut off; the work goes on
        await client
    assert not closing.done()
    keeper.go_on.set()
    await closing
    assert keeper.asked == [("rewrap", "")]
