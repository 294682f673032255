"""The writer thread of one log: opens it, commits in groups, signs checkpoints, takes up the spool."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import IO

from loguru import logger

from controls.decision import PendingReceipt, Receipt
from controls.errors import IntegrityError, LedgerError, OperatorError, SayError, WriterLocked
from controls.ids import new_id
from controls.ledger.batching import Assembler, Staged
from controls.ledger.keys import Signer, Wrapping
from controls.ledger.notes import Checkpoint, key_digest, parse_checkpoint, public_text, verify_checkpoint
from controls.ledger.options import Item, Options
from controls.ledger.records import ControlFailed, KeyCreated, OriginOpened
from controls.ledger.spool import Spool, SpoolKey, read_entry
from controls.ledger.storage import FORMAT, Storage, StorageError

#: File beside ``log.db`` with the newest checkpoint: what the outside has seen.
CHECKPOINT_FILE = "checkpoint"
#: Records one transaction takes at most.
MAX_BATCH = 256


_STOP = object()
_WAKE = object()


def lock_writer(path: Path) -> IO[bytes]:
    """Take the writer lock at ``path``; closing the file gives it back.

    Raises:
        WriterLocked: somebody else holds it.
        LedgerError: the directory cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("ab")
    except OSError as error:
        raise LedgerError(f"{path.parent} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise WriterLocked(
            f"{path.parent} is being written by another process: stop that server (or demo) first, "
            "or give this one a data_dir of its own"
        ) from None
    return file


class Writer:
    """Owns everything of a log that touches the disk. ``put`` is for every thread, the rest its own."""

    def __init__(self, directory: Path, options: Options) -> None:
        self.directory = directory
        self.options = options
        self.origin = ""
        self.opened: Future[None] = Future()
        self.closed = False
        #: The last commit failed: what lies there is looked at again before the next.
        self.stale = False
        self.spool: Spool | None = None
        #: The newest checkpoint that a witness has cosigned.
        self.cosigned: Checkpoint | None = None
        self.signer: Signer
        self.sealing: SpoolKey
        self._wrapping: Wrapping
        self._queue: queue.Queue[Item | object] = queue.Queue()
        self._gate = threading.Lock()
        self._due = 0.0
        self._tidy_at = 0.0
        self._storage: Storage
        self._assembler: Assembler
        self._thread = threading.Thread(target=self._run, name=f"ledger {directory.name}", daemon=True)
        self._thread.start()

    # -- for every thread -----------------------------------------------------------------------

    def put(self, item: Item) -> PendingReceipt:
        """Queue one record; a full queue or a closed log fails its future at once."""
        item.future.set_running_or_notify_cancel()  # from here on, cancel() is refused
        with self._gate:
            problem = ""
            if self.closed:
                problem = "the log is closed"
            elif self._queue.qsize() >= self.options.queue_size:
                problem = f"{self.options.queue_size} records wait already"
            else:
                self._queue.put(item)
        if problem:
            _fail(item, problem)
        return item.future

    def wake(self) -> None:
        """Have the spool looked at."""
        with self._gate:
            if not self.closed:
                self._queue.put(_WAKE)

    @property
    def waiting(self) -> int:
        """Records queued (roughly)."""
        return self._queue.qsize()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest one, or None before the log is open."""
        ready = self.opened.done() and self.opened.exception() is None
        return self._assembler.checkpoint if ready else None

    def close(self) -> None:
        """Drain, sign a last checkpoint, let go; blocks, and may be repeated."""
        with self._gate:
            if not self.closed:
                self.closed = True
                self._queue.put(_STOP)
        self._thread.join()

    # -- opening --------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.ExitStack() as held:
            try:
                self._open(held)
            except Exception as error:  # noqa: BLE001 - told to whoever waits, and to every append
                held.close()  # give the lock back before anybody learns of it
                self._refuse(error)
                return
            self.opened.set_result(None)
            try:
                self._serve()
            finally:
                with self._gate:
                    self.closed = True
                self._fail_queue("the log is closed")

    def _refuse(self, error: Exception) -> None:
        if not isinstance(error, SayError):
            error = LedgerError(f"the log cannot be opened: {_short(error)}")
        with self._gate:
            self.closed = True
        self.opened.set_exception(error)
        self._fail_queue("the log cannot be opened", error)

    def _fail_queue(self, why: str, cause: Exception | None = None) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if isinstance(item, Item):
                    _fail(item, why, cause)

    def _open(self, held: contextlib.ExitStack) -> None:
        held.enter_context(lock_writer(self.directory / "lock"))
        self._storage = self.options.storage(self.directory)
        held.callback(self._storage.close)
        self._identify(self._storage.meta())
        self._assembler = Assembler(
            self._storage, origin=self.origin, tenant=self.options.tenant, signer=self.signer,
            wrapping=self._wrapping, tagger=self.options.tagger,
        )  # fmt: skip
        self._assembler.load(self._published())
        if self._assembler.size == 0:
            self._begin()
        self.sealing = SpoolKey.new(self._wrapping)
        self.spool = Spool(self.directory / "spool", size=self.options.spool_bytes)
        held.callback(self.spool.close)
        self._recover_spool()

    def _identify(self, meta: dict[str, str]) -> None:
        """Keys and name of the log: those it was begun with, or new ones for a new log."""
        fresh, keys, tenant = not meta, self.options.keys, self.options.tenant
        name = self.directory.name
        self.origin = meta.get("origin") or (name if name.startswith("o_") else new_id("o"))
        self.signer = keys.log_signer(self.origin, create=fresh)
        self._wrapping = keys.wrapping(create=fresh)
        if fresh:
            meta = {
                "origin": self.origin,
                "tenant": tenant,
                "vkey": str(self.signer.verifier),
                "format": FORMAT,
            }
            self._storage.create(meta)
        if meta.get("format") != FORMAT:
            raise IntegrityError(f"the log has format {meta.get('format')!r}, this version reads {FORMAT}")
        if meta.get("tenant") != tenant:
            raise OperatorError(f"{self.directory} is another tenant's log; use another directory")
        if meta.get("vkey") != str(self.signer.verifier):
            raise OperatorError(
                f"the key of {self.origin} is not the one this log was begun with; restore it"
            )

    def _published(self) -> Checkpoint | None:
        try:
            data = (self.directory / CHECKPOINT_FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the published checkpoint cannot be read: {error.strerror}") from error
        checkpoint = parse_checkpoint(data)
        verify_checkpoint(checkpoint, self.signer.verifier)
        return checkpoint

    def _begin(self) -> None:
        """The first two leaves name the log and its key."""
        tenant, raw = self.options.tenant, self.signer.verifier.public
        digest, public, origin = key_digest(raw), public_text(raw), self.origin
        staged = self._assembler.stage()
        for record in (
            OriginOpened(tenant=tenant, key=digest, public=public, origin=origin),
            KeyCreated(tenant=tenant, key=digest, public=public, role="log", origin=origin),
        ):
            self._assembler.add(staged, record, None, at=self._now())
        self._commit(staged, checkpoint=True)
        self._publish(staged)

    def _now(self) -> int:
        return int(self.options.clock.unix_s())

    # -- writing --------------------------------------------------------------------------------

    @property
    def _behind(self) -> bool:
        newest = self._assembler.checkpoint
        return newest is None or newest.size < self._assembler.size

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            items, stopping = self._gather()
            due = stopping or time.monotonic() >= self._due
            # A checkpoint is also how a log that failed finds out that it works again.
            if items or (due and (self._behind or self.stale)):
                self._write(items, checkpoint=due)
            if due:
                self._due = time.monotonic() + self.options.checkpoint_every_s
                self._recover_spool()
            if self._tidy_at and not items and time.monotonic() >= self._tidy_at:
                self._tidy_at = 0.0
                self._storage.idle()

    def _gather(self) -> tuple[list[Item], bool]:
        """Wait for work, or for the next checkpoint's time, and take all that is there."""
        awaited = self._behind or self.stale or self._tidy_at or self._spooled
        timeout = max(0.0, self._due - time.monotonic()) + 0.001 if awaited else None
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            found = self._queue.get(timeout=timeout)
            while isinstance(found, Item):
                items.append(found)
                if len(items) == MAX_BATCH:
                    return items, False
                found = self._queue.get_nowait()
            return items, found is _STOP
        return items, False

    def _write(self, items: list[Item], *, checkpoint: bool) -> bool:
        """One group commit; its futures are completed either way."""
        taken: list[tuple[Item, int]] = []
        try:
            if self.stale:
                self._storage.reopen()
                self._assembler.load(self._published(), tail=0)
            staged = self._assembler.stage()
            for item in items:
                self._stage(staged, item, taken)
            if taken or checkpoint:
                self._commit(staged, checkpoint=checkpoint)
        except Exception as error:  # noqa: BLE001 - whatever it was, the futures fail and the writer goes on
            if not self.stale:
                logger.error("ledger {}: {}", self.origin, _short(error))
            self.stale = True
            for item in items:
                _fail(item, f"not durable: {_short(error)}", error)
            return False
        if taken or checkpoint:
            if self.stale:
                logger.warning("ledger {}: storage works again", self.origin)
            self.stale = False
        durable_at_ns = self.options.clock.monotonic_ns()
        for item, leaf in taken:
            item.future.set_result(Receipt(self.origin, leaf, item.record.type, durable_at_ns))
        self._publish(staged)
        self._tidy_at = time.monotonic() + 2 * self.options.checkpoint_every_s
        return True

    def _stage(self, staged: Staged, item: Item, taken: list[tuple[Item, int]]) -> None:
        """Add one record; one that cannot be taken fails alone, a failing medium fails them all."""
        try:
            if item.erase and not self._storage.holds(item.erase):
                raise LedgerError("no such artefact, or erased already")
            at = item.record.at if item.entry else self._now()
            leaf = self._assembler.add(staged, item.record, item.personal, at=at)
        except (StorageError, IntegrityError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a tagger's or a model's fault stays with this record
            _fail(item, _short(error), error)
            return
        taken.append((item, leaf))
        if item.erase:
            staged.batch.erase.append(item.erase)
        if item.entry:
            staged.batch.spooled.append(item.entry)

    def _commit(self, staged: Staged, *, checkpoint: bool) -> None:
        self._storage.commit(self._assembler.finish(staged, checkpoint=checkpoint))
        self._assembler.accept(staged)

    def _publish(self, staged: Staged) -> None:
        """Replace the checkpoint file. A failure costs nothing but freshness."""
        if staged.checkpoint is None:
            return
        path = self.directory / CHECKPOINT_FILE
        partial = path.with_name(CHECKPOINT_FILE + ".new")
        try:
            with partial.open("wb") as file:
                file.write(staged.checkpoint.note)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave an empty file behind the rename
            partial.replace(path)
        except OSError as error:
            logger.warning("ledger {}: checkpoint not published: {}", self.origin, error.strerror)

    # -- the spool ------------------------------------------------------------------------------

    @property
    def _spooled(self) -> bool:
        return self.spool is not None and bool(self.spool.pending or self.spool.damaged)

    def _recover_spool(self) -> None:
        """Append what lies in the spool, each entry once, then clear it."""
        spool = self.spool
        if spool is None or not self._spooled or (self.stale and not self._write([], checkpoint=True)):
            return
        bodies = spool.bodies()
        items = list(self._entries(bodies))
        unread = len(bodies) - len(items) + spool.damaged
        try:
            items = [i for i in items if not self._storage.is_spooled(i.entry)]
        except (SayError, OSError):
            self.stale = True
            return
        if unread:
            logger.error("ledger {}: {} entries of the fallback spool are damaged", self.origin, unread)
            tenant = self.options.tenant
            items.append(
                Item(ControlFailed(tenant=tenant, control="ledger", reason="broken", attempt=unread))
            )
        for start in range(0, len(items), MAX_BATCH):
            if not self._write(items[start : start + MAX_BATCH], checkpoint=False):
                return
        if any(i.future.exception() is not None for i in items):
            return  # kept in the spool: a record no one else has
        with contextlib.suppress(LedgerError):
            if spool.clear(len(bodies)):
                logger.info("ledger {}: {} records taken up from the fallback spool", self.origin, len(items))

    def _entries(self, bodies: list[bytes]) -> Iterator[Item]:
        for body in bodies:
            with contextlib.suppress(IntegrityError):
                entry = read_entry(body, key=self.signer.verifier, wrapping=self._wrapping)
                yield Item(entry.record, entry.personal, entry=entry.id)


def _short(error: BaseException) -> str:
    """A foreign error's message may hold anything; ours hold nothing personal."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, SayError) else type(error).__name__


def _fail(item: Item, why: str, cause: BaseException | None = None) -> None:
    if not item.future.done():
        error = LedgerError(f"{item.record.type}: {why}")
        error.__cause__ = cause
        item.future.set_exception(error)
