"""What one proof costs from published tiles: the leaves are made up, the tiles are real."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

from pydantic import Field

from controls.ledger.prover import FolderTiles, Prover
from controls.ledger.tiles import Edge, Tile
from controls.ledger.tree import root_of, verify_consistency
from loadtests.ledger.figures import Spread, progress, spread_ms


class ProofRow(Spread):
    """Proofs of random leaves or sizes, each by a prover of its own: nothing read before is kept."""

    leaves: int = Field(ge=1)
    hashes: int = Field(ge=0, description="in the longest of them")
    holds: bool


def _leaf(index: int) -> bytes:
    return hashlib.sha256(b"made up %d" % index).digest()


def make_tree(folder: Path, leaves: int) -> bytes:
    """Write the hash tiles of that many made-up leaf hashes as they are published; the tree's root."""
    edge = Edge()

    def put(tile: Tile, data: bytes) -> None:
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    for index in range(leaves):
        for tile, data in edge.append(_leaf(index)):
            put(tile, data)
        if index % 250_000 == 249_999:
            progress(f"  {index + 1} leaves")
    for tile, data in edge.partial():
        put(tile, data)
    return edge.root()


def _includes(leaf: bytes, index: int, size: int, path: list[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2, from a leaf's hash: ``tree.verify_inclusion`` wants the leaf, and there is none."""
    if index >= size:
        return False
    fn, sn, found = index, size - 1, leaf
    for step in path:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            found = hashlib.sha256(b"\1" + step + found).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            found = hashlib.sha256(b"\1" + found + step).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and found == root


def proofs(folder: Path, leaves: int, count: int, seed: int) -> list[ProofRow]:
    """Time ``count`` inclusion and as many consistency proofs, and check every one."""
    progress(f"proof: a tree of {leaves} leaves")
    root, rng = make_tree(folder, leaves), random.Random(seed)
    source = FolderTiles(folder)
    inclusion, consistency = [], []
    longest, hold = [0, 0], [True, True]
    for _ in range(count):
        index = rng.randrange(leaves)
        start = time.perf_counter()
        path = Prover(source, leaves).inclusion(index)
        inclusion.append(time.perf_counter() - start)
        longest[0] = max(longest[0], len(path))
        hold[0] &= _includes(_leaf(index), index, leaves, path, root)
    for _ in range(count):
        old = rng.randint(1, leaves)
        before = root_of(Prover(source, leaves).subtree, old)
        start = time.perf_counter()
        path = Prover(source, leaves).consistency(old)
        consistency.append(time.perf_counter() - start)
        longest[1] = max(longest[1], len(path))
        hold[1] &= verify_consistency(old, leaves, before, root, path)
    made = (("inclusion", inclusion), ("consistency", consistency))
    return [
        ProofRow(
            what=f"one {name} proof",
            n=len(took),
            leaves=leaves,
            hashes=longest[i],
            holds=hold[i],
            **spread_ms(took),
        )
        for i, (name, took) in enumerate(made)
    ]
