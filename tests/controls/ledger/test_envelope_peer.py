"""Leaves checked by securesystemslib, in-toto's own library, and against in-toto's Statement v1."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from controls.ledger.envelope import pae
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.reader import LogView
from tests.controls.ledger.support import open_log, small_call


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[VerifierKey, list[bytes]]:
    """The key and every leaf of a log with a whole call in it."""
    log = open_log(tmp_path_factory.mktemp("peer") / "log")
    for future in [log.append(record, personal) for record, personal in small_call()]:
        future.result()
    log.close()
    view = LogView(Path(log.directory))
    try:
        return view.verifier, [row.envelope for row in view.rows()]
    finally:
        view.close()


def known(key: VerifierKey) -> SSlibKey:
    return SSlibKey(key_digest(key.public), "ed25519", "ed25519", {"public": key.public.hex()})


def test_every_leaf_is_a_dsse_envelope_to_others(logged: tuple[VerifierKey, list[bytes]]) -> None:
    key, leaves = logged
    assert len(leaves) > 5
    for leaf in leaves:
        envelope = Envelope.from_dict(json.loads(leaf))
        assert envelope.payload_type == "application/vnd.in-toto+json"
        assert envelope.pae() == pae(envelope.payload)
        assert list(envelope.verify([known(key)], 1)) == [key_digest(key.public)]


def test_others_find_a_change_too(logged: tuple[VerifierKey, list[bytes]]) -> None:
    key, leaves = logged
    envelope = Envelope.from_dict(json.loads(leaves[2]))
    envelope.payload = envelope.payload.replace(b'"n":', b'"n": ')
    with pytest.raises(VerificationError):
        envelope.verify([known(key)], 1)
    stranger = VerifierKey("log", bytes(31) + b"\1")
    with pytest.raises(VerificationError):
        Envelope.from_dict(json.loads(leaves[2])).verify([known(stranger)], 1)


def test_every_payload_is_an_in_toto_statement(logged: tuple[VerifierKey, list[bytes]]) -> None:
    """in-toto attestation framework, spec/v1/statement.md: required fields and no others."""
    for leaf in logged[1]:
        statement = json.loads(Envelope.from_dict(json.loads(leaf)).payload)
        assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert urlsplit(statement["predicateType"]).scheme == "https"
        assert isinstance(statement["predicate"], dict)
        (subject,) = statement["subject"]  # a ResourceDescriptor: a digest, and here a name
        assert set(subject) == {"name", "digest"} and subject["name"]
        assert set(subject["digest"]) == {"sha256"} and len(bytes.fromhex(subject["digest"]["sha256"])) == 32
