"""One book of appointments in one SQLite file: what is free, who takes it, and every request's effect."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controls.errors import OperatorError
from voice_runtime.offline.book_file import BookFile, Lookup, said_in, same

_MOST_CHARACTERS = 80

Result = dict[str, Any]
Asked = dict[str, Any]


class Refused(Exception):
    """The service says no, with an HTTP status and a word for the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Book:
    """One book in one SQLite file. Thread-safe; every change is one transaction.

    Table ``appointments`` has a column for each part of a slot, values as the
    book's first language says them.
    """

    def __init__(self, path: Path | str, file: BookFile) -> None:
        """Open or make the book, with the slots of its file.

        Raises:
            OperatorError: the file cannot be used.
        """
        self._file = file
        self._lock = threading.Lock()
        self._columns = ", ".join(f'"{name}"' for name in file.slot)
        self._same_slot = " AND ".join(f'"{name}" = ?' for name in file.slot)
        self._operations: dict[str, Callable[[sqlite3.Connection, Asked], Result]] = {
            "find_slots": self._find, "book": self._book, "move": self._move, "cancel": self._cancel,
        }  # fmt: skip
        try:
            self._db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=2.0)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            )
            self._db.executescript(self._schema())
            marks = ", ".join("?" for _ in range(len(file.slot) + 1))
            rows = [(*slot, n) for n, slot in enumerate(file.slots())]
            self._db.executemany(f"INSERT OR IGNORE INTO slots VALUES ({marks})", rows)  # noqa: S608 - only marks
        except sqlite3.Error as error:
            raise OperatorError(f"the appointment book cannot be opened: {type(error).__name__}") from error

    def _schema(self) -> str:
        """Column names are the file's, held to ``services.ArgumentName``: a word in lower case."""
        columns = ", ".join(f'"{name}" TEXT NOT NULL' for name in self._file.slot)
        return f"""
            CREATE TABLE IF NOT EXISTS slots (
              {columns}, place INTEGER NOT NULL, PRIMARY KEY ({self._columns})
            ) STRICT;
            CREATE TABLE IF NOT EXISTS appointments (
              row INTEGER PRIMARY KEY AUTOINCREMENT, {columns},
              booked_at INTEGER NOT NULL, cancelled_at INTEGER,
              FOREIGN KEY ({self._columns}) REFERENCES slots ({self._columns})
            ) STRICT;
            CREATE UNIQUE INDEX IF NOT EXISTS one_at_a_time
              ON appointments ({self._columns}) WHERE cancelled_at IS NULL;
            CREATE TABLE IF NOT EXISTS requests (
              row INTEGER PRIMARY KEY AUTOINCREMENT, operation TEXT NOT NULL, asked TEXT NOT NULL,
              at INTEGER NOT NULL
            ) STRICT;
            CREATE TABLE IF NOT EXISTS operations (
              key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL,
              result TEXT NOT NULL, at INTEGER NOT NULL
            ) STRICT;
        """

    def knows(self, operation: str) -> bool:
        """Whether it has an operation of that name."""
        return operation in self._operations or operation in {*self._file.lookups, *self._file.requests}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def once(self, key: str, operation: str, body: bytes) -> tuple[int, Result]:
        """Do ``operation`` once for ``key``; the same key and request get the same answer.

        Returns:
            HTTP status and result.

        Raises:
            Refused: 422 for nonsense, or for a key that was used for something else.
        """
        asked = _arguments(body)
        request = hashlib.sha256(operation.encode() + b"\0" + body).hexdigest()
        with self._transaction() as db:
            found = db.execute(
                "SELECT request, status, result FROM operations WHERE key = ?", (key,)
            ).fetchone()
            if found is not None:
                if found[0] != request:
                    raise Refused(422, "key_used_for_something_else")
                return int(found[1]), json.loads(found[2])
            try:
                status, result = 200, self._do(db, operation, asked)
            except Refused as refused:
                if refused.status == 422:
                    raise
                status, result = refused.status, {"reason": refused.reason}
            db.execute(
                "INSERT INTO operations VALUES (?, ?, ?, ?, ?)",
                (key, request, status, json.dumps(result), int(time.time())),
            )
            return status, result

    def _do(self, db: sqlite3.Connection, operation: str, asked: Asked) -> Result:
        if operation in self._file.lookups:
            return self._look_up(self._file.lookups[operation], asked)
        if operation in self._file.requests:
            return self._note(db, operation, asked)
        return self._operations[operation](db, asked)

    def operation(self, key: str) -> Result:
        """Whether the operation of ``key`` had its effect, and its result."""
        with self._lock:
            found = self._db.execute("SELECT status, result FROM operations WHERE key = ?", (key,)).fetchone()
        if found is None:
            return {"done": False, "result": None}
        return {"done": found[0] == 200, "result": json.loads(found[1])}

    def close(self) -> None:
        with self._lock:
            self._db.close()

    # -- slots --------------------------------------------------------------------------------------

    def _find(self, db: sqlite3.Connection, asked: Asked) -> Result:
        *given, last = self._file.slot
        wanted, language = self._values(asked, given)
        where = " AND ".join(f's."{name}" = ?' for name in given)
        same_slot = " AND ".join(f'a."{name}" = s."{name}"' for name in self._file.slot)
        free = db.execute(
            f'SELECT "{last}" FROM slots s WHERE {where} AND NOT EXISTS (SELECT 1 FROM appointments a'  # noqa: S608 - the file's column names, see _schema; values are bound
            f" WHERE {same_slot} AND a.cancelled_at IS NULL) ORDER BY place",
            wanted,
        ).fetchall()
        slots = [self._file.spoken(last, row[0], language) for row in free]
        return {**self._told(given, wanted, language), "slots": slots}

    def _book(self, db: sqlite3.Connection, asked: Asked) -> Result:
        slot, language = self._slot(db, asked)
        marks = ", ".join("?" for _ in slot)
        try:
            cursor = db.execute(
                f"INSERT INTO appointments ({self._columns}, booked_at) VALUES ({marks}, ?)",  # noqa: S608 - as above
                (*slot, int(time.time())),
            )
        except sqlite3.IntegrityError:
            raise Refused(409, "taken") from None
        return {"row": cursor.lastrowid, **self._told(self._file.slot, slot, language)}

    def _cancel(self, db: sqlite3.Connection, asked: Asked) -> Result:
        row, slot, language = self._booked(db, asked)
        db.execute("UPDATE appointments SET cancelled_at = ? WHERE row = ?", (int(time.time()), row))
        return {"row": row, **self._told(self._file.slot, slot, language)}

    def _move(self, db: sqlite3.Connection, asked: Asked) -> Result:
        changes = {name: asked.pop(f"new_{name}") for name in self._file.slot if f"new_{name}" in asked}
        if not changes:
            raise Refused(422, "nothing_new")
        row, slot, language = self._booked(db, asked)
        told = self._told(self._file.slot, slot, language)
        moved, _ = self._slot(db, told | changes)
        columns = ", ".join(f'"{name}" = ?' for name in self._file.slot)
        try:
            db.execute(f"UPDATE appointments SET {columns} WHERE row = ?", (*moved, row))  # noqa: S608 - as above
        except sqlite3.IntegrityError:
            raise Refused(409, "taken") from None
        return {"row": row, **self._told(self._file.slot, moved, language)}

    def _booked(self, db: sqlite3.Connection, asked: Asked) -> tuple[int, tuple[str, ...], str]:
        """The appointment meant, by its row or its slot: row, slot, language."""
        row = asked.pop("row", None)
        if (row is None) == (not asked) or not (row is None or (type(row) is int and row > 0)):
            raise Refused(422, "name_row_or_slot")
        where, language = "row = ?", ""
        values: tuple[Any, ...] = (row,)
        if row is None:
            values, language = self._slot(db, asked)
            where = self._same_slot
        found = db.execute(
            f"SELECT row, {self._columns} FROM appointments WHERE cancelled_at IS NULL AND {where}",  # noqa: S608 - as above
            values,
        ).fetchone()
        if found is None:
            raise Refused(404, "no_such_appointment")
        return int(found[0]), tuple(map(str, found[1:])), language

    def _slot(self, db: sqlite3.Connection, asked: Asked) -> tuple[tuple[str, ...], str]:
        slot, language = self._values(asked, self._file.slot)
        found = db.execute(f"SELECT 1 FROM slots WHERE {self._same_slot}", slot).fetchone()  # noqa: S608 - as above
        if found is None:
            raise Refused(422, f"no_such_{self._file.slot[-1]}")
        return slot, language

    def _values(self, asked: Asked, names: Sequence[str]) -> tuple[tuple[str, ...], str]:
        """What was asked about, as the first language says it, and the language it was asked in.

        Raises:
            Refused: 422, an argument is missing, unknown or no value there is.
        """
        if set(asked) != set(names):
            raise Refused(422, "bad_arguments")
        values, language = [], ""
        for name in names:
            found = self._file.resolve(name, _text(asked[name]))
            if found is None:
                raise Refused(422, f"no_such_{name}")
            values.append(found[0])
            language = language or found[1]
        return tuple(values), language

    def _told(self, names: Sequence[str], values: Sequence[str], language: str) -> Result:
        return {n: self._file.spoken(n, v, language) for n, v in zip(names, values, strict=True)}

    # -- tables and requests --------------------------------------------------------------------------

    def _look_up(self, lookup: Lookup, asked: Asked) -> Result:
        if not asked or not set(asked) <= set(lookup.by):
            raise Refused(422, "bad_arguments")
        meant = [self._file.resolve(name, _text(said)) for name, said in asked.items()]
        language = next((value[1] for value in meant if value and value[1]), "")
        rows = [
            row
            for row in self._file.tables[lookup.among]
            if all(self._matches(name, row[name], _text(said)) for name, said in asked.items())
        ]
        if lookup.gives is not None:
            return {**asked, "found": [said_in(row[lookup.gives], language) for row in rows]}
        if len(rows) != 1:
            raise Refused(404, "not_found")
        return {name: said_in(value, language) for name, value in rows[0].items()}

    def _matches(self, name: str, value: Mapping[Any, tuple[str, ...]], said: str) -> bool:
        found = self._file.resolve(name, said)
        wanted = found[0] if found is not None else said
        return any(same(form, wanted) for forms in value.values() for form in forms)

    def _note(self, db: sqlite3.Connection, operation: str, asked: Asked) -> Result:
        names = self._file.requests[operation]
        if set(asked) != set(names):
            raise Refused(422, "bad_arguments")
        for name in names:
            said = _text(asked[name])
            if name in self._file.values and self._file.resolve(name, said) is None:
                raise Refused(422, f"no_such_{name}")
        cursor = db.execute(
            "INSERT INTO requests (operation, asked, at) VALUES (?, ?, ?)",
            (operation, json.dumps(asked), int(time.time())),
        )
        return {"row": cursor.lastrowid, **asked}


def _arguments(body: bytes) -> Asked:
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(422, "bad_arguments") from None
    if not isinstance(asked, dict):
        raise Refused(422, "bad_arguments")
    return asked


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS:
        raise Refused(422, "bad_arguments")
    return value
