"""A witness's own files: its key, the newest checkpoint it cosigned of every log, and evidence against logs.

    lock                                 taken while a witness serves
    witness.key                          PRIVATE+KEY+<name>+<hash>+<base64 of type and seed>, mode 0600
    logs/<sha256 of origin>/checkpoint   newest cosigned checkpoint, with the log's and our signature
    conflicts/<sha256 of origin>/*.json  what a log signed beside it

``logs`` is laid out as a monitoring prefix of C2SP tlog-witness: a copy of it on any
static web server serves monitors. A state restored from an older copy forgets what was
cosigned since, and would cosign a fork from there: give a witness that lost its
state a new key instead.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from controls.errors import IntegrityError, LedgerError, OperatorError
from controls.ledger.keys import sync_directory
from controls.ledger.notes import (
    COSIGNER,
    Checkpoint,
    VerifierKey,
    cosignature_line,
    cosigned_at,
    key_digest,
    parse_checkpoint,
)
from controls.ledger.private_files import read_private, write_private

KEY_FILE, LOGS, CONFLICTS = "witness.key", "logs", "conflicts"
#: Files of one kind of conflict kept per log; later ones are only counted in the witness's own log.
MOST_CONFLICTS = 16
_SECRET = "PRIVATE+KEY+"  # noqa: S105 - the form's first words (golang.org/x/mod/sumdb/note), no secret

Kind = Literal["fork", "inconsistent", "rewind"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two notes of one log that do not go together, both with the log's own signature.

    Attributes:
        kind: ``fork`` two roots of one size, which proves by itself that the log
            lied; ``inconsistent`` a larger tree whose proof did not hold, and
            ``rewind`` a smaller tree: for the log to explain, since anybody may
            send its checkpoints, old ones too, with any proof.
        at: when the second was refused, Unix time in s.
        cosigned: the note we had cosigned.
        contradicting: the note we refused.
        old: the old size the request named.
        proof: its consistency proof, each hash in base64.
    """

    kind: Kind
    origin: str
    at: int
    cosigned: str
    contradicting: str
    old: int
    proof: tuple[str, ...] = ()

    @property
    def proves(self) -> bool:
        """Whether the two notes alone show that the log lied."""
        return self.kind == "fork"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The newest cosigned checkpoint of a log, and when we cosigned it (Unix time in s)."""

    checkpoint: Checkpoint
    at: int


class WitnessKey:
    """The key that cosigns, in this process."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.verifier = VerifierKey(name, private.public_key().public_bytes_raw(), COSIGNER)

    def cosign(self, text: bytes, at: int) -> bytes:
        """The signature line over a checkpoint's text at this Unix second."""
        return cosignature_line(text, self.verifier, at, self._private)

    @classmethod
    def parse(cls, text: str) -> WitnessKey:
        """Read what ``to_text`` wrote.

        Raises:
            ValueError: it is nothing of the kind, or its hash does not fit.
        """
        if not text.startswith(_SECRET):
            raise ValueError("no private key")
        name, found, encoded = text.removeprefix(_SECRET).strip().split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        if not name or len(data) != 33 or data[0] != COSIGNER:
            raise ValueError("no Ed25519 cosigner's key")
        key = cls(name, Ed25519PrivateKey.from_private_bytes(data[1:]))
        if bytes.fromhex(found) != key.verifier.hash:
            raise ValueError("name and key do not fit")
        return key

    def to_text(self) -> str:
        """The private key as one line."""
        verifier = self.verifier
        data = base64.b64encode(bytes([COSIGNER]) + self._private.private_bytes_raw()).decode()
        return f"{_SECRET}{verifier.name}+{verifier.hash.hex()}+{data}\n"


class WitnessState:
    """The state of the one witness that serves. Locked while open; use one thread per origin at a time."""

    def __init__(self, directory: Path) -> None:
        """Take the state, or begin one (and its key) in an empty directory.

        Raises:
            OperatorError: another witness has it, or its key is missing or open to others.
            LedgerError: it cannot be written.
        """
        self.directory = directory
        with _translated(directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (LOGS, CONFLICTS):
                (directory / folder).mkdir(mode=0o700, exist_ok=True)
            sync_directory(directory)
            (directory / "lock").touch(mode=0o600)
            self._lock = (directory / "lock").open("ab")
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise OperatorError(
                    f"{directory} is in use by another witness: two witnesses never share one state"
                ) from None
            self.key = open_key(directory)
        except BaseException:
            self._lock.close()
            raise

    def latest(self, origin: str) -> Cosigned | None:
        """The newest checkpoint cosigned of this log; None before the first.

        Raises:
            IntegrityError: what lies there is not what we wrote; nothing may be cosigned over it.
            LedgerError: it cannot be read.
        """
        path = self._path(origin)
        with _translated(path):
            try:
                note = path.read_bytes()
            except FileNotFoundError:
                return None
        try:
            checkpoint = parse_checkpoint(note)
            at = cosigned_at(checkpoint, self.key.verifier)
        except IntegrityError as error:
            raise IntegrityError(f"{path}: {error}") from None
        if at is None or checkpoint.origin != origin:
            raise IntegrityError(f"{path} is not a checkpoint this witness has cosigned")
        return Cosigned(checkpoint, at)

    def store(self, checkpoint: Checkpoint) -> None:
        """Make this the newest cosigned checkpoint of its log: durable when it returns.

        Raises:
            LedgerError: it may not have become durable, so the cosignature must not be given away.
        """
        _write(self._path(checkpoint.origin), checkpoint.note)

    def keep(self, conflict: Conflict) -> bool:
        """Keep evidence, once per refused note and at most ``MOST_CONFLICTS`` of a kind per log.

        Returns:
            whether it is new and was kept.

        Raises:
            LedgerError: it cannot be written.
        """
        folder = self.directory / CONFLICTS / origin_hash(conflict.origin)
        text = conflict.contradicting.rpartition("\n\n")[0]
        path = folder / f"{conflict.kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
        with _translated(folder):
            if path.exists() or len(list(folder.glob(f"{conflict.kind}-*.json"))) >= MOST_CONFLICTS:
                return False
        _write(path, json.dumps(asdict(conflict), indent=1, ensure_ascii=False).encode() + b"\n")
        return True

    def close(self) -> None:
        """Give the state to whoever comes next."""
        self._lock.close()

    def _path(self, origin: str) -> Path:
        return self.directory / LOGS / origin_hash(origin) / "checkpoint"


def origin_hash(origin: str) -> str:
    """The directory of a log: SHA-256 of its origin in hexadecimal, as tlog-witness names it for monitors."""
    return hashlib.sha256(origin.encode()).hexdigest()


def open_key(directory: Path, name: str = "") -> WitnessKey:
    """The witness's key; made (owner-only, never replaced) when its state is new.

    Args:
        name: for a new key, a URL without a scheme; made from the key by default.

    Raises:
        OperatorError: it is missing where it was, open to others, no key, named otherwise, or
            cannot be written.
    """
    path = directory / KEY_FILE
    if not path.exists():
        if any(directory.glob(f"{LOGS}/*/checkpoint")):
            raise OperatorError(f"{path} is missing; restore it from its back-up")
        _make_key(path, name)
    try:
        key = WitnessKey.parse(read_private(path).decode())
    except ValueError:  # binascii.Error and UnicodeDecodeError are
        raise OperatorError(f"{path} is not a witness's key; restore it from its back-up") from None
    if name and name != key.verifier.name:
        raise OperatorError(f"{path} belongs to {key.verifier.name}; a new name needs a new state")
    return key


def _make_key(path: Path, name: str) -> None:
    private = Ed25519PrivateKey.generate()
    name = name or f"sayso.dev/witness/{key_digest(private.public_key().public_bytes_raw())[7:23]}"
    if any(c.isspace() or c == "+" or not c.isprintable() for c in name):
        raise OperatorError("a witness's name holds neither spaces nor +, such as witness.example/w1")
    write_private(path, WitnessKey(name, private).to_text().encode())


def read_conflicts(directory: Path) -> list[Conflict]:
    """Evidence kept so far, oldest first; also while the witness serves.

    Raises:
        OperatorError: it is no witness's state.
        IntegrityError: a file of evidence cannot be read.
    """
    if not (directory / KEY_FILE).exists():
        raise OperatorError(f"{directory} is no witness's state; give the directory it serves with")
    found = []
    for path in sorted((directory / CONFLICTS).glob("*/*.json")):
        try:
            fields = json.loads(path.read_bytes())
            found.append(Conflict(**{**fields, "proof": tuple(fields["proof"])}))
        except (OSError, ValueError, TypeError, KeyError):
            raise IntegrityError(f"{path} cannot be read as evidence") from None
    return sorted(found, key=lambda c: c.at)


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LedgerError(f"{place}: {error.strerror or type(error).__name__}") from error


def _write(path: Path, data: bytes) -> None:
    """All or nothing, for the owner only, durable on return.

    Raises:
        LedgerError: it may not be durable, or not be there.
    """
    partial = path.with_name(f".{path.name}.new")
    with _translated(path):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        partial.replace(path)
        sync_directory(path.parent)
        sync_directory(path.parent.parent)  # which names a directory that may be new
