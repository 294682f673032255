"""Torn writes: the end of a file is missing or zero, as a power cut leaves what was not synced yet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import IntegrityError, SayError
from controls.ids import new_id
from controls.ledger.reader import Reader
from controls.ledger.records import CallerSaid, ControlFailed
from controls.ledger.storage import SqliteStorage
from controls.ledger.verify import verify_directory
from tests.controls.ledger.damaged import copied, full_log, torn
from tests.controls.ledger.support import faulty, open_log, said

SHARE = st.floats(0, 1)


@dataclass(frozen=True)
class Image:
    """A house's folder as it lay while its writer ran, and what was receipted until then.

    ``synced`` bytes of the file under test were on the disk with the receipts of
    ``turns``; what lies behind came later and was receipted to nobody.
    """

    root: Path
    call: str
    turns: int
    synced: int


class Unfolded(SqliteStorage):
    """SQLite that leaves its write-ahead log as it is while the log is open."""

    def idle(self) -> None:
        pass


def taken(tmp_path_factory: pytest.TempPathFactory, *, checkpoint_every_s: float) -> Image:
    """The folder with a write-ahead log that was never folded in."""
    root = tmp_path_factory.mktemp("torn") / "house"
    log = open_log(root / "log", checkpoint_every_s=checkpoint_every_s, storage=Unfolded)
    call = new_id("c")
    for turn in range(12):
        log.append(*said(call, turn, "word " * (5000 if turn % 4 == 0 else 1))).result(60)
    synced = (root / "log" / "log.db-wal").stat().st_size
    for turn in range(12, 24):
        log.append(*said(call, turn)).result(60)
    image = root.with_name("image")
    shutil.copytree(root, image, ignore=shutil.ignore_patterns("lock", "*-shm", "*.new"))
    log.close()
    return Image(image, call, 12, synced)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return taken(tmp_path_factory, checkpoint_every_s=3600)


def turns_in(root: Path, call: str) -> list[int]:
    with Reader.open(root) as reader:
        assert all(o.personal is not None for o in reader.opened(call))
        return [e.record.turn for e in reader.records(call) if isinstance(e.record, CallerSaid)]


def goes_on(root: Path, call: str, turn: int) -> None:
    log = open_log(root / "log")
    log.append(*said(call, turn)).result(60)
    log.close()
    report = verify_directory(root)
    assert report.ok, report.verdict


@settings(max_examples=15, deadline=None)
@given(share=SHARE, zeroed=st.booleans())
def test_the_write_ahead_log_behind_what_was_synced(running: Image, share: float, zeroed: bool) -> None:
    """Nothing that was receipted is lost; what is left holds, and the next start goes on."""
    with copied(running.root) as copy:
        wal = copy / "log" / "log.db-wal"
        torn(wal, running.synced + int(share * (wal.stat().st_size - running.synced)), zeroed=zeroed)
        assert verify_directory(copy).ok
        goes_on(copy, running.call, 100)
        turns = turns_in(copy, running.call)
        assert turns[:-1] == list(range(len(turns) - 1))
        assert len(turns) - 1 >= running.turns


@settings(max_examples=12, deadline=None)
@given(share=SHARE, zeroed=st.booleans())
def test_a_disk_that_lied_about_its_syncs(running: Image, share: float, zeroed: bool) -> None:
    """What was published shows the loss; short of that, what is left is a beginning without a gap."""
    with copied(running.root) as copy:
        wal = copy / "log" / "log.db-wal"
        torn(wal, int(share * wal.stat().st_size), zeroed=zeroed)
        try:
            goes_on(copy, running.call, 100)
        except SayError:
            assert not verify_directory(copy).ok
            return
        turns = turns_in(copy, running.call)
        assert turns[:-1] == list(range(len(turns) - 1))


def test_records_under_a_published_checkpoint_do_not_go_unnoticed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    image = taken(tmp_path_factory, checkpoint_every_s=0.0)
    with copied(image.root) as copy:
        torn(copy / "log" / "log.db-wal", image.synced, zeroed=False)
        report = verify_directory(copy)
        assert not report.ok
        assert "are left" in report.verdict
        with pytest.raises(IntegrityError, match="rewound"):
            open_log(copy / "log")


@pytest.fixture(scope="module")
def spooled(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Three records in the spool were receipted; a fourth came after that."""
    root = tmp_path_factory.mktemp("torn") / "spooled"
    made, make = faulty()
    log, call = open_log(root / "log", storage=make), new_id("c")
    made[0].full()
    for turn in range(3):
        log.append_spooled(*said(call, turn))
    synced = len((root / "log" / "spool").read_bytes().rstrip(b"\0"))
    log.append_spooled(*said(call, 3))
    log.close()
    return Image(root, call, 3, synced)


@settings(max_examples=15, deadline=None)
@given(share=SHARE, zeroed=st.booleans())
def test_the_spool_behind_what_was_synced(spooled: Image, share: float, zeroed: bool) -> None:
    with copied(spooled.root) as copy:
        file = copy / "log" / "spool"
        used = len(file.read_bytes().rstrip(b"\0"))
        cut = spooled.synced + int(share * (used - spooled.synced))
        torn(file, cut, zeroed=zeroed)
        goes_on(copy, spooled.call, 100)
        turns = turns_in(copy, spooled.call)
        assert turns[: spooled.turns] == [0, 1, 2]
        with Reader.open(copy) as reader:
            failed = [e.record for e in reader.records() if isinstance(e.record, ControlFailed)]
        if spooled.synced + 4 <= cut < used:  # its magic stands: that something began here is seen
            assert [(x.control, x.reason) for x in failed] == [("ledger", "broken")]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("torn") / "house"
    root.mkdir()
    full_log(root)
    return root


@settings(max_examples=10, deadline=None)
@given(share=SHARE, zeroed=st.booleans(), name=st.sampled_from(["checkpoint", "log.db", "blobs"]))
def test_files_that_were_whole(house: Path, share: float, zeroed: bool, name: str) -> None:
    """Cut off or zeroed at rest, whatever the cause: found."""
    with copied(house) as copy:
        file = copy / "log" / name
        file = min(file.iterdir()) if file.is_dir() else file
        before = file.read_bytes()
        torn(file, int(share * len(before)), zeroed=zeroed)
        if file.read_bytes() == before:
            return
        assert not verify_directory(copy).ok


def test_what_a_crash_leaves_half_made_is_swept_at_the_next_start(house: Path) -> None:
    with copied(house) as copy:
        log = copy / "log"
        (log / "blobs" / new_id("a")).write_bytes(b"half a blob")
        (log / "checkpoint.new").write_bytes(b"sayso.dev/log/o_")
        (log / "spool.new").write_bytes(b"sayso")
        assert verify_directory(copy).ok
        goes_on(copy, new_id("c"), 1)
        assert {f.name for f in (log / "blobs").iterdir()} == {
            f.name for f in (house / "log" / "blobs").iterdir()
        }
