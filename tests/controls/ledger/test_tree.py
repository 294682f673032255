"""The Merkle tree against a naive model of RFC 6962, section 2.1."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.ledger.tree import (
    EMPTY_ROOT,
    CompactRange,
    Tree,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)


def naive_root(data: list[bytes]) -> bytes:
    """MTH as the RFC writes it."""
    if not data:
        return hashlib.sha256().digest()
    if len(data) == 1:
        return hashlib.sha256(b"\0" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\1" + naive_root(data[:k]) + naive_root(data[k:])).digest()


def naive_path(index: int, data: list[bytes]) -> list[bytes]:
    """PATH as the RFC writes it."""
    if len(data) == 1:
        return []
    k = 1
    while k * 2 < len(data):
        k *= 2
    if index < k:
        return [*naive_path(index, data[:k]), naive_root(data[k:])]
    return [*naive_path(index - k, data[k:]), naive_root(data[:k])]


def naive_proof(old: int, data: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF as the RFC writes it."""
    if old == len(data):
        return [] if whole else [naive_root(data)]
    k = 1
    while k * 2 < len(data):
        k *= 2
    if old <= k:
        return [*naive_proof(old, data[:k], whole), naive_root(data[k:])]
    return [*naive_proof(old - k, data[k:], False), naive_root(data[:k])]


leaves = st.lists(st.binary(max_size=4), min_size=1, max_size=70)


def test_known_root_of_three_leaves() -> None:
    # Worked by hand from the RFC: root = H(1, H(1, a, b), c) over leaf hashes.
    a, b, c = (hashlib.sha256(b"\0" + x).digest() for x in (b"a", b"b", b"c"))
    left = hashlib.sha256(b"\1" + a + b).digest()
    assert Tree(map(leaf_hash, (b"a", b"b", b"c"))).root() == hashlib.sha256(b"\1" + left + c).digest()
    assert Tree().root() == CompactRange().root() == EMPTY_ROOT


@given(leaves)
def test_every_root_agrees(data: list[bytes]) -> None:
    tree, grown = Tree(map(leaf_hash, data)), CompactRange()
    for size, item in enumerate(data):
        assert tree.root(size) == grown.root() == naive_root(data[:size])
        assert tree.compact(size).to_bytes() == grown.to_bytes()
        grown = CompactRange.from_bytes(size, grown.to_bytes())
        grown.append(leaf_hash(item))
    assert grown.root() == tree.root()


@given(leaves, st.data())
def test_inclusion_is_proven_and_nothing_else_is(data: list[bytes], draw: st.DataObject) -> None:
    tree = Tree(map(leaf_hash, data))
    size = draw.draw(st.integers(1, len(data)))
    index = draw.draw(st.integers(0, size - 1))
    path, root, leaf = tree.inclusion(index, size), tree.root(size), leaf_hash(data[index])
    assert path == naive_path(index, data[:size])
    assert verify_inclusion(leaf, index, size, path, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, path, root)
    assert not verify_inclusion(leaf, index, size, [*path, leaf], root)
    assert not verify_inclusion(leaf, size, size, path, root)
    if path:
        assert not verify_inclusion(leaf, index, size, path[:-1], root)
        assert not verify_inclusion(leaf, index ^ 1, size, path, root) or data[index] == data[index ^ 1]
        broken = draw.draw(st.integers(0, len(path) - 1))
        changed = [bytes(32) if i == broken else h for i, h in enumerate(path)]
        assert not verify_inclusion(leaf, index, size, changed, root)


@given(leaves, st.data())
def test_consistency_is_proven_and_nothing_else_is(data: list[bytes], draw: st.DataObject) -> None:
    tree = Tree(map(leaf_hash, data))
    new = draw.draw(st.integers(1, len(data)))
    old = draw.draw(st.integers(1, new))
    proof, before, after = tree.consistency(old, new), tree.root(old), tree.root(new)
    assert proof == naive_proof(old, data[:new])
    assert verify_consistency(old, new, before, after, proof)
    assert not verify_consistency(old, new, bytes(32), after, proof)
    assert not verify_consistency(old, new, before, bytes(32), proof)
    assert not verify_consistency(old, new, before, after, [*proof, bytes(32)])
    if proof:
        assert not verify_consistency(old, new, before, after, proof[:-1])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 2), (0, 4)])
def test_no_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError):
        Tree(map(leaf_hash, (b"a", b"b", b"c"))).inclusion(index, size)


def test_a_range_of_the_wrong_length_is_refused() -> None:
    for size, data in ((3, bytes(32)), (1, bytes(31)), (1, bytes(33)), (-1, b"")):
        with pytest.raises(ValueError):
            CompactRange.from_bytes(size, data)
