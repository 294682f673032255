"""What the process uses: CPU with its children, threads, descriptors, and how many cores it may have."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from voice_runtime.process_usage import ProcessUsage, allowed_cores

#: Uses so much CPU time, says so, and waits for its input to end.
_BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('busy', flush=True)\ninput()"


def made_up(folder: Path, group: str, quotas: dict[str, str]) -> tuple[Path, Path]:
    """A ``/proc`` and a ``/sys/fs/cgroup`` in which this process is in ``group``."""
    proc, cgroups = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "self" / "cgroup").write_text(f"0::{group}\n")
    for path, text in quotas.items():
        at = cgroups / path
        at.mkdir(parents=True, exist_ok=True)
        (at / "cpu.max").write_text(text)
    return proc, cgroups


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({"a/b": "max 100000", "a": "max 100000"}, None),
        ({"a/b": "50000 100000"}, 0.5),
        ({"a/b": "max 100000", "a": "25000 100000"}, 0.25),
        ({"a/b": "50000 100000", "": "20000 100000"}, 0.2),
        ({"a/b": "nonsense"}, None),
        ({"a/b": "0 100000"}, None),
        ({"a/b": "100 0"}, None),
        ({}, None),
    ],
)
def test_the_tightest_quota_above_a_process_bounds_its_cores(
    tmp_path: Path, quotas: dict[str, str], cores: float | None
) -> None:
    unbounded = float(len(os.sched_getaffinity(0)))
    assert allowed_cores(*made_up(tmp_path, "/a/b", quotas)) == (unbounded if cores is None else cores)


def test_without_control_groups_it_is_the_affinity(tmp_path: Path) -> None:
    assert allowed_cores(tmp_path / "none", tmp_path / "none") == len(os.sched_getaffinity(0))
    assert 0 < allowed_cores() <= (os.cpu_count() or 1)


def test_what_a_child_uses_counts_while_it_runs_and_afterwards() -> None:
    usage = ProcessUsage()
    before = usage.cpu_s()
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "busy\n"
        for _ in range(5):  # by then it has looked which children there are
            running = usage.cpu_s()
        assert running - before >= 0.25
        child.communicate("\n")
    assert usage.cpu_s() >= running


def test_it_never_runs_backwards(tmp_path: Path) -> None:
    """A child that has ended is in nobody's times until it is waited for."""
    (tmp_path / "self" / "task" / "1").mkdir(parents=True)
    children = tmp_path / "self" / "task" / "1" / "children"
    children.write_text("4711 ")
    (tmp_path / "4711").mkdir()
    stat = tmp_path / "4711" / "stat"
    stat.write_text("4711 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 1000 500 200 300 20 0 1 0 0\n")
    usage = ProcessUsage(tmp_path)
    ticks = os.sysconf("SC_CLK_TCK")
    most = usage.cpu_s()
    assert most >= 2000 / ticks
    stat.unlink()
    assert usage.cpu_s() >= most


def test_threads_and_descriptors_are_counted(tmp_path: Path) -> None:
    usage = ProcessUsage()
    threads, descriptors = usage.threads(), usage.descriptors()
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    with (tmp_path / "file").open("w"):
        assert usage.threads() == threads + 1
        assert usage.descriptors() == descriptors + 1
    go.set()
    thread.join()
    elsewhere = ProcessUsage(tmp_path / "none")
    assert elsewhere.threads() == threading.active_count()
    assert elsewhere.descriptors() == 0
    assert (
        elsewhere.cpu_s() <= time.process_time() + os.times().children_user + os.times().children_system + 0.1
    )
