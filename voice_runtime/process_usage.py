"""What this process uses, and of what: cores it may have, CPU time with its children, threads, descriptors.

From the kernel's own counts, so it costs a few file reads a second and nothing in between. On Linux
all is there (Documentation/filesystems/proc.rst; Documentation/admin-guide/cgroup-v2.rst, ``cpu.max``);
elsewhere children that still run, threads and descriptors are left out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
#: Looks at CPU time between two at which children there are.
_CHILDREN_EVERY = 5
#: Behind "pid (name) ": where ``/proc/<pid>/stat`` has utime, stime, cutime and cstime (proc.rst, table 1-4).
_TIMES = slice(11, 15)


def allowed_cores(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> float:
    """How many cores this process may use: its affinity, and the tightest quota of its cgroups (v2)."""
    if hasattr(os, "sched_getaffinity"):
        cores = float(len(os.sched_getaffinity(0)))
    else:
        cores = float(os.cpu_count() or 1)
    return min([cores, *_quotas(proc, cgroups)])


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """The quota, in cores, of each group that bounds this process."""
    try:
        lines = (proc / "self" / "cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return
    path = next((line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")), None)
    if path is None:
        return
    parts = [part for part in path.split("/") if part]
    for depth in range(len(parts), -1, -1):
        try:
            quota, period = (cgroups.joinpath(*parts[:depth]) / "cpu.max").read_text(encoding="ascii").split()
            if quota != "max" and int(quota) > 0:
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue


class ProcessUsage:
    """This process's CPU time with its children's. Ask from one thread."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._tick_s = 1 / os.sysconf("SC_CLK_TCK")
        self._children: list[int] = []
        self._looks = 0
        self._most_s = 0.0

    def cpu_s(self) -> float:
        """CPU time since the start, children that run or have ended included, s; never less than before."""
        if self._looks % _CHILDREN_EVERY == 0:
            self._children = list(self._descendants("self"))
        self._looks += 1
        own = os.times()
        total = own.user + own.system + own.children_user + own.children_system
        total += sum(self._of(pid) for pid in self._children)
        # A child that ended is in our own times only once it has been waited for.
        self._most_s = max(self._most_s, total)
        return self._most_s

    def threads(self) -> int:
        """Threads of this process."""
        try:
            return sum(1 for _ in (self._proc / "self" / "task").iterdir())
        except OSError:
            return threading.active_count()

    def descriptors(self) -> int:
        """Open descriptors of this process; 0 where that is not known."""
        try:
            return sum(1 for _ in (self._proc / "self" / "fd").iterdir()) - 1  # the listing's own
        except OSError:
            return 0

    def _descendants(self, pid: int | str) -> Iterator[int]:
        try:
            listings = list((self._proc / str(pid) / "task").glob("*/children"))
        except OSError:
            return
        for listing in listings:
            try:
                found = [int(child) for child in listing.read_text(encoding="ascii").split()]
            except (OSError, ValueError):  # the thread has just ended
                continue
            for child in found:
                yield child
                yield from self._descendants(child)

    def _of(self, pid: int) -> float:
        """CPU time of one child and of those it has waited for, s; 0 when it is gone."""
        try:
            stat = (self._proc / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
            return self._tick_s * sum(int(ticks) for ticks in stat.rpartition(")")[2].split()[_TIMES])
        except (OSError, ValueError):
            return 0.0
