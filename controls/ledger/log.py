"""One append-only log: durable append with group commit, receipts and signed checkpoints.

``append`` queues and returns a future at once, from any thread. A writer thread
(``writer.py``) takes what has gathered, numbers, seals and signs it, makes it
durable in one transaction and then completes the futures. A future that fails
says that its record is not durable; the caller decides whether the fallback
spool takes it. ``Ledger`` (``ledger.py``) is several tenants' logs, period after
period, behind one ``append``.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError
from controls.ledger.batching import Tagger
from controls.ledger.keys import FileKeys, Keys
from controls.ledger.notes import Checkpoint, VerifierKey
from controls.ledger.options import Item, LedgerClock, Options, SystemTime
from controls.ledger.periods import ENDLESS, Period
from controls.ledger.records import ErasureDone, Personal, Record
from controls.ledger.spool import SPOOL_BYTES, make_entry
from controls.ledger.storage import SqliteStorage, Storage
from controls.ledger.writer import Writer

Ground = Literal["request", "expiry", "withdrawn"]


class LogEnded(LedgerError):
    """The log has got its last leaf; another one of its tenant takes records now."""


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
        period: Period = ENDLESS,
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
            checkpoint_every_s=checkpoint_every_s, period=period,
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
        return self._writer.files.origin if self._writer.ready else ""

    @property
    def verifier(self) -> VerifierKey:
        """The key it is written with now.

        Raises:
            LedgerError: the log is not open.
        """
        self._opened()
        return self._writer.files.identity.signer.verifier

    @property
    def period(self) -> Period:
        """The calls it is for; raises as ``verifier``."""
        self._opened()
        return self._writer.files.identity.period

    def _opened(self) -> None:
        if not self._writer.ready:
            raise LedgerError("the log is not open")

    @property
    def failed(self) -> bool:
        """Whether opening failed; such a log never writes."""
        opened = self._writer.opened
        return opened.done() and opened.exception() is not None

    @property
    def ready(self) -> bool:
        """Whether opening went well."""
        return self._writer.ready

    @property
    def healthy(self) -> bool:
        """Open, and the last commit went through (looked at again about every second)."""
        writer = self._writer
        return writer.ready and not writer.files.stale and not writer.closed

    @property
    def ended(self) -> bool:
        """Whether it has got its last leaf (or is getting it), and takes nothing more."""
        return self._writer.ended

    @property
    def waiting(self) -> int:
        """Records queued and not yet taken up (roughly)."""
        return self._writer.waiting

    @property
    def spooled(self) -> int:
        """Entries in the fallback spool that are not in the log yet."""
        return self._writer.spooled

    def offer(self, item: Item) -> bool:
        """Queue one record, unless this log has got its last leaf: then False, and nothing is done."""
        return self._writer.offer(item)

    def append(self, record: Record, personal: Personal | None = None) -> PendingReceipt:
        """Queue one record; never blocks, never raises.

        The future cannot be cancelled. It fails with ``LedgerError`` when the
        record did not become durable, also when too many wait already. Its
        callbacks run in the writer thread: keep them short.
        """
        return self._put(Item(record, personal))

    def _put(self, item: Item) -> PendingReceipt:
        if not self._writer.offer(item):
            problem = LedgerError(f"{item.record.type}: the log has got its last leaf")
            item.future.set_exception(problem)
        return item.future

    def erase(self, artifact: str, *, ground: Ground) -> PendingReceipt:
        """Destroy a sealed artefact's key and blob, with its tombstone in the same transaction.

        What may be erased (legal holds, floors) is decided elsewhere. The future
        fails with ``LedgerError`` when there is no such artefact (any more).
        """
        record = ErasureDone(tenant=self.tenant, artifact=artifact, ground=ground)
        return self._put(Item(record, erase=artifact))

    def holds(self, artifact: str) -> Future[bool]:
        """Whether a sealed artefact is in this log and not erased."""
        return self._writer.do(lambda: self._writer.files.holds(artifact))

    def append_spooled(self, record: Record, personal: Personal | None = None) -> Receipt:
        """Write to the fallback spool at once; blocks for one small synced write.

        Only for fixed phrases, emergencies and a requested person's transfer
        while ``append`` fails. The log takes it up as ``recovered``, with the
        time it was spooled at, as soon as its storage works.

        Raises:
            LedgerError: the log is not open, or the spool is full or failing.
        """
        writer, clock = self._writer, self._options.clock
        if not writer.ready or record.tenant != self.tenant:
            raise LedgerError(f"{record.type}: no fallback spool is open for it")
        at = int(clock.unix_s())
        if personal is not None and not isinstance(personal, type(record).personal or ()):
            raise LedgerError(f"{record.type}: personal content of the wrong kind")
        marked = record.model_copy(update={"at": at, "n": 0, "sealed": None, "recovered": True})
        files = writer.files
        with files.spooling:
            if writer.ended:
                raise LogEnded(f"{record.type}: the log has got its last leaf")
            files.spool.write(make_entry(marked, personal, origin=files.origin, sealing=files.sealing))
        writer.wake()
        return Receipt(files.origin, -1, record.type, clock.monotonic_ns(), spooled=True)

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

    def add_cosigned(self, checkpoint: Checkpoint) -> Future[None]:
        """Keep one of this log's checkpoints with witnesses' cosignatures, beside those known already.

        The future is done once it is durable; it fails with ``LedgerError`` when
        this log never signed that checkpoint, or it did not become durable.
        """
        return self._writer.do(lambda: self._writer.files.add_cosigned(checkpoint))

    def on_checkpoint(self, told: Callable[[Checkpoint], None]) -> None:
        """Have ``told`` called with each new checkpoint, and each newly cosigned one, once it is durable.

        It is called in the writer thread: keep it short.
        """
        self._writer.files.on_checkpoint.append(told)

    def rotate(self) -> VerifierKey:
        """Log the next key and let it take over; returns it. Blocks.

        The present key signs ``key.created`` of the next one, its own
        ``key.retired`` and a checkpoint over both; then its private half is
        destroyed. Cut short anywhere, the next start completes or forgets it.

        Raises:
            LedgerError: it did not become durable, or the next key is not in place yet.
            OperatorError: the keys cannot be used.
        """
        found: VerifierKey = self._writer.do(self._writer.files.rotate).result()
        return found

    def rewrap(self) -> int:
        """Wrap every subject's key under the next wrapping key; returns how many. Blocks; may be repeated.

        ``rewrapped`` follows once that key has been promoted.

        Raises:
            LedgerError: it did not become durable; what has been done may stay.
            IntegrityError: a key opens under neither wrapping key.
        """
        count, after = 0, ""
        while True:
            done, following = self._rewrap(after).result()
            count += done
            if following is None:
                return count
            after = following

    def _rewrap(self, after: str) -> Future[tuple[int, str | None]]:
        return self._writer.do(lambda: self._writer.rewrap(after))

    def rewrapped(self) -> None:
        """The next wrapping key has become the present one. Blocks."""
        self._writer.do(self._writer.files.rewrapped).result()

    # -- the end --------------------------------------------------------------------------------

    def finish(self) -> None:
        """The period is over: after its last open call, the log gets its last leaf and is let go."""
        self._writer.finish()

    @property
    def finished(self) -> Future[Checkpoint]:
        """Done once the last leaf is durable and the files are let go; the last checkpoint."""
        return self._writer.finished

    @property
    def opened(self) -> Future[None]:
        """Done once it is known whether the log can be opened; ``wait`` waits for it."""
        return self._writer.opened

    def close(self) -> None:
        """Write everything queued and a last checkpoint, then let go. Blocks; may be repeated."""
        self._writer.close()
