"""kill -9 while periods end and keys change: nothing told is lost, and the next start goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from controls.ledger.reader import Reader
from controls.ledger.records import REGISTER, OriginClosed
from controls.ledger.register import read_register
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock
from tests.controls.ledger.turning_process import MONTH_S, begin

ROOT = Path(__file__).parents[3]


def run_until(root: Path, rounds: int, lines: int) -> list[str]:
    """Run the process, kill it after this many lines, and return all that it had told."""
    command = [sys.executable, "-m", "tests.controls.ledger.turning_process", str(root), str(rounds)]
    told: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            if len(told) == lines:
                process.kill()
                break
        told += process.stdout.readlines()
    return [line.strip() for line in told if line.endswith("\n")]


def at(rounds: int) -> Clock:
    clock = Clock()
    clock.now_s += rounds * MONTH_S
    return clock


def test_every_start_after_a_kill_goes_on(tmp_path: Path) -> None:
    receipts: list[list[str]] = []
    rounds = 0
    for lines in (3, 29, 54, 81):
        told = run_until(tmp_path, rounds, lines)
        assert told and told[0] == "ready"
        receipts += [line.split() for line in told if line.startswith("o_")]
        rounds += 2 + told.count("turned")
        ledger = begin(tmp_path, at(rounds))  # what the crash left half done is completed
        ledger.prepare(TENANT)
        ledger.close()
        report = verify_directory(tmp_path)
        assert report.ok, report.verdict
    ledger = begin(tmp_path, at(rounds))
    present = ledger.prepare(TENANT)
    with Reader.open(tmp_path) as reader:
        unfinished = [info.call for info in reader.calls(unfinished=True)]
    for log in ledger.logs():
        if log.tenant == TENANT and log is not present and not unfinished:
            log.finished.result(30)
    ledger.keep()
    ledger.rewrap()
    ledger.close()
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    with Reader.open(tmp_path) as reader:
        for origin, leaf, call in receipts:
            found = [e.leaf for e in reader.records(call, origin=origin)]
            assert int(leaf) in found
        calls = {call for _, _, call in receipts}
        assert all(o.personal for call in calls for o in reader.opened(call) if o.record.sealed)
        (register,) = (v for v in reader.views() if v.tenant == REGISTER)
        known = read_register(register)
        logs = [v for v in reader.views() if v.tenant == TENANT]
        assert {v.origin for v in logs} == known.opened.keys() - {register.origin}
        ends = {v.origin for v in logs if list(v.rows())[-1].type == OriginClosed.type}
        assert ends == known.closed.keys() and len(ends) >= len(logs) - 1 - len(unfinished)
