"""C2SP formats as bytes: verifier keys, signed notes and checkpoints. Pure.

Sources: C2SP signed-note and tlog-checkpoint. Only Ed25519 (signature type 1)
is made and verified; lines of other signers are kept and passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controls.errors import IntegrityError
from controls.ledger.tree import HASH_SIZE

_ED25519 = b"\x01"
_DASH = "\u2014 "
#: A note longer than this is refused unread (bytes).
MAX_NOTE = 65_535


def _decode(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise binascii.Error("not canonical")
    return data


def key_hash(name: str, public: bytes) -> bytes:
    """The 4 bytes by which a note names an Ed25519 key."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


def key_digest(public: bytes) -> str:
    """``sha256:…`` of a raw public key (32 bytes), as the key register writes it."""
    return "sha256:" + hashlib.sha256(public).hexdigest()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and a raw Ed25519 public key; as text ``<name>+<hash>+<base64>``."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read the signed-note form.

        Raises:
            IntegrityError: when it is malformed or its hash does not fit.
        """
        try:
            name, found, encoded = text.split("+", 2)
            data = _decode(encoded)
            if not name or any(c.isspace() for c in name) or data[:1] != _ED25519 or len(data) != 33:
                raise ValueError
            if bytes.fromhex(found) != key_hash(name, data[1:]):
                raise ValueError
        except ValueError:  # binascii.Error is one
            raise IntegrityError("not an Ed25519 verifier key of the form <name>+<hash>+<base64>") from None
        return cls(name, data[1:])

    def __str__(self) -> str:
        encoded = base64.b64encode(_ED25519 + self.public).decode()
        return f"{self.name}+{key_hash(self.name, self.public).hex()}+{encoded}"

    def holds(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` (64 bytes) is this key's over ``message``."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line of a note."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement of a log's size and root.

    Attributes:
        origin: the log's name in the checkpoint's first line.
        size: leaves under ``root``.
        root: 32 bytes.
        note: the exact signed bytes.
    """

    origin: str
    size: int
    root: bytes
    note: bytes

    @property
    def root_digest(self) -> str:
        """The root as ``sha256:…`` for a record."""
        return "sha256:" + self.root.hex()


def sign_checkpoint(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> Checkpoint:
    """Make the checkpoint of a log whose key is named like its origin."""
    text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    public = key.public_key().public_bytes_raw()
    blob = base64.b64encode(key_hash(origin, public) + key.sign(text.encode())).decode()
    return Checkpoint(origin, size, root, f"{text}\n{_DASH}{origin} {blob}\n".encode())


def parse_note(note: bytes) -> tuple[bytes, list[NoteSignature]]:
    """Split a note into its signed text and its signatures.

    Raises:
        IntegrityError: when it is malformed.
    """
    try:
        if len(note) > MAX_NOTE:
            raise ValueError
        text, found, tail = note.decode().rpartition("\n\n")
        if not found or not tail.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text + tail):
            raise ValueError
        signatures = []
        for line in tail[:-1].split("\n"):
            if not line.startswith(_DASH):
                raise ValueError
            name, blob = line[len(_DASH) :].split(" ")
            data = _decode(blob)
            if not name or len(data) < 5:
                raise ValueError
            signatures.append(NoteSignature(name, data[:4], data[4:]))
    except ValueError:
        raise IntegrityError("malformed signed note") from None
    return (text + "\n").encode(), signatures


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Read a checkpoint without believing it; ``verify_checkpoint`` comes next.

    Raises:
        IntegrityError: when it is malformed.
    """
    text, _ = parse_note(note)
    try:
        origin, size, root, *_ = text.decode().split("\n")
        hashed = _decode(root)
        if not origin or not size.isascii() or not size.isdigit() or str(int(size)) != size:
            raise ValueError
        if len(hashed) != HASH_SIZE:
            raise ValueError
    except ValueError:
        raise IntegrityError("malformed checkpoint") from None
    return Checkpoint(origin, int(size), hashed, note)


def verify_checkpoint(checkpoint: Checkpoint, key: VerifierKey) -> None:
    """Check that ``key`` signed the checkpoint's stored bytes.

    Raises:
        IntegrityError: another origin, no signature of this key, or a wrong one.
    """
    if checkpoint.origin != key.name:
        raise IntegrityError("checkpoint names another origin than its key")
    text, signatures = parse_note(checkpoint.note)
    wanted = key_hash(key.name, key.public)
    ours = [s for s in signatures if s.name == key.name and s.key_hash == wanted]
    if len(ours) != 1 or not key.holds(text, ours[0].signature):
        raise IntegrityError("checkpoint signature does not hold")
