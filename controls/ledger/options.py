"""How one log is written, and what is on its way to its writer thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from controls.decision import PendingReceipt
from controls.ledger.batching import Tagger
from controls.ledger.keys import Keys, Wrapping
from controls.ledger.notes import VerifierKey
from controls.ledger.periods import ENDLESS, Period
from controls.ledger.records import Personal, Record
from controls.ledger.spool import SPOOL_BYTES
from controls.ledger.storage import SqliteStorage, Storage


class LedgerClock(Protocol):
    """The two clocks a receipt needs; ``voice_runtime.clock.Clock`` is one."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never run backwards."""
        ...

    def unix_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemTime:
    """The real clocks."""

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def unix_s(self) -> float:
        return time.time()


@dataclass(frozen=True, slots=True)
class Opening:
    """A log that is about to serve: what a register says of it.

    ``keys`` are all it ever had, the present one last.
    """

    origin: str
    tenant: str
    keys: tuple[VerifierKey, ...]
    period: Period
    previous: str | None


def _nothing() -> tuple[str, ...]:
    return ()


def _as_keys_say() -> Wrapping | None:
    return None


def _unregistered(opening: Opening) -> None:
    """For a log that stands alone, without a house and its register."""


@dataclass(frozen=True, slots=True)
class Options:
    """How one log is written.

    Attributes:
        tagger: how an artefact of this kind, made at this Unix second, is kept.
        keys: who signs and wraps.
        storage: makes the storage of a directory, in the writer thread.
        spool_bytes: size of the fallback spool.
        queue_size: records that may wait; one more fails instead of being dropped silently.
        checkpoint_every_s: seconds between checkpoints while there are new leaves.
        period: which calls a log begun now is for; one there keeps its own.
        previous: the log of the period before, ``o_…``.
        before_serving: called in the writer thread before the first append is
            taken up; may block, and what it raises keeps the log closed.
        erased_elsewhere: artefacts whose tombstones stand in other logs.
        wrapping: what wraps subjects' keys, if not ``keys.wrapping``: while a
            house's keys are being wrapped anew.
    """

    tenant: str
    tagger: Tagger
    keys: Keys
    clock: LedgerClock = field(default_factory=SystemTime)
    storage: Callable[[Path], Storage] = SqliteStorage
    spool_bytes: int = SPOOL_BYTES
    queue_size: int = 8192
    checkpoint_every_s: float = 1.0
    period: Period = ENDLESS
    previous: str | None = None
    before_serving: Callable[[Opening], None] = _unregistered
    erased_elsewhere: Callable[[], Iterable[str]] = _nothing
    wrapping: Callable[[], Wrapping | None] = _as_keys_say


@dataclass(slots=True)
class Item:
    """One record on its way; ``erase`` names an artefact, ``entry`` a spool entry it stands for."""

    record: Record
    personal: Personal | None = None
    erase: str = ""
    entry: str = ""
    future: PendingReceipt = field(default_factory=Future)


@dataclass(slots=True)
class Job:
    """Something else for the writer thread to do, in its turn among the records."""

    run: Callable[[], Any]
    future: Future[Any] = field(default_factory=Future)
