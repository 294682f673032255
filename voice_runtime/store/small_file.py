"""A small SQLite file in the data folder, opened anew for each piece of work: any thread may use it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from controls.errors import OperatorError


class SmallFile:
    """What is deleted from it is overwritten, and what is committed is on the disk."""

    def __init__(self, folder: Path, name: str, tables: str, *, busy_s: float) -> None:
        """Make it, readable by nobody else, with ``tables`` (SQL) if it has none.

        Args:
            busy_s: longest wait for another process that writes, s.

        Raises:
            OperatorError: it cannot be made there.
        """
        self._path, self._name, self._busy_s = folder / name, name, busy_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise OperatorError(f"{name} cannot be made in the data folder: {error.strerror}") from error
        with self.open() as db:
            db.executescript(tables)

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """A connection whose work is committed at the end.

        Raises:
            OperatorError: the file cannot be used.
        """
        try:
            with closing(sqlite3.connect(self._path, timeout=self._busy_s, isolation_level=None)) as db:
                db.execute("PRAGMA secure_delete = ON")
                db.execute("PRAGMA synchronous = FULL")
                yield db
                if db.in_transaction:
                    db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OperatorError(f"{self._name} cannot be used: {type(error).__name__}") from error
