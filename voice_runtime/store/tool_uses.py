"""Uses of tools in the last 24 hours, on disk: every worker of a machine, and the next one, count together.

One SQLite file in the data folder. A row is a use's id, its agent, its tool, when it was asked for and
for how much; nothing of the caller's. Rows older than a day are deleted, and overwritten
(``secure_delete``). Looking and counting are one transaction (``BEGIN IMMEDIATE``), so of two workers
that want the last use of a day one gets it.

Beside them, for tools that ask for it: which uses of a caller's are in doubt (``think.doubts``). What such a
use was, and whose, is kept as an HMAC (RFC 2104, SHA-256) under a random key of this file, until the hours
that the tool names are over. Whoever has the file can find out whether a number and arguments they guess are
among them.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from pathlib import Path

from controls.tool_limits import DAY_S, AmountLimit, Over, Used, over
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.store.small_file import SmallFile

FILE = "tool-uses.db"
#: How long another worker's transaction is waited for, s.
BUSY_S = 0.5

_TABLES = """
CREATE TABLE IF NOT EXISTS uses
(use TEXT PRIMARY KEY, agent TEXT NOT NULL, tool TEXT NOT NULL, at INTEGER NOT NULL, amount INTEGER NOT NULL)
WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS of_tool ON uses (agent, tool, at);
CREATE INDEX IF NOT EXISTS by_age ON uses (at);
CREATE TABLE IF NOT EXISTS doubts
(mark BLOB PRIMARY KEY, use TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), key BLOB NOT NULL);
"""


class ToolUseBook:
    """Every agent's uses. Each call opens the file anew and may wait for the disk: not for the loop."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        """Keep them in ``folder``.

        Raises:
            OperatorError: the file cannot be made there.
        """
        self._file = SmallFile(folder, FILE, _TABLES, busy_s=BUSY_S)
        self._clock = clock or SystemClock()
        with self._file.open() as db:
            db.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))

    def room(
        self, agent: str, tool: str, amount: int, per_day: int | None, limit: AmountLimit | None
    ) -> tuple[Over, str] | None:
        """What a use would break now; None when it fits. Nothing is counted.

        Raises:
            OperatorError: the file cannot be read.
        """
        with self._file.open() as db:
            return over(per_day, limit, amount, self._used(db, agent, tool))

    def take(
        self, use: str, agent: str, tool: str, amount: int, per_day: int | None, limit: AmountLimit | None
    ) -> tuple[Over, str] | None:
        """Count a use, unless it would break a limit: then what, and nothing is counted.

        Taking the same use again counts it once. Durable when it returns.

        Raises:
            OperatorError: the file cannot be written.
        """
        now = int(self._clock.unix_s())
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM uses WHERE at <= ?", (now - DAY_S,))
            if db.execute("SELECT 1 FROM uses WHERE use = ?", (use,)).fetchone():
                return None
            broken = over(per_day, limit, amount, self._used(db, agent, tool))
            if broken is None:
                db.execute("INSERT INTO uses VALUES (?, ?, ?, ?, ?)", (use, agent, tool, now, amount))
            return broken

    def give_back(self, use: str) -> None:
        """It was certainly not done: count it no longer. Harmless when it is not counted.

        Raises:
            OperatorError: the file cannot be written.
        """
        with self._file.open() as db:
            db.execute("DELETE FROM uses WHERE use = ?", (use,))

    # -- uses in doubt: ``think.doubts.DoubtBook`` --------------------------------------------------

    def doubted(self, about: bytes) -> str | None:
        """The use that is in doubt, where one is.

        Raises:
            OperatorError: the file cannot be read.
        """
        with self._file.open() as db:
            now = int(self._clock.unix_s())
            mark = _mark(db, about)
            row = db.execute("SELECT use FROM doubts WHERE mark = ? AND until > ?", (mark, now)).fetchone()
            return str(row[0]) if row else None

    def doubt(self, about: bytes, use: str, lasts_h: int) -> None:
        """Keep a use as one in doubt, for so many hours; one that is kept already stays. Durable on return.

        Raises:
            OperatorError: the file cannot be written.
        """
        now = int(self._clock.unix_s())
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM doubts WHERE until <= ?", (now,))
            db.execute(
                "INSERT OR IGNORE INTO doubts VALUES (?, ?, ?)", (_mark(db, about), use, now + lasts_h * 3600)
            )

    def settle(self, use: str) -> None:
        """Its outcome is known. Harmless when it is not in doubt.

        Raises:
            OperatorError: the file cannot be written.
        """
        with self._file.open() as db:
            db.execute("DELETE FROM doubts WHERE use = ?", (use,))

    def _used(self, db: sqlite3.Connection, agent: str, tool: str) -> Used:
        row = db.execute(
            "SELECT count(*), coalesce(sum(amount), 0) FROM uses WHERE agent = ? AND tool = ? AND at > ?",
            (agent, tool, int(self._clock.unix_s()) - DAY_S),
        ).fetchone()
        return Used(int(row[0]), int(row[1]))


def _mark(db: sqlite3.Connection, about: bytes) -> bytes:
    (key,) = db.execute("SELECT key FROM secret").fetchone()
    return hmac.new(key, about, hashlib.sha256).digest()
