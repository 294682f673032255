"""One log's files as its writer thread sees them: opened and checked, committed to, looked at again.

Everything here belongs to one thread. What it does besides appending (rotate,
wrap keys anew, keep cosignatures) runs there too, between two group commits.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from loguru import logger

from controls.errors import IntegrityError, LedgerError, OperatorError, WriterLocked
from controls.ledger.batching import Assembler, Staged
from controls.ledger.identity import Identity, identify
from controls.ledger.keys import Wrapping
from controls.ledger.notes import Checkpoint, VerifierKey, key_digest, parse_checkpoint, public_text
from controls.ledger.options import Opening, Options
from controls.ledger.read_only import CHECKPOINT_FILE
from controls.ledger.records import KeyCreated, OriginOpened
from controls.ledger.spool import Spool, SpoolKey
from controls.ledger.storage import Batch, Storage, StorageError
from controls.ledger.upkeep import TOMBSTONE, destroy_again, erased_by, rewrap_some

#: The fallback spool's.
SPOOL_FILE = "spool"
#: Subjects' keys of which the wrapping key must open one when a log is opened.
_PROOFS = 3


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


class LogFiles:
    """The open log: identity, storage, the end of the tree, the spool."""

    def __init__(self, directory: Path, options: Options) -> None:
        self.directory = directory
        self.options = options
        #: The last commit failed: what lies there is looked at again before the next.
        self.stale = False
        #: Held while something is spooled: its key and the log's end do not change meanwhile.
        self.spooling = threading.Lock()
        #: Told of each new checkpoint, and of each that has got cosignatures, once durable.
        self.on_checkpoint: list[Callable[[Checkpoint], None]] = []
        self.identity: Identity
        self.storage: Storage
        self.assembler: Assembler
        self.spool: Spool
        self.sealing: SpoolKey
        self._following: Wrapping | None = None

    @property
    def origin(self) -> str:
        """``o_…``."""
        return self.identity.origin

    # -- opening --------------------------------------------------------------------------------

    def open(self, held: contextlib.ExitStack) -> None:
        """Open, check, begin or continue; ``held`` gets what is to be let go at the end.

        Raises:
            SayError: as ``Log.open``.
        """
        held.enter_context(lock_writer(self.directory / "lock"))
        self.storage = self.options.storage(self.directory)
        held.callback(self.storage.close)
        self.assembler = self._load(tail=None)
        if self.assembler.closed and not self.behind:
            raise LedgerError(f"{self.origin} has got its last leaf; nothing more is appended to it")
        self._prove_wrapping()
        if self.assembler.size == 0:
            self._begin()
        if self.assembler.checkpoint is None:
            self.checkpoint()
        self._destroy_again()
        schedule, identity = self.assembler.schedule, self.identity
        self.options.before_serving(
            Opening(self.origin, self.options.tenant, schedule.keys, identity.period, identity.previous)
        )
        self.sealing = SpoolKey.new(identity.wrapping)
        self.spool = Spool(self.directory / SPOOL_FILE, size=self.options.spool_bytes)
        held.callback(self.spool.close)

    def _load(self, *, tail: int | None) -> Assembler:
        """Read from the files who the log is and where it ends."""
        self.identity = identity = identify(self.directory, self.storage, self.options)
        assembler = Assembler(
            self.storage, origin=identity.origin, tenant=self.options.tenant, signer=identity.signer,
            wrapping=self._following or identity.wrapping, tagger=self.options.tagger,
        )  # fmt: skip
        assembler.load(self._published(), tail=tail)
        return assembler

    def _prove_wrapping(self) -> None:
        """A damaged or foreign wrapping key would seal new content so that its back-up opens none of it."""
        found = self.storage.subjects("", _PROOFS)
        opened = False
        for subject, wrapped in found:  # one row of them may be damaged by itself
            with contextlib.suppress(IntegrityError):
                self.identity.wrapping.unwrap(wrapped, name=subject)
                opened = True
                break
        if found and not opened:
            raise OperatorError(
                f"the wrapping key is not the one {self.origin} was sealed under; restore it from its back-up"
            )

    def look_again(self) -> None:
        """After a failure: what lies there now decides. Also completes a rotation that was logged."""
        self.storage.reopen()
        self.assembler = self._load(tail=0)

    def _published(self) -> Checkpoint | None:
        try:
            data = (self.directory / CHECKPOINT_FILE).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"the published checkpoint cannot be read: {error.strerror}") from error
        try:
            return parse_checkpoint(data)
        except IntegrityError as error:
            raise IntegrityError(
                f"{self.directory / CHECKPOINT_FILE} is damaged ({error}); run: python -m controls.ledger "
                f"verify {self.directory}; if nothing else is, move the file away and start again"
            ) from None

    def _begin(self) -> None:
        """The first two leaves name the log and its key."""
        tenant, identity, raw = self.options.tenant, self.identity, self.identity.signer.verifier.public
        digest, public, origin = key_digest(raw), public_text(raw), self.origin
        staged = self.assembler.stage()
        for record in (
            OriginOpened(
                tenant=tenant, key=digest, public=public, origin=origin, previous=identity.previous,
                period_from=identity.period.start, period_to=identity.period.end,
                kept_until=identity.period.kept_until,
            ),
            KeyCreated(tenant=tenant, key=digest, public=public, role="log", origin=origin),
        ):  # fmt: skip
            self.assembler.add(staged, record, None, at=self.now())
        self.commit(staged)

    def _destroy_again(self) -> None:
        """Tombstones are replayed before anything is served: a back-up may have brought content back."""
        erased = erased_by(self.storage.leaves_of(TOMBSTONE)) | set(self.options.erased_elsewhere())
        if destroyed := destroy_again(self.storage, erased):
            logger.warning("ledger {}: {} erased artefacts had come back; destroyed", self.origin, destroyed)

    def now(self) -> int:
        """Unix time in whole s."""
        return int(self.options.clock.unix_s())

    # -- committing -----------------------------------------------------------------------------

    def commit(self, staged: Staged) -> None:
        """Sign what is staged and make it durable."""
        self.storage.commit(self.assembler.finish(staged))
        self.assembler.accept(staged)

    @property
    def behind(self) -> bool:
        """Whether there are leaves that no checkpoint covers."""
        newest = self.assembler.checkpoint
        return newest is None or newest.size < self.assembler.size

    def checkpoint(self) -> None:
        """Sign a checkpoint over all that is durable, keep it and show it.

        Without new leaves the newest one is written again: that tells whether the medium works.
        """
        signed, batch = self.assembler.sign_checkpoint()
        self.storage.commit(batch)
        if signed is not self.assembler.checkpoint:
            self.assembler.checkpoint = signed
            self._publish(signed)

    def _publish(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint file. A failure costs nothing but freshness."""
        path = self.directory / CHECKPOINT_FILE
        partial = path.with_name(CHECKPOINT_FILE + ".new")
        try:
            with partial.open("wb") as file:
                file.write(checkpoint.note)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave an empty file behind the rename
            partial.replace(path)
        except OSError as error:
            logger.warning("ledger {}: checkpoint not published: {}", self.origin, error.strerror)
        self._tell(checkpoint)

    def _tell(self, checkpoint: Checkpoint) -> None:
        for told in self.on_checkpoint:
            try:
                told(checkpoint)
            except Exception as error:  # noqa: BLE001 - a listener's fault is not the log's
                logger.error("ledger {}: a listener failed ({})", self.origin, type(error).__name__)

    # -- besides appending ----------------------------------------------------------------------

    def add_cosigned(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint with its cosignatures.

        Raises:
            LedgerError: this log never signed it.
        """
        merged = self.assembler.merge_cosigned(checkpoint)
        self.storage.commit(Batch(cosigned=[(merged.size, merged.note)]))
        newest = self.assembler.cosigned
        if newest is None or newest.size <= merged.size:
            self.assembler.cosigned = merged
        self._tell(merged)

    def rotate(self) -> VerifierKey:
        """Log the next key, and let it take over; what follows is signed by it.

        The end of it is what opening a log does where a crash came in between:
        there is one way from the logged rotation to the promoted key.
        """
        following = self.options.keys.next_log_signer(self.origin).verifier
        staged = self.assembler.stage()
        self.assembler.add_rotation(staged, following, at=self.now())
        self.stale = True  # until the new key is in place, whatever happens
        self.commit(staged)
        self.checkpoint()
        self.look_again()
        self.stale = False
        return self.identity.signer.verifier

    def rewrap(self, after: str) -> tuple[int, str | None]:
        """One transaction of ``upkeep.rewrap_some``; from the first on, new keys are wrapped by the next."""
        if self._following is None:
            self._follow(self.options.keys.next_wrapping())
        assert self._following is not None
        return rewrap_some(self.storage, self._following, after)

    def rewrapped(self) -> None:
        """The next wrapping key is the present one now."""
        self._follow(self.options.keys.wrapping(create=False))
        self._following = None

    def _follow(self, wrapping: Wrapping) -> None:
        self._following = self.assembler.wrapping = wrapping
        with self.spooling:
            self.sealing = SpoolKey.new(wrapping)

    def holds(self, artifact: str) -> bool:
        """Whether this sealed artefact is in this log and not erased."""
        return self.storage.holds(artifact)
