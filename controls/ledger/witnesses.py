"""A house's witnesses: one cosigner for each of its logs, and how each witness stands over all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from controls.ledger.cosign import TIMEOUT_S, CosignedLog, Cosigner
from controls.ledger.witness_client import Reached, WitnessAddress

_WORST: tuple[Reached, ...] = ("ok", "unasked", "unreachable", "refused", "conflict")


class Reading(NamedTuple):
    """How it goes with one witness over all open logs.

    Attributes:
        state: the worst of all logs.
        logs: how many are open.
        cosigned: of how many of them its last answer was a cosignature.
        others: origin → state of those of which it was not.
        newest_cosigned_at, oldest_cosigned_at: of the logs it cosigned since the start, the times
            of their last cosignatures, Unix s; None before the first.
        failures, conflicts: of all logs together; see ``Standing``.
    """

    name: str
    state: Reached
    logs: int
    cosigned: int
    others: Mapping[str, Reached]
    newest_cosigned_at: int | None
    oldest_cosigned_at: int | None
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
            standings = [(c.origin, s) for c in self._cosigners if not c.closed for s in c.standings]
        found = []
        for address in self.addresses:
            of = {origin: s for origin, s in standings if s.witness == address}
            over = of.values()
            times = [s.last_cosigned_at for s in over if s.last_cosigned_at is not None]
            others = {origin: s.state for origin, s in of.items() if s.state != "ok"}
            found.append(
                Reading(
                    name=address.key.name,
                    state=max((s.state for s in over), key=_WORST.index, default="unasked"),
                    logs=len(of),
                    cosigned=len(of) - len(others),
                    others=others,
                    newest_cosigned_at=max(times, default=None),
                    oldest_cosigned_at=min(times, default=None),
                    failures=sum(s.failures for s in over),
                    conflicts=sum(s.conflicts for s in over),
                )
            )
        return found
