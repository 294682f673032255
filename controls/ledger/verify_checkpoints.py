"""Checks on a log's checkpoints: signature, root, consistency, cosignatures, those embedded in calls."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from controls.errors import IntegrityError
from controls.ledger.findings import Findings
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import (
    COSIGNER,
    Checkpoint,
    VerifierKey,
    cosigned_at,
    parse_checkpoint,
    parse_note,
)
from controls.ledger.storage import CheckpointRow
from controls.ledger.tree import verify_consistency
from controls.ledger.trust import Trust
from controls.ledger.verify_leaves import LeafChecks

NO_WITNESS = "no witness: tamper-evident only to holders of an earlier checkpoint"


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint of the log that holds, and the key that signed it."""

    checkpoint: Checkpoint
    key: VerifierKey


@dataclass(slots=True)
class CheckpointChecks:
    """Checks 3, 4, 9, 11 and 12 on one log's checkpoints, behind its last leaf.

    Attributes:
        leaves: the log's finished leaf checks.
        good: checkpoints that hold, as they were fed.
        cosigned: those with cosignatures.
    """

    findings: Findings
    leaves: LeafChecks
    good: list[Signed] = field(default_factory=list)
    cosigned: list[Checkpoint] = field(default_factory=list)
    _known: dict[bytes, Checkpoint | None] = field(default_factory=dict)

    @property
    def newest(self) -> Signed | None:
        """The one over most leaves."""
        return max(self.good, key=lambda signed: signed.checkpoint.size, default=None)

    # -- feeding --------------------------------------------------------------------------------

    def stored(self, rows: Iterable[CheckpointRow]) -> None:
        """The checkpoints of a database, with the compact ranges that continue them."""
        tree = self.leaves.tree
        for row in rows:
            where = f"checkpoint {row.size}"
            checkpoint = self.add(row.note, where)
            if checkpoint is None:
                continue
            frontier = tree.compact(checkpoint.size).to_bytes()
            if row.size != checkpoint.size or row.frontier != frontier:
                self._fail("root", f"{where}: size or frontier")

    def published(self, note: bytes | None) -> None:
        """What was handed out last; the log must have its own copy."""
        if note is None:
            return
        own = {signed.checkpoint.size for signed in self.good}
        checkpoint = self.add(note, "published checkpoint")
        if checkpoint is not None and checkpoint.size not in own:
            self._fail("root", "published checkpoint: the log has lost its own copy")

    def with_witnesses(self, note: object, where: str = "cosigned checkpoint") -> None:
        """A checkpoint that witnesses cosigned."""
        checkpoint = self.add(note, where)
        if checkpoint is None:
            return
        if len(parse_note(checkpoint.note)[1]) < 2:
            self._fail("witness", f"{where} {checkpoint.size}: carries no cosignature")
        self.cosigned.append(checkpoint)

    def add(self, note: object, where: str, *, upto: int | None = None) -> Checkpoint | None:
        """Check one signed note against the log.

        Args:
            where: what it is called in a finding.
            upto: leaves it may count at most.

        Returns:
            The checkpoint, if it holds.
        """
        checkpoint = self._read(note, where)
        if checkpoint is None:
            return None
        key = self.leaves.chain.signer_of(checkpoint)
        if key is None:
            self._fail("signature", f"{where}: signature")
            return None
        self.findings.count("root")
        tree = self.leaves.tree
        if checkpoint.size > len(tree):
            self._fail("root", f"{where}: of {checkpoint.size} records, {len(tree)} are left")
            return None
        if upto is not None and checkpoint.size > upto:
            self._fail("root", f"{where}: counts records behind itself")
            return None
        if tree.root(checkpoint.size) != checkpoint.root:
            self._fail("root", f"{where}: root")
        self.good.append(Signed(checkpoint, key))
        return checkpoint

    def _read(self, note: object, where: str) -> Checkpoint | None:
        try:
            if not isinstance(note, bytes):
                raise IntegrityError("no bytes")
            return parse_checkpoint(note)
        except IntegrityError:
            self._fail("parse", f"{where}: cannot be parsed")
            return None

    def embedded(self, others: Mapping[str, CheckpointChecks]) -> None:
        """Check 9 on what ``call.opened`` embeds: a checkpoint of this log or of the one before it.

        Args:
            others: the logs verified together, by origin.
        """
        opening = self.leaves.opening
        before = opening.previous if opening is not None else None
        checked: dict[str, bool] = {}
        for leaf, text in self.leaves.embedded:
            where = f"record {leaf}: embedded checkpoint"
            checkpoint = self._read(_decoded(text), where) if text not in checked else None
            if checkpoint is None:
                continue
            checked[text] = True
            holder = self._holder(checkpoint.origin, before, others)
            if checkpoint.origin not in {checkpoint_name(o) for o in (self.leaves.origin, before) if o}:
                self._fail("root", f"{where}: of another log")
            elif holder is None:
                self.findings.note("root", f"{self.leaves.where}{where}: {before} is not here, not checked")
            else:
                upto = leaf if holder is self else None
                prefix = "" if holder is self else self.leaves.where
                holder.add(checkpoint.note, prefix + where, upto=upto)
                if len(parse_note(checkpoint.note)[1]) > 1:
                    holder.cosigned.append(checkpoint)

    def _holder(
        self, name: str, before: str | None, others: Mapping[str, CheckpointChecks]
    ) -> CheckpointChecks | None:
        if name == checkpoint_name(self.leaves.origin):
            return self
        return others.get(before) if before is not None else None

    # -- the end --------------------------------------------------------------------------------

    def finish(self) -> None:
        """Check 11, and what no checkpoint covers yet."""
        if not self.good:
            self._fail("root", "no checkpoint covers the log")
            return
        tree = self.leaves.tree
        found = sorted({(s.checkpoint.size, s.checkpoint.root) for s in self.good})
        for (old, old_root), (new, new_root) in pairwise(found):
            self.findings.count("consistency")
            proof = tree.consistency(old, new) if old else []
            if old and not verify_consistency(old, new, old_root, new_root, proof):
                self._fail("consistency", f"checkpoint {old} to {new}")
        if (open_end := len(tree) - found[-1][0]) > 0:
            self.findings.note(
                "root", f"{self.leaves.where}{open_end} newest records not under a checkpoint yet"
            )

    def witnesses(
        self, trust: Trust | None, registered: Iterable[bytes] = (), *, now: float | None = None
    ) -> None:
        """Check 12.

        Args:
            registered: public keys of witnesses found beside the records; they
                show whether cosignatures are intact, nothing more.
            now: Unix time in s the age is told at.
        """
        keys = dict(trust.witnesses) if trust is not None else {}
        best: tuple[int, int] | None = None
        for checkpoint in self.cosigned:
            found = self._cosigners(checkpoint, keys, list(registered))
            if found is None or trust is None or trust.needed is None or not trust.quorum(found):
                continue
            best = max(best or (0, 0), (checkpoint.size, max(found.values())))
        where = self.leaves.where
        if trust is None or not trust.witnesses:
            self._untrusted(trust)
        elif trust.needed is None:
            self.findings.note("witness", f"{where}the trust policy asks for no witness")
        elif best is None:
            self._fail("witness", "no checkpoint reaches the quorum of the trust policy")
        else:
            age = max(0, round((time.time() if now is None else now) - best[1]))
            unseen = len(self.leaves.tree) - best[0]
            what = f"quorum reached at {best[0]} records, cosigned {age} s ago"
            self.findings.note("witness", f"{where}{what}; no witness has seen the {unseen} newest records")

    def _untrusted(self, trust: Trust | None) -> None:
        if self.cosigned and trust is None:
            self.findings.note("witness", "cosignatures prove nothing without a trust file")
        self.findings.note("witness", NO_WITNESS)

    def _cosigners(
        self, checkpoint: Checkpoint, trusted: Mapping[str, VerifierKey], registered: list[bytes]
    ) -> dict[str, int] | None:
        """The trusted witnesses on a checkpoint, with their times; None when one does not hold."""
        where = f"cosigned checkpoint {checkpoint.size}"
        found: dict[str, int] = {}
        lines = parse_note(checkpoint.note)[1]
        known = {(key.name, key.hash) for key in self.leaves.chain.at_size(checkpoint.size)}
        beside = [VerifierKey(line.name, public, COSIGNER) for line in lines for public in registered]
        for name, key in (*trusted.items(), *((None, key) for key in beside)):
            known.add((key.name, key.hash))
            try:
                at = cosigned_at(checkpoint, key)
            except IntegrityError:
                self._fail("witness", f"{where}: the cosignature of {key.name} does not hold")
                return None
            if at is None:
                continue
            self.findings.count("witness")
            if name is not None:
                found[name] = at
        if unknown := sum((line.name, line.key_hash) not in known for line in lines):
            what = f"{where}: {unknown} by witnesses that neither trust file nor register names, not checked"
            self.findings.note("witness", self.leaves.where + what)
        return found

    def _fail(self, check: str, what: str) -> None:
        self.findings.fail(check, self.leaves.where + what)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
