"""What a server's process tree costs while calls run: CPU time, memory, steal.

A thread reads ``/proc`` four times a second, on a core that is not the server's.
CPU time is exact whatever the rate: the kernel counts it, and that of children which
ended comes with their parent's (``cutime``).

Memory is the proportional set size (PSS) of everything that is not a file: a page that
a tree's processes share after a fork counts once, as it does not in RSS and is missing
from USS. Pages of files (libraries, mapped models) are left out, since their share is a
matter of who else is there: a second server that maps the same libraries takes 7 MB of
PSS off the first, as much as several calls add, and no call adds a library. Reading it
walks the page tables of the process read, so it is read once a second only.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from loadtests.cores import pin_thread
from loadtests.results import Resources

#: Readings a second, and how many of them lie between two of memory.
RATE_HZ, MEMORY_EVERY = 4, 4
#: Readings of an idle server, and the time between two, s.
_IDLE_READINGS, _IDLE_EVERY_S = 5, 0.25
#: Lines of ``smaps_rollup`` that are memory of the process's own making, in kibibytes: anonymous, shared
#: between processes without a file (both in proportion), and what of them was swapped out.
_OWN = frozenset({"Pss_Anon:", "Pss_Shmem:", "SwapPss:"})


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at a tree.

    Attributes:
        at_s: monotonic.
        cpu_s: CPU time of the tree since it began, ended children included, s.
        memory_mb: of all of it (module docstring), MB (10^6 bytes); None where it was not read.
    """

    at_s: float
    cpu_s: float
    memory_mb: float | None
    processes: int


class Tree:
    """A process and whatever it started. ``pid`` is read, never signalled."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._cpu_s: dict[psutil.Process, float] = {}
        self._most_s = 0.0

    def read(self, *, memory: bool) -> Reading:
        """Look at the tree now; once it is gone its last CPU time stays and it has no processes."""
        at_s, here, mb = time.monotonic(), 0, 0.0
        for process in self._processes():
            try:
                times = process.cpu_times()
                self._cpu_s[process] = times.user + times.system + times.children_user + times.children_system
                mb += _own_mb(process) if memory else 0.0
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            here += 1
        for gone in [p for p in self._cpu_s if p != self._root and not p.is_running()]:
            del self._cpu_s[gone]  # its parent has waited for it: the time is in the parent's now
        # One that ended between its parent's reading and its own is in neither: until the next look.
        self._most_s = max(self._most_s, sum(self._cpu_s.values()))
        return Reading(at_s, self._most_s, mb if memory and here else None, here)

    def _processes(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            return []


def _own_mb(process: psutil.Process) -> float:
    """PSS without files, MB; the resident set (all of it) where the system does not tell, as outside Linux.

    Source: Linux, Documentation/filesystems/proc.rst, ``smaps_rollup``; ``Pss_Anon`` since 5.4.
    """
    try:
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    except (OSError, ValueError):
        rollup = ""
    kibibytes = [int(line.split()[1]) for line in rollup.splitlines() if line.split()[0] in _OWN]
    if len(kibibytes) < len(_OWN):
        return float(process.memory_info().rss) / 1e6
    return sum(kibibytes) * 1024 / 1e6


def idle_mb(pid: int | None, *, sleep: Callable[[float], object] = time.sleep) -> float | None:
    """What an idle server's tree holds, MB: the median of five readings over a second.

    Read it once per server, after its first call (its caches fill then) and before any
    load: memory that one load leaves behind must not make the next look cheap.
    Blocks for that second: run it in a thread.

    Args:
        pid: root of the tree; None is a server elsewhere.
        sleep: waits between readings.

    Returns:
        None where there is nothing to read.
    """
    if pid is None:
        return None
    found = []
    try:
        tree = Tree(pid)
    except psutil.NoSuchProcess:
        return None
    for n in range(_IDLE_READINGS):
        if n:
            sleep(_IDLE_EVERY_S)
        mb = tree.read(memory=True).memory_mb
        if mb is not None:
            found.append(mb)
    return statistics.median(found) if found else None


class Steal:
    """CPU time the hypervisor gave to others, of the cores looked at (all by default)."""

    def __init__(self, cores: Sequence[int] = ()) -> None:
        self._cores = tuple(cores)
        self._before = self._times()

    def percent(self) -> float | None:
        """Since it was made, of the worst of the cores; None where the system does not count it."""
        worst = None
        for (stolen, total), (stolen_then, total_then) in zip(self._times(), self._before, strict=False):
            passed = total - total_then
            if passed > 0:
                worst = max(worst or 0.0, 100 * (stolen - stolen_then) / passed)
        return worst

    def _times(self) -> list[tuple[float, float]]:
        found = []
        for n, times in enumerate(psutil.cpu_times(percpu=True)):
            if (n in self._cores or not self._cores) and hasattr(times, "steal"):
                guests = times.guest + times.guest_nice  # inside user and nice already
                found.append((float(times.steal), float(sum(times)) - guests))
        return found


class Sampler:
    """Weighs a process tree from ``with`` to its end, or until asked.

    Begin before the calls do. Where nobody says what the idle server holds (``idle_mb``), the first
    reading stands in for it.

    Args:
        pid: root of the tree; None weighs nothing (a server elsewhere).
        cores: where the sampling thread may run; not the server's.
        server_cores: whose steal counts; all by default.
    """

    def __init__(
        self, pid: int | None, *, cores: Sequence[int] = (), server_cores: Sequence[int] = ()
    ) -> None:
        self._tree = Tree(pid) if pid is not None else None
        self._cores, self._server_cores = tuple(cores), tuple(server_cores)
        self._readings: list[Reading] = []
        self._steal: Steal | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._steal = Steal(self._server_cores)
        if self._tree is not None:
            self._readings = [self._tree.read(memory=True)]
            self._thread = threading.Thread(target=self._sample, name="resources", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the last reading. Harmless when repeated."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()

    def _sample(self) -> None:
        assert self._tree is not None  # ``__enter__`` starts no thread without one
        pin_thread(self._cores)
        due, count = time.monotonic(), 0
        while not self._stop.is_set():
            due, count = due + 1 / RATE_HZ, count + 1
            self._stop.wait(max(0.0, due - time.monotonic()))
            over = self._stop.is_set()
            self._readings.append(self._tree.read(memory=over or count % MEMORY_EVERY == 0))

    def resources(
        self,
        call_seconds: float,
        calls: int,
        *,
        idle_mb: float | None = None,
        loop_lag_p99_ms: float | None = None,
    ) -> Resources:
        """What was weighed so far.

        Args:
            call_seconds: sum of the durations of the calls that ran meanwhile, s.
            calls: the most that ran at a time.
            idle_mb: of this server before any load (the function of that name), MB; None: the first reading.
            loop_lag_p99_ms: of the server's event loop, as ``System.loop_lag_p99_ms`` tells.
        """
        return summarise(
            list(self._readings),
            call_seconds,
            calls,
            idle_mb=idle_mb,
            steal_percent=self._steal.percent() if self._steal is not None else None,
            loop_lag_p99_ms=loop_lag_p99_ms,
        )


def summarise(
    readings: Sequence[Reading],
    call_seconds: float,
    calls: int,
    *,
    idle_mb: float | None = None,
    steal_percent: float | None = None,
    loop_lag_p99_ms: float | None = None,
) -> Resources:
    """Readings to figures. Pure.

    CPU time is that of the whole stretch, what an idle server takes included. A tree
    that ended meanwhile is weighed as far as it was seen. Memory per call may be
    negative: then the server gave back what its first call had made it take.

    Args:
        idle_mb: of the server before any load, MB; None: the first reading is of the idle server.
        call_seconds, calls, steal_percent, loop_lag_p99_ms: as ``Sampler.resources`` has them.
    """
    idle, peak, per_call = idle_mb, None, None
    memory = [x.memory_mb for x in readings if x.memory_mb is not None]
    if memory:
        idle = memory[0] if idle is None else idle
        peak = max(memory)
        per_call = (peak - idle) / calls if calls else None
    cpu_s = wall_s = None
    if readings:
        cpu_s, wall_s = readings[-1].cpu_s - readings[0].cpu_s, readings[-1].at_s - readings[0].at_s
    return Resources(
        cpu_ms_per_call_s=_rounded(
            1000 * cpu_s / call_seconds if cpu_s is not None and call_seconds > 0 else None
        ),
        rss_mb_per_call=_rounded(per_call),
        idle_mb=_rounded(idle),
        peak_mb=_rounded(peak),
        cpu_percent=_rounded(100 * cpu_s / wall_s if cpu_s is not None and wall_s else None),
        loop_lag_p99_ms=_rounded(loop_lag_p99_ms),
        steal_percent=_rounded(steal_percent),
        processes=max((x.processes for x in readings), default=None),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)
