"""Checks a ledger's directory offline, step by numbered step (``findings.py``), and names what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.envelope import Leaf, parse_envelope, read_leaf, subject_holds, verify_envelope
from controls.ledger.findings import Findings, Report
from controls.ledger.log import log_directories
from controls.ledger.notes import Checkpoint, VerifierKey, key_digest, parse_checkpoint, verify_checkpoint
from controls.ledger.reader import LogView
from controls.ledger.records import (
    AgentPlayed,
    CallRecord,
    ClauseCleared,
    ErasureDone,
    Personal,
    PlayedDetails,
    Record,
    ReleaseBound,
)
from controls.ledger.sealed import blob_digest
from controls.ledger.storage import CheckpointRow, LeafRow
from controls.ledger.tree import Tree, leaf_hash, verify_consistency
from controls.ledger.writer import CHECKPOINT_FILE


def read_trust(path: Path) -> list[VerifierKey]:
    """The auditor's trust file: one verifier key a line, ``#`` begins a comment.

    Raises:
        OperatorError: it cannot be read, or a line is no key.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        raise OperatorError(f"{path} cannot be read as a trust file") from None
    keys = []
    for number, line in enumerate(lines, 1):
        if text := line.split("#")[0].strip():
            try:
                keys.append(VerifierKey.parse(text))
            except IntegrityError as error:
                raise OperatorError(f"{path}:{number}: {error}") from None
    return keys


def verify_directory(
    path: Path, trust: Path | Sequence[VerifierKey] | None = None, *, keys: Path | None = None
) -> Report:
    """Run every check on each log in a ledger's directory (or on one log's own).

    Args:
        trust: the auditor's keys, or their file.
        keys: directory of the key files, for what only their holder can check.

    Raises:
        OperatorError: no such directory, nothing in it, or a bad trust file. What
            is damaged is reported, not raised.
    """
    trusted = read_trust(trust) if isinstance(trust, Path) else trust
    directories = log_directories(path)
    lost = sorted(
        p.parent for p in (*path.glob(CHECKPOINT_FILE), *path.glob("*/" + CHECKPOINT_FILE))
        if p.parent not in directories
    )  # fmt: skip
    if not directories and not lost:
        raise OperatorError(f"{path} holds no ledger; give the directory with its logs")
    findings, origins = Findings(), []
    for directory in lost:
        findings.fail("files", f"{directory.name}: log.db is missing")
    for directory in directories:
        try:
            origins.append(_verify_log(directory, findings, trusted, keys))
        except (IntegrityError, LedgerError) as error:
            findings.fail("files", f"{directory.name}: {error}")
        except Exception as error:  # noqa: BLE001 - hostile input must end in a finding, not a traceback
            findings.fail("files", f"{directory.name}: cannot be read ({type(error).__name__})")
    if trusted is None:
        findings.note("issuer", "not authenticated: no trust file")
    checks = list(findings.checks())
    ok = all(c.ok for c in checks)
    return Report(checks, ok, ok and trusted is not None, findings.records, origins)


def _verify_log(
    directory: Path, findings: Findings, trusted: Sequence[VerifierKey] | None, keys: Path | None
) -> str:
    published = _published(directory, findings)  # before the snapshot, which then must cover it
    view = LogView(directory, keys)
    try:
        view.snapshot()
        for problem in view.problems():
            findings.fail("files", f"{directory.name}: {problem}")
        key = _issuer(view, findings, trusted)
        tree = _Leaves(view, key, findings).walk()
        _checkpoints(view.checkpoints(), published, key, tree, findings)
        findings.records += len(tree)
        return view.origin
    finally:
        view.close()


def _published(directory: Path, findings: Findings) -> bytes | None:
    try:
        return (directory / CHECKPOINT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        findings.fail("files", f"{directory.name}: checkpoint: {error.strerror}")
        return None


def _issuer(view: LogView, findings: Findings, trusted: Sequence[VerifierKey] | None) -> VerifierKey:
    claimed = view.verifier
    if trusted is None:
        return claimed
    ours = [k for k in trusted if k.name == claimed.name]
    if claimed not in ours:
        findings.fail("issuer", f"{view.origin}: its key is not in the trust file")
    return ours[0] if len(ours) == 1 else claimed


@dataclass(slots=True)
class _Leaves:
    """Walks one log's leaves once, for every check that concerns them."""

    view: LogView
    key: VerifierKey
    findings: Findings
    tree: Tree = field(default_factory=Tree)
    numbers: dict[str | None, int] = field(default_factory=dict)
    sealed: dict[str, int] = field(default_factory=dict)
    tombstones: dict[str, int] = field(default_factory=dict)
    cleared: dict[str, set[str]] = field(default_factory=dict)
    bound: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    unread: set[int] = field(default_factory=set)
    opens: bool = False
    erased: int = 0

    def walk(self) -> Tree:
        self.opens = self.view.has_keys()
        self.tombstones = dict(self._tombstones())
        for row in self.view.rows():
            self._row(row)
        for artifact, leaf in self.view.blobs():
            if self.sealed.get(artifact) != leaf and leaf not in self.unread:
                self.findings.fail("sealed", f"blob {artifact}: no record refers to it")
        for check in ("opened", "receipt"):
            if not self.opens:
                self.findings.note(check, "not checkable: no keys at hand")
            elif self.erased:
                self.findings.note(check, f"{self.erased} erased, not checkable")
        return self.tree

    def _tombstones(self) -> Iterator[tuple[str, int]]:
        for row in self.view.rows_of(ErasureDone.type):
            try:
                record = read_leaf(parse_envelope(row.envelope).payload).record
            except (IntegrityError, TypeError):
                continue  # reported when its turn comes
            if isinstance(record, ErasureDone):
                yield record.artifact, row.leaf

    def _row(self, row: LeafRow) -> None:
        where = f"record {row.leaf}"
        if row.leaf != len(self.tree):
            self.findings.fail("order", f"record {len(self.tree)}: missing")
            while len(self.tree) < row.leaf and len(self.tree) < self.view.size():
                self.tree.append(leaf_hash(b""))
        stored: object = row.envelope  # SQLite columns take any type
        if not isinstance(stored, bytes):
            self.findings.fail("parse", f"{where}: cannot be parsed")
            self.tree.append(leaf_hash(b""))
            self.unread.add(row.leaf)
            return
        self.tree.append(leaf_hash(row.envelope))
        self.findings.count("parse")
        expected = self.numbers.get(row.call, 0)
        if row.n != expected:
            self.findings.fail("numbers", f"{where}: number {row.n}, expected {expected}")
        self.numbers[row.call] = row.n + 1
        try:
            payload = parse_envelope(row.envelope).payload
        except IntegrityError as error:
            self.findings.fail("parse", f"{where}: {error}")
            self.unread.add(row.leaf)
            return
        self._signature(row, where)
        try:
            leaf = read_leaf(payload)
        except IntegrityError as error:
            self.findings.fail("schema", f"{where}: {error}")
            self.unread.add(row.leaf)
            return
        self._leaf(row, leaf, payload, where)

    def _signature(self, row: LeafRow, where: str) -> None:
        self.findings.count("signature")
        try:
            verify_envelope(row.envelope, self.key)
        except IntegrityError as error:
            self.findings.fail("signature", f"{where}: {error}")

    def _leaf(self, row: LeafRow, leaf: Leaf, payload: bytes, where: str) -> None:
        record = leaf.record
        if leaf.signer.key != key_digest(self.key.public):
            self.findings.fail("signature", f"{where}: names another signer than its key")
        call = getattr(record, "call", None)
        columns = (row.leaf, row.call, row.n, row.type, self.view.origin, self.view.tenant)
        if columns != (leaf.leaf, call, record.n, record.type, leaf.origin, record.tenant):
            self.findings.fail("order", f"{where}: its place is not the signed one")
        if not subject_holds(payload, leaf):
            self.findings.fail("subject", f"{where}: subject")
        personal = self._sealed(row, record, where)
        if isinstance(record, CallRecord):
            self._cleared(record, personal, where)

    def _sealed(self, row: LeafRow, record: Record, where: str) -> Personal | None:
        """Check 10 and, with keys, 11."""
        ref = record.sealed
        if ref is None:
            return None
        self.findings.count("sealed")
        if ref.artifact in self.sealed:
            self.findings.fail("sealed", f"{where}: artefact of another record")
        self.sealed[ref.artifact] = row.leaf
        blob = self.view.blob(ref.artifact)
        gone = blob is not None and blob.wrapped is None and blob.ciphertext is None
        if gone or ref.artifact in self.tombstones:
            self.erased += 1
            if not gone:
                self.findings.fail("sealed", f"{where}: has a tombstone, but its blob is still there")
            elif self.tombstones.get(ref.artifact, -1) <= row.leaf:
                self.findings.fail("sealed", f"{where}: erased without a tombstone")
            return None
        stored: object = blob and blob.ciphertext
        if stored is None:
            self.findings.fail("sealed", f"{where}: blob missing")
            return None
        if not isinstance(stored, bytes) or blob_digest(stored) != ref.digest:
            self.findings.fail("sealed", f"{where}: digest")
            return None
        return self._open(record, where) if self.opens else None

    def _open(self, record: Record, where: str) -> Personal | None:
        self.findings.count("opened")
        try:
            return self.view.personal(record)
        except IntegrityError as error:
            self.findings.fail("opened", f"{where}: {error}")
            return None

    def _cleared(self, record: CallRecord, personal: Personal | None, where: str) -> None:
        """Checks 12 and 13; what they rest on must stand in an earlier leaf."""
        if isinstance(record, ClauseCleared):
            self.cleared.setdefault(record.call, set()).add(record.clause)
        elif isinstance(record, ReleaseBound):
            phrases = self.bound.setdefault(record.call, {})
            for fixed in record.fixed:
                phrases.setdefault(fixed.phrase, set()).add(fixed.digest)
        elif isinstance(record, AgentPlayed) and record.samples:
            self.findings.count("cleared")
            digests = self.bound.get(record.call, {}).get(record.phrase or "", set())
            cleared = record.clause in self.cleared.get(record.call, set())
            if not cleared and not digests:
                self.findings.fail("cleared", f"{where}: played without an earlier clearance")
            if isinstance(personal, PlayedDetails):
                if not cleared and digests and blob_digest(personal.text.encode()) not in digests:
                    self.findings.fail("cleared", f"{where}: other words than release.bound cleared")
                self._receipt(personal, cleared, where)

    def _receipt(self, played: PlayedDetails, cleared: bool, where: str) -> None:
        self.findings.count("receipt")
        known = played.receipt_at_ns > 0 or not cleared
        if not known or played.receipt_at_ns > played.first_sample_at_ns:
            self.findings.fail("receipt", f"{where}: its first sample came before its receipt")


def _checkpoints(
    rows: Iterable[CheckpointRow], published: bytes | None, key: VerifierKey, tree: Tree, findings: Findings
) -> None:
    """Checks 2, 3, 8 and 9, for the checkpoints."""
    good: list[Checkpoint] = []
    for row in rows:
        where = f"checkpoint {row.size}"
        checkpoint = _checkpoint(row.note, where, key, tree, findings)
        if checkpoint is None:
            continue
        good.append(checkpoint)
        if row.size != checkpoint.size or row.frontier != tree.compact(checkpoint.size).to_bytes():
            findings.fail("root", f"{where}: size or frontier")
    if published is not None:
        checkpoint = _checkpoint(published, "published checkpoint", key, tree, findings)
        if checkpoint is not None:
            if checkpoint.size not in {c.size for c in good}:
                findings.fail("root", "published checkpoint: the log has lost its own copy")
            good.append(checkpoint)
    if not good:
        findings.fail("root", "no checkpoint covers the log")
        return
    good.sort(key=lambda c: c.size)
    for old, new in pairwise(good):
        findings.count("consistency")
        proof = tree.consistency(old.size, new.size) if old.size else []
        if not verify_consistency(old.size, new.size, old.root, new.root, proof):
            findings.fail("consistency", f"checkpoint {old.size} to {new.size}")
    if (open_end := len(tree) - good[-1].size) > 0:
        findings.note("root", f"{open_end} newest records not under a checkpoint yet")


def _checkpoint(
    note: bytes, where: str, key: VerifierKey, tree: Tree, findings: Findings
) -> Checkpoint | None:
    try:
        checkpoint = parse_checkpoint(note)
    except (IntegrityError, AttributeError, TypeError):
        findings.fail("parse", f"{where}: cannot be parsed")
        return None
    try:
        verify_checkpoint(checkpoint, key)
    except IntegrityError:
        findings.fail("signature", f"{where}: signature")
        return None
    findings.count("root")
    if checkpoint.size > len(tree):
        findings.fail("root", f"{where}: of {checkpoint.size} records, {len(tree)} are left")
        return None
    if tree.root(checkpoint.size) != checkpoint.root:
        findings.fail("root", f"{where}: root")
    return checkpoint
