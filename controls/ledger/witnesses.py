"""A house's witnesses: one cosigner for each of its logs, and how each witness stands over all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from controls.ledger.cosign import TIMEOUT_S, CosignedLog, Cosigner
from controls.ledger.witness_client import Reached, WitnessAddress

_WORST: tuple[Reached, ...] = ("ok", "unasked", "unreachable", "refused", "conflict")


class Reading(NamedTuple):
    """How it goes with one witness over all logs: the worst state, the oldest of the newest cosignatures."""

    name: str
    state: Reached
    cosigned_at: int | None
    failures: int
    conflicts: int


class Witnesses:
    """Makes a cosigner for each log, and tells how it goes over all of them. Thread-safe.

    What ``Ledger.open(cosigner=…)`` takes.
    """

    def __init__(
        self,
        addresses: Sequence[WitnessAddress],
        every_s: float,
        *,
        on_conflict: Callable[[str, WitnessAddress, bytes], None] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """As ``Cosigner``; ``on_conflict`` is told the log's origin first."""
        self.addresses = tuple(addresses)
        self._every_s = every_s
        self._on_conflict = on_conflict
        self._timeout_s = timeout_s
        self._gate = threading.Lock()
        self._cosigners: list[Cosigner] = []

    def __call__(self, log: CosignedLog) -> Cosigner:
        """The cosigner of one log, not started."""
        tell, origin = self._on_conflict, log.origin
        made = Cosigner(
            log, self.addresses, self._every_s, timeout_s=self._timeout_s,
            on_conflict=None if tell is None else lambda witness, note: tell(origin, witness, note),
        )  # fmt: skip
        with self._gate:
            self._cosigners = [*(c for c in self._cosigners if not c.closed), made]
        return made

    def readings(self) -> list[Reading]:
        """One for each witness, over the logs that are open."""
        with self._gate:
            standings = [s for c in self._cosigners if not c.closed for s in c.standings]
        found = []
        for address in self.addresses:
            over = [s for s in standings if s.witness == address]
            times = [s.last_cosigned_at or 0 for s in over]
            found.append(
                Reading(
                    name=address.key.name,
                    state=max((s.state for s in over), key=_WORST.index, default="unasked"),
                    cosigned_at=min(times, default=0) or None,
                    failures=sum(s.failures for s in over),
                    conflicts=sum(s.conflicts for s in over),
                )
            )
        return found
