"""A witness's files: one process, one key, the newest checkpoint and evidence, durable and private."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger import witness_state
from controls.ledger.notes import COSIGNER, cosigned_at, with_signatures
from controls.ledger.witness import Refused, Witness
from controls.ledger.witness_state import (
    MOST_CONFLICTS,
    Conflict,
    WitnessKey,
    WitnessState,
    open_key,
    origin_hash,
    read_conflicts,
)
from tests.simulators.witness import LOG, GrowingLog, private


def witness_in(directory: Path, *logs: GrowingLog) -> tuple[WitnessState, Witness]:
    state = WitnessState(directory)
    return state, Witness(state, lambda o: [x.verifier for x in logs if x.name == o], unix_s=lambda: 1.9e9)


def conflict(kind: str, size: int, *, log: GrowingLog | None = None) -> Conflict:
    log = log or GrowingLog(size)
    note = log.checkpoint().note.decode()
    return Conflict(kind=kind, origin=log.name, at=size, cosigned=note, contradicting=note, old=1)  # type: ignore[arg-type]


# --- the newest checkpoint ---------------------------------------------------------------------------


def test_what_was_cosigned_is_known_after_a_restart(tmp_path: Path) -> None:
    log, other = GrowingLog(7), GrowingLog(3, name="b.example/log")
    state, witness = witness_in(tmp_path / "w", log, other)
    line = witness.add_checkpoint(log.request(0))
    witness.add_checkpoint(other.request(0))
    state.close()
    state, witness = witness_in(tmp_path / "w", log, other)
    try:
        latest = state.latest(LOG)
        assert latest is not None
        assert latest.checkpoint.note == with_signatures(log.checkpoint(), line).note
        assert latest.at == 1_900_000_000
        assert (
            tmp_path / "w" / "logs" / origin_hash(LOG) / "checkpoint"
        ).read_bytes() == latest.checkpoint.note
        with pytest.raises(Refused, match="^7$"):
            witness.add_checkpoint(log.request(0))
        log.grow(4)
        assert witness.add_checkpoint(log.request(7))
    finally:
        state.close()


def test_everything_is_for_the_owner_only(tmp_path: Path) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    witness.add_checkpoint(log.request(0))
    with pytest.raises(Refused):
        witness.add_checkpoint(log.fork(2, "other").request(7))
    state.close()
    for path in [tmp_path / "w", *(tmp_path / "w").rglob("*")]:
        allowed = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 & ~allowed == 0, path


def test_the_checkpoint_is_durable_before_its_cosignature_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File synced, then named, then both directories synced, all before the answer."""
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    done: list[str] = []
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append("sync " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        real_sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        done.append("replace " + target.name)
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    witness.add_checkpoint(log.request(0))
    state.close()
    assert done == ["sync .checkpoint.new", "replace checkpoint", f"sync {origin_hash(LOG)}", "sync logs"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_without_a_durable_checkpoint_there_is_no_cosignature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    witness.add_checkpoint(log.request(0))
    log.grow(3)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(LedgerError, match="No space left"):
            witness.add_checkpoint(log.request(7))
    latest = state.latest(LOG)
    assert latest is not None
    assert latest.checkpoint.size == 7
    line = witness.add_checkpoint(log.request(7))
    assert cosigned_at(with_signatures(log.checkpoint(), line), state.key.verifier)
    state.close()


def test_a_torn_write_leaves_the_checkpoint_before_it(tmp_path: Path) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    witness.add_checkpoint(log.request(0))
    folder = tmp_path / "w" / "logs" / origin_hash(LOG)
    (folder / ".checkpoint.new").write_bytes(b"half a chec")
    log.grow(3)
    assert witness.add_checkpoint(log.request(7))
    assert [p.name for p in folder.iterdir()] == ["checkpoint"]
    state.close()


@pytest.mark.parametrize("change", ["cut", "flip", "empty", "other log", "not ours"])
def test_over_a_damaged_checkpoint_nothing_is_cosigned(tmp_path: Path, change: str) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log, other := GrowingLog(7, name="b.example/log"))
    witness.add_checkpoint(log.request(0))
    witness.add_checkpoint(other.request(0))
    path = tmp_path / "w" / "logs" / origin_hash(LOG) / "checkpoint"
    note = path.read_bytes()
    path.write_bytes(
        {
            "cut": note[:-20],
            "flip": note.replace(b"\n7\n", b"\n6\n", 1),
            "empty": b"",
            "other log": (path.parents[1] / origin_hash(other.name) / "checkpoint").read_bytes(),
            "not ours": log.checkpoint().note,
        }[change]
    )
    log.grow(2)
    for old in (0, 7):
        with pytest.raises(IntegrityError):
            witness.add_checkpoint(log.request(old))
    assert state.latest(other.name)
    state.close()


# --- one witness, one key ----------------------------------------------------------------------------


def test_a_second_witness_on_the_same_state_refuses_to_start(tmp_path: Path) -> None:
    first = WitnessState(tmp_path / "w")
    with pytest.raises(OperatorError, match="in use by another witness"):
        WitnessState(tmp_path / "w")
    first.close()
    WitnessState(tmp_path / "w").close()


def test_the_key_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    made = open_key(tmp_path / "w", "witness.example/w1").verifier
    assert (made.kind, made.name) == (COSIGNER, "witness.example/w1")
    assert open_key(tmp_path / "w").verifier == made
    state = WitnessState(tmp_path / "w")
    assert state.key.verifier == made
    state.close()
    with pytest.raises(OperatorError, match=r"belongs to witness\.example/w1"):
        open_key(tmp_path / "w", "witness.example/w2")
    assert open_key(tmp_path / "x").verifier.name.startswith("sayso.dev/witness/")
    for bad in ("two words", "a+b", "bell\x07"):
        with pytest.raises(OperatorError, match="neither spaces nor"):
            open_key(tmp_path / "y", bad)


def test_the_keys_file_is_a_note_signers_line() -> None:
    key = WitnessKey("witness.example/w1", private("w"))
    text = key.to_text()
    assert text.startswith("PRIVATE+KEY+witness.example/w1+" + key.verifier.hash.hex() + "+B")
    assert WitnessKey.parse(text).verifier == key.verifier
    for bad in ("", text[3:], text.replace("w1", "w2"), text[:-9], text.replace("+B", "+C")):
        with pytest.raises(ValueError):
            WitnessKey.parse(bad)


def test_a_key_that_is_open_or_broken_or_gone_is_refused(tmp_path: Path) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    witness.add_checkpoint(log.request(0))
    state.close()
    path = tmp_path / "w" / "witness.key"
    path.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        WitnessState(tmp_path / "w")
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(OperatorError, match="not a witness's key"):
        WitnessState(tmp_path / "w")
    path.unlink()
    with pytest.raises(OperatorError, match="is missing"):  # a new key would cosign as if nothing had been
        WitnessState(tmp_path / "w")
    WitnessState(tmp_path / "other").close()  # a refusal gives the lock back


# --- evidence ----------------------------------------------------------------------------------------


def test_both_notes_of_a_conflict_are_kept_as_they_were_signed(tmp_path: Path) -> None:
    log = GrowingLog(7)
    state, witness = witness_in(tmp_path / "w", log)
    witness.add_checkpoint(log.request(0))
    assert not read_conflicts(tmp_path / "w")
    other = log.fork(2, "other")
    for _ in range(3):  # the same note counts once
        with pytest.raises(Refused):
            witness.add_checkpoint(other.request(7))
    (found,) = read_conflicts(tmp_path / "w")  # while it serves
    assert (found.kind, found.proves, found.old, found.at) == ("fork", True, 7, 1_900_000_000)
    latest = state.latest(LOG)
    assert latest is not None
    assert found.cosigned.encode() == latest.checkpoint.note
    assert found.contradicting.encode() == other.checkpoint().note
    state.close()


def test_evidence_is_bounded_per_kind_so_that_replays_cannot_crowd_out_a_fork(tmp_path: Path) -> None:
    state = WitnessState(tmp_path / "w")
    kept = [state.keep(conflict("rewind", size)) for size in range(1, MOST_CONFLICTS + 4)]
    assert kept == [True] * MOST_CONFLICTS + [False] * 3
    assert state.keep(conflict("fork", 50))
    assert state.keep(conflict("rewind", 9, log=GrowingLog(9, name="b.example/log")))
    found = read_conflicts(tmp_path / "w")
    assert len(found) == MOST_CONFLICTS + 2
    assert [c.at for c in found] == sorted(c.at for c in found)
    state.close()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kind": "fork"}', "\x00"])
def test_evidence_that_cannot_be_read_is_named_not_passed_over(tmp_path: Path, text: str) -> None:
    state = WitnessState(tmp_path / "w")
    state.keep(conflict("fork", 5))
    state.close()
    (path,) = (tmp_path / "w").glob("conflicts/*/*.json")
    assert json.loads(path.read_text())["kind"] == "fork"
    path.write_text(text)
    with pytest.raises(IntegrityError, match="cannot be read as evidence"):
        read_conflicts(tmp_path / "w")


def test_a_directory_that_is_no_state_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no witness's state"):
        read_conflicts(tmp_path)


def test_a_state_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(witness_state.Path, "mkdir", read_only)
    with pytest.raises(LedgerError, match="Read-only file system"):
        WitnessState(tmp_path / "w")
