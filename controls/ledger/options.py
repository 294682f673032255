"""How one log is written, and what is on its way to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from controls.decision import PendingReceipt
from controls.ledger.batching import Tagger
from controls.ledger.keys import Keys
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
class Options:
    """How one log is written.

    Attributes:
        tagger: how an artefact of this kind, made at this Unix second, is kept.
        keys: who signs and wraps.
        storage: makes the storage of a directory, in the writer thread.
        spool_bytes: size of the fallback spool.
        queue_size: records that may wait; one more fails instead of being dropped silently.
        checkpoint_every_s: seconds between checkpoints while there are new leaves.
    """

    tenant: str
    tagger: Tagger
    keys: Keys
    clock: LedgerClock = field(default_factory=SystemTime)
    storage: Callable[[Path], Storage] = SqliteStorage
    spool_bytes: int = SPOOL_BYTES
    queue_size: int = 8192
    checkpoint_every_s: float = 1.0


@dataclass(slots=True)
class Item:
    """One record on its way; ``erase`` names an artefact, ``entry`` a spool entry it stands for."""

    record: Record
    personal: Personal | None = None
    erase: str = ""
    entry: str = ""
    future: PendingReceipt = field(default_factory=Future)
