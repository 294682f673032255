"""The log: opening, two writers, altered files, failing storage."""

from __future__ import annotations

import errno
import sqlite3
import time
from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError, OperatorError, WriterLocked
from controls.ids import new_id
from controls.ledger import batching
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.reader import Reader
from controls.ledger.storage import LARGE_BLOB, SqliteStorage
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import (
    TENANT,
    faulty,
    open_log,
    said,
    small_call,
    tagger,
)


def is_healthy(log: Log | Ledger) -> bool:
    """A call, so that the type checker does not take the first answer for the last."""
    return log.healthy


#: The log's own first records: origin.opened and key.created.
OWN = 2


# --- opening --------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_with_the_remedy(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    with pytest.raises(WriterLocked, match="stop that server"):
        open_log(tmp_path / "log")
    log.append(*said(new_id("c"))).result(60)
    log.close()
    open_log(tmp_path / "log").close()


def test_two_ledgers_on_one_root(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, tagger=tagger)
    with pytest.raises(WriterLocked):
        Ledger.open(tmp_path, tagger=tagger)
    ledger.close()
    Ledger.open(tmp_path, tagger=tagger).close()


def _grown(directory: Path) -> None:
    log = open_log(directory)
    for record, personal in small_call():
        log.append(record, personal).result(60)
    log.close()


def _sql(directory: Path, *statements: str) -> None:
    with sqlite3.connect(directory / "log.db") as db:
        for statement in statements:
            db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM leaves WHERE leaf=(SELECT max(leaf) FROM leaves)", "rewound"),
        ("DELETE FROM leaves WHERE leaf=3", "missing"),
        ("UPDATE leaves SET envelope=(SELECT envelope FROM leaves WHERE leaf=3) WHERE leaf=4", "altered"),
        ("DELETE FROM checkpoints", "no checkpoint"),
        ("UPDATE leaves SET envelope='text' WHERE leaf=4", "record 4: cannot be parsed"),
        ("DELETE FROM meta WHERE key='format'", "format"),
    ],
)
def test_an_altered_log_is_refused(tmp_path: Path, statement: str, says: str) -> None:
    _grown(tmp_path / "log")
    _sql(tmp_path / "log", statement)
    with pytest.raises(IntegrityError, match=says):
        open_log(tmp_path / "log")
    assert not verify_directory(tmp_path).ok


def test_a_long_log_continues_from_a_checkpoint_it_has_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "TAIL", 0)
    _grown(tmp_path / "log")
    _grown(tmp_path / "log")
    assert verify_directory(tmp_path).ok
    _sql(tmp_path / "log", "UPDATE checkpoints SET frontier=zeroblob(length(frontier))")
    with pytest.raises(IntegrityError, match="root"):
        open_log(tmp_path / "log")


def test_a_log_rewound_to_an_older_copy_is_refused(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    _grown(directory)
    older = (directory / "log.db").read_bytes()
    _grown(directory)
    (directory / "log.db").write_bytes(older)
    with pytest.raises(IntegrityError, match="rewound"):
        open_log(directory)
    report = verify_directory(tmp_path)
    assert not report.ok and "are left" in report.verdict


def test_an_altered_leaf_no_checkpoint_covers_is_refused(tmp_path: Path) -> None:
    _grown(tmp_path / "log")
    # As after a crash before the next checkpoint: only the first one is left.
    _sql(
        tmp_path / "log",
        "DELETE FROM checkpoints WHERE size>2",
        "UPDATE leaves SET envelope=CAST(replace(envelope, 'A', 'B') AS BLOB) WHERE leaf=5",
    )
    (tmp_path / "log" / "checkpoint").unlink()
    with pytest.raises(IntegrityError, match="record 5"):
        open_log(tmp_path / "log")


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    _grown(tmp_path / "log")
    (tmp_path / "log" / "log.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(IntegrityError):
        open_log(tmp_path / "log")


def test_a_lost_or_foreign_key_is_refused(tmp_path: Path) -> None:
    _grown(tmp_path / "log")
    key = next(p for p in (tmp_path / "log" / "keys").iterdir() if p.name != "wrapping.key")
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(OperatorError, match="missing"):
        open_log(tmp_path / "log")
    _grown(tmp_path / "other")
    foreign = next(p for p in (tmp_path / "other" / "keys").iterdir() if p.name != "wrapping.key")
    key.write_bytes(foreign.read_bytes())
    key.chmod(0o600)
    with pytest.raises(OperatorError, match="not the one this log is written with"):
        open_log(tmp_path / "log")
    key.write_bytes(kept)
    open_log(tmp_path / "log").close()


def test_another_tenants_log_is_refused(tmp_path: Path) -> None:
    _grown(tmp_path / "log")
    with pytest.raises(OperatorError, match="another tenant"):
        Log.open(tmp_path / "log", tenant="someone-else", tagger=tagger)


def test_a_path_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x")
    with pytest.raises(LedgerError):
        open_log(tmp_path / "log")


# --- failing storage ------------------------------------------------------------------------------


def test_a_full_disk_fails_the_record_and_space_mends_it_without_a_restart(tmp_path: Path) -> None:
    made, make = faulty()
    log, call = open_log(tmp_path / "log", storage=make), new_id("c")
    log.append(*said(call)).result(60)
    made[0].full()
    lost = log.append(*said(call))
    with pytest.raises(LedgerError, match="No space left"):
        lost.result(60)
    assert not is_healthy(log)
    made[0].fault = None
    assert log.append(*said(call)).result(60).leaf == OWN + 1
    assert log.healthy
    log.close()
    with Reader.open(tmp_path) as reader:
        assert [e.record.n for e in reader.records(call)] == [0, 1]
    assert verify_directory(tmp_path).ok


def test_health_comes_back_by_itself(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make, checkpoint_every_s=0.01)
    made[0].full()
    with pytest.raises(LedgerError):
        log.append(*said(new_id("c"))).result(60)
    made[0].fault = None
    deadline = time.monotonic() + 60
    while not log.healthy:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    log.close()


def test_a_commit_that_came_through_and_then_failed_leaves_a_whole_log(tmp_path: Path) -> None:
    made, make = faulty()
    log, call = open_log(tmp_path / "log", storage=make), new_id("c")
    made[0].after, made[0].fault = True, OSError(errno.EIO, "Input/output error")
    with pytest.raises(LedgerError):
        log.append(*said(call, text="word " * LARGE_BLOB)).result(60)
    made[0].fault = None
    assert log.append(*said(call)).result(60).leaf == OWN + 1  # the one told lost stands before it
    log.close()
    assert verify_directory(tmp_path).ok


def test_a_real_full_database_is_a_ledger_error(tmp_path: Path) -> None:
    open_log(tmp_path / "log").close()
    call = new_id("c")

    class Bounded(SqliteStorage):
        def _connect(self) -> None:
            super()._connect()
            pages = self._open.execute("PRAGMA page_count").fetchone()[0]
            self._open.execute(f"PRAGMA max_page_count={pages + 4}")

    log = open_log(tmp_path / "log", storage=Bounded)
    outcomes = [log.append(*said(call, text="word " * 500)) for _ in range(30)]
    failures = []
    for future in outcomes:
        error = future.exception(10)
        failures += [error] if error else []
    assert failures and all(isinstance(e, LedgerError) for e in failures)
    assert "full" in str(failures[0])
    log.close()
    log = open_log(tmp_path / "log")
    log.append(*said(call)).result(60)
    log.close()
    assert verify_directory(tmp_path).ok


def test_a_log_that_cannot_open_fails_its_appends_and_is_tried_again(tmp_path: Path) -> None:
    broken = True

    def storage(directory: Path) -> SqliteStorage:
        if broken:
            raise OSError(errno.EROFS, "Read-only file system")
        return SqliteStorage(directory)

    ledger = Ledger.open(tmp_path, tagger=tagger, storage=storage, spool_bytes=65_536)
    with pytest.raises(LedgerError, match="cannot be opened|closed"):
        ledger.append(*said(new_id("c"))).result(60)
    with pytest.raises(LedgerError, match="Read-only"):
        ledger.prepare(TENANT)
    assert not is_healthy(ledger)
    broken = False
    assert ledger.append(*said(new_id("c"))).result(60).leaf == OWN
    assert ledger.healthy
    ledger.close()
