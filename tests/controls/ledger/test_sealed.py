"""Sealing, and the key files."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.ids import new_id
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
