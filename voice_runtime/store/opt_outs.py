"""Who opted out, on disk: keyed digests under a salt of each tenant's own. One SQLite file of the process's.

Implements ``controls.opt_outs.OptOuts``. Salts and digests lie in two tables; what is
deleted is overwritten (``secure_delete``), so that a tenant whose salt was erased leaves
digests behind that nobody can match to a number any more.
"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from controls.errors import OperatorError
from controls.opt_outs import SHOWN, OptedOut, new_salt, subject, subject_key
from voice_runtime.store.small_file import SmallFile

FILE = "opt-outs.db"

_TABLES = """
CREATE TABLE IF NOT EXISTS salts (tenant TEXT PRIMARY KEY, salt BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS opted (tenant TEXT NOT NULL, subject TEXT NOT NULL, PRIMARY KEY (tenant, subject))
WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS said (tenant TEXT NOT NULL, subject TEXT NOT NULL, at_s INTEGER NOT NULL,
call TEXT NOT NULL, PRIMARY KEY (tenant, subject)) WITHOUT ROWID;
"""


class OptOutBook:
    """Every tenant's opt-outs. Each call opens the file anew, so any thread may use it."""

    def __init__(self, folder: Path) -> None:
        """Keep them in ``folder``.

        Raises:
            OperatorError: the file cannot be made there.
        """
        self._file = SmallFile(folder, FILE, _TABLES, busy_s=2.0)

    def known(self, tenant: str, number: str) -> bool:
        """As ``OptOuts``: a tenant without a salt has nobody who opted out."""
        if not subject(number):
            return False
        with self._file.open() as db:
            salt = _salt(db, tenant)
            if salt is None:
                return False
            found = db.execute(
                "SELECT 1 FROM opted WHERE tenant = ? AND subject = ?",
                (tenant, subject_key(salt, tenant, number)),
            ).fetchone()
        return found is not None

    def remember(self, tenant: str, number: str, call: str = "") -> None:
        """As ``OptOuts``: durable when it returns."""
        if not subject(number):
            return
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")  # two first callers of a tenant make one salt
            db.execute("INSERT OR IGNORE INTO salts VALUES (?, ?)", (tenant, new_salt()))
            salt = _salt(db, tenant)
            assert salt is not None
            key = subject_key(salt, tenant, number)
            db.execute("INSERT OR IGNORE INTO opted VALUES (?, ?)", (tenant, key))
            told = (tenant, key, int(time.time()), call)
            db.execute("INSERT OR IGNORE INTO said VALUES (?, ?, ?, ?)", told)

    def all(self, tenant: str = "") -> list[OptedOut]:
        """Who opted out, of one tenant or of all, newest first; no numbers.

        Raises:
            OperatorError: the store cannot be read.
        """
        with self._file.open() as db:
            rows = db.execute(
                "SELECT tenant, subject, COALESCE(at_s, 0), COALESCE(call, '') FROM opted"
                " LEFT JOIN said USING (tenant, subject) WHERE ? IN ('', tenant) ORDER BY 3 DESC, 1, 2",
                (tenant,),
            ).fetchall()
        return [OptedOut(of, key[:SHOWN], at_s, call) for of, key, at_s, call in rows]

    def entry(self, tenant: str, number: str) -> str:
        """How the entry of a number is called in ``all``, or "" where there is none.

        Raises:
            OperatorError: the store cannot be read.
        """
        if not self.known(tenant, number):
            return ""
        with self._file.open() as db:
            salt = _salt(db, tenant)
        return "" if salt is None else subject_key(salt, tenant, number)[:SHOWN]

    def lift(self, tenant: str, entry: str) -> None:
        """Forget one entry, named as in ``all``.

        Raises:
            OperatorError: there is none such, or the store cannot be written.
        """
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")
            found = (tenant, SHOWN, entry)
            db.execute("DELETE FROM said WHERE tenant = ? AND substr(subject, 1, ?) = ?", found)
            forget = "DELETE FROM opted WHERE tenant = ? AND substr(subject, 1, ?) = ?"
            gone = db.execute(forget, found).rowcount
        if not gone:
            raise OperatorError("no such opt-out: `sayso opt-outs list` shows those there are")

    def erase(self, tenant: str) -> None:
        """Destroy a tenant's salt, and with it the meaning of every digest under it.

        Raises:
            OperatorError: the store cannot be written.
        """
        with self._file.open() as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM salts WHERE tenant = ?", (tenant,))
            db.execute("DELETE FROM opted WHERE tenant = ?", (tenant,))
            db.execute("DELETE FROM said WHERE tenant = ?", (tenant,))


def _salt(db: sqlite3.Connection, tenant: str) -> bytes | None:
    row = db.execute("SELECT salt FROM salts WHERE tenant = ?", (tenant,)).fetchone()
    return bytes(row[0]) if row is not None else None
