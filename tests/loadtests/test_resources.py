"""What a process tree costs: the arithmetic of readings, and readings of real processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.resources import Reading, Sampler, Steal, Tree, idle_mb, summarise


def test_cpu_is_per_call_second_and_memory_per_simultaneous_call():
    readings = [
        Reading(10.0, 3.0, 100.0, 2),
        Reading(12.0, 3.5, None, 3),
        Reading(14.0, 4.0, 180.0, 3),
        Reading(20.0, 5.0, 140.0, 2),
    ]
    found = summarise(readings, call_seconds=40.0, calls=4, steal_percent=0.123, loop_lag_p99_ms=3.456)
    assert found.cpu_ms_per_call_s == 50.0
    assert found.rss_mb_per_call == 20.0
    assert (found.idle_mb, found.peak_mb) == (100.0, 180.0)
    assert found.cpu_percent == 20.0
    assert found.processes == 3
    assert (found.steal_percent, found.loop_lag_p99_ms) == (0.12, 3.46)


MEMORY = st.none() | st.floats(1, 5000)


@settings(deadline=None)
@given(st.lists(MEMORY, max_size=6), st.none() | st.floats(1, 5000), st.integers(0, 64))
def test_memory_per_call_is_of_the_idle_server_that_was_told(
    memory: list[float | None], idle: float | None, calls: int
):
    readings = [Reading(float(n), float(n), mb, 1) for n, mb in enumerate(memory)]
    found = summarise(readings, call_seconds=1.0, calls=calls, idle_mb=idle)
    known = [mb for mb in memory if mb is not None]
    expected_idle = idle if idle is not None else (known[0] if known else None)
    assert found.idle_mb == (None if expected_idle is None else round(expected_idle, 2))
    assert found.peak_mb == (round(max(known), 2) if known else None)
    if known and calls and expected_idle is not None:
        assert found.rss_mb_per_call == pytest.approx((max(known) - expected_idle) / calls, abs=0.006)
    else:
        assert found.rss_mb_per_call is None


def test_without_calls_there_is_nothing_per_call():
    found = summarise([Reading(0.0, 1.0, 50.0, 1), Reading(1.0, 1.5, 51.0, 1)], call_seconds=0.0, calls=0)
    assert found.cpu_ms_per_call_s is None
    assert found.rss_mb_per_call is None
    assert found.cpu_percent == 50.0


def test_a_server_elsewhere_weighs_nothing():
    with Sampler(None) as sampler:
        pass
    found = sampler.resources(10.0, 1)
    assert (found.cpu_percent, found.idle_mb, found.processes) == (None, None, None)


#: Does as it is told, a line at a time: its child computes, ends, and is waited for.
_PARENT = """
import subprocess, sys, time
print("up", flush=True)
for line in sys.stdin:
    if line.strip() == "work":
        busy = "import time\\nwhile time.process_time() < 0.5: pass"
        subprocess.run([sys.executable, "-c", busy])
    elif line.strip() == "grow":
        kept = bytearray(40_000_000)
        kept[::4096] = b"x" * len(kept[::4096])
    elif line.strip() == "child":
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    print("done", flush=True)
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait(timeout=60)
    process.stdout.close()


def tell(parent: subprocess.Popen[str], what: str) -> None:
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(what + "\n")
    parent.stdin.flush()
    assert parent.stdout.readline() == "done\n"


def test_the_time_of_a_child_that_ended_counts(parent: subprocess.Popen[str]):
    tree = Tree(parent.pid)
    before = tree.read(memory=False)
    tell(parent, "work")
    after = tree.read(memory=False)
    assert after.cpu_s - before.cpu_s >= 0.49
    assert after.processes == 1


def test_children_are_weighed_with_their_parent(parent: subprocess.Popen[str]):
    tree = Tree(parent.pid)
    alone = tree.read(memory=True)
    tell(parent, "child")
    both = tree.read(memory=True)
    assert (alone.processes, both.processes) == (1, 2)
    assert both.memory_mb > alone.memory_mb


def test_memory_is_in_megabytes(parent: subprocess.Popen[str]):
    with Sampler(parent.pid) as sampler:
        tell(parent, "grow")
    found = sampler.resources(10.0, 2)
    assert 19.0 < found.rss_mb_per_call < 35.0


def test_an_idle_server_is_read_several_times_over_a_second(parent: subprocess.Popen[str]):
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 4:  # only the last reading has it: the median does not
            tell(parent, "grow")

    before = Tree(parent.pid).read(memory=True).memory_mb
    found = idle_mb(parent.pid, sleep=sleep)
    assert found == pytest.approx(before, abs=15)
    assert sum(waited) == 1.0


def test_nothing_is_read_of_a_server_elsewhere_or_gone(parent: subprocess.Popen[str]):
    assert idle_mb(None) is None
    parent.kill()
    parent.wait()
    assert idle_mb(parent.pid, sleep=lambda _: None) is None


def test_a_process_that_maps_the_same_files_takes_nothing_off(parent: subprocess.Popen[str]):
    """Its share of libpython halves when another maps it: no memory of its own has gone."""
    tree = Tree(parent.pid)
    alone = tree.read(memory=True).memory_mb
    with subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        beside = tree.read(memory=True).memory_mb
        assert other.stdin is not None
        other.stdin.close()
    assert alone is not None
    assert beside == pytest.approx(alone, abs=0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pages_shared_by_a_fork_count_once():
    """30 MB made before a fork are the parent's and the child's: PSS halves them, the tree has them once."""
    script = (
        "import os, sys\nkept = bytearray(30_000_000)\nkept[::4096] = b'x' * len(kept[::4096])\n"
        "pid = os.fork()\n"
        "if pid:\n    print('up', flush=True)\n    input()\n    os.kill(pid, 9)\n    os.wait()\n"
        "else:\n    import signal\n    signal.pause()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as forked:
        assert forked.stdout is not None
        forked.stdout.readline()
        both = Tree(forked.pid).read(memory=True)
        assert forked.stdin is not None
        forked.stdin.write("over\n")
    assert both.processes == 2
    assert both.memory_mb is not None
    assert 30 < both.memory_mb < 50


def test_a_tree_that_is_gone_keeps_its_time(parent: subprocess.Popen[str]):
    tree = Tree(parent.pid)
    tell(parent, "work")
    before = tree.read(memory=True)
    parent.kill()
    parent.wait()
    after = tree.read(memory=True)
    assert after.cpu_s == before.cpu_s
    assert (after.processes, after.memory_mb) == (0, None)


def test_steal_is_of_the_worst_core_looked_at(monkeypatch: pytest.MonkeyPatch):
    now = [[_times(0, 100), _times(0, 100)]]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: now[0])
    all_of_them, first = Steal(), Steal([0])
    now[0] = [_times(1, 200), _times(5, 200)]
    assert all_of_them.percent() == 5.0
    assert first.percent() == 1.0


class _Times(tuple[float, ...]):
    steal: float
    guest = guest_nice = 0.0


def _times(stolen: float, total: float) -> _Times:
    found = _Times((total - stolen, stolen))
    found.steal = stolen
    return found


def test_a_sampler_stops_twice_and_leaves_no_thread(parent: subprocess.Popen[str]):
    sampler = Sampler(parent.pid)
    with sampler:
        sampler.stop()
    assert sampler.resources(1.0, 1).processes == 1
