"""Finds logs on disk and opens their databases, writing nothing and needing nothing of a writer."""

from __future__ import annotations

import sqlite3
from pathlib import Path

#: File beside ``log.db`` with the newest checkpoint: what the outside has seen.
CHECKPOINT_FILE = "checkpoint"


def log_directories(root: Path) -> list[Path]:
    """The directories under ``root`` (or ``root`` itself) that hold a log, by name."""
    if (root / "log.db").exists():
        return [root]
    return sorted(p.parent for p in root.glob("*/log.db")) if root.is_dir() else []


def connect(path: Path) -> sqlite3.Connection:
    """Open a database without writing to it; a copy on a read-only medium works too.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    uri = path.absolute().as_uri()
    problem: sqlite3.Error | None = None
    # Read-only WAL needs its two side files, or the right to make them; a lone file is immutable.
    for how in ("mode=ro", "immutable=1"):
        if how == "immutable=1" and path.with_name(path.name + "-wal").exists():
            break
        db = sqlite3.connect(f"{uri}?{how}", uri=True, isolation_level=None, check_same_thread=False)
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            problem = problem or error
            db.close()
        else:
            return db
    raise problem or sqlite3.OperationalError("cannot be read")
