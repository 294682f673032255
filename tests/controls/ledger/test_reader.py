"""Reading while a writer runs, by another process's means: its own read-only connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import IntegrityError, OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.log import Ledger
from controls.ledger.reader import Reader
from tests.controls.ledger.support import TENANT, Clock, closed, open_log, opened, said, small_call, tagger


def test_new_records_are_seen_while_the_writer_runs(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    with Reader.open(tmp_path) as reader:
        newest = log.append(*said(call, 1)).result(10).leaf
        assert [e.leaf for e in reader.records()] == [0, 1, 2]
        log.append(*said(call, 2)).result(10)
        (entry,) = reader.records(after_leaf=newest)
        assert entry.leaf == newest + 1 and isinstance(entry.record, r.CallerSaid)
        assert entry.envelope.startswith(b'{"payload"')
        personal = reader.personal(entry.record)
        assert isinstance(personal, r.SaidDetails) and personal.text == "a quiet word"
        assert list(reader.records(call, after_leaf=newest)) == [entry]
        assert list(reader.records(after_leaf=10_000)) == []
    log.close()


def test_many_pages(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    futures = [log.append(*said(call, turn)) for turn in range(1203)]
    assert futures[-1].result(30).leaf == 1204
    log.close()
    with Reader.open(tmp_path / "log") as reader:  # a log's own directory does as well
        assert [e.leaf for e in reader.records()] == list(range(1205))
        assert [e.record.n for e in reader.records(call)] == list(range(1203))


def test_calls_newest_first_and_unfinished_ones(tmp_path: Path) -> None:
    clock = Clock()
    ledger = Ledger.open(tmp_path, tagger=tagger, clock=clock, spool_bytes=65_536)
    calls = [new_id("c") for _ in range(4)]
    for i, call in enumerate(calls):
        clock.now_s += 10
        tenant = {"tenant": "beta" if i == 2 else TENANT}
        record, personal = opened(call)
        ledger.append(record.model_copy(update=tenant), personal).result(10)
        if i != 1:
            ledger.append(closed(call, 1).model_copy(update=tenant))
    ledger.append(r.CallRefused(tenant=TENANT, reason="capacity")).result(10)
    ledger.close()
    with Reader.open(tmp_path) as reader:
        found = reader.calls()
        assert [c.call for c in found] == calls[::-1]
        assert [c.finished for c in found] == [True, True, False, True]
        assert found[1].tenant == "beta" and found[1].origin != found[0].origin
        assert (found[0].records, found[0].opened_at) == (2, int(clock.now_s))
        assert [c.call for c in reader.calls(2)] == calls[:1:-1]
        assert [c.call for c in reader.calls(unfinished=True)] == [calls[1]]
        assert [e.record.type for e in reader.records(calls[2])] == ["call.opened", "call.closed"]
        with pytest.raises(ValueError, match="origin"):
            next(reader.records(after_leaf=3))
        assert next(reader.records(after_leaf=1, origin=found[1].origin)).leaf == 2


def test_nothing_is_written_by_reading(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    for record, personal in small_call():
        log.append(record, personal)
    log.close()

    def state() -> dict[Path, bytes]:
        return {
            p: p.read_bytes()
            for p in sorted(tmp_path.rglob("*"))
            if p.is_file() and p.name not in ("log.db-wal", "log.db-shm")
        }

    before = state()
    with Reader.open(tmp_path) as reader:
        (call,) = reader.calls()
        assert len(reader.opened(call.call)) == 5
    assert state() == before


def test_without_keys_records_are_read_and_content_is_not(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call)).result(10)
    log.close()
    with Reader.open(tmp_path, keys=tmp_path / "nowhere") as reader:
        (entry,) = reader.records(call)
        with pytest.raises(OperatorError, match="missing"):
            reader.personal(entry.record)


def test_what_is_not_there_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="not a directory"):
        Reader.open(tmp_path / "nowhere")
    open_log(tmp_path / "log").close()
    with Reader.open(tmp_path) as reader:
        with pytest.raises(OperatorError, match="no such call"):
            reader.opened(new_id("c"))
        record, _ = said(new_id("c"))
        assert reader.personal(record) is None
        ref = r.SealedRef(
            artifact=new_id("a"), kind="transcript", digest="sha256:" + "0" * 64,
            hmac="hmac-sha256:" + "0" * 64, tag=tagger("transcript", 0),
        )  # fmt: skip
        with pytest.raises(IntegrityError, match="missing"):
            reader.personal(record.model_copy(update={"sealed": ref}))
