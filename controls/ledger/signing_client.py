"""Keys of a signing process, for the process that serves: signatures through its socket."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from socket import socket

from controls.errors import LedgerError, OperatorError
from controls.ledger import signing_wire as wire
from controls.ledger.keys import FileKeys, KeyInfo, KeyState, Wrapping
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.unix_sockets import connect_to

#: Bytes of an Ed25519 signature.
_SIGNATURE = 64


class RemoteSigner:
    """One key of a signing process. A ``Signer``."""

    def __init__(self, keys: ProcessKeys, origin: str | None, verifier: VerifierKey) -> None:
        self._keys = keys
        self._origin = origin
        self._verifier = verifier
        self._key = key_digest(verifier.public)

    @property
    def verifier(self) -> VerifierKey:
        return self._verifier

    def sign_statements(self, payloads: Sequence[bytes]) -> list[bytes]:
        request = wire.Request(op="statements", origin=self._origin, key=self._key)
        found: list[bytes] = []
        for group in _groups(payloads):
            found += self._signatures(request, group)
        return found

    def sign_note(self, text: bytes) -> bytes:
        (found,) = self._signatures(wire.Request(op="note", origin=self._origin, key=self._key), [text])
        return found

    def _signatures(self, request: wire.Request, parts: list[bytes]) -> list[bytes]:
        _, found = self._keys.ask(request, parts)
        if len(found) != len(parts) or any(len(signature) != _SIGNATURE for signature in found):
            raise LedgerError("the signing process gave no answer that fits")
        return found


class ProcessKeys:
    """The keys of a signing process (``python -m controls.ledger.signing``). A ``Keys``. Thread-safe.

    Log and node keys never enter this process. The wrapping key does, from a
    file: what callers and agents said has to be opened by the process that
    serves it to reviewers, so asking another process to unwrap each key would
    hide nothing from it. With a key management service both lie outside.

    Loss: a request whose answer was lost is asked again once, over a new
    connection; every request may be repeated. A signing process that is gone
    makes every method raise ``LedgerError`` until another one listens at the
    same path; nothing here starts one. Closing: ``close`` lets idle connections go.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        """Connects to nobody yet.

        Args:
            path: the signing process's socket.
            directory: where the wrapping key lies.
        """
        self._path = path
        self._files = FileKeys(directory)
        self._gate = threading.Lock()
        self._idle: list[socket] = []
        self._closed = False

    def log_signer(self, origin: str, *, create: bool) -> RemoteSigner:
        return self._signer(origin, "present", create=create)

    def next_log_signer(self, origin: str) -> RemoteSigner:
        return self._signer(origin, "next", create=True)

    def promote(self, origin: str) -> None:
        self._promote(origin)

    def node_signer(self, *, create: bool) -> RemoteSigner:
        return self._signer(None, "present", create=create)

    def next_node_signer(self) -> RemoteSigner:
        return self._signer(None, "next", create=True)

    def promote_node(self) -> None:
        self._promote(None)

    def wrapping(self, *, create: bool) -> Wrapping:
        return self._files.wrapping(create=create)

    def next_wrapping(self) -> Wrapping:
        return self._files.next_wrapping()

    def promote_wrapping(self) -> None:
        self._files.promote_wrapping()

    def describe(self) -> list[KeyInfo]:
        answer, _ = self.ask(wire.Request(op="list"))
        return [*answer.keys, *self._files.describe("wrapping")]

    def close(self) -> None:
        """Close idle connections; later requests fail. Harmless twice."""
        with self._gate:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def ask(self, request: wire.Request, parts: Sequence[bytes] = ()) -> tuple[wire.Answer, list[bytes]]:
        """One round trip.

        Raises:
            OperatorError: the signing process refuses this.
            LedgerError: it is not there, gave no answer, or cannot do this now.
        """
        try:
            sent = wire.frame(request, parts)
        except ValueError as error:
            raise OperatorError(f"not signed: {error}") from None
        answer, found = self._exchange(sent)
        if answer.error == "refused":
            raise OperatorError(answer.detail)
        if answer.error:
            raise LedgerError(answer.detail)
        return answer, found

    def _exchange(self, sent: bytes) -> tuple[wire.Answer, list[bytes]]:
        for fresh in (False, True):
            try:
                with self._connection(fresh=fresh) as connection:
                    connection.sendall(sent)
                    body = wire.receive(connection)
                    if not body:
                        raise ConnectionError("closed")
                    return wire.read_answer(body)
            except TimeoutError:  # it is there and stuck: asking again would only double the wait
                break
            except (OSError, ValueError):  # a connection from before its restart, or one that broke now
                continue
        raise LedgerError("the signing process does not answer")

    @contextlib.contextmanager
    def _connection(self, *, fresh: bool) -> Iterator[socket]:
        """An idle connection or a new one; goes back to the idle ones unless something went wrong."""
        with self._gate:
            if self._closed:
                raise LedgerError("the keys are closed")
            connection = self._idle.pop() if self._idle and not fresh else None
        connection = connection or connect_to(self._path, timeout_s=wire.DEADLINE_S)
        if connection is None:
            raise LedgerError("the signing process is not running")
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _keep(self, connection: socket) -> None:
        with self._gate:
            if self._closed:
                connection.close()
            else:
                self._idle.append(connection)

    def _signer(self, origin: str | None, state: KeyState, *, create: bool) -> RemoteSigner:
        try:
            request = wire.Request(op="open", origin=origin, state=state, create=create)
        except ValueError:
            raise OperatorError(
                "no key has such a name: logs are named o_ and 16 digits or letters"
            ) from None
        answer, _ = self.ask(request)
        return RemoteSigner(self, origin, VerifierKey.parse(answer.vkey))

    def _promote(self, origin: str | None) -> None:
        following = self._signer(origin, "next", create=False).verifier
        self.ask(wire.Request(op="promote", origin=origin, key=key_digest(following.public)))


def _groups(payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    """``payloads`` in pieces that each fit one request."""
    group: list[bytes] = []
    size = 0
    for payload in payloads:
        if group and (len(group) == wire.MAX_PARTS or size + len(payload) > wire.MAX_FRAME // 2):
            yield group
            group, size = [], 0
        group.append(payload)
        size += len(payload)
    if group:
        yield group
