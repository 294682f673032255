"""How fast the ledger writes and verifies: sustained leaves, durable appends in open loop, verification."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from pydantic import Field

from controls.decision import Receipt
from controls.ledger.verify import verify_directory
from loadtests.ledger.calls import open_ledger, traffic
from loadtests.ledger.figures import Row, Spread, progress, spread_ms

#: Records on their way at most: half of what a log's queue takes.
_WINDOW = 4096
#: A stand-in for eight busy calls on one event loop: every 20 ms each costs this much Python, in s.
_CALLS, _TICK_S, _WORK_S = 8, 0.020, 0.0004


class LeavesRow(Row):
    """Sustained writing: sealed records of four kinds, appended as fast as they become durable."""

    calls: int = Field(ge=1)
    leaves: int = Field(ge=1)
    seconds: float = Field(gt=0)
    leaves_per_s: float = Field(gt=0)
    worst_second: int = Field(ge=0)
    cpu_us_per_leaf: float = Field(ge=0)


class AppendRow(Spread):
    """Open loop: from the time an append was due to its receipt."""

    per_s: float = Field(gt=0)
    failed: int = Field(ge=0)


class VerifyRow(Row):
    """One whole verification."""

    leaves: int = Field(ge=1)
    seconds: float = Field(gt=0)
    leaves_per_s: float = Field(gt=0)
    holds: bool


class _Counter:
    """Completed appends by second; ``failed`` ones are counted, never dropped."""

    def __init__(self, window: int) -> None:
        self.room = threading.Semaphore(window)
        self.done: list[float] = []
        self.failed = 0

    def count(self, future: Future[Receipt]) -> None:
        if future.exception() is None:
            self.done.append(time.perf_counter())
        else:
            self.failed += 1
        self.room.release()


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def write(root: Path, seconds: float, calls: int, *, most: int | None = None) -> LeavesRow:
    """Append for that long (or ``most`` records), never more on the way than the window.

    Raises:
        RuntimeError: an append failed.
    """
    ledger, counter = open_ledger(root), _Counter(_WINDOW)
    source = traffic(calls)
    sent, cpu, start = 0, _cpu_s(), time.perf_counter()
    told = start
    while (now := time.perf_counter()) < start + seconds and sent != most:
        counter.room.acquire()
        record, personal = next(source)
        ledger.append(record, personal).add_done_callback(counter.count)
        sent += 1
        if now > told + 5:
            told = now
            progress(f"  {now - start:4.0f} s: {len(counter.done)} leaves durable")
    for _ in range(_WINDOW):
        counter.room.acquire()
    took, cpu = counter.done[-1] - start, _cpu_s() - cpu
    ledger.close()
    if counter.failed:
        raise RuntimeError(f"{counter.failed} appends failed")
    by_second = [0] * (int(took) + 1)
    for at in counter.done:
        by_second[int(at - start)] += 1
    whole = by_second[:-1] or by_second  # the last second is not a whole one
    return LeavesRow(
        what="sustained, sealed content",
        calls=calls,
        leaves=sent,
        seconds=round(took, 2),
        leaves_per_s=round(sent / took, 0),
        worst_second=min(whole),
        cpu_us_per_leaf=round(cpu / sent * 1e6, 1),
    )


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _burning() -> Iterator[None]:
    """A second process keeps one core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def _calls_beside() -> Iterator[None]:
    """A thread of this process works like an event loop with busy calls: it wants the interpreter's lock."""
    over = threading.Event()

    def loop() -> None:
        due = time.perf_counter()
        while not over.is_set():
            for _ in range(_CALLS):
                until = time.perf_counter() + _WORK_S
                while time.perf_counter() < until:
                    pass
            due = max(due + _TICK_S, time.perf_counter())
            over.wait(due - time.perf_counter())

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


_BESIDE = {
    "alone": _nothing,
    "a second process burns a core": _burning,
    f"{_CALLS} busy calls' work in this process (16 % of a core)": _calls_beside,
}


def append(folder: Path, seconds: float, per_s: float, seed: int) -> list[AppendRow]:
    """Poisson arrivals drawn in advance, in each of the surroundings."""
    rows = []
    for number, (name, surroundings) in enumerate(_BESIDE.items()):
        progress(f"append: {name}")
        with surroundings():
            rows.append(_append(folder / str(number), name, seconds, per_s, seed))
    return rows


def _append(root: Path, name: str, seconds: float, per_s: float, seed: int) -> AppendRow:
    rng = random.Random(seed)
    due, at = list[float](), 0.0
    while (at := at + rng.expovariate(per_s)) < seconds or not due:
        due.append(at)
    ledger, source = open_ledger(root), traffic(_CALLS)
    latencies: list[float] = []
    failed: list[BaseException] = []
    start = time.perf_counter() + 0.05

    def receipted(intended: float, future: Future[Receipt]) -> None:
        latencies.append(time.perf_counter() - intended)
        if (error := future.exception()) is not None:
            failed.append(error)

    for offset in due:
        intended = start + offset
        record, personal = next(source)
        if (wait := intended - time.perf_counter()) > 0:
            time.sleep(wait)
        ledger.append(record, personal).add_done_callback(partial(receipted, intended))
    ledger.close()
    return AppendRow(what=name, n=len(latencies), per_s=per_s, failed=len(failed), **spread_ms(latencies))


def verify(folder: Path, leaves: int) -> list[VerifyRow]:
    """Write that many leaves, then verify them with and without the keys at hand."""
    root = folder / "ledger"
    progress(f"verify: writing {leaves} leaves")
    write(root, 86_400, 200, most=leaves)
    rows = []
    nowhere = folder / "no-keys"
    nowhere.mkdir()
    for what, keys in (("without keys", nowhere), ("with keys: sealed content opened", None)):
        progress(f"verify: {what}")
        start = time.perf_counter()
        report = verify_directory(root, keys=keys)
        took = time.perf_counter() - start
        rows.append(
            VerifyRow(
                what=what,
                leaves=report.records,
                seconds=round(took, 2),
                leaves_per_s=round(report.records / took, 0),
                holds=report.ok,
            )
        )
    return rows
