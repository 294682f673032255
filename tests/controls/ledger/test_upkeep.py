"""What is done to a log besides appending: cosignatures kept, keys wrapped anew, tombstones replayed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ids import new_id
from controls.ledger import upkeep
from controls.ledger.keys import FileKeys
from controls.ledger.ledger import Ledger
from controls.ledger.notes import (
    COSIGNER,
    Checkpoint,
    VerifierKey,
    cosignature_line,
    cosigned_at,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    with_signatures,
)
from controls.ledger.reader import Reader
from controls.ledger.storage import LARGE_BLOB
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import TENANT, Clock, closed, faulty, open_log, opened, said, tagger


class Witness:
    """A witness's key."""

    def __init__(self, name: str) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.key = VerifierKey(name, self._private.public_key().public_bytes_raw(), COSIGNER)

    def cosign(self, checkpoint: Checkpoint, at: int = 1_900_000_000) -> Checkpoint:
        text, _ = parse_note(checkpoint.note)
        return with_signatures(checkpoint, cosignature_line(text, self.key, at, self._private))


# --- cosignatures ---------------------------------------------------------------------------------


def test_cosigned_checkpoints_are_kept_and_the_newest_is_found_again(tmp_path: Path) -> None:
    log, witness, other = open_log(tmp_path / "log"), Witness("w.example"), Witness("v.example")
    assert log.cosigned() is None
    first = log.checkpoint()
    log.add_cosigned(witness.cosign(first)).result(60)
    log.append(*said(new_id("c"))).result(60)
    log.close()
    log = open_log(tmp_path / "log")
    second = log.checkpoint()
    assert second.size > first.size
    assert (found := log.cosigned()) is not None and found.size == first.size
    log.add_cosigned(witness.cosign(second)).result(60)
    log.add_cosigned(other.cosign(second)).result(60)  # does not take the first one's away
    log.add_cosigned(other.cosign(first)).result(60)  # an older one is no newer for it
    log.close()
    log = open_log(tmp_path / "log")
    found = log.cosigned()
    log.close()
    assert found is not None and found.size == second.size
    assert all(cosigned_at(found, w.key) == 1_900_000_000 for w in (witness, other))
    with Reader.open(tmp_path) as reader:
        kept = [parse_checkpoint(note) for _, note in reader.views()[0].cosigned()]
    assert [c.size for c in kept] == [first.size, second.size]
    assert cosigned_at(kept[0], other.key) and cosigned_at(kept[0], witness.key)


def test_a_checkpoint_this_log_never_signed_is_refused(tmp_path: Path) -> None:
    log, witness = open_log(tmp_path / "log"), Witness("w.example")
    ours = log.checkpoint()
    forged = sign_checkpoint(ours.origin, ours.size, bytes(32), Ed25519PrivateKey.generate())
    never = sign_checkpoint(ours.origin, 1, bytes(32), Ed25519PrivateKey.generate())
    for checkpoint in (forged, never):
        with pytest.raises(LedgerError, match="not this log's"):
            log.add_cosigned(witness.cosign(checkpoint)).result(60)
    assert log.healthy and log.cosigned() is None
    log.close()
    with pytest.raises(LedgerError, match="closed"):
        log.add_cosigned(witness.cosign(ours)).result(0)


def test_a_cosignature_that_did_not_become_durable_does_not_count(tmp_path: Path) -> None:
    made, make = faulty()
    log, witness = open_log(tmp_path / "log", storage=make), Witness("w.example")
    made[0].full()
    with pytest.raises(LedgerError, match="No space left"):
        log.add_cosigned(witness.cosign(log.checkpoint())).result(60)
    assert log.cosigned() is None
    made[0].fault = None
    log.add_cosigned(witness.cosign(log.checkpoint())).result(60)
    assert log.cosigned() is not None
    log.close()


def test_listeners_hear_of_durable_checkpoints(tmp_path: Path) -> None:
    log = open_log(tmp_path / "log")
    heard: list[int] = []

    def told(checkpoint: Checkpoint) -> None:
        heard.append(checkpoint.size)
        raise RuntimeError("a listener's fault is not the log's")

    log.on_checkpoint(told)
    log.append(*said(new_id("c"))).result(60)
    before = len(heard)
    log.add_cosigned(Witness("w.example").cosign(log.checkpoint())).result(60)
    assert len(heard) > before
    log.close()
    assert max(heard) == log.checkpoint().size == 3


# --- keys wrapped anew ----------------------------------------------------------------------------


def house(root: Path, clock: Clock) -> Ledger:
    return Ledger.open(root, tagger=tagger, clock=clock, period="month", spool_bytes=65_536, publish=False)


def speak(ledger: Ledger, tenant: str = TENANT) -> str:
    call = new_id("c")
    for record, personal in (opened(call), said(call), (closed(call, 2), None)):
        ledger.append(record.model_copy(update={"tenant": tenant}), personal).result(60)
    return call


def test_every_log_is_wrapped_anew_those_of_closed_periods_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHUNK", 2)
    clock = Clock()
    ledger = house(tmp_path, clock)
    calls = [speak(ledger) for _ in range(3)]
    before = ledger.prepare(TENANT)
    clock.now_s += 40 * 86_400
    ledger.prepare(TENANT)
    before.finished.result(60)
    ledger.keep()
    calls += [speak(ledger) for _ in range(3)]
    calls.append(speak(ledger, "another"))
    ledger.close()
    old = (tmp_path / "keys" / "wrapping.key").read_bytes()
    ledger = house(tmp_path, clock)
    assert ledger.rewrap() >= 7
    calls.append(speak(ledger))  # wrapped under the new key from now on
    ledger.close()
    assert not (tmp_path / "keys" / "wrapping.next.key").exists()
    assert (tmp_path / "keys" / "wrapping.key").read_bytes() != old
    with Reader.open(tmp_path) as reader:
        for call in calls:
            assert all(o.personal for o in reader.opened(call)[:2])
    ledger = house(tmp_path, clock)
    calls.append(speak(ledger))
    ledger.close()
    assert verify_directory(tmp_path).ok


def test_rewrapping_that_was_cut_short_is_run_again(tmp_path: Path) -> None:
    clock = Clock()
    ledger = house(tmp_path, clock)
    calls = [speak(ledger, tenant) for tenant in ("alpha", "beta")]

    class Refusing(FileKeys):
        def promote_wrapping(self) -> None:
            raise OperatorError("cut short")

    ledger._keys = Refusing(tmp_path / "keys")
    with pytest.raises(OperatorError, match="cut short"):
        ledger.rewrap()
    calls.append(speak(ledger, "alpha"))
    ledger.close()
    ledger = house(tmp_path, clock)
    calls.append(speak(ledger, "gamma"))  # before it is run again: under the present key
    with Reader.open(tmp_path) as reader:
        assert all(reader.opened(call)[0].personal for call in calls)
    ledger.rewrap()
    ledger.close()
    with Reader.open(tmp_path) as reader:
        assert all(reader.opened(call)[0].personal for call in calls)


def test_a_key_that_opens_under_neither_stops_it_before_anything_is_lost(tmp_path: Path) -> None:
    ledger = house(tmp_path, Clock())
    call = speak(ledger)
    directory = ledger.prepare(TENANT).directory
    present = (tmp_path / "keys" / "wrapping.key").read_bytes()
    ledger.close()
    with sqlite3.connect(directory / "log.db") as db:
        db.execute("INSERT INTO subjects VALUES('c_0000000000000000', zeroblob(60))")
    db.close()
    ledger = house(tmp_path, Clock())
    with pytest.raises(IntegrityError):
        ledger.rewrap()
    ledger.close()
    assert (tmp_path / "keys" / "wrapping.key").read_bytes() == present
    with Reader.open(tmp_path) as reader:
        assert reader.opened(call)[0].personal is not None


def test_what_was_spooled_under_the_old_key_is_taken_up_first(tmp_path: Path) -> None:
    made, make = faulty()
    log, call = open_log(tmp_path / "log", storage=make), new_id("c")
    made[0].full()
    log.append_spooled(*said(call))
    with pytest.raises(LedgerError):
        log.rewrap()
    made[0].fault = None
    log.append_spooled(*said(call, 2))
    log.rewrap()
    keys = FileKeys(tmp_path / "log" / "keys")
    keys.promote_wrapping()
    log.rewrapped()
    log.append_spooled(*said(call, 3))
    log.append(*said(call, 4)).result(60)
    log.close()
    open_log(tmp_path / "log").close()
    with Reader.open(tmp_path) as reader:
        assert sorted(o.record.turn for o in reader.opened(call) if o.personal) == [1, 2, 3, 4]  # type: ignore[attr-defined]


# --- tombstones -----------------------------------------------------------------------------------


def _blob_row(directory: Path) -> tuple[object, ...]:
    with sqlite3.connect(directory / "log.db") as db:
        row = db.execute("SELECT * FROM blobs").fetchone()
    db.close()
    assert row is not None
    return tuple(row)


def _bring_back(directory: Path, row: tuple[object, ...]) -> None:
    with sqlite3.connect(directory / "log.db") as db:
        db.execute("INSERT OR REPLACE INTO blobs VALUES(?,?,?,?,?)", row)
    db.close()


@pytest.mark.parametrize("words", ["short", "long " * LARGE_BLOB])
def test_what_a_back_up_brought_back_is_destroyed_before_the_log_serves(tmp_path: Path, words: str) -> None:
    log, call = open_log(tmp_path / "log"), new_id("c")
    log.append(*said(call, text=words)).result(60)
    log.close()
    row = _blob_row(log.directory)
    files = {p: p.read_bytes() for p in (log.directory / "blobs").iterdir()}
    log = open_log(tmp_path / "log")
    log.erase(str(row[0]), ground="request").result(60)
    log.close()
    _bring_back(log.directory, row)
    for path, data in files.items():
        path.write_bytes(data)
    assert not verify_directory(tmp_path).ok
    open_log(tmp_path / "log").close()
    assert _gone(log.directory) and not list((log.directory / "blobs").iterdir())
    assert verify_directory(tmp_path).ok


def _gone(directory: Path) -> bool:
    return _blob_row(directory)[3:5] == (None, None)


def test_a_tombstone_in_a_later_log_reaches_the_closed_one(tmp_path: Path) -> None:
    clock = Clock()
    ledger = house(tmp_path, clock)
    call = new_id("c")
    ledger.append(*said(call)).result(60)
    before = ledger.prepare(TENANT)
    clock.now_s += 40 * 86_400
    ledger.prepare(TENANT)
    before.finished.result(60)
    ledger.keep()
    row = _blob_row(before.directory)
    ledger.erase(TENANT, str(row[0]), ground="expiry").result(60)
    ledger.close()
    assert _gone(before.directory)
    _bring_back(before.directory, row)
    ledger = house(tmp_path, clock)
    ledger.prepare(TENANT)
    ledger.close()
    assert _gone(before.directory)
