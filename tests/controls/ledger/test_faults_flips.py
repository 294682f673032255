"""One bit turned round at rest, in any file of a log: found, or proven not to matter."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import SayError
from controls.ids import new_id
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid, ControlFailed
from controls.ledger.verify import verify_directory
from tests.controls.ledger.damaged import content, copied, flipped, full_log
from tests.controls.ledger.support import faulty, open_log, said

BITS = st.integers(0, 2**40)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flips") / "house"
    root.mkdir()
    full_log(root)
    assert verify_directory(root).ok
    return root


@settings(max_examples=60, deadline=None)
@given(bit=BITS)
def test_in_the_database(house: Path, bit: int) -> None:
    with copied(house) as copy:
        flipped(copy / "log" / "log.db", bit)
        if not verify_directory(copy).ok:
            return
        assert content(copy / "log") == content(house / "log"), "read otherwise, and not found"


@settings(max_examples=10, deadline=None)
@given(bit=BITS)
def test_in_a_large_blob(house: Path, bit: int) -> None:
    with copied(house) as copy:
        file = sorted((copy / "log" / "blobs").iterdir())[bit % 3]
        flipped(file, bit // 3)
        report = verify_directory(copy)
        assert [c.name for c in report.checks if not c.ok] == ["sealed"]


@settings(max_examples=15, deadline=None)
@given(bit=BITS)
def test_in_the_published_checkpoint(house: Path, bit: int) -> None:
    with copied(house) as copy:
        flipped(copy / "log" / "checkpoint", bit)
        assert not verify_directory(copy).ok
        try:
            log = open_log(copy / "log")
        except SayError:
            return  # what the outside has seen is no longer known: nothing is written on top
        log.close()
        assert verify_directory(copy).ok, "written again"


@settings(max_examples=15, deadline=None)
@given(bit=BITS, name=st.sampled_from(["log", "wrapping"]))
def test_in_a_key(house: Path, bit: int, name: str) -> None:
    """A key that is not the one the log was begun with is refused; one that still is, works."""
    with copied(house) as copy:
        keys = copy / "log" / "keys"
        [file] = [f for f in keys.iterdir() if (f.name == "wrapping.key") == (name == "wrapping")]
        flipped(file, bit)
        try:
            log = open_log(copy / "log")
        except SayError:
            return
        log.append(*said(new_id("c"))).result(60)
        log.close()
        report = verify_directory(copy)
        assert report.ok, report.verdict


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, int]:
    """A house whose spool holds three records, their call, and how many bytes of the file are used."""
    root = tmp_path_factory.mktemp("flips") / "spooled"
    made, make = faulty()
    log, call = open_log(root / "log", storage=make), new_id("c")
    log.append(*said(call, 0)).result(60)
    made[0].full()
    for turn in (1, 2, 3):
        log.append_spooled(*said(call, turn))
    log.close()
    used = len((root / "log" / "spool").read_bytes().rstrip(b"\0"))
    return root, call, used


@settings(max_examples=25, deadline=None)
@given(bit=BITS)
def test_in_the_spool(spooled: tuple[Path, str, int], bit: int) -> None:
    """The other entries are taken up, and a damaged one is on record as a control that failed."""
    root, call, used = spooled
    with copied(root) as copy:
        flipped(copy / "log" / "spool", bit % (8 * used))
        try:
            log = open_log(copy / "log")
        except SayError as error:
            found = str(error)
        else:
            log.close()
            found = ""
        if found:
            assert "spool" in found
            return
        assert verify_directory(copy).ok
        with Reader.open(copy) as reader:
            turns = [e.record.turn for e in reader.records(call) if isinstance(e.record, CallerSaid)]
            failed = [e.record for e in reader.records() if isinstance(e.record, ControlFailed)]
            assert all(o.personal is not None for o in reader.opened(call))
        assert len(turns) == len(set(turns))
        assert len(turns) >= 3, "a whole entry was lost with the damaged one"
        assert turns == [0, 1, 2, 3] or [x.control for x in failed] == ["ledger"]


def test_the_content_of_a_damaged_database_is_other_content(house: Path) -> None:
    with copied(house) as copy:
        with sqlite3.connect(copy / "log" / "log.db") as db:
            db.execute("UPDATE leaves SET n=n+1 WHERE leaf=5")
        db.close()
        assert content(copy / "log") != content(house / "log")
