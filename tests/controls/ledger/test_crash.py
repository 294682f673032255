"""kill -9 of a busy writer: what was receipted is there, the log holds, the next start goes on.

A few kills with fixed seeds; ``python -m loadtests.ledger crash`` makes two hundred.
"""

from __future__ import annotations

from pathlib import Path

from controls.ids import new_id
from controls.ledger.reader import Reader
from loadtests.ledger.busy import words
from loadtests.ledger.calls import TENANT, open_ledger, said
from loadtests.ledger.crash import Told, crash, problems_of


def test_nothing_receipted_is_lost(tmp_path: Path) -> None:
    """Appends, large blobs, spooled records, erasures, rotations and new periods, until the signal comes."""
    found = crash(tmp_path, kills=4, seed=1)
    assert found.holds, found.problems
    assert found.acknowledged > 0
    assert found.logs >= 3


def test_the_check_finds_what_is_lost_or_other(tmp_path: Path) -> None:
    """The check itself can fail: a record that is not there, one at another's place, an erasure not made."""
    call, told = new_id("c"), Told()
    ledger = open_ledger(tmp_path)
    for turn in (1, 2):
        receipt = ledger.append(*said(call, turn, words(call, turn))).result(60)
        told.take(f"leaf {receipt.origin} {receipt.leaf} {call} {turn}")
    ledger.append(*said(call, 3, "other words than were given")).result(60)
    ledger.append(*said(call, 2, words(call, 2))).result(60)
    ledger.close()
    with Reader.open(tmp_path) as reader:
        [view] = [v for v in reader.views() if v.tenant == TENANT]
        artifact, _ = next(view.blobs())
    (view.directory / "blobs" / new_id("a")).write_bytes(b"of no record")
    problems, lost = problems_of(tmp_path, told)
    assert (lost, sorted(problems)) == (
        0,
        ["1 blobs without a row", "1 records stand twice", "other content than was given"],
    )
    told.take(f"leaf {view.origin} 999 {call} 9")
    told.take(f"spooled {call} 77")
    told.take(f"erased {artifact}")
    problems, lost = problems_of(tmp_path, told)
    assert lost == 3
    assert "1 erased artefacts still have their key" in problems
