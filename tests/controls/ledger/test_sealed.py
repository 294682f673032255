"""Sealing, and the key files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError, OperatorError
from controls.ids import new_id
from controls.ledger.keys import NODE_KEY, log_key, node_key
from controls.ledger.sealed import Sealed, new_key, seal, unseal, unwrap, wrap
from tests.controls.ledger.support import tagger

KEY = new_key()


def sealed(plaintext: bytes) -> Sealed:
    return seal(plaintext, artifact=new_id("a"), kind="transcript", tag=tagger("x", 0), subject_key=KEY)


@given(st.binary(max_size=300))
def test_what_was_sealed_opens(plaintext: bytes) -> None:
    one, two = sealed(plaintext), sealed(plaintext)
    assert unseal(one.ref, one.ciphertext, one.wrapped, subject_key=KEY) == plaintext
    # The same words never look the same from outside, and no bare digest of them stands there.
    assert one.ref.digest != two.ref.digest and one.ref.hmac != two.ref.hmac
    assert hashlib.sha256(plaintext).hexdigest() not in one.ref.model_dump_json()


@given(st.data())
def test_any_changed_byte_is_refused(draw: st.DataObject) -> None:
    one = sealed(b"twelve words")
    part = draw.draw(st.sampled_from(["ciphertext", "wrapped"]))
    data = bytearray(getattr(one, part))
    data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    stored = {"ciphertext": one.ciphertext, "wrapped": one.wrapped, part: bytes(data)}
    with pytest.raises(IntegrityError):
        unseal(one.ref, stored["ciphertext"], stored["wrapped"], subject_key=KEY)


def test_another_artefacts_blob_does_not_open_under_this_name() -> None:
    one, two = sealed(b"one"), sealed(b"two")
    renamed = two.ref.model_copy(update={"artifact": one.ref.artifact})
    with pytest.raises(IntegrityError):
        unseal(renamed, two.ciphertext, two.wrapped, subject_key=KEY)
    with pytest.raises(IntegrityError):
        unseal(one.ref, one.ciphertext, one.wrapped, subject_key=new_key())


def test_a_wrapped_key_is_bound_to_its_name() -> None:
    key = new_key()
    assert unwrap(wrap(key, KEY, name="c_1"), KEY, name="c_1") == key
    for damaged in (wrap(key, KEY, name="c_2"), b"", b"short"):
        with pytest.raises(IntegrityError):
            unwrap(damaged, KEY, name="c_1")


def test_key_files_are_made_once_and_for_the_owner_only(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    first = log_key(keys, "o_x", create=True), node_key(keys, create=True)
    again = log_key(keys, "o_x", create=True), node_key(keys, create=False)
    assert (first[0].digest, first[1]) == (again[0].digest, again[1])
    assert {p.stat().st_mode & 0o777 for p in keys.iterdir()} == {0o600}
    assert keys.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in keys.iterdir()) == [NODE_KEY, "o_x.key"]


def test_a_key_that_others_can_read_is_refused_with_the_remedy(tmp_path: Path) -> None:
    node_key(tmp_path, create=True)
    log_key(tmp_path, "o_x", create=True)
    for path in (tmp_path / NODE_KEY, tmp_path / "o_x.key"):
        path.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        node_key(tmp_path, create=False)
    with pytest.raises(OperatorError, match="chmod 600"):
        log_key(tmp_path, "o_x", create=False)


def test_a_missing_or_broken_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="is missing"):
        node_key(tmp_path, create=False)
    for name in (NODE_KEY, "o_x.key"):
        (tmp_path / name).write_text("nonsense")
        (tmp_path / name).chmod(0o600)
    with pytest.raises(OperatorError, match="not a wrapping key"):
        node_key(tmp_path, create=True)
    with pytest.raises(OperatorError, match="not a PEM key"):
        log_key(tmp_path, "o_x", create=True)
