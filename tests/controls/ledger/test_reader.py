"""Reading while a writer runs, by another process's means: its own read-only connection."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from controls.errors import IntegrityError, OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.ledger import Ledger
from controls.ledger.log import Log
from controls.ledger.reader import LogView, Reader
from controls.ledger.trust import Trust
from controls.ledger.verify import verify_directory
from tests.controls.ledger.forged import ForgedWitness, changed
from tests.controls.ledger.support import TENANT, Clock, closed, open_log, opened, said, small_call, tagger


def test_new_records_are_seen_while_the_writer_runs(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    with Reader.open(tmp_path) as reader:
        newest = log.append(*said(call, 1)).result(60).leaf
        assert [e.leaf for e in reader.records()] == [0, 1, 2]
        log.append(*said(call, 2)).result(60)
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
        ledger.append(record.model_copy(update=tenant), personal).result(60)
        if i != 1:
            ledger.append(closed(call, 1).model_copy(update=tenant))
    ledger.append(r.CallRefused(tenant=TENANT, reason="capacity")).result(60)
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
    log.append(*said(call)).result(60)
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


def test_what_later_logs_say_about_a_call_comes_after_its_own_records(tmp_path: Path) -> None:
    """A look at a call, and an erasure, after the turn of the period; another tenant's stay out."""
    first, call = open_log(tmp_path / "zz"), new_id("c")
    first.append(*opened(call)).result(60)
    said_at = first.append(*said(call)).result(60).leaf
    first.append(closed(call, 2)).result(60)
    first.close()
    with Reader.open(tmp_path) as reader:
        before = reader.opened(call)
        sealed = next(o.record.sealed for o in before if o.leaf == said_at)
    assert sealed is not None and {o.origin for o in before} == {first.origin}
    later = open_log(tmp_path / "aa")  # found first
    viewed = r.AccessViewed(tenant=TENANT, call=call, what="trace")
    later.append(viewed, r.AccessDetails(who="an auditor (fictional)", purpose="test")).result(60)
    later.append(r.ErasureDone(tenant=TENANT, artifact=sealed.artifact, ground="request")).result(60)
    later.append(r.ErasureDone(tenant=TENANT, artifact=new_id("a"), ground="request")).result(60)
    later.close()
    other = Log.open(tmp_path / "other", tenant="beta", tagger=tagger, spool_bytes=65_536)
    other.append(r.AccessViewed(tenant="beta", call=call, what="trace")).result(60)
    other.close()
    with Reader.open(tmp_path) as reader:
        assert reader.view_of(call).origin == first.origin
        found = reader.opened(call)
        assert [o.origin for o in found] == [first.origin] * 3 + [later.origin] * 2
        assert [o.record.type for o in found[3:]] == ["access.viewed", "erasure.done"]
        assert isinstance(found[3].personal, r.AccessDetails)


def test_cosigned_checkpoints_are_read_by_size(tmp_path: Path) -> None:
    log, witness = open_log(tmp_path / "log"), ForgedWitness()
    cosigned = witness.cosign(log.checkpoint())
    log.add_cosigned(cosigned).result(60)
    with closing(LogView(tmp_path / "log")) as view:
        assert view.cosigned() == [(cosigned.size, cosigned.note)]
    log.close()
    trust = Trust.of([log.verifier, witness.key])
    assert verify_directory(tmp_path, trust).authenticated
    with closing(sqlite3.connect(tmp_path / "log" / "log.db")) as db, db:
        db.execute("UPDATE cosigned SET note=?", (changed(cosigned.note, len(cosigned.note) - 10),))
    assert "cosigned checkpoint" in verify_directory(tmp_path, trust).verdict


def test_a_snapshot_does_not_move_while_the_writer_runs(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    with closing(LogView(tmp_path / "log")) as view:
        view.snapshot()
        log.append(*said(call)).result(60)
        assert view.size() == 2 and list(view.rows(call)) == []
    log.close()
