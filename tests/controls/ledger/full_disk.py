"""Runs one full-disk scenario on a small tmpfs; ``test_faults_full.py`` starts it under ``unshare -rm``.

``python -m tests.controls.ledger.full_disk SCENARIO DIRECTORY``: mounts a tmpfs on
DIRECTORY, runs the scenario there and exits 0 when everything held.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from controls.errors import LedgerError, SayError
from controls.ids import new_id
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock, closed, open_log, opened, said, tagger

_PAGE = 4096


def mount(directory: Path, size_kb: int) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "none", str(directory)], check=True)


def fill(directory: Path, leave: int = 0) -> Path:
    """Take every page but so many."""
    filler = directory / "filler"
    free = os.statvfs(directory).f_bavail
    with filler.open("wb", buffering=0) as file:
        try:
            for _ in range(max(0, free - leave)):
                file.write(b"\1" * _PAGE)
        except OSError:
            assert leave == 0
    return filler


def check(directory: Path, call: str, acknowledged: dict[int, int], spooled: list[int]) -> None:
    """Whatever was acknowledged is there, once, and the log holds."""
    report = verify_directory(directory)
    assert report.ok, report.verdict
    with Reader.open(directory) as reader:
        found = {e.leaf: e.record for e in reader.records(call)}
        assert all(o.personal is not None for o in reader.opened(call))
    times = Counter(x.turn for x in found.values() if isinstance(x, CallerSaid))
    assert set(times.values()) <= {1}, "a record stands twice"
    for leaf, turn in acknowledged.items():
        record = found[leaf]
        assert isinstance(record, CallerSaid) and record.turn == turn, f"leaf {leaf} is lost"
    recovered = {x.turn for x in found.values() if isinstance(x, CallerSaid) and x.recovered}
    assert recovered >= set(spooled), f"spooled records are lost: {sorted(set(spooled) - recovered)}"


def append_until(log: Log, call: str, first: int, text: str, *, works: bool) -> tuple[dict[int, int], int]:
    """Append one by one until that is how it goes; the receipts on the way, and the next turn."""
    acknowledged, turn = {}, first
    while turn < first + 5000:
        try:
            leaf = log.append(*said(call, turn, text)).result(60).leaf
        except LedgerError as error:
            if "not durable" not in str(error):
                raise
            if not works:
                return acknowledged, turn + 1
        else:
            acknowledged[leaf] = turn
            if works:
                return acknowledged, turn + 1
        turn += 1
    raise AssertionError("it never came to that")


def spool_until_full(log: Log, call: str, turn: int) -> list[int]:
    taken: list[int] = []
    while True:
        try:
            assert log.append_spooled(*said(call, turn)).spooled
        except LedgerError as error:
            if "full" not in str(error):
                raise
            return taken
        taken.append(turn)
        turn += 1


def while_writing(directory: Path, text: str) -> None:
    """Full while it is written, twice; freed; nothing acknowledged is lost and service resumes by itself."""
    mount(directory, 4096)
    log, call, acknowledged, spooled, turn = open_log(directory / "log"), new_id("c"), {}, [], 0
    for _ in range(2):
        more, turn = append_until(log, call, turn, text, works=True)
        acknowledged |= more
        filler = fill(directory)
        more, turn = append_until(log, call, turn, text, works=False)
        acknowledged |= more
        assert not log.healthy
        taken = spool_until_full(log, call, turn)
        assert len(taken) >= 10, "the spool must not need room on the disk"
        spooled += taken
        turn += len(taken)
        filler.unlink()
        more, turn = append_until(log, call, turn, text, works=True)
        acknowledged |= more
        assert log.healthy
        log.close()  # takes up the spool
        check(directory, call, acknowledged, spooled)
        log = open_log(directory / "log")
        assert log.spooled == 0
    log.close()


def found_full(directory: Path) -> None:
    """Stopped on a full disk, started on a full disk: refused loudly; freed, everything is there."""
    mount(directory, 4096)
    log, call = open_log(directory / "log"), new_id("c")
    acknowledged, turn = append_until(log, call, 0, "a quiet word", works=True)
    filler = fill(directory)
    more, turn = append_until(log, call, turn, "a quiet word", works=False)
    acknowledged |= more
    spooled = spool_until_full(log, call, turn)
    log.close()
    assert verify_directory(directory).ok, "can be verified while the disk is full"
    for _ in range(2):
        try:
            log = open_log(directory / "log")
        except SayError:
            continue
        log.close()  # what it needed was there: that is well too
    filler.unlink()
    log = open_log(directory / "log")
    more, _ = append_until(log, call, turn + len(spooled), "a quiet word", works=True)
    acknowledged |= more
    log.close()
    check(directory, call, acknowledged, spooled)


def few_pages_left(directory: Path) -> None:
    """A new log on a disk with 0, 1, 2 … pages left: refused loudly or open, never half made."""
    mount(directory, 2048)
    refused = 0
    for left in range(60):
        place = directory / f"house-{left}"
        place.mkdir()
        filler = fill(directory, left)
        call, acknowledged, spooled = new_id("c"), {}, []
        try:
            log = open_log(place / "log")
        except SayError:
            refused += 1
        else:
            for turn in range(100):
                try:
                    acknowledged[log.append(*said(call, turn)).result(60).leaf] = turn
                except LedgerError:
                    break
            try:
                log.append_spooled(*said(call, 100))
                spooled = [100]
            except LedgerError:
                pass
            log.close()
        filler.unlink()
        log = open_log(place / "log")
        acknowledged[log.append(*said(call, 101)).result(60).leaf] = 101
        log.close()
        check(place, call, acknowledged, spooled)
        subprocess.run(["rm", "-r", str(place)], check=True)
    assert 0 < refused < 60, f"{refused} refused: the sweep misses one side"


def whole_house(directory: Path) -> None:
    """A house with tiles and a register: full, a new period meanwhile, freed; everything is shown again."""
    mount(directory, 4096)
    clock, call, acknowledged, root = Clock(), new_id("c"), set[int](), directory / "house"

    def house() -> Ledger:
        return Ledger.open(root, tagger=tagger, clock=clock, spool_bytes=65_536)

    ledger = house()
    old = ledger.prepare(TENANT).origin
    ledger.append(*opened(call)).result(60)
    acknowledged |= {turn for turn in range(50) if ledger.append(*said(call, turn)).result(60).origin == old}
    filler, turn = fill(directory), 50
    while True:
        try:
            ledger.append(*said(call, turn)).result(60)
        except LedgerError:
            break
        acknowledged.add(turn)
        turn += 1
    assert not ledger.healthy
    assert ledger.append_spooled(*said(call, turn + 1)).spooled
    clock.now_s += 92 * 86_400
    ledger.prepare(TENANT)  # the next period's log cannot be laid down: the old one goes on
    filler.unlink()
    while ledger.prepare(TENANT).origin == old:
        pass
    other = new_id("c")
    assert ledger.append(*opened(other)).result(60).origin != old
    for last in range(turn + 2, turn + 100):
        with contextlib.suppress(LedgerError):
            assert ledger.append(*said(call, last)).result(60).origin == old, "a call stays in its log"
            acknowledged.add(last)
            break
    ledger.append(closed(other, 1)).result(60)
    ledger.close()
    house().close()
    report = verify_directory(root)
    assert report.ok, report.verdict
    with Reader.open(root) as reader:
        turns = [e.record.turn for e in reader.records(call) if isinstance(e.record, CallerSaid)]
    assert len(turns) == len(set(turns))
    assert {*acknowledged, turn + 1} <= set(turns)


SCENARIOS = {
    "house": whole_house,
    "small": lambda directory: while_writing(directory, "a quiet word"),
    "large": lambda directory: while_writing(directory, "word " * 5000),
    "at-start": found_full,
    "few-pages-left": few_pages_left,
}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](Path(sys.argv[2]))
