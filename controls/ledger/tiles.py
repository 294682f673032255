"""C2SP tlog-tiles as bytes: paths, hash tiles, entry bundles, and the edge on which tiles grow. Pure.

Source: C2SP tlog-tiles. A hash tile of level l lists up to 256 roots of complete
subtrees of 256**l leaves, 32 bytes each; an entry bundle lists the leaves under
a tile of level 0, each after its length in 16 bits, big-endian. A tile that is
not full yet is partial: its path tells its width.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from controls.errors import IntegrityError
from controls.ledger.tree import HASH_SIZE, CompactRange, Subtree, Tree

#: Tree levels one tile spans, and the hashes (or leaves) of a full one.
HEIGHT = 8
WIDTH = 1 << HEIGHT
#: The "level" of entry bundles, which lie beside the hash tiles.
ENTRIES = -1
MAX_LEVEL = 63
#: Leaves a tree may have here (a signed 64-bit size, as Go's ``tlog`` has it).
MAX_SIZE = (1 << 63) - 1
#: Largest entry in bytes: its length has 16 bits.
MAX_ENTRY = 65_535
#: Largest tile and largest entry bundle in bytes.
MAX_TILE = WIDTH * HASH_SIZE
MAX_BUNDLE = WIDTH * (2 + MAX_ENTRY)

_LENGTH = struct.Struct(">H")
_PATH = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


class Tile(NamedTuple):
    """Which tile: its level (``ENTRIES`` for an entry bundle), its index there, its width (1 to 256)."""

    level: int
    n: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where it is served, such as ``tile/0/x001/067.p/8``.

        Raises:
            ValueError: there is no such tile.
        """
        if not (ENTRIES <= self.level <= MAX_LEVEL and self.n >= 0 and 1 <= self.width <= WIDTH):
            raise ValueError("level, index or width outside what a tile can have")
        n, groups = divmod(self.n, 1000)
        text = f"{groups:03d}"
        while n:
            n, group = divmod(n, 1000)
            text = f"x{group:03d}/{text}"
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{text}{partial}"

    @property
    def full(self) -> Tile:
        """The same tile once it is full."""
        return Tile(self.level, self.n)

    @property
    def limit(self) -> int:
        """Bytes it may have at most."""
        return self.width * (2 + MAX_ENTRY if self.level == ENTRIES else HASH_SIZE)

    @classmethod
    def parse(cls, path: str) -> Tile:
        """Read a path; only the one form ``path`` writes is accepted.

        Raises:
            IntegrityError: it is no tile's.
        """
        found = _PATH.fullmatch(path)
        if found is not None:
            level, groups, width = found.groups()
            n = int(groups.replace("x", "").replace("/", ""))
            tile = cls(ENTRIES if level == "entries" else int(level), n, int(width or WIDTH))
            # Neither leading groups of zeros, nor a width of 256 or more that is spelt out.
            if tile.level <= MAX_LEVEL and tile.width <= WIDTH and tile.path == path:
                return tile
        raise IntegrityError("not the path of a tile")


def tile_path(level: int, n: int, width: int = WIDTH) -> str:
    """Path of a hash tile.

    Raises:
        ValueError: there is no such tile.
    """
    if level < 0:
        raise ValueError("hash tiles have levels from 0")
    return Tile(level, n, width).path


def entries_path(n: int, width: int = WIDTH) -> str:
    """Path of an entry bundle.

    Raises:
        ValueError: there is no such bundle.
    """
    return Tile(ENTRIES, n, width).path


def tile_at(level: int, n: int, size: int) -> Tile:
    """The tile of this level and index as a tree of ``size`` leaves has it.

    Raises:
        ValueError: that tree does not reach there.
    """
    width = min(WIDTH, (size >> HEIGHT * max(level, 0)) - n * WIDTH)
    if width < 1 or n < 0:
        raise ValueError("no such tile in a tree of that size")
    return Tile(level, n, width)


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of ``size`` leaves: entry bundles first, then level by level."""
    for n in range(-(-size // WIDTH)):
        yield tile_at(ENTRIES, n, size)
    level = 0
    while count := size >> HEIGHT * level:
        for n in range(-(-count // WIDTH)):
            yield tile_at(level, n, size)
        level += 1


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """A hash tile's bytes.

    Raises:
        ValueError: not between 1 and 256 hashes of 32 bytes.
    """
    if not 1 <= len(hashes) <= WIDTH or any(len(h) != HASH_SIZE for h in hashes):
        raise ValueError("a tile has 1 to 256 hashes of 32 bytes")
    return b"".join(hashes)


def decode_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes of a tile of ``width``; more than it says, as a wider tile has, are left out.

    Raises:
        IntegrityError: it is too short, or no row of hashes.
    """
    if len(data) % HASH_SIZE or not width * HASH_SIZE <= len(data) <= MAX_TILE:
        raise IntegrityError("tile of a wrong length")
    return [data[i : i + HASH_SIZE] for i in range(0, width * HASH_SIZE, HASH_SIZE)]


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle's bytes.

    Raises:
        ValueError: not between 1 and 256 entries of at most 65,535 bytes.
    """
    if not 1 <= len(entries) <= WIDTH or any(len(e) > MAX_ENTRY for e in entries):
        raise ValueError("a bundle has 1 to 256 entries of at most 65,535 bytes")
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def decode_entries(data: bytes, width: int | None = None) -> list[bytes]:
    """The entries of a bundle.

    Args:
        width: how many are wanted; more, as a wider bundle has, are left out.

    Raises:
        IntegrityError: it is cut off, empty, too long, or has fewer than ``width``.
    """
    entries: list[bytes] = []
    at = 0
    while at < len(data):
        if at + 2 > len(data) or len(entries) == WIDTH:
            raise IntegrityError("entry bundle of a wrong length")
        end = at + 2 + _LENGTH.unpack_from(data, at)[0]
        if end > len(data):
            raise IntegrityError("entry bundle of a wrong length")
        entries.append(data[at + 2 : end])
        at = end
    if not entries or (width is not None and len(entries) < width):
        raise IntegrityError("entry bundle of a wrong length")
    return entries[:width]


class Edge:
    """The hashes of every level's unfinished tile: all it takes to make the next tiles of a log."""

    __slots__ = ("_levels", "size")

    def __init__(self) -> None:
        """The edge of a tree without leaves."""
        self._levels: list[list[bytes]] = []
        self.size = 0

    @classmethod
    def at(cls, size: int, subtree: Subtree) -> Self:
        """The edge of a tree of ``size`` leaves, from somewhere that knows its complete subtrees."""
        edge = cls()
        edge.size = size
        while count := size >> HEIGHT * len(edge._levels):
            height = HEIGHT * len(edge._levels)
            edge._levels.append([subtree(height, i) for i in range(count - count % WIDTH, count)])
        return edge

    def append(self, leaf: bytes) -> list[tuple[Tile, bytes]]:
        """Add the hash of the next leaf; returns the tiles that are full now, lowest level first."""
        full: list[tuple[Tile, bytes]] = []
        self.size += 1
        level, found = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
            hashes = self._levels[level]
            hashes.append(found)
            if len(hashes) < WIDTH:
                return full
            n = (self.size >> HEIGHT * (level + 1)) - 1
            full.append((Tile(level, n), encode_tile(hashes)))
            found = Tree(hashes).root()
            self._levels[level] = []
            level += 1

    def partial(self, size: int | None = None) -> Iterator[tuple[Tile, bytes]]:
        """The partial hash tiles of the tree of ``size`` leaves (all of them when None).

        Of a smaller tree, those that no full tile has replaced yet.
        """
        size = self.size if size is None else size
        for level, hashes in enumerate(self._levels):
            count = size >> HEIGHT * level
            n, width = divmod(count, WIDTH)
            if width and n == self.size >> HEIGHT * (level + 1):
                yield Tile(level, n, width), encode_tile(hashes[:width])

    def root(self) -> bytes:
        """Root of the whole tree."""
        complete: list[bytes] = []
        for hashes in reversed(self._levels):
            start, tree = 0, Tree(hashes)
            for height in reversed(range(HEIGHT)):
                if len(hashes) >> height & 1:
                    complete.append(tree.subtree(height, start >> height))
                    start += 1 << height
        return CompactRange(self.size, complete).root()

    def copy(self) -> Edge:
        """An independent copy."""
        edge = Edge()
        edge._levels = [list(hashes) for hashes in self._levels]
        edge.size = self.size
        return edge
