"""Checks published tiles: those of a log's own folder against its tree, and a log that is tiles alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controls.errors import IntegrityError, LedgerError
from controls.ledger.findings import Findings
from controls.ledger.notes import parse_checkpoint
from controls.ledger.prover import TileSource
from controls.ledger.records import LOG_NAME
from controls.ledger.tiles import ENTRIES, HEIGHT, WIDTH, Tile, decode_entries, decode_tile, tile_at, tiles_of
from controls.ledger.tree import HASH_SIZE, Tree, leaf_hash
from controls.ledger.verify_checkpoints import CheckpointChecks
from controls.ledger.verify_leaves import LeafChecks
from controls.ledger.verify_register import VerifiedLog

CHECKPOINT, COSIGNED = "checkpoint", "cosigned"


@dataclass(frozen=True, slots=True)
class TileChecks:
    """Reads what one log has published, and holds it against the log's tree.

    Attributes:
        where: put before every finding.
    """

    source: TileSource
    findings: Findings
    where: str = ""

    def notes(self) -> tuple[bytes | None, bytes | None]:
        """The published checkpoint and the newest cosigned one; the older is read first."""
        cosigned = self._get(COSIGNED)
        return self._get(CHECKPOINT), cosigned

    def bundles(self, size: int) -> Iterator[tuple[int, list[bytes]]]:
        """The published leaves of a tree of ``size``, each bundle with its first index."""
        for n in range(-(-size // WIDTH)):
            tile, first = tile_at(ENTRIES, n, size), n * WIDTH
            data = self._tile(tile)
            if data is None:  # a checkpoint may name any size: the first gap ends the search
                self._fail("files", f"{tile.path}: missing (records {first} to {first + tile.width - 1})")
                return
            try:
                yield first, decode_entries(data, tile.width)
            except IntegrityError as error:
                self._fail("parse", f"{tile.path}: {error}")
                return

    def whole(self, size: int, tree: Tree) -> None:
        """Check 9: every tile of the tree of ``size`` leaves is there and is the tree's."""
        for tile in tiles_of(size):
            data = self._tile(tile)
            if data is None:
                self._fail("files", f"{tile.path}: missing")
            else:
                self._compare(tile, data, tile.width, tree)

    def folder(self, directory: Path, size: int, tree: Tree) -> None:
        """Checks 1 and 9 on a folder: nothing strange lies in it, and older partial tiles hold too.

        Args:
            size: leaves under its checkpoint; what is published beyond is not covered yet.
        """
        beyond = 0
        for file in sorted(directory.rglob("*")):
            path = file.relative_to(directory).as_posix()
            if path in (CHECKPOINT, COSIGNED) or (file.is_dir() and not file.is_symlink()):
                continue
            try:
                tile = Tile.parse(path)
                data = file.read_bytes() if file.stat().st_size <= tile.limit else b""
            except IntegrityError:
                if not file.name.startswith("."):  # such as a file still being written
                    self._fail("files", f"{path}: no file of a published log")
                continue
            except OSError as error:
                self._fail("files", f"{path}: cannot be read ({error.strerror})")
                continue
            if (tile.n * WIDTH + tile.width) << HEIGHT * max(tile.level, 0) > size:
                beyond += 1
            else:
                self._compare(tile, data, None, tree)
        if beyond:
            what = f"{beyond} published file(s) behind the published checkpoint, not covered yet"
            self.findings.note("files", self.where + what)

    def _compare(self, tile: Tile, data: bytes, width: int | None, tree: Tree) -> None:
        """One tile's bytes against the tree; ``width`` None: its own and no more."""
        self.findings.count("root")
        try:
            if tile.level == ENTRIES:
                found = [leaf_hash(entry) for entry in decode_entries(data, width)]
            else:
                found = decode_tile(data, width or len(data) // HASH_SIZE)
        except IntegrityError as error:
            self._fail("parse", f"{tile.path}: {error}")
            return
        if len(found) != (width or tile.width):
            self._fail("parse", f"{tile.path}: of another width")
        height = HEIGHT * max(tile.level, 0)
        for index, hashed in enumerate(found, tile.n * WIDTH):
            if (index + 1) << height > len(tree):
                self._fail("root", f"{tile.path}: reaches behind the last record")
                return
            if tree.subtree(height, index) != hashed:
                what = "record" if tile.level == ENTRIES else "hash"
                self._fail("root", f"{tile.path}: {what} {index} is not the tree's")
                return

    def _tile(self, tile: Tile) -> bytes | None:
        """A tile, or the full one in the place of a partial one that has gone."""
        data = self._get(tile.path)
        return self._get(tile.full.path) if data is None and tile.width < WIDTH else data

    def _get(self, path: str) -> bytes | None:
        try:
            return self.source.get(path)
        except (LedgerError, IntegrityError) as error:
            self._fail("files", str(error))
            return None

    def _fail(self, check: str, what: str) -> None:
        self.findings.fail(check, self.where + what)


def check_published_log(
    source: TileSource, name: str, findings: Findings, *, several: bool
) -> VerifiedLog | None:
    """Read a log that is published tiles alone, leaf by leaf.

    Args:
        name: what it is called in findings: a folder or an address.
        several: other logs are verified with it, so that findings name this one.

    Returns:
        None when its checkpoint cannot be read: nothing can be said of the rest.
    """
    note, cosigned = TileChecks(source, findings, f"{name}: ").notes()
    if note is None:
        findings.fail("files", f"{name}: checkpoint is missing or cannot be read")
        return None
    try:
        claimed = parse_checkpoint(note)
    except IntegrityError:
        findings.fail("parse", f"{name}: published checkpoint: cannot be parsed")
        return None
    if not claimed.origin.startswith(LOG_NAME):
        findings.fail("files", f"{name}: its checkpoint is of no log of ours")
        return None
    origin = claimed.origin.removeprefix(LOG_NAME)
    tiles = TileChecks(source, findings, f"{origin} " if several else "")
    leaves = LeafChecks(findings, origin, where=tiles.where)
    try:
        for start, entries in tiles.bundles(claimed.size):
            for index, entry in enumerate(entries, start):
                leaves.add(index, entry)
        leaves.finish()
    finally:
        leaves.close()
    checkpoints = CheckpointChecks(findings, leaves)
    checkpoints.add(note, "published checkpoint")
    if cosigned is not None:
        checkpoints.with_witnesses(cosigned)
    tiles.whole(min(claimed.size, len(leaves.tree)), leaves.tree)
    findings.records += len(leaves.tree)
    return VerifiedLog(name, leaves, checkpoints)
