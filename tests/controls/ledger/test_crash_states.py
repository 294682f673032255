"""What kill -9 leaves between two commits: a note until the next start, and nowhere for anybody to hide."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from controls.errors import LedgerError, SayError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.findings import Report
from controls.ledger.keys import FileKeys
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.log_files import LogFiles
from controls.ledger.reader import Reader
from controls.ledger.records import REGISTER
from controls.ledger.storage import ERASING, Batch, SqliteStorage
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory
from controls.ledger.verify_leaves import MENDS
from tests.controls.ledger.support import TENANT, Clock, FaultyStorage, closed, open_log, opened, said, tagger

LONG = "word " * 5000


class Killed(LedgerError):
    """Nothing more is written: what lies there then is what a kill at this point leaves."""


def start(root: Path, clock: Clock | None = None, storage: Callable[[Path], Any] = SqliteStorage) -> Ledger:
    return Ledger.open(
        root, tagger=tagger, clock=clock or Clock(), storage=storage, period="month", spool_bytes=65_536,
        publish=False,
    )  # fmt: skip


def start_again(root: Path, clock: Clock | None = None) -> None:
    ledger = start(root, clock)
    ledger.prepare(TENANT)
    ledger.close()


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


def noted(report: Report) -> list[str]:
    """The notes that speak of what the next start mends."""
    return [part for c in report.checks if c.ok for part in c.detail.split("; ") if MENDS in part]


def changed(directory: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(directory / "log.db")) as db, db:
        db.execute(statement, values)


def directories(root: Path) -> dict[str, Path]:
    """Tenant → the directory of its newest log."""
    with Reader.open(root) as reader:
        return {view.tenant: view.directory for view in reader.views()}


# --- an erasure in a closed log ------------------------------------------------------------------


class Erasing:
    """A house whose first log is closed and holds one artefact to be erased."""

    def __init__(self, root: Path, *, erased: bool = False) -> None:
        """``erased``: before it was closed."""
        self.root, self.clock = root, Clock()
        self.until: Callable[[Batch], bool] = lambda batch: False
        self.dead = False
        outer = self

        class Storage(SqliteStorage):
            def commit(self, batch: Batch) -> None:
                outer.dead = outer.dead or outer.until(batch)
                if outer.dead:
                    raise Killed("killed")
                super().commit(batch)

        self.ledger = start(root, self.clock, Storage)
        before, call = self.ledger.prepare(TENANT), new_id("c")
        for record, personal in (opened(call), said(call), (closed(call, 2), None)):
            self.ledger.append(record, personal).result(60)
        with closing(sqlite3.connect(before.directory / "log.db")) as db:
            self.row = tuple(db.execute("SELECT * FROM blobs WHERE leaf=3").fetchone())
        self.artifact = str(self.row[0])
        if erased:
            self.ledger.erase(TENANT, self.artifact, ground="request").result(60)
        self.clock.now_s += 40 * 86_400
        self.present = self.ledger.prepare(TENANT).directory
        before.finished.result(60)
        self.ledger.keep()
        self.closed = before.directory

    def erase(self, until: Callable[[Batch], bool] = lambda batch: False) -> None:
        """Erase the artefact; killed before the first commit for which ``until`` holds."""
        self.until = until
        done = self.ledger.erase(TENANT, self.artifact, ground="request")
        assert (done.exception(10) is not None) == self.dead
        self.ledger.close()


def erases(batch: Batch) -> bool:
    return bool(batch.erase)


def buries(batch: Batch) -> bool:
    return any(row.type == r.ErasureDone.type for row in batch.leaves)


def test_killed_between_tombstone_and_erasure(tmp_path: Path) -> None:
    house = Erasing(tmp_path)
    house.erase(erases)
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    assert noted(report) == [
        f"{house.closed.name} record 3: its erasure was cut short, the next start finishes it"
    ]
    start_again(tmp_path, house.clock)
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report), report.verdict
    with closing(sqlite3.connect(house.closed / "log.db")) as db:
        row = db.execute("SELECT wrapped, ciphertext FROM blobs WHERE artifact=?", (house.artifact,))
        assert row.fetchone() == (None, None)
        assert db.execute("SELECT value FROM meta WHERE key=?", (ERASING,)).fetchone() == ("",)


def test_killed_before_the_tombstone_nothing_was_erased(tmp_path: Path) -> None:
    house = Erasing(tmp_path)
    house.erase(buries)
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report), report.verdict
    ledger = start(tmp_path, house.clock)
    ledger.erase(TENANT, house.artifact, ground="request").result(60)  # asked for again
    ledger.close()
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report), report.verdict


def test_an_erasure_that_was_finished_leaves_no_note(tmp_path: Path) -> None:
    house = Erasing(tmp_path)
    house.erase()
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report), report.verdict


STILL = "has a tombstone, but its blob is still there"


@pytest.mark.parametrize("claim", ["", "a_0000000000000000", None])
def test_a_key_kept_behind_a_tombstone_without_the_writers_note_fails(
    tmp_path: Path, claim: str | None
) -> None:
    house = Erasing(tmp_path)
    house.erase(erases)
    if claim is None:
        changed(house.closed, "DELETE FROM meta WHERE key=?", ERASING)
    else:
        changed(house.closed, "UPDATE meta SET value=? WHERE key=?", claim, ERASING)
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def test_a_key_kept_while_the_house_goes_on_fails_whatever_is_claimed(tmp_path: Path) -> None:
    """An operator who keeps the key and writes the note into the database: later records say otherwise."""
    house = Erasing(tmp_path)
    house.erase()
    _keep(house)
    report = verify_directory(tmp_path)
    assert report.ok and noted(report)  # as a kill would have left it
    house.clock.now_s += 61
    log = _present(house)
    log.append(r.CallRefused(tenant=TENANT, reason="capacity")).result(60)
    log.close()
    _keep(house)
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def test_an_erasure_behind_it_says_that_the_writer_lived_on(tmp_path: Path) -> None:
    house = Erasing(tmp_path)
    house.erase()
    log = _present(house)
    log.append(r.ErasureDone(tenant=TENANT, artifact=_other(house), ground="request")).result(60)
    log.close()
    changed(house.closed, "UPDATE blobs SET wrapped=NULL, ciphertext=NULL WHERE leaf=2")
    _keep(house)
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def test_a_second_tombstone_is_no_excuse_for_what_its_own_log_had_erased(tmp_path: Path) -> None:
    house = Erasing(tmp_path, erased=True)
    house.ledger.close()
    log = _present(house)
    log.append(r.ErasureDone(tenant=TENANT, artifact=house.artifact, ground="request")).result(60)
    log.close()
    assert verify_directory(tmp_path).ok
    _keep(house)
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def test_an_open_log_erases_in_one_commit_and_has_no_excuse(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call)).result(60)
    with closing(sqlite3.connect(log.directory / "log.db")) as db:
        row = db.execute("SELECT * FROM blobs").fetchone()
    log.erase(row[0], ground="request").result(60)
    log.close()
    changed(log.directory, "INSERT OR REPLACE INTO blobs VALUES(?,?,?,?,?)", *row)
    changed(log.directory, "INSERT INTO meta VALUES(?,?)", ERASING, row[0])
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def test_a_tombstone_elsewhere_is_no_excuse_for_a_log_that_is_not_closed(tmp_path: Path) -> None:
    log = open_log(tmp_path / "one")
    log.append(*said(new_id("c"))).result(60)
    log.close()
    with closing(sqlite3.connect(log.directory / "log.db")) as db:
        (artifact,) = db.execute("SELECT artifact FROM blobs").fetchone()
    changed(log.directory, "INSERT INTO meta VALUES(?,?)", ERASING, artifact)
    later = open_log(tmp_path / "two")
    later.append(r.ErasureDone(tenant=TENANT, artifact=artifact, ground="request")).result(60)
    later.close()
    assert STILL in failed(verify_directory(tmp_path))["sealed"]


def _other(house: Erasing) -> str:
    with closing(sqlite3.connect(house.closed / "log.db")) as db:
        (artifact,) = db.execute("SELECT artifact FROM blobs WHERE leaf=2").fetchone()
    return str(artifact)


def _keep(house: Erasing) -> None:
    changed(house.closed, "INSERT OR REPLACE INTO blobs VALUES(?,?,?,?,?)", *house.row)
    changed(house.closed, "INSERT OR REPLACE INTO meta VALUES(?,?)", ERASING, house.artifact)


def _present(house: Erasing) -> Any:
    """The present log alone, opened by a writer that looks after no closed one."""
    return Log.open(
        house.present, tenant=TENANT, tagger=tagger, clock=house.clock, keys=FileKeys(house.root / "keys"),
        spool_bytes=65_536,
    )  # fmt: skip


# --- a large artefact's file ----------------------------------------------------------------------


def test_killed_between_erasure_and_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path / "log")
    log.append(*said(new_id("c"), text=LONG)).result(60)
    (file,) = (log.directory / "blobs").iterdir()
    with monkeypatch.context() as cut:
        cut.setattr(SqliteStorage, "_destroy", lambda storage, artifacts: None)
        log.erase(file.name, ground="request").result(60)
        log.close()
    report = verify_directory(tmp_path)
    assert report.ok and file.exists(), report.verdict
    assert noted(report) == ["record 2: erased, its ciphertext file is left, the next start deletes it"]
    open_log(tmp_path / "log").close()
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report) and not file.exists(), report.verdict


def test_a_file_left_without_a_tombstone_or_of_other_bytes_fails(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.append(*said(new_id("c"), text=LONG)).result(60)
    log.close()
    (file,) = (log.directory / "blobs").iterdir()
    changed(log.directory, "UPDATE blobs SET wrapped=NULL")
    assert failed(verify_directory(tmp_path)) == {"sealed": "record 2: erased without a tombstone"}
    file.write_bytes(b"something else")
    assert "record 2: digest" in failed(verify_directory(tmp_path))["sealed"]


# --- a log killed at its birth --------------------------------------------------------------------


#: What the tenant's new log was about to do when the kill came.
BIRTHS = ("first leaves", "checkpoint", "publish", "register")


def unborn(root: Path, monkeypatch: pytest.MonkeyPatch, when: str, tenant: str = TENANT) -> Path:
    """Kill at this step of ``LogFiles.open``; the directory that is left.

    ``prepare`` tries again what had failed before it came to wait for it, which is a matter of
    milliseconds: so there always is a second try, and it gets no step further than the first.
    """
    dead = False

    def killed(*_: object) -> None:
        nonlocal dead
        dead = True
        raise Killed("killed")

    class Storage(FaultyStorage):
        def commit(self, batch: Batch) -> None:
            step = "checkpoint" if batch.checkpoint is not None else "first leaves"
            if dead or (step == when and tenant in self.meta().values()):
                killed()
            super().commit(batch)

    ledger = start(root, storage=Storage)
    with monkeypatch.context() as cut:
        if when == "publish":
            cut.setattr(LogFiles, "_publish", killed)
        if when == "register":
            cut.setattr(ledger._register, "opening", killed)
        for _ in range(2):
            with pytest.raises(SayError, match="killed"):
                ledger.prepare(tenant)
        ledger.close()
    return directories(root)[tenant]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A register, with another tenant's log in it."""
    ledger = start(tmp_path / "ledger")
    ledger.append(r.CallRefused(tenant="other", reason="capacity")).result(60)
    ledger.close()
    return tmp_path / "ledger"


@pytest.mark.parametrize("when", BIRTHS)
def test_killed_before_it_was_registered(house: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    trust = Trust.of(_keys(house))
    name = unborn(house, monkeypatch, when).name
    report = verify_directory(house, trust)
    assert report.ok and report.authenticated, report.verdict
    found = [f"{name}: begun, not registered yet, the next start does it"]
    if when in BIRTHS[:2]:
        found.insert(0, f"{name} begun, without a checkpoint yet, the next start signs it")
    assert noted(report) == found
    start_again(house)
    report = verify_directory(house, trust)
    assert report.ok and report.authenticated and not noted(report), report.verdict
    assert directories(house)[TENANT].name == name


def _keys(house: Path) -> list[Any]:
    with Reader.open(house) as reader:
        return [view.verifier for view in reader.views() if view.tenant == REGISTER]


@pytest.mark.parametrize("when", BIRTHS[:2])
def test_the_register_killed_at_its_own_birth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    register = unborn(tmp_path, monkeypatch, when, REGISTER).name
    report = verify_directory(tmp_path)
    assert report.ok, report.verdict
    assert noted(report) == [f"begun, without a checkpoint yet, {MENDS} signs it"]
    start_again(tmp_path)
    report = verify_directory(tmp_path)
    assert report.ok and not noted(report), report.verdict
    assert directories(tmp_path)[REGISTER].name == register


def emptied(directory: Path, leaves: int) -> None:
    """What an attacker makes of a log to have it look just begun."""
    changed(directory, "DELETE FROM leaves WHERE leaf>=?", leaves)
    for table in ("blobs", "subjects", "checkpoints", "cosigned", "spooled"):
        changed(directory, f"DELETE FROM {table}")
    for name in ("checkpoint", "spool"):
        (directory / name).unlink(missing_ok=True)


@pytest.mark.parametrize("leaves", [0, 2])
def test_a_registered_log_made_to_look_begun_fails(tmp_path: Path, leaves: int) -> None:
    ledger = start(tmp_path)
    ledger.append(*said(new_id("c"))).result(60)
    ledger.close()
    emptied(directories(tmp_path)[TENANT], leaves)
    assert "no checkpoint covers the log" in failed(verify_directory(tmp_path))["root"]


@pytest.mark.parametrize("leaves", [0, 2])
def test_a_register_made_to_look_begun_fails(house: Path, leaves: int) -> None:
    trust = Trust.of(_keys(house))
    emptied(directories(house)[REGISTER], leaves)
    assert "(a shadow log)" in failed(verify_directory(house))["issuer"]
    shutil.rmtree(directories(house)["other"])
    report = verify_directory(house, trust)
    if leaves == 0:
        assert "its key is not in the trust file" in failed(report)["issuer"]
    else:  # rewound to its birth, all logs gone: only who holds a later checkpoint can tell, as ever
        assert noted(report) == [f"begun, without a checkpoint yet, {MENDS} signs it"]


@pytest.mark.parametrize(
    "record",
    [said(new_id("c")), (r.CallRefused(tenant=TENANT, reason="capacity"), None)],
    ids=["of a call", "of none"],
)
def test_a_shadow_log_with_a_record_fails(house: Path, record: tuple[r.Record, r.Personal | None]) -> None:
    log = open_log(house / new_id("o"))
    log.append(*record).result(60)
    log.close()
    says = f"{log.origin}: not in the register (a shadow log)"
    assert says in failed(verify_directory(house))["issuer"]
    for statement in ("DELETE FROM checkpoints", "DELETE FROM blobs"):
        changed(log.directory, statement)
    found = failed(verify_directory(house))
    assert says in found["issuer"] and "root" in found


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO subjects VALUES('c_0000000000000000', zeroblob(60))",
        "INSERT INTO blobs VALUES('a_0000000000000000', 7, 'c_0000000000000000', NULL, NULL)",
        "INSERT INTO spooled VALUES('x')",
        "DELETE FROM leaves WHERE leaf=1",
    ],
)
def test_a_begun_log_with_traces_of_more_fails(
    house: Path, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    changed(unborn(house, monkeypatch, "checkpoint"), statement)
    found = failed(verify_directory(house))
    assert "(a shadow log)" in found["issuer"] and "no checkpoint covers" in found["root"]
