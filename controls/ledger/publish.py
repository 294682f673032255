"""Publishes a log as C2SP tiles while it grows, in a thread of its own and without the writer's help.

Everything under a checkpoint is there before the checkpoint is. A published tile
never changes: where other bytes lie than this log has, publishing stops and says so.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from loguru import logger

from controls.errors import IntegrityError, SayError
from controls.ledger.blob_store import BlobStore, FolderStore
from controls.ledger.notes import Checkpoint, parse_checkpoint
from controls.ledger.prover import LogTiles, Prover, envelopes, stored_checkpoint
from controls.ledger.reader import LogView
from controls.ledger.tiles import ENTRIES, HEIGHT, MAX_TILE, WIDTH, Edge, Tile, encode_entries
from controls.ledger.tree import leaf_hash

#: Names beside ``tile/``: the newest checkpoint, and the newest one with cosignatures.
CHECKPOINT, COSIGNED = "checkpoint", "cosigned"
#: Full entry bundles made in one turn (of 256 leaves each), and the rest in s until the next.
BUNDLES = 8
REST_S = 0.05
#: Shortest time between two checkpoints published, in s. Each writes the unfinished bundle (up to some
#: 400 kB) anew: at one checkpoint a second, a quiet log would write a hundred times what it holds.
EVERY_S = 5.0
#: Seconds until a store that failed is tried again, if nothing wakes the thread before.
RETRY_S = 10.0
#: Newest full bundles that a restart makes again and compares.
RECHECKED = 16


class Publisher:
    """One log's publishing. ``wake`` from any thread; everything else happens in its own.

    After a wake, at most every ``EVERY_S``: entry bundles and hash tiles, full ones
    and those the checkpoint ends in; then ``checkpoint``; then ``cosigned``; then
    partial tiles that full ones have replaced are deleted. Checkpoints that came in
    between are left out. Whoever has an older published one finds its tiles, or the
    full ones that replaced them.
    """

    def __init__(self, directory: Path, store: BlobStore | None = None) -> None:
        """Begin to publish the log in ``directory``.

        Args:
            store: where to; closed with the publisher. ``directory/tlog`` by default.
        """
        self.directory = directory
        self._store = store or FolderStore(directory / "tlog")
        self._awake = threading.Event()
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._waiting = 0
        self._problem = ""
        self._stopped = False
        self._over = False
        self._published = 0
        # From here on, the thread's own.
        self._view: LogView | None = None
        self._edge: Edge | None = None
        #: Tiles that have partial ones published, each named as the full one to be.
        self._partial: set[Tile] = set()
        self._notes: dict[str, bytes] = {}
        self._thread = threading.Thread(target=self._run, name=f"publish {directory.name}", daemon=True)
        self._thread.start()

    # -- for every thread -----------------------------------------------------------------------

    def wake(self) -> None:
        """There is a new checkpoint, or a cosigned one; returns at once."""
        self._awake.set()

    @property
    def failed(self) -> bool:
        """Whether publishing has stopped for good: what lies there is not this log's."""
        return self._stopped

    @property
    def problem(self) -> str:
        """Why it stopped, or what the store's last failure was; "" when nothing is wrong."""
        return self._problem

    @property
    def published(self) -> int:
        """Leaves under the checkpoint this publisher has published; 0 before the first."""
        return self._published

    def wait(self, size: int, timeout_s: float) -> bool:
        """Block until a checkpoint of at least ``size`` leaves is published, ahead of its time if need be.

        False when that has not come to pass: too late, stopped or closed.
        """
        with self._changed:
            self._waiting += 1
            self._hurry.set()
            self._awake.set()
            try:
                self._changed.wait_for(
                    lambda: self._published >= size or self._stopped or self._over, timeout_s
                )
                return self._published >= size
            finally:
                self._waiting -= 1

    def close(self) -> None:
        """Publish what one more turn can, then let go. Blocks; may be repeated."""
        self._closing.set()
        self._hurry.set()
        self._awake.set()
        self._thread.join()

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while True:
                last = self._closing.is_set()
                more = self._turn()
                if last:
                    return
                if more:
                    self._closing.wait(REST_S)
                    continue
                if not self._waiting:
                    self._hurry.wait(EVERY_S)  # a wake does not shorten it
                self._awake.wait(RETRY_S if self._problem and not self._stopped else None)
                self._awake.clear()
                self._hurry.clear()
        finally:
            self._let_go()
            self._store.close()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _let_go(self) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.close()

    def _turn(self) -> bool:
        """One turn of bounded work; True when there is more to do."""
        if self._stopped:
            return False
        try:
            more = self._publish()
        except IntegrityError as error:
            self._stopped = True
            self._tell(f"publishing has stopped: {error}")
            return False
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the log goes on and so does this thread
            self._let_go()
            self._tell(str(error) if isinstance(error, SayError) else type(error).__name__)
            return False
        if self._problem:
            logger.info("ledger {}: publishing works again", self.directory.name)
            self._problem = ""
        return more

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            logger.error("ledger {}: {}", self.directory.name, problem)
        with self._changed:
            self._problem = problem
            self._changed.notify_all()

    def _publish(self) -> bool:
        """Publish up to the newest checkpoint; True when there is more than one turn's work."""
        view = self._view = self._view or LogView(self.directory)
        newest = view.checkpoint()
        if newest is None:
            return False
        if newest.origin != view.verifier.name:
            raise IntegrityError("the newest checkpoint names another log")
        edge = self._edge = self._edge or self._resume(view, newest)
        for _ in range(BUNDLES):
            if edge.size + WIDTH > newest.size:
                break
            edge = self._edge = self._bundle(view, edge, edge.size + WIDTH)
        else:
            return True
        if newest.size != self._published or newest.note != self._notes.get(CHECKPOINT):
            end = self._bundle(view, edge, newest.size) if newest.size > edge.size else edge
            self._finish(end, newest)
        self._cosigned(view, edge, newest.size)
        self._sweep(edge.size)
        return False

    def _bundle(self, view: LogView, edge: Edge, stop: int) -> Edge:
        """Publish one bundle, full or partial, and the tiles that end with it; the edge behind it."""
        entries = list(envelopes(view, edge.size, stop))
        bundle = Tile(ENTRIES, edge.size // WIDTH, len(entries))
        grown = edge.copy()  # the edge counts once everything under it is published
        made = [(bundle, encode_entries(entries))]
        for entry in entries:
            made += grown.append(leaf_hash(entry))
        for tile, data in made:
            self._put(tile, data)
        return grown

    def _finish(self, edge: Edge, checkpoint: Checkpoint) -> None:
        """The partial tiles of a checkpoint, and the checkpoint."""
        if edge.root() != checkpoint.root:
            raise IntegrityError(f"checkpoint {checkpoint.size}: root")
        for tile, data in edge.partial():
            self._put(tile, data)
        self._put_note(CHECKPOINT, checkpoint.note)
        with self._changed:
            self._published = checkpoint.size
            self._changed.notify_all()

    def _cosigned(self, view: LogView, edge: Edge, size: int) -> None:
        """The newest cosigned checkpoint that ``size`` leaves cover, with the partial tiles it ends in."""
        found = _newest_cosigned(view, size)
        if found is None or found.note == self._notes.get(COSIGNED):
            return
        if _stored(view, found.size) != (found.origin, found.size, found.root):
            raise IntegrityError(f"the cosigned checkpoint of {found.size} leaves is not this log's")
        # Where it ends in a bundle that is full by now, only tiles further up are partial.
        end = self._bundle(view, edge, found.size) if found.size > edge.size else edge
        for tile, data in end.partial(found.size):
            self._put(tile, data)
        self._put_note(COSIGNED, found.note)

    def _put(self, tile: Tile, data: bytes) -> None:
        """Publish a tile once and for all."""
        if tile.width < WIDTH:
            self._partial.add(tile.full)
        there = self._store.get(tile.path)
        if there == data:
            return
        if there is not None and not data.startswith(there):  # what is cut off is made again
            raise IntegrityError(f"{tile.path}: other bytes are published there already")
        self._store.put(tile.path, data)

    def _put_note(self, name: str, note: bytes) -> None:
        if self._notes.get(name) != note:
            self._store.put(name, note)
            self._notes[name] = note

    def _sweep(self, size: int) -> None:
        """Delete the partial tiles whose full ones ``size`` leaves have brought."""
        for tile in sorted(self._partial):
            if (tile.n + 1) << HEIGHT * (max(tile.level, 0) + 1) <= size:
                for blob in list(self._store.list(f"{tile.path}.p/")):
                    self._store.delete(blob.name)
                self._partial.discard(tile)

    # -- after a restart ------------------------------------------------------------------------

    def _resume(self, view: LogView, newest: Checkpoint) -> Edge:
        """Where to go on: some bundles before what is published, once that is known to be this log's.

        1. What is published is under a checkpoint this log has.
        2. It goes on from the newest bundles, which are made again and compared; or from
           the first tile that is missing or cut off (one listing).
        3. The tiles before that give the root the log's own leaves give.
        """
        logged = LogTiles(view)
        published = self._checkpoint_there(view, newest)
        size = published.size if published else 0
        start = max(0, size // WIDTH - RECHECKED) * WIDTH
        for tile in self._lost(size):
            start = min(start, tile.n << HEIGHT * (max(tile.level, 0) + 1))
        try:  # published tiles give the edge with one read a level, the log with hundreds
            edge = Edge.at(start, Prover(self._store, size).subtree)
        except IntegrityError:  # one is missing or cut off
            edge = Edge.at(start, logged.subtree)
        if edge.root() != logged.root(start):
            raise IntegrityError(f"the tiles published under {start} leaves are not this log's")
        return edge

    def _checkpoint_there(self, view: LogView, newest: Checkpoint) -> Checkpoint | None:
        """The checkpoint that is published; None when there is none, or none that can be read."""
        note = self._store.get(CHECKPOINT)
        try:
            there = parse_checkpoint(note) if note else None
        except IntegrityError:  # every tile is then gone through again
            logger.warning("ledger {}: the published checkpoint cannot be read", self.directory.name)
            return None
        if there is None:
            return None
        if there.size > newest.size:
            raise IntegrityError(
                f"the log was rewound: a checkpoint of {there.size} leaves is published, it has {newest.size}"
            )
        if _stored(view, there.size) != (there.origin, there.size, there.root):
            raise IntegrityError(f"the published checkpoint of {there.size} leaves is not this log's")
        return there

    def _lost(self, size: int) -> Iterator[Tile]:
        """Full tiles under ``size`` leaves that are missing or cut off; takes note of partial ones."""
        whole = {ENTRIES: bytearray(size // WIDTH)}
        while count := size >> HEIGHT * len(whole):
            whole[len(whole) - 1] = bytearray(count)
        for blob in self._store.list("tile/"):
            with contextlib.suppress(IntegrityError):  # not ours: a verifier will say so
                tile = Tile.parse(blob.name)
                least = 2 * WIDTH if tile.level == ENTRIES else MAX_TILE
                if tile.width < WIDTH:
                    self._partial.add(tile.full)
                elif tile.n < len(whole.get(tile.level, b"")) and blob.size >= least:
                    whole[tile.level][tile.n] = 1
        for level, found in whole.items():
            yield from (Tile(level, n) for n, there in enumerate(found) if not there)


def _stored(view: LogView, size: int) -> tuple[str, int, bytes] | None:
    """Origin, size and root of the log's own checkpoint of at most ``size`` leaves."""
    row = stored_checkpoint(view, size)
    found = parse_checkpoint(row.note) if row else None
    return (found.origin, found.size, found.root) if found else None


def _newest_cosigned(view: LogView, size: int) -> Checkpoint | None:
    """The newest cosigned checkpoint of at most ``size`` leaves."""
    found = view._all("SELECT note FROM cosigned WHERE size<=? ORDER BY size DESC LIMIT 1", size)
    return parse_checkpoint(found[0][0]) if found else None
