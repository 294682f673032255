"""What the signing process signs, and what it remembers so that it never signs a rewind.

Whoever can talk to it can have records signed that are not true: it cannot know.
What it does not give away: the key, a checkpoint that takes something back, a leaf
below what a checkpoint has closed, another log's statement, a key of somebody
else's as this log's successor, or anything that is not one of our formats.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.envelope import STATEMENT_TYPE, Leaf, canonical, read_leaf, subject_holds
from controls.ledger.keys import checkpoint_name
from controls.ledger.notes import checkpoint_text, key_digest
from controls.ledger.records import KeyCreated, OriginOpened
from controls.ledger.tree import HASH_SIZE

#: Predicate type of an audit packet's manifest: all that a node's key signs.
PACKET_TYPE = "https://sayso.dev/packet/v1"
#: Longest payload of a leaf, bytes: a leaf may have 65,535, its payload stands there in base64.
MAX_LEAF_PAYLOAD = 49_151

#: Whether a key (its digest) of a log, or of the node for None, is one the signing process has or had.
Known = Callable[[str | None, str], bool]


class Newest(NamedTuple):
    """The newest checkpoint signed for a log."""

    size: int
    root: bytes


class SignedMemory:
    """The newest checkpoint signed for each log, and the keys it had, in a file of its own. Thread-safe.

    Loss: none; ``advance`` returns once it is durable, before the signature leaves.
    Closing: ``close``, once.
    """

    def __init__(self, path: Path) -> None:
        """Open or begin the file.

        Raises:
            OperatorError: it cannot be used, or another signing process uses it.
        """
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0)
            try:
                self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute(
                    "CREATE TABLE IF NOT EXISTS newest"
                    "(origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) STRICT"
                )
                self._db.execute("CREATE TABLE IF NOT EXISTS ended(key TEXT PRIMARY KEY, origin TEXT) STRICT")
                self._db.execute("BEGIN IMMEDIATE")
                rows = self._db.execute("SELECT origin, size, root FROM newest").fetchall()
                self._ended = set(self._db.execute("SELECT origin, key FROM ended").fetchall())
                self._db.execute("COMMIT")
            except BaseException:
                self._db.close()
                raise
        except sqlite3.OperationalError as error:
            raise OperatorError(
                f"{path} cannot be used ({error}): is another signing process running?"
            ) from None
        except sqlite3.DatabaseError:
            raise OperatorError(f"{path} is damaged; restore it, or begin new logs with new keys") from None
        self._newest = {origin: Newest(size, root) for origin, size, root in rows}

    def size(self, origin: str) -> int:
        """Leaves under the newest checkpoint of a log; 0 before the first."""
        newest = self._newest.get(origin)
        return newest.size if newest else 0

    def advance(self, origin: str, size: int, root: bytes) -> None:
        """A checkpoint is about to be signed.

        Raises:
            OperatorError: it takes back what an earlier one says.
            LedgerError: it cannot be remembered.
        """
        with self._lock:
            newest, wanted = self._newest.get(origin), Newest(size, root)
            if newest == wanted:
                return
            if newest is not None and size <= newest.size:
                raise OperatorError(
                    f"a checkpoint of {size} leaves would rewind {origin}: one of {newest.size} is signed"
                    if size < newest.size
                    else f"another checkpoint of {size} leaves is signed for {origin}: this one would fork it"
                )
            try:
                self._db.execute("INSERT OR REPLACE INTO newest VALUES(?,?,?)", (origin, size, root))
            except sqlite3.Error:
                raise LedgerError("the signing process cannot remember what it signs") from None
            self._newest[origin] = wanted

    def ended(self, origin: str | None, key: str) -> bool:
        """Whether this key (its digest) was this log's, or the node's, and has been destroyed since."""
        return (origin, key) in self._ended

    def end(self, origin: str | None, key: str) -> None:
        """A key is about to be destroyed; it may still be named as one that signed.

        Raises:
            LedgerError: it cannot be remembered.
        """
        with self._lock:
            try:
                self._db.execute("INSERT OR REPLACE INTO ended VALUES(?,?)", (key, origin))
            except sqlite3.Error:
                raise LedgerError("the signing process cannot remember which keys it had") from None
            self._ended.add((origin, key))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()


def check_leaf(payload: bytes, *, origin: str, key: str, closed: int, known: Known) -> None:
    """Refuse what is not a leaf of log ``origin`` under its key ``key`` (a digest).

    1. It is canonical JSON of a leaf's length, so nobody reads it in two ways.
    2. It is a record of the closed schemas, and its subject is the record's.
    3. It names this log, this key, and the role ``log``.
    4. Its place is not below ``closed``, the size of the newest checkpoint.
    5. A key it announces for a log or for the node is one that lies here
       (``known``), so that nobody's own key becomes a successor.

    Raises:
        OperatorError: names the rule, never the content.
    """
    if len(payload) > MAX_LEAF_PAYLOAD or _compact(payload) != payload:
        raise OperatorError("not signed: not canonical JSON of a leaf's length")
    try:
        leaf = read_leaf(payload)
    except IntegrityError:
        raise OperatorError("not signed: not a record of ours") from None
    if not subject_holds(payload, leaf):
        raise OperatorError("not signed: the subject is not the record's")
    if (leaf.origin, leaf.signer.role, leaf.signer.key) != (origin, "log", key):
        raise OperatorError("not signed: it names another log, key or role")
    if leaf.leaf < closed:
        raise OperatorError(f"not signed: leaf {leaf.leaf} lies below a checkpoint of {closed} leaves")
    if not _announces_known(leaf, known):
        raise OperatorError("not signed: it announces a key that does not lie here")


def check_checkpoint(text: bytes, *, origin: str) -> Newest:
    """Refuse what is not the text of a checkpoint of log ``origin``, without extension lines.

    Raises:
        OperatorError: names the rule.
    """
    try:
        _, size, root, _ = text.decode().split("\n")
        found = Newest(int(size), base64.b64decode(root))
    except ValueError:
        found = Newest(-1, b"")
    exact = checkpoint_text(checkpoint_name(origin), found.size, found.root) == text
    if not exact or len(found.root) != HASH_SIZE or not 0 <= found.size < 1 << 63:
        raise OperatorError("not signed: not a checkpoint of this log")
    return found


def check_manifest(payload: bytes, *, key: str) -> None:
    """Refuse what is not an audit packet's manifest under this node's key (a digest).

    Raises:
        OperatorError: names the rule.
    """
    try:
        statement = json.loads(payload)
        whole = canonical(statement) == payload
    except (ValueError, RecursionError, LedgerError):
        whole = False
    if not whole or not isinstance(statement, dict):
        raise OperatorError("not signed: not canonical JSON")
    found, predicate = statement.get("predicateType"), statement.get("predicate")
    if (statement.get("_type"), found) != (STATEMENT_TYPE, PACKET_TYPE) or not isinstance(predicate, dict):
        raise OperatorError("not signed: a node's key signs audit packets only")
    if predicate.get("signer") != {"key": key, "role": "node"}:
        raise OperatorError("not signed: it names another key or role")


def _compact(payload: bytes) -> bytes | None:
    """RFC 8785 for what a leaf may hold: names in ASCII, no fractions (three times as fast)."""
    try:
        value = json.loads(payload)
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None


def _announces_known(leaf: Leaf, known: Known) -> bool:
    match leaf.record:
        case KeyCreated(role="log" | "node" as role, key=key, public=public, origin=origin):
            if public is None or (origin is None) != (role == "node"):
                return False
        case OriginOpened(key=key, public=public, origin=origin):
            pass
        case _:
            return True
    return key_digest(base64.b64decode(public)) == key and known(origin, key)
