"""One append-only log: durable append with group commit, receipts and signed checkpoints.

``append`` queues and returns a future at once, from any thread. A writer thread
(``writer.py``) takes what has gathered, numbers, seals and signs it, makes it
durable in one transaction and then completes the futures. A future that fails
says that its record is not durable; the caller decides whether the fallback
spool takes it. ``Ledger`` is several tenants' logs behind one ``append``.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Literal

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError
from controls.ids import new_id
from controls.ledger.batching import Tagger
from controls.ledger.keys import FileKeys, Keys
from controls.ledger.notes import Checkpoint
from controls.ledger.options import Item, LedgerClock, Options, SystemTime
from controls.ledger.records import ErasureDone, Personal, Record
from controls.ledger.spool import SPOOL_BYTES, make_entry
from controls.ledger.storage import SqliteStorage, Storage
from controls.ledger.writer import Writer, lock_writer

Ground = Literal["request", "expiry", "withdrawn"]


class Log:
    """One origin's log, the durable end of ``controls.decision.Recorder``.

    Ordering: leaves stand in the order of ``append``. Loss: none behind a
    completed future. Closing: ``close`` drains; later appends fail.
    """

    def __init__(self, directory: Path, options: Options) -> None:
        """Begin to open, in the writer thread; appends queue up meanwhile. ``wait`` tells how it went."""
        self.directory = directory
        self.tenant = options.tenant
        self._options = options
        self._writer = Writer(directory, options)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        tenant: str,
        tagger: Tagger,
        clock: LedgerClock | None = None,
        keys: Keys | None = None,
        storage: Callable[[Path], Storage] = SqliteStorage,
        spool_bytes: int = SPOOL_BYTES,
        queue_size: int = 8192,
        checkpoint_every_s: float = 1.0,
    ) -> Log:
        """Open the log in ``directory``, or begin one there. Blocks for some file syncs.

        Args:
            keys: who signs and wraps; files in ``directory/keys`` by default.
            tenant, tagger, …: as ``writer.Options``.

        Raises:
            WriterLocked: another process writes it.
            IntegrityError: it was rewound or altered.
            OperatorError: a key file is missing or open to others.
            LedgerError: it cannot be read or written.
        """
        options = Options(
            tenant=tenant, tagger=tagger, keys=keys or FileKeys(directory / "keys"),
            clock=clock or SystemTime(), storage=storage, spool_bytes=spool_bytes, queue_size=queue_size,
            checkpoint_every_s=checkpoint_every_s,
        )  # fmt: skip
        log = cls(directory, options)
        log.wait()
        return log

    def wait(self) -> None:
        """Block until the log is open.

        Raises:
            SayError: as ``Log.open``.
        """
        self._writer.opened.result()

    @property
    def origin(self) -> str:
        """``o_…``; "" before the log is open."""
        return self._writer.origin

    @property
    def failed(self) -> bool:
        """Whether opening failed; such a log never writes."""
        opened = self._writer.opened
        return opened.done() and opened.exception() is not None

    @property
    def healthy(self) -> bool:
        """Open, and the last commit went through (looked at again about every second)."""
        writer = self._writer
        return writer.opened.done() and not self.failed and not writer.stale and not writer.closed

    @property
    def waiting(self) -> int:
        """Records queued and not yet taken up (roughly)."""
        return self._writer.waiting

    @property
    def spooled(self) -> int:
        """Entries in the fallback spool that are not in the log yet."""
        return self._writer.spool.pending if self._writer.spool else 0

    def append(self, record: Record, personal: Personal | None = None) -> PendingReceipt:
        """Queue one record; never blocks, never raises.

        The future cannot be cancelled. It fails with ``LedgerError`` when the
        record did not become durable, also when too many wait already. Its
        callbacks run in the writer thread: keep them short.
        """
        return self._writer.put(Item(record, personal))

    def erase(self, artifact: str, *, ground: Ground) -> PendingReceipt:
        """Destroy a sealed artefact's key and blob, with its tombstone in the same transaction.

        What may be erased (legal holds, floors) is decided elsewhere. The future
        fails with ``LedgerError`` when there is no such artefact (any more).
        """
        record = ErasureDone(tenant=self.tenant, artifact=artifact, ground=ground)
        return self._writer.put(Item(record, erase=artifact))

    def append_spooled(self, record: Record, personal: Personal | None = None) -> Receipt:
        """Write to the fallback spool at once; blocks for one small synced write.

        Only for fixed phrases, emergencies and a requested person's transfer
        while ``append`` fails. The log takes it up as ``recovered``, with the
        time it was spooled at, as soon as its storage works.

        Raises:
            LedgerError: the log is not open, or the spool is full or failing.
        """
        writer, clock = self._writer, self._options.clock
        if writer.spool is None or record.tenant != self.tenant:
            raise LedgerError(f"{record.type}: no fallback spool is open for it")
        at, tag = int(clock.unix_s()), None
        if personal is not None:
            if not isinstance(personal, type(record).personal or ()):
                raise LedgerError(f"{record.type}: personal content of the wrong kind")
            tag = self._options.tagger(personal.kind, at)
        marked = record.model_copy(update={"at": at, "n": 0, "sealed": None, "recovered": True})
        entry = make_entry(
            marked, personal, origin=writer.origin, signer=writer.signer, sealing=writer.sealing, tag=tag
        )
        writer.spool.write(entry)
        writer.wake()
        return Receipt(writer.origin, -1, record.type, clock.monotonic_ns(), spooled=True)

    def checkpoint(self) -> Checkpoint:
        """The newest signed checkpoint (about a second behind at most).

        Raises:
            LedgerError: the log is not open.
        """
        checkpoint = self._writer.checkpoint
        if checkpoint is None:
            raise LedgerError("the log is not open")
        return checkpoint

    def cosigned(self) -> Checkpoint | None:
        """The newest checkpoint a witness has cosigned, with its cosignatures; None without one."""
        return self._writer.cosigned

    def close(self) -> None:
        """Write everything queued and a last checkpoint, then let go. Blocks; may be repeated."""
        self._writer.close()


class Ledger:
    """Every log of one root directory: ``<root>/<origin>/`` and ``<root>/keys/``.

    A ``controls.decision.Recorder``. A tenant's first record begins its log, in
    that log's own thread; ``prepare`` does so ahead of the first call and tells
    whether it worked.
    """

    def __init__(
        self,
        root: Path,
        *,
        tagger: Tagger,
        taggers: Mapping[str, Tagger] | None = None,
        clock: LedgerClock | None = None,
        storage: Callable[[Path], Storage] = SqliteStorage,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        """As ``open``."""
        self.root = root
        self._tagger = tagger
        self._taggers = dict(taggers or {})
        self._clock = clock or SystemTime()
        self._storage = storage
        self._spool_bytes = spool_bytes
        self._gate = threading.Lock()
        self._closed = False
        self._logs: dict[str, Log] = {}
        self._lock = lock_writer(root / "lock")
        try:
            self._directories = _tenants(root)
        except BaseException:
            self._lock.close()
            raise

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        tagger: Tagger,
        taggers: Mapping[str, Tagger] | None = None,
        clock: LedgerClock | None = None,
        storage: Callable[[Path], Storage] = SqliteStorage,
        spool_bytes: int = SPOOL_BYTES,
    ) -> Ledger:
        """Take the writer lock of ``root`` and find its logs; opens none yet.

        Args:
            tagger: how long what is written is kept.
            taggers: the same for single tenants, which then do not use ``tagger``.

        Raises:
            WriterLocked: another process writes there.
            LedgerError: the directory cannot be written, or a log there cannot be read.
        """
        return cls(
            root, tagger=tagger, taggers=taggers, clock=clock, storage=storage, spool_bytes=spool_bytes
        )

    def prepare(self, tenant: str) -> Log:
        """Open this tenant's log and wait for it. Blocks: call it before serving, off the loop.

        Raises:
            SayError: as ``Log.open``; ``LedgerError`` when the ledger is closed.
        """
        log = self._log(tenant)
        log.wait()
        return log

    def append(self, record: Record, personal: Personal | None = None) -> PendingReceipt:
        """Queue one record in its tenant's log; never blocks for the disk, never raises."""
        try:
            log = self._log(record.tenant)
        except LedgerError as error:
            refused: PendingReceipt = Future()
            refused.set_exception(error)
            return refused
        return log.append(record, personal)

    def append_spooled(self, record: Record, personal: Personal | None = None) -> Receipt:
        """As ``Log.append_spooled``, in its tenant's spool.

        Raises:
            LedgerError: that log is not open, or its spool is full or failing.
        """
        return self._log(record.tenant).append_spooled(record, personal)

    def erase(self, tenant: str, artifact: str, *, ground: Ground) -> PendingReceipt:
        """As ``Log.erase``.

        Raises:
            LedgerError: the ledger is closed.
        """
        return self._log(tenant).erase(artifact, ground=ground)

    def checkpoint(self, tenant: str) -> Checkpoint:
        """The newest signed checkpoint of this tenant's log.

        Raises:
            LedgerError: it is not open.
        """
        return self._log(tenant).checkpoint()

    def cosigned(self, tenant: str) -> Checkpoint | None:
        """The newest checkpoint of this tenant's log that a witness has cosigned."""
        return self._log(tenant).cosigned()

    @property
    def healthy(self) -> bool:
        """Not closed, and every log that was opened takes records."""
        with self._gate:
            return not self._closed and all(log.healthy for log in self._logs.values())

    @property
    def waiting(self) -> int:
        """Records queued and not yet taken up, over all logs."""
        with self._gate:
            return sum(log.waiting for log in self._logs.values())

    @property
    def spooled(self) -> int:
        """Entries in fallback spools that are not in their logs yet."""
        with self._gate:
            return sum(log.spooled for log in self._logs.values())

    def close(self) -> None:
        """Drain and close every log, then give the lock back. Blocks; may be repeated."""
        with self._gate:
            self._closed = True
            logs = list(self._logs.values())
        for log in logs:
            log.close()
        self._lock.close()

    def _log(self, tenant: str) -> Log:
        with self._gate:
            if self._closed:
                raise LedgerError("the ledger is closed")
            log = self._logs.get(tenant)
            if log is None or log.failed:  # a log that could not be opened is tried again
                directory = self._directories.setdefault(tenant, self.root / new_id("o"))
                tagger = self._taggers.get(tenant, self._tagger)
                options = Options(
                    tenant=tenant, tagger=tagger, keys=FileKeys(self.root / "keys"), clock=self._clock,
                    storage=self._storage, spool_bytes=self._spool_bytes,
                )  # fmt: skip
                log = self._logs[tenant] = Log(directory, options)
            return log


def log_directories(root: Path) -> list[Path]:
    """The directories under ``root`` (or ``root`` itself) that hold a log, by name."""
    if (root / "log.db").exists():
        return [root]
    return sorted(p.parent for p in root.glob("*/log.db")) if root.is_dir() else []


def _tenants(root: Path) -> dict[str, Path]:
    """Which directory holds which tenant's log."""
    found: dict[str, Path] = {}
    for directory in log_directories(root):
        try:
            db = sqlite3.connect(f"{(directory / 'log.db').absolute().as_uri()}?mode=ro", uri=True)
            try:
                row = db.execute("SELECT value FROM meta WHERE key='tenant'").fetchone()
            finally:
                db.close()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{directory}/log.db cannot be read ({error}); run: python -m controls.ledger verify {root}"
            ) from error
        if row is not None:
            found[row[0]] = directory
    return found
