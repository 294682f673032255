"""RFC 6962 trees and proofs against vectors of other people's making (tests/vectors/rfc6962.json).

They are those of github.com/transparency-dev/merkle, whose leaves and roots go
back to the tests of the first Certificate Transparency log; 196 proofs, all but
ten of them wrong in some way. RFC 9162 keeps RFC 6962's hashes and proofs.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from controls.ledger.tree import CompactRange, Tree, leaf_hash, verify_consistency, verify_inclusion

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6962.json").read_text())
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]


def hashes(found: list[str] | None) -> list[bytes]:
    return [base64.b64decode(h) for h in found or []]


def test_every_root() -> None:
    tree, grown = Tree(map(leaf_hash, LEAVES)), CompactRange()
    for size, root in enumerate(ROOTS):
        assert tree.root(size) == grown.root() == root
        if size < len(LEAVES):
            grown.append(leaf_hash(LEAVES[size]))


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=lambda c: c["file"])
def test_inclusion(case: dict[str, Any]) -> None:
    leaf, root = base64.b64decode(case["leafHash"] or ""), base64.b64decode(case["root"] or "")
    path = hashes(case["proof"])
    held = verify_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)
    assert held is not case["wantErr"]


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=lambda c: c["file"])
def test_consistency(case: dict[str, Any]) -> None:
    old, new = base64.b64decode(case["root1"] or ""), base64.b64decode(case["root2"] or "")
    path = hashes(case["proof"])
    held = verify_consistency(case["size1"], case["size2"], old, new, path)
    assert held is not case["wantErr"]


def test_our_proofs_are_theirs() -> None:
    tree, made = Tree(map(leaf_hash, LEAVES)), 0
    for case in (c for c in VECTORS["inclusion"] if not c["wantErr"] and c["treeSize"] <= len(LEAVES)):
        index, size = case["leafIdx"], case["treeSize"]
        if tree.root(size) == base64.b64decode(case["root"]):
            made += 1
            assert tree.inclusion(index, size) == hashes(case["proof"])
    for case in (c for c in VECTORS["consistency"] if not c["wantErr"] and c["size2"] <= len(LEAVES)):
        if tree.root(case["size2"]) == base64.b64decode(case["root2"]) and case["size1"]:
            made += 1
            assert tree.consistency(case["size1"], case["size2"]) == hashes(case["proof"])
    assert made >= 8
