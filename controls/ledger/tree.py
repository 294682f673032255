"""RFC 6962 Merkle tree: hashes, roots, inclusion and consistency proofs. Pure.

Hashes are SHA-256 (RFC 6962, section 2.1; verification as RFC 9162, sections
2.1.3.2 and 2.1.4.2). ``CompactRange`` is what a writer needs (log n hashes),
``Tree`` what somebody needs who proves (every complete subtree). Who finds
complete subtrees elsewhere (``prover.py``: in tiles) proves with the functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

#: Bytes of one hash.
HASH_SIZE = 32
#: Root of the tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()
#: ``subtree(height, index)``: root of the ``index``-th complete subtree of 2**height leaves.
Subtree = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf's stored bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """Largest power of two smaller than ``size`` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


class CompactRange:
    """The roots of the complete subtrees a tree of ``size`` leaves falls into, largest first."""

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Continue from a stored range.

        Raises:
            ValueError: when the number or length of hashes does not fit ``size``.
        """
        self._hashes = list(hashes)
        self.size = size
        if size < 0 or len(self._hashes) != size.bit_count():
            raise ValueError("compact range: number of hashes does not fit the size")
        if any(len(h) != HASH_SIZE for h in self._hashes):
            raise ValueError("compact range: hash of a wrong length")

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> CompactRange:
        """Read what ``to_bytes`` wrote.

        Raises:
            ValueError: when it does not fit ``size``.
        """
        return cls(size, (data[i : i + HASH_SIZE] for i in range(0, len(data), HASH_SIZE)))

    def to_bytes(self) -> bytes:
        """The hashes, largest subtree first, 32 bytes each."""
        return b"".join(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._hashes.pop(), leaf)
            size >>= 1
        self._hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Root of the tree with ``size`` leaves."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> CompactRange:
        """An independent copy."""
        return CompactRange(self.size, self._hashes)


class Tree:
    """Every complete subtree of a growing tree, so that any proof costs O(log² n)."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        level = 0
        self._levels[0].append(leaf)
        while len(self._levels[level]) % 2 == 0:
            left, right = self._levels[level][-2:]
            level += 1
            if level == len(self._levels):
                self._levels.append([])
            self._levels[level].append(node_hash(left, right))

    def root(self, size: int | None = None) -> bytes:
        """Root over the first ``size`` leaves (all of them when None).

        Raises:
            ValueError: when there are fewer.
        """
        size = len(self) if size is None else size
        _need(0 <= size <= len(self))
        return root_of(self.subtree, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Audit path of leaf ``index`` in the tree of ``size`` leaves, from the leaf up.

        Raises:
            ValueError: when ``index`` or ``size`` lies outside the tree.
        """
        _need(size <= len(self))
        return inclusion_path(self.subtree, index, size)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Proof that the tree of ``old`` leaves is a prefix of the tree of ``new`` leaves.

        Raises:
            ValueError: unless 1 <= old <= new <= len(self).
        """
        _need(new <= len(self))
        return consistency_path(self.subtree, old, new)

    def subtree(self, height: int, index: int) -> bytes:
        """Root of the ``index``-th complete subtree of 2**height leaves.

        Raises:
            IndexError: when it is not complete yet.
        """
        return self._levels[height][index]

    def compact(self, size: int) -> CompactRange:
        """The compact range of the first ``size`` leaves.

        Raises:
            ValueError: when there are fewer.
        """
        _need(0 <= size <= len(self))
        hashes, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                hashes.append(self._levels[level][start >> level])
                start += 1 << level
        return CompactRange(size, hashes)


def _need(holds: bool) -> None:
    if not holds:
        raise ValueError("index or size outside the tree")


def _range_root(subtree: Subtree, start: int, end: int) -> bytes:
    size = end - start
    if size & (size - 1) == 0:  # `start` is a multiple of `size` for every range asked for
        height = size.bit_length() - 1
        return subtree(height, start >> height)
    middle = start + _split(size)
    return node_hash(_range_root(subtree, start, middle), _range_root(subtree, middle, end))


def root_of(subtree: Subtree, size: int) -> bytes:
    """Root of the tree of ``size`` leaves whose complete subtrees ``subtree`` knows."""
    return _range_root(subtree, 0, size) if size else EMPTY_ROOT


def inclusion_path(subtree: Subtree, index: int, size: int) -> list[bytes]:
    """Audit path of leaf ``index`` in the tree of ``size`` leaves, from the leaf up.

    Raises:
        ValueError: unless 0 <= index < size.
    """
    _need(0 <= index < size)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_root(subtree, middle, end))
            end = middle
        else:
            path.append(_range_root(subtree, start, middle))
            start = middle
    return path[::-1]


def consistency_path(subtree: Subtree, old: int, new: int) -> list[bytes]:
    """Proof that the tree of ``old`` leaves is a prefix of the tree of ``new`` leaves.

    Raises:
        ValueError: unless 1 <= old <= new.
    """
    _need(1 <= old <= new)
    path: list[bytes] = []
    start, end, whole = 0, new, True
    while old < end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range_root(subtree, middle, end))
            end = middle
        else:
            path.append(_range_root(subtree, start, middle))
            start, whole = middle, False
    if not whole:
        path.append(_range_root(subtree, start, end))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` proves that hash ``leaf`` stands at ``index`` of the tree with ``root``."""
    if not 0 <= index < size or len(leaf) != HASH_SIZE:
        return False
    node, last, result = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(step, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, step)
        node >>= 1
        last >>= 1
    return last == 0 and result == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether ``path`` proves that the tree with ``old_root`` is a prefix of that with ``new_root``."""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = list(path)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            second = node_hash(second, step)
        node >>= 1
        last >>= 1
    return last == 0 and first == old_root and second == new_root
