"""What a packet's files are called and hold, and its manifest: a signed statement over every other file.

A packet holds leaves of up to three kinds of log, each in a *part* of the same form:
the call's own log at the top, ``register/``, and ``later/<origin>/`` for records
about the call that stand in a later period's log (who looked, what was erased).
Pure; nothing read here is believed before ``packet_check`` has looked at it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationError

from controls.errors import IntegrityError
from controls.ledger.envelope import (
    STATEMENT_TYPE,
    Signer,
    canonical,
    envelope_of,
    pae,
    parse_envelope,
    read_leaf,
)
from controls.ledger.keys import Signer as KeySigner
from controls.ledger.keys import node_name
from controls.ledger.notes import VerifierKey, key_digest, public_text
from controls.ledger.records import (
    ArtifactId,
    CallId,
    CallOpened,
    Closed,
    Count,
    OriginId,
    PublicKey,
    Seconds,
)
from controls.ledger.tree import HASH_SIZE

#: Version of everything in a packet but the page, which has its own.
FORMAT = 1
PREDICATE_TYPE = "https://sayso.dev/packet/v1"
INDEX, TRACE, OPENED, RELEASE, MANIFEST = (
    "index.html", "trace.json", "opened.json", "release.json", "manifest.json"
)  # fmt: skip
LIMITS, VERIFY = "LIMITS.md", "VERIFY.md"
REGISTER = "register/"

Kind = Literal["audit", "receipt"]
#: Files every packet of a kind has beside its parts.
REQUIRED: dict[str, frozenset[str]] = {
    "audit": frozenset({INDEX, TRACE, OPENED, LIMITS, VERIFY, MANIFEST}),
    "receipt": frozenset({INDEX, OPENED, LIMITS, VERIFY, MANIFEST}),
}
_OPTIONAL = {"audit": frozenset({RELEASE}), "receipt": frozenset[str]()}

_ORIGIN = r"o_[0-9A-HJKMNP-TV-Z]{16}"
_NUMBER = r"0|[1-9][0-9]{0,14}"
_PART = re.compile(
    rf"(?P<prefix>register/|later/{_ORIGIN}/|)(?:(?P<own>log/)?(?P<what>leaves|proofs)/(?P<leaf>{_NUMBER})"
    rf"(?P<end>\.json|\.tlog-proof)|consistency/(?P<size>{_NUMBER})\.txt|(?P<note>checkpoint|cosigned))\Z"
)
_SEALED = re.compile(r"sealed/(a_[0-9A-HJKMNP-TV-Z]{16})\.bin\Z")


# --- parts ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Part:
    """Leaves of one log, each with its proof under one checkpoint.

    Attributes:
        leaves: what the packet is about, by index: stored envelope bytes.
        own: the log's records about itself and its keys.
        proofs: ``.tlog-proof`` files of both.
        checkpoint: the signed note all of them are under.
        cosigned: an older note that witnesses signed, where ``checkpoint`` has no cosignature.
        consistency: path from the tree of that size to ``checkpoint``'s, as ``encode_path`` writes it.
    """

    prefix: str
    leaves: dict[int, bytes] = field(default_factory=dict)
    own: dict[int, bytes] = field(default_factory=dict)
    proofs: dict[int, bytes] = field(default_factory=dict)
    checkpoint: bytes = b""
    cosigned: bytes = b""
    consistency: dict[int, bytes] = field(default_factory=dict)

    @property
    def every(self) -> dict[int, bytes]:
        """All leaves, in order."""
        return dict(sorted({**self.own, **self.leaves}.items()))

    def name(self, leaf: int) -> str:
        """The file that holds a leaf."""
        folder = "leaves" if leaf in self.leaves else "log/leaves"
        return f"{self.prefix}{folder}/{leaf}.json"

    def proof_name(self, leaf: int) -> str:
        """The file that holds its proof."""
        folder = "proofs" if leaf in self.leaves else "log/proofs"
        return f"{self.prefix}{folder}/{leaf}.tlog-proof"

    def files(self) -> dict[str, bytes]:
        """The part as files."""
        made = {f"{self.prefix}checkpoint": self.checkpoint}
        if self.cosigned:
            made[f"{self.prefix}cosigned"] = self.cosigned
        for leaf, envelope in self.every.items():
            made[self.name(leaf)] = envelope
            made[self.proof_name(leaf)] = self.proofs[leaf]
        for size, path in self.consistency.items():
            made[f"{self.prefix}consistency/{size}.txt"] = path
        return made


def read_parts(files: Mapping[str, bytes], kind: Kind) -> tuple[dict[str, Part], dict[str, bytes], list[str]]:
    """Sort a packet's files.

    Returns:
        The parts by prefix, the sealed blobs by artefact, and the names of what does not belong.
    """
    parts: dict[str, Part] = {}
    sealed: dict[str, bytes] = {}
    strange: list[str] = []
    for name, data in files.items():
        if name in REQUIRED[kind] | _OPTIONAL[kind]:
            continue
        if kind == "audit" and (blob := _SEALED.match(name)):
            sealed[blob[1]] = data
        elif (found := _PART.match(name)) is None or not _place(
            parts.setdefault(found["prefix"], Part(found["prefix"])), found, data
        ):
            strange.append(name)
    return parts, sealed, strange


def _place(part: Part, found: re.Match[str], data: bytes) -> bool:
    match found["what"], found["end"]:
        case "leaves", ".json":
            (part.own if found["own"] else part.leaves)[int(found["leaf"])] = data
        case "proofs", ".tlog-proof":
            part.proofs[int(found["leaf"])] = data
        case None, None if found["size"]:
            part.consistency[int(found["size"])] = data
        case None, None:
            setattr(part, found["note"], data)
        case _:
            return False
    return True


def embedded(part: Part) -> list[bytes]:
    """The checkpoints that stand in its ``call.opened``: a call was not opened before them.

    Raises:
        IntegrityError: a leaf cannot be read.
    """
    records = (read_leaf(parse_envelope(envelope).payload).record for envelope in part.leaves.values())
    notes = (record.checkpoint for record in records if isinstance(record, CallOpened))
    return [base64.b64decode(note) for note in notes if note is not None]


def part_problems(part: Part) -> Iterator[str]:
    """What is missing from a part, or stands in it twice."""
    if not part.checkpoint:
        yield f"{part.prefix}checkpoint: missing"
    for leaf in part.leaves.keys() & part.own.keys():
        yield f"{part.name(leaf)}: stands in log/ too"
    leaves = part.every.keys()
    for leaf in sorted(leaves - part.proofs.keys()):
        yield f"{part.name(leaf)}: its proof is missing"
    for leaf in sorted(part.proofs.keys() - leaves):
        yield f"{part.prefix}proofs/{leaf}.tlog-proof: its leaf is missing"
    if 0 not in part.own:
        yield f"{part.prefix}log/leaves/0.json: missing"


def encode_path(path: Iterable[bytes]) -> bytes:
    """Hashes of a consistency proof, one a line in base64."""
    return b"".join(base64.b64encode(h) + b"\n" for h in path)


def decode_path(data: bytes) -> list[bytes]:
    """Read what ``encode_path`` wrote.

    Raises:
        IntegrityError: it is anything else.
    """
    try:
        path = [base64.b64decode(line, validate=True) for line in data.splitlines()]
    except binascii.Error:
        path = [b""]
    if any(len(h) != HASH_SIZE for h in path) or encode_path(path) != data:
        raise IntegrityError("cannot be parsed")
    return path


# --- opened content -------------------------------------------------------------------------------


class OpenedContent(Closed):
    """One artefact's plaintext and what its leaf's HMAC was made with.

    ``salt`` is 32 bytes in hexadecimal.
    """

    artifact: ArtifactId
    leaf: Count
    salt: str = Field(pattern=r"^[0-9a-f]{64}$")
    plaintext: str


class _OpenedFile(Closed):
    format: Literal[1]
    opened: tuple[OpenedContent, ...] = Field(max_length=20_000)


def write_opened(opened: Iterable[OpenedContent]) -> bytes:
    """``opened.json``, sorted by leaf."""
    listed = sorted(opened, key=lambda o: (o.leaf, o.artifact))
    return canonical({"format": FORMAT, "opened": [o.model_dump() for o in listed]})


def read_opened(data: bytes) -> dict[str, OpenedContent]:
    """Opened content by artefact.

    Raises:
        IntegrityError: it is not what ``write_opened`` writes.
    """
    try:
        found = _OpenedFile.model_validate_json(data).opened
    except ValidationError:
        raise IntegrityError("cannot be parsed") from None
    by_artifact = {o.artifact: o for o in found}
    if len(by_artifact) != len(found) or write_opened(found) != data:
        raise IntegrityError("cannot be parsed")
    return by_artifact


# --- manifest -------------------------------------------------------------------------------------


class Place(Closed):
    """Where a record stands."""

    origin: OriginId
    leaf: Count


class Manifest(Closed):
    """What the statement says of the packet. No names: who asked stands sealed at ``access``.

    Attributes:
        made_at: Unix time in s.
        access: the ``access.viewed`` that was on record before anything was opened.
        page: version of the page's rendering.
        withheld: content that is sealed here and not opened, because personal data was found in it.
        public: the key that signs, named by ``signer``.
    """

    format: Literal[1]
    kind: Kind
    call: CallId
    origin: OriginId
    made_at: Seconds
    made_by: str = Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$", description="Sayso's version")
    page: Count
    access: Place
    signer: Signer
    public: PublicKey
    withheld: tuple[ArtifactId, ...] = Field(default=(), max_length=20_000)

    @property
    def key(self) -> VerifierKey:
        """The key it says it is signed with."""
        raw = base64.b64decode(self.public)
        return VerifierKey(node_name(raw), raw)


class _File(Closed):
    name: str
    digest: dict[Literal["sha256"], str] = Field(min_length=1)


class _Statement(Closed):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[_File, ...] = Field(max_length=20_000)
    predicateType: Literal["https://sayso.dev/packet/v1"]  # noqa: N815 - in-toto names it so
    predicate: Manifest


@dataclass(frozen=True, slots=True)
class SignedManifest:
    """A manifest taken apart. ``files`` maps names to hex SHA-256; ``holds`` tells of the signature alone."""

    manifest: Manifest
    files: dict[str, str]
    holds: bool


def unsigned_manifest(fields: Mapping[str, Any], public: bytes) -> Manifest:
    """What a manifest says, to be signed with the key whose raw public half this is.

    Args:
        fields: of ``Manifest``, but ``format``, ``signer`` and ``public``.
    """
    return Manifest(
        format=FORMAT,
        signer=Signer(role="node", key=key_digest(public)),
        public=public_text(public),
        **fields,
    )


def write_manifest(files: Mapping[str, bytes], manifest: Manifest, signer: KeySigner) -> bytes:
    """The signed manifest over ``files``.

    Raises:
        LedgerError: the key cannot be used now.
    """
    none = {"withheld"} if not manifest.withheld else set()  # as packets without it always were
    payload = canonical(
        {
            "_type": STATEMENT_TYPE,
            "predicate": manifest.model_dump(mode="json", exclude=none),
            "predicateType": PREDICATE_TYPE,
            "subject": [{"digest": {"sha256": sha256(files[n])}, "name": n} for n in sorted(files)],
        }
    )
    (signature,) = signer.sign_statements([payload])
    return envelope_of(payload, manifest.signer.key, signature)


def read_manifest(data: bytes) -> SignedManifest:
    """Take a manifest apart and check its signature by the key it names itself.

    Raises:
        IntegrityError: it is no manifest, or not in its one encoding.
    """
    envelope = parse_envelope(data)
    try:
        statement = _Statement.model_validate_json(envelope.payload)
        again = canonical(json.loads(envelope.payload))
    except (ValidationError, ValueError, RecursionError):
        raise IntegrityError("cannot be parsed") from None
    files = {f.name: f.digest["sha256"] for f in statement.subject}
    if again != envelope.payload or list(files) != sorted(files) or len(files) != len(statement.subject):
        raise IntegrityError("cannot be parsed")
    manifest = statement.predicate
    named = key_digest(manifest.key.public)
    holds = (
        envelope.keyid == named == manifest.signer.key
        and manifest.signer.role == "node"
        and manifest.key.holds(pae(envelope.payload), envelope.signature)
    )
    return SignedManifest(manifest, files, holds)


def sha256(data: bytes) -> str:
    """Hex SHA-256."""
    return hashlib.sha256(data).hexdigest()
