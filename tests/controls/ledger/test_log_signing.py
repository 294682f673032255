"""A log whose keys lie behind the signing process's rules: what fails and recovers is never a rewind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger.keys import FileKeys, LocalSigner
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.reader import Reader
from controls.ledger.signing_rules import SignedMemory, check_checkpoint, check_leaf
from controls.ledger.verify import verify_directory
from tests.controls.ledger.support import faulty, open_log, said


class Guarded:
    """A signer that signs what the signing process would, and is out of reach on command."""

    def __init__(self, keys: GuardedKeys, origin: str, inner: LocalSigner) -> None:
        self._keys, self._origin, self._inner = keys, origin, inner

    @property
    def verifier(self) -> VerifierKey:
        return self._inner.verifier

    def sign_statements(self, payloads: Sequence[bytes]) -> list[bytes]:
        self._keys.reach()
        key, closed = key_digest(self.verifier.public), self._keys.memory.size(self._origin)
        for payload in payloads:
            check_leaf(payload, origin=self._origin, key=key, closed=closed, known=lambda _, __: True)
        return self._inner.sign_statements(payloads)

    def sign_note(self, text: bytes) -> bytes:
        self._keys.reach()
        found = check_checkpoint(text, origin=self._origin)
        self._keys.memory.advance(self._origin, found.size, found.root)
        return self._inner.sign_note(text)


class GuardedKeys(FileKeys):
    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        directory.mkdir(mode=0o700)
        self.memory = SignedMemory(directory / "signed.db")
        self.gone = False

    def reach(self) -> None:
        if self.gone:
            raise LedgerError("the signing process is not there")

    def log_signer(self, origin: str, *, create: bool) -> Guarded:  # type: ignore[override]
        self.reach()
        return Guarded(self, origin, super().log_signer(origin, create=create))

    def next_log_signer(self, origin: str) -> Guarded:  # type: ignore[override]
        self.reach()
        return Guarded(self, origin, super().next_log_signer(origin))


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[GuardedKeys]:
    made = GuardedKeys(tmp_path / "keys")
    yield made
    made.memory.close()


def test_a_full_disk_is_no_rewind(tmp_path: Path, keys: GuardedKeys) -> None:
    """Nothing is signed into a checkpoint before it is durable, so what is lost can be written otherwise."""
    made, make = faulty()
    log, call = open_log(tmp_path / "log", keys=keys, storage=make, checkpoint_every_s=0.0), new_id("c")
    for after in (False, True):  # the commit never came through; it did, and failed then
        made[0].full()
        made[0].after = after
        with pytest.raises(LedgerError, match="No space"):
            log.append(*said(call, text="lost")).result(60)
        made[0].fault = None
        for turn in range(3):
            log.append(*said(call, turn, text="other words")).result(60)
    log.rotate()
    log.append(*said(call)).result(60)
    log.close()
    open_log(tmp_path / "log", keys=keys).close()
    with Reader.open(tmp_path, tmp_path / "keys") as reader:
        words = [o.personal.text for o in reader.opened(call)]  # type: ignore[union-attr]
    assert words == ["other words"] * 3 + ["lost"] + ["other words"] * 3 + ["a quiet word"]
    assert verify_directory(tmp_path / "log").ok


def test_without_its_signing_process_nothing_is_durable_until_it_is_back(
    tmp_path: Path, keys: GuardedKeys
) -> None:
    log, call = open_log(tmp_path / "log", keys=keys), new_id("c")
    log.append(*said(call)).result(60)
    keys.gone = True
    for _ in range(3):
        with pytest.raises(LedgerError, match="not there"):
            log.append(*said(call)).result(60)
    assert log.waiting == 0 and not log.healthy
    with pytest.raises(LedgerError, match="not there"):
        log.rotate()
    assert log.append_spooled(*said(call)).spooled  # what must not wait needs no signature
    keys.gone = False
    assert log.append(*said(call)).result(60).leaf == 3
    log.close()
    assert log.spooled == 0
    assert verify_directory(tmp_path / "log").ok


def test_a_rotation_whose_last_checkpoint_was_never_signed(
    tmp_path: Path, keys: GuardedKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retired key is destroyed at the next look: its successor signs the checkpoint over its end."""
    log = open_log(tmp_path / "log", keys=keys)
    old = log.verifier

    def gone(self: Guarded, text: bytes) -> bytes:
        raise LedgerError("the signing process is not there")

    with monkeypatch.context() as patched:
        patched.setattr(Guarded, "sign_note", gone)
        with pytest.raises(LedgerError, match="not there"):
            log.rotate()
    log.append(*said(new_id("c"))).result(60)
    log.close()
    assert log.verifier != old
    open_log(tmp_path / "log", keys=keys).close()
    assert verify_directory(tmp_path / "log").ok
