"""Records to one group commit: numbers them, seals what is personal, signs, grows the tree.

Used by the log's writer thread alone. Nothing here counts until the storage
has committed: a batch is staged, and then accepted or forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controls.errors import IntegrityError, LedgerError
from controls.ids import new_id
from controls.ledger.envelope import envelope_of, parse_envelope, read_leaf, statement_of, verify_envelope
from controls.ledger.key_schedule import KEY_TYPES, KeySchedule, read_schedule
from controls.ledger.keys import Signer, Wrapping
from controls.ledger.notes import (
    Checkpoint,
    VerifierKey,
    checkpoint_text,
    key_digest,
    make_checkpoint,
    parse_checkpoint,
    parse_note,
    public_text,
    with_signatures,
)
from controls.ledger.records import (
    CallClosed,
    CallOpened,
    KeyCreated,
    KeyRetired,
    OriginClosed,
    Personal,
    Record,
    RetentionTag,
)
from controls.ledger.sealed import new_key, seal
from controls.ledger.storage import Batch, BlobRow, CheckpointRow, LeafRow, Storage
from controls.ledger.tree import CompactRange, leaf_hash

#: How an artefact of this kind, made at this Unix second, is to be kept.
Tagger = Callable[[str, int], RetentionTag]

#: Leaves a log begins with; nothing is served before a checkpoint covers them.
OWN = 2
#: Leaves hashed again when a log opens, besides all that no checkpoint covers.
TAIL = 4096
#: Calls whose counters and keys are kept in memory.
_REMEMBERED = 4096
_EVERYTHING = 2**62


def call_of(record: Record) -> str | None:
    """The call a record belongs to, or None."""
    call: str | None = getattr(record, "call", None)
    return call


@dataclass(slots=True)
class Staged:
    """A batch being put together, and the state that follows once it is durable."""

    batch: Batch
    frontier: CompactRange
    size: int
    unsigned: list[tuple[LeafRow, bytes]] = field(default_factory=list)
    numbers: dict[str | None, int] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    closes: bool = False


class Assembler:
    """The state of one log's end: size, tree, counters, keys."""

    def __init__(
        self,
        storage: Storage,
        *,
        origin: str,
        tenant: str,
        signer: Signer,
        wrapping: Wrapping,
        tagger: Tagger,
    ) -> None:
        self._storage = storage
        self._origin = origin
        self._tenant = tenant
        self._signer = signer
        self._digest = key_digest(signer.verifier.public)
        self.wrapping = wrapping
        self._tagger = tagger
        self._frontier = CompactRange()
        self._numbers: dict[str | None, int] = {}
        self._keys: dict[str, bytes] = {}
        #: Which of the log's keys signed what.
        self.schedule = KeySchedule(signer.verifier)
        #: Calls opened here whose end is not on record.
        self.calls: set[str] = set()
        #: The last leaf is the log's own ``origin.closed``.
        self.closed = False
        self.checkpoint: Checkpoint | None = None
        #: The newest checkpoint with witnesses' cosignatures.
        self.cosigned: Checkpoint | None = None

    @property
    def size(self) -> int:
        """Durable leaves."""
        return self._frontier.size

    # -- opening --------------------------------------------------------------------------------

    def load(self, published: Checkpoint | None, *, tail: int | None = None) -> None:
        """Take up the log's end, and check it.

        1. The log's keys follow from each other, and the newest one is the signer's.
        2. No checkpoint, stored or published, counts more leaves than there are.
        3. The newest checkpoints' signatures hold, by the key valid there.
        4. The last ``tail`` leaves (``TAIL`` by default) hash to their roots, and to the published one.
        5. Leaves no checkpoint covers carry their key's signature, our origin and numbers.

        Raises:
            IntegrityError: the log was rewound or altered.
            LedgerError: it cannot be read.
        """
        self.schedule = self._read_schedule()
        size = self._storage.size()
        newest = self._storage.checkpoint(_EVERYTHING)
        roots: dict[int, bytes] = {}
        if published is not None:
            self.schedule.verify(published)
        for known in (self._read(newest), published):
            if known is None:
                continue
            if known.size > size:
                raise IntegrityError(
                    f"the log was rewound: a checkpoint of {known.size} leaves exists, {size} are left"
                )
            if roots.setdefault(known.size, known.root) != known.root:
                raise IntegrityError(f"two checkpoints of {known.size} leaves differ")
        if newest is None and size > OWN:
            raise IntegrityError("the log holds leaves but no checkpoint")
        start = self._storage.checkpoint(max(0, size - (TAIL if tail is None else tail)))
        frontier = self._continue(start)
        if published is not None and published.size < frontier.size:
            self._match(published)
        self._replay(frontier, size, newest.size if newest else 0, roots)
        self._frontier, self.checkpoint = frontier, self._read(newest)
        self._numbers, self._keys = {}, {}
        self.calls = self._storage.open_calls()
        self.closed = any(self._is_end(row) for row in self._storage.leaves(size - 1, size))
        self.cosigned = self._cosigned(_EVERYTHING)

    def _cosigned(self, at_most: int) -> Checkpoint | None:
        note = self._storage.cosigned(at_most)
        return parse_checkpoint(note) if note is not None else None

    def _is_end(self, row: LeafRow) -> bool:
        if row.type != OriginClosed.type:
            return False
        record = read_leaf(parse_envelope(row.envelope).payload).record
        return isinstance(record, OriginClosed) and record.origin == self._origin

    def _read_schedule(self) -> KeySchedule:
        key = self._signer.verifier
        rows = self._storage.leaves_of(*KEY_TYPES)
        found = read_schedule(rows, origin=self._origin, name=key.name) or KeySchedule(key)
        if found.newest != key:
            raise IntegrityError("the log's own leaves name another key than the one it is written with")
        return found

    def _read(self, row: CheckpointRow | None) -> Checkpoint | None:
        if row is None:
            return None
        checkpoint = parse_checkpoint(row.note)
        self.schedule.verify(checkpoint)
        if checkpoint.size != row.size:
            raise IntegrityError(f"checkpoint {row.size}: size")
        return checkpoint

    def _continue(self, row: CheckpointRow | None) -> CompactRange:
        checkpoint = self._read(row)
        if row is None or checkpoint is None:
            return CompactRange()
        try:
            frontier = CompactRange.from_bytes(row.size, row.frontier)
        except ValueError:
            raise IntegrityError(f"checkpoint {row.size}: frontier") from None
        if frontier.root() != checkpoint.root:
            raise IntegrityError(f"checkpoint {row.size}: root")
        return frontier

    def _match(self, published: Checkpoint) -> None:
        stored = self._read(self._storage.checkpoint(published.size))
        if stored is None or (stored.size, stored.root) != (published.size, published.root):
            raise IntegrityError(f"the published checkpoint of {published.size} leaves is not this log's")

    def _replay(self, frontier: CompactRange, size: int, covered: int, roots: dict[int, bytes]) -> None:
        for row in self._storage.leaves(frontier.size, size):
            if row.leaf != frontier.size:
                raise IntegrityError(f"record {frontier.size}: missing")
            frontier.append(leaf_hash(row.envelope))
            if row.leaf >= covered:
                self._check(row)
            if roots.get(frontier.size, (root := frontier.root())) != root:
                raise IntegrityError(f"checkpoint {frontier.size}: root; a record before it was altered")
        if frontier.size != size:
            raise IntegrityError(f"record {frontier.size}: missing")

    def _check(self, row: LeafRow) -> None:
        try:
            leaf = read_leaf(verify_envelope(row.envelope, self.schedule.at(row.leaf)).payload)
        except IntegrityError as error:
            raise IntegrityError(f"record {row.leaf}: {error}") from None
        record = leaf.record
        found = (leaf.origin, leaf.leaf, record.type, call_of(record), record.n)
        if found != (self._origin, row.leaf, row.type, row.call, row.n):
            raise IntegrityError(f"record {row.leaf}: order")

    # -- a batch --------------------------------------------------------------------------------

    def stage(self) -> Staged:
        """Begin a batch."""
        return Staged(Batch(), self._frontier.copy(), self._frontier.size)

    def add(self, staged: Staged, record: Record, personal: Personal | None, *, at: int) -> int:
        """Put one record at the batch's end and return its leaf index.

        Raises:
            LedgerError: this record cannot be taken; the batch is as it was.
        """
        if record.tenant != self._tenant:
            raise LedgerError(f"{record.type}: another tenant's record")
        call = call_of(record)
        n = staged.numbers.get(call, self._numbers.get(call, -1))
        n = self._storage.next_n(call) if n < 0 else n
        leaf = staged.size
        update: dict[str, object] = {"at": at, "n": n, "sealed": None}
        blob = None
        if personal is not None:
            blob, update["sealed"] = self._seal(staged, record, personal, leaf, at)
        complete = record.model_copy(update=update)
        payload = statement_of(complete, origin=self._origin, key=self._digest, leaf=leaf)
        if blob is not None:
            staged.batch.blobs.append(blob)
        staged.unsigned.append((LeafRow(leaf, call, n, record.type, b""), payload))
        staged.size += 1
        staged.numbers[call] = n + 1
        if call is not None and isinstance(record, CallOpened):
            staged.opened.add(call)
        elif call is not None and isinstance(record, CallClosed):
            staged.ended.add(call)
        return leaf

    def add_rotation(self, staged: Staged, following: VerifierKey, *, at: int) -> None:
        """The present key's last two leaves: it announces the next one, and ends."""
        digest, public = key_digest(following.public), public_text(following.public)
        tenant, origin = self._tenant, self._origin
        created = KeyCreated(tenant=tenant, origin=origin, key=digest, public=public, role="log")
        self.add(staged, created, None, at=at)
        self.add(staged, KeyRetired(tenant=tenant, origin=origin, key=self._digest), None, at=at)
        staged.batch.meta["vkey"] = str(following)

    def add_end(self, staged: Staged, *, at: int) -> None:
        """The log's last leaf."""
        end = OriginClosed(tenant=self._tenant, origin=self._origin, size=staged.size + 1)
        self.add(staged, end, None, at=at)
        staged.closes = True

    def _seal(
        self, staged: Staged, record: Record, personal: Personal, leaf: int, at: int
    ) -> tuple[BlobRow, object]:
        expected = type(record).personal
        if expected is None or not isinstance(personal, expected):
            raise LedgerError(f"{record.type}: personal content of the wrong kind")
        artifact = new_id("a")
        # Records without a call share nobody's key: each is its own subject.
        subject = call_of(record) or artifact
        sealed = seal(
            personal.model_dump_json().encode(),
            artifact=artifact, kind=personal.kind, tag=self._tagger(personal.kind, at),
            subject_key=self._subject_key(staged, subject),
        )  # fmt: skip
        return BlobRow(artifact, leaf, subject, sealed.wrapped, sealed.ciphertext), sealed.ref

    def _subject_key(self, staged: Staged, subject: str) -> bytes:
        for keys in (staged.keys, self._keys):
            if subject in keys:
                return keys[subject]
        wrapped = self._storage.subject(subject)
        if wrapped is None:
            key = new_key()
            staged.batch.subjects[subject] = self.wrapping.wrap(key, name=subject)
        else:
            key = self.wrapping.unwrap(wrapped, name=subject)
        staged.keys[subject] = key
        return key

    def finish(self, staged: Staged) -> Batch:
        """The batch to commit, signed.

        Raises:
            LedgerError: the key cannot be used now.
        """
        signatures = self._signer.sign_statements([payload for _, payload in staged.unsigned])
        for (row, payload), signature in zip(staged.unsigned, signatures, strict=True):
            envelope = envelope_of(payload, self._digest, signature)
            staged.batch.leaves.append(row._replace(envelope=envelope))
            staged.frontier.append(leaf_hash(envelope))
        staged.unsigned.clear()
        return staged.batch

    def accept(self, staged: Staged) -> None:
        """The batch is durable: what was staged is now the log's end."""
        self._frontier = staged.frontier
        if len(self._numbers) > _REMEMBERED:
            self._numbers, self._keys = {}, {}
        self._numbers.update(staged.numbers)
        if len(self._keys) > _REMEMBERED:
            self._keys = {}
        self._keys.update(staged.keys)
        self.calls |= staged.opened
        self.calls -= staged.ended
        self.closed = self.closed or staged.closes

    # -- checkpoints ----------------------------------------------------------------------------

    def sign_checkpoint(self) -> tuple[Checkpoint, Batch]:
        """A checkpoint over every durable leaf, and the batch that keeps it.

        Signed only now: nobody is to hold a signature over leaves that a failing
        medium then lost. When the newest checkpoint covers them all, it is that one.

        Raises:
            LedgerError: the key cannot be used now.
        """
        frontier, key, signed = self._frontier, self._signer.verifier, self.checkpoint
        if signed is None or signed.size != frontier.size:
            root = frontier.root()
            signature = self._signer.sign_note(checkpoint_text(key.name, frontier.size, root))
            signed = make_checkpoint(key.name, frontier.size, root, key, signature)
        return signed, Batch(checkpoint=CheckpointRow(signed.size, signed.note, frontier.to_bytes()))

    # -- cosignatures ---------------------------------------------------------------------------

    def merge_cosigned(self, found: Checkpoint) -> Checkpoint:
        """The same checkpoint with every cosignature known for it.

        Raises:
            LedgerError: this log never signed that checkpoint.
        """
        row = self._storage.checkpoint(found.size)
        if row is None or row.size != found.size or parse_note(row.note)[0] != parse_note(found.note)[0]:
            raise LedgerError(f"a cosigned checkpoint of {found.size} leaves is not this log's")
        known = self._cosigned(found.size)
        if known is None or known.size != found.size:
            known = parse_checkpoint(row.note)
        return with_signatures(known, found.note.rpartition(b"\n\n")[2])
