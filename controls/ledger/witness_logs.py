"""Which logs a witness knows: a file with one verifier key a line, several per log, read anew on change."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from loguru import logger

from controls.errors import ConfigurationError, IntegrityError, OperatorError, Problem
from controls.ledger.notes import ED25519, VerifierKey


class KnownLogs:
    """The logs of a file, one verifier key a line, several per origin; read anew when it has changed."""

    def __init__(self, path: Path) -> None:
        """Read ``path``.

        Raises:
            OperatorError: it cannot be read, names no log, or a line is no log's key.
        """
        self._path = path
        self._gate = threading.Lock()
        self._seen = self._stamp()
        self._keys = self._read()

    def keys_of(self, origin: str) -> Sequence[VerifierKey]:
        """The keys of this log; empty when it is unknown. A file that broke meanwhile leaves the old list."""
        with self._gate:
            try:
                if (stamp := self._stamp()) != self._seen:
                    self._seen = stamp
                    self._keys = self._read()
                    logger.info("witness: {} logs are known now", len(self._keys))
            except OperatorError as error:
                logger.error("witness: the list of logs stays as it was: {}", error)
            return self._keys.get(origin, ())

    def _stamp(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    def _read(self) -> Mapping[str, Sequence[VerifierKey]]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise OperatorError(f"{self._path} cannot be read as a list of logs' keys") from None
        return parse_logs(text, self._path.name)


def parse_logs(text: str, name: str) -> dict[str, tuple[VerifierKey, ...]]:
    """Origin → keys, from one verifier key a line; empty lines and ``#`` lines say nothing.

    Raises:
        ConfigurationError: a line is no log's key, or there is none; ``name`` is the file's.
    """
    found: dict[str, tuple[VerifierKey, ...]] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        try:
            key = VerifierKey.parse(line)
            if key.kind != ED25519:
                raise IntegrityError("is a witness's key, not a log's")
        except IntegrityError as error:
            problems.append(
                Problem(name, number, "", str(error), "write the `key` that `sayso ledger checkpoint` prints")
            )
            continue
        found[key.name] = tuple(dict.fromkeys((*found.get(key.name, ()), key)))
    if not found and not problems:
        problems.append(Problem(name, 0, "", "names no log", "add one log's verifier key a line"))
    if problems:
        raise ConfigurationError(problems)
    return found
