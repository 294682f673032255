"""Logs made leaf by leaf without a writer, so that each of its rules can be broken on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.envelope import Role, envelope_of, pae, statement_of
from controls.ledger.findings import Findings
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import (
    COSIGNER,
    Checkpoint,
    VerifierKey,
    cosignature_line,
    key_digest,
    parse_note,
    public_text,
    sign_checkpoint,
    with_signatures,
)
from controls.ledger.tree import Tree, leaf_hash
from controls.ledger.verify_checkpoints import CheckpointChecks
from controls.ledger.verify_leaves import LeafChecks
from controls.ledger.verify_register import VerifiedLog
from tests.controls.ledger.support import TENANT
from tests.controls.ledger.tile_folders import files_of, write_files

AT = 1_900_000_000


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


class Forged:
    """A log in memory, signed with whatever key is given; it begins with ``origin.opened``."""

    def __init__(self, tenant: str = TENANT, *, begun: bool = True, **opening: Any) -> None:
        self.origin, self.tenant = new_id("o"), tenant
        self.key = Ed25519PrivateKey.generate()
        self.envelopes: list[bytes] = []
        self.tree = Tree()
        self._numbers: dict[str | None, int] = {}
        if begun:
            self.add(self.opening(**opening))

    def opening(self, **fields: Any) -> r.OriginOpened:
        raw = public(self.key)
        return r.OriginOpened(
            tenant=self.tenant, key=key_digest(raw), public=public_text(raw), origin=self.origin, **fields
        )

    def created(self, key: Ed25519PrivateKey, **fields: Any) -> r.KeyCreated:
        raw = public(key)
        made = {"tenant": self.tenant, "role": "log", "origin": self.origin, **fields}
        return r.KeyCreated(key=key_digest(raw), public=public_text(raw), **made)

    def retired(self, key: Ed25519PrivateKey) -> r.KeyRetired:
        return r.KeyRetired(tenant=self.tenant, key=key_digest(public(key)), origin=self.origin)

    def verifier(self, key: Ed25519PrivateKey | None = None) -> VerifierKey:
        return VerifierKey(checkpoint_name(self.origin), public(key or self.key))

    def add(
        self, record: r.Record, *, key: Ed25519PrivateKey | None = None, leaf: int | None = None,
        n: int | None = None, origin: str | None = None, role: Role = "log", names: str | None = None,
        at: int = AT,
    ) -> int:  # fmt: skip
        """One more leaf; every argument overrides what an honest writer would put there."""
        key, index = key or self.key, len(self.envelopes)
        call = getattr(record, "call", None)
        number = self._numbers.get(call, 0) if n is None else n
        self._numbers[call] = number + 1
        record = record.model_copy(update={"n": number, "at": record.at or at, "tenant": record.tenant})
        digest = key_digest(public(key))
        payload = statement_of(
            record, origin=origin or self.origin, key=names or digest, leaf=index if leaf is None else leaf,
            role=role,
        )  # fmt: skip
        self.raw(envelope_of(payload, digest, key.sign(pae(payload))))
        return index

    def raw(self, envelope: bytes) -> None:
        self.envelopes.append(envelope)
        self.tree.append(leaf_hash(envelope))

    def cut(self) -> None:
        """Take the last leaf off."""
        self.envelopes.pop()
        self.tree = Tree(map(leaf_hash, self.envelopes))

    def rotate(self) -> None:
        following = Ed25519PrivateKey.generate()
        self.add(self.created(following))
        self.add(self.retired(self.key))
        self.key = following

    def checkpoint(self, size: int | None = None, key: Ed25519PrivateKey | None = None) -> Checkpoint:
        size = len(self.envelopes) if size is None else size
        return sign_checkpoint(checkpoint_name(self.origin), size, self.tree.root(size), key or self.key)

    # -- verified -------------------------------------------------------------------------------

    def leaves(self, findings: Findings, **options: Any) -> LeafChecks:
        checks = LeafChecks(findings, self.origin, **options)
        for index, envelope in enumerate(self.envelopes):
            checks.add(index, envelope)
        checks.finish()
        return checks

    def verified(self, findings: Findings, *notes: Checkpoint) -> VerifiedLog:
        """Fed to its end, under these checkpoints (one over all of it by default)."""
        leaves = self.leaves(findings, where=f"{self.origin} ")
        checkpoints = CheckpointChecks(findings, leaves)
        for note in notes or (self.checkpoint(),):
            checkpoints.add(note.note, f"checkpoint {note.size}")
        return VerifiedLog(self.origin, leaves, checkpoints)

    def publish(self, folder: Path, *, cosigned: Checkpoint | None = None) -> None:
        files = files_of(self.envelopes) | {"checkpoint": self.checkpoint().note}
        write_files(folder, files | ({"cosigned": cosigned.note} if cosigned else {}))


class ForgedWitness:
    """A witness's key, without its rules."""

    def __init__(self, name: str = "witness.example") -> None:
        self.private = Ed25519PrivateKey.generate()
        self.key = VerifierKey(name, public(self.private), COSIGNER)

    def cosign(self, checkpoint: Checkpoint, *, at: int = AT) -> Checkpoint:
        text, _ = parse_note(checkpoint.note)
        return with_signatures(checkpoint, cosignature_line(text, self.key, at, self.private))


def failures(findings: Findings) -> dict[str, str]:
    """Check → what it says, of those that failed."""
    return {c.name: c.detail for c in findings.checks() if not c.ok}


def details(findings: Findings) -> dict[str, str]:
    """Check → what it says."""
    return {c.name: c.detail for c in findings.checks()}


def changed(data: bytes, at: int, by: int = 1) -> bytes:
    """The same bytes but for one."""
    return data[:at] + bytes([data[at] ^ by]) + data[at + 1 :]
