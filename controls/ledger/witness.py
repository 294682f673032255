"""A witness of other people's logs (C2SP tlog-witness): rules that decide what may be cosigned.

No sockets: ``voice_runtime.witness_server`` is the shell around it. Steps of
``add-checkpoint``, in the order and with the status the specification gives them:

1. the request is in its one form                          400
2. the origin is one of the logs we know                   404
3. a key of that log signed, and no line of its keys fails 403
4. the old size is not above the checkpoint's              400
5. the old size is what we cosigned last                   409, with that size
6. a tree without leaves has the root of none              422
7. from size zero there is no proof; else it holds         422
8. the new checkpoint is durable, then its cosignature goes out

A signed checkpoint that contradicts the one we cosigned is kept with it.
"""

from __future__ import annotations

import base64
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from loguru import logger

from controls.errors import IntegrityError, LedgerError, SayError
from controls.ledger.notes import (
    MAX_NOTE,
    Checkpoint,
    NoteSignature,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    signature_line,
    signed_note,
    with_signatures,
)
from controls.ledger.tree import EMPTY_ROOT, verify_consistency
from controls.ledger.witness_state import Conflict, Cosigned, Kind, WitnessKey

#: Most hashes of a consistency proof (tlog-witness), and most bytes of a checkpoint's text (ours).
MAX_PROOF, MAX_TEXT = 63, 8192
#: Most bytes of a request: its old size, a whole proof, and the largest note.
MAX_BODY = 32 + MAX_PROOF * 45 + MAX_NOTE
#: Largest tree (RFC 6962 proofs of 63 hashes reach no further).
MAX_SIZE = (1 << 63) - 1

_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")
_HASH = re.compile(rb"[A-Za-z0-9+/]{43}=")
PLAIN, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"


class Refused(SayError):
    """A request that gets no cosignature: the HTTP status, body and content type of the answer."""

    def __init__(self, status: int, message: str, content_type: str = PLAIN) -> None:
        super().__init__(message)
        self.status = status
        self.content_type = content_type


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request, read and not believed.

    Attributes:
        old: tree size the client says we cosigned last.
        proof: consistency proof from there, 32 bytes each.
        text: the checkpoint's signed text.
        signatures: every signature line of its note.
    """

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint
    text: bytes
    signatures: tuple[NoteSignature, ...]


class State(Protocol):
    """What a witness remembers; ``witness_state.WitnessState`` is one. Used under one lock per origin."""

    key: WitnessKey

    def latest(self, origin: str) -> Cosigned | None:
        """The newest cosigned checkpoint."""
        ...

    def store(self, checkpoint: Checkpoint) -> None:
        """Durable when it returns."""
        ...

    def keep(self, conflict: Conflict) -> bool:
        """Keep evidence; whether it is new."""
        ...


def parse_request(body: bytes) -> AddCheckpoint:
    """Read the body of ``add-checkpoint``.

    Raises:
        Refused: 400, it is not in its one form.
    """
    if len(body) > MAX_BODY:
        raise Refused(400, "request too long\n")
    head, found, note = body.partition(b"\n\n")
    first, *lines = head.split(b"\n")
    old = _OLD.fullmatch(first)
    if not found or old is None or int(old[1]) > MAX_SIZE:
        raise Refused(400, "the request does not begin with an old size, a proof and an empty line\n")
    if len(lines) > MAX_PROOF:
        raise Refused(400, f"more than {MAX_PROOF} lines of proof\n")
    proof = tuple(_hash(line) for line in lines)
    try:
        checkpoint = parse_checkpoint(note)
        text, signatures = parse_note(note)
    except IntegrityError as error:
        raise Refused(400, f"{error}\n") from None
    if len(text) > MAX_TEXT or checkpoint.size > MAX_SIZE or b"\n\n" in text or text.startswith(b"\n"):
        raise Refused(400, "malformed checkpoint\n")
    return AddCheckpoint(int(old[1]), proof, checkpoint, text, tuple(signatures))


def _hash(line: bytes) -> bytes:
    if _HASH.fullmatch(line) is None or base64.b64encode(found := base64.b64decode(line)) != line:
        raise Refused(400, "a line of proof is no hash in base64\n")
    return found


def verified(request: AddCheckpoint, keys: Sequence[VerifierKey]) -> Checkpoint:
    """The checkpoint with the signatures of ``keys`` alone: lines of unknown keys are dropped unread.

    Raises:
        Refused: 403, none of them signed, or a line in the name of one does not hold.
    """
    lines = {}
    for found in request.signatures:
        for key in keys:
            if (found.name, found.key_hash) == (key.name, key.hash):
                if not key.holds(request.text, found.signature):
                    raise Refused(403, "a signature of the log does not hold\n")
                lines[key] = signature_line(key, found.signature)
    if not lines:
        raise Refused(403, "no signature of a key known for this log\n")
    known = request.checkpoint
    return Checkpoint(known.origin, known.size, known.root, signed_note(request.text, lines.values()))


def check(request: AddCheckpoint, latest: Cosigned | None) -> None:
    """Steps 4 to 7: whether this checkpoint follows what we cosigned last.

    Raises:
        Refused: 400, 409 or 422; it must not be cosigned.
    """
    old, new = request.old, request.checkpoint
    if old > new.size:
        raise Refused(400, "the old size is larger than the checkpoint's\n")
    known = latest.checkpoint.size if latest else 0
    if old != known:
        raise Refused(409, f"{known}\n", SIZE)
    if new.size == 0 and new.root != EMPTY_ROOT:
        raise Refused(422, "this is not the root of a tree without leaves\n")
    if old == 0:
        if request.proof:
            raise Refused(422, "from an empty tree there is no proof\n")
    elif latest is None or not verify_consistency(
        old, new.size, latest.checkpoint.root, new.root, request.proof
    ):
        raise Refused(422, "the tree is not proven to contain the one cosigned last\n")


def contradiction(request: AddCheckpoint, latest: Cosigned, refused: Refused) -> Kind | None:
    """How a refused checkpoint contradicts the one we cosigned; None when it need not."""
    new, known = request.checkpoint, latest.checkpoint
    if new.size < known.size:
        return "rewind"
    if new.size == known.size:
        return "fork" if new.root != known.root else None
    # Size zero is a prefix of every tree: there a wrong proof is only a wrong request.
    return "inconsistent" if refused.status == 422 and known.size > 0 else None


class Witness:
    """One witness. Thread-safe: requests for one log are taken one after the other."""

    def __init__(
        self,
        state: State,
        keys_of: Callable[[str], Sequence[VerifierKey]],
        *,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """A witness of the logs that ``keys_of(origin)`` has keys for; ``unix_s``: s since 1970-01-01 UTC."""
        self._state = state
        self._keys_of = keys_of
        self._unix_s = unix_s
        self._gate = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    @property
    def verifier(self) -> VerifierKey:
        """The key it cosigns with."""
        return self._state.key.verifier

    def add_checkpoint(self, body: bytes) -> bytes:
        """Answer one request: the cosignature line, once the checkpoint is durable. Blocks for the disk.

        Raises:
            Refused: with the status and body to answer with.
            LedgerError, IntegrityError: our own state fails; nothing was cosigned.
        """
        request = parse_request(body)
        origin = request.checkpoint.origin
        keys = self._keys_of(origin)
        if not keys:
            raise Refused(404, "this log is not known here\n")
        signed = verified(request, keys)
        with self._lock_of(origin):
            latest = self._state.latest(origin)
            try:
                check(request, latest)
            except Refused as refused:
                self._keep(request, signed, latest, refused)
                raise
            line = self._state.key.cosign(request.text, self._time(latest))
            self._state.store(with_signatures(signed, line))
        return line

    def _lock_of(self, origin: str) -> threading.Lock:
        with self._gate:
            return self._locks.setdefault(origin, threading.Lock())

    def _time(self, latest: Cosigned | None) -> int:
        """Now in Unix s, never before what we said last for this log, and never 0 (which says no time)."""
        now, last = int(self._unix_s()), latest.at if latest else 1
        if now < last:
            logger.warning("witness: the clock is {} s behind the last cosignature", last - now)
        return max(now, last)

    def _keep(
        self, request: AddCheckpoint, signed: Checkpoint, latest: Cosigned | None, refused: Refused
    ) -> None:
        """Evidence that cannot be written changes nothing about the refusal."""
        kind = contradiction(request, latest, refused) if latest else None
        if kind is None or latest is None:
            return
        conflict = Conflict(
            kind=kind, origin=signed.origin, at=int(self._unix_s()), cosigned=latest.checkpoint.note.decode(),
            contradicting=signed.note.decode(), old=request.old,
            proof=tuple(base64.b64encode(step).decode() for step in request.proof),
        )  # fmt: skip
        try:
            new = self._state.keep(conflict)
        except LedgerError as error:
            logger.error("witness: evidence against {} is not kept: {}", signed.origin, error)
            return
        if new:
            logger.error(
                "witness: {} of {}: size {} after {}",
                kind,
                signed.origin,
                signed.size,
                latest.checkpoint.size,
            )
