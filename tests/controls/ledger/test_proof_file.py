"""``.tlog-proof`` files: the specification's form, one encoding, and nothing else."""

from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.ledger.notes import VerifierKey, sign_checkpoint, verify_checkpoint
from controls.ledger.proof_file import MAX_PATH, MAX_PROOF, ProofFile, verify_proof
from controls.ledger.tree import Tree, leaf_hash

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = VerifierKey("o_EXAMPLE", KEY.public_key().public_bytes_raw())
LEAVES = [b"%d" % i for i in range(300)]
TREE = Tree(map(leaf_hash, LEAVES))
CHECKPOINT = sign_checkpoint("o_EXAMPLE", 300, TREE.root(), KEY)


def proof_of(index: int, extra: bytes = b"") -> ProofFile:
    return ProofFile(index, TREE.inclusion(index, 300), CHECKPOINT.note, extra)


GOOD = proof_of(17, b"where it came from").to_bytes()


def test_the_form_is_the_specifications() -> None:
    lines = GOOD.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + base64.b64encode(b"where it came from").decode()
    assert lines[2] == "index 17"
    steps = lines[3 : lines.index("")]
    assert [base64.b64decode(s) for s in steps] == TREE.inclusion(17, 300)
    assert "\n".join(lines[lines.index("") + 1 :]).encode() == CHECKPOINT.note
    assert b"extra" not in proof_of(17).to_bytes()


@given(st.integers(0, 299), st.binary(max_size=50))
def test_a_proof_is_read_as_written_and_holds(index: int, extra: bytes) -> None:
    proof = proof_of(index, extra)
    read = ProofFile.parse(proof.to_bytes())
    assert read == proof
    found = verify_proof(read, LEAVES[index])
    assert found == CHECKPOINT
    verify_checkpoint(found, VERIFIER)
    with pytest.raises(IntegrityError, match="proof"):
        verify_proof(read, LEAVES[index] + b"x")


def test_a_tree_of_one_leaf_needs_no_path() -> None:
    alone = sign_checkpoint("o_EXAMPLE", 1, leaf_hash(b"only"), KEY)
    proof = ProofFile.parse(ProofFile(0, [], alone.note).to_bytes())
    assert verify_proof(proof, b"only") == alone


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(at: int, change: int) -> None:
    """Except in what the specification calls unauthenticated, the extra line."""
    data = bytearray(GOOD)
    data[at] ^= change
    try:
        proof = ProofFile.parse(bytes(data))
        verify_checkpoint(verify_proof(proof, LEAVES[17]), VERIFIER)
    except IntegrityError:
        return
    assert proof.extra != b"where it came from" and GOOD.index(b"extra") < at < GOOD.index(b"index")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"\n", b"\r\n"),
        (b"index 17\n", b""),
        (b"index 17", b"index 017"),
        (b"index 17", b"index +17"),
        (b"index 17", b"index  17"),
        (b"index 17", b"index -1"),
        (b"index 17", b"index " + b"1" * 20),
        (b"index 17\n", b"index 17\nAAAA\n"),
        (b"index 17\n", b"index 17\n" + base64.b64encode(bytes(32)) + b"\n" + b"index 17\n"),
        (b"extra ", b"extra"),
        (b"\nindex", b"\nextra AAAA\nindex"),
        (b"index 17\n", b"index 17\n\n"),
        (CHECKPOINT.note, b""),
        (CHECKPOINT.note, b"\n" + CHECKPOINT.note),
        (CHECKPOINT.note, CHECKPOINT.note + b"\n"),
    ],
)
def test_another_form_is_refused(old: bytes, new: bytes) -> None:
    assert old in GOOD
    with pytest.raises(IntegrityError):
        ProofFile.parse(GOOD.replace(old, new, 1))


def test_an_empty_extra_line_and_too_much_of_anything_are_refused() -> None:
    bare = proof_of(17).to_bytes()
    long = ProofFile(17, [bytes(32)] * (MAX_PATH + 1), CHECKPOINT.note).to_bytes()
    large = ProofFile(17, [], CHECKPOINT.note, bytes(MAX_PROOF)).to_bytes()
    for data in (bare.replace(b"\nindex", b"\nextra \nindex"), long, large):
        with pytest.raises(IntegrityError):
            ProofFile.parse(data)


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda d: GOOD[:30] + d + GOOD[40:]))
def test_no_bytes_crash_the_parser(data: bytes) -> None:
    with suppress(IntegrityError):
        assert ProofFile.parse(data).to_bytes() == data
