"""Leaves: stored bytes are signed, verified and never serialised again."""

from __future__ import annotations

import base64
import json

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError, LedgerError
from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.envelope import (
    envelope_of,
    pae,
    parse_envelope,
    read_leaf,
    statement_of,
    subject_holds,
    verify_envelope,
)
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.sealed import new_key, seal
from tests.controls.ledger.support import DIGEST, TENANT, closed, said, tagger

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = VerifierKey("log", KEY.public_key().public_bytes_raw())
ORIGIN = new_id("o")


def sign(record: r.Record) -> bytes:
    digest = key_digest(VERIFIER.public)
    payload = statement_of(record, origin=ORIGIN, key=digest, leaf=5)
    return envelope_of(payload, digest, KEY.sign(pae(payload)))


PLAIN = sign(closed(new_id("c"), 3))


def test_a_statement_is_in_toto_and_canonical() -> None:
    payload = verify_envelope(PLAIN, VERIFIER).payload
    statement = json.loads(payload)
    assert rfc8785.dumps(statement) == payload
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://sayso.dev/record/v1/call.closed"
    assert statement["predicate"]["signer"] == {"role": "log", "key": key_digest(VERIFIER.public)}
    leaf = read_leaf(payload)
    assert leaf.record.type == "call.closed" and (leaf.origin, leaf.leaf) == (ORIGIN, 5)
    assert subject_holds(payload, leaf)


def test_the_signature_is_dsse() -> None:
    outer = json.loads(PLAIN)
    assert outer["payloadType"] == "application/vnd.in-toto+json"
    payload = base64.b64decode(outer["payload"])
    # DSSE v1: PAE = "DSSEv1" SP len(type) SP type SP len(body) SP body
    assert pae(payload) == b"DSSEv1 28 application/vnd.in-toto+json %d " % len(payload) + payload
    assert KEY.sign(pae(payload)) == base64.b64decode(outer["signatures"][0]["sig"])


def test_the_subject_is_the_ciphertexts() -> None:
    record, personal = said(new_id("c"))
    sealed = seal(
        personal.model_dump_json().encode(), artifact=new_id("a"), kind="transcript", tag=tagger("x", 0),
        subject_key=new_key(),
    )  # fmt: skip
    payload = parse_envelope(sign(record.model_copy(update={"sealed": sealed.ref}))).payload
    leaf = read_leaf(payload)
    assert ("sha256:" + leaf.subject, leaf.subject_name) == (sealed.ref.digest, sealed.ref.artifact)
    assert subject_holds(payload, leaf)
    start, end = payload.split(b'"subject":')
    swapped = start + b'"subject":' + end.replace(leaf.subject.encode(), b"0" * 64)
    assert not subject_holds(swapped, read_leaf(swapped))


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found_without_the_tree(at: int, change: int) -> None:
    data = bytearray(PLAIN)
    data[at] ^= change
    with pytest.raises(IntegrityError):
        verify_envelope(bytes(data), VERIFIER)


@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.text(max_size=5), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_crash_the_parsers(data: bytes) -> None:
    for parse in (parse_envelope, read_leaf):
        with pytest.raises(IntegrityError):
            parse(data)


def test_white_space_and_extra_fields_are_refused() -> None:
    outer = json.loads(PLAIN)
    for other in (json.dumps(outer), json.dumps({**outer, "note": 1}, separators=(",", ":"))):
        with pytest.raises(IntegrityError, match="cannot be parsed"):
            parse_envelope(other.encode())


def test_a_field_no_record_has_is_refused() -> None:
    payload = parse_envelope(PLAIN).payload
    for old, new in (
        (b'"n":0', b'"n":0,"note":"x"'),
        (b"call.closed", b"call.unknown"),
        (b'"ended_by":"caller"', b'"ended_by":"me"'),
    ):
        assert old in payload
        with pytest.raises(IntegrityError, match="schema"):
            read_leaf(payload.replace(old, new, 1))


def test_forty_fixed_phrases_fit_and_more_than_a_predicate_does_not() -> None:
    def bound(count: int) -> r.ReleaseBound:
        fixed = tuple(r.FixedPhrase(phrase="a" * 64, language="en-US", digest=DIGEST) for _ in range(40))
        record = r.ReleaseBound(tenant=TENANT, call=new_id("c"), release=DIGEST, fixed=fixed)
        return record.model_copy(update={"fixed": fixed * count})

    assert len(sign(bound(1))) < 65_535
    with pytest.raises(LedgerError, match="bytes, allowed are"):
        sign(bound(10))
