"""Checks the leaves of one log in a packet: each by itself, its proof, and the checkpoint over all."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from controls.errors import IntegrityError
from controls.evidence import packet_files as f
from controls.evidence.rebuild import personal_of
from controls.ledger import records as r
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.findings import Findings
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, parse_checkpoint, verify_checkpoint
from controls.ledger.proof_file import ProofFile, verify_proof
from controls.ledger.tree import verify_consistency
from controls.ledger.trust import Trust
from controls.ledger.verify_checkpoints import NO_WITNESS
from controls.ledger.verify_leaves import Blob, LeafChecks, Withheld

#: Checks on a whole call, which a receipt does not hold.
WHOLE_CALL = ("numbers", "receipt", "cleared", "played")
#: Why nobody answers for a log.
UNKNOWN_KEY = "its key is neither in the trust file nor in a register whose key is"
BEFORE_ROTATION = "signed before a rotation: the earlier key is needed too"
_BROKEN = "checkpoint: signature does not hold"
#: Checks that rest on a part's checkpoint.
_ON_CHECKPOINT = ("proof", "consistency")
_OWN = (r.OriginOpened, r.OriginClosed, r.KeyCreated, r.KeyRetired)
_TOMBSTONES = (r.ErasureDone, r.RetentionExpired)


@dataclass(slots=True)
class Content:
    """The sealed content of a packet, as ``LeafChecks`` asks for it."""

    sealed: Mapping[str, bytes]
    opened: Mapping[str, f.OpenedContent]
    carries: bool
    opens: bool = True
    withheld: frozenset[str] = frozenset()

    def blob(self, ref: r.SealedRef) -> Blob | None:
        """Erased is what is neither sealed nor opened here; its tombstone must be, too."""
        if ref.artifact in self.sealed or not self.carries:
            return Blob(self.sealed.get(ref.artifact), erased=False)
        return Blob(None, erased=ref.artifact not in self.opened)

    def personal(self, record: r.Record) -> r.Personal | None:
        """As ``LeafChecks`` asks; in an audit packet everything is opened that is not erased or withheld."""
        found = personal_of(record, self.opened)
        if found is None and record.sealed is not None and record.sealed.artifact in self.withheld:
            raise Withheld
        if found is None and self.carries:
            raise IntegrityError("its content is not in opened.json, and it is not erased")
        return found


@dataclass(frozen=True, slots=True)
class CheckedPart:
    """A part whose leaves were walked.

    Attributes:
        signer: who signed its checkpoint; None when no key of the log valid there did.
        broken: its checkpoint is damaged, and what rests on it cannot be checked.
    """

    part: f.Part
    leaves: LeafChecks
    signer: VerifierKey | None
    broken: bool = False

    def vouched(self, trusted: Iterable[VerifierKey]) -> bool:
        """Whether one of these keys, or one announced by them, answers for every leaf here."""
        return self.signer is not None and self.signer in self.leaves.chain.vouched(trusted)

    def unknown(self, trust: Trust) -> str:
        """Why nobody trusted answers for it."""
        keys = trust.keys_of(checkpoint_name(self.leaves.origin))
        if any(link.key in keys for link in self.leaves.chain.links):
            return BEFORE_ROTATION
        return f"another key of this log is trusted; if {BEFORE_ROTATION}" if keys else UNKNOWN_KEY


def check_part(
    part: f.Part, findings: Findings, *, call: str | None, origin: str | None, content: Content
) -> CheckedPart | None:
    """Checks 3 to 8, 10, 11 and 13 to 17 on the leaves of one log.

    Args:
        call: the call the packet is about; None when its manifest cannot be read.
        origin: the log the part has to be of; None when nothing says so.

    Returns:
        None when nothing says which log it is.
    """
    checkpoint = _read_checkpoint(part, findings)
    said = _origin(part, origin, checkpoint)
    if said is None:
        return None
    found = Findings()
    leaves = LeafChecks(
        found, said, where=part.prefix, beside=None if part.prefix == f.REGISTER else content, whole=False
    )
    try:
        for leaf, envelope in part.every.items():
            record = leaves.add(leaf, envelope)
            if record is not None and not _belongs(part, leaf, record, call):
                found.fail("order", f"{part.name(leaf)}: does not belong here")
        leaves.finish()
    finally:
        leaves.close()
    broken = checkpoint is None or not _opens(checkpoint, leaves)
    if checkpoint is not None and not broken and origin not in (None, said):
        found.fail("order", f"{part.prefix}checkpoint: of another log")
    if checkpoint is None or broken:
        if checkpoint is not None:
            found.fail("signature", part.prefix + _BROKEN)
        for check in _ON_CHECKPOINT:
            found.note(check, broken_note(part))
    else:
        for leaf, envelope in part.every.items():
            _inclusion(part, leaf, envelope, found)
        _checkpoints(part, checkpoint, leaves, found)
    signer = None if checkpoint is None or broken else leaves.chain.signer_of(checkpoint)
    _merge(found, into=findings, without=() if content.carries else WHOLE_CALL)
    leaves.findings = findings
    return CheckedPart(part, leaves, signer, broken)


def broken_note(part: f.Part) -> str:
    """What is said of a check that rests on a checkpoint that is damaged."""
    return f"not checkable: the checkpoint {part.prefix}checkpoint does not hold"


def _read_checkpoint(part: f.Part, findings: Findings) -> Checkpoint | None:
    try:
        return parse_checkpoint(part.checkpoint)
    except IntegrityError as error:
        if part.checkpoint:  # else told as missing
            findings.fail("parse", f"{part.prefix}checkpoint: {error}")
        return None


def _origin(part: f.Part, expected: str | None, checkpoint: Checkpoint | None) -> str | None:
    """Which log most of what is here says it is: one file that is damaged does not make the others wrong."""
    told = [expected] if expected is not None else []
    if checkpoint is not None:
        told.append(checkpoint.origin.removeprefix(r.LOG_NAME))
    for envelope in part.own.values():
        try:
            told.append(read_leaf(parse_envelope(envelope).payload).origin)
        except IntegrityError:
            continue  # told where the leaf is checked
    return Counter(told).most_common(1)[0][0] if told else None


def _opens(checkpoint: Checkpoint, leaves: LeafChecks) -> bool:
    """Whether any key of the log, whenever it was valid, signed a checkpoint; True where no key is known."""
    links = leaves.chain.links
    return not links or any(_signed(checkpoint, link.key) for link in links)


def _signed(checkpoint: Checkpoint, key: VerifierKey) -> bool:
    try:
        verify_checkpoint(checkpoint, key)
    except IntegrityError:
        return False
    return True


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


def _checkpoints(part: f.Part, newest: Checkpoint, leaves: LeafChecks, findings: Findings) -> None:
    """Checks 4 and 11, for the checkpoints."""
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


def check_witnesses(parts: Mapping[str, CheckedPart], findings: Findings, trust: Trust | None) -> None:
    """Check 12: by the auditor's policy, never by keys in the packet.

    Asked of the call's log, and of the register where that log is trusted by it alone.
    """
    if trust is None:
        findings.note("witness", "not checked: no trust file")
        return
    if not trust.witnesses:
        findings.note("witness", f"not checked: the trust file names none ({NO_WITNESS})")
        return
    main, register = parts.get(""), parts.get(f.REGISTER)
    if main is not None:
        _witnessed(main, findings, trust)
    if main is None or register is None or trust.needed is None:
        return
    if main.vouched(trust.logs):
        told = "register: not asked for cosignatures, the policy names the key of the call's log itself"
        findings.note("witness", told)
    elif register.broken or register.vouched(trust.logs):
        _witnessed(register, findings, trust)


def _witnessed(checked: CheckedPart, findings: Findings, trust: Trust) -> None:
    part = checked.part
    if checked.broken:
        findings.note("witness", broken_note(part))
        return
    reached: list[str] = []
    cosigners: set[str] = set()
    failed = False
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
                failed = True
                continue
            if at is not None:
                findings.count("witness")
                by[witness] = at
        cosigners |= by.keys()
        if by and trust.quorum(by):
            reached.append(f"quorum reached over {checkpoint.size} leaves")
    where = f"{part.prefix.rstrip('/')}: " if part.prefix else ""
    if trust.needed is None:
        findings.note("witness", "the trust policy asks for no witness")
    elif reached:
        findings.note("witness", where + reached[0])
    elif part.prefix and not cosigners and not failed:
        findings.fail("witness", f"{where}no cosignature")
    else:
        findings.fail("witness", f"{where}no checkpoint here reaches the quorum of the trust policy")
