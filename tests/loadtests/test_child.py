"""A process of its own: up when it says so, quoted when it does not, down whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from controls.errors import OperatorError
from loadtests.child import Child

pytestmark = pytest.mark.anyio

#: Starts a child, says it is ready, and waits; ``deaf``: to be told to stop is not enough.
_READY = """
import json, signal, subprocess, sys
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "600"])
print(json.dumps({"address": "http://127.0.0.1:1", "child": child.pid}), flush=True)
signal.pause() if "deaf" not in sys.argv else [signal.pause() for _ in iter(int, 1)]
"""


def server(tmp_path: Path, code: str, *arguments: str) -> Child:
    return Child([sys.executable, "-c", code, *arguments], log=tmp_path / "server.log")


async def test_it_is_up_when_it_says_so_and_goes_with_its_children(tmp_path: Path):
    started = server(tmp_path, _READY)
    ready = await started.start()
    assert ready["address"] == "http://127.0.0.1:1"
    assert psutil.pid_exists(ready["child"])
    await started.stop()
    await started.stop()
    assert started.pid is None
    await _gone(ready["child"])


async def test_one_that_will_not_go_is_killed(tmp_path: Path):
    started = server(tmp_path, _READY, "deaf")
    ready = await started.start()
    await started.stop(patience_s=0.1)
    await _gone(ready["child"])


async def _gone(pid: int) -> None:
    """The child is nobody's now: the system collects it."""
    async with asyncio.timeout(30):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("code", ["", "print('hello')", "print('3')", "raise SystemExit(2)"])
async def test_what_says_nothing_useful_did_not_start(tmp_path: Path, code: str):
    started = server(tmp_path, f"import sys; print('the reason', file=sys.stderr); {code}")
    with pytest.raises(OperatorError, match="the reason"):
        await started.start()
    await started.stop()


async def test_one_that_takes_too_long_is_ended(tmp_path: Path):
    started = server(tmp_path, "import time; time.sleep(600)")
    with pytest.raises(OperatorError, match="did not start"):
        await started.start(patience_s=0.2)
    await started.stop()


async def test_a_start_that_is_given_up_leaves_nothing(tmp_path: Path):
    mark = tmp_path / "pid"
    code = f"import os, time; open({str(mark)!r} + '~', 'w').write(str(os.getpid()));"
    code += f" os.rename({str(mark)!r} + '~', {str(mark)!r}); time.sleep(600)"
    started = server(tmp_path, code)
    starting = asyncio.create_task(started.start())
    async with asyncio.timeout(30):
        while not mark.exists():
            await asyncio.sleep(0.01)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await started.stop()
    pid = int(mark.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_its_own_words_go_to_the_log(tmp_path: Path):
    ready = json.dumps(json.dumps({"a": 1}))
    code = f"import sys; print('started', file=sys.stderr); print({ready}, flush=True)"
    started = server(tmp_path, code)
    assert await started.start() == {"a": 1}
    await started.stop()
    assert (tmp_path / "server.log").read_text() == "started\n"
