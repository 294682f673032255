"""The writer thread of one log: takes what has gathered, commits it in groups, takes up the spool."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from loguru import logger

from controls.decision import Receipt
from controls.errors import IntegrityError, LedgerError, SayError
from controls.ledger.batching import Staged
from controls.ledger.log_files import SPOOL_FILE, LogFiles
from controls.ledger.notes import Checkpoint
from controls.ledger.options import Item, Job, Options
from controls.ledger.records import ControlFailed
from controls.ledger.spool import read_entry
from controls.ledger.storage import StorageError

#: Records one transaction takes at most.
MAX_BATCH = 256

_STOP, _WAKE, _FINISH = object(), object(), object()


class Writer:
    """Owns everything of a log that touches the disk.

    ``offer``, ``do``, ``finish``, ``wake``, ``close`` and what only reads are for
    every thread, the rest is the writer thread's own.
    """

    def __init__(self, directory: Path, options: Options) -> None:
        self.files = LogFiles(directory, options)
        self.options = options
        self.opened: Future[None] = Future()
        #: Done, with the last checkpoint, once the log has got its last leaf and was let go.
        self.finished: Future[Checkpoint] = Future()
        self.closed = False
        #: The log has got its last leaf, or is getting it: nothing more is taken.
        self.ended = False
        self._ending = False
        self._queue: queue.SimpleQueue[Item | Job | object] = queue.SimpleQueue()
        self._gate = threading.Lock()
        self._due = 0.0
        self._tidy_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"ledger {directory.name}", daemon=True)
        self._thread.start()

    # -- for every thread -----------------------------------------------------------------------

    def offer(self, item: Item) -> bool:
        """Queue one record; False, and nothing done, once the log has got its last leaf.

        A full queue or a closed log fails its future at once.
        """
        with self._gate:
            problem = ""
            if self.ended:
                return False
            if self.closed:
                problem = "the log is closed"
            elif self._queue.qsize() >= self.options.queue_size:
                problem = f"{self.options.queue_size} records wait already"
            else:
                item.future.set_running_or_notify_cancel()  # from here on, cancel() is refused
                self._queue.put(item)
        if problem:
            _fail(item, problem)
        return True

    def do(self, run: Callable[[], Any]) -> Future[Any]:
        """Have the writer thread run this in its turn; fails with ``LedgerError`` when it ends before."""
        job = Job(run)
        job.future.set_running_or_notify_cancel()
        with self._gate:
            refused = self.closed or self.ended
            if not refused:
                self._queue.put(job)
        if refused:
            job.future.set_exception(LedgerError("the log is closed"))
        return job.future

    def finish(self) -> None:
        """Take nothing new: the log ends when its last call has ended and nothing waits."""
        self._put(_FINISH)

    def wake(self) -> None:
        """Have the spool looked at."""
        self._put(_WAKE)

    def _put(self, what: object) -> None:
        with self._gate:
            if not self.closed:
                self._queue.put(what)

    @property
    def waiting(self) -> int:
        """Records queued (roughly)."""
        return self._queue.qsize()

    @property
    def ready(self) -> bool:
        """Whether opening went well."""
        return self.opened.done() and self.opened.exception() is None

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest one, or None before the log is open."""
        return self.files.assembler.checkpoint if self.ready else None

    @property
    def cosigned(self) -> Checkpoint | None:
        """The newest one that a witness has cosigned."""
        return self.files.assembler.cosigned if self.ready else None

    @property
    def spooled(self) -> int:
        """Entries of the fallback spool that are not in the log yet."""
        return self.files.spool.pending if self.ready else 0

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
                self.files.open(held)
                self.ended = self._ending = self.files.assembler.closed
                self._recover_spool()
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
        if self.ended:
            with contextlib.suppress(OSError):  # it is empty, and nothing will come into it
                (self.files.directory / SPOOL_FILE).unlink()
        if self.ended and (last := self.files.assembler.checkpoint) is not None:
            self.finished.set_result(last)

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
                elif isinstance(item, Job):
                    item.future.set_exception(LedgerError(why))

    # -- writing --------------------------------------------------------------------------------

    def _serve(self) -> None:
        then: object = None
        while then is not _STOP:
            items, then = self._gather()
            due = then is _STOP or time.monotonic() >= self._due
            # A checkpoint is also how a log that failed finds out that it works again.
            if items or (due and (self.files.behind or self.files.stale)):
                self._write(items, checkpoint=due)
            if due:
                self._due = time.monotonic() + self.options.checkpoint_every_s
                self._recover_spool()
            if isinstance(then, Job):
                self._do(then)
            self._ending = self._ending or then is _FINISH
            if self._ending and then is not _STOP and self._end():
                return
            if self._tidy_at and not items and time.monotonic() >= self._tidy_at:
                self._tidy_at = 0.0
                self.files.storage.idle()

    def _gather(self) -> tuple[list[Item], object]:
        """Wait for work, or for the next checkpoint's time; the records there are, and what follows them."""
        awaited = self.files.behind or self.files.stale or self._tidy_at or self._spooled or self._ending
        timeout = max(0.0, self._due - time.monotonic()) + 0.001 if awaited else None
        items: list[Item] = []
        with contextlib.suppress(queue.Empty):
            found = self._queue.get(timeout=timeout)
            while isinstance(found, Item):
                items.append(found)
                if len(items) == MAX_BATCH:
                    return items, None
                found = self._queue.get_nowait()
            return items, found
        return items, None

    def _do(self, job: Job) -> None:
        try:
            if self.files.stale:
                self.files.look_again()
                self.files.stale = False
            result = job.run()
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the writer goes on
            self.files.stale = (
                self.files.stale or not isinstance(error, LedgerError) or isinstance(error, StorageError)
            )
            told = error if isinstance(error, SayError) else LedgerError(_short(error))
            job.future.set_exception(told)
        else:
            job.future.set_result(result)

    def _end(self) -> bool:
        """Give the log its last leaf, if its calls have ended and nothing waits; whether it has one."""
        files = self.files
        if files.stale and not self._write([], checkpoint=True):
            return False
        with files.spooling, self._gate:
            busy = files.assembler.calls or self._spooled or not self._queue.empty()
            if busy and not files.assembler.closed:
                return False
            self.ended = True
        try:
            if not files.assembler.closed:
                staged = files.assembler.stage()
                files.assembler.add_end(staged, at=files.now())
                files.commit(staged)
            if files.behind:
                files.checkpoint()
        except Exception as error:  # noqa: BLE001 - tried again when the storage works
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        """The medium or the key failed: look again before the next commit."""
        if not self.files.stale:
            logger.error("ledger {}: {}", self.files.origin, _short(error))
        self.files.stale = True

    def _write(self, items: list[Item], *, checkpoint: bool) -> bool:
        """One group commit, whose futures are completed either way; then perhaps a checkpoint."""
        files, taken = self.files, list[tuple[Item, int]]()
        was_stale = files.stale
        try:
            if files.stale:
                files.look_again()
            staged = files.assembler.stage()
            for item in items:
                self._stage(staged, item, taken)
            if taken:
                files.commit(staged)
                files.stale = False
        except Exception as error:  # noqa: BLE001 - whatever it was, the futures fail and the writer goes on
            self._failed(error)
            for item in items:
                _fail(item, f"not durable: {_short(error)}", error)
            return False
        durable_at_ns = self.options.clock.monotonic_ns()
        for item, leaf in taken:
            item.future.set_result(Receipt(files.origin, leaf, item.record.type, durable_at_ns))
        self._tidy_at = time.monotonic() + 2 * self.options.checkpoint_every_s
        if checkpoint:
            try:
                files.checkpoint()
                files.stale = False
            except Exception as error:  # noqa: BLE001 - the records are durable; the checkpoint comes later
                self._failed(error)
                return False
        if was_stale and not files.stale:
            logger.warning("ledger {}: storage works again", files.origin)
        return True

    def _stage(self, staged: Staged, item: Item, taken: list[tuple[Item, int]]) -> None:
        """Add one record; one that cannot be taken fails alone, a failing medium fails them all."""
        try:
            if self.files.assembler.closed:
                raise LedgerError("the log has got its last leaf")
            if item.erase and not self.files.storage.holds(item.erase):
                raise LedgerError("no such artefact, or erased already")
            at = item.record.at if item.entry else self.files.now()
            leaf = self.files.assembler.add(staged, item.record, item.personal, at=at)
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

    def rewrap(self, after: str) -> tuple[int, str | None]:
        """As ``LogFiles.rewrap``, and at its end the fallback spool is empty of what the old key sealed.

        Raises:
            LedgerError: it is not.
        """
        found = self.files.rewrap(after)
        if found[1] is None:
            self._recover_spool()
            if self._spooled:
                raise LedgerError("the fallback spool cannot be emptied")
        return found

    # -- the spool ------------------------------------------------------------------------------

    @property
    def _spooled(self) -> bool:
        return bool(self.files.spool.pending or self.files.spool.damaged)

    def _recover_spool(self) -> None:
        """Append what lies in the spool, each entry once, then clear it."""
        spool = self.files.spool
        if not self._spooled or (self.files.stale and not self._write([], checkpoint=True)):
            return
        bodies = spool.bodies()
        items = list(self._entries(bodies))
        unread = len(bodies) - len(items) + spool.damaged
        try:
            items = [i for i in items if not self.files.storage.is_spooled(i.entry)]
        except (SayError, OSError):
            self.files.stale = True
            return
        if unread:
            logger.error("ledger {}: {} entries of the fallback spool are damaged", self.files.origin, unread)
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
                logger.info(
                    "ledger {}: {} records taken up from the fallback spool", self.files.origin, len(items)
                )

    def _entries(self, bodies: list[bytes]) -> Iterator[Item]:
        for body in bodies:
            with contextlib.suppress(IntegrityError):
                entry = read_entry(body, origin=self.files.origin, wrapping=self.files.assembler.wrapping)
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
