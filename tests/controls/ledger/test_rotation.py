"""A log's key is replaced: old records stay valid, and a crash at any step leaves one key in place."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.envelope import envelope_of, parse_envelope
from controls.ledger.key_schedule import read_schedule
from controls.ledger.keys import FileKeys, LocalSigner, checkpoint_name
from controls.ledger.ledger import Ledger
from controls.ledger.notes import key_digest, parse_checkpoint, public_text, verify_checkpoint
from controls.ledger.reader import LogView, Reader
from controls.ledger.register import read_register
from controls.ledger.spool import Spool, SpoolKey, make_entry
from controls.ledger.storage import LeafRow
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, faulty, open_log, said, tagger

OWN = 2


class CutKeys(FileKeys):
    """Key files whose promotion can be cut short."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.before: Exception | None = None
        self.after: Exception | None = None

    def promote(self, origin: str) -> None:
        if self.before:
            raise self.before
        super().promote(origin)
        if self.after:
            raise self.after


def signers(directory: Path) -> list[str]:
    view = LogView(directory)
    try:
        return [parse_envelope(row.envelope).keyid for row in view.rows()]
    finally:
        view.close()


def test_the_old_key_ends_and_the_new_one_signs(tmp_path: Path) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call)).result(60)
    old = log.verifier
    new = log.rotate()
    assert new == log.verifier != old and new.name == old.name
    between = log.checkpoint()
    verify_checkpoint(between, old)  # the last one of the old key covers its own end
    receipt = log.append(*said(call)).result(60)
    log.close()
    verify_checkpoint(log.checkpoint(), new)
    keys = [key_digest(old.public)] * 5 + [key_digest(new.public)]
    assert signers(log.directory) == keys and (between.size, receipt.leaf) == (5, 5)
    with Reader.open(tmp_path) as reader:
        created, retired = [e.record for e in reader.records()][3:5]
        assert reader.views()[0].verifier == new
    assert isinstance(created, r.KeyCreated) and created.public == public_text(new.public)
    assert isinstance(retired, r.KeyRetired) and retired.key == key_digest(old.public)
    assert verify_directory(tmp_path).ok


def test_a_rotated_log_opens_again_and_rotates_again(tmp_path: Path) -> None:
    for _ in range(3):
        log = open_log(tmp_path / "log")
        log.append(*said(new_id("c"))).result(60)
        log.rotate()
        log.rotate()
        log.append(*said(new_id("c"))).result(60)
        log.close()
    assert len(set(signers(log.directory))) == 7
    keys = tmp_path / "log" / "keys"
    assert sorted(p.name for p in keys.iterdir()) == sorted([f"{log.origin}.key", "wrapping.key"])
    assert verify_directory(tmp_path).ok


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_promotion_that_fails_is_completed(tmp_path: Path, when: str) -> None:
    keys = CutKeys(tmp_path / "keys")
    log = open_log(tmp_path / "log", keys=keys)
    old = log.verifier
    setattr(keys, when, OperatorError("the key directory is read-only"))
    with pytest.raises(OperatorError, match="read-only"):
        log.rotate()
    if when == "before":
        with pytest.raises(LedgerError, match="read-only"):  # the old key signs nothing any more
            log.append(*said(new_id("c"))).result(60)
    keys.before = keys.after = None
    log.append(*said(new_id("c"))).result(60)
    assert log.verifier != old
    log.close()
    open_log(tmp_path / "log", keys=keys).close()
    assert verify_directory(tmp_path).ok


def test_a_crash_before_the_rotation_is_logged_forgets_it(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make)
    old = log.verifier
    made[0].full()
    with pytest.raises(LedgerError, match="No space left"):
        log.rotate()
    log.close()
    log = open_log(tmp_path / "log")
    assert log.verifier == old
    log.append(*said(new_id("c"))).result(60)
    log.rotate()
    log.close()
    assert verify_directory(tmp_path).ok


def test_a_crash_between_the_leaves_and_the_promotion(tmp_path: Path) -> None:
    keys = CutKeys(tmp_path / "keys")
    log = open_log(tmp_path / "log", keys=keys)
    old = log.verifier
    keys.before = OperatorError("crash")
    with pytest.raises(OperatorError):
        log.rotate()
    log.close()
    log = open_log(tmp_path / "log", keys=FileKeys(tmp_path / "keys"))  # the next start
    assert log.verifier != old
    log.append(*said(new_id("c"))).result(60)
    log.close()
    assert len(set(signers(log.directory))) == 2 and verify_directory(tmp_path).ok


def test_a_commit_that_came_through_though_it_failed(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make)
    old = log.verifier
    made[0].full()
    made[0].after = True
    with pytest.raises(LedgerError, match="No space left"):
        log.rotate()
    made[0].fault = None
    log.append(*said(new_id("c"))).result(60)
    assert log.verifier != old
    log.close()
    assert verify_directory(tmp_path).ok


def test_a_key_the_log_does_not_name_is_refused(tmp_path: Path) -> None:
    open_log(tmp_path / "log").close()
    log = open_log(tmp_path / "log")
    log.rotate()
    log.close()
    keys = FileKeys(tmp_path / "log" / "keys")
    keys.next_log_signer(log.origin)
    keys.promote(log.origin)  # by hand, without the log's knowledge
    with pytest.raises(OperatorError, match="restore it"):
        open_log(tmp_path / "log")


def test_spooled_before_and_taken_up_after(tmp_path: Path) -> None:
    keys, call = FileKeys(tmp_path / "keys"), new_id("c")
    log = open_log(tmp_path / "log", keys=keys)
    record, personal = said(call)
    marked = record.model_copy(update={"recovered": True})
    sealing = SpoolKey.new(keys.wrapping(create=False))
    entry = make_entry(marked, personal, origin=log.origin, sealing=sealing)
    log.rotate()
    log.close()
    _write_spool(log.directory / "spool", entry)
    log = open_log(tmp_path / "log", keys=keys)
    assert log.spooled == 0
    log.close()
    with Reader.open(tmp_path, tmp_path / "keys") as reader:
        (found,) = reader.opened(call)
    assert found.record.recovered and found.personal == personal
    assert verify_directory(tmp_path).ok


def _write_spool(path: Path, entry: bytes) -> None:
    spool = Spool(path)
    spool.write(entry)
    spool.close()


def test_the_register_has_the_new_key_before_it_signs(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path, tagger=tagger, spool_bytes=65_536, publish=False)
    log = ledger.prepare(TENANT)
    old = log.verifier
    new = ledger.rotate(TENANT)
    register = ledger.rotate(r.REGISTER)
    ledger.append(*said(new_id("c"))).result(60)
    ledger.close()
    with Reader.open(tmp_path) as reader:
        (view,) = (v for v in reader.views() if v.tenant == r.REGISTER)
        known = read_register(view)
    assert view.verifier == register
    assert known.keys[key_digest(new.public)].origin == log.origin
    assert key_digest(old.public) in known.retired and key_digest(new.public) not in known.retired
    assert verify_directory(tmp_path).ok
    ledger = Ledger.open(tmp_path, tagger=tagger, spool_bytes=65_536, publish=False)
    assert ledger.prepare(TENANT).verifier == new and ledger.prepare(r.REGISTER).verifier == register
    ledger.close()


# --- the schedule ---------------------------------------------------------------------------------


def rows_of(directory: Path) -> tuple[list[LeafRow], str]:
    view = LogView(directory)
    try:
        return list(view.rows_of("origin.opened", "key.created", "key.retired")), view.origin
    finally:
        view.close()


def test_a_schedule_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    log.rotate()
    log.close()
    rows, origin = rows_of(log.directory)
    name = checkpoint_name(origin)
    schedule = read_schedule(rows, origin=origin, name=name)
    assert schedule is not None and schedule.newest == log.verifier and schedule.at(3) != schedule.at(4)
    for missing in (0, 2):  # without origin.opened; without key.created of the next
        with pytest.raises(IntegrityError):
            read_schedule(rows[:missing] + rows[missing + 1 :], origin=origin, name=name)
    with pytest.raises(IntegrityError, match="its own"):
        read_schedule(rows, origin=new_id("o"), name=name)
    assert read_schedule([], origin=origin, name=name) is None


def test_a_key_that_announces_itself_is_refused(tmp_path: Path) -> None:
    """Who takes the log's files can write leaves, but not of the log's key."""
    log = open_log(tmp_path / "log")
    log.rotate()
    log.close()
    rows, origin = rows_of(log.directory)
    thief = FileKeys(tmp_path / "thief").log_signer(origin, create=True)
    forged = [*rows[:2], _signed(rows[2], thief), *rows[3:]]
    with pytest.raises(IntegrityError, match="signature"):
        read_schedule(forged, origin=origin, name=checkpoint_name(origin))


def _signed(row: LeafRow, signer: LocalSigner) -> LeafRow:
    payload = parse_envelope(row.envelope).payload
    (signature,) = signer.sign_statements([payload])
    return row._replace(envelope=envelope_of(payload, key_digest(signer.verifier.public), signature))


def test_the_last_checkpoint_of_the_old_key_is_not_signed_again(tmp_path: Path) -> None:
    made, make = faulty()
    log = open_log(tmp_path / "log", storage=make, checkpoint_every_s=0.01)
    old = log.verifier
    log.rotate()
    made[0].full()
    with pytest.raises(LedgerError):
        log.append(*said(new_id("c"))).result(60)
    made[0].fault = None
    while not log.healthy:  # finds out by writing the newest checkpoint again
        log.holds(new_id("a")).result(60)
    published = parse_checkpoint((log.directory / "checkpoint").read_bytes())
    assert published.size == OWN + 2
    verify_checkpoint(published, old)
    verify_checkpoint(log.checkpoint(), old)
    log.close()
    assert verify_directory(tmp_path).ok
