"""Commands ask the running server, which holds the writer lock: to append a record, to change a key.

A Unix socket in the data directory, mode 0600. One request a line, one answer a
line, both JSON; the client may send several, in order. The records that may come
this way are listed in ``ACCEPTED``: a command can say that somebody looked, or found
a failure and put it right, but cannot claim that a clause was cleared. What else it may ask for stands in
``OPERATIONS`` (slow work, in a thread, one at a time) and ``QUESTIONS`` (answered on
the event loop, by what runs there), and happens only where the server was given a way to do it.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, get_args

from loguru import logger
from pydantic import BaseModel, ConfigDict, ValidationError

from controls.decision import Receipt, Recorder
from controls.errors import LedgerError, OperatorError, SayError
from controls.ledger.records import RECORDS, Personal, Record, RedactionCounted, Slug
from controls.ledger.unix_sockets import connect_to, listen_at, peer_account, peer_user
from voice_runtime.receipts import receipt_in_time

#: Record types a command may append through the server.
ACCEPTED = frozenset({
    "access.viewed", "control.missed", "control.corrected", "redaction.counted", "opt_out.lifted",
})  # fmt: skip
OperationName = Literal["rotate_log", "rotate_node", "rewrap"]
#: What a command may have done: give logs, or the node, a new key; wrap every subject's key anew.
OPERATIONS = frozenset(get_args(OperationName))
#: Does one for a tenant ("": for all), and says what came of it. Blocks; in a thread of its own.
Operation = Callable[[str], str]
QuestionName = Literal[
    "approvals.list", "approvals.show", "approvals.decide", "approvals.decoy", "stops.list", "stops.stop",
    "stops.resume",
]  # fmt: skip
#: What a command may ask of the running calls: what waits for a person, and what is stopped.
QUESTIONS = frozenset(get_args(QuestionName))
#: What persons decide: told by which account they ask (``account``: its number, None where it is not known).
DECIDED = ("approvals.", "stops.")
#: Answers one, from its fields; raises ``OperatorError`` or ``LedgerError``.
Question = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
#: Longest line either way, bytes: a record is at most 8 kB, its personal content may be larger.
LINE_BYTES = 256 * 1024
#: Longest wait for one request, one append or one answer, s.
DEADLINE_S = 5.0
#: Longest wait of a client for an operation, s: a re-wrap touches every call on record.
OPERATION_S = 600.0
#: Requests worked on at a time, besides those of ``AT_ONCE``; the next waits.
PLACES = 4
#: Clients connected at a time; beyond that, whoever has asked nothing for longest is cut off.
CLIENTS = 64
#: Questions that wait for nobody: a stop takes hold whatever else the server is asked.
AT_ONCE = frozenset({"stops.stop"})


def socket_path(data_dir: Path) -> Path:
    """Where the server that writes the records in ``data_dir`` listens."""
    return data_dir / "server.sock"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: str
    record: dict[str, Any]
    personal: dict[str, Any] | None = None


class _Work(BaseModel):
    model_config = ConfigDict(extra="forbid")
    operation: OperationName
    tenant: Slug | Literal[""] = ""


class _Asking(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: QuestionName
    fields: dict[str, Any] = {}


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    origin: str = ""
    leaf: int = -1
    durable_at_ns: int = 0
    spooled: bool = False
    error: str = ""
    detail: str = ""


class LocalSocket:
    """The server's end. ``start`` once, ``close`` once.

    Ordering: requests of one client are appended in the order they came. Loss:
    an answer is sent after its record is durable, so a client that got none does
    not know; its record may still stand. Closing: clients at work are cut off,
    their queued appends go on; an operation that has begun is waited for.
    """

    def __init__(
        self,
        ledger: Recorder,
        path: Path,
        operations: Mapping[OperationName, Operation] | None = None,
        questions: Mapping[str, Question] | None = None,
    ) -> None:
        """Prepare; ``path`` is ``socket_path(data_dir)``.

        Args:
            operations: how to do what is listed in ``OPERATIONS``; the others are refused.
            questions: who answers what is listed in ``QUESTIONS``, likewise.
        """
        self._ledger = ledger
        self._path = path
        self._operations = dict(operations or {})
        self._questions = dict(questions or {})
        self._work: asyncio.Future[str] | None = None  # one at a time
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Task[None], None] = {}  # clients that ask nothing now, the oldest first
        self._places = asyncio.Semaphore(PLACES)

    async def start(self) -> None:
        """Listen.

        Raises:
            WriterLocked: another server listens there.
            OperatorError: the socket cannot be made.
        """
        try:
            listener = listen_at(self._path, timeout_s=DEADLINE_S)
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
        if self._work is not None:
            await asyncio.gather(self._work, return_exceptions=True)
        await server.wait_closed()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if len(self._tasks) > CLIENTS and self._silent:
            oldest = next(iter(self._silent))
            del self._silent[oldest]
            oldest.cancel()
        try:
            if _same_user(writer):
                await self._answer_all(reader, writer, task)
        except (TimeoutError, ConnectionError, ValueError):  # ValueError: a line beyond the limit
            logger.debug("a local client was cut off")
        except asyncio.CancelledError:
            pass  # close() waits for this task and wants no more of it
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer_all(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        while True:
            self._silent[task] = None
            try:
                async with asyncio.timeout(DEADLINE_S):
                    line = await reader.readline()
            finally:
                self._silent.pop(task, None)
            if not line.endswith(b"\n"):
                return
            answer = await self._answer(line, writer.get_extra_info("socket"))
            writer.write(answer.model_dump_json().encode() + b"\n")
            async with asyncio.timeout(DEADLINE_S):
                await writer.drain()

    async def _answer(self, line: bytes, peer: socket.socket) -> _Answer:
        try:
            work = _understood(json.loads(line))
        except (ValidationError, ValueError, RecursionError):  # its message would quote the content
            return _Answer(error="refused")
        if isinstance(work, _Asking) and work.question.startswith(DECIDED):  # whatever the client says
            work.fields["account"] = peer_account(peer)
        if isinstance(work, _Asking) and work.question in AT_ONCE:
            return await self._tell(work)
        async with self._places:
            match work:
                case _Work():
                    return await self._operate(work)
                case _Asking():
                    return await self._tell(work)
                case (record, personal):
                    return await self._append(record, personal)

    async def _operate(self, work: _Work) -> _Answer:
        """Do it, whether or not the client waits for it."""
        do = self._operations.get(work.operation)
        if do is None or (self._work is not None and not self._work.done()):
            why = "cannot do this" if do is None else "is doing something like this already: try again later"
            return _Answer(error="operator", detail=f"the running server {why}")
        self._work = asyncio.ensure_future(asyncio.to_thread(do, work.tenant))
        try:
            return _Answer(detail=await asyncio.shield(self._work))
        except OperatorError as error:
            return _Answer(error="operator", detail=str(error))
        except SayError as error:
            logger.error("{} failed: {}", work.operation, error)
            return _Answer(error="ledger", detail=str(error))
        except Exception as error:  # noqa: BLE001 - a foreign error's message may hold anything
            logger.error("{} failed: {}", work.operation, type(error).__name__)
            return _Answer(error="ledger", detail=type(error).__name__)

    async def _tell(self, asked: _Asking) -> _Answer:
        answer = self._questions.get(asked.question)
        if answer is None:
            return _Answer(error="operator", detail="the running server cannot tell this")
        try:
            told = json.dumps(await answer(asked.fields))
        except OperatorError as error:
            return _Answer(error="operator", detail=str(error))
        except SayError as error:
            logger.error("{} failed: {}", asked.question, type(error).__name__)
            return _Answer(error="ledger", detail="it could not be put on record")
        except Exception as error:  # noqa: BLE001 - a foreign error's message may hold anything
            logger.error("{} failed: {}", asked.question, type(error).__name__)
            return _Answer(error="ledger", detail=type(error).__name__)
        if len(told) > LINE_BYTES // 2:
            return _Answer(error="operator", detail="the answer is too long to be told")
        return _Answer(detail=told)

    async def _append(self, record: Record, personal: Personal | None) -> _Answer:
        try:
            future = self._ledger.append(record, personal)
            receipt = await receipt_in_time(future, DEADLINE_S)
        except LedgerError as error:
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
    answer = _ask(data_dir, request, wait_s=DEADLINE_S)
    if answer is None:
        return None
    if answer.error:
        raise LedgerError(f"the running server did not append {record.type}: {answer.error}")
    return Receipt(answer.origin, answer.leaf, record.type, answer.durable_at_ns, answer.spooled)


def operate_via_server(data_dir: Path, operation: OperationName, tenant: str = "") -> str | None:
    """Have the running server do one of ``OPERATIONS``. Blocks up to ``OPERATION_S``.

    Returns:
        What came of it, or None when no server runs.

    Raises:
        OperatorError: the server refuses, no such tenant, or the socket belongs to somebody else.
        LedgerError: it failed, or gave no answer (it may still be at work).
    """
    try:
        work = _Work(operation=operation, tenant=tenant)
    except ValidationError:
        raise OperatorError(f"{tenant!r} is no tenant's name") from None
    answer = _ask(data_dir, work, wait_s=OPERATION_S)
    if answer is None:
        return None
    if answer.error == "ledger":
        raise LedgerError(answer.detail)
    if answer.error:
        raise OperatorError(answer.detail or "the running server refused")
    return answer.detail


def ask_server(data_dir: Path, question: QuestionName, **fields: Any) -> dict[str, Any] | None:
    """Ask the running server one of ``QUESTIONS``. Blocks up to three times ``DEADLINE_S``.

    Returns:
        The answer, or None when no server runs.

    Raises:
        OperatorError: the server refuses, or the socket belongs to somebody else.
        LedgerError: it could not be put on record, or there was no answer (it may still be done).
    """
    answer = _ask(data_dir, _Asking(question=question, fields=fields), wait_s=3 * DEADLINE_S)
    if answer is None:
        return None
    if answer.error == "ledger":
        raise LedgerError(f"the running server: {answer.detail}")
    if answer.error:
        raise OperatorError(answer.detail or "the running server refused")
    told: dict[str, Any] = json.loads(answer.detail)
    return told


def _ask(data_dir: Path, request: _Request | _Work | _Asking, *, wait_s: float) -> _Answer | None:
    connection = connect_to(socket_path(data_dir), timeout_s=DEADLINE_S)
    if connection is None:
        return None
    with connection:
        try:
            connection.sendall(request.model_dump_json().encode() + b"\n")
            connection.settimeout(wait_s)
            return _Answer.model_validate_json(_line(connection))
        except (OSError, ValidationError) as error:
            raise LedgerError(f"the running server gave no answer ({type(error).__name__})") from error


def _understood(asked: Any) -> _Work | _Asking | tuple[Record, Personal | None]:
    """What a client wants. Raises ValueError: nothing that may come this way."""
    if isinstance(asked, dict) and "operation" in asked:
        return _Work.model_validate(asked)
    if isinstance(asked, dict) and "question" in asked:
        return _Asking.model_validate(asked)
    return _rebuild(asked)


def _rebuild(asked: Any) -> tuple[Record, Personal | None]:
    """A request's record and personal content, through their closed models.

    Raises:
        ValueError: not accepted, or not of that type's shape.
    """
    request = _Request.model_validate(asked)
    if request.type not in ACCEPTED:
        raise ValueError("record type not accepted")
    model = RECORDS[request.type]
    record = model.model_validate(request.record)
    if isinstance(record, RedactionCounted) and record.sink != "export":
        raise ValueError("what was masked in logs and spans is the server's to tell")
    if request.personal is None:
        return record, None
    if model.personal is None:
        raise ValueError("this record has no personal content")
    return record, model.personal.model_validate(request.personal)


def _line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        piece = connection.recv(65_536)
        if not piece or len(received) + len(piece) > LINE_BYTES:
            raise ConnectionError("closed before the answer was complete")
        received += piece
    return received


def _same_user(writer: asyncio.StreamWriter) -> bool:
    """Whether the peer runs as this user or as root; the mode says so too, where the system heeds it."""
    return peer_user(writer.get_extra_info("socket")) in (None, 0, os.getuid())
