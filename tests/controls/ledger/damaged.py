"""A small log with everything in it, and all that can be read from it: for tests that damage files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from controls.ids import new_id
from controls.ledger import records as r
from controls.ledger.reader import LogView
from tests.controls.ledger.support import TENANT, open_log, said, small_call

#: Tables whose content counts, and how to read them through each of their indices.
_READS = (
    "SELECT * FROM meta ORDER BY key",
    "SELECT * FROM leaves ORDER BY leaf",
    "SELECT leaf, call, n FROM leaves INDEXED BY leaves_by_call WHERE call IS NOT NULL ORDER BY call, n",
    "SELECT leaf, n FROM leaves INDEXED BY leaves_by_call WHERE call IS NULL ORDER BY n",
    "SELECT leaf, type FROM leaves INDEXED BY leaves_by_type WHERE type>'' ORDER BY type, leaf",
    # Nobody reads whose an erased artefact was.
    "SELECT artifact, leaf, CASE WHEN wrapped IS NULL THEN '' ELSE subject END, wrapped, ciphertext"
    " FROM blobs ORDER BY artifact",
    "SELECT * FROM subjects ORDER BY subject",
    "SELECT * FROM checkpoints ORDER BY size",
)


def full_log(root: Path) -> Path:
    """A closed log with calls, a large blob, an erased artefact and several checkpoints; its directory."""
    directory = root / "log"
    for _ in range(3):
        log = open_log(directory)
        call = new_id("c")
        for record, personal in small_call(call):
            log.append(record, personal).result(60)
        log.append(*said(call, 2, "word " * 5000)).result(60)
        log.append(r.CallRefused(tenant=TENANT, reason="capacity")).result(60)
        log.close()
    with closing(LogView(directory)) as view:
        artifact = next(view.blobs())[0]
    log = open_log(directory)
    log.erase(artifact, ground="request").result(60)
    log.close()
    return directory


def content(directory: Path) -> list[Any]:
    """Everything a reader of the log can get at.

    Raises:
        sqlite3.Error: some of it cannot be read.
    """
    with closing(sqlite3.connect(directory / "log.db")) as db:
        db.text_factory = bytes
        return [db.execute(sql).fetchall() for sql in _READS]


@contextmanager
def copied(source: Path) -> Iterator[Path]:
    """A copy of a house's folder beside it, thrown away afterwards."""
    copy = source.with_name(source.name + "-copy")
    shutil.copytree(source, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def flipped(path: Path, bit: int) -> None:
    """Turn one bit round (0 is the lowest of the first byte), wherever it falls in the file."""
    data = bytearray(path.read_bytes())
    at = bit % (8 * len(data))
    data[at // 8] ^= 1 << at % 8
    path.write_bytes(data)


def torn(path: Path, at: int, *, zeroed: bool) -> None:
    """End the file at that offset, or let zeros follow from there."""
    data = path.read_bytes()
    path.write_bytes(data[:at] + bytes(len(data) - at) if zeroed else data[:at])
