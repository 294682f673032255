"""Checks the leaves of one log in a packet: each by itself, its proof, and the checkpoint over all."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controls.errors import IntegrityError
from controls.evidence import packet_files as f
from controls.evidence.rebuild import personal_of
from controls.ledger import records as r
from controls.ledger.findings import Findings
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, parse_checkpoint
from controls.ledger.proof_file import ProofFile, verify_proof
from controls.ledger.tree import verify_consistency
from controls.ledger.trust import Trust
from controls.ledger.verify_checkpoints import NO_WITNESS
from controls.ledger.verify_leaves import Blob, LeafChecks

#: Checks on a whole call, which a receipt does not hold.
WHOLE_CALL = ("numbers", "receipt", "cleared", "played")
_OWN = (r.OriginOpened, r.OriginClosed, r.KeyCreated, r.KeyRetired)
_TOMBSTONES = (r.ErasureDone, r.RetentionExpired)


@dataclass(slots=True)
class Content:
    """The sealed content of a packet, as ``LeafChecks`` asks for it."""

    sealed: Mapping[str, bytes]
    opened: Mapping[str, f.OpenedContent]
    carries: bool
    opens: bool = True

    def blob(self, ref: r.SealedRef) -> Blob | None:
        """Erased is what is neither sealed nor opened here; its tombstone must be, too."""
        if ref.artifact in self.sealed or not self.carries:
            return Blob(self.sealed.get(ref.artifact), erased=False)
        return Blob(None, erased=ref.artifact not in self.opened)

    def personal(self, record: r.Record) -> r.Personal | None:
        """As ``LeafChecks`` asks; in an audit packet everything that is not erased is opened."""
        found = personal_of(record, self.opened)
        if found is None and self.carries:
            raise IntegrityError("its content is not in opened.json, and it is not erased")
        return found


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part whose leaves were walked. ``signer`` signed its checkpoint; None when no key of the log did."""

    part: f.Part
    leaves: LeafChecks
    checkpoint: Checkpoint
    signer: VerifierKey | None

    def vouched(self, trusted: Iterable[VerifierKey]) -> bool:
        """Whether one of these keys, or one announced by them, answers for every leaf here."""
        return self.signer is not None and self.signer in self.leaves.chain.vouched(trusted)


def check_part(
    part: f.Part, findings: Findings, *, call: str | None, origin: str | None, content: Content
) -> CheckedPart | None:
    """Checks 3 to 8, 10, 11 and 13 to 17 on the leaves of one log.

    Args:
        call: the call the packet is about; None when its manifest cannot be read.
        origin: the log the part has to be of; None when nothing says so.

    Returns:
        None when there is no checkpoint that can be read.
    """
    try:
        checkpoint = parse_checkpoint(part.checkpoint)
    except IntegrityError as error:
        if part.checkpoint:  # else told as missing
            findings.fail("parse", f"{part.prefix}checkpoint: {error}")
        return None
    if origin is not None and checkpoint.origin != checkpoint_name(origin):
        findings.fail("order", f"{part.prefix}checkpoint: of another log")
    found = Findings()
    leaves = LeafChecks(
        found, checkpoint.origin.removeprefix(r.LOG_NAME), where=part.prefix,
        beside=None if part.prefix == f.REGISTER else content, whole=False,
    )  # fmt: skip
    try:
        for leaf, envelope in part.every.items():
            record = leaves.add(leaf, envelope)
            if record is not None and not _belongs(part, leaf, record, call):
                found.fail("order", f"{part.name(leaf)}: does not belong here")
            _inclusion(part, leaf, envelope, found)
        leaves.finish()
    finally:
        leaves.close()
    signer = _checkpoints(part, checkpoint, leaves, found)
    _merge(found, into=findings, without=() if content.carries else WHOLE_CALL)
    leaves.findings = findings
    return CheckedPart(part, leaves, checkpoint, signer)


def _merge(found: Findings, *, into: Findings, without: Iterable[str]) -> None:
    for check in without:
        for kept in (found.failed, found.notes, found.counted):
            kept.pop(check, None)
        into.notes[check] = ["not applicable: a receipt does not hold the whole call"]
    for check, failed in found.failed.items():
        into.failed.setdefault(check, []).extend(failed)
    for check, notes in found.notes.items():
        into.notes.setdefault(check, []).extend(notes)
    for check, number in found.counted.items():
        into.counted[check] = into.counted.get(check, 0) + number


def _belongs(part: f.Part, leaf: int, record: r.Record, call: str | None) -> bool:
    """Whether a leaf is in the folder where such leaves are, and of this call."""
    if leaf in part.own or part.prefix == f.REGISTER:
        return isinstance(record, _OWN)
    return isinstance(record, _TOMBSTONES) or call is None or getattr(record, "call", None) == call


def _inclusion(part: f.Part, leaf: int, envelope: bytes, findings: Findings) -> None:
    """Check 10."""
    if leaf not in part.proofs:
        return  # told as missing
    name = part.proof_name(leaf)
    findings.count("proof")
    try:
        proof = ProofFile.parse(part.proofs[leaf])
    except IntegrityError as error:
        findings.fail("parse", f"{name}: {error}")
        return
    if proof.index != leaf or proof.checkpoint != part.checkpoint or proof.extra:
        findings.fail("proof", f"{name}: of another leaf or checkpoint")
    try:
        verify_proof(proof, envelope)
    except IntegrityError:
        findings.fail("proof", f"{name}: {part.name(leaf)} is not under its checkpoint")


def _checkpoints(
    part: f.Part, newest: Checkpoint, leaves: LeafChecks, findings: Findings
) -> VerifierKey | None:
    """Checks 4 and 11, for the checkpoints; returns who signed the part's own."""
    older: dict[str, Checkpoint] = {}
    if part.cosigned:
        try:
            older[f"{part.prefix}cosigned"] = parse_checkpoint(part.cosigned)
        except IntegrityError as error:
            findings.fail("parse", f"{part.prefix}cosigned: {error}")
    for leaf, note in leaves.embedded:
        embedded = parse_checkpoint(base64.b64decode(note))
        name = f"{part.name(leaf)}: embedded checkpoint"
        if embedded.origin == newest.origin:
            older[name] = embedded
        else:
            findings.note("consistency", f"{name}: of another log, not checked")
    for name, checkpoint in {f"{part.prefix}checkpoint": newest, **older}.items():
        findings.count("signature")
        if leaves.chain.signer_of(checkpoint) is None:
            findings.fail("signature", f"{name}: signature")
    for name, checkpoint in older.items():
        _consistent(part, name, checkpoint, newest, findings)
    for size in sorted(part.consistency.keys() - {c.size for c in older.values()}):
        findings.fail("files", f"{part.prefix}consistency/{size}.txt: proves nothing that is here")
    return leaves.chain.signer_of(newest)


def _consistent(part: f.Part, name: str, old: Checkpoint, new: Checkpoint, findings: Findings) -> None:
    """Check 11."""
    if old.size == 0:
        return  # the empty tree is a prefix of every one
    findings.count("consistency")
    try:
        path = f.decode_path(part.consistency.get(old.size, b""))
    except IntegrityError as error:
        findings.fail("parse", f"{part.prefix}consistency/{old.size}.txt: {error}")
        return
    if not verify_consistency(old.size, new.size, old.root, new.root, path):
        findings.fail("consistency", f"{name}: not proven to be a prefix of {part.prefix}checkpoint")


def check_witnesses(part: f.Part, findings: Findings, trust: Trust | None) -> None:
    """Check 12: by the auditor's policy, never by keys in the packet."""
    if trust is None or not trust.witnesses:
        findings.note("witness", f"not checked: the trust file names none ({NO_WITNESS})")
        return
    reached: list[str] = []
    for name, note in (("checkpoint", part.checkpoint), ("cosigned", part.cosigned)):
        try:
            checkpoint = parse_checkpoint(note)
        except IntegrityError:
            continue  # told where it was parsed
        by: dict[str, int] = {}
        for witness, key in trust.witnesses.items():
            try:
                at = cosigned_at(checkpoint, key)
            except IntegrityError as error:
                findings.fail("witness", f"{part.prefix}{name}: {error}")
                continue
            if at is not None:
                findings.count("witness")
                by[witness] = at
        if by and trust.quorum(by):
            reached.append(f"quorum reached over {checkpoint.size} leaves")
    if trust.needed is None:
        findings.note("witness", "the trust policy asks for no witness")
    elif reached:
        findings.note("witness", reached[0])
    else:
        findings.fail("witness", "no checkpoint here reaches the quorum of the trust policy")
