"""The local socket: durable before the answer, closed to anything but what a command may append."""

from __future__ import annotations

import asyncio
import json
import socket
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controls.errors import LedgerError, OperatorError, WriterLocked
from controls.ids import new_id
from controls.ledger import records as r
from tests.simulators.recorder import MemoryRecorder
from voice_runtime import local
from voice_runtime.local import LocalSocket, append_via_server, socket_path

pytestmark = pytest.mark.anyio

VIEWED = r.AccessViewed(tenant="clinic", call=new_id("c"), what="trace")
WHO = r.AccessDetails(who="reviewer", purpose="local review")


@pytest.fixture
def recorder() -> MemoryRecorder:
    return MemoryRecorder()


@pytest.fixture
async def server(recorder: MemoryRecorder, tmp_path: Path) -> AsyncIterator[LocalSocket]:
    opened = LocalSocket(recorder, socket_path(tmp_path))
    await opened.start()
    yield opened
    await opened.close()


async def raw(path: Path, *lines: bytes) -> list[dict[str, object]]:
    """Send lines as they are and return what comes back until the server closes or has answered all."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.writelines(lines)
    writer.write_eof()
    answers = [json.loads(line) async for line in reader]
    writer.close()
    await writer.wait_closed()
    return answers


async def test_a_record_is_durable_when_the_client_has_its_receipt(server, recorder, tmp_path):
    receipt = await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO)
    assert receipt is not None
    assert (receipt.origin, receipt.leaf, receipt.type) == (recorder.origin, 0, "access.viewed")
    assert recorder.records == [(VIEWED, WHO)]


async def test_the_socket_is_its_owners_only_and_goes_with_the_server(server, tmp_path):
    path = socket_path(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await server.close()
    assert not path.exists()
    assert append_via_server(tmp_path, VIEWED, WHO) is None


async def test_without_a_server_there_is_no_receipt(tmp_path):
    assert append_via_server(tmp_path, VIEWED, WHO) is None
    assert append_via_server(tmp_path / "nowhere", VIEWED, WHO) is None


async def test_a_socket_left_by_a_killed_server_is_replaced(recorder, tmp_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(socket_path(tmp_path)))
    dead.close()
    assert append_via_server(tmp_path, VIEWED, WHO) is None
    server = LocalSocket(recorder, socket_path(tmp_path))
    await server.start()
    assert await asyncio.to_thread(append_via_server, tmp_path, VIEWED, None) is not None
    await server.close()


async def test_a_second_server_is_refused(server, recorder, tmp_path):
    with pytest.raises(WriterLocked):
        await LocalSocket(recorder, socket_path(tmp_path)).start()
    assert await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO) is not None


async def test_a_ledger_that_fails_is_told_to_the_client(server, recorder, tmp_path):
    recorder.failing = True
    with pytest.raises(LedgerError, match="did not append access.viewed"):
        await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO)
    recorder.failing = False
    recorder.refusing = True
    with pytest.raises(LedgerError, match="did not append"):
        await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO)


async def test_an_append_outlives_the_deadline_and_the_client_is_told(
    server, recorder, tmp_path, monkeypatch
):
    monkeypatch.setattr(local, "DEADLINE_S", 0.05)
    recorder.delayed = True
    [answer] = await raw(socket_path(tmp_path), request(VIEWED, WHO))
    assert answer["error"] == "ledger"
    recorder.commit()
    assert recorder.types() == ["access.viewed"]  # it was queued: the client does not know, the record stands


def request(what: r.Record, beside: r.Personal | None, /, **changes: object) -> bytes:
    content = {
        "type": what.type,
        "record": what.model_dump(mode="json"),
        "personal": beside and beside.model_dump(mode="json"),
    }
    return json.dumps(content | changes).encode() + b"\n"


FORGED = r.RedactionMade(
    tenant="clinic", call=new_id("c"), turn=1, sink="record", of="caller", what=r.PersonalData.CARD, found=1,
    version="sha256:" + "0" * 64,
)  # fmt: skip
COUNTED = r.RedactionCounted(
    tenant="clinic", sink="export", what=r.PersonalData.CARD, found=1, version="sha256:" + "0" * 64
)


async def test_what_was_masked_in_an_export_is_told_through_the_server(server, recorder, tmp_path):
    receipt = await asyncio.to_thread(append_via_server, tmp_path, COUNTED, None)
    assert receipt is not None
    assert recorder.records == [(COUNTED, None)]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not json\n",
        b"[]\n",
        b"\xff\xfe\n",
        b'{"type": "access.viewed"}\n',
        request(FORGED, None),
        request(COUNTED.model_copy(update={"sink": "log"}), None),
        request(VIEWED, WHO, type="clause.cleared"),
        request(VIEWED, WHO, type="no.such.type"),
        request(VIEWED, WHO, extra=1),
        request(VIEWED, WHO, record={"tenant": "clinic", "what": "everything"}),
        request(VIEWED, WHO, record={"tenant": "Clinic; DROP", "what": "trace"}),
        request(VIEWED, WHO, personal={"who": "x"}),
    ],
)
async def test_anything_else_is_refused_and_the_next_request_served(line, server, recorder, tmp_path):
    first, second = await raw(socket_path(tmp_path), line, request(VIEWED, WHO))
    assert (first["error"], second["error"]) == ("refused", "")
    assert recorder.types() == ["access.viewed"]


async def test_a_line_too_long_or_cut_short_ends_the_connection_not_the_server(server, recorder, tmp_path):
    path = socket_path(tmp_path)
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"x" * (local.LINE_BYTES + 10))
    assert await reader.read() == b""
    writer.close()
    assert await raw(path, request(VIEWED, WHO)[:-20]) == []
    assert await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO) is not None
    assert recorder.types() == ["access.viewed"]


async def test_a_silent_client_is_cut_off_and_closing_does_not_wait_for_one(server, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "DEADLINE_S", 0.05)
    reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
    assert await reader.read() == b""
    writer.close()
    monkeypatch.setattr(local, "DEADLINE_S", 60.0)
    reader, writer = await asyncio.open_unix_connection(str(socket_path(tmp_path)))
    writer.write(request(VIEWED, WHO))
    assert await reader.readline()
    await server.close()
    assert await reader.read() == b""
    writer.close()


async def test_a_path_longer_than_a_socket_address_works(recorder, tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    server = LocalSocket(recorder, socket_path(deep))
    await server.start()
    assert await asyncio.to_thread(append_via_server, deep, VIEWED, WHO) is not None
    await server.close()
    assert not socket_path(deep).exists()


@pytest.mark.parametrize("answer", [b"", b"{}", b"{]\n", b'{"leaf": "x"}\n', b"y" * 4096 + b"\n"])
async def test_a_server_that_answers_nonsense_is_a_ledger_error(answer, tmp_path):
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    with listening(tmp_path) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            with pytest.raises(LedgerError, match="gave no answer"):
                await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO)
        finally:
            thread.join()


def listening(data_dir: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(socket_path(data_dir)))
    listener.listen()
    return listener


async def test_another_user_gets_no_answer(server, recorder, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_same_user", lambda writer: False)
    with pytest.raises(LedgerError, match="gave no answer"):
        await asyncio.to_thread(append_via_server, tmp_path, VIEWED, WHO)
    assert recorder.records == []


async def test_a_socket_that_cannot_be_made_names_the_operator(recorder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be"):
        await LocalSocket(recorder, tmp_path / "file" / "server.sock").start()


# --- a stop waits for nobody -----------------------------------------------------------------------


@pytest.fixture
async def busy(recorder: MemoryRecorder, tmp_path: Path) -> AsyncIterator[asyncio.Event]:
    """A server whose questions about approvals are answered when the event is set, and stops at once."""
    answering = asyncio.Event()

    async def slow(asked: object) -> dict[str, object]:
        await answering.wait()
        return {"waiting": []}

    async def stop(asked: object) -> dict[str, object]:
        return {"stopped": True}

    server = LocalSocket(
        recorder, socket_path(tmp_path), questions={"approvals.list": slow, "stops.stop": stop}
    )
    await server.start()
    yield answering
    answering.set()
    await server.close()


LIST, STOP = (json.dumps({"question": q}).encode() + b"\n" for q in ("approvals.list", "stops.stop"))


async def test_a_stop_does_not_wait_behind_slow_approvals(busy, tmp_path):
    path = str(socket_path(tmp_path))
    waiting = [asyncio.create_task(raw(socket_path(tmp_path), LIST)) for _ in range(3 * local.PLACES)]
    idle = [await asyncio.open_unix_connection(path) for _ in range(2 * local.PLACES)]
    async with asyncio.timeout(5):
        [stopped] = await raw(socket_path(tmp_path), STOP)
    assert json.loads(str(stopped["detail"])) == {"stopped": True}
    assert not any(task.done() for task in waiting)
    busy.set()
    for answer in await asyncio.gather(*waiting):
        assert json.loads(str(answer[0]["detail"])) == {"waiting": []}
    for _, writer in idle:
        writer.close()


async def test_clients_that_ask_nothing_do_not_keep_a_stop_out(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "DEADLINE_S", 60.0)
    monkeypatch.setattr(local, "CLIENTS", 8)
    path = str(socket_path(tmp_path))
    idle = [await asyncio.open_unix_connection(path) for _ in range(8)]
    async with asyncio.timeout(5):
        [stopped] = await raw(socket_path(tmp_path), STOP)
        assert await idle[0][0].read() == b"", "the one that asked nothing for longest is cut off"
    assert json.loads(str(stopped["detail"])) == {"stopped": True}
    for _, writer in idle:
        writer.close()
