"""One leaf: an in-toto Statement v1 in a DSSE envelope, signed with Ed25519. Pure.

The payload is RFC 8785 canonical JSON, made once. What is signed, stored and
hashed are those bytes; to verify, the stored bytes are used and nothing is
serialised again (DSSE protocol, in-toto attestation framework v1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import rfc8785
from pydantic import ConfigDict, Field, ValidationError

from controls.errors import IntegrityError, LedgerError
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.records import RECORDS, Closed, Digest, Record

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_PREFIX = "https://sayso.dev/record/v1/"
#: Largest predicate in bytes; larger content is sealed and referenced. (A
#: release.bound with its 60 fixed phrases takes about 12 kB.)
MAX_PREDICATE = 8_192
#: Largest leaf in bytes: a C2SP entry bundle gives its length in 16 bits.
MAX_LEAF = 65_535

#: Who signs: a log its leaves, a node what it hands out (an audit packet's manifest).
Role = Literal["log", "node"]


class Signer(Closed):
    """Who signed, inside the signed bytes; DSSE's own ``keyid`` is outside them."""

    role: Role
    key: Digest


class Predicate(Closed):
    """What a statement says: one record of one log.

    ``leaf`` is its place there, counted from 0 by the writer.
    """

    leaf: int = Field(ge=0)
    origin: str = Field(pattern=r"^o_[0-9A-HJKMNP-TV-Z]{16}$")
    signer: Signer
    record: dict[str, Any]


class _Subject(Closed):
    name: str = Field(pattern=r"^(record|a_[0-9A-HJKMNP-TV-Z]{16})$")
    digest: dict[Literal["sha256"], str] = Field(min_length=1)


class _Statement(Closed):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[_Subject] = Field()
    predicateType: str = Field(pattern=r"^https://sayso\.dev/record/v1/[a-z_.]{1,64}$")  # noqa: N815 - in-toto names it so
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class Leaf:
    """A parsed leaf. ``subject`` is the hex SHA-256 its subject names; ``leaf`` its signed place."""

    origin: str
    signer: Signer
    record: Record
    subject_name: str
    subject: str
    leaf: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope taken apart, nothing in it believed yet."""

    payload: bytes
    keyid: str
    signature: bytes


def pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding of our payload type."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


#: Compact JSON with sorted keys: RFC 8785 for what is ``_plain`` and ASCII.
_COMPACT = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
#: Integers beyond are no JSON numbers of RFC 8785 (I-JSON, RFC 7493).
_INTEGERS = 1 << 53


def _plain(value: Any) -> bool:
    """Whether it holds dictionaries, lists, strings, booleans, nulls and ordinary integers alone."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-_INTEGERS < value < _INTEGERS)
    if kind is dict:
        for key, inner in value.items():
            if type(key) is not str or (type(inner) is not str and not _plain(inner)):
                return False
        return True
    if kind is list:
        return all(map(_plain, value))
    return False


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    The standard library's encoder makes a record's, ten times as fast, where the
    two cannot differ: RFC 8785 sorts keys by UTF-16 code units and writes
    numbers as ECMAScript does.

    Raises:
        LedgerError: when it holds something JSON cannot.
    """
    if _plain(value) and (text := _COMPACT.encode(value)).isascii():
        return text.encode()
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, TypeError):
        raise LedgerError("a record holds a value that JSON cannot") from None


def envelope_of(payload: bytes, keyid: str, signature: bytes) -> bytes:
    """The stored bytes of a signed statement: the one encoding that is accepted."""
    return (
        b'{"payload":"' + base64.b64encode(payload)
        + b'","payloadType":"' + PAYLOAD_TYPE.encode()
        + b'","signatures":[{"keyid":"' + keyid.encode()
        + b'","sig":"' + base64.b64encode(signature) + b'"}]}'
    )  # fmt: skip


#: Bytes of an envelope around its payload's base64: keyid 71, signature 88.
_AROUND = len(envelope_of(b"", "k" * 71, bytes(64)))


def predicate_subject(predicate: bytes) -> str:
    """Hex digest that names a record with nothing sealed: of its predicate's canonical bytes."""
    return hashlib.sha256(predicate).hexdigest()


def statement_of(record: Record, *, origin: str, key: str, leaf: int, role: Role = "log") -> bytes:
    """Make the payload that is signed.

    Args:
        key: ``key_digest`` of the signer's public key.
        leaf: the record's place in its log.

    Raises:
        LedgerError: the record is larger than a leaf may be.
    """
    body = record.model_dump(mode="json", exclude_none=True)
    signer = {"key": key, "role": role}
    predicate = {"leaf": leaf, "origin": origin, "record": body, "signer": signer}
    encoded = canonical(predicate)
    if len(encoded) > MAX_PREDICATE:
        raise LedgerError(f"{record.type}: predicate of {len(encoded)} bytes, allowed are {MAX_PREDICATE}")
    if record.sealed is not None:
        name, subject = record.sealed.artifact, record.sealed.digest.removeprefix("sha256:")
    else:
        name, subject = "record", predicate_subject(encoded)
    # Keys in RFC 8785 order around the predicate's own canonical bytes.
    payload = b"".join((
        b'{"_type":"', STATEMENT_TYPE.encode(), b'","predicate":', encoded,
        b',"predicateType":"', PREDICATE_PREFIX.encode(), record.type.encode(),
        b'","subject":[{"digest":{"sha256":"', subject.encode(), b'"},"name":"', name.encode(), b'"}]}',
    ))  # fmt: skip
    if (size := _AROUND + -(-len(payload) // 3) * 4) > MAX_LEAF:
        raise LedgerError(f"{record.type}: leaf of {size} bytes, allowed are {MAX_LEAF}")
    return payload


def parse_envelope(data: bytes) -> Envelope:
    """Take a leaf's stored bytes apart.

    Only the one encoding we write is accepted, so that no byte outside the
    signature (white space, unused base64 bits) can change unseen.

    Raises:
        IntegrityError: when it is anything else.
    """
    try:
        outer = json.loads(data)
        (signature,) = outer["signatures"]
        envelope = Envelope(
            base64.b64decode(outer["payload"], validate=True),
            str(signature["keyid"]),
            base64.b64decode(signature["sig"], validate=True),
        )
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        raise IntegrityError("cannot be parsed") from None
    if envelope_of(envelope.payload, envelope.keyid, envelope.signature) != data:
        raise IntegrityError("cannot be parsed")
    return envelope


def verify_envelope(data: bytes, key: VerifierKey) -> Envelope:
    """Check the signature over the stored payload bytes.

    Raises:
        IntegrityError: ``cannot be parsed`` or ``signature``.
    """
    envelope = parse_envelope(data)
    if envelope.keyid != key_digest(key.public) or not key.holds(pae(envelope.payload), envelope.signature):
        raise IntegrityError("signature")
    return envelope


def read_leaf(payload: bytes) -> Leaf:
    """Read a statement into its record, by the closed schema of its type.

    Raises:
        IntegrityError: ``schema``: a field, type or value no record of ours has.
    """
    try:
        statement = _Statement.model_validate_json(payload)
        kind = RECORDS[statement.predicateType.removeprefix(PREDICATE_PREFIX)]
        record = kind.model_validate(statement.predicate.record)
    except (ValidationError, KeyError):
        raise IntegrityError("schema") from None
    (subject,) = statement.subject
    found = statement.predicate
    return Leaf(found.origin, found.signer, record, subject.name, subject.digest["sha256"], found.leaf)


def subject_holds(payload: bytes, leaf: Leaf) -> bool:
    """Whether the subject names the sealed ciphertext, or else the predicate's stored bytes."""
    if leaf.record.sealed is not None:
        sealed = leaf.record.sealed
        return (leaf.subject_name, "sha256:" + leaf.subject) == (sealed.artifact, sealed.digest)
    start = payload.find(b'"predicate":') + len(b'"predicate":')
    end = payload.rfind(b',"predicateType":')
    return leaf.subject_name == "record" and leaf.subject == predicate_subject(payload[start:end])
