"""The embedded appointment service: real rows, fictional people. What it books is data (``book_file``).

``SAYSO_APPOINTMENTS_KEY=… python -m voice_runtime.offline.appointments --db PATH --book FILE --port 0``
(or ``--key …``, which other users of the machine can see) prints one JSON line
with its address when it accepts connections, and ends with its parent process.

For a book whose slots are named by doctor, day and time:

    POST /tools/find_slots  {doctor, day}            {doctor, day, slots: [times]}
    POST /tools/book        {doctor, day, time}      {row, doctor, day, time}; 409 when taken
    POST /tools/move        {doctor, day, time, new_day, …}   {row, …}; 404 when none, 409 when taken
    POST /tools/cancel      {row} or {doctor, day, time}   {row, doctor, day, time}; 404 when none
    POST /tools/{lookup}    {field, …}               {field, …, found: [names]}, or the row's fields; 404
    POST /tools/{request}   {field, …}               {row, field, …}: noted for people
    GET  /operations/{idempotency key}               {done, result}

It answers in the language it was asked in. Every request carries ``Idempotency-Key``,
``Sayso-Timestamp`` and ``Sayso-Signature`` (``v1=`` HMAC-SHA256 over
``timestamp.key.body``); timestamps off by more than five minutes are refused. The
same key gives the same answer and changes nothing again.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from controls.errors import OperatorError, SayError
from voice_runtime.offline.book import Book, Refused
from voice_runtime.offline.book_file import FOLDER, load_book
from voice_runtime.offline.process import serve

WINDOW_S = 300
_MOST_BYTES = 16 * 1024
_KEY = re.compile(r"[A-Za-z0-9_-]{8,80}\Z")


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
        if not book.knows(operation):
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
        description="The embedded appointment service (fictional people, real rows).",
    )
    parser.add_argument("--db", required=True, type=Path)
    parser.add_argument("--book", type=Path, help=f"by default {FOLDER}/<name of the database>.yaml")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--key", default=None, help="HMAC key; better in SAYSO_APPOINTMENTS_KEY")
    options = parser.parse_args(arguments)
    key = options.key if options.key is not None else os.environ.get("SAYSO_APPOINTMENTS_KEY", "")
    try:
        book = Book(options.db, load_book(options.book or FOLDER / f"{options.db.stem}.yaml", Path.cwd()))
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
