"""Appending from another process: commands ask the running server, which holds the writer lock.

A Unix socket in the data directory, mode 0600. One request a line, one answer a
line, both JSON; the client may send several, in order. The records that may come
this way are listed in ``ACCEPTED``: a command can say that somebody looked, but
cannot claim that a clause was cleared.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError

from controls.decision import Receipt, Recorder
from controls.errors import LedgerError, OperatorError, SayError, WriterLocked
from controls.ledger.records import RECORDS, Personal, Record

#: Record types a command may append through the server.
ACCEPTED = frozenset({"access.viewed"})
#: Longest line either way, bytes: a record is at most 8 kB, its personal content may be larger.
LINE_BYTES = 256 * 1024
#: Longest wait for one request, one append or one answer, s.
DEADLINE_S = 5.0
#: Clients served at a time; the next waits in the listen queue.
CLIENTS = 4

_SUN_PATH = 100  # the system's limit is 108 bytes with its terminator


def socket_path(data_dir: Path) -> Path:
    """Where the server that writes the records in ``data_dir`` listens."""
    return data_dir / "server.sock"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: str
    record: dict[str, Any]
    personal: dict[str, Any] | None = None


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    origin: str = ""
    leaf: int = -1
    durable_at_ns: int = 0
    spooled: bool = False
    error: str = ""


class LocalSocket:
    """The server's end. ``start`` once, ``close`` once.

    Ordering: requests of one client are appended in the order they came. Loss:
    an answer is sent after its record is durable, so a client that got none does
    not know; its record may still stand. Closing: clients at work are cut off,
    their queued appends go on.
    """

    def __init__(self, ledger: Recorder, path: Path) -> None:
        """Prepare; ``path`` is ``socket_path(data_dir)``."""
        self._ledger = ledger
        self._path = path
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(CLIENTS)

    async def start(self) -> None:
        """Listen.

        Raises:
            WriterLocked: another server listens there.
            OperatorError: the socket cannot be made.
        """
        try:
            listener = _listen(self._path)
        except OSError as error:
            raise OperatorError(f"{self._path.name} cannot be made: {error.strerror}") from error
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_BYTES)

    async def close(self) -> None:
        """Stop listening, cut off clients, remove the socket. Harmless twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            async with self._places:
                if _same_user(writer):
                    await self._answer_all(reader, writer)
        except (TimeoutError, ConnectionError, ValueError):  # ValueError: a line beyond the limit
            logger.debug("a local client was cut off")
        except asyncio.CancelledError:
            pass  # close() waits for this task and wants no more of it
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(DEADLINE_S):
                line = await reader.readline()
            if not line.endswith(b"\n"):
                return
            answer = await self._append(line)
            writer.write(answer.model_dump_json().encode() + b"\n")
            async with asyncio.timeout(DEADLINE_S):
                await writer.drain()

    async def _append(self, line: bytes) -> _Answer:
        try:
            record, personal = _rebuild(line)
        except (ValidationError, ValueError):  # its message would quote the content
            return _Answer(error="refused")
        try:
            future = self._ledger.append(record, personal)
            async with asyncio.timeout(DEADLINE_S):
                receipt = await asyncio.shield(asyncio.wrap_future(future))
        except (LedgerError, TimeoutError) as error:
            logger.error("a local client's {} is not durable: {}", record.type, type(error).__name__)
            return _Answer(error="ledger")
        return _Answer(
            origin=receipt.origin,
            leaf=receipt.leaf,
            durable_at_ns=receipt.durable_at_ns,
            spooled=receipt.spooled,
        )


def append_via_server(data_dir: Path, record: Record, personal: Personal | None) -> Receipt | None:
    """Have the running server append a record. Blocks up to ``DEADLINE_S`` twice.

    Returns:
        The receipt once the record is durable, or None when no server runs.

    Raises:
        LedgerError: the server could not make it durable, or did not answer.
        OperatorError: the socket belongs to somebody else.
    """
    request = _Request(
        type=record.type,
        record=record.model_dump(mode="json"),
        personal=None if personal is None else personal.model_dump(mode="json"),
    )
    connection = _connect(socket_path(data_dir))
    if connection is None:
        return None
    with connection:
        try:
            connection.sendall(request.model_dump_json().encode() + b"\n")
            answer = _Answer.model_validate_json(_line(connection))
        except (OSError, ValidationError) as error:
            raise LedgerError(f"the running server gave no answer ({type(error).__name__})") from error
    if answer.error:
        raise LedgerError(f"the running server did not append {record.type}: {answer.error}")
    return Receipt(answer.origin, answer.leaf, record.type, answer.durable_at_ns, answer.spooled)


def _rebuild(line: bytes) -> tuple[Record, Personal | None]:
    """A request's record and personal content, through their closed models.

    Raises:
        ValueError: not JSON, not accepted, or not of that type's shape.
    """
    request = _Request.model_validate(json.loads(line))
    if request.type not in ACCEPTED:
        raise ValueError("record type not accepted")
    model = RECORDS[request.type]
    record = model.model_validate(request.record)
    if request.personal is None:
        return record, None
    if model.personal is None:
        raise ValueError("this record has no personal content")
    return record, model.personal.model_validate(request.personal)


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(DEADLINE_S)
    try:
        with _address(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise OperatorError(f"{path.name} cannot be reached: {error.strerror}") from error
    except SayError:
        connection.close()
        raise
    return connection


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        piece = connection.recv(65_536)
        if not piece or len(received) + len(piece) > LINE_BYTES:
            raise ConnectionError("closed before the answer was complete")
        received += piece
    return received


def _listen(path: Path) -> socket.socket:
    """A listening socket at ``path``, in place of one whose server is gone."""
    other = _connect(path)
    if other is not None:
        other.close()
        raise WriterLocked("another server already writes these records")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _address(path) as address:
            before = os.umask(0o177)
            try:
                listener.bind(address)
            finally:
                os.umask(before)
        listener.listen(16)
    except BaseException:
        listener.close()
        raise
    return listener


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """``path`` as a socket address; a long one is reached through its folder's descriptor (Linux).

    Raises:
        OperatorError: it is too long for this system.
    """
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise OperatorError("data_dir is too long for a socket's address (100 bytes): choose a shorter one")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _same_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as this user or as root; the mode says so too, where the system heeds it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, uid, _ = struct.unpack("3i", peer)
    return uid in (0, os.getuid())
