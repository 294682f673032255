"""Reading a ledger, also from another process while its writer runs. Changes nothing.

(SQLite may leave its two empty side files, ``-wal`` and ``-shm``, where it can.)

``LogView`` is one log's files, ``Reader`` every log under a root. Neither checks
signatures or proofs: ``verify.py`` does.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from pydantic import ValidationError

from controls.errors import IntegrityError, OperatorError
from controls.ledger.envelope import parse_envelope, read_leaf
from controls.ledger.keys import FileKeys, Wrapping, find_keys
from controls.ledger.notes import Checkpoint, VerifierKey, parse_checkpoint
from controls.ledger.read_only import connect, log_directories
from controls.ledger.records import CallOpened, Personal, Record, SealedRef
from controls.ledger.sealed import unseal
from controls.ledger.storage import FORMAT, BlobRow, CheckpointRow, LeafRow, translated

_PAGE = 500
_LEAF = "SELECT leaf, call, n, type, envelope FROM leaves"
_STORED = (
    "SELECT b.artifact, b.leaf, b.subject, b.wrapped, b.ciphertext, s.wrapped"
    " FROM blobs b LEFT JOIN subjects s ON s.subject=b.subject"
)
_BESIDE = (
    "SELECT 1 FROM blobs UNION ALL SELECT 1 FROM subjects UNION ALL SELECT 1 FROM cosigned"
    " UNION ALL SELECT 1 FROM spooled LIMIT 1"
)
#: Records without a call that still concern a call's artefacts.
_ABOUT_ARTIFACTS = ("erasure.done", "retention.expired")


class Entry(NamedTuple):
    """A leaf, the record in it and its stored bytes."""

    leaf: int
    record: Record
    envelope: bytes


class Opened(NamedTuple):
    """A leaf, its record, its personal content (None without any, or once erased), and its log.

    Leaves are numbered per log: compare ``leaf`` only within one ``origin``.
    """

    leaf: int
    record: Record
    personal: Personal | None
    origin: str = ""


class Stored(NamedTuple):
    """A blob's row, and the wrapped key of its subject (None once that is destroyed)."""

    row: BlobRow
    subject_key: bytes | None


@dataclass(frozen=True, slots=True)
class CallInfo:
    """A call as its leaves tell it; ``opened_at`` in whole Unix seconds."""

    call: str
    tenant: str
    origin: str
    first_leaf: int
    last_leaf: int
    records: int
    opened_at: int
    finished: bool


class LogView:
    """One log's files, read-only. Thread-safe."""

    def __init__(self, directory: Path, keys: Path | None = None) -> None:
        """Open the log in ``directory``.

        Raises:
            LedgerError: it cannot be read.
            IntegrityError: it is not one of ours.
        """
        self.directory = directory
        self._keys = keys or find_keys(directory)
        self._wrapping: Wrapping | None = None
        self._lock = threading.Lock()
        self._unreadable = f"{directory / 'log.db'} cannot be read"
        self._subject: tuple[str, bytes, bytes] = ("", b"", b"")
        self._db: sqlite3.Connection | None = None
        with translated(self._unreadable):
            self._db = connect(directory / "log.db")
        try:
            meta = dict(self._all("SELECT key, value FROM meta"))
            if meta.get("format") != FORMAT or not {"origin", "tenant", "vkey"} <= meta.keys():
                raise IntegrityError(f"{directory / 'log.db'} is no log of this version")
            self.meta = meta
            self.origin, self.tenant, self.vkey = (str(meta[k]) for k in ("origin", "tenant", "vkey"))
        except BaseException:
            self.close()
            raise

    @property
    def verifier(self) -> VerifierKey:
        """The key the log itself names; whether to trust it is decided outside."""
        return VerifierKey.parse(self.vkey)

    def _all(self, sql: str, *parameters: Any) -> list[Any]:
        with self._lock, translated(self._unreadable):
            if self._db is None:
                raise sqlite3.OperationalError("closed")
            return self._db.execute(sql, parameters).fetchall()

    def snapshot(self) -> None:
        """From here on, see the log as it is now, whatever the writer adds."""
        self._all("BEGIN")
        self.meta = dict(self._all("SELECT key, value FROM meta"))

    def problems(self) -> list[str]:
        """What SQLite itself finds wrong with the file, its indices included: readers go by them."""
        found = [str(row[0]) for row in self._all("PRAGMA integrity_check(3)")]
        found = [] if found == ["ok"] else found
        return found + (["leaves before the first"] if self._all(f"{_LEAF} WHERE leaf<0 LIMIT 1") else [])

    def size(self) -> int:
        """Number of leaves, if none is missing."""
        return int(self._all("SELECT coalesce(max(leaf), -1) + 1 FROM leaves")[0][0])

    def rows(self, call: str | None = None, after_leaf: int = -1) -> Iterator[LeafRow]:
        """Leaves in order, of one call or all; read in pages, so that nothing is kept open."""
        where = " WHERE leaf>?" + (" AND call=?" if call else "")
        while True:
            parameters = (after_leaf, call) if call else (after_leaf,)
            page = self._all(f"{_LEAF}{where} ORDER BY leaf LIMIT {_PAGE}", *parameters)
            yield from (LeafRow(*row) for row in page)
            if len(page) < _PAGE:
                return
            after_leaf = page[-1][0]

    def rows_of(self, *types: str) -> Iterator[LeafRow]:
        """Leaves of these record types, in order."""
        marks = ",".join("?" * len(types))
        for row in self._all(f"{_LEAF} WHERE type IN ({marks}) ORDER BY leaf", *types):
            yield LeafRow(*row)

    def checkpoints(self) -> list[CheckpointRow]:
        """Every stored checkpoint, by size."""
        return [
            CheckpointRow(*row)
            for row in self._all("SELECT size, note, frontier FROM checkpoints ORDER BY size")
        ]

    def is_bare(self) -> bool:
        """Whether leaves and checkpoints are all: no content, key, cosignature or spooled entry."""
        return not self._all(_BESIDE)

    def checkpoint(self) -> Checkpoint | None:
        """The newest one, unverified."""
        rows = self._all("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
        return parse_checkpoint(rows[0][0]) if rows else None

    def cosigned(self) -> list[tuple[int, bytes]]:
        """Size and note of every stored checkpoint with witnesses' cosignatures, by size."""
        return self._all("SELECT size, note FROM cosigned ORDER BY size")

    def calls(self, limit: int | None = None, *, unfinished: bool = False) -> list[CallInfo]:
        """Calls, newest first."""
        found = self._all(
            "SELECT call, envelope FROM leaves WHERE type='call.opened' AND NOT (? AND call IN (SELECT call"
            " FROM leaves WHERE type IN ('call.closed', 'call.recovered'))) ORDER BY leaf DESC LIMIT ?",
            unfinished,
            -1 if limit is None else limit,
        )
        return [self._info(call, envelope) for call, envelope in found]

    def _info(self, call: str, envelope: bytes) -> CallInfo:
        first, last, count, finished = self._all(
            "SELECT min(leaf), max(leaf), count(*), max(type IN ('call.closed', 'call.recovered'))"
            " FROM leaves WHERE call=?",
            call,
        )[0]
        opened_at = read_leaf(parse_envelope(envelope).payload).record.at
        return CallInfo(call, self.tenant, self.origin, first, last, count, opened_at, bool(finished))

    # -- sealed content -------------------------------------------------------------------------

    def blobs(self) -> Iterator[tuple[str, int]]:
        """Every sealed artefact in the table, and the leaf it says it belongs to."""
        yield from self._all("SELECT artifact, leaf FROM blobs ORDER BY leaf")

    def stored(self, artifacts: Sequence[str]) -> dict[str, Stored]:
        """What the tables hold of these artefacts (some hundred at most)."""
        marks = ",".join("?" * len(artifacts))
        rows = self._all(f"{_STORED} WHERE b.artifact IN ({marks})", *artifacts)
        return {row[0]: Stored(BlobRow(*row[:5]), row[5]) for row in rows}

    def with_ciphertext(self, row: BlobRow) -> BlobRow:
        """The same with its ciphertext, if that lies in the folder (and is there)."""
        if row.ciphertext is None:
            with suppress(OSError):
                return row._replace(ciphertext=(self.directory / "blobs" / row.artifact).read_bytes())
        return row

    def blob(self, artifact: str) -> BlobRow | None:
        """A blob with its ciphertext, wherever that lies; None when the log knows of none.

        Once erased, ``wrapped`` is None. ``ciphertext`` is None when it is not there.
        """
        found = self.stored([artifact]).get(artifact)
        return self.with_ciphertext(found.row) if found is not None else None

    def has_keys(self) -> bool:
        """Whether the wrapping key is at hand, so that sealed content can be opened."""
        try:
            self._wrapping_key()
        except OperatorError:
            return False
        return True

    def _wrapping_key(self) -> Wrapping:
        if self._wrapping is None:
            self._wrapping = FileKeys(self._keys).wrapping(create=False)
        return self._wrapping

    def open_blob(self, ref: SealedRef, stored: Stored | None = None) -> bytes | None:
        """The plaintext of a sealed artefact, or None once it is erased.

        Args:
            stored: the artefact's own, with its ciphertext, if it was asked for already.

        Raises:
            IntegrityError: it is missing, altered, or does not open.
            OperatorError: the wrapping key is not at hand.
        """
        stored = stored or self.stored([ref.artifact]).get(ref.artifact)
        if stored is None:
            raise IntegrityError("a sealed blob is missing")
        if stored.row.wrapped is None or stored.subject_key is None:
            return None  # its key was destroyed, or its subject's and so everything under that
        row = self.with_ciphertext(stored.row)
        if not isinstance(row.ciphertext, bytes):
            raise IntegrityError("a sealed blob is missing")
        if not isinstance(row.wrapped, bytes) or not isinstance(stored.subject_key, bytes):
            raise IntegrityError("a wrapped key cannot be opened")
        key = self._subject_key(row.subject, stored.subject_key)
        return unseal(ref, row.ciphertext, row.wrapped, subject_key=key)

    def _subject_key(self, subject: str, wrapped: bytes) -> bytes:
        """One call's artefacts come one after the other: its key is kept until the next call's."""
        known = self._subject
        if known[:2] != (subject, wrapped):
            known = subject, wrapped, self._wrapping_key().unwrap(wrapped, name=subject)
            self._subject = known
        return known[2]

    def personal(self, record: Record, stored: Stored | None = None) -> Personal | None:
        """What was sealed beside a record; None without any, or once erased.

        Args:
            stored: as ``open_blob``.

        Raises:
            IntegrityError, OperatorError: as ``open_blob``.
        """
        model = type(record).personal
        if record.sealed is None or model is None:
            return None
        plaintext = self.open_blob(record.sealed, stored)
        if plaintext is None:
            return None
        try:
            return model.model_validate_json(plaintext)
        except ValidationError:
            raise IntegrityError("sealed content is not of its record's kind") from None

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            if self._db is not None:
                self._db.close()
                self._db = None


class Reader:
    """Every log under a root directory. Thread-safe; sees what is durable when it is asked.

    Opening personal content appends nothing: whoever shows it to a person
    appends ``access.viewed`` first.
    """

    def __init__(self, root: Path, keys: Path | None = None) -> None:
        """As ``open``."""
        self.root = root
        self._keys = keys
        self._views: dict[Path, LogView] = {}
        self._gate = threading.Lock()

    @classmethod
    def open(cls, root: Path, keys: Path | None = None) -> Reader:
        """Read the logs under ``root`` (or the one in it); logs begun later are found too.

        Args:
            keys: directory of key files; found beside the logs by default.

        Raises:
            OperatorError: there is no such directory.
            LedgerError, IntegrityError: a log there cannot be read.
        """
        if not root.is_dir():
            raise OperatorError(f"{root} is not a directory; give the ledger's directory")
        reader = cls(root, keys)
        reader.views()
        return reader

    def views(self) -> list[LogView]:
        """One view per log."""
        with self._gate:
            for directory in log_directories(self.root):
                if directory not in self._views:
                    self._views[directory] = LogView(directory, self._keys)
            return list(self._views.values())

    def calls(self, limit: int | None = None, *, unfinished: bool = False) -> list[CallInfo]:
        """Calls of every log, newest first; ``unfinished``: those without an end on record."""
        found = [info for view in self.views() for info in view.calls(limit, unfinished=unfinished)]
        return sorted(found, key=lambda c: (c.opened_at, c.first_leaf), reverse=True)[:limit]

    def view_of(self, call: str) -> LogView:
        """The log that holds a call: where it was opened, whatever later logs say about it.

        Raises:
            OperatorError: none does.
        """
        holds = [view for view in self.views() if next(view.rows(call), None) is not None]
        for view in holds:
            if any(row.type == CallOpened.type for row in view.rows(call)):
                return view
        if holds:
            return holds[0]
        raise OperatorError("there is no such call; `sayso calls` lists them")

    def records(
        self, call: str | None = None, *, origin: str | None = None, after_leaf: int = -1
    ) -> Iterator[Entry]:
        """Records in leaf order, log after log: of one call, or all.

        Args:
            origin: only this log. Leaves are numbered per log, so ``after_leaf``
                needs it where there are several.
            after_leaf: only leaves behind this one.

        Raises:
            IntegrityError: a leaf cannot be parsed.
            ValueError: ``after_leaf`` without ``origin`` among several logs.
        """
        views = [v for v in self.views() if origin in (None, v.origin)]
        if after_leaf >= 0 and call is None and len(views) > 1:
            raise ValueError("after_leaf needs an origin where there are several logs")
        for view in views:
            for row in view.rows(call, after_leaf):
                yield _entry(row)

    def opened(self, call: str) -> list[Opened]:
        """A call's records with their personal content, and the tombstones of its artefacts.

        In leaf order of the log that holds the call; behind them, by log, what
        the tenant's other logs say about it (who looked at it, what was erased).

        Raises:
            IntegrityError: something cannot be parsed or opened.
            OperatorError: no such call, or the wrapping key is not at hand.
        """
        view = self.view_of(call)
        found = _opened_in(view, call)
        artifacts = {o.record.sealed.artifact for o in found if o.record.sealed is not None}
        found = sorted([*found, *_tombstones(view, artifacts)], key=lambda o: o.leaf)
        for other in self.views():
            if other is not view and other.tenant == view.tenant:
                there = [*_opened_in(other, call), *_tombstones(other, artifacts)]
                found += sorted(there, key=lambda o: o.leaf)
        return found

    def personal(self, record: Record) -> Personal | None:
        """What was sealed beside a record of any log here; None without any, or once erased.

        Raises:
            IntegrityError: it is missing, altered, or does not open.
            OperatorError: the wrapping key is not at hand.
        """
        if record.sealed is None:
            return None
        for view in self.views():
            if view.tenant == record.tenant and view.blob(record.sealed.artifact) is not None:
                return view.personal(record)
        raise IntegrityError("a sealed blob is missing")

    def checkpoint(self, origin: str | None = None) -> Checkpoint | None:
        """The newest checkpoint of this log (of the only one when None), unverified."""
        for view in self.views():
            if origin in (None, view.origin):
                return view.checkpoint()
        return None

    def close(self) -> None:
        """Let go of every file."""
        with self._gate:
            for view in self._views.values():
                view.close()
            self._views.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _opened_in(view: LogView, call: str) -> list[Opened]:
    entries = map(_entry, view.rows(call))
    return [Opened(e.leaf, e.record, view.personal(e.record), view.origin) for e in entries]


def _tombstones(view: LogView, artifacts: set[str]) -> list[Opened]:
    entries = map(_entry, view.rows_of(*_ABOUT_ARTIFACTS))
    return [
        Opened(e.leaf, e.record, None, view.origin)
        for e in entries
        if getattr(e.record, "artifact", None) in artifacts
    ]


def _entry(row: LeafRow) -> Entry:
    try:
        return Entry(row.leaf, read_leaf(parse_envelope(row.envelope).payload).record, row.envelope)
    except IntegrityError as error:
        raise IntegrityError(f"record {row.leaf}: {error}") from None
