"""What is left behind is told from what has not been settled yet; a tree is read whole; 10 % is the limit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from controls.errors import OperatorError
from loadtests.steady import SETTLES_S, Reading, holds, read, report, settled

pytestmark = pytest.mark.anyio


class Server:
    """Has one task fewer at each question, down to ``left``."""

    def __init__(self, tasks: int, left: int) -> None:
        self.count, self.left = tasks, left
        self.slept_s = 0.0

    async def tasks(self) -> int:
        now, self.count = self.count, max(self.left, self.count - 1)
        return now

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds


async def test_a_call_that_is_being_settled_is_waited_for() -> None:
    server = Server(11, left=8)
    assert await settled(server.tasks, 8, sleep=server.sleep) == 8
    assert server.slept_s == pytest.approx(0.3)


async def test_what_is_left_behind_is_waited_for_only_so_long_and_told() -> None:
    server = Server(12, left=9)
    assert await settled(server.tasks, 8, sleep=server.sleep) == 9
    assert server.slept_s == pytest.approx(SETTLES_S)


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with two threads of its own, waiting."""
    code = (
        "import sys, threading; threading.Thread(target=sys.stdin.read).start(); print('ready', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.stdin.close()


async def test_the_whole_tree_is_read(child: subprocess.Popen[bytes]) -> None:
    alone = read(child.pid, 1, tasks=8)
    assert (alone.call, alone.processes, alone.threads, alone.tasks) == (1, 1, 2, 8)
    assert alone.files == psutil.Process(child.pid).num_fds()
    assert alone.tree_mb > 0
    tree = read(os.getpid(), 1, tasks=8)
    assert tree.processes >= 2
    assert tree.tree_mb > alone.tree_mb


async def test_a_server_that_is_gone_is_said_to_be(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    with pytest.raises(OperatorError, match="ended"):
        read(child.pid, 1, tasks=8)


def readings(last: Reading) -> list[Reading]:
    """A call or two to warm up, then what counts."""
    return [Reading(0, 300, 6, 13, 98, 8), Reading(1, 390, 6, 14, 100, 8, 300.0),
            Reading(2, 400, 6, 14, 100, 8, 200.0), last]  # fmt: skip


@pytest.mark.parametrize(
    ("last", "whole"),
    [
        (Reading(3, 440, 6, 14, 100, 8, 180.0), True),
        (Reading(3, 390, 6, 13, 99, 8, None), True),
        (Reading(3, 441, 6, 14, 100, 8), False),
        (Reading(3, 400, 7, 14, 100, 8), False),
        (Reading(3, 400, 6, 15, 100, 8), False),
        (Reading(3, 400, 6, 14, 101, 8), False),
        (Reading(3, 400, 6, 14, 100, 9), False),
    ],
)
def test_flat_is_within_ten_percent_of_the_second_call_and_nothing_left(last: Reading, whole: bool) -> None:
    assert holds(report(readings(last))) is whole


def test_the_table_is_of_the_calls_that_count_and_says_where() -> None:
    found = report(readings(Reading(3, 440, 6, 14, 100, 8, 180.0)))
    assert (found["calls"], found["tree_mb"], found["growth_percent"]) == (3, [400, 440], 10.0)
    assert (found["first_audio_ms_max"], found["first_audio_ms_median"]) == (300, 200)
    assert found["commit"]
