"""C2SP tiles as bytes: the specification's own examples, every shape of a tree, and what is refused."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import IntegrityError
from controls.ledger.tiles import (
    ENTRIES,
    MAX_ENTRY,
    WIDTH,
    Edge,
    Tile,
    decode_entries,
    decode_tile,
    encode_entries,
    encode_tile,
    entries_path,
    tile_at,
    tile_path,
    tiles_of,
)
from controls.ledger.tree import Tree

tiles = st.builds(Tile, st.integers(ENTRIES, 63), st.integers(0, 10**20), st.integers(1, WIDTH))


def numbered(size: int) -> list[bytes]:
    """Hashes of so many leaves that need no content."""
    return [hashlib.sha256(b"%d" % i).digest() for i in range(size)]


HASHES = numbered(70_000)
TREE = Tree(HASHES)


def test_paths_are_the_specifications() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(3, 1067, 8) == "tile/3/x001/067.p/8"
    assert entries_path(0, 255) == "tile/entries/000.p/255"
    assert entries_path(999) == "tile/entries/999"
    for level, n, width in ((-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(ValueError):
            tile_path(level, n, width)


def test_a_tree_of_70000_is_the_specifications_example() -> None:
    found = [t for t in tiles_of(70_000) if t.level != ENTRIES]
    shape = {(t.level, t.width): sum(o[::2] == t[::2] for o in found) for t in found}
    assert shape == {(0, 256): 273, (0, 112): 1, (1, 256): 1, (1, 17): 1, (2, 1): 1}
    # "A tree of size 256 will be represented by a full level 0 tile and a partial level 1 tile of width 1."
    assert list(tiles_of(256)) == [Tile(ENTRIES, 0), Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles_of(0)) == []


@given(tiles)
def test_a_path_is_read_as_it_was_written(tile: Tile) -> None:
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/00", "tile/0/0000", "tile/00/000", "tile/64/000", "tile/-1/000",
        "tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/000.p/0", "tile/0/000.p/256",
        "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/999", "tile/data/000", "tile/8/0/000",
        "/tile/0/000", "tile/0/000/", "tile/0/../000", "tile/0/000\n", "tile/0/٠٠٠", "TILE/0/000",
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError):
        Tile.parse(path)


@given(st.text(alphabet="tile/0x1.p9entris", max_size=30))
def test_no_text_crashes_the_path_parser(text: str) -> None:
    with suppress(IntegrityError):
        assert Tile.parse(text).path == text


entries = st.lists(st.binary(max_size=40) | st.just(b"x" * MAX_ENTRY), min_size=1, max_size=WIDTH)


@given(entries, st.data())
def test_entries_are_read_as_they_were_written(written: list[bytes], data: st.DataObject) -> None:
    bundle = encode_entries(written)
    assert decode_entries(bundle) == decode_entries(bundle, len(written)) == written
    assert encode_entries(decode_entries(bundle)) == bundle
    width = data.draw(st.integers(1, len(written)))
    assert decode_entries(bundle, width) == written[:width]
    with pytest.raises(IntegrityError):
        decode_entries(bundle, len(written) + 1)
    cut = data.draw(st.integers(0, len(bundle) - 1))
    with suppress(IntegrityError):  # a cut between two entries is a shorter bundle; its width gives it away
        assert len(decode_entries(bundle[:cut])) < len(written)
    with pytest.raises(IntegrityError):
        decode_entries(bundle[:cut], len(written))


@given(st.binary(max_size=200), st.none() | st.integers(1, WIDTH))
def test_no_bytes_crash_the_parsers(data: bytes, width: int | None) -> None:
    with suppress(IntegrityError):
        found = decode_entries(data, width)
        assert width is not None or encode_entries(found) == data
    with suppress(IntegrityError):
        assert data.startswith(encode_tile(decode_tile(data, width or 1)))


def test_limits() -> None:
    for bad in ([], [b"x"] * (WIDTH + 1), [b"x" * (MAX_ENTRY + 1)]):
        with pytest.raises(ValueError):
            encode_entries(bad)
    with pytest.raises(IntegrityError):
        decode_entries(b"\0\0" * (WIDTH + 1))
    assert decode_entries(b"\0\0" * WIDTH) == [b""] * WIDTH
    for wrong in ([], HASHES[: WIDTH + 1], [b"x"]):
        with pytest.raises(ValueError):
            encode_tile(wrong)
    full = encode_tile(HASHES[:WIDTH])
    assert len(full) == 8192 and decode_tile(full, 3) == HASHES[:3]
    for data, width in ((full + bytes(32), 256), (full[:-1], 255), (full[:-32], 256), (b"", 1)):
        with pytest.raises(IntegrityError):
            decode_tile(data, width)


def test_the_tile_of_a_tree_that_does_not_reach_there() -> None:
    assert tile_at(1, 0, 70_000) == Tile(1, 0) and tile_at(1, 1, 70_000) == Tile(1, 1, 17)
    for level, n, size in ((0, 0, 0), (1, 0, 255), (0, 1, 256), (0, -1, 256), (2, 1, 70_000)):
        with pytest.raises(ValueError):
            tile_at(level, n, size)


def expected(tile: Tile) -> bytes:
    """A hash tile by the specification's formula, over the known tree."""
    start = tile.n * WIDTH
    return encode_tile([TREE.subtree(8 * tile.level, start + i) for i in range(tile.width)])


def test_an_edge_makes_every_tile_once_and_then_the_partial_ones() -> None:
    edge, made = Edge(), {}
    for leaf in HASHES:
        for tile, data in edge.append(leaf):
            assert tile not in made
            made[tile] = data
    made.update(edge.partial())
    assert set(made) == {t for t in tiles_of(len(HASHES)) if t.level != ENTRIES}
    assert all(data == expected(tile) for tile, data in made.items())
    assert edge.root() == TREE.root()


sizes = st.integers(0, 1100) | st.integers(65_200, 66_100)


@given(sizes, st.integers(0, 600))
def test_an_edge_taken_up_anywhere_goes_on_alike(size: int, more: int) -> None:
    edge = Edge.at(size, TREE.subtree)
    assert (edge.size, edge.root()) == (size, TREE.root(size))
    before, copy = dict(edge.partial()), edge.copy()
    for leaf in HASHES[size : size + more]:
        assert all(data == expected(tile) for tile, data in edge.append(leaf))
    assert edge.root() == TREE.root(size + more)
    assert {t for t, _ in edge.partial()} == {
        t for t in tiles_of(size + more) if t.level != ENTRIES and t.width < WIDTH
    }
    assert all(data == expected(tile) for tile, data in edge.partial())
    # The smaller tree's partial tiles are still there to be had, where no full one has come.
    gone = {t for t in before if (t.n + 1) << 8 * (t.level + 1) <= size + more}
    assert dict(edge.partial(size)) == {t: d for t, d in before.items() if t not in gone}
    assert dict(copy.partial()) == before
