"""Published folders of trees without a log, for tests of what reads them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from controls.ledger.tiles import ENTRIES, WIDTH, Edge, Tile, encode_entries
from controls.ledger.tree import leaf_hash


def leaves(size: int) -> list[bytes]:
    """So many leaves, each of other bytes."""
    return [hashlib.sha256(b"%d" % i).digest()[: i % 7] + b"%d" % i for i in range(size)]


def files_of(entries: Sequence[bytes]) -> dict[str, bytes]:
    """Every tile and bundle of the tree over these leaves, by name."""
    files: dict[str, bytes] = {}
    edge = Edge()
    for start in range(0, len(entries), WIDTH):
        bundle = entries[start : start + WIDTH]
        files[Tile(ENTRIES, start // WIDTH, len(bundle)).path] = encode_entries(bundle)
        for entry in bundle:
            files.update((tile.path, data) for tile, data in edge.append(leaf_hash(entry)))
    files.update((tile.path, data) for tile, data in edge.partial())
    return files


def write_files(directory: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
