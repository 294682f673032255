"""Verification: what holds passes, and whatever is changed is found and named."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.__main__ import main
from controls.ledger.findings import Report
from controls.ledger.log import Log
from controls.ledger.notes import VerifierKey
from controls.ledger.storage import LARGE_BLOB
from controls.ledger.tamper import copy_log, flip_byte_in_copy
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import (
    DIGEST,
    TENANT,
    cleared,
    open_log,
    opened,
    played,
    said,
    small_call,
)

Pair = tuple[r.Record, r.Personal | None]


def write(directory: Path, pairs: Iterable[Pair]) -> None:
    log = open_log(directory)
    for record, personal in pairs:
        log.append(record, personal).result(60)
    log.close()


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    write(tmp_path / "ledger" / "log", [*small_call(), *small_call()])
    return tmp_path / "ledger"


def test_an_untouched_ledger_holds(ledger: Path) -> None:
    report = verify_directory(ledger)
    assert report.ok and not report.authenticated and report.records == 12
    assert report.verdict == "self-consistent, issuer not authenticated"
    assert [c.number for c in report.checks] == list(range(1, 22))
    details = {c.name: c.detail for c in report.checks}
    assert details["sealed"] == details["opened"] == "8 checked"
    assert details["cleared"] == details["receipt"] == "2 checked"


def test_without_keys_what_only_they_show_is_said_to_be_unchecked(ledger: Path) -> None:
    report = verify_directory(ledger, keys=ledger / "nowhere")
    assert report.ok
    assert report.checks[13].detail == report.checks[14].detail == "not checkable: no keys at hand"


# --- any byte -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tampered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A copy of a log taken while it ran, so that its newest leaves are under no checkpoint."""
    root = tmp_path_factory.mktemp("tampered")
    log = open_log(root / "log", checkpoint_every_s=10_000)
    call = new_id("c")
    log.append(*said(call, text="word " * LARGE_BLOB)).result(60)
    for record, personal in small_call():
        log.append(record, personal).result(60)
    copy_log(root / "log", root / "copy" / "log")
    log.close()
    assert verify_directory(root / "copy").ok
    return root / "copy", root / "log" / "keys"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_flipped_byte_of_any_leaf_blob_or_checkpoint_is_found(
    tampered: tuple[Path, Path], draw: st.DataObject
) -> None:
    copy, keys = tampered
    column, table, key = draw.draw(
        st.sampled_from(
            [
                ("envelope", "leaves", "leaf"), ("ciphertext", "blobs", "artifact"),
                ("wrapped", "blobs", "artifact"), ("wrapped", "subjects", "subject"),
                ("note", "checkpoints", "size"), ("frontier", "checkpoints", "size"),
            ]
        )
    )  # fmt: skip
    with closing(sqlite3.connect(copy / "log" / "log.db", isolation_level=None)) as db:
        rows = db.execute(f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
        name, data = draw.draw(st.sampled_from(rows))
        at, change = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(1, 255))
        flipped = data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
        db.execute(f"UPDATE {table} SET {column}=? WHERE {key}=?", (flipped, name))
        try:
            report = verify_directory(copy, keys=keys)
        finally:
            db.execute(f"UPDATE {table} SET {column}=? WHERE {key}=?", (data, name))
    assert not report.ok
    if table == "leaves":
        assert f"record {name}: " in report.verdict


@given(st.integers(0, LARGE_BLOB))
@settings(max_examples=20, deadline=None)
def test_any_flipped_byte_of_a_blob_file_is_found(tampered: tuple[Path, Path], at: int) -> None:
    copy, _ = tampered
    (file,) = (copy / "log" / "blobs").iterdir()
    data = file.read_bytes()
    file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    report = verify_directory(copy)
    file.write_bytes(data)
    assert failed(report) == {"sealed": "record 2: digest"}


@pytest.mark.parametrize("where", ["blob", "envelope"])
def test_one_byte_flipped_in_a_copy_is_found_and_the_original_is_left_alone(
    ledger: Path, tmp_path: Path, where: str
) -> None:
    flip = flip_byte_in_copy(ledger, tmp_path / "copy", where=where)  # type: ignore[arg-type]
    found = failed(verify_directory(tmp_path / "copy", keys=ledger / "log" / "keys"))
    if where == "blob":
        assert found == {"sealed": f"record {flip.leaf}: digest"}
    else:
        assert f"record {flip.leaf}: signature" in found["signature"]
        assert "root" in found["root"]
    assert verify_directory(ledger).ok


def test_nothing_to_flip_is_said(tmp_path: Path) -> None:
    write(tmp_path / "ledger" / "log", [])
    with pytest.raises(OperatorError, match="no blob"):
        flip_byte_in_copy(tmp_path / "ledger", tmp_path / "copy")


# --- each check can fail --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "check", "says"),
    [
        ("DELETE FROM leaves WHERE leaf=5", "order", "record 5: missing"),
        ("DELETE FROM leaves WHERE leaf>9", "root", "are left"),
        ("UPDATE leaves SET call='c_0000000000000000' WHERE leaf=4", "order", "record 4: its place"),
        ("UPDATE leaves SET n=7 WHERE leaf=4", "numbers", "record 4: number 7, expected 2"),
        ("UPDATE leaves SET envelope='text' WHERE leaf=4", "parse", "record 4: cannot be parsed"),
        ("UPDATE leaves SET envelope=x'' WHERE leaf=4", "parse", "record 4: cannot be parsed"),
        ("UPDATE leaves SET n='many' WHERE leaf=4", "numbers|files", ""),
        ("UPDATE checkpoints SET note='text' WHERE size=2", "parse", "checkpoint 2"),
        ("UPDATE checkpoints SET size=5 WHERE size=2", "root", "checkpoint 5"),
        ("DELETE FROM blobs WHERE leaf=3", "sealed", "record 3: blob missing"),
        ("UPDATE blobs SET wrapped=NULL, ciphertext=NULL WHERE leaf=3", "sealed", "without a tombstone"),
        ("UPDATE blobs SET leaf=99 WHERE leaf=3", "sealed", "no record refers to it (record 99 is cut off)"),
        ("UPDATE leaves SET leaf=-1 WHERE leaf=11", "files", "leaves before the first"),
        ("UPDATE leaves SET leaf=1000000000000 WHERE leaf=11", "order", "record 11 to 999999999999: missing"),
        ("DELETE FROM subjects", "opened", "record 2: its key is gone, but its blob is still there"),
        ("UPDATE subjects SET wrapped=7", "opened", "a wrapped key cannot be opened"),
        ("DROP TABLE cosigned", "files", "cannot be read"),
        ("UPDATE blobs SET ciphertext=5 WHERE leaf=3", "sealed", "record 3: digest"),
        ("DELETE FROM meta WHERE key='vkey'", "files", "no log of this version"),
        ("UPDATE meta SET value='x' WHERE key='vkey'", "files", "verifier key"),
        ("UPDATE meta SET value='other' WHERE key='tenant'", "order", "record 0: its place"),
        ("DROP TABLE leaves", "files", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_changed_is_named(ledger: Path, statement: str, check: str, says: str) -> None:
    with closing(sqlite3.connect(ledger / "log" / "log.db")) as db, db:
        assert db.execute(statement).rowcount != 0
    found = failed(verify_directory(ledger))
    assert any(says in found.get(name, "\0") for name in check.split("|")), found


def test_leaves_swapped_or_replayed_are_found(ledger: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(ledger / "log" / "log.db")) as db, db:
        db.execute("UPDATE leaves SET leaf=100 WHERE leaf=3")
        db.execute("UPDATE leaves SET leaf=3 WHERE leaf=4")
        db.execute("UPDATE leaves SET leaf=4 WHERE leaf=100")
    assert {"numbers", "root"} <= failed(verify_directory(ledger)).keys()


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: (log / "log.db").write_bytes(b"nonsense"),
        lambda log: (log / "log.db").write_bytes((log / "log.db").read_bytes()[:5000]),
        lambda log: (log / "log.db").write_bytes(b""),
        lambda log: (log / "log.db").unlink(),
        lambda log: (log / "checkpoint").write_bytes(b""),
        lambda log: (log / "checkpoint").write_bytes(b"\xff" * 99),
    ],
)
def test_files_that_cannot_be_parsed_are_damage_not_a_traceback(
    ledger: Path, damage: Callable[[Path], object]
) -> None:
    damage(ledger / "log")
    report = verify_directory(ledger)
    assert not report.ok and failed(report).keys() & {"files", "parse"}
    assert main(["verify", str(ledger)]) == 1


def test_a_tombstone_for_what_is_still_there_is_found(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call)).result(60)
    log.close()
    with closing(sqlite3.connect(tmp_path / "log" / "log.db")) as db:
        (artifact,) = db.execute("SELECT artifact FROM blobs").fetchone()
    write(tmp_path / "log", [(r.ErasureDone(tenant=TENANT, artifact=artifact, ground="request"), None)])
    assert "still there" in failed(verify_directory(tmp_path))["sealed"]


# --- what was played ------------------------------------------------------------------------------


def bound(call: str, text: str = "Please hold.") -> Pair:
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    phrase = r.FixedPhrase(phrase="hold-on", language="en-US", digest=digest)
    return r.ReleaseBound(tenant=TENANT, call=call, release=DIGEST, fixed=(phrase,)), None


def check_call(tmp_path: Path, *pairs: Pair) -> dict[str, str]:
    write(tmp_path / "log", pairs)
    return failed(verify_directory(tmp_path))


CALL, CLAUSE = new_id("c"), new_id("k")


def test_cleared_words_and_bound_phrases_may_be_played(tmp_path: Path) -> None:
    assert not check_call(
        tmp_path,
        opened(CALL),
        bound(CALL),
        cleared(CALL, CLAUSE),
        played(CALL, CLAUSE),
        played(CALL, new_id("k"), phrase="hold-on", text="Please hold.", receipt=0),
        played(CALL, new_id("k"), samples=0, first=0, receipt=0),
    )


def test_words_nobody_cleared(tmp_path: Path) -> None:
    other = new_id("c")
    found = check_call(
        tmp_path,
        cleared(other, CLAUSE),  # another call's clearance
        played(CALL, CLAUSE),
        cleared(CALL, CLAUSE),  # too late
        bound(other),
        played(CALL, new_id("k"), phrase="hold-on"),
    )
    assert found == {"cleared": "record 3: played without an earlier clearance; "
                                "record 6: played without an earlier clearance"}  # fmt: skip


def test_other_words_under_a_bound_phrases_name(tmp_path: Path) -> None:
    found = check_call(
        tmp_path, bound(CALL), played(CALL, new_id("k"), phrase="hold-on", text="It is eczema.")
    )
    assert found == {"cleared": "record 3: other words than release.bound cleared"}


@pytest.mark.parametrize(("receipt", "first"), [(20, 10), (0, 10)])
def test_a_first_sample_before_its_receipt(tmp_path: Path, receipt: int, first: int) -> None:
    found = check_call(tmp_path, cleared(CALL, CLAUSE), played(CALL, CLAUSE, receipt=receipt, first=first))
    assert found == {"receipt": "record 3: its first sample came before its receipt"}


# --- issuer, command line -------------------------------------------------------------------------


def test_trust_comes_from_outside(ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(ledger)]) == 0
    trust = tmp_path / "auditor.keys"
    trust.write_text("# the clinic's log (fictional)\n\n" + capsys.readouterr().out)
    assert main(["verify", str(ledger), "--trust", str(trust)]) == 0
    assert "issuer authenticated" in capsys.readouterr().out
    # A whole ledger made anew by somebody without the key is consistent, and not trusted.
    shutil.rmtree(ledger)
    write(ledger / "log", small_call())
    assert verify_directory(ledger).ok
    assert "issuer" in failed(verify_directory(ledger, trust))
    assert main(["verify", str(ledger), "--trust", str(trust)]) == 1


def test_a_key_of_the_right_name_that_signed_nothing(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger / "log" / "log.db")) as db:
        (vkey,) = db.execute("SELECT value FROM meta WHERE key='vkey'").fetchone()
    impostor = VerifierKey(VerifierKey.parse(vkey).name, bytes(32))
    assert failed(verify_directory(ledger, Trust.of([impostor]))).keys() == {"issuer"}
    assert failed(verify_directory(ledger, Trust())).keys() == {"issuer"}


def test_json_and_exit_codes(ledger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(ledger), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True and report["authenticated"] is False and len(report["checks"]) == 21
    assert report["checks"][2] == {
        "number": 3,
        "name": "parse",
        "ok": True,
        "detail": "12 checked",
        "checked": True,
    }
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.keys").write_text("no key\n")
    for usage in (
        ["verify", str(tmp_path / "empty")],
        ["verify", str(tmp_path / "nowhere")],
        ["verify", str(ledger), "--trust", str(tmp_path / "bad.keys")],
        ["verify", str(ledger), "--trust", str(tmp_path / "none.keys")],
        ["keys", str(tmp_path / "nowhere")],
    ):
        assert main(usage) == 2, usage
    with pytest.raises(SystemExit) as stopped:
        main([])
    assert stopped.value.code == 2
    with pytest.raises(OperatorError, match="bad.keys:1"):
        Trust.read(tmp_path / "bad.keys")


def test_it_runs_as_a_module_and_while_the_writer_runs(tmp_path: Path) -> None:
    log: Log = open_log(tmp_path / "log")
    for record, personal in small_call():
        log.append(record, personal).result(60)
    done = subprocess.run(
        [sys.executable, "-m", "controls.ledger", "verify", str(tmp_path)],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False,
    )  # fmt: skip
    log.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 records in 1 log(s): self-consistent, issuer not authenticated" in done.stdout


# --- entries by keys ------------------------------------------------------------------------------


def entry(begins: bool, use: str, **more: Any) -> Pair:
    common = {"tenant": TENANT, "call": CALL, "turn": 1, "use": use}
    if begins:
        return r.CaptureStarted(**common, what="card"), None
    return r.CaptureEnded(**common, outcome="captured", attempts=1, **more), None


def over(records: int) -> Pair:
    closed = r.CallClosed(
        tenant=TENANT, call=CALL, ended_by="caller", reason="hung_up", duration_s=1, records=records
    )
    return closed, None


USE, OTHER = new_id("u"), new_id("u")


def test_an_entry_by_keys_has_one_start_and_one_end(tmp_path: Path) -> None:
    pairs = [entry(True, USE), entry(False, USE), entry(True, OTHER), entry(False, OTHER)]
    assert not check_call(tmp_path, opened(CALL), *pairs, over(5))


@pytest.mark.parametrize(("pairs", "says"), [
    ([entry(True, USE)], "record 3: figures are entered by keys, and no capture.ended"),
    ([entry(False, USE)], "record 3: ends an entry by keys that is not under way"),
    ([entry(True, USE), entry(False, USE), entry(False, USE)], "record 5: ends an entry by keys that is not"),
    ([entry(True, USE), entry(True, USE), entry(False, USE)], "record 4: begins an entry by keys that has"),
    ([entry(True, USE), (r.RecordingStarted(tenant=TENANT, call=CALL, artifact=new_id("a")), None),
      entry(False, USE)], "record 4: a recording runs while figures are entered"),
])  # fmt: skip
def test_an_entry_by_keys_that_is_not_framed_is_a_fault(tmp_path: Path, pairs: list[Pair], says: str) -> None:
    found = check_call(tmp_path, opened(CALL), *pairs, over(1 + len(pairs)))
    assert list(found) == ["paused"]
    assert found["paused"].startswith(says)


def test_an_entry_by_keys_of_a_call_that_goes_on_is_none(tmp_path: Path) -> None:
    assert not check_call(tmp_path, opened(CALL), entry(True, USE))
