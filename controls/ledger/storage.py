"""Where leaves, sealed blobs and wrapped keys lie: the storage protocol, SQLite and a folder.

One transaction per group commit holds everything a batch brings, so that a
leaf never exists without its blob and its keys. Blobs over ``LARGE_BLOB`` go
to a folder; they are synced before the transaction that names them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from controls.errors import IntegrityError, LedgerError
from controls.ledger.keys import sync_directory

#: Ciphertexts larger than this (bytes) are files in ``blobs/``.
LARGE_BLOB = 16_384
#: Version of the tables below; another one is refused.
FORMAT = "2"

_TABLES = (
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE leaves(leaf INTEGER PRIMARY KEY, call TEXT, n INTEGER NOT NULL, type TEXT NOT NULL,"
    " envelope BLOB NOT NULL)",
    "CREATE INDEX leaves_by_call ON leaves(call, n)",
    "CREATE INDEX leaves_by_type ON leaves(type, leaf)",
    # In the order of leaves: new rows go to the end, wherever their random names would stand.
    "CREATE TABLE blobs(artifact TEXT NOT NULL UNIQUE, leaf INTEGER PRIMARY KEY, subject TEXT NOT NULL,"
    " wrapped BLOB, ciphertext BLOB)",
    "CREATE TABLE subjects(subject TEXT PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE checkpoints(size INTEGER PRIMARY KEY, note BLOB NOT NULL, frontier BLOB NOT NULL)",
    "CREATE TABLE cosigned(size INTEGER PRIMARY KEY, note BLOB NOT NULL)",
    "CREATE TABLE spooled(entry TEXT PRIMARY KEY) WITHOUT ROWID",
)
#: In ``meta`` of a closed log: the artefact being erased, whose tombstone goes to another log; "" when done.
ERASING = "erasing"
#: Calls that were opened and have no end on record.
OPEN_CALLS = (
    "SELECT call FROM leaves WHERE type='call.opened' EXCEPT"
    " SELECT call FROM leaves WHERE type IN ('call.closed', 'call.recovered')"
)


class StorageError(LedgerError):
    """The medium failed (full, read-only, gone), not one record."""


class LeafRow(NamedTuple):
    """A leaf and what it is found by; ``call`` is None for records without a call."""

    leaf: int
    call: str | None
    n: int
    type: str
    envelope: bytes


class BlobRow(NamedTuple):
    """A sealed blob; ``wrapped`` and ``ciphertext`` are None once erased.

    A large blob's ``ciphertext`` is None in the table and lies in the folder.
    """

    artifact: str
    leaf: int
    subject: str
    wrapped: bytes | None
    ciphertext: bytes | None

    @property
    def large(self) -> bool:
        """Whether its ciphertext belongs into the folder."""
        return self.ciphertext is not None and len(self.ciphertext) > LARGE_BLOB


class CheckpointRow(NamedTuple):
    """A signed checkpoint and the compact range that continues it."""

    size: int
    note: bytes
    frontier: bytes


@dataclass(slots=True)
class Batch:
    """What one group commit writes, all or nothing.

    Attributes:
        subjects: new subjects' wrapped keys.
        rewrapped: known subjects' keys, wrapped anew.
        erase: artefacts whose key and blob go.
        spooled: entries of the fallback spool that these leaves stand for.
        cosigned: (size, note) of checkpoints with their cosignatures.
        meta: what is to be said of the log from now on.
    """

    leaves: list[LeafRow] = field(default_factory=list)
    blobs: list[BlobRow] = field(default_factory=list)
    subjects: dict[str, bytes] = field(default_factory=dict)
    rewrapped: dict[str, bytes] = field(default_factory=dict)
    erase: list[str] = field(default_factory=list)
    spooled: list[str] = field(default_factory=list)
    cosigned: list[tuple[int, bytes]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    checkpoint: CheckpointRow | None = None


class Storage(Protocol):
    """One log's storage, used by one thread.

    Ordering: batches become durable in the order of ``commit``. Loss: when
    ``commit`` returns, the batch outlives the process and the machine; when it
    raises, it may or may not (the log looks again). Closing: ``close`` is final;
    ``reopen`` recovers from any failure short of that.

    Every method raises ``StorageError`` (or ``OSError``) when the medium fails and
    ``IntegrityError`` when what lies there cannot be ours.
    """

    def meta(self) -> dict[str, str]:
        """What the log was created with; empty before ``create``."""
        ...

    def create(self, meta: dict[str, str]) -> None:
        """Lay a new log."""
        ...

    def commit(self, batch: Batch) -> None:
        """Make the batch durable."""
        ...

    def size(self) -> int:
        """Number of leaves.

        Raises:
            IntegrityError: when their indices have a gap.
        """
        ...

    def leaves(self, start: int, stop: int) -> Iterator[LeafRow]:
        """Leaves ``start`` (included) to ``stop`` (not), in order.

        Raises:
            IntegrityError: one is not made of bytes.
        """
        ...

    def leaves_of(self, *types: str) -> Iterator[LeafRow]:
        """Leaves of these record types, in order; raises as ``leaves``."""
        ...

    def open_calls(self) -> set[str]:
        """Calls with a ``call.opened`` and no end."""
        ...

    def next_n(self, call: str | None) -> int:
        """The next number within the call, or of the origin's own records."""
        ...

    def subject(self, subject: str) -> bytes | None:
        """The wrapped key of a subject, or None when there is none (any more)."""
        ...

    def subjects(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Subjects behind ``after`` in the order of their names, with their wrapped keys."""
        ...

    def checkpoint(self, at_most: int) -> CheckpointRow | None:
        """The newest checkpoint of at most that size."""
        ...

    def holds(self, artifact: str) -> bool:
        """Whether this sealed artefact is there, or any of what erasing it destroys."""
        ...

    def cosigned(self, at_most: int) -> bytes | None:
        """The note of the newest cosigned checkpoint of at most that size."""
        ...

    def is_spooled(self, entry: str) -> bool:
        """Whether this entry of the fallback spool has been appended."""
        ...

    def reopen(self) -> None:
        """Drop what a failure may have left behind and connect again."""
        ...

    def idle(self) -> None:
        """Called when there is nothing to write: time for housekeeping."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the medium's errors into ours; messages name no content."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError | sqlite3.IntegrityError):
            raise StorageError(f"{what}: {error}") from error
        raise IntegrityError(f"{what}: {error}") from error
    except OSError as error:
        raise StorageError(f"{what}: {error.strerror or type(error).__name__}") from error


class SqliteStorage:
    """``log.db`` (WAL, synchronous=FULL) and ``blobs/`` in one directory."""

    def __init__(self, directory: Path) -> None:
        """Open or prepare the directory.

        Raises:
            LedgerError: it cannot be written.
            IntegrityError: ``log.db`` is no database.
        """
        self.directory = directory
        self._blobs = directory / "blobs"
        self._db: sqlite3.Connection | None = None
        with translated("log.db cannot be opened"):
            self._blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.exists():
                self._connect()
                self._sweep()

    @property
    def _path(self) -> Path:
        return self.directory / "log.db"

    def _connect(self) -> None:
        db = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=FULL")
            db.execute("PRAGMA secure_delete=ON")
            # The WAL is folded in when nothing is waiting (idle), and at the latest here.
            db.execute("PRAGMA wal_autocheckpoint=8000")
        except sqlite3.Error:
            db.close()
            raise
        self._db = db

    @property
    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            raise StorageError("log.db is closed")
        return self._db

    def _sweep(self) -> None:
        """Delete blob files whose transaction never came or whose erasure was cut short."""
        for file in self._blobs.iterdir():
            row = self._open.execute("SELECT wrapped FROM blobs WHERE artifact=?", (file.name,)).fetchone()
            if row is None or row[0] is None:
                file.unlink()

    def meta(self) -> dict[str, str]:
        if self._db is None and not self._path.exists():
            return {}
        with translated("log.db cannot be read"):
            return dict(self._open.execute("SELECT key, value FROM meta").fetchall())

    def create(self, meta: dict[str, str]) -> None:
        """Written beside and put in place whole: a ``log.db`` is a log, wherever a crash came."""
        partial = self._path.with_name("log.db.new")
        with translated("log.db cannot be written"):
            for left in ("", "-wal", "-shm", "-journal"):
                self._path.with_name(f"log.db.new{left}").unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as db:
                db.execute("BEGIN IMMEDIATE")
                for table in _TABLES:
                    db.execute(table)
                db.executemany("INSERT INTO meta VALUES(?,?)", sorted({**meta, "format": FORMAT}.items()))
                db.execute("COMMIT")
                # Behind the content, which stands in the file itself then and not in a WAL; and not on
                # first use, as a crash amid that change leaves what only a writer can open.
                if db.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
                    raise StorageError("log.db cannot be written")
            partial.rename(self._path)
            sync_directory(self.directory)
            self._connect()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        db = self._open
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise

    def commit(self, batch: Batch) -> None:
        # A failed commit leaves its files: whether its transaction came through is
        # known only after ``reopen``, and ``_sweep`` then removes what has no row.
        with translated("records cannot be written"):
            self._write_blobs(batch)
            with self._transaction() as db:
                self._insert(db, batch)
            self._destroy(batch.erase)

    def _insert(self, db: sqlite3.Connection, batch: Batch) -> None:
        db.executemany("INSERT INTO leaves VALUES(?,?,?,?,?)", batch.leaves)
        db.executemany(
            "INSERT INTO blobs VALUES(?,?,?,?,?)",
            [b._replace(ciphertext=None) if b.large else b for b in batch.blobs],
        )
        db.executemany("INSERT INTO subjects VALUES(?,?)", batch.subjects.items())
        db.executemany(
            "UPDATE subjects SET wrapped=? WHERE subject=?", [(w, s) for s, w in batch.rewrapped.items()]
        )
        db.executemany("INSERT INTO spooled VALUES(?)", [(e,) for e in batch.spooled])
        db.executemany("INSERT OR REPLACE INTO cosigned VALUES(?,?)", batch.cosigned)
        db.executemany("INSERT OR REPLACE INTO meta VALUES(?,?)", batch.meta.items())
        db.executemany(
            "UPDATE blobs SET wrapped=NULL, ciphertext=NULL WHERE artifact=?", [(a,) for a in batch.erase]
        )
        if batch.checkpoint is not None:
            db.execute("INSERT OR REPLACE INTO checkpoints VALUES(?,?,?)", batch.checkpoint)

    def _write_blobs(self, batch: Batch) -> None:
        large = [b for b in batch.blobs if b.large]
        for blob in large:
            with (self._blobs / blob.artifact).open("wb") as file:
                file.write(blob.ciphertext or b"")
                file.flush()
                os.fsync(file.fileno())
        if large:
            sync_directory(self._blobs)

    def _destroy(self, artifacts: list[str]) -> None:
        """After the transaction that erased them: files go, and the WAL's old pages with them.

        The erasure is durable already; what fails here is made good by the
        next ``_sweep`` and ``idle``.
        """
        if not artifacts:
            return
        with contextlib.suppress(OSError, sqlite3.Error):
            for artifact in artifacts:
                (self._blobs / artifact).unlink(missing_ok=True)
            self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def size(self) -> int:
        with translated("log.db cannot be read"):
            count, newest = self._open.execute(
                "SELECT count(*), coalesce(max(leaf), -1) FROM leaves"
            ).fetchone()
        if count != newest + 1:
            raise IntegrityError(f"leaves are missing: {count} stand in the log, the newest is {newest}")
        return int(count)

    def leaves(self, start: int, stop: int) -> Iterator[LeafRow]:
        return self._rows("leaf>=? AND leaf<?", start, stop)

    def leaves_of(self, *types: str) -> Iterator[LeafRow]:
        return self._rows(f"type IN ({','.join('?' * len(types))})", *types)

    def _rows(self, where: str, *parameters: int | str) -> Iterator[LeafRow]:
        with translated("log.db cannot be read"):
            select = "SELECT leaf, call, n, type, envelope FROM leaves WHERE "
            rows = self._open.execute(f"{select}{where} ORDER BY leaf", parameters)
            for row in rows:
                if not isinstance(row[4], bytes):  # SQLite columns take any type
                    raise IntegrityError(f"record {row[0]}: cannot be parsed")
                yield LeafRow(*row)

    def open_calls(self) -> set[str]:
        with translated("log.db cannot be read"):
            return {row[0] for row in self._open.execute(OPEN_CALLS)}

    def next_n(self, call: str | None) -> int:
        with translated("log.db cannot be read"):
            row = self._open.execute("SELECT max(n) FROM leaves WHERE call IS ?", (call,)).fetchone()
        return 0 if row[0] is None else int(row[0]) + 1

    def subject(self, subject: str) -> bytes | None:
        with translated("log.db cannot be read"):
            row = self._open.execute("SELECT wrapped FROM subjects WHERE subject=?", (subject,)).fetchone()
        return None if row is None else row[0]

    def subjects(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        with translated("log.db cannot be read"):
            return self._open.execute(
                "SELECT subject, wrapped FROM subjects WHERE subject>? ORDER BY subject LIMIT ?",
                (after, limit),
            ).fetchall()

    def cosigned(self, at_most: int) -> bytes | None:
        with translated("log.db cannot be read"):
            row = self._open.execute(
                "SELECT note FROM cosigned WHERE size<=? ORDER BY size DESC LIMIT 1", (at_most,)
            ).fetchone()
        return None if row is None else row[0]

    def checkpoint(self, at_most: int) -> CheckpointRow | None:
        with translated("log.db cannot be read"):
            row = self._open.execute(
                "SELECT size, note, frontier FROM checkpoints WHERE size<=? ORDER BY size DESC LIMIT 1",
                (at_most,),
            ).fetchone()
        return None if row is None else CheckpointRow(*row)

    def holds(self, artifact: str) -> bool:
        with translated("log.db cannot be read"):
            row = self._open.execute(
                "SELECT 1 FROM blobs WHERE artifact=? AND (wrapped IS NOT NULL OR ciphertext IS NOT NULL)",
                (artifact,),
            ).fetchone()
        return row is not None

    def is_spooled(self, entry: str) -> bool:
        with translated("log.db cannot be read"):
            row = self._open.execute("SELECT 1 FROM spooled WHERE entry=?", (entry,)).fetchone()
        return row is not None

    def reopen(self) -> None:
        self.close()
        with translated("log.db cannot be opened"):
            self._connect()
            self._sweep()

    def idle(self) -> None:
        with contextlib.suppress(sqlite3.Error, LedgerError):
            self._open.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        if self._db is not None:
            db, self._db = self._db, None
            with contextlib.suppress(sqlite3.Error):
                db.close()
