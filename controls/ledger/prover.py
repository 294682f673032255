"""Inclusion, consistency and roots from tiles alone: a folder's, a web server's, a log's own.

A proof reads the tiles on the leaf's way up and those on the tree's right edge:
two a level, so six at a million leaves. Nothing read is believed: a proof made of
altered tiles does not verify (``tree.verify_inclusion``).
"""

from __future__ import annotations

import stat
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from controls.errors import IntegrityError, LedgerError
from controls.ledger.notes import MAX_NOTE
from controls.ledger.reader import LogView
from controls.ledger.storage import CheckpointRow
from controls.ledger.tiles import (
    ENTRIES,
    HEIGHT,
    MAX_SIZE,
    WIDTH,
    Tile,
    decode_entries,
    decode_tile,
    encode_entries,
    encode_tile,
    tile_at,
)
from controls.ledger.tree import (
    HASH_SIZE,
    CompactRange,
    Tree,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
)

#: Tiles a prover keeps, each with the hashes inside it (about 50 kB).
_TILES = 64
#: Hashes a ``LogTiles`` keeps.
_HASHES = 8192
#: Leaves read from a log's file at a time.
_PAGE = 256


class TileSource(Protocol):
    """Where published files lie, by their C2SP names (``tile/0/000``, ``checkpoint``).

    A ``BlobStore`` is one. Ordering and freshness are not promised: of two files
    read one after the other, either may be the newer.
    """

    def get(self, path: str, /) -> bytes | None:
        """The file's bytes, or None when there is none.

        Raises:
            LedgerError: it cannot be read now.
            IntegrityError: what lies there cannot be such a file.
        """
        ...


@runtime_checkable
class SubtreeSource(Protocol):
    """A source that finds one hash with less work than the whole tile around it."""

    def subtree(self, height: int, index: int, /) -> bytes:
        """Root of the ``index``-th complete subtree of 2**height leaves.

        Raises:
            LedgerError: it cannot be read now.
            IntegrityError: something it is made of is missing.
        """
        ...


class Prover:
    """Proves in the tree of ``size`` leaves. Not for several threads at once."""

    def __init__(self, source: TileSource, size: int) -> None:
        """Read from ``source``, which must reach to ``size`` leaves.

        Raises:
            ValueError: a size no tree has.
        """
        if not 0 <= size <= MAX_SIZE:
            raise ValueError("a size no tree has")
        self.size = size
        self._source = source
        self._direct = source.subtree if isinstance(source, SubtreeSource) else None
        self._tiles: OrderedDict[tuple[int, int], Tree] = OrderedDict()

    def root(self) -> bytes:
        """Root of the tree, 32 bytes.

        Raises:
            LedgerError, IntegrityError: a tile cannot be read, is missing or malformed.
        """
        return root_of(self.subtree, self.size)

    def inclusion(self, index: int) -> list[bytes]:
        """Audit path of a leaf, from the leaf up.

        Raises:
            ValueError: there is no such leaf.
            LedgerError, IntegrityError: as ``root``.
        """
        return inclusion_path(self.subtree, index, self.size)

    def consistency(self, old: int) -> list[bytes]:
        """Proof that the tree of ``old`` leaves is a prefix of this one.

        Raises:
            ValueError: unless 1 <= old <= size.
            LedgerError, IntegrityError: as ``root``.
        """
        return consistency_path(self.subtree, old, self.size)

    def subtree(self, height: int, index: int) -> bytes:
        """Root of a complete subtree; as ``SubtreeSource.subtree``."""
        if self._direct is not None:
            return self._direct(height, index)
        level, inside = divmod(height, HEIGHT)
        n = index << inside >> HEIGHT
        tree = self._tiles.get((level, n))
        if tree is None:
            tree = Tree(read_tile(self._source, tile_at(level, n, self.size)))
            self._tiles[level, n] = tree
            if len(self._tiles) > _TILES:
                self._tiles.popitem(last=False)
        else:
            self._tiles.move_to_end((level, n))
        return tree.subtree(inside, index - (n << HEIGHT >> inside))


def read_tile(source: TileSource, tile: Tile) -> list[bytes]:
    """A tile's hashes (a bundle's entries); where the partial one is gone, from the full one.

    Raises:
        IntegrityError: it is missing or malformed; the message names its path.
        LedgerError: it cannot be read now.
    """
    for path in dict.fromkeys((tile.path, tile.full.path)):
        data = source.get(path)
        if data is None:
            continue
        decode = decode_entries if tile.level == ENTRIES else decode_tile
        try:
            return decode(data, tile.width)
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error}") from None
    raise IntegrityError(f"{tile.path}: missing")


def read_entries(source: TileSource, size: int, start: int = 0) -> Iterator[bytes]:
    """The leaves ``start`` to ``size`` (not included), in order, from entry bundles.

    Raises:
        LedgerError, IntegrityError: as ``read_tile``.
    """
    for n in range(start // WIDTH, -(-size // WIDTH)):
        yield from read_tile(source, tile_at(ENTRIES, n, size))[max(0, start - n * WIDTH) :]


def size_limit(path: str) -> int:
    """Bytes the file of this name may have at most.

    Raises:
        IntegrityError: it is no name of a published file.
    """
    return MAX_NOTE if path in ("checkpoint", "cosigned") else Tile.parse(path).limit


class FolderTiles:
    """A published folder, whoever wrote it: a log's ``tlog/``, an unpacked copy."""

    def __init__(self, directory: Path) -> None:
        """Read files under ``directory``."""
        self.directory = directory

    def get(self, path: str, /) -> bytes | None:
        """As ``TileSource.get``; what is no regular file, or too large, is refused unread."""
        limit = size_limit(path)  # which no name with ".." passes
        file = self.directory / path
        try:
            found = file.stat()
            if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
                raise IntegrityError(f"{path}: no such file has that length or kind")
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LedgerError(f"{path} cannot be read: {error.strerror}") from error
        if len(data) > limit:
            raise IntegrityError(f"{path}: no such file has that length or kind")
        return data


class LogTiles:
    """Tiles and hashes made from a log's own file, for leaves that are not published.

    A complete subtree is the newest checkpoint's frontier that ends inside it, and
    the leaves from there to its end. So one hash costs at most the leaves of one
    checkpoint interval (about a second's), a proof that times the tree's height,
    at any size. A whole tile of level 1 or above costs 256 times one hash; made
    for serving, such tiles belong published.
    """

    def __init__(self, view: LogView) -> None:
        """Read through ``view``, which stays its owner's to close."""
        self._view = view
        self._hashes: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, path: str, /) -> bytes | None:
        """As ``TileSource.get``; ``checkpoint`` is the newest one stored."""
        if path == "checkpoint":
            newest = self._view.checkpoint()
            return newest.note if newest else None
        if path == "cosigned":
            return None
        tile = Tile.parse(path)
        height = HEIGHT * max(tile.level, 0)
        start = tile.n * WIDTH
        if start + tile.width > self._view.size() >> height:
            return None
        if tile.level == ENTRIES:
            return encode_entries(list(envelopes(self._view, start, start + tile.width)))
        if tile.level == 0:
            return encode_tile([leaf_hash(e) for e in envelopes(self._view, start, start + tile.width)])
        return encode_tile([self.subtree(height, i) for i in range(start, start + tile.width)])

    def subtree(self, height: int, index: int, /) -> bytes:
        """As ``SubtreeSource.subtree``."""
        found = self._hashes.get((height, index))
        if found is None:
            found = self._hashes[height, index] = self._subtree(index << height, (index + 1) << height)
            if len(self._hashes) > _HASHES:
                self._hashes.popitem(last=False)
        return found

    def root(self, size: int) -> bytes:
        """Root over the first ``size`` leaves, from the last checkpoint before them.

        Raises:
            LedgerError, IntegrityError: as ``subtree``.
        """
        return self._range(0, size).root()

    def _subtree(self, start: int, end: int) -> bytes:
        if end - start == 1:
            return leaf_hash(next(envelopes(self._view, start, end)))
        return self._range(start, end).root()

    def _range(self, start: int, end: int) -> CompactRange:
        """The compact range of leaves ``start`` to ``end``, a complete subtree or the whole log."""
        # A frontier that ends with a subtree may have merged it with its left sibling.
        row = stored_checkpoint(self._view, end - 1 if start else end)
        grown = CompactRange()
        if row is not None and row.size > start:
            inside = row.size - start
            try:
                # What [0, size) falls into is what [0, start) does, and then what [start, size) does.
                grown = CompactRange.from_bytes(
                    inside, row.frontier[len(row.frontier) - inside.bit_count() * HASH_SIZE :]
                )
            except (ValueError, TypeError):
                raise IntegrityError(f"checkpoint {row.size}: frontier") from None
        for envelope in envelopes(self._view, start + grown.size, end):
            grown.append(leaf_hash(envelope))
        return grown


def envelopes(view: LogView, start: int, stop: int) -> Iterator[bytes]:
    """The stored bytes of leaves ``start`` to ``stop`` (not included), in order.

    Raises:
        IntegrityError: one is missing, or is not made of bytes.
        LedgerError: they cannot be read.
    """
    for first in range(start, stop, _PAGE):
        last = min(first + _PAGE, stop)
        found = view._all(
            "SELECT leaf, envelope FROM leaves WHERE leaf>=? AND leaf<? ORDER BY leaf", first, last
        )
        for expected, (leaf, envelope) in zip(range(first, last), found, strict=False):
            if leaf != expected:
                raise IntegrityError(f"record {expected}: missing")
            if not isinstance(envelope, bytes):  # SQLite columns take any type
                raise IntegrityError(f"record {leaf}: cannot be parsed")
            yield envelope
        if len(found) < last - first:
            raise IntegrityError(f"record {first + len(found)}: missing")


def stored_checkpoint(view: LogView, at_most: int) -> CheckpointRow | None:
    """The newest stored checkpoint of at most that size.

    Raises:
        LedgerError: it cannot be read.
    """
    found = view._all(
        "SELECT size, note, frontier FROM checkpoints WHERE size<=? ORDER BY size DESC LIMIT 1", at_most
    )
    return CheckpointRow(*found[0]) if found else None
