"""One question to a witness (C2SP tlog-witness, ``add-checkpoint``): what is sent, and what its answer means.

Over HTTP bounded in time and size, without redirects, ended from any thread.
What a witness writes is never logged: only what we make of it.
"""

from __future__ import annotations

import base64
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal
from urllib.parse import urlsplit

from controls.errors import IntegrityError, OperatorError, ProviderError
from controls.ledger.notes import (
    COSIGNER,
    Checkpoint,
    VerifierKey,
    cosigned_at,
    parse_note,
    signature_line,
    signed_note,
)

#: Most bytes of an answer that are read.
MAX_ANSWER = 65_536

#: ``unasked`` before the first answer; ``refused``: it answered, and not with a cosignature
#: that holds; ``conflict``: it has cosigned what this log does not contain.
Reached = Literal["unasked", "ok", "unreachable", "refused", "conflict"]
#: Makes the consistency proof from a smaller tree to a checkpoint's, 32 bytes a hash.
Prove = Callable[[int, Checkpoint], Sequence[bytes]]

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """Where a witness answers (its submission prefix), and the key that its cosignatures must have."""

    url: str
    key: VerifierKey

    @classmethod
    def parse(cls, url: str, key: str) -> WitnessAddress:
        """Read a profile's entry.

        Raises:
            OperatorError: it is no plain http(s) address, or no witness's verifier key.
        """
        try:
            parts = urlsplit(url)
            plain = not (parts.query or parts.fragment or parts.username) and parts.port != 0
            if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
                raise ValueError
        except ValueError:  # urlsplit's too
            raise OperatorError("a witness's url is not of the form https://host/…") from None
        try:
            verifier = VerifierKey.parse(key)
        except IntegrityError as error:
            raise OperatorError(f"witness {parts.hostname}: {error}") from None
        if verifier.kind != COSIGNER:
            raise OperatorError(
                f"witness {parts.hostname}: this is a log's key; write what `sayso witness key` prints there"
            )
        return cls(url, verifier)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP status and the body that came with it."""

    status: int
    body: bytes


class Exchange:
    """Requests to one witness, one after the other, by one thread; ``abort`` is for every thread.

    ``timeout_s`` bounds connecting and each wait for bytes; whoever wants a bound
    over all of them (a witness may send a byte now and then) calls ``abort``.
    """

    def __init__(self, address: WitnessAddress, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s
        self._aborted = False
        self._connection: HTTPConnection | None = None

    def post(self, body: bytes) -> HttpAnswer:
        """Send ``add-checkpoint``.

        Raises:
            ProviderError: no answer, too much of one, or none that is HTTP.
        """
        parts = urlsplit(self.address.url)
        host = parts.hostname or ""
        connection = (  # with a port, or the end of an IPv6 address would be taken for one
            HTTPSConnection(host, parts.port or 443, timeout=self._timeout_s, context=_tls())
            if parts.scheme == "https"
            else HTTPConnection(host, parts.port or 80, timeout=self._timeout_s)
        )
        self._connection = connection
        try:
            connection.connect()
            if self._aborted:
                raise TimeoutError
            headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "sayso"}
            connection.request("POST", parts.path.rstrip("/") + "/add-checkpoint", body, headers)
            with connection.getresponse() as response:
                data = response.read(MAX_ANSWER + 1)
                if len(data) > MAX_ANSWER:
                    raise self._failed("its answer is too long")
                if response.length:
                    raise self._failed("its answer is cut short")
                return HttpAnswer(response.status, data)
        except (OSError, HTTPException, ValueError) as error:
            raise self._failed("it took too long" if self._aborted else _named(error)) from None
        finally:
            connection.close()

    def abort(self) -> None:
        """End a request under way, and refuse later ones."""
        self._aborted = True
        found = self._connection.sock if self._connection is not None else None
        if found is not None:
            with suppress(OSError):
                # Not SSLSocket.shutdown, which takes the session from under the thread that reads.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    def _failed(self, why: str) -> ProviderError:
        return ProviderError(why, supplier=self.address.key.name)


@cache
def _tls() -> ssl.SSLContext:
    """The system's certificate authorities, read once: reading them stops every thread for some ms."""
    return ssl.create_default_context()


def _named(error: Exception) -> str:
    """What went wrong without what the other side wrote."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate does not hold"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"no answer ({type(error).__name__})"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a question came to.

    Attributes:
        state: None when we could not ask: there was no proof to send.
        why: for our log; nothing the witness wrote.
        line: its signature line, which holds; at: the time in it, Unix s.
    """

    witness: WitnessAddress
    state: Reached | None
    why: str = ""
    line: bytes = b""
    at: int = 0


def ask(exchange: Exchange, checkpoint: Checkpoint, old: int, prove: Prove) -> Outcome:
    """Ask one witness to cosign a checkpoint; once more when it names another size to start from.

    Args:
        old: size it is believed to have confirmed last; 0 when nothing is known.

    Raises:
        SayError: no proof could be made.
    """
    witness = exchange.address
    start = old if old <= checkpoint.size else 0
    for _ in range(2):
        proof = prove(start, checkpoint) if 0 < start < checkpoint.size else ()
        try:
            answer = exchange.post(request_body(start, proof, checkpoint))
        except ProviderError as error:
            return Outcome(witness, "unreachable", str(error))
        if answer.status != 409:
            return _judged(witness, checkpoint, answer)
        named = _SIZE.fullmatch(answer.body)
        if named is None:
            return Outcome(witness, "refused", "its conflict names no size")
        start = int(named[1])
        if start > checkpoint.size:
            why = f"it has cosigned {start} records, the log has {checkpoint.size}"
            return Outcome(witness, "conflict", why)
    return Outcome(witness, "refused", "it names one size after another")


def _judged(witness: WitnessAddress, checkpoint: Checkpoint, answer: HttpAnswer) -> Outcome:
    match answer.status:
        case 200:
            try:
                line, at = cosignature_in(answer.body, checkpoint, witness.key)
            except IntegrityError as error:
                return Outcome(witness, "refused", str(error))
            return Outcome(witness, "ok", line=line, at=at)
        case 422:
            return Outcome(witness, "conflict", "it has cosigned a tree that is not part of this log's")
        case 403:
            return Outcome(witness, "refused", "it does not know the log's key")
        case 404:
            return Outcome(witness, "refused", "it does not know the log")
        case 408 | 429 | 500 | 502 | 503 | 504:
            return Outcome(witness, "unreachable", f"status {answer.status}")
        case _:
            return Outcome(witness, "refused", f"status {answer.status}")


def request_body(old: int, proof: Sequence[bytes], checkpoint: Checkpoint) -> bytes:
    """The body of ``add-checkpoint``."""
    lines = [f"old {old}", *(base64.b64encode(step).decode() for step in proof)]
    return "\n".join(lines).encode() + b"\n\n" + checkpoint.note


def cosignature_in(body: bytes, checkpoint: Checkpoint, key: VerifierKey) -> tuple[bytes, int]:
    """The signature line of ``key`` in a witness's answer, and its time in Unix s; other lines are ignored.

    Raises:
        IntegrityError: there is none, it does not hold, or it tells no time.
    """
    text, _ = parse_note(checkpoint.note)
    try:
        _, found = parse_note(signed_note(text, [body]))
    except IntegrityError:
        raise IntegrityError("its answer is no signature line") from None
    for signature in found:
        if (signature.name, signature.key_hash) == (key.name, key.hash):
            line = signature_line(key, signature.signature)
            at = cosigned_at(replace(checkpoint, note=signed_note(text, [line])), key)
            if at:
                return line, at
            raise IntegrityError("its cosignature tells no time")
    raise IntegrityError("its answer holds no cosignature of its key")
