"""Calls one after another on one server: does memory stay flat, and is anything left behind?

``python -m loadtests.steady --calls 20`` starts the offline profile's server,
places that many simulated calls one after another and reads the server's process
tree from /proc between them. It prints a table, writes ``results.json`` and exits 1
when memory grew by more than 10 % or a process, thread, file or task was left
behind. Not part of ``make test``: it takes five minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Say, Script, Wait
from voice_runtime.caller.twilio import TwilioCaller

#: The number of the healthcare agent's line, and one reserved for fiction.
_TO, _FROM = "+12025550142", "+12025550143"
#: The token the offline profile's simulated carrier signs with.
_TOKEN = Path(".sayso/secrets/carrier-twilio-auth_token")
#: Calls before the first figure counts: caches fill, pools start.
_WARM_UP = 2
_MOST_GROWTH_PERCENT = 10.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The server's process tree at one moment. Memory in MB (10^6 bytes) of resident set.

    ``main_mb`` and ``tasks`` are the server's own process; the rest counts the whole tree.
    """

    call: int
    main_mb: float
    tree_mb: float
    processes: int
    threads: int
    files: int
    tasks: int
    first_audio_ms: float | None = None


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _count(pid: int, what: str) -> int:
    return len(list(Path(f"/proc/{pid}/{what}").iterdir()))


def _tasks(address: str) -> int:
    """Tasks of the server's event loop, from its metrics; one of them answers this very request."""
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:  # noqa: S310 - loopback, ours
        found = re.search(rb"^sayso_tasks (\d+)", answer.read(), re.MULTILINE)
    return int(found[1]) if found else 0


def read(pid: int, address: str, call: int, first_audio_ms: float | None = None) -> Reading:
    """Read the tree under ``pid`` (Linux)."""
    tree = [pid, *_children(pid)]
    return Reading(
        call,
        round(_resident_mb(pid), 1),
        round(sum(_resident_mb(p) for p in tree), 1),
        len(tree),
        sum(_count(p, "task") for p in tree),
        sum(_count(p, "fd") for p in tree),
        _tasks(address),
        first_audio_ms,
    )


def run(calls: int, config: str) -> list[Reading]:
    """Start a server, place the calls, and stop it."""
    server = subprocess.Popen(
        [sys.executable, "-m", "voice_runtime.cli.app", "serve", "--json", "--port", "0", "--config", config],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if server.stdout is None:
            raise SystemExit("the server has no standard output")
        line = server.stdout.readline()
        if not line:
            raise SystemExit("the server did not start; what it said stands above")
        ready = json.loads(line)
        token = _TOKEN.read_text(encoding="ascii").strip()  # made by the server at its first start
        script = Script(steps=(Wait(), Say(text="can i see doctor patel on tuesday"), HangUp()))
        voice = RecordedFlite("rms")
        readings = [read(server.pid, ready["address"], 0)]
        for n in range(1, calls + 1):
            caller = TwilioCaller(ready["address"], token, _FROM, _TO, voice=voice)
            result = asyncio.run(caller.run(script))
            if result.error:
                raise SystemExit(f"call {n} failed: {result.error}")
            time.sleep(0.5)  # the server settles the call
            readings.append(read(server.pid, ready["address"], n, result.turns[0].first_audio_out_ms))
            print(f"call {n:3}: {readings[-1]}", file=sys.stderr)
        return readings
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=60)


def report(readings: list[Reading]) -> dict[str, object]:
    """The table's figures: the first counted call against the last."""
    first, last = readings[min(_WARM_UP, len(readings) - 1)], readings[-1]
    audio = [x.first_audio_ms for x in readings if x.first_audio_ms is not None]
    return {
        "calls": last.call,
        "main_mb": [first.main_mb, last.main_mb],
        "tree_mb": [first.tree_mb, last.tree_mb],
        "growth_percent": round(100 * (last.tree_mb - first.tree_mb) / first.tree_mb, 1),
        "processes": [first.processes, last.processes],
        "threads": [first.threads, last.threads],
        "files": [first.files, last.files],
        "tasks": [first.tasks, last.tasks],
        "first_audio_ms_max": round(max(audio), 0) if audio else None,
        "first_audio_ms_median": round(statistics.median(audio), 0) if audio else None,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "at": time.strftime("%Y-%m-%d"),
    }


def holds(found: dict[str, object]) -> bool:
    """Memory within 10 %, and nothing left behind."""
    left = [found[name] for name in ("processes", "threads", "files", "tasks")]
    grown = found["growth_percent"]
    flat = isinstance(grown, float | int) and grown <= _MOST_GROWTH_PERCENT
    return flat and all(isinstance(pair, list) and pair[1] <= pair[0] for pair in left)


def main() -> int:
    """Run, print the table, keep the results; 1 when memory grew or something was left behind."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.steady", description=__doc__)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--config", default="configs/profiles/offline.yaml")
    parser.add_argument("--out", type=Path, default=None, help="folder for results.json")
    options = parser.parse_args()
    readings = run(options.calls, options.config)
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
