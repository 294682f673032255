"""A copy of a ledger with one byte flipped, to show that verification finds it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controls.errors import OperatorError
from controls.ledger.log import log_directories
from controls.ledger.reader import connect
from controls.ledger.storage import translated
from controls.ledger.writer import CHECKPOINT_FILE


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
    for directory in directories:
        copied = destination / directory.name
        with translated("the copy cannot be changed"), closing(sqlite3.connect(copied / "log.db")) as db, db:
            flip = _flip(db, copied, leaf, where)
        if flip is not None:
            return flip
    raise OperatorError(f"{source} holds no {where} to flip a byte in")


def _flip(
    db: sqlite3.Connection, directory: Path, leaf: int | None, where: Literal["blob", "envelope"]
) -> Flip | None:
    if where == "blob":
        select = "SELECT leaf, artifact, ciphertext FROM blobs WHERE ciphertext IS NOT NULL"
        update = "UPDATE blobs SET ciphertext=? WHERE artifact=?"
    else:
        select = "SELECT leaf, leaf, envelope FROM leaves WHERE 1"
        update = "UPDATE leaves SET envelope=? WHERE leaf=?"
    rows = db.execute(f"{select} AND (? IS NULL OR leaf=?) ORDER BY leaf", (leaf, leaf)).fetchall()
    if not rows:
        return None
    found, key, stored = rows[len(rows) // 2]
    offset = len(stored) // 2
    changed = stored[:offset] + bytes([stored[offset] ^ 1]) + stored[offset + 1 :]
    db.execute(update, (changed, key))
    return Flip(directory, found, where, offset)
