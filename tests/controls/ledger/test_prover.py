"""Proofs from tiles against the tree that knows every hash; and what is read for one."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError, LedgerError
from controls.ledger.log import Log
from controls.ledger.prover import FolderTiles, LogTiles, Prover, TileSource, read_entries, size_limit
from controls.ledger.reader import LogView
from controls.ledger.tiles import ENTRIES, WIDTH, Tile, encode_entries, tiles_of
from controls.ledger.tree import Tree, leaf_hash, verify_consistency, verify_inclusion
from tests.controls.ledger.support import open_log, small_call
from tests.controls.ledger.tile_folders import files_of, leaves, write_files

LEAVES = leaves(66_200)
TREE = Tree(map(leaf_hash, LEAVES))


class Files:
    """A source in memory that counts what it is asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[str] = []

    def get(self, path: str, /) -> bytes | None:
        self.asked.append(path)
        return self.files.get(path)


LARGE = files_of(LEAVES)


@given(st.integers(1, 1200), st.data())
def test_proofs_are_the_trees(size: int, data: st.DataObject) -> None:
    prover = Prover(Files(files_of(LEAVES[:size])), size)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert prover.root() == TREE.root(size)
    assert prover.inclusion(index) == TREE.inclusion(index, size)
    assert prover.consistency(old) == TREE.consistency(old, size)


@given(st.data())
def test_three_levels_and_few_tiles(data: st.DataObject) -> None:
    source, size = Files(LARGE), len(LEAVES)
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = Prover(source, size).inclusion(index)
    assert path == TREE.inclusion(index, size)
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, size, path, TREE.root())
    assert len(source.asked) <= 2 * 3 and not any("entries" in p for p in source.asked)
    proof = Prover(source, size).consistency(old)
    assert verify_consistency(old, size, TREE.root(old), TREE.root(), proof)


@given(st.integers(1, 66_200))
def test_a_smaller_tree_is_proven_from_the_full_tiles_of_a_larger_one(size: int) -> None:
    """Its partial tiles may be gone (tlog-tiles, "Partial Tiles") where full ones have come."""
    present = {t.path: LARGE[t.path] for t in tiles_of(len(LEAVES)) if t.width == WIDTH}
    edge = {t: b"".join(_hashes(t)) for t in tiles_of(size) if t.width < WIDTH and t.level != ENTRIES}
    present.update({t.path: d for t, d in edge.items() if t.full.path not in present})
    assert Prover(Files(present), size).root() == TREE.root(size)


def _hashes(tile: Tile) -> list[bytes]:
    return [TREE.subtree(8 * tile.level, tile.n * WIDTH + i) for i in range(tile.width)]


def test_tiles_that_were_read_are_kept_and_only_so_many() -> None:
    source = Files(LARGE)
    prover = Prover(source, len(LEAVES))
    prover.inclusion(7)
    asked = len(source.asked)
    prover.inclusion(8)
    assert len(source.asked) == asked
    for index in range(0, len(LEAVES), WIDTH):
        prover.inclusion(index)
    assert len(prover._tiles) <= 64


def test_what_is_missing_cut_off_or_outside_is_named() -> None:
    files = files_of(LEAVES[:600])
    path = "tile/0/002.p/88"
    for broken in ({k: v for k, v in files.items() if k != path}, files | {path: files[path][:-1]}):
        with pytest.raises(IntegrityError, match="tile/0/002.p/88: "):
            Prover(Files(broken), 600).root()
    for bad in (-1, 1 << 63):
        with pytest.raises(ValueError):
            Prover(Files(files), bad)
    prover = Prover(Files(files), 600)
    for index in (-1, 600):
        with pytest.raises(ValueError):
            prover.inclusion(index)
    for old in (0, 601):
        with pytest.raises(ValueError):
            prover.consistency(old)


@pytest.mark.parametrize("name", ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_an_altered_tile_gives_a_proof_that_does_not_hold(name: str) -> None:
    files = files_of(LEAVES[:600])
    altered = files | {name: bytes([files[name][0] ^ 1]) + files[name][1:]}
    path = Prover(Files(altered), 600).inclusion(257)
    assert path != TREE.inclusion(257, 600)
    assert not verify_inclusion(leaf_hash(LEAVES[257]), 257, 600, path, TREE.root(600))


@given(st.integers(1, 700), st.integers(0, 700))
def test_leaves_are_read_in_order_from_anywhere(size: int, start: int) -> None:
    found = list(read_entries(Files(files_of(LEAVES[:size])), size, start))
    assert found == LEAVES[start:size]


# --- a published folder ---------------------------------------------------------------------------


def test_a_folder_gives_what_it_has_and_nothing_else(tmp_path: Path) -> None:
    files = files_of(LEAVES[:300])
    write_files(tmp_path / "tlog", files)
    (tmp_path / "tlog" / "checkpoint").write_bytes(b"a note")
    (tmp_path / "secret").write_text("not published")
    source: TileSource = FolderTiles(tmp_path / "tlog")
    assert Prover(source, 300).root() == TREE.root(300)
    assert source.get("checkpoint") == b"a note"
    assert source.get("cosigned") is None and source.get("tile/1/007") is None
    for outside in ("../secret", "/etc/hostname", "tile/../../secret", "tile/0/000/../001", "x"):
        with pytest.raises(IntegrityError):
            source.get(outside)


def test_what_is_no_file_or_too_large_is_refused_unread(tmp_path: Path) -> None:
    source = FolderTiles(tmp_path)
    os.mkfifo(tmp_path / "checkpoint")  # to read it would block for ever
    (tmp_path / "cosigned").mkdir()
    write_files(tmp_path, {"tile/0/000": bytes(8193), "tile/0/001.p/1": bytes(33)})
    for path in ("checkpoint", "cosigned", "tile/0/000", "tile/0/001.p/1"):
        with pytest.raises(IntegrityError):
            source.get(path)
    assert size_limit("tile/entries/000") == WIDTH * 65_537


def test_a_folder_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").symlink_to("checkpoint")
    with pytest.raises(LedgerError, match="cannot be read"):
        FolderTiles(tmp_path).get("checkpoint")


# --- a log's own file -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of about 650 leaves with a checkpoint every few."""
    directory = tmp_path_factory.mktemp("logged") / "log"
    log = open_log(directory, checkpoint_every_s=0.0)
    fill(log, 130)
    log.close()
    return directory


def fill(log: Log, calls: int) -> None:
    for _ in range(calls):
        futures = [log.append(record, personal) for record, personal in small_call()]
        futures[-1].result()


def test_a_log_proves_from_its_own_file(logged: Path) -> None:
    view = LogView(logged)
    try:
        tree = Tree(leaf_hash(row.envelope) for row in view.rows())
        sizes = [row.size for row in view.checkpoints()]
        assert len(tree) > 2 * WIDTH and len(sizes) > 20
        for size in (1, 2, 3, 255, 256, 257, 511, 512, sizes[7], sizes[-1]):
            source = LogTiles(view)
            prover = Prover(source, size)
            assert prover.root() == source.root(size) == tree.root(size)
            for index in {0, size // 2, size // 3, size - 1}:
                assert prover.inclusion(index) == tree.inclusion(index, size)
            for old in {1, size // 2 or 1, size}:
                assert prover.consistency(old) == tree.consistency(old, size)
        for height in range(10):
            for index in range(len(tree) >> height):
                assert LogTiles(view).subtree(height, index) == tree.subtree(height, index)
    finally:
        view.close()


def test_a_log_makes_the_tiles_that_are_published(logged: Path) -> None:
    view = LogView(logged)
    try:
        entries = [row.envelope for row in view.rows()]
        source, files = LogTiles(view), files_of(entries)
        assert {name: source.get(name) for name in files} == files
        newest = view.checkpoint()
        assert newest is not None and source.get("checkpoint") == newest.note
        assert source.get("cosigned") is None and source.get("tile/0/009") is None
        assert source.get("tile/entries/000.p/3") == encode_entries(entries[:3])
    finally:
        view.close()


def test_one_hash_reads_the_leaves_of_one_checkpoint_interval(
    logged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view, read = LogView(logged), []
    original = view._all

    def counted(sql: str, *parameters: object) -> list[object]:
        found = original(sql, *parameters)
        read.extend(found if "envelope FROM leaves" in sql else [])
        return found

    monkeypatch.setattr(view, "_all", counted)
    try:
        sizes = [0, *(row.size for row in view.checkpoints())]
        widest = max(b - a for a, b in pairwise(sizes))
        for height in range(10):
            read.clear()
            LogTiles(view).subtree(height, 0)
            assert len(read) <= max(widest, 1)
    finally:
        view.close()
