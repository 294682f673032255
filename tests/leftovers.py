"""What a test may not leave behind: tasks, threads, child processes, sockets, and a stalled event loop.

``tests/conftest.py`` calls these around every test. Things that fixtures of a
wider scope start (a server shared by a module) are theirs, and looked at no
further. A test that must leave something says so and why:
``@pytest.mark.leaves("thread", why="…")``.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import resource
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

#: How long a leftover may take to go by itself, in s: closing is rarely instant, and machines are shared.
GRACE_S = 10.0
#: A single step of an event loop longer than this, in s, blocks every call of the process. A call has 20 ms;
#: this is far above it because a busy two-core machine is no judge of 20 ms.
SLOW_STEP_S = 1.0
#: A step that read from the disk or wrote to it may wait longer, in s: a shared machine's disk stalls for
#: seconds, and the first test of a module imports what libraries import at first use (a Silero, httptools).
STALLED_DISK_S = 10.0

#: How old what is known of a thread before a step may be, s: what else it did then counts as the step's.
_FRESH_S = 0.02

#: Threads that live as long as their loop or process by design of the standard library or of anyio.
_LASTING_THREADS = ("asyncio_", "AnyIO worker thread", "pytest_timeout", "QueueFeederThread", "execnet")
#: Children of multiprocessing itself: one per process, ended with it.
_LASTING_CHILDREN = (b"multiprocessing.resource_tracker", b"multiprocessing.forkserver")


@dataclass(frozen=True)
class Snapshot:
    """What exists now: threads, ids of child processes, inodes of open sockets."""

    threads: frozenset[threading.Thread] = frozenset()
    children: frozenset[int] = frozenset()
    sockets: frozenset[str] = frozenset()

    @classmethod
    def take(cls) -> Snapshot:
        return cls(frozenset(_threads()), frozenset(_children()), frozenset(_sockets()))

    def __or__(self, other: Snapshot) -> Snapshot:
        return Snapshot(
            self.threads | other.threads, self.children | other.children, self.sockets | other.sockets
        )

    def __sub__(self, other: Snapshot) -> Snapshot:
        return Snapshot(
            self.threads - other.threads, self.children - other.children, self.sockets - other.sockets
        )

    def describe(self, allowed: set[str]) -> list[str]:
        """One line per thing, without the kinds in ``allowed``."""
        lines = []
        if "thread" not in allowed:
            lines += [f"thread {t.name!r}" for t in self.threads]
        if "child" not in allowed:
            lines += [f"child process {pid} ({_command(pid)})" for pid in self.children]
        if "socket" not in allowed:
            lines += [f"open {link}" for link in self.sockets]
        return sorted(lines)


def _threads() -> Iterator[threading.Thread]:
    return (t for t in threading.enumerate() if not t.name.startswith(_LASTING_THREADS))


def _children() -> Iterator[int]:
    for listing in Path("/proc/self/task").glob("*/children"):  # Linux; elsewhere nothing is seen
        try:
            pids = listing.read_text().split()
        except OSError:  # the thread has just ended
            continue
        yield from (int(p) for p in pids if not any(c in _command_bytes(int(p)) for c in _LASTING_CHILDREN))


def _sockets() -> Iterator[str]:
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return
    for name in names:
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # the listing's own descriptor
            continue
        if link.startswith("socket:"):
            yield link


def _command_bytes(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _command(pid: int) -> str:
    command = _command_bytes(pid).replace(b"\0", b" ").decode(errors="replace").strip()
    return command[:80] or "ended, but nobody waited for it"


def left_over(before: Snapshot, allowed: set[str]) -> list[str]:
    """Return what exists beyond ``before``, after giving it GRACE_S to go."""
    deadline = time.monotonic() + GRACE_S
    collected = False
    while lines := (Snapshot.take() - before).describe(allowed):
        if time.monotonic() > deadline:
            return lines
        if not collected:  # what only a reference cycle keeps is not held by anybody
            gc.collect()
            collected = True
        threading.Event().wait(0.02)
    return []


def watch_tasks(test: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wrap a coroutine test so that it fails when tasks it started outlive it."""

    @functools.wraps(test)
    async def run(*args: Any, **kwargs: Any) -> Any:
        before = asyncio.all_tasks()
        result = await test(*args, **kwargs)
        deadline = time.monotonic() + GRACE_S
        while left := asyncio.all_tasks() - before:
            if time.monotonic() > deadline:
                names = "\n  ".join(sorted(repr(task) for task in left))
                raise AssertionError(f"the test left {len(left)} task(s) running:\n  {names}")
            await asyncio.sleep(0.01)
        return result

    return run


@dataclass
class Steps:
    """Steps of event loops that took longer than ``limit_s``, described."""

    limit_s: float = SLOW_STEP_S
    slow: list[str] = field(default_factory=list)


@contextmanager
def slow_steps(limit_s: float = SLOW_STEP_S) -> Iterator[Steps]:
    """Time every step of every asyncio loop meanwhile.

    What counts is the time it computed or waited by itself (a blocking call).
    Time in which it could have run and others had the processor is not its fault;
    nor, up to STALLED_DISK_S, what it waited when it went to the disk.
    """
    steps = Steps(limit_s)
    original = asyncio.Handle._run
    threads = _Thread()

    def run(handle: asyncio.Handle) -> None:
        wall = time.monotonic()
        before = threads.lately(wall)
        try:
            original(handle)
        finally:
            if time.monotonic() - wall > steps.limit_s:
                after = threads.now()
                took = time.monotonic() - wall - (after.pushed_off_s - before.pushed_off_s)
                computed = after.ran_s - before.ran_s
                stalled = computed <= steps.limit_s and after.disk_accesses > before.disk_accesses
                if took > (STALLED_DISK_S if stalled else steps.limit_s):
                    steps.slow.append(f"{took:.1f} s ({computed:.1f} s computing): {_owner(handle)}")

    asyncio.Handle._run = run  # type: ignore[method-assign]
    try:
        yield steps
    finally:
        asyncio.Handle._run = original  # type: ignore[method-assign]


class _Usage(NamedTuple):
    """What a thread has had of the machine so far.

    Attributes:
        ran_s: seconds it computed.
        pushed_off_s: seconds it was ready while others had the processor.
        disk_accesses: blocks read, blocks written and pages waited for.
    """

    ran_s: float
    pushed_off_s: float
    disk_accesses: int


class _Thread(threading.local):
    """The usage of this thread (Linux: sched-stats in ns, resource usage; elsewhere every second counts)."""

    def __init__(self) -> None:
        try:
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # another system, or a kernel without it
            self._file = -1
        self._read_at = -_FRESH_S
        self._newest = _Usage(0.0, 0.0, 0)

    def __del__(self) -> None:
        if self._file >= 0:
            os.close(self._file)

    def lately(self, now_s: float) -> _Usage:
        """As of _FRESH_S ago at most: reading it takes longer than most steps."""
        if now_s - self._read_at >= _FRESH_S:
            self._read_at, self._newest = now_s, self.now()
        return self._newest

    def now(self) -> _Usage:
        """As of now."""
        if self._file < 0:
            return _Usage(time.thread_time(), 0.0, 0)
        ran, ready, _ = os.pread(self._file, 80, 0).split()
        used = resource.getrusage(resource.RUSAGE_THREAD)
        disk = used.ru_inblock + used.ru_oublock + used.ru_majflt
        return _Usage(int(ran) / 1e9, int(ready) / 1e9, disk)


def _owner(handle: asyncio.Handle) -> str:
    callback = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    return repr(task if isinstance(task, asyncio.Task) else callback)[:300]
