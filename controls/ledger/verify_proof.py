"""Checks one leaf with its ``.tlog-proof`` file: all that a single record can show."""

from __future__ import annotations

from pathlib import Path

from controls.errors import IntegrityError, OperatorError
from controls.ledger.envelope import Envelope, pae, parse_envelope, read_leaf, subject_holds
from controls.ledger.findings import CHECKS, Findings, Report
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, key_digest, verify_checkpoint
from controls.ledger.proof_file import MAX_PROOF, ProofFile, verify_proof
from controls.ledger.tiles import MAX_ENTRY
from controls.ledger.trust import Trust

_CHECKED = ("files", "parse", "signature", "order", "schema", "subject", "proof", "witness", "issuer")


def verify_leaf(proof: Path, leaf: Path, trust: Path | Trust | None = None) -> Report:
    """Check that a leaf stands where its proof says, under a checkpoint of a log the auditor trusts.

    Args:
        proof: the ``.tlog-proof`` file.
        leaf: the leaf's stored bytes (a DSSE envelope).
        trust: what the auditor trusts, or the file that says so. Without it
            signatures cannot be checked: one leaf does not bring its log's key.

    Raises:
        OperatorError: a file cannot be read, or a bad trust file.
    """
    trusted = Trust.read(trust) if isinstance(trust, Path) else trust
    findings = Findings()
    findings.not_applicable("one record alone", *(name for name in CHECKS if name not in _CHECKED))
    data, stored = _read(proof, MAX_PROOF), _read(leaf, MAX_ENTRY)
    findings.count("files", 2)
    origins = _Alone(findings, trusted).check(data, stored)
    return findings.report(origins, authenticated=trusted is not None)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None


class _Alone:
    """One leaf's checks."""

    def __init__(self, findings: Findings, trust: Trust | None) -> None:
        self._findings = findings
        self._trust = trust

    def check(self, data: bytes, stored: bytes) -> list[str]:
        """Run them; returns the origin, if there is one."""
        fail = self._findings.fail
        try:
            proof = ProofFile.parse(data)
        except IntegrityError as error:
            fail("parse", f"proof: {error}")
            return []
        self._findings.records, at = 1, f"record {proof.index}"
        try:
            envelope = parse_envelope(stored)
        except IntegrityError as error:
            fail("parse", f"{at}: {error}")
            return []
        self._findings.count("parse", 2)
        self._findings.count("proof")
        try:
            checkpoint = verify_proof(proof, stored)
        except IntegrityError:
            fail("proof", f"{at}: does not stand there under the proof's checkpoint")
            return []
        origin = self._record(envelope, proof.index, checkpoint, at)
        self._signed(envelope, checkpoint, at)
        self._witnessed(checkpoint)
        return [origin] if origin else []

    def _record(self, envelope: Envelope, index: int, checkpoint: Checkpoint, at: str) -> str:
        try:
            leaf = read_leaf(envelope.payload)
        except IntegrityError as error:
            self._findings.fail("schema", f"{at}: {error}")
            return ""
        for check in ("order", "schema", "subject"):
            self._findings.count(check)
        if (leaf.leaf, checkpoint_name(leaf.origin)) != (index, checkpoint.origin):
            self._findings.fail("order", f"{at}: its place is not the signed one")
        if (leaf.signer.key, leaf.signer.role) != (envelope.keyid, "log"):
            self._findings.fail("signature", f"{at}: names another signer than its key")
        if not subject_holds(envelope.payload, leaf):
            self._findings.fail("subject", f"{at}: subject")
        return leaf.origin

    def _signed(self, envelope: Envelope, checkpoint: Checkpoint, at: str) -> None:
        if self._trust is None:
            self._findings.note("signature", "not checked: the log's key is not at hand without a trust file")
            self._findings.note("issuer", "not authenticated: no trust file")
            return
        keys = self._trust.keys_of(checkpoint.origin)
        if not keys:
            self._findings.fail("issuer", f"{checkpoint.origin}: its key is not in the trust file")
            return
        self._findings.count("issuer")
        self._findings.count("signature", 2)
        if not any(_holds(key, checkpoint) for key in keys):
            self._findings.fail("signature", f"checkpoint {checkpoint.size}: signature")
        signers = [key for key in keys if key_digest(key.public) == envelope.keyid]
        if not any(key.holds(pae(envelope.payload), envelope.signature) for key in signers):
            what = "signature" if signers else "not signed by a key of the trust file"
            self._findings.fail("signature", f"{at}: {what}")

    def _witnessed(self, checkpoint: Checkpoint) -> None:
        if self._trust is None or not self._trust.witnesses:
            self._findings.note("witness", "no witness in the trust file")
            return
        found = set()
        for name, key in self._trust.witnesses.items():
            try:
                at = cosigned_at(checkpoint, key)
            except IntegrityError as error:
                self._findings.fail("witness", f"checkpoint {checkpoint.size}: {error}")
                continue
            if at is not None:
                self._findings.count("witness")
                found.add(name)
        if not self._trust.quorum(found):
            self._findings.fail("witness", f"checkpoint {checkpoint.size}: short of the policy's quorum")


def _holds(key: VerifierKey, checkpoint: Checkpoint) -> bool:
    try:
        verify_checkpoint(checkpoint, key)
    except IntegrityError:
        return False
    return True
