"""What is done to a log besides appending: destroy again what came back erased, wrap keys anew."""

from __future__ import annotations

import re
from collections.abc import Iterable

from controls.ledger.envelope import parse_envelope
from controls.ledger.keys import Wrapping
from controls.ledger.records import ErasureDone
from controls.ledger.storage import ERASING, Batch, LeafRow, Storage

#: Subjects wrapped anew, or artefacts destroyed, in one transaction.
CHUNK = 500

#: The type of a tombstone's leaf.
TOMBSTONE = ErasureDone.type
_ARTIFACT = re.compile(rb'"artifact":"(a_[0-9A-HJKMNP-TV-Z]{16})"')


def erased_by(tombstones: Iterable[LeafRow]) -> set[str]:
    """The artefacts these leaves say were erased.

    Raises:
        IntegrityError: one cannot be parsed.
    """
    found = (_ARTIFACT.search(parse_envelope(row.envelope).payload) for row in tombstones)
    return {match[1].decode() for match in found if match}


def destroy_again(storage: Storage, erased: Iterable[str]) -> int:
    """Destroy the erased artefacts that are there again, or still; returns how many.

    From a back-up, or because an erasure from a closed log was cut short: then it is finished here.
    """
    revived = [artifact for artifact in sorted(erased) if storage.holds(artifact)]
    for start in range(0, len(revived), CHUNK):
        storage.commit(Batch(erase=revived[start : start + CHUNK]))
    if storage.meta().get(ERASING):
        storage.commit(Batch(meta={ERASING: ""}))
    return len(revived)


def rewrap_some(storage: Storage, following: Wrapping, after: str) -> tuple[int, str | None]:
    """Wrap the keys of the subjects behind ``after`` anew, as many as one transaction takes.

    Args:
        following: wraps under the new key, and opens what either key wrapped.

    Returns:
        How many, and where to go on; None at the end.

    Raises:
        IntegrityError: a key opens under neither.
    """
    found = storage.subjects(after, CHUNK)
    batch = Batch(
        rewrapped={
            subject: following.wrap(following.unwrap(wrapped, name=subject), name=subject)
            for subject, wrapped in found
        }
    )
    if found:
        storage.commit(batch)
    return len(found), found[-1][0] if len(found) == CHUNK else None
