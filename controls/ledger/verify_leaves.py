"""Every check on single leaves, for whatever holds them: a database, published tiles, a packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from controls.errors import IntegrityError
from controls.ledger.envelope import (
    Envelope,
    Leaf,
    pae,
    read_leaf,
    subject_holds,
)
from controls.ledger.findings import Findings
from controls.ledger.key_chain import KeyChain
from controls.ledger.notes import VerifierKey
from controls.ledger.records import (
    CallOpened,
    ErasureDone,
    KeyCreated,
    KeyRetired,
    OriginClosed,
    OriginOpened,
    Personal,
    Record,
    SealedRef,
)
from controls.ledger.sealed import blob_digest
from controls.ledger.tree import Tree, leaf_hash
from controls.ledger.verify_calls import CallChecks
from controls.ledger.verify_encoding import is_canonical, split_envelope
from controls.ledger.verify_signatures import Claim, Signatures

#: Who mends what a kill left: these words stand in every note on such a state.
MENDS = "the next start"
#: Most leaves a gap is filled up with, so that the tree behind it stays aligned.
_GAP = 65_536
_NOTHING = leaf_hash(b"")


class Place(NamedTuple):
    """What a database says beside a leaf; it must be what the leaf says."""

    call: object
    n: object
    type: object


class Blob(NamedTuple):
    """A sealed artefact as it lies there; ``ciphertext`` may be of any type, or None when it is missing.

    Erased with a ciphertext: only the file of a large one is left.
    """

    ciphertext: object
    erased: bool


class Withheld(Exception):
    """Content that is there, sealed, and left unopened on purpose: whoever made it has said so."""


class Beside(Protocol):
    """What lies sealed beside the leaves.

    Attributes:
        carries: ciphertexts are part of what is verified: one that is missing is damage.
        opens: content can be opened here.
    """

    carries: bool
    opens: bool

    def blob(self, ref: SealedRef) -> Blob | None:
        """What is there of an artefact; None when nothing is known of it."""
        ...

    def personal(self, record: Record) -> Personal | None:
        """The content beside a record, checked against its HMAC; None when it is not to be had.

        Raises:
            IntegrityError: altered, or not of its record's kind.
            Withheld: it is not to be opened here.
        """
        ...


@dataclass(slots=True)
class LeafChecks:
    """Feed one log's leaves in order of their index, then ``finish``; what fails goes to ``findings``.

    Makes checks 3 to 8 and 13 to 17 (``findings.CHECKS``), and collects what the
    others need. With ``whole`` (a database, published tiles) the leaves are all
    of the log from 0 on: a gap is a finding, and ``tree`` grows. Without (a packet:
    one call's leaves, of one log) indices only rise, numbers are followed
    per call, and the caller checks inclusion proofs itself.

    Keys: feed leaf 0 (``origin.opened``) and the log's ``key.created`` and
    ``key.retired`` leaves in their places, or give ``first_key``.

    Example, a packet's leaves of one log::

        checks = LeafChecks(findings, origin, beside=opened_content, whole=False)
        try:
            for index, envelope in leaves:  # rising
                record = checks.add(index, envelope)  # None: cannot be read
            checks.finish()
        finally:
            checks.close()
        key = checks.chain.signer_of(checkpoint)  # None: not a key of this log
        vouched = checks.chain.vouched(trust.logs)

    Attributes:
        origin: the log's id (``o_…``); every leaf must name it.
        tenant: whose log it is; "" takes that of the first leaf.
        where: put before every finding, such as ``"o_… "`` where there are several logs.
        beside: sealed content, None where there is none at all.
        whole: see above.
        first_key: for leaf 0 that is not at hand or cannot be read.
        chain: the log's keys so far (after ``finish`` all of them).
        opening, closing: ``origin.opened`` at leaf 0; index and record of ``origin.closed``.
        embedded: leaf and base64 note of every checkpoint embedded in a ``call.opened``.
        sealed: artefact → the leaf that names it.
        erased: artefacts found erased → that leaf; ``settle`` asks for their tombstones.
        tombstones: artefact → the leaf of its (last) ``erasure.done``.
        last_erased: artefact and time (Unix s) of the newest of them.
        latest: the latest time (Unix s) of a record that was not appended later.
        register: what this log says about other logs and keys, with its leaf (tenant ``REGISTER``).
        unread: leaves that cannot be read.
    """

    findings: Findings
    origin: str
    tenant: str = ""
    where: str = ""
    beside: Beside | None = None
    whole: bool = True
    first_key: VerifierKey | None = None
    chain: KeyChain = field(init=False)
    tree: Tree = field(default_factory=Tree)
    count: int = 0
    opening: OriginOpened | None = None
    closing: tuple[int, OriginClosed] | None = None
    embedded: list[tuple[int, str]] = field(default_factory=list)
    sealed: dict[str, int] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    tombstones: dict[str, int] = field(default_factory=dict)
    last_erased: tuple[str, int] = ("", 0)
    latest: int = 0
    register: list[tuple[int, Record]] = field(default_factory=list)
    unread: set[int] = field(default_factory=set)
    calls: CallChecks = field(init=False)
    #: Key digest of the newest leaves' signer, and where its run of leaves begins.
    signed_by: list[tuple[int, str]] = field(default_factory=list)
    _next: int = 0
    _time: int = 0
    _jumped: int = 0
    _numbers: dict[object, int] = field(default_factory=dict)
    _signatures: Signatures = field(default_factory=Signatures)
    _unopened: int = 0

    def __post_init__(self) -> None:
        self.chain = KeyChain(self.origin)
        self.calls = CallChecks(self.findings, self.where)

    # -- one leaf -------------------------------------------------------------------------------

    def add(self, index: int, envelope: object, place: Place | None = None) -> Record | None:
        """Check one leaf.

        Args:
            envelope: its stored bytes (anything else is a finding).
            place: what the database says beside it.

        Returns:
            Its record, or None when it cannot be read.
        """
        self._follow(index)
        self.count += 1
        at = f"{self.where}record {index}"
        if not isinstance(envelope, bytes):
            self._grow(_NOTHING)
            self._lost(index, "parse", f"{at}: cannot be parsed", place)
            return None
        self._grow(leaf_hash(envelope))
        self.findings.count("parse")
        try:
            parts = split_envelope(envelope)
        except IntegrityError as error:
            self._lost(index, "parse", f"{at}: {error}", place)
            return None
        if not is_canonical(parts.payload):
            self.findings.fail("parse", f"{at}: not in its one encoding")
        try:
            leaf = read_leaf(parts.payload)
        except IntegrityError as error:
            self._signature(index, parts, None, at)
            self._lost(index, "schema", f"{at}: {error}", place)
            return None
        self.findings.count("schema")
        self._signature(index, parts, leaf, at)
        self._place(index, leaf, place, at)
        self._number(leaf.record, place, at)
        self.findings.count("subject")
        if not subject_holds(parts.payload, leaf):
            self.findings.fail("subject", f"{at}: subject")
        self._record(index, leaf.record, at)
        return leaf.record

    def _lost(self, index: int, check: str, what: str, place: Place | None) -> None:
        self.findings.fail(check, what)
        self.unread.add(index)
        if place is not None:
            self._number(None, place, f"{self.where}record {index}")
        if self.whole and index == 0 and not self.chain.links and self.first_key is not None:
            self.chain.give(self.first_key)

    def _follow(self, index: int) -> None:
        """Check 5, the gap; what stands twice or backwards is one too."""
        self.findings.count("order")
        if self.whole and index != self._next:
            until = f" to {index - 1}" if index - 1 > self._next else ""
            what = f"record {self._next}{until}: missing" if index > self._next else f"record {index}: twice"
            self.findings.fail("order", self.where + what)
            for _ in range(min(max(0, index - len(self.tree)), _GAP)):
                self.tree.append(_NOTHING)
        elif not self.whole and index < self._next:
            self.findings.fail("order", f"{self.where}record {index}: out of order")
        self._next = index + 1

    def _grow(self, hashed: bytes) -> None:
        if self.whole:
            self.tree.append(hashed)

    def _signature(self, index: int, parts: Envelope, leaf: Leaf | None, at: str) -> None:
        """Check 4, for a leaf; most are verified later, in other threads."""
        self.findings.count("signature")
        record = leaf.record if leaf is not None else None
        if not self.chain.links:
            opened = self.chain.open(record) if record is not None and index == 0 else None
            if opened is None and self.first_key is not None:
                self.chain.give(self.first_key)
        key = self.chain.at(parts.keyid)
        if key is None:
            self.findings.fail("signature", f"{at}: not signed by a key valid there")
            return
        if not self.signed_by or self.signed_by[-1][1] != parts.keyid:
            self.signed_by.append((index, parts.keyid))
        if leaf is not None and (leaf.signer.key, leaf.signer.role) != (parts.keyid, "log"):
            self.findings.fail("signature", f"{at}: names another signer than its key")
        claim = Claim(index, key.public, pae(parts.payload), parts.signature)
        if not isinstance(record, KeyCreated | KeyRetired):
            self._signatures.put(claim)
        elif not self._signatures.holds(claim):
            self.findings.fail("signature", f"{at}: signature")
        elif problem := self.chain.follow(index, record, key):
            self.findings.fail("signature", f"{at}: {problem}")

    def _place(self, index: int, leaf: Leaf, place: Place | None, at: str) -> None:
        """Check 5, the signed place; time is the writer's word, so a jump is only told."""
        record = leaf.record
        self.tenant = self.tenant or record.tenant
        beside = Place(getattr(record, "call", None), record.n, record.type)
        signed = (leaf.leaf, leaf.origin, record.tenant, place or beside)
        if signed != (index, self.origin, self.tenant, beside):
            self.findings.fail("order", f"{at}: its place is not the signed one")
        if self.closing is not None:
            self.findings.fail("order", f"{at}: stands behind origin.closed")
        if record.at < self._time and not record.recovered:
            self._jumped += 1
            if self._jumped == 1:
                self.findings.note("order", f"{at}: earlier than the one before it (the clock was set back)")
        if not record.recovered:
            self._time = record.at
            self.latest = max(self.latest, record.at)

    def _number(self, record: Record | None, place: Place | None, at: str) -> None:
        """Check 6."""
        call = place.call if place is not None else getattr(record, "call", None)
        n = place.n if place is not None else record.n if record is not None else None
        if call is None and not self.whole:
            return
        self.findings.count("numbers")
        expected = self._numbers.get(call, 0)
        if n != expected:
            self.findings.fail("numbers", f"{at}: number {n}, expected {expected}")
        self._numbers[call] = (n if isinstance(n, int) else expected) + 1

    def _record(self, index: int, record: Record, at: str) -> None:
        match record:
            case OriginOpened() if index == 0:
                self.opening = record
                if record.origin != self.origin:
                    self.findings.fail("order", f"{at}: opens another log")
            case OriginClosed() if record.origin == self.origin:
                self.closing = (index, record)
                if record.size != index + 1:
                    self.findings.fail("order", f"{at}: closes a log of {record.size} records")
            case OriginOpened() | OriginClosed() | KeyCreated() | KeyRetired():
                self.register.append((index, record))
            case CallOpened() if record.checkpoint is not None:
                self.embedded.append((index, record.checkpoint))
            case ErasureDone():
                self.tombstones[record.artifact] = index
                self.last_erased = (record.artifact, record.at)
        if index == 0 and self.whole and self.opening is None:
            self.findings.fail("order", f"{at}: a log begins with origin.opened")
        personal = self._sealed(index, record, at)
        self.calls.add(index, record, personal, at)

    # -- sealed content -------------------------------------------------------------------------

    def _sealed(self, index: int, record: Record, at: str) -> Personal | None:
        """Checks 13 and 14."""
        ref, model = record.sealed, type(record).personal
        if ref is None:
            return None
        if model is None or ref.kind != model.kind:
            self.findings.fail("schema", f"{at}: sealed content of another kind")
        if ref.artifact in self.sealed:
            self.findings.fail("sealed", f"{at}: artefact of another record")
        self.sealed[ref.artifact] = index
        if self.beside is None:
            return None
        blob = self.beside.blob(ref)
        if blob is not None and blob.erased:
            self.erased[ref.artifact] = index
            if blob.ciphertext is None:
                self.findings.count("sealed")
            elif self._there(ref, blob, at):
                self.findings.note("sealed", f"{at}: erased, its ciphertext file is left, {MENDS} deletes it")
            return None
        if self.beside.carries and not self._there(ref, blob, at):
            return None
        return self._opened(self.beside, record, at) if self.beside.opens else None

    def _there(self, ref: SealedRef, blob: Blob | None, at: str) -> bool:
        self.findings.count("sealed")
        if blob is None or blob.ciphertext is None:
            self.findings.fail("sealed", f"{at}: blob missing")
            return False
        if not isinstance(blob.ciphertext, bytes) or blob_digest(blob.ciphertext) != ref.digest:
            self.findings.fail("sealed", f"{at}: digest")
            return False
        return True

    def _opened(self, beside: Beside, record: Record, at: str) -> Personal | None:
        try:
            personal = beside.personal(record)
        except Withheld:
            self._unopened += 1
            return None
        except IntegrityError as error:
            self.findings.fail("opened", f"{at}: {error}")
            return None
        if personal is not None:
            self.findings.count("opened")
        elif beside.carries:
            self.findings.fail("opened", f"{at}: its key is gone, but its blob is still there")
        else:
            self._unopened += 1
        return personal

    # -- the end --------------------------------------------------------------------------------

    def finish(self) -> None:
        """Behind the last leaf: signatures still under way, and what holds for whole calls only."""
        for index in self._signatures.finish():
            self.findings.fail("signature", f"{self.where}record {index}: signature")
        if self._jumped > 1:
            self.findings.note(
                "order", f"{self.where}{self._jumped} records earlier than the one before them"
            )
        self.calls.finish()
        if self.beside is None:
            return
        if not self.beside.opens:
            self.findings.note("opened", "not checkable: no keys at hand")
            self.findings.note("receipt", "not checkable: no keys at hand")
        elif missing := len(self.erased) + self._unopened:
            told = f"{len(self.erased)} erased" if self.erased else f"{missing} not opened here"
            self.findings.note("opened", f"{told}, not checkable")
            self.findings.note("receipt", f"{told}, not checkable")

    def settle(self, elsewhere: Mapping[str, str] | None = None, *, cut_short: str = "") -> None:
        """Check 13, tombstones: here behind the record, or in a later log of the tenant.

        Args:
            elsewhere: artefact → where its tombstone stands, in the tenant's other logs.
            cut_short: the artefact whose erasure was not finished, as ``HouseChecks`` made sure.
        """
        elsewhere = elsewhere or {}
        for artifact, index in self.erased.items():
            if self.tombstones.get(artifact, -1) <= index and artifact not in elsewhere:
                self.findings.fail("sealed", f"{self.where}record {index}: erased without a tombstone")
        if self.beside is None or not self.beside.carries:
            return
        kept = (self.tombstones.keys() | elsewhere.keys()) & self.sealed.keys() - self.erased.keys()
        for artifact in sorted(kept, key=self.sealed.__getitem__):
            at = f"{self.where}record {self.sealed[artifact]}"
            if artifact == cut_short and artifact not in self.tombstones:
                self.findings.note("sealed", f"{at}: its erasure was cut short, {MENDS} finishes it")
            else:
                self.findings.fail("sealed", f"{at}: has a tombstone, but its blob is still there")

    def is_behind(self, leaf: object) -> bool:
        """Whether a database that speaks of this leaf speaks of one behind the last."""
        return isinstance(leaf, int) and leaf >= self._next

    def close(self) -> None:
        """End its threads, also when something was raised; may be repeated."""
        self._signatures.close()
