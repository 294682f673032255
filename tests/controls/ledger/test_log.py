"""The log: order, receipts, group commit, several tenants, erasure."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from pathlib import Path

import pytest

from controls.decision import Receipt
from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.notes import parse_checkpoint, verify_checkpoint
from controls.ledger.reader import Reader
from controls.ledger.storage import LARGE_BLOB
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import (
    TENANT,
    Clock,
    closed,
    faulty,
    open_log,
    said,
    tagger,
)


def is_healthy(log: Log | Ledger) -> bool:
    """A call, so that the type checker does not take the first answer for the last."""
    return log.healthy


#: The log's own first records: origin.opened and key.created.
OWN = 2


def test_leaves_stand_in_the_order_of_append(tmp_path: Path) -> None:
    clock, call = Clock(), new_id("c")
    log = open_log(tmp_path / "log", clock=clock)
    futures = [log.append(*said(call, turn)) for turn in range(50)]
    receipts = [f.result(60) for f in futures]
    log.close()
    assert [x.leaf for x in receipts] == list(range(OWN, OWN + 50))
    assert {x.origin for x in receipts} == {log.origin} and {x.type for x in receipts} == {"caller.said"}
    with Reader.open(tmp_path) as reader:
        records = [e.record for e in reader.records(call)]
    assert [x.n for x in records] == [x.turn for x in records] == list(range(50))  # type: ignore[attr-defined]
    assert {x.at for x in records} == {int(clock.now_s)}
    assert verify_directory(tmp_path).ok


def test_numbers_count_per_call_across_reopening(tmp_path: Path) -> None:
    one, two = new_id("c"), new_id("c")
    for _ in range(2):
        log = open_log(tmp_path / "log")
        for call in (one, two, one):
            log.append(*said(call)).result(60)
        log.append(r.CallRefused(tenant=TENANT, reason="capacity")).result(60)
        log.close()
    numbers = defaultdict(list)
    with Reader.open(tmp_path) as reader:
        for _, record, _ in reader.records():
            numbers[getattr(record, "call", None)].append(record.n)
    assert numbers == {one: [0, 1, 2, 3], two: [0, 1], None: [0, 1, 2, 3]}
    assert verify_directory(tmp_path).ok


def test_a_pending_append_cannot_be_cancelled(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    future = log.append(*said(new_id("c")))
    assert not future.cancel()
    assert future.result(60).leaf == OWN
    log.close()


def test_callbacks_may_append(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    second: Future[Receipt] = Future()
    log.append(*said(call)).add_done_callback(
        lambda _: log.append(*said(call)).add_done_callback(lambda f: second.set_result(f.result()))
    )
    assert second.result(60).leaf == OWN + 1
    log.close()


def test_close_drains_and_later_appends_fail(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    futures = [log.append(*said(new_id("c"))) for _ in range(300)]
    log.close()
    log.close()
    assert all(f.done() and f.exception() is None for f in futures)
    assert log.checkpoint().size == OWN + 300
    with pytest.raises(LedgerError, match="closed"):
        log.append(*said(new_id("c"))).result(0)
    assert not log.healthy


def test_overflow_fails_and_never_drops(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make, queue_size=5)
    entered, go = threading.Event(), threading.Event()
    commit = made[0].commit

    def slow(batch: object) -> None:
        entered.set()
        assert go.wait(60)
        commit(batch)  # type: ignore[arg-type]

    made[0].commit = slow  # type: ignore[method-assign]
    first = log.append(*said(new_id("c")))
    assert entered.wait(60)
    futures = [log.append(*said(new_id("c"))) for _ in range(8)]
    failed = [f for f in futures if f.done()]
    go.set()
    log.close()
    assert len(failed) == 3
    for future in failed:
        with pytest.raises(LedgerError, match="5 records wait already"):
            future.result(0)
    assert first.result(0).leaf == OWN
    assert sum(f.exception() is None for f in futures) == 5


def test_a_checkpoint_follows_new_leaves(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log", checkpoint_every_s=0.01)
    assert log.checkpoint().size == OWN
    log.append(*said(new_id("c"))).result(60)
    deadline = time.monotonic() + 60
    published = tmp_path / "log" / "checkpoint"
    while log.checkpoint().size < OWN + 1 or parse_checkpoint(published.read_bytes()).size < OWN + 1:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    with Reader.open(tmp_path) as reader:
        verify_checkpoint(parse_checkpoint(published.read_bytes()), reader.views()[0].verifier)
    log.close()


@pytest.mark.parametrize(
    ("record", "personal"),
    [
        (said(new_id("c"))[0].model_copy(update={"tenant": "another"}), None),
        (closed(new_id("c"), 0), said(new_id("c"))[1]),
        (said(new_id("c"))[0], r.AccessDetails(who="x", purpose="y")),
    ],
)
def test_a_record_that_cannot_be_taken_fails_alone(
    tmp_path: Path, record: r.Record, personal: r.Personal | None
) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    futures = [log.append(*said(call)), log.append(record, personal), log.append(*said(call))]
    log.close()
    with pytest.raises(LedgerError):
        futures[1].result(0)
    assert [futures[0].result(0).leaf, futures[2].result(0).leaf] == [OWN, OWN + 1]
    assert verify_directory(tmp_path).ok


def test_a_failing_tagger_fails_its_record_only(tmp_path: Path) -> None:
    def picky(kind: str, at: int) -> r.RetentionTag:
        if kind == "transcript":
            raise KeyError("the caller's own words")
        return tagger(kind, at)

    log = Log.open(tmp_path / "log", tenant=TENANT, tagger=picky, spool_bytes=65_536)
    bad, good = log.append(*said(new_id("c"))), log.append(closed(new_id("c"), 0))
    log.close()
    with pytest.raises(LedgerError) as caught:
        bad.result(0)
    assert "own words" not in str(caught.value)
    assert good.result(0).leaf == OWN


def test_large_content_lies_in_the_folder(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call, text="word " * LARGE_BLOB)).result(60)
    log.append(*said(call)).result(60)
    log.close()
    (file,) = (tmp_path / "log" / "blobs").iterdir()
    assert file.stat().st_size > LARGE_BLOB
    with Reader.open(tmp_path) as reader:
        words = [o.personal.text for o in reader.opened(call)]  # type: ignore[union-attr]
    assert words == ["word " * LARGE_BLOB, "a quiet word"]
    stray = file.with_name(new_id("a"))
    stray.write_bytes(b"left by a commit that never came")
    open_log(tmp_path / "log").close()
    assert not stray.exists() and file.exists()


def test_no_personal_words_lie_on_disk_unsealed(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.append(*said(new_id("c"), text="xylophone-secret")).result(60)
    log.append_spooled(*said(new_id("c"), text="xylophone-secret"))
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        assert b"xylophone-secret" not in path.read_bytes(), path.name
    log.close()


# --- several tenants, erasure, speed --------------------------------------------------------------


def test_records_go_to_their_tenants_log(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, tagger=tagger, spool_bytes=65_536)
    receipts = {}
    for tenant in ("alpha", "beta", "alpha"):
        record, personal = said(new_id("c"))
        receipts[tenant] = ledger.append(record.model_copy(update={"tenant": tenant}), personal).result(60)
    assert receipts["alpha"].leaf == OWN + 1 and receipts["beta"].leaf == OWN
    assert ledger.checkpoint("alpha").origin != ledger.checkpoint("beta").origin
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        ledger.append(*said(new_id("c"))).result(0)
    origin = receipts["alpha"].origin
    assert (tmp_path / origin / "log.db").exists() and (tmp_path / "keys" / f"{origin}.key").exists()
    ledger = Ledger.open(tmp_path, tagger=tagger, spool_bytes=65_536)
    assert ledger.prepare("alpha").origin == origin  # found again, not begun anew
    ledger.close()
    report = verify_directory(tmp_path)
    assert report.ok and len(report.origins) == 3  # theirs, and the register


def test_erasing_destroys_key_and_blob_and_leaves_a_tombstone(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call, text="word " * LARGE_BLOB)).result(60)
    log.append(*said(call)).result(60)
    with Reader.open(tmp_path) as reader:
        artifacts = [o.record.sealed.artifact for o in reader.opened(call) if o.record.sealed]
    log.erase(artifacts[0], ground="request").result(60)
    with pytest.raises(LedgerError, match="erased already"):
        log.erase(artifacts[0], ground="request").result(60)
    assert list((tmp_path / "log" / "blobs").iterdir()) == []
    with Reader.open(tmp_path) as reader:
        found = reader.opened(call)
    assert [(o.record.type, o.personal is not None) for o in found] == [
        ("caller.said", False), ("caller.said", True), ("erasure.done", False)
    ]  # fmt: skip
    log.close()
    report = verify_directory(tmp_path)
    assert report.ok and "1 erased, not checkable" in report.checks[13].detail


def test_many_threads_append_at_once_in_few_commits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make)
    before = made[0].commits
    receipts: list[Receipt] = []

    def write() -> None:
        futures = [log.append(*said(call, turn)) for call in (new_id("c"),) for turn in range(250)]
        receipts.extend(f.result(30) for f in futures)

    started = time.perf_counter()
    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    commits = made[0].commits - before
    log.close()
    with capsys.disabled():
        print(
            f"\n  group commit: {len(receipts) / elapsed:,.0f} sealed records/s, {commits} commits for 2000"
        )
    assert sorted(x.leaf for x in receipts) == list(range(OWN, OWN + 2000))
    assert commits < 1000
    assert verify_directory(tmp_path).ok
