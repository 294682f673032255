"""Key files: made once, for their owner only, replaced when the next key takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import IntegrityError, OperatorError
from controls.ledger.envelope import envelope_of, statement_of, verify_envelope
from controls.ledger.keys import NODE_KEY, WRAPPING_KEY, FileKeys
from controls.ledger.notes import key_digest
from controls.ledger.sealed import new_key
from tests.controls.ledger.support import closed


def test_key_files_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "keys")
    log, node = keys.log_signer("o_x", create=True), keys.node_signer(create=True)
    wrapped = keys.wrapping(create=True).wrap(secret := new_key(), name="c_1")
    assert keys.log_signer("o_x", create=True).verifier == log.verifier
    assert keys.node_signer(create=False).verifier == node.verifier
    assert keys.wrapping(create=False).unwrap(wrapped, name="c_1") == secret
    assert {p.stat().st_mode & 0o777 for p in keys.directory.iterdir()} == {0o600}
    assert keys.directory.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in keys.directory.iterdir()) == [NODE_KEY, "o_x.key", WRAPPING_KEY]


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.wrapping(create=True)
    keys.log_signer("o_x", create=True)
    for path in (tmp_path / WRAPPING_KEY, tmp_path / "o_x.key"):
        path.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        keys.wrapping(create=False)
    with pytest.raises(OperatorError, match="chmod 600"):
        keys.log_signer("o_x", create=False)


def test_a_missing_or_broken_key_is_named(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    with pytest.raises(OperatorError, match="is missing"):
        keys.wrapping(create=False)
    for name in (WRAPPING_KEY, "o_x.key"):
        (tmp_path / name).write_text("nonsense")
        (tmp_path / name).chmod(0o600)
    with pytest.raises(OperatorError, match="not a wrapping key"):
        keys.wrapping(create=True)
    with pytest.raises(OperatorError, match="not a PEM key"):
        keys.log_signer("o_x", create=True)


def test_the_next_key_replaces_the_present_one(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    first = keys.log_signer("o_x", create=True).verifier
    following = keys.next_log_signer("o_x").verifier
    assert keys.next_log_signer("o_x").verifier == following != first
    keys.promote("o_x")
    assert keys.log_signer("o_x", create=False).verifier == following
    assert [p.name for p in tmp_path.iterdir()] == ["o_x.key"]  # the old private key is gone
    with pytest.raises(OperatorError, match="is missing"):
        keys.promote("o_x")


def test_a_signer_signs_statements_and_notes(tmp_path: Path) -> None:
    signer = FileKeys(tmp_path).log_signer("o_0000000000000000", create=True)
    digest = key_digest(signer.verifier.public)
    record = closed("c_0000000000000000", 3)
    payload = statement_of(record, origin="o_0000000000000000", key=digest, leaf=7)
    (signature,) = signer.sign_statements([payload])
    envelope = envelope_of(payload, digest, signature)
    assert verify_envelope(envelope, signer.verifier).payload == payload
    with pytest.raises(IntegrityError):
        verify_envelope(envelope_of(payload, digest, bytes(64)), signer.verifier)
    assert signer.verifier.holds(b"text", signer.sign_note(b"text"))
