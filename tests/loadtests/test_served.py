"""A server in a process of its own: it comes up where it says, stops when told, and failing says so."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from controls.errors import OperatorError
from loadtests.served import ServerProcess

pytestmark = pytest.mark.anyio

_SERVER = """
import json, os
from loadtests.served import begin, serve

told = begin()

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body = json.dumps([told, sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})

serve(app, tells_lateness=told.get("tells", False))
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules a child can run."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))
    return tmp_path


async def test_a_child_is_told_pinned_awaited_and_stopped(written: Path) -> None:
    (written / "answering_child.py").write_text(_SERVER, encoding="utf-8")
    cores = sorted(os.sched_getaffinity(0))[-1:] if hasattr(os, "sched_getaffinity") else []
    server = ServerProcess("answering_child", {"words": "größer"}, cores=cores)
    assert server.pid is None
    address = await server.start()
    pid = server.pid
    assert pid is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(address)).json() == [{"words": "größer"}, cores]
    await server.stop()
    await server.stop()
    assert server.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_tells_how_late_its_loop_was_only_where_it_is_to(written: Path) -> None:
    (written / "answering_child.py").write_text(_SERVER, encoding="utf-8")
    for tells in (False, True):
        server = ServerProcess("answering_child", {"tells": tells})
        assert await server.lateness() is None  # it does not run
        await server.start()
        try:
            async with asyncio.timeout(20):  # its first timer is due 10 ms after it begins to serve
                late = await server.lateness()
                while tells and late is None:
                    late = await server.lateness()
        finally:
            await server.stop()
        assert (late is not None) is tells
    assert late is not None
    assert late.late_max_ms >= late.late_p99_ms - 0.1


async def test_starting_again_starts_another(written: Path) -> None:
    (written / "answering_child.py").write_text(_SERVER, encoding="utf-8")
    server = ServerProcess("answering_child", {})
    await server.start()
    first = server.pid
    try:
        await server.start()
        assert server.pid not in (None, first)
    finally:
        await server.stop()


@pytest.mark.parametrize(
    "says", ["raise SystemExit(3)", "print('not json')", "print('[]')", "print('{\"port\": null}')"]
)
async def test_a_child_that_does_not_come_up_is_an_error_and_no_leftover(written: Path, says: str) -> None:
    (written / "broken_child.py").write_text(says, encoding="utf-8")
    server = ServerProcess("broken_child", {})
    with pytest.raises(OperatorError, match="broken_child did not start"):
        await server.start()
    assert server.pid is None


async def test_a_child_that_never_says_anything_is_given_up(written: Path) -> None:
    (written / "silent_child.py").write_text("import sys; sys.stdin.buffer.read()", encoding="utf-8")
    server = ServerProcess("silent_child", {}, ready_s=0.2)
    with pytest.raises(OperatorError, match="did not start"):
        await server.start()


_PARENT = """
import asyncio, os
from loadtests.served import ServerProcess

async def main():
    server = ServerProcess("answering_child", {})
    await server.start()
    print(server.pid, flush=True)
    os._exit(1)

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="waits for the end of another's process: Linux")
async def test_a_child_ends_with_a_parent_that_was_killed(written: Path) -> None:
    (written / "answering_child.py").write_text(_SERVER, encoding="utf-8")
    command = [sys.executable, "-c", _PARENT]
    parent = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    try:
        ended = os.pidfd_open(int(parent.stdout))
    except ProcessLookupError:
        return  # already
    try:
        assert (await asyncio.to_thread(select.select, [ended], [], [], 20))[0]
    finally:
        os.close(ended)
