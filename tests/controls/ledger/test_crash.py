"""kill -9 in the middle: every record that was receipted is there, and the log holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from controls.ids import new_id
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import open_log, said

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("after", [1, 40, 333])
def test_every_receipted_record_survives_kill_9(tmp_path: Path, after: int) -> None:
    command = [sys.executable, "-m", "tests.controls.ledger.writer_process", str(tmp_path / "log")]
    lines: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        call = process.stdout.readline().strip()
        for line in process.stdout:
            lines.append(line)
            if len(lines) == after:
                process.kill()
                break
        lines += process.stdout.readlines()  # receipts given before the signal came
    receipted = [line.split() for line in lines if line.endswith("\n")]
    # A torn log is read as it is, then opened for writing, then read again.
    assert verify_directory(tmp_path).ok
    log = open_log(tmp_path / "log")
    assert log.spooled == 0
    log.append(*said(new_id("c"))).result(10)
    log.close()
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    with Reader.open(tmp_path) as reader:
        found = {e.leaf: e.record for e in reader.records(call)}
        turns = {x.turn: x for x in found.values() if isinstance(x, CallerSaid)}
        assert len(turns) == len(found)  # nothing twice
        for leaf, turn in receipted:
            if leaf == "spooled":
                assert turns[int(turn)].recovered
            else:
                assert turns[int(turn)] is found[int(leaf)]
        assert all(o.personal is not None for o in reader.opened(call))
