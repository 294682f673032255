"""Logs that grow, rewind and fork on command, and a witness over HTTP whose answers can be changed."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.ledger.notes import Checkpoint, VerifierKey, cosigned_at, sign_checkpoint, with_signatures
from controls.ledger.tree import Tree, leaf_hash
from controls.ledger.witness import Refused, Witness
from controls.ledger.witness_client import WitnessAddress
from controls.ledger.witness_state import Conflict, Cosigned, WitnessKey

LOG = "sayso.dev/log/o_0123456789ABCDEF"


def private(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


class GrowingLog:
    """A log in memory; a ``cosign.CosignedLog``. ``leaves`` may be changed in any way."""

    def __init__(self, size: int = 0, *, name: str = LOG, key: str = "log", said: str = "leaf") -> None:
        self.directory = Path("o_0123456789ABCDEF")
        self.origin = "o_0123456789ABCDEF"
        self.name = name
        self.said = said
        self.key = private(key)
        self.leaves: list[bytes] = []
        self.stored: list[Checkpoint] = []
        self.grow(size)

    @property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.key.public_key().public_bytes_raw())

    def grow(self, count: int = 1) -> None:
        size = len(self.leaves)
        self.leaves += [leaf_hash(f"{self.said} {i}".encode()) for i in range(size, size + count)]

    def fork(self, at: int, said: str) -> GrowingLog:
        """Another log of the same key, which says something else from leaf ``at`` on."""
        other = GrowingLog(0, name=self.name, said=said)
        other.key = self.key
        other.leaves = self.leaves[:at]
        other.grow(len(self.leaves) - at)
        return other

    def checkpoint(self) -> Checkpoint:
        return self.at(len(self.leaves))

    def at(self, size: int) -> Checkpoint:
        return sign_checkpoint(self.name, size, Tree(self.leaves).root(size), self.key)

    def prove(self, old: int, checkpoint: Checkpoint) -> list[bytes]:
        return Tree(self.leaves).consistency(old, checkpoint.size)

    def request(self, old: int, *, proof: Sequence[bytes] | None = None, note: bytes | None = None) -> bytes:
        """A body of ``add-checkpoint`` for the newest checkpoint."""
        if proof is None:
            proof = self.prove(old, self.checkpoint()) if 0 < old < len(self.leaves) else ()
        lines = [b"old %d" % old, *(base64.b64encode(step) for step in proof)]
        return b"\n".join(lines) + b"\n\n" + (note or self.checkpoint().note)

    def cosigned(self) -> Checkpoint | None:
        return max(self.stored, key=lambda c: c.size) if self.stored else None

    def add_cosigned(self, checkpoint: Checkpoint) -> Future[None]:
        self.stored = [c for c in self.stored if c.size != checkpoint.size] + [checkpoint]
        done: Future[None] = Future()
        done.set_result(None)
        return done


@dataclass(frozen=True)
class Listed:
    """A key in a witness's list of logs."""

    verifier: VerifierKey

    @property
    def name(self) -> str:
        return self.verifier.name


class MemoryState:
    """A witness's state in memory; a ``witness.State``."""

    def __init__(self, name: str = "witness.example/w1") -> None:
        self.key = WitnessKey(name, private(name))
        self.stored: dict[str, Cosigned] = {}
        self.history: list[Cosigned] = []
        self.conflicts: list[Conflict] = []

    def latest(self, origin: str) -> Cosigned | None:
        return self.stored.get(origin)

    def store(self, checkpoint: Checkpoint) -> None:
        at = cosigned_at(checkpoint, self.key.verifier)
        assert at is not None
        self.stored[checkpoint.origin] = Cosigned(checkpoint, at)
        self.history.append(self.stored[checkpoint.origin])

    def keep(self, conflict: Conflict) -> bool:
        self.conflicts.append(conflict)
        return True


class Bench:
    """A witness of some logs, its clock set by hand."""

    def __init__(self, *logs: GrowingLog | Listed) -> None:
        self.now = 1_900_000_000.5
        self.state = MemoryState()
        self.logs = list(logs)
        self.witness = Witness(
            self.state, lambda o: [x.verifier for x in self.logs if x.name == o], unix_s=lambda: self.now
        )

    def cosign(self, log: GrowingLog, old: int) -> int:
        """Submit the newest checkpoint; the time in a cosignature that holds."""
        checkpoint = log.checkpoint()
        line = self.witness.add_checkpoint(log.request(old))
        at = cosigned_at(with_signatures(checkpoint, line), self.witness.verifier)
        assert at is not None
        assert line.count(b"\n") == 1
        return at

    def refusal(self, body: bytes) -> Refused:
        before = dict(self.state.stored)
        with pytest.raises(Refused) as caught:
            self.witness.add_checkpoint(body)
        assert self.state.stored == before
        return caught.value

    def kinds(self) -> list[str]:
        return [c.kind for c in self.state.conflicts]


def bench(size: int = 7) -> tuple[Bench, GrowingLog]:
    """A witness that has cosigned ``size`` leaves of a log."""
    log = GrowingLog(size)
    made = Bench(log)
    made.cosign(log, 0)
    return made, log


#: Status, body and further headers.
Reply = tuple[int, bytes, dict[str, str]]


class WitnessHouse:
    """A witness behind a real socket. ``answer``, when set, replaces what it would say.

    ``answer`` gets the request's body; None from it: the connection stays silent until ``close``.
    """

    def __init__(
        self,
        *logs: GrowingLog | Listed,
        name: str = "witness.example/w1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.state = MemoryState(name)
        self.logs = list(logs)
        self.now_s = 1_900_000_000.0
        self.witness = Witness(self.state, self._keys_of, unix_s=lambda: self.now_s)
        self.requests: list[bytes] = []
        self.answer: Callable[[bytes], Reply | None] | None = None
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that give up
        self._scheme = "http"
        if tls is not None:
            self._scheme = "https"
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="witness")
        self._thread.start()

    def _keys_of(self, origin: str) -> list[VerifierKey]:
        return [log.verifier for log in self.logs if log.name == origin]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def address(self) -> WitnessAddress:
        return WitnessAddress(self.url + "/w1/", self.witness.verifier)

    def reply(self, path: str, body: bytes) -> Reply | None:
        self.requests.append(body)
        if path != "/w1/add-checkpoint":
            return 404, b"no such path", {}
        if self.answer is not None:
            return self.answer(body)
        try:
            return 200, self.witness.add_checkpoint(body), {}
        except Refused as refused:
            return refused.status, str(refused).encode(), {"Content-Type": refused.content_type}

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        house = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply = house.reply(self.path, body)
                if reply is None:
                    house.closing.wait()
                    return
                status, data, headers = reply
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
