"""kill -9 of a busy writer at random points, and what must hold afterwards.

After each kill: (1) the log is verified as it lies, and holds; (2) the next start
opens it and appends; (3) it holds again, with nothing left cut short; (4) every
record that was receipted since the folder was begun stands at its leaf with its
content, every spooled one was taken up once, every erased artefact is gone with a
tombstone; (5) no blob lies there without its row, and no record stands twice.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from controls.errors import SayError
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid, CallRecovered, ErasureDone, SaidDetails
from controls.ledger.verify import verify_directory
from controls.ledger.verify_leaves import MENDS
from loadtests.ledger.busy import LeapingClock, words
from loadtests.ledger.calls import TENANT, said, tagger
from loadtests.ledger.figures import Row, progress

#: Kills before a folder is left for a fresh one.
_PER_FOLDER = 5
#: Of the kills, how many come while the writer is still opening; receipts before the others, on average.
_WHILE_OPENING, _MEAN_RECEIPTS = 0.2, 250
#: Longest time to an early kill, and from the last receipt read to any other, in s.
_EARLY_S, _LATE_S = 0.03, 0.01
_YEAR_S = 366 * 86_400


class CrashRow(Row):
    """All kills together."""

    kills: int = Field(ge=1)
    while_opening: int = Field(ge=0)
    acknowledged: int = Field(ge=0)
    spooled: int = Field(ge=0)
    erased: int = Field(ge=0)
    rotated: int = Field(ge=0)
    logs: int = Field(ge=1)
    cut_short: int = Field(ge=0, description="erasures and new logs that the next start completed")
    lost: int = Field(ge=0)
    problems: list[str] = Field(default=[])
    holds: bool


@dataclass
class Told:
    """What writers said of one folder before they were killed."""

    leaves: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    spooled: set[tuple[str, int]] = field(default_factory=set)
    erased: set[str] = field(default_factory=set)
    rotated: int = 0
    opened: bool = False

    def take(self, line: str) -> None:
        match line.split():
            case ["leaf", origin, leaf, call, turn]:
                self.leaves[(origin, int(leaf))] = (call, int(turn))
            case ["spooled", call, turn]:
                self.spooled.add((call, int(turn)))
            case ["erased", artifact]:
                self.erased.add(artifact)
            case ["rotated", _]:
                self.rotated += 1
            case ["open"]:
                self.opened = True


def kill_one(root: Path, seed: int, ahead_s: int, told: Told, rng: random.Random) -> None:
    """Start a writer on ``root`` and kill it at a random point; what it said goes into ``told``.

    Raises:
        RuntimeError: it ended by itself.
    """
    command = [sys.executable, "-m", "loadtests.ledger.busy", str(root), str(seed), str(ahead_s)]
    early, enough = rng.random() < _WHILE_OPENING, 1 + int(rng.expovariate(1 / _MEAN_RECEIPTS))
    told.opened = False
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("no standard output")
        first = process.stdout.readline()
        timer = threading.Timer(rng.uniform(0, _EARLY_S) if early else 20.0, process.kill)
        timer.start()
        lines = [first]
        for count, line in enumerate(process.stdout):
            lines.append(line)
            if count == enough:
                break
        if not early:
            time.sleep(rng.uniform(0, _LATE_S))
            process.kill()
        lines += process.stdout.readlines()  # receipts given before the signal came
        timer.join() if early else timer.cancel()
    if process.returncode != -9 or not first:
        raise RuntimeError(f"the writer ended by itself ({process.returncode}), seed {seed}")
    for line in lines:
        if line.endswith("\n"):
            told.take(line)


def as_it_lies(root: Path) -> tuple[int, list[str]]:
    """What a verification right after the kill says: how much was cut short (notes), and what is damage."""
    checks = verify_directory(root).checks
    noted = sum(c.detail.count(MENDS) for c in checks if c.ok)
    return noted, [f"as it lay: {part}" for c in checks if not c.ok for part in c.detail.split("; ")]


def mended(root: Path) -> list[str]:
    """What does not hold once the next start has come and gone; what was cut short is not left so."""
    report = verify_directory(root)
    found = [] if report.ok else [f"after the next start: {report.verdict}"]
    left = [c.detail for c in report.checks if c.ok and MENDS in c.detail]
    return found + [f"still cut short after the next start: {detail}" for detail in left]


def start_again(root: Path, ahead_s: int) -> None:
    """Open as the next start does, end what the crash left open, append one record, close.

    Raises:
        SayError: it does not work.
    """
    ledger = Ledger.open(root, tagger=tagger, clock=LeapingClock(ahead_s), spool_bytes=1 << 18)
    try:
        log = ledger.prepare(TENANT)
        with Reader.open(root) as reader:
            left = reader.calls(unfinished=True)
        for info in left:
            ledger.append(CallRecovered(tenant=TENANT, call=info.call, last_n=info.records - 1)).result(60)
        ledger.append(*said(new_id("c"), 1, "after the crash")).result(60)
        if log.spooled:
            raise SayError(f"{log.spooled} records still lie in the spool")
    finally:
        ledger.close()


def problems_of(root: Path, told: Told) -> tuple[list[str], int]:
    """What does not hold, and how many acknowledged records are lost."""
    found: dict[tuple[str, int], CallerSaid] = {}
    problems: list[str] = []
    tombstones: set[str] = set()
    with Reader.open(root) as reader:
        for view in reader.views():
            for entry in reader.records(origin=view.origin):
                record = entry.record
                if isinstance(record, ErasureDone):
                    tombstones.add(record.artifact)
                elif isinstance(record, CallerSaid):
                    found[(view.origin, entry.leaf)] = record
            rows = dict(view.blobs())
            files = {file.name for file in (view.directory / "blobs").iterdir()}
            if strangers := files - rows.keys():
                problems.append(f"{len(strangers)} blobs without a row")
            if keys := [a for a in told.erased & rows.keys() if (b := view.blob(a)) and b.wrapped]:
                problems.append(f"{len(keys)} erased artefacts still have their key")
            if left := told.erased & files:
                problems.append(f"{len(left)} erased artefacts still have their file")
        for record in found.values():
            personal = reader.personal(record)
            if personal is None:
                if record.sealed is None or record.sealed.artifact not in tombstones:
                    problems.append("content gone without a tombstone")
            elif isinstance(personal, SaidDetails) and personal.text not in (
                words(record.call, record.turn), "after the crash"
            ):  # fmt: skip
                problems.append("other content than was given")
    times = Counter((r.call, r.turn) for r in found.values())
    lost = sum(
        (place not in found or (found[place].call, found[place].turn) != what)
        for place, what in told.leaves.items()
    )
    lost += len(told.spooled - times.keys()) + len(told.erased - tombstones)
    if twice := sum(n > 1 for n in times.values()):
        problems.append(f"{twice} records stand twice")
    return problems, lost


def crash(folder: Path, kills: int, seed: int) -> CrashRow:
    """Kill that many writers, some on each folder."""
    early = acknowledged = spooled = erased = rotated = logs = lost = cut_short = 0
    problems: list[str] = []
    root, told = folder, Told()
    for number in range(kills):
        if number % _PER_FOLDER == 0:
            root, told = folder / f"house-{number // _PER_FOLDER}", Told()
        ahead_s = number % _PER_FOLDER * _YEAR_S
        kill_one(root, seed + number, ahead_s, told, random.Random(f"{seed} {number}"))
        early += not told.opened
        found: list[str] = []
        try:
            if any(root.glob("*/log.db")):
                cut, damage = as_it_lies(root)
                cut_short += cut
                found += damage
            start_again(root, ahead_s + _YEAR_S // 2)
            found += mended(root)
            more, missing = problems_of(root, told)
            found += more
            lost += missing
        except SayError as error:
            found.append(f"{type(error).__name__}: {error}")
        problems += [f"kill {number}, seed {seed}: {what}" for what in found]
        for what in found:
            progress(f"  kill {number}: {what}")
        if number % _PER_FOLDER == _PER_FOLDER - 1 or number == kills - 1:
            acknowledged += len(told.leaves)
            spooled, erased = spooled + len(told.spooled), erased + len(told.erased)
            rotated, logs = rotated + told.rotated, logs + len(list(root.glob("*/log.db")))
            progress(f"  {number + 1} kills: {acknowledged} receipts, {lost} lost, {len(problems)} problems")
    return CrashRow(
        what="kill -9 at random points",
        kills=kills,
        while_opening=early,
        acknowledged=acknowledged,
        spooled=spooled,
        erased=erased,
        rotated=rotated,
        logs=logs,
        cut_short=cut_short,
        lost=lost,
        problems=problems[:20],
        holds=not problems and not lost,
    )
