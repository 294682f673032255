"""The register: one log that says which logs there are, whose keys sign, and which entries lead where.

Every log of the house stands in it before it takes a record, every key before it
signs anything that is handed out. A log that is not in the register is a shadow;
a registered log that is gone was removed. An auditor who holds the register's
verifier key needs no other key of ours (docs/threat-model says what that does not
show). Routes (telephone number or web entry to tenant) are sealed: who audits one
tenant learns nothing of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from controls.errors import LedgerError
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.log import Log
from controls.ledger.notes import VerifierKey, key_digest, public_text
from controls.ledger.reader import LogView
from controls.ledger.records import (
    REGISTER,
    KeyCreated,
    KeyRetired,
    OriginClosed,
    OriginOpened,
    OriginRouted,
    Personal,
    Record,
    RouteDetails,
)

#: Longest wait for one of its records to become durable, in s.
DEADLINE_S = 10.0

_TYPES = (KeyCreated.type, KeyRetired.type, OriginOpened.type, OriginClosed.type, OriginRouted.type)


@dataclass(slots=True)
class Known:
    """What the register holds, by what tells one entry from another."""

    opened: dict[str, OriginOpened] = field(default_factory=dict)
    closed: dict[str, OriginClosed] = field(default_factory=dict)
    keys: dict[str, KeyCreated] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    #: (tenant, origin, entry, line) → whether it is in use.
    routes: dict[tuple[str, str, str, str], bool] = field(default_factory=dict)

    def add(self, record: Record, personal: Personal | None) -> None:
        """Take one more record into account."""
        match record:
            case OriginOpened():
                self.opened[record.origin] = record
            case OriginClosed():
                self.closed[record.origin] = record
            case KeyCreated():
                self.keys[record.key] = record
            case KeyRetired():
                self.retired.add(record.key)
            case OriginRouted() if isinstance(personal, RouteDetails):
                self.routes[record.of, record.origin, personal.entry, personal.line] = record.active
            case _:
                pass


def read_register(view: LogView, *, routes: bool = False) -> Known:
    """What the register in ``view`` holds; nothing is verified here.

    Args:
        routes: open the sealed routes too; needs the wrapping key.

    Raises:
        IntegrityError: a leaf cannot be parsed, or a route not be opened.
    """
    known = Known()
    for record, personal in _entries(view, routes):
        known.add(record, personal)
    return known


def _entries(view: LogView, routes: bool) -> Iterator[tuple[Record, Personal | None]]:
    for row in view.rows_of(*_TYPES):
        record = read_leaf(parse_envelope(row.envelope).payload).record
        opens = routes and isinstance(record, OriginRouted)
        yield record, view.personal(record) if opens else None


class Register:
    """Writes the register. Every method blocks until its record is durable, and writes nothing twice.

    Used by one thread at a time, before anything it registers is used. Every
    method raises ``LedgerError`` when the record did not become durable.
    """

    def __init__(self, log: Log, known: Known) -> None:
        """Write to ``log``, the open log of tenant ``REGISTER``, which holds ``known`` so far."""
        if log.tenant != REGISTER:
            raise ValueError(f"the register is the log of tenant {REGISTER!r}")
        self._log = log
        self._known = known

    @property
    def origin(self) -> str:
        """The register's own origin."""
        return self._log.origin

    def origin_opened(
        self, *, origin: str, key: VerifierKey, of: str, period_from: int, period_to: int, kept_until: int,
        previous: str | None = None,
    ) -> None:  # fmt: skip
        """A tenant's log begins (leaf 0 of that log says the same)."""
        if origin not in self._known.opened:
            digest, public = key_digest(key.public), public_text(key.public)
            self._append(
                OriginOpened(
                    tenant=REGISTER, origin=origin, key=digest, public=public, of=of,
                    period_from=period_from, period_to=period_to, kept_until=kept_until, previous=previous,
                )
            )  # fmt: skip
        self.key_created(key, role="log", origin=origin)

    def origin_closed(self, *, origin: str, size: int, root: bytes) -> None:
        """A log has got its last leaf; ``size`` counts it."""
        if origin not in self._known.closed:
            self._append(OriginClosed(tenant=REGISTER, origin=origin, size=size, root="sha256:" + root.hex()))

    def key_created(
        self, key: VerifierKey, *, role: Literal["log", "node", "witness"], origin: str | None = None
    ) -> None:
        """A key begins to sign."""
        digest = key_digest(key.public)
        if digest not in self._known.keys:
            public = public_text(key.public)
            self._append(KeyCreated(tenant=REGISTER, key=digest, public=public, role=role, origin=origin))

    def key_retired(self, key: VerifierKey, *, origin: str | None = None) -> None:
        """A key signs no more; what it signed stays valid."""
        digest = key_digest(key.public)
        if digest not in self._known.retired:
            self._append(KeyRetired(tenant=REGISTER, key=digest, origin=origin))

    def routed(self, routes: set[tuple[str, str, str, str]]) -> None:
        """These are the routes from now on: (tenant, origin, entry, line); others in use so far end."""
        in_use = {route for route, active in self._known.routes.items() if active}
        for active, changed in ((False, in_use - routes), (True, routes - in_use)):
            for of, origin, entry, line in sorted(changed):
                record = OriginRouted(tenant=REGISTER, of=of, origin=origin, active=active)
                self._append(record, RouteDetails(entry=entry, line=line))

    def _append(self, record: Record, personal: Personal | None = None) -> None:
        try:
            self._log.append(record, personal).result(timeout=DEADLINE_S)
        except TimeoutError:
            raise LedgerError(f"the register's {record.type} is not durable after {DEADLINE_S:g} s") from None
        self._known.add(record, personal)
