"""Signing in a process of its own, away from configured code: ``python -m controls.ledger.signing``.

It holds the log keys and the node's key; the process that runs agents holds
none of them (``signing_client.ProcessKeys``). It reads no configuration and takes
no record's word for anything: ``signing_rules`` says what it signs. Against
somebody who can read its user's files it helps as far as they cannot read
memory; run it as a user of its own (``--client-uid``) to keep the files apart too.

It ends with its parent (``--parent-pid``: also when standard input ends), when it
is told to, and when its socket is removed or replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from controls.errors import OperatorError, SayError
from controls.ledger import signing_wire as wire
from controls.ledger.keys import FileKeys, LocalSigner
from controls.ledger.notes import key_digest
from controls.ledger.private_files import private_directory
from controls.ledger.signing_rules import SignedMemory, check_checkpoint, check_leaf, check_manifest
from controls.ledger.unix_sockets import listen_at, peer_user

#: The file in the key directory that remembers the newest checkpoint signed for each log.
MEMORY = "signed.db"
#: Clients served at a time; one more is turned away.
CLIENTS = 32
#: Time between looks at whether anybody still needs it, s.
_LOOK_S = 0.5
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38  # prctl(2)


class SigningService:
    """Answers requests. Thread-safe."""

    def __init__(self, keys: FileKeys, memory: SignedMemory) -> None:
        self._keys = keys
        self._memory = memory
        self._gate = threading.Lock()
        self._signers: dict[tuple[str | None, str], LocalSigner] = {}
        self._told_at = -1.0

    def answer(self, body: bytes) -> bytes:
        """The frame that answers a request's body.

        Raises:
            ValueError: the request is malformed or beyond a limit.
        """
        request, parts = wire.read_request(body)
        try:
            answer, signatures = self._do(request, parts)
        except OperatorError as error:
            self._tell(str(error))
            return wire.frame(wire.Answer(error="refused", detail=str(error)[:1000]))
        except (SayError, OSError) as error:
            detail = str(error) if isinstance(error, SayError) else error.strerror or type(error).__name__
            return wire.frame(wire.Answer(error="failed", detail=detail[:1000]))
        return wire.frame(answer, signatures)

    def _tell(self, refused: str) -> None:
        """Whoever asks for what is refused may keep quiet about it; at most a line a second."""
        now = time.monotonic()
        if now >= self._told_at + 1.0:
            self._told_at = now
            sys.stderr.write(f"signing: {refused}\n")

    def _do(self, request: wire.Request, parts: list[bytes]) -> tuple[wire.Answer, list[bytes]]:
        match request.op:
            case "open":
                signer = self._keys.signer(request.origin, request.state, create=request.create)
                return wire.Answer(vkey=str(signer.verifier)), []
            case "list":
                return wire.Answer(keys=tuple(self._keys.describe("log", "node"))), []
            case "promote":
                self._promote(request.origin, request.key)
                return wire.Answer(), []
            case "statements":
                return wire.Answer(), self._sign_statements(request.origin, request.key, parts)
            case "note":
                return wire.Answer(), [self._sign_note(request.origin, request.key, parts)]

    def _sign_statements(self, origin: str | None, key: str | None, payloads: list[bytes]) -> list[bytes]:
        signer = self._signer(origin, key)
        digest = key_digest(signer.verifier.public)
        closed = self._memory.size(origin) if origin is not None else 0
        for payload in payloads:  # all of them, or none
            if origin is None:
                check_manifest(payload, key=digest)
            else:
                check_leaf(payload, origin=origin, key=digest, closed=closed, known=self._knows)
        return signer.sign_statements(payloads)

    def _sign_note(self, origin: str | None, key: str | None, parts: list[bytes]) -> bytes:
        if origin is None or len(parts) != 1:
            raise OperatorError("not signed: one checkpoint of one log at a time")
        signer = self._signer(origin, key)
        newest = check_checkpoint(parts[0], origin=origin)
        self._memory.advance(origin, newest.size, newest.root)
        return signer.sign_note(parts[0])

    def _promote(self, origin: str | None, key: str | None) -> None:
        """``key`` takes over; nothing happens when it has."""
        with self._gate:
            ended = None
            with contextlib.suppress(OperatorError):  # there need not be one
                ended = key_digest(self._keys.signer(origin, "present", create=False).verifier.public)
            if key == ended:
                return
            if key != key_digest(self._keys.signer(origin, "next", create=False).verifier.public):
                raise OperatorError("this is not the key that was to follow")
            if ended is not None:
                self._memory.end(origin, ended)
            if origin is None:
                self._keys.promote_node()
            else:
                self._keys.promote(origin)
            self._signers = {place: x for place, x in self._signers.items() if place[0] != origin}

    def _signer(self, origin: str | None, key: str | None) -> LocalSigner:
        """The present or next key, whichever ``key`` names."""
        if key is None:
            raise OperatorError("not signed: no key was named")
        with self._gate:
            if (origin, key) not in self._signers:
                for state in ("present", "next"):
                    with contextlib.suppress(OperatorError):
                        found = self._keys.signer(origin, state, create=False)
                        self._signers[origin, key_digest(found.verifier.public)] = found
            try:
                return self._signers[origin, key]
            except KeyError:
                raise OperatorError("not signed: that key does not lie here (any more)") from None

    def _knows(self, origin: str | None, key: str) -> bool:
        try:
            self._signer(origin, key)
        except OperatorError:
            return self._memory.ended(origin, key)
        return True


class SigningServer:
    """Accepts clients until nobody needs it any more."""

    def __init__(self, service: SigningService, path: Path, *, clients: Sequence[int]) -> None:
        """Listen at ``path`` for processes of this user or of ``clients`` (user ids).

        Raises:
            WriterLocked: another signing process listens there.
            OperatorError: the socket cannot be made.
        """
        self._service = service
        self._path = path
        self._users = {os.geteuid(), *clients}
        self._places = threading.BoundedSemaphore(CLIENTS)
        try:
            # Other users reach it only when they were named; who connects is asked of the kernel.
            self._listener = listen_at(path, timeout_s=wire.DEADLINE_S, mode=0o666 if clients else 0o600)
            self._listener.setblocking(False)
            self._identity = _identity(path)
        except OSError as error:
            raise OperatorError(f"{path} cannot be made ({error.strerror})") from None

    def serve(self, parent: int | None) -> None:
        """Accept until the parent (process id; None: nobody's child) or the socket is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            if parent is not None:
                selector.register(0, selectors.EVENT_READ)
            while parent in (None, os.getppid()) and _identity(self._path) == self._identity:
                for key, _ in selector.select(_LOOK_S):
                    if key.fileobj == 0 and not os.read(0, 65_536):
                        return
                    if key.fileobj is self._listener:
                        self._accept()

    def close(self) -> None:
        """Stop listening; the socket goes, unless it is another's by now."""
        self._listener.close()
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):  # it has gone again
            return
        if peer_user(connection) not in self._users | {None} or not self._places.acquire(blocking=False):
            connection.close()
            return
        threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection, contextlib.suppress(OSError, ValueError):
                while body := wire.receive(connection, patient=True):
                    connection.sendall(self._service.answer(body))
        finally:
            self._places.release()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def seclude() -> None:
    """Give up what a signing process does not need: environment, core dumps, debuggers, new privileges."""
    os.umask(0o077)
    os.environ.clear()
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError, AttributeError):  # Linux only
        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)  # no ptrace, and /proc/<pid>/mem is closed, to the same user too
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def main(arguments: list[str] | None = None) -> int:
    """Serve; 0 when nobody needs it any more, 2 when it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m controls.ledger.signing", description=__doc__)
    parser.add_argument("--keys", type=Path, required=True, metavar="DIR", help="directory of the keys")
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="where to listen")
    parser.add_argument("--parent-pid", type=int, metavar="PID", help="end when this parent does")
    parser.add_argument(
        "--client-uid", type=int, action="append", default=[], metavar="UID", help="serve it too"
    )
    options = parser.parse_args(arguments)
    keys, path = options.keys.absolute(), options.socket.absolute()
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        seclude()
        with private_directory(keys):
            memory = SignedMemory(keys / MEMORY)
        with contextlib.closing(memory):
            server = SigningServer(SigningService(FileKeys(keys), memory), path, clients=options.client_uid)
            with contextlib.closing(server), contextlib.suppress(KeyboardInterrupt):
                signal.signal(signal.SIGTERM, _leave)
                sys.stdout.write(
                    json.dumps({"ready": "signing", "socket": str(path), "pid": os.getpid()}) + "\n"
                )
                sys.stdout.flush()
                server.serve(options.parent_pid)
    except (SayError, OSError) as error:
        sys.stderr.write(f"signing: {error}\n")
        return error.exit_code if isinstance(error, SayError) else 2
    return 0


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
