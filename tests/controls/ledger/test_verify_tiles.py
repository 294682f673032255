"""Published tiles alone: a folder's, several folders', an address's; and a log's own beside its database."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.findings import Report
from controls.ledger.ledger import Ledger
from controls.ledger.notes import sign_checkpoint
from controls.ledger.reader import Reader
from controls.ledger.sources import verify
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory, verify_tiles
from tests.controls.ledger.forged import Forged, ForgedWitness, changed
from tests.controls.ledger.support import TENANT, small_call, tagger


def failed(report: Report) -> dict[str, str]:
    return {c.name: c.detail for c in report.checks if not c.ok}


def refused() -> r.CallRefused:
    return r.CallRefused(tenant=TENANT, reason="capacity")


@pytest.fixture(scope="module")
def long() -> Forged:
    """300 leaves: a full bundle, a partial one, two levels."""
    log = Forged()
    for _ in range(299):
        log.add(refused())
    return log


@pytest.fixture
def folder(long: Forged, tmp_path: Path) -> Path:
    long.publish(tmp_path / "log")
    return tmp_path / "log"


def test_a_published_log_holds(folder: Path, long: Forged) -> None:
    report = verify_tiles(folder, Trust.of([long.verifier()]))
    assert report.ok and report.authenticated and report.records == 300, report.verdict
    details = {c.name: c.detail for c in report.checks}
    assert details["sealed"] == "not applicable: published tiles hold no sealed content"
    assert details["manifest"] == "not applicable: no packet"
    assert details["parse"] == "300 checked"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_any_published_byte_is_found(folder: Path, draw: st.DataObject) -> None:
    file = draw.draw(st.sampled_from(sorted(f for f in folder.rglob("*") if f.is_file())))
    data = file.read_bytes()
    at, by = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(1, 255))
    file.write_bytes(changed(data, at, by))
    report = verify_tiles(folder)
    file.write_bytes(data)
    assert not report.ok, (file, at)


@pytest.mark.parametrize(
    ("path", "check", "says"),
    [
        ("tile/entries/000", "files", "tile/entries/000: missing (records 0 to 255)"),
        ("tile/entries/001.p/44", "files", "tile/entries/001.p/44: missing (records 256 to 299)"),
        ("tile/0/000", "files", "tile/0/000: missing"),
        ("tile/1/000.p/1", "files", "tile/1/000.p/1: missing"),
        ("checkpoint", "files", "log: checkpoint is missing or cannot be read"),
    ],
)
def test_a_missing_file_is_named(folder: Path, path: str, check: str, says: str) -> None:
    (folder / path).unlink()
    assert says in failed(verify_tiles(folder))[check]


def test_what_is_cut_off_or_added_is_named(folder: Path, long: Forged) -> None:
    bundle = folder / "tile/entries/001.p/44"
    whole = bundle.read_bytes()
    bundle.write_bytes(whole[:-1])
    assert "tile/entries/001.p/44: entry bundle of a wrong length" in failed(verify_tiles(folder))["parse"]
    bundle.write_bytes(whole)
    (folder / "tile" / "letter.txt").write_text("hello")
    assert failed(verify_tiles(folder)) == {"files": "tile/letter.txt: no file of a published log"}


def test_older_partial_tiles_hold_too(folder: Path) -> None:
    tile = folder / "tile/0/000.p/2"
    tile.parent.mkdir()
    tile.write_bytes((folder / "tile/0/000").read_bytes()[:64])
    assert verify_tiles(folder).ok
    tile.write_bytes(changed(tile.read_bytes(), 40))
    assert failed(verify_tiles(folder)) == {"root": "tile/0/000.p/2: hash 1 is not the tree's"}


def test_files_behind_the_checkpoint_are_said_to_be_unchecked(folder: Path, long: Forged) -> None:
    (folder / "checkpoint").write_bytes(long.checkpoint(256).note)
    report = verify_tiles(folder)
    assert report.ok and report.records == 256
    assert "behind the published checkpoint, not covered yet" in report.checks[0].detail


def test_a_checkpoint_may_name_any_size(tmp_path: Path) -> None:
    log = Forged()
    log.publish(tmp_path)
    huge = sign_checkpoint(log.checkpoint().origin, 2**62, bytes(32), log.key)
    (tmp_path / "checkpoint").write_bytes(huge.note)
    assert "missing" in failed(verify_tiles(tmp_path))["files"]


def test_several_logs_with_their_register(tmp_path: Path) -> None:
    register, log = Forged(r.REGISTER), Forged()
    listed = log.opening().model_copy(update={"tenant": r.REGISTER, "of": TENANT})
    register.add(listed)
    for made in (register, log):
        made.publish(tmp_path / made.origin)
    assert verify_tiles(tmp_path, Trust.of([register.verifier()])).authenticated
    shadow = Forged()
    shadow.publish(tmp_path / shadow.origin)
    assert failed(verify_tiles(tmp_path)) == {
        "issuer": f"{shadow.origin}: not in the register (a shadow log)"
    }


def test_cosignatures_of_a_published_log(tmp_path: Path) -> None:
    log, witness = Forged(), ForgedWitness()
    log.publish(tmp_path, cosigned=witness.cosign(log.checkpoint()))
    trust = Trust.of([log.verifier(), witness.key])
    report = verify_tiles(tmp_path, trust)
    assert report.authenticated and "quorum reached at 1 records" in report.checks[11].detail
    (tmp_path / "cosigned").unlink()
    assert "no checkpoint reaches the quorum" in failed(verify_tiles(tmp_path, trust))["witness"]


@pytest.fixture
def served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_log_behind_an_address(served: str, folder: Path, long: Forged) -> None:
    assert verify(served, Trust.of([long.verifier()])).authenticated
    tile = folder / "tile/0/000"
    tile.write_bytes(changed(tile.read_bytes(), 100))
    assert failed(verify(served)) == {"root": "tile/0/000: hash 3 is not the tree's"}
    assert "checkpoint is missing" in failed(verify(f"{served}/nowhere"))["files"]


def test_an_address_where_nobody_answers() -> None:
    assert failed(verify("http://127.0.0.1:9/log")) == {"files": "http://127.0.0.1:9/log: connection refused"}


def test_nothing_published(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no published log"):
        verify_tiles(tmp_path)


# --- beside a database ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiles") / "ledger"
    ledger = Ledger.open(root, tagger=tagger, spool_bytes=65_536)
    for _ in range(2):
        for record, personal in small_call(new_id("c")):
            ledger.append(record, personal).result(60)
    ledger.close()
    return root


def tlog(house: Path) -> Path:
    """The tenant's, not the register's."""
    with Reader.open(house) as reader:
        return next(v.directory for v in reader.views() if v.tenant == TENANT) / "tlog"


def test_a_ledgers_own_tiles_are_verified_with_it_and_alone(house: Path, tmp_path: Path) -> None:
    assert verify_directory(house).ok
    for log in house.glob("o_*"):  # the register by itself, too
        assert verify(log).ok and verify(log / "tlog").ok
    for folder in house.glob("*/tlog"):
        shutil.copytree(folder, tmp_path / "copy" / folder.parent.name)
    report = verify(tmp_path / "copy")
    assert report.ok and len(report.origins) == 2


def test_tiles_newer_than_the_database_show_that_it_was_cut(house: Path, tmp_path: Path) -> None:
    """A database put back from an old copy, with its own checkpoint file."""
    shutil.copytree(house, tmp_path / "ledger")
    log = tmp_path / "ledger" / tlog(house).parent.name
    (log / "checkpoint").unlink()
    with closing(sqlite3.connect(log / "log.db")) as db, db:
        db.execute("DELETE FROM leaves WHERE leaf>6")
        db.execute("DELETE FROM blobs WHERE leaf>6")
        db.execute("DELETE FROM checkpoints WHERE size>7")
    says = failed(verify_directory(tmp_path / "ledger"))["root"]
    assert "tlog/checkpoint: of 12 records, 7 are left" in says


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_change_of_a_ledgers_own_tiles_is_found(house: Path, draw: st.DataObject) -> None:
    log = tlog(house).parent
    file = draw.draw(st.sampled_from(sorted(f for f in (log / "tlog").rglob("*") if f.is_file())))
    data = file.read_bytes()
    file.write_bytes(changed(data, draw.draw(st.integers(0, len(data) - 1))))
    report = verify_directory(log)
    file.write_bytes(data)
    assert not report.ok, file
