"""Every log of one house behind one ``append``: tenants, periods, the register, keys, what is shown outside.

``<root>/<origin>/`` is a log, ``<root>/keys/`` its keys (unless they lie
elsewhere). A tenant's first record begins its log, in that log's own thread. No
log takes a record before the register, which is opened first, has it on record.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

from loguru import logger

from controls.decision import PendingReceipt, Receipt
from controls.errors import LedgerError, SayError
from controls.ids import new_id
from controls.ledger.batching import Tagger
from controls.ledger.house_register import HouseRegister
from controls.ledger.keys import FileKeys, Keys, Wrapping
from controls.ledger.log import Ground, Log
from controls.ledger.log_files import lock_writer
from controls.ledger.notes import Checkpoint, VerifierKey
from controls.ledger.options import LedgerClock, Options, SystemTime
from controls.ledger.periods import ENDLESS, Period, PeriodKind, period_at
from controls.ledger.records import REGISTER, ErasureDone, Personal, Record
from controls.ledger.shown import Asks, Shown
from controls.ledger.spool import SPOOL_BYTES
from controls.ledger.storage import ERASING, Batch, SqliteStorage, Storage
from controls.ledger.tenant_logs import TenantLogs, failed_future, find_logs, tombstones_in
from controls.ledger.upkeep import destroy_again, rewrap_some

#: Seconds between looks at the calendar.
_TICK_S = 1.0


class Ledger:
    """A house's logs. A ``controls.decision.Recorder``.

    ``prepare`` opens a tenant's logs ahead of the first call and tells whether it
    worked. Ordering, loss: as ``Log``. Closing drains.
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
        keys: Keys | None = None,
        period: PeriodKind = "quarter",
        kept_months: int = 84,
        publish: bool = True,
        cosigner: Callable[[Log], Asks] | None = None,
    ) -> None:
        """As ``open``."""
        self.root = root
        self._tagger, self._taggers = tagger, dict(taggers or {})
        self._clock = clock or SystemTime()
        self._storage, self._spool_bytes = storage, spool_bytes
        self._keys = keys or FileKeys(root / "keys")
        self._period, self._kept_months = period, kept_months
        self._shown = Shown(publish=publish, cosigner=cosigner)
        self._gate = threading.Lock()
        self._closed = False
        self._tenants: dict[str, TenantLogs] = {}
        self._keeping = threading.Lock()
        self._unregistered: list[tuple[str, Checkpoint]] = []
        self._routes: set[tuple[str, str, str]] | None = None
        self._routed: set[tuple[str, str, str, str]] | None = None
        self._following: Wrapping | None = None
        self._lock = lock_writer(root / "lock")
        try:
            self._found = find_logs(root)
        except BaseException:
            self._lock.close()
            raise
        self._register = self._house_register()
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._keeper = threading.Thread(target=self._keep, name=f"ledger {root.name}", daemon=True)
        self._keeper.start()

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
        keys: Keys | None = None,
        period: PeriodKind = "quarter",
        kept_months: int = 84,
        publish: bool = True,
        cosigner: Callable[[Log], Asks] | None = None,
    ) -> Ledger:
        """Take the writer lock of ``root`` and find its logs; opens none yet.

        Args:
            tagger: how long what is written is kept.
            taggers: the same for single tenants, which then do not use ``tagger``.
            keys: who signs and wraps; files in ``root/keys`` by default.
            period: how long one log is used for new calls.
            kept_months: months after its period in which nothing of a log is pruned.
            publish: write C2SP tiles beside each log.
            cosigner: makes what collects the cosignatures of a log.

        Raises:
            WriterLocked: another process writes there.
            LedgerError: the directory cannot be written, or a log there cannot be read.
        """
        return cls(
            root, tagger=tagger, taggers=taggers, clock=clock, storage=storage, spool_bytes=spool_bytes,
            keys=keys, period=period, kept_months=kept_months, publish=publish, cosigner=cosigner,
        )  # fmt: skip

    # -- records --------------------------------------------------------------------------------

    def prepare(self, tenant: str) -> Log:
        """Open this tenant's logs and wait for them. Blocks: call it before serving, off the loop.

        Raises:
            SayError: as ``Log.open``; ``LedgerError`` when the ledger is closed.
        """
        if tenant == REGISTER:
            return self._register.open()
        logs = self._tenant(tenant)
        logs.wait()
        return logs.present

    def append(self, record: Record, personal: Personal | None = None) -> PendingReceipt:
        """Queue one record in its tenant's log; never blocks for the disk, never raises."""
        try:
            if record.tenant == REGISTER:
                return self._register.log.append(record, personal)
            return self._tenant(record.tenant).append(record, personal)
        except LedgerError as error:
            return failed_future(error)

    def append_spooled(self, record: Record, personal: Personal | None = None) -> Receipt:
        """As ``Log.append_spooled``, in its tenant's spool.

        Raises:
            LedgerError: that log is not open, or its spool is full or failing.
        """
        return self._tenant(record.tenant).append_spooled(record, personal)

    def erase(self, tenant: str, artifact: str, *, ground: Ground) -> PendingReceipt:
        """As ``Log.erase``, whichever of the tenant's logs holds the artefact.

        The tombstone of one in a closed log stands in the present one.

        Raises:
            LedgerError: the ledger is closed.
        """
        logs, done = self._tenant(tenant), Future[Receipt]()

        def run() -> None:
            try:
                done.set_result(self._erase(logs, tenant, artifact, ground))
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                done.set_exception(error if isinstance(error, SayError) else LedgerError(str(error)))

        self._jobs.put(run)
        return done

    def _erase(self, logs: TenantLogs, tenant: str, artifact: str, ground: Ground) -> Receipt:
        for log in logs.logs():
            with contextlib.suppress(LedgerError):  # it may be closed just now
                if log.holds(artifact).result():
                    return log.erase(artifact, ground=ground).result()
        for directory in logs.closed:
            with self._closed_storage(directory) as storage:
                if storage.holds(artifact):
                    # Noted first: a crash behind the tombstone leaves what the next start destroys,
                    # and a verification until then can tell from a key that was kept.
                    storage.commit(Batch(meta={ERASING: artifact}))
                    done = ErasureDone(tenant=tenant, artifact=artifact, ground=ground)
                    receipt = logs.present.append(done).result()
                    storage.commit(Batch(erase=[artifact], meta={ERASING: ""}))
                    return receipt
        raise LedgerError("no such artefact, or erased already")

    @contextlib.contextmanager
    def _closed_storage(self, directory: Path) -> Iterator[Storage]:
        """A closed log's storage, for what is done without a leaf."""
        with lock_writer(directory / "lock"):
            storage = self._storage(directory)
            try:
                yield storage
            finally:
                storage.close()

    # -- checkpoints and keys -------------------------------------------------------------------

    def checkpoint(self, tenant: str) -> Checkpoint:
        """The newest signed checkpoint of this tenant's present log.

        Raises:
            LedgerError: it is not open.
        """
        return self._present(tenant).checkpoint()

    def cosigned(self, tenant: str) -> Checkpoint | None:
        """The newest checkpoint of this tenant's present log that a witness has cosigned."""
        return self._present(tenant).cosigned()

    def rotate(self, tenant: str) -> VerifierKey:
        """Let the next key of this tenant's present log take over (``Log.rotate``); returns it. Blocks.

        The register names the next key before it signs, and the last one's end behind it.

        Raises:
            SayError: as ``Log.rotate``.
        """
        return self._register.rotate(self.prepare(tenant))

    def rewrap(self) -> int:
        """Wrap every subject's key under the next wrapping key, which then takes over; returns how many.

        Blocks; cut short anywhere, it is run again. Logs of closed periods are wrapped anew too.

        Raises:
            SayError: a log could not be opened or written; the present key is still needed then.
        """
        for tenant in sorted({f.tenant for f in self._found} | set(self._tenants) | {REGISTER}):
            self.prepare(tenant)
        with contextlib.ExitStack() as kept:
            self._following = following = self._keys.next_wrapping()
            with self._gate:
                tenants = list(self._tenants.values())
            for logs in tenants:
                kept.enter_context(logs.keeping)  # no log begins meanwhile, none leaves the list
            still_open, count = [], 0
            closed = [directory for logs in tenants for directory in logs.closed]
            for log in self.logs():
                try:
                    count += log.rewrap()
                    still_open.append(log)
                except LedgerError:
                    if not log.ended:
                        raise
                    log.finished.result()  # it came to its end meanwhile
                    closed.append(log.directory)
            for directory in closed:
                with self._closed_storage(directory) as storage:
                    after: str | None = ""
                    while after is not None:
                        done, after = rewrap_some(storage, following, after)
                        count += done
            self._keys.promote_wrapping()
            self._following = None
            for log in still_open:
                with contextlib.suppress(LedgerError):  # ended since: it wraps nothing any more
                    log.rewrapped()
        return count

    def route(self, routes: Iterable[tuple[str, str, str]]) -> None:
        """Register which entry leads to whose logs: (tenant, telephone number or web entry, line). Blocks.

        Raises:
            SayError: the register could not be written.
        """
        self._routes = set(routes)
        self._reroute()

    def _reroute(self) -> None:
        if self._routes is None:
            return
        routed = {(t, self._present(t).origin, entry, line) for t, entry, line in self._routes}
        if routed != self._routed:
            self._register.route(routed)
            self._routed = routed

    # -- state ----------------------------------------------------------------------------------

    def logs(self) -> list[Log]:
        """Every open log, the register's first."""
        with self._gate:
            tenants = list(self._tenants.values())
        found = [self._register.begun] if self._register.begun is not None else []
        return found + [log for tenant in tenants for log in tenant.logs()]

    @property
    def healthy(self) -> bool:
        """Not closed, and every log that was opened takes records."""
        return not self._closed and all(log.healthy or log.ended for log in self._begun())

    @property
    def waiting(self) -> int:
        """Records queued and not yet taken up, over all logs."""
        return sum(log.waiting for log in self._begun())

    @property
    def spooled(self) -> int:
        """Entries in fallback spools that are not in their logs yet."""
        return sum(log.spooled for log in self._begun())

    def _begun(self) -> list[Log]:
        """Every log as it is; unlike ``logs``, tries none again."""
        with self._gate:
            tenants = list(self._tenants.values())
        found = [self._register.begun] if self._register.begun is not None else []
        return found + [log for tenant in tenants for log in tenant.begun()]

    def close(self) -> None:
        """Drain and close every log, then give the lock back. Blocks; may be repeated."""
        with self._gate:
            self._closed = True
            tenants = list(self._tenants.values())
        self._jobs.put(None)
        self._keeper.join()
        with contextlib.ExitStack() as last_first:
            last_first.callback(self._lock.close)
            last_first.callback(self._shown.close)
            last_first.callback(self._register.close)  # behind the others: what was still opening needed it
            for logs in tenants:
                last_first.callback(logs.close)
            last_first.callback(self._shown.stop_asking)

    # -- logs begin and end ---------------------------------------------------------------------

    def _present(self, tenant: str) -> Log:
        return self._register.log if tenant == REGISTER else self._tenant(tenant).present

    def _tenant(self, tenant: str) -> TenantLogs:
        with self._gate:
            if self._closed:
                raise LedgerError("the ledger is closed")
            logs = self._tenants.get(tenant)
            if logs is None:
                logs = self._tenants[tenant] = TenantLogs(
                    self.root, [f for f in self._found if f.tenant == tenant],
                    begin=lambda directory, period, previous: self._begin(
                        tenant, directory, period, previous
                    ),
                    period_at=self._period_now, clock=self._clock,
                )  # fmt: skip
            return logs

    def _period_now(self, after: Period | None) -> Period:
        return period_at(self._clock.unix_s(), self._period, kept_months=self._kept_months, after=after)

    def _begin(self, tenant: str, directory: Path, period: Period, previous: str | None) -> Log:
        house = tenant == REGISTER
        options = Options(
            tenant=tenant, tagger=self._taggers.get(tenant, self._tagger), keys=self._keys, clock=self._clock,
            storage=self._storage, spool_bytes=self._spool_bytes, period=period, previous=previous,
            before_serving=(lambda opening: None) if house else self._register.opening,
            erased_elsewhere=lambda: self._erased(tenant, directory), wrapping=lambda: self._following,
        )  # fmt: skip
        log = Log(directory, options)
        log.opened.add_done_callback(lambda opened: None if log.failed else self._shown.show(log))
        return log

    def _house_register(self) -> HouseRegister:
        found = next((f for f in self._found if f.tenant == REGISTER), None)
        return HouseRegister(
            found.directory if found else self.root / new_id("o"),
            begin=lambda directory: self._begin(REGISTER, directory, ENDLESS, None), keys=self._keys,
            closed=[(f.origin, f.end) for f in self._found if f.end is not None],
        )  # fmt: skip

    def _erased(self, tenant: str, directory: Path) -> set[str]:
        """What tombstones in a tenant's other logs name. The closed logs are looked after here, too."""
        mine = [f for f in self._found if f.tenant == tenant]
        if len(mine) < 2:
            return set()
        erased = {artifact for f in mine for artifact in tombstones_in(f.directory)}
        if erased and directory not in [f.directory for f in mine[:-1]]:
            for closed in (f for f in mine if f.end is not None):
                with self._closed_storage(closed.directory) as storage:
                    if count := destroy_again(storage, erased):
                        logger.warning("ledger {}: {} erased artefacts destroyed again", closed.origin, count)
        return erased

    # -- the keeper -----------------------------------------------------------------------------

    def keep(self) -> None:
        """Look at the calendar and at logs that have come to their end; done about every second. Blocks."""
        with self._gate:
            tenants = list(self._tenants.values())
        with self._keeping:
            for logs in tenants:
                for log in logs.keep():
                    end = log.finished.result()
                    self._shown.hide(log, end)
                    self._unregistered.append((log.origin, end))
            while self._unregistered:
                self._register.closing(*self._unregistered[0])
                self._unregistered.pop(0)
            self._reroute()

    def _keep(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=_TICK_S)
            except queue.Empty:
                job = self._tick
            if job is None:
                break
            job()
        with contextlib.suppress(queue.Empty):
            while (left := self._jobs.get_nowait()) is not None:
                left()  # what was asked for before the end

    def _tick(self) -> None:
        try:
            self.keep()
        except SayError as error:
            logger.error("ledger: {}; tried again", error)
        except Exception as error:  # noqa: BLE001 - the calendar is looked at again
            logger.error("ledger: {} while looking after logs; tried again", type(error).__name__)
