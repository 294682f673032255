"""Signed notes and checkpoints as C2SP writes them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.ledger.notes import (
    VerifierKey,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    verify_checkpoint,
)

NAME = "sayso.dev/log/o_0123456789ABCDEF"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = VerifierKey(NAME, KEY.public_key().public_bytes_raw())
SIGNED = sign_checkpoint(NAME, 42, hashlib.sha256(b"root").digest(), KEY)


def test_the_bytes_of_a_checkpoint() -> None:
    root = base64.b64encode(hashlib.sha256(b"root").digest()).decode()
    text = f"{NAME}\n42\n{root}\n".encode()
    # C2SP signed-note: key ID = first four bytes of SHA-256(name || LF || 0x01 || public key).
    key_id = hashlib.sha256(NAME.encode() + b"\n\x01" + VERIFIER.public).digest()[:4]
    line = "\u2014 " + NAME + " " + base64.b64encode(key_id + KEY.sign(text)).decode() + "\n"
    assert SIGNED.note == text + b"\n" + line.encode()
    assert SIGNED.root_digest == "sha256:" + hashlib.sha256(b"root").hexdigest()
    read = parse_checkpoint(SIGNED.note)
    assert read == SIGNED
    verify_checkpoint(read, VERIFIER)


def test_a_verifier_key_survives_its_text_form() -> None:
    assert VerifierKey.parse(str(VERIFIER)) == VERIFIER
    name, found, encoded = str(VERIFIER).split("+", 2)
    bad = ("", name, f"{name}+{found}", f"{name}+00000000+{encoded}", f"+{found}+{encoded}",
           f"x+{found}+{encoded}", f"{name}+{found}+{encoded[:-4]}", f"{name}+zz+{encoded}")  # fmt: skip
    for text in bad:
        with pytest.raises(IntegrityError):
            VerifierKey.parse(text)


@given(st.integers(0, len(SIGNED.note) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, change: int) -> None:
    note = bytearray(SIGNED.note)
    note[at] ^= change
    with pytest.raises(IntegrityError):
        verify_checkpoint(parse_checkpoint(bytes(note)), VERIFIER)


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    for hostile in (data, SIGNED.note[: len(data)], data + SIGNED.note):
        if hostile != SIGNED.note:
            with pytest.raises(IntegrityError):
                verify_checkpoint(parse_checkpoint(hostile), VERIFIER)


def test_a_cosigners_line_is_passed_over() -> None:
    other = "\u2014 witness.example/w " + base64.b64encode(b"1234" + bytes(72)).decode() + "\n"
    cosigned = parse_checkpoint(SIGNED.note + other.encode())
    verify_checkpoint(cosigned, VERIFIER)
    assert [s.name for s in parse_note(cosigned.note)[1]] == [NAME, "witness.example/w"]


def test_another_key_of_the_same_name_does_not_verify() -> None:
    other = VerifierKey(NAME, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with pytest.raises(IntegrityError):
        verify_checkpoint(SIGNED, other)
    with pytest.raises(IntegrityError):
        verify_checkpoint(SIGNED, VerifierKey("another.example/log", VERIFIER.public))


@pytest.mark.parametrize("size", ["-1", "042", "4 2", "", "٤٢", "9" * 5000])
def test_a_size_that_is_no_plain_number_is_refused(size: str) -> None:
    note = SIGNED.note.decode().replace("\n42\n", f"\n{size}\n", 1).encode()
    with pytest.raises(IntegrityError):
        parse_checkpoint(note)
