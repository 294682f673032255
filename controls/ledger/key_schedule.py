"""Which of a log's keys is valid at which leaf, read from the log's own leaves. Pure.

Leaf 0 (``origin.opened``) carries the first key. Each key announces the next one
(``key.created``) and then ends (``key.retired``); both leaves are its own, every
later one is its successor's. A checkpoint is signed by the key of the last leaf
under it (the one that follows may, behind a rotation that a crash cut short).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable

from controls.errors import IntegrityError
from controls.ledger.envelope import parse_envelope, read_leaf, verify_envelope
from controls.ledger.notes import Checkpoint, VerifierKey, key_digest, verify_checkpoint
from controls.ledger.records import KeyCreated, KeyRetired, OriginOpened, Record
from controls.ledger.storage import LeafRow

#: Types of the leaves that say which key is valid.
KEY_TYPES = (OriginOpened.type, KeyCreated.type, KeyRetired.type)


class KeySchedule:
    """A log's keys, each with the leaf from which on it signs."""

    def __init__(self, first: VerifierKey) -> None:
        self._starts = [(0, first)]

    @property
    def newest(self) -> VerifierKey:
        """The key that signs now."""
        return self._starts[-1][1]

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key the log ever had, the newest last."""
        return tuple(key for _, key in self._starts)

    def follow(self, leaf: int, key: VerifierKey) -> None:
        """From ``leaf`` on, this key signs."""
        self._starts.append((leaf, key))

    def at(self, leaf: int) -> VerifierKey:
        """The key that signs this leaf."""
        return next(key for start, key in reversed(self._starts) if start <= max(0, leaf))

    def verify(self, checkpoint: Checkpoint) -> None:
        """Check that the key of the last leaf under it signed a checkpoint, or the one that follows there.

        (A crash may destroy a retired key before it has signed the checkpoint over its own end.)

        Raises:
            IntegrityError: neither did.
        """
        last, following = self.at(checkpoint.size - 1), self.at(checkpoint.size)
        try:
            verify_checkpoint(checkpoint, last)
        except IntegrityError:
            if following == last:
                raise
            verify_checkpoint(checkpoint, following)


def read_schedule(rows: Iterable[LeafRow], *, origin: str, name: str) -> KeySchedule | None:
    """Follow a log's keys through its leaves of ``KEY_TYPES``, each checked by the key valid there.

    Args:
        origin: ``o_…`` of the log.
        name: what its checkpoints (and so its keys) are called.

    Returns:
        None when there is no leaf 0.

    Raises:
        IntegrityError: a leaf does not hold, or does not follow.
    """
    schedule: KeySchedule | None = None
    announced: VerifierKey | None = None
    for row in rows:
        if schedule is None:
            first = _record(row, None)
            if row.leaf != 0 or not isinstance(first, OriginOpened) or first.origin != origin:
                raise IntegrityError("the log does not begin with its own origin.opened")
            schedule = KeySchedule(_key(name, first.public, first.key))
            _record(row, schedule.newest)
            continue
        record = _record(row, schedule.at(row.leaf))
        current = key_digest(schedule.newest.public)
        match record:
            case KeyCreated(role="log", public=str(public)) if record.origin == origin:
                if record.key != current:
                    announced = _key(name, public, record.key)
            case KeyRetired() if record.origin == origin and record.key == current:
                if announced is None:
                    raise IntegrityError(f"record {row.leaf}: the log's key ends and none follows")
                schedule.follow(row.leaf + 1, announced)
                announced = None
            case _:
                pass
    return schedule


def _record(row: LeafRow, key: VerifierKey | None) -> Record:
    try:
        envelope = verify_envelope(row.envelope, key) if key else parse_envelope(row.envelope)
        return read_leaf(envelope.payload).record
    except IntegrityError as error:
        raise IntegrityError(f"record {row.leaf}: {error}") from None


def _key(name: str, public: str, digest: str) -> VerifierKey:
    key = VerifierKey(name, base64.b64decode(public))
    if key_digest(key.public) != digest:
        raise IntegrityError(f"{name}: a key's digest is not its own")
    return key
