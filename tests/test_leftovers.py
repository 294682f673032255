"""The leak checks find what they are for, and let go what has gone."""

from __future__ import annotations

import asyncio
import io
import itertools
import socket
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from loguru import logger

from tests import leftovers
from tests.conftest import _nothing_is_skipped, _put_back, _sinks
from tests.leftovers import Snapshot, left_over, slow_steps, watch_tasks
from tests.needs import needs_system


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "GRACE_S", 0.1)


def test_a_leaked_task_fails_its_test():
    async def leaks() -> None:
        leaks.task = asyncio.create_task(asyncio.sleep(60))  # type: ignore[attr-defined]

    with pytest.raises(AssertionError, match=r"left 1 task\(s\) running"):
        asyncio.run(watch_tasks(leaks)())


def test_a_task_that_ends_by_itself_is_no_leak(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leftovers, "GRACE_S", 30.0)

    async def tidy() -> str:
        tidy.task = asyncio.create_task(asyncio.sleep(0.01))  # type: ignore[attr-defined]
        return "done"

    assert asyncio.run(watch_tasks(tidy)()) == "done"


def test_logging_that_a_test_configured_ends_with_it(capsys: pytest.CaptureFixture[str]):
    before, captured = _sinks(), io.StringIO()
    logger.remove()
    logger.add(captured)
    captured.close()
    _put_back(before)
    logger.info("still told")
    told = capsys.readouterr().err
    assert "still told" in told
    assert "Logging error" not in told


def test_a_leaked_thread_child_and_socket_are_named_and_gone_after_closing():
    before = Snapshot.take()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="forgotten")
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    open_socket = socket.socket()
    try:
        lines = left_over(before, set())
        assert [line.split()[0] for line in lines] == ["child", "open", "thread"]
        assert "forgotten" in lines[2]
        assert left_over(before, {"thread", "child", "socket"}) == []
    finally:
        open_socket.close()
        child.communicate()
        stop.set()
        thread.join()
    assert left_over(before, set()) == []


def test_a_blocking_call_on_the_loop_is_found_and_named():
    async def blocks() -> None:
        time.sleep(0.2)  # what is being found

    with slow_steps(limit_s=0.1) as steps:
        asyncio.run(blocks())
    assert len(steps.slow) == 1 and "blocks" in steps.slow[0]


def test_who_is_pushed_off_the_processor_blocks_nothing(monkeypatch: pytest.MonkeyPatch):
    """Two journeys failed on a machine where others had the processor for most of a second."""
    readings = itertools.count()

    def others_ran(self: object) -> leftovers._Usage:
        return leftovers._Usage(0.0, next(readings) * 0.15, 0)

    async def blocks() -> None:
        time.sleep(0.2)  # of which others had 0.15

    monkeypatch.setattr("tests.leftovers._Thread.now", others_ran)
    with slow_steps(limit_s=0.1) as steps:
        asyncio.run(blocks())
    assert not [s for s in steps.slow if "blocks" in s]


@pytest.mark.parametrize(
    ("computed_s", "patience_s", "found"), [(0.0, 10.0, 0), (0.0, 0.15, 1), (0.15, 10.0, 1)]
)
def test_who_waits_for_a_stalled_disk_blocks_nothing_for_a_while(
    monkeypatch: pytest.MonkeyPatch, computed_s: float, patience_s: float, found: int
):
    """The first tests of modules failed where reading what a library imports took 1.6 to 3.7 s."""
    readings = itertools.count()

    def read_the_disk(self: object) -> leftovers._Usage:
        n = next(readings)
        return leftovers._Usage(n * computed_s, 0.0, n)

    async def blocks() -> None:
        time.sleep(0.2)

    monkeypatch.setattr("tests.leftovers._Thread.now", read_the_disk)
    monkeypatch.setattr("tests.leftovers.STALLED_DISK_S", patience_s)
    with slow_steps(limit_s=0.1) as steps:
        asyncio.run(blocks())
    assert len([s for s in steps.slow if "blocks" in s]) == found


def test_waiting_on_the_loop_is_not_blocking_it():
    async def waits() -> None:
        await asyncio.sleep(0.2)

    with slow_steps(limit_s=0.1) as steps:
        asyncio.run(waits())
    assert steps.slow == []


def test_a_missing_program_skips_by_name_and_every_skip_fails_in_ci(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(pytest.skip.Exception, match="needs no-such-program-here"):
        needs_system("no-such-program-here")
    needs_system()
    skipped = SimpleNamespace(skipped=True, outcome="skipped", longrepr=("a.py", 3, "Skipped: needs flite"))
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    assert _nothing_is_skipped(skipped).outcome == "skipped"
    monkeypatch.setenv("REQUIRE_ALL", "1")
    assert _nothing_is_skipped(skipped).outcome == "failed"
    assert skipped.longrepr == "REQUIRE_ALL=1: Skipped: needs flite"
