"""The demo's appointment book: a small real service. Fictional doctors, real rows.

``SAYSO_APPOINTMENTS_KEY=… python -m voice_runtime.offline.appointments --db PATH --port 0``
(or ``--key …``, which other users of the machine can see) prints one JSON line
with its address when it accepts connections, and ends with its parent process.

    POST /tools/find_slots  {doctor, day}            {doctor, day, slots: [times]}
    POST /tools/book        {doctor, day, time}      {row, doctor, day, time}; 409 when taken
    POST /tools/cancel      {row} or {doctor, day, time}   {row, doctor, day, time}; 404 when none
    GET  /operations/{idempotency key}               {done, result}

Every request carries ``Idempotency-Key``, ``Sayso-Timestamp`` and ``Sayso-Signature``
(``v1=`` HMAC-SHA256 over ``timestamp.key.body``); timestamps off by more than five
minutes are refused. The same key gives the same answer and changes nothing again.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from controls.errors import OperatorError, SayError
from voice_runtime.offline.process import serve

WINDOW_S = 300
_MOST_BYTES = 16 * 1024
_KEY = re.compile(r"[A-Za-z0-9_-]{8,80}\Z")

#: A week that repeats, as it is spoken. Fictional doctors.
DOCTORS = ("Patel", "Okafor")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_TIMES = {
    "Patel": ("ten", "half past two"),
    "Okafor": ("nine", "eleven", "a quarter past three"),
}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS slots (
  doctor TEXT NOT NULL, day TEXT NOT NULL, time TEXT NOT NULL, place INTEGER NOT NULL,
  PRIMARY KEY (doctor, day, time)
) STRICT;
CREATE TABLE IF NOT EXISTS appointments (
  row INTEGER PRIMARY KEY AUTOINCREMENT,
  doctor TEXT NOT NULL, day TEXT NOT NULL, time TEXT NOT NULL,
  booked_at INTEGER NOT NULL, cancelled_at INTEGER,
  FOREIGN KEY (doctor, day, time) REFERENCES slots (doctor, day, time)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_at_a_time
  ON appointments (doctor, day, time) WHERE cancelled_at IS NULL;
CREATE TABLE IF NOT EXISTS operations (
  key TEXT PRIMARY KEY, request TEXT NOT NULL, status INTEGER NOT NULL,
  result TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
"""


class Refused(Exception):
    """The service says no, with an HTTP status and a word for the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Find(_Asked):
    doctor: str = Field(min_length=1, max_length=60)
    day: str = Field(min_length=1, max_length=20)


class _Book(_Find):
    time: str = Field(min_length=1, max_length=40)


class _Cancel(_Asked):
    row: int | None = Field(default=None, ge=1)
    doctor: str | None = Field(default=None, max_length=60)
    day: str | None = Field(default=None, max_length=20)
    time: str | None = Field(default=None, max_length=40)


Result = dict[str, Any]


class Book:
    """The appointment book in one SQLite file. Thread-safe; every change is one transaction."""

    def __init__(self, path: Path | str) -> None:
        """Open or make the book, with its demo week.

        Raises:
            OperatorError: the file cannot be used.
        """
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=2.0)
            self._db.executescript(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            )
            self._db.executescript(_SCHEMA)
            rows = [(d, day, t, n) for d in DOCTORS for day in DAYS for n, t in enumerate(_TIMES[d])]
            self._db.executemany("INSERT OR IGNORE INTO slots VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise OperatorError(f"the appointment book cannot be opened: {type(error).__name__}") from error

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
        do, model = _OPERATIONS[operation]
        try:
            asked = model.model_validate_json(body)
        except ValidationError:
            raise Refused(422, "bad_arguments") from None
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
                status, result = 200, do(db, asked)
            except Refused as refused:
                if refused.status == 422:
                    raise
                status, result = refused.status, {"reason": refused.reason}
            db.execute(
                "INSERT INTO operations VALUES (?, ?, ?, ?, ?)",
                (key, request, status, json.dumps(result), int(time.time())),
            )
            return status, result

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


def _find(db: sqlite3.Connection, asked: Any) -> Result:
    doctor, day = _doctor(asked.doctor), _day(asked.day)
    free = db.execute(
        "SELECT time FROM slots s WHERE doctor = ? AND day = ? AND NOT EXISTS (SELECT 1 FROM appointments a"
        " WHERE a.doctor = s.doctor AND a.day = s.day AND a.time = s.time AND a.cancelled_at IS NULL)"
        " ORDER BY place",
        (doctor, day),
    ).fetchall()
    return {"doctor": doctor, "day": day, "slots": [row[0] for row in free]}


def _book(db: sqlite3.Connection, asked: Any) -> Result:
    doctor, day, at = _slot(db, asked)
    try:
        cursor = db.execute(
            "INSERT INTO appointments (doctor, day, time, booked_at) VALUES (?, ?, ?, ?)",
            (doctor, day, at, int(time.time())),
        )
    except sqlite3.IntegrityError:
        raise Refused(409, "taken") from None
    return {"row": cursor.lastrowid, "doctor": doctor, "day": day, "time": at}


def _cancel(db: sqlite3.Connection, asked: Any) -> Result:
    named = (asked.doctor, asked.day, asked.time)
    if (asked.row is None) == (None in named) or (asked.row is not None and any(named)):
        raise Refused(422, "name_row_or_slot")
    if asked.row is not None:
        where = "row = ?"
        values: tuple[Any, ...] = (asked.row,)
    else:
        where = "doctor = ? AND day = ? AND time = ?"
        values = _slot(db, asked)
    found = db.execute(
        f"SELECT row, doctor, day, time FROM appointments WHERE cancelled_at IS NULL AND {where}",  # noqa: S608 - the clause is ours, values are bound
        values,
    ).fetchone()
    if found is None:
        raise Refused(404, "no_such_appointment")
    db.execute("UPDATE appointments SET cancelled_at = ? WHERE row = ?", (int(time.time()), found[0]))
    return dict(zip(("row", "doctor", "day", "time"), found, strict=True))


_OPERATIONS: dict[str, tuple[Callable[[sqlite3.Connection, Any], Result], type[_Asked]]] = {
    "find_slots": (_find, _Find),
    "book": (_book, _Book),
    "cancel": (_cancel, _Cancel),
}


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _doctor(said: str) -> str:
    wanted = _plain(said).removeprefix("doctor ").removeprefix("dr ").removeprefix("dr. ")
    for name in DOCTORS:
        if name.casefold() == wanted:
            return name
    raise Refused(422, "no_such_doctor")


def _day(said: str) -> str:
    for name in DAYS:
        if name.casefold() == _plain(said):
            return name
    raise Refused(422, "no_such_day")


def _slot(db: sqlite3.Connection, asked: Any) -> tuple[str, str, str]:
    doctor, day = _doctor(asked.doctor), _day(asked.day)
    times = db.execute("SELECT time FROM slots WHERE doctor = ? AND day = ?", (doctor, day)).fetchall()
    for (at,) in times:
        if _plain(at) == _plain(asked.time):
            return doctor, day, at
    raise Refused(422, "no_such_time")


# --- the door --------------------------------------------------------------------------------------


def build(book: Book, key: bytes, *, now: Callable[[], float] = time.time) -> FastAPI:
    """The service over ``book``.

    Args:
        key: the HMAC key; at least 16 bytes.
        now: Unix time, s.

    Raises:
        OperatorError: the key is too short.
    """
    if len(key) < 16:
        raise OperatorError("the appointment service needs a key of at least 16 characters")
    app = FastAPI(title="Appointments (demo, fictional)", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        return JSONResponse({"reason": error.reason}, status_code=error.status)

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/tools/{operation}")
    async def tool(operation: str, request: Request) -> JSONResponse:
        body = await _body(request)
        idempotency_key = _check(request, key, body, now())
        if operation not in _OPERATIONS:
            raise Refused(404, "no_such_operation")
        status, result = await run_in_threadpool(book.once, idempotency_key, operation, body)
        return JSONResponse(result, status_code=status)

    @app.get("/operations/{idempotency_key}")
    async def operation_(idempotency_key: str, request: Request) -> dict[str, Any]:
        if _check(request, key, b"", now()) != idempotency_key:
            raise Refused(401, "signature")
        return await run_in_threadpool(book.operation, idempotency_key)

    return app


async def _body(request: Request) -> bytes:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > _MOST_BYTES:
            raise Refused(413, "too_large")
    return bytes(raw)


def _check(request: Request, key: bytes, body: bytes, now: float) -> str:
    """Steps: 1. well-formed headers, 2. signature in constant time, 3. timestamp. Returns the key used."""
    idempotency_key = request.headers.get("idempotency-key", "")
    timestamp = request.headers.get("sayso-timestamp", "")
    if not _KEY.match(idempotency_key) or not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Refused(401, "signature")
    wanted = hmac.new(key, f"{timestamp}.{idempotency_key}.".encode() + body, hashlib.sha256).hexdigest()
    given = request.headers.get("sayso-signature", "")
    if not hmac.compare_digest(given.encode(), f"v1={wanted}".encode()):
        raise Refused(401, "signature")
    if abs(now - int(timestamp)) > WINDOW_S:
        raise Refused(401, "timestamp")
    return idempotency_key


def main(arguments: list[str] | None = None) -> int:
    """Run the service; 0, or 2 when the file, key or address cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m voice_runtime.offline.appointments",
        description="The demo's appointment book (fictional doctors, real rows).",
    )
    parser.add_argument("--db", required=True, type=Path)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=None, help="HMAC key; better in SAYSO_APPOINTMENTS_KEY")
    options = parser.parse_args(arguments)
    key = options.key if options.key is not None else os.environ.get("SAYSO_APPOINTMENTS_KEY", "")
    try:
        book = Book(options.db)
        try:
            app = build(book, key.encode())
            serve(app, host=options.host, port=options.port, announce={"ready": "appointments"})
        finally:
            book.close()
    except SayError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
