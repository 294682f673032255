"""Which keys may sign a log, at which of its places: leaf 0 names the first, rotations the others."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from controls.errors import IntegrityError
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import Checkpoint, VerifierKey, key_digest, verify_checkpoint
from controls.ledger.records import KeyCreated, KeyRetired, OriginOpened, Record


@dataclass(frozen=True, slots=True)
class Link:
    """A key of the log, the leaf that brought it (-1: given from outside), and the key that announced it."""

    key: VerifierKey
    leaf: int
    by: VerifierKey | None


@dataclass(slots=True)
class KeyChain:
    """A log's keys in order of its leaves.

    ``origin.opened`` (leaf 0) names the first, by itself; ``key.created`` of role
    ``log``, signed by a key valid there, adds one from the next leaf on;
    ``key.retired`` ends one behind itself. Whether any of them is to be *trusted*
    is decided outside (``vouched``).
    """

    origin: str
    links: list[Link] = field(default_factory=list)
    _valid: dict[str, VerifierKey] = field(default_factory=dict)
    #: (size of the tree from which on, keys valid for its checkpoint and its next leaf)
    _history: list[tuple[int, dict[str, VerifierKey]]] = field(default_factory=list)

    def give(self, key: VerifierKey) -> None:
        """Take ``key`` as valid from the start: where leaf 0 is not at hand or cannot be read."""
        self._add(key, -1, None, size=0)

    def at(self, digest: str) -> VerifierKey | None:
        """The key valid for the next leaf that has this ``key_digest``."""
        return self._valid.get(digest)

    @property
    def present(self) -> list[VerifierKey]:
        """The keys valid behind the last leaf, oldest first."""
        return list(self._valid.values())

    def at_size(self, size: int) -> list[VerifierKey]:
        """The keys that may sign the checkpoint of the first ``size`` leaves, oldest first.

        Those valid for its last leaf, and those valid behind it: a rotation's
        second leaf may end a batch that the retired key still signs.
        """
        return list({**self._until(size - 1), **self._until(size)}.values())

    def _until(self, size: int) -> dict[str, VerifierKey]:
        place = bisect_right(self._history, size, key=lambda entry: entry[0])
        return self._history[place - 1][1] if place else {}

    def open(self, record: Record) -> VerifierKey | None:
        """The first key, as an unverified leaf 0 names it; it must have signed that leaf itself."""
        if not isinstance(record, OriginOpened) or record.origin != self.origin or self._valid:
            return None
        key = _key(self.origin, record.public)
        if key is None or key_digest(key.public) != record.key:
            return None
        self._add(key, 0, None, size=0)
        return key

    def follow(self, leaf: int, record: Record, by: VerifierKey) -> str | None:
        """Take a verified leaf into account; returns what is wrong with it, if anything.

        Args:
            by: the key that signed it, valid there.
        """
        if isinstance(record, KeyCreated):
            return self._created(leaf, record, by)
        if isinstance(record, KeyRetired) and record.origin == self.origin:
            if record.key not in self._valid:
                return "retires a key that was not valid"
            if len(self._valid) == 1:
                return "retires the only key"
            self._valid.pop(record.key)
            self._remember(leaf + 1)
        return None

    def _created(self, leaf: int, record: KeyCreated, by: VerifierKey) -> str | None:
        if record.role != "log" or record.origin != self.origin:
            return None
        key = _key(self.origin, record.public)
        if key is None or key_digest(key.public) != record.key:
            return "its key is not the one it names"
        if record.key in self._valid:
            return None
        if any(link.key == key for link in self.links):
            return "brings a retired key back"
        self._add(key, leaf, by, size=leaf + 1)
        return None

    def _add(self, key: VerifierKey, leaf: int, by: VerifierKey | None, *, size: int) -> None:
        self._valid[key_digest(key.public)] = key
        self.links.append(Link(key, leaf, by))
        self._remember(size)

    def _remember(self, size: int) -> None:
        self._history.append((size, dict(self._valid)))

    def vouched(self, trusted: Iterable[VerifierKey]) -> set[VerifierKey]:
        """Those of its keys that are trusted, or announced by one that is."""
        found = set(trusted)
        for link in self.links:
            if link.by in found:
                found.add(link.key)
        return found & {link.key for link in self.links}

    def signer_of(self, checkpoint: Checkpoint) -> VerifierKey | None:
        """Which key valid at its size signed a checkpoint; None when none of them did."""
        for key in reversed(self.at_size(checkpoint.size)):
            try:
                verify_checkpoint(checkpoint, key)
            except IntegrityError:
                continue
            return key
        return None


def _key(origin: str, public: str | None) -> VerifierKey | None:
    try:
        raw = base64.b64decode(public or "", validate=True)
    except ValueError:
        return None
    return VerifierKey(checkpoint_name(origin), raw) if len(raw) == 32 else None
