"""The house's register while its ledger runs: opened when first needed, written by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

from controls.errors import LedgerError
from controls.ledger.keys import Keys
from controls.ledger.log import Log
from controls.ledger.notes import Checkpoint, VerifierKey
from controls.ledger.options import Opening
from controls.ledger.reader import LogView
from controls.ledger.register import Register, read_register


class HouseRegister:
    """Every method blocks until what it says is durable in the register; else it raises ``SayError``."""

    def __init__(
        self,
        directory: Path,
        *,
        begin: Callable[[Path], Log],
        keys: Keys,
        closed: Iterable[tuple[str, Checkpoint]],
    ) -> None:
        """Nothing is opened yet.

        Args:
            begin: begins to open the register's log.
            closed: origin and last checkpoint of logs that are closed: a crash may
                have come before they were registered as such.
        """
        self._directory, self._begin, self._keys = directory, begin, keys
        self._closed = list(closed)
        self._writing = threading.Lock()
        self._register: Register | None = None
        self._log: Log | None = None

    @property
    def begun(self) -> Log | None:
        """The register's log, open or not."""
        return self._log

    @property
    def log(self) -> Log:
        """The register's log.

        Raises:
            LedgerError: it is not open.
        """
        if self._log is None:
            raise LedgerError("the register is not open")
        return self._log

    def open(self) -> Log:
        """Open it, if it is not; returns its log."""
        with self._writing:
            self._opened()
        return self.log

    def _opened(self) -> Register:
        if self._register is not None:
            return self._register
        if self._log is None or self._log.failed:
            self._log = self._begin(self._directory)
        self._log.wait()
        view = LogView(self._log.directory)
        try:
            register = Register(self._log, read_register(view, routes=True))
        finally:
            view.close()
        register.key_created(self._keys.node_signer(create=True).verifier, role="node")
        for origin, end in self._closed:
            register.origin_closed(origin=origin, size=end.size, root=end.root)
        self._register = register
        return register

    def opening(self, opening: Opening) -> None:
        """A log is about to serve: it stands here with its period and every key it had."""
        first, *later = opening.keys
        origin, period = opening.origin, opening.period
        with self._writing:
            register = self._opened()
            register.origin_opened(
                origin=origin, key=first, of=opening.tenant, period_from=period.start, period_to=period.end,
                kept_until=period.kept_until, previous=opening.previous,
            )  # fmt: skip
            for retired, key in pairwise((first, *later)):
                register.key_created(key, role="log", origin=origin)
                register.key_retired(retired, origin=origin)

    def closing(self, origin: str, end: Checkpoint) -> None:
        """A log has got its last leaf."""
        with self._writing:
            self._opened().origin_closed(origin=origin, size=end.size, root=end.root)

    def rotate(self, log: Log) -> VerifierKey:
        """Let a log's next key take over: it stands here before it signs, the last one's end behind it."""
        if log is self._log:  # its own leaves say it
            return log.rotate()
        retired = log.verifier
        with self._writing:
            following = self._keys.next_log_signer(log.origin).verifier
            self._opened().key_created(following, role="log", origin=log.origin)
            key = log.rotate()
            self._opened().key_retired(retired, origin=log.origin)
        return key

    def route(self, routes: set[tuple[str, str, str, str]]) -> None:
        """These are the routes from now on: (tenant, origin, entry, line)."""
        with self._writing:
            self._opened().routed(routes)

    def close(self) -> None:
        """Drain and close its log."""
        if self._log is not None:
            self._log.close()
