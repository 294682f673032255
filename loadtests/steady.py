"""Calls one after another on one server: does memory stay flat, and is anything left behind?

``python -m loadtests.steady --calls 20`` starts our server on a house of its own (the
``cpu-offline`` profile), places that many simulated calls one after another and reads the
server's process tree between them. It prints a table, writes ``results.json`` and
exits 1 when memory grew by more than 10 % or a process, thread, file or task was left
behind. Not part of ``make test``: it takes five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from controls.errors import OperatorError
from loadtests.doors import make_caller
from loadtests.environment import commit_of
from loadtests.ours.profiles import cpu_offline
from loadtests.ours.system import ROOT, Ours
from loadtests.resources import Tree
from loadtests.statistics import percentile
from loadtests.systems import Door
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Say, Script, Wait
from voice_runtime.caller.speech import Flite

_AGENT = "healthcare"
_SCRIPT = Script(steps=(Wait(), Say(text="can i see doctor patel on tuesday"), HangUp()))
#: Calls before the first figure counts: caches fill, pools start.
_WARM_UP = 2
_MOST_GROWTH_PERCENT = 10.0
#: How long a server may take to settle a call that is over, and how often it is asked, s.
SETTLES_S, _ASK_EVERY_S = 10.0, 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """The server's process tree at one moment, after ``call`` calls.

    ``tree_mb`` as ``loadtests.resources`` weighs it, MB (10^6 bytes); ``tasks`` are the server's own
    process's, the rest counts the whole tree.
    """

    call: int
    tree_mb: float
    processes: int
    threads: int
    files: int
    tasks: int
    first_audio_ms: float | None = None


def tasks_of(address: str) -> int:
    """Tasks of the server's event loop, from its metrics; one of them answers this very request."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310 - loopback, ours
        found = re.search(rb"^sayso_tasks (\d+)", answer.read(), re.MULTILINE)
    return int(found[1]) if found else 0


async def settled(
    tasks: Callable[[], Awaitable[int]],
    idle: int,
    *,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> int:
    """Wait until an idle server has no more tasks than before its first call; how many it has.

    More than ``idle`` after ``SETTLES_S`` are left behind, and are reported as such.

    Args:
        tasks: asks the server.
        idle: tasks before the first call.
        sleep: between two questions.
    """
    found = await tasks()
    for _ in range(round(SETTLES_S / _ASK_EVERY_S)):
        if found <= idle:
            break
        await sleep(_ASK_EVERY_S)
        found = await tasks()
    return found


def read(pid: int, call: int, tasks: int, first_audio_ms: float | None = None) -> Reading:
    """Read the tree under ``pid``.

    Raises:
        OperatorError: it is gone.
    """
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
        threads, files = sum(p.num_threads() for p in tree), sum(p.num_fds() for p in tree)
        memory_mb = Tree(pid).read(memory=True).memory_mb
    except psutil.Error:
        raise OperatorError("the server, or a process of its own, ended between two calls") from None
    return Reading(call, round(memory_mb or 0.0, 1), len(tree), threads, files, tasks, first_audio_ms)


async def run(calls: int) -> list[Reading]:
    """Start a server, place the calls, and stop it.

    Raises:
        OperatorError: it does not start, or a call fails.
    """
    server = Ours(cpu_offline(), agent=_AGENT, calls=1)
    voice = RecordedFlite("rms")
    try:
        await server.start()
        pid, door = server.pid, server.doors["twilio"]
        assert pid is not None  # it was started

        async def tasks() -> int:
            return await asyncio.to_thread(tasks_of, door.base_url)

        idle = await tasks()
        readings = [read(pid, 0, idle)]
        for n in range(1, calls + 1):
            first_audio_ms = await _call(door, voice)
            readings.append(read(pid, n, await settled(tasks, idle), first_audio_ms))
            print(f"call {n:3}: {readings[-1]}", file=sys.stderr)
        return readings
    finally:
        await server.stop()


async def _call(door: Door, voice: Flite) -> float | None:
    """One call; how late its answer was, ms."""
    result = await make_caller(door, voice=voice).run(_SCRIPT)
    if result.error:
        raise OperatorError(f"a call failed: {result.error}")
    return result.turns[0].first_audio_out_ms


def report(readings: list[Reading]) -> dict[str, object]:
    """The table's figures: the first counted call against the last, and where they were made."""
    first, last = readings[min(_WARM_UP, len(readings) - 1)], readings[-1]
    commit, changed = commit_of(ROOT)
    audio = [x.first_audio_ms for x in readings if x.first_audio_ms is not None]
    return {
        "calls": last.call,
        "tree_mb": [first.tree_mb, last.tree_mb],
        "growth_percent": round(100 * (last.tree_mb - first.tree_mb) / first.tree_mb, 1),
        "processes": [first.processes, last.processes],
        "threads": [first.threads, last.threads],
        "files": [first.files, last.files],
        "tasks": [first.tasks, last.tasks],
        "first_audio_ms_max": round(max(audio), 0) if audio else None,
        "first_audio_ms_median": round(percentile(audio, 50), 0) if audio else None,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "commit": f"{commit}{' with changes' if changed else ''}",
        "at": time.strftime("%Y-%m-%d"),
    }


def holds(found: dict[str, object]) -> bool:
    """Memory within 10 %, and nothing left behind."""
    left = [found[name] for name in ("processes", "threads", "files", "tasks")]
    grown = found["growth_percent"]
    flat = isinstance(grown, float | int) and grown <= _MOST_GROWTH_PERCENT
    return flat and all(isinstance(pair, list) and pair[1] <= pair[0] for pair in left)


def main() -> int:
    """Run, print, keep the results; 1 when memory grew or something was left behind, 2 when nothing ran."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.steady", description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--out", type=Path, default=None, help="folder for results.json")
    options = parser.parse_args()
    try:
        readings = asyncio.run(run(options.calls))
    except OperatorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    found = report(readings)
    for name, value in found.items():
        shown = f"{value[0]} → {value[1]}" if isinstance(value, list) else value
        print(f"{name:<24} {shown}")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        content = {"summary": found, "readings": [asdict(x) for x in readings]}
        (options.out / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0 if holds(found) else 1


if __name__ == "__main__":
    sys.exit(main())
