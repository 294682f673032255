"""A copy of a ledger with one byte flipped, to show that verification finds it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controls.errors import OperatorError
from controls.ledger.read_only import CHECKPOINT_FILE, connect, log_directories
from controls.ledger.storage import translated


@dataclass(frozen=True, slots=True)
class Flip:
    """Which byte was flipped: ``offset`` in the sealed blob or the envelope of ``leaf``."""

    directory: Path
    leaf: int
    where: Literal["blob", "envelope"]
    offset: int


def copy_log(source: Path, destination: Path) -> None:
    """Copy one log as it is now, without its keys; its writer may be running.

    Raises:
        LedgerError: it cannot be read, or the copy not written.
    """
    with translated("the copy cannot be made"):
        destination.mkdir(parents=True)
        if (source / CHECKPOINT_FILE).exists():  # first: the database must not be older than it
            shutil.copyfile(source / CHECKPOINT_FILE, destination / CHECKPOINT_FILE)
        with (
            closing(connect(source / "log.db")) as original,
            closing(sqlite3.connect(destination / "log.db")) as copy,
        ):
            original.backup(copy)
        if (source / "blobs").is_dir():
            shutil.copytree(source / "blobs", destination / "blobs")


def flip_byte_in_copy(
    source: Path, destination: Path, *, leaf: int | None = None, where: Literal["blob", "envelope"] = "blob"
) -> Flip:
    """Copy a ledger and flip one byte in the middle of one leaf's sealed blob, or of its envelope.

    Of several logs the one with most leaves that can be changed so.

    Args:
        source: a ledger's root or one log's directory.
        destination: a directory that does not exist yet.
        leaf: which one; by default one in the middle of those that can be.

    Raises:
        OperatorError: nothing there to flip.
        LedgerError: the copy cannot be made.
    """
    directories = log_directories(source)
    for directory in directories:
        copied = destination / directory.name
        copy_log(directory, copied)
    found: list[tuple[int, Path]] = []
    for directory in directories:
        with (
            translated("the copy cannot be read"),
            closing(connect(destination / directory.name / "log.db")) as db,
        ):
            found.append((len(_rows(db, leaf, where)), destination / directory.name))
    count, chosen = max(found, default=(0, destination), key=lambda counted: counted[0])
    if count:
        with translated("the copy cannot be changed"), closing(sqlite3.connect(chosen / "log.db")) as db, db:
            return _flip(db, chosen, leaf, where)
    raise OperatorError(f"{source} holds no {where} to flip a byte in")


def _rows(
    db: sqlite3.Connection, leaf: int | None, where: Literal["blob", "envelope"]
) -> list[tuple[int, str | int]]:
    """Leaf and key of every row that can be changed."""
    if where == "blob":
        select = "SELECT leaf, artifact FROM blobs WHERE ciphertext IS NOT NULL"
    else:
        select = "SELECT leaf, leaf FROM leaves WHERE 1"
    return db.execute(f"{select} AND (? IS NULL OR leaf=?) ORDER BY leaf", (leaf, leaf)).fetchall()


def _flip(
    db: sqlite3.Connection, directory: Path, leaf: int | None, where: Literal["blob", "envelope"]
) -> Flip:
    table, key, column = (
        ("blobs", "artifact", "ciphertext") if where == "blob" else ("leaves", "leaf", "envelope")
    )
    rows = _rows(db, leaf, where)
    found, name = rows[len(rows) // 2]
    stored = db.execute(f"SELECT {column} FROM {table} WHERE {key}=?", (name,)).fetchone()[0]  # noqa: S608 - our own names
    offset = len(stored) // 2
    changed = stored[:offset] + bytes([stored[offset] ^ 1]) + stored[offset + 1 :]
    db.execute(f"UPDATE {table} SET {column}=? WHERE {key}=?", (changed, name))  # noqa: S608 - our own names
    return Flip(directory, found, where, offset)
