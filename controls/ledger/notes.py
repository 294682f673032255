"""C2SP formats as bytes: verifier keys, signed notes, checkpoints and cosignatures. Pure.

Sources: C2SP signed-note, tlog-checkpoint and tlog-cosignature. Ed25519 is made
and verified: signature type 1 by logs, type 4 (with a time) by witnesses; lines
of other signers are kept and passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from controls.errors import IntegrityError
from controls.ledger.tree import HASH_SIZE

#: Signature types of Ed25519 keys: a log's (or anybody's), and a witness's, which signs a time too.
ED25519, COSIGNER = 0x01, 0x04
_TIMESTAMP = struct.Struct(">Q")
_DASH = "\u2014 "
#: A note longer than this is refused unread (bytes).
MAX_NOTE = 65_535


def _decode(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise binascii.Error("not canonical")
    return data


def key_hash(name: str, public: bytes, kind: int = ED25519) -> bytes:
    """The 4 bytes by which a note names an Ed25519 key."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def public_text(public: bytes) -> str:
    """A raw public key (32 bytes) as a record writes it."""
    return base64.b64encode(public).decode()


def key_digest(public: bytes) -> str:
    """``sha256:…`` of a raw public key (32 bytes), as the key register writes it."""
    return "sha256:" + hashlib.sha256(public).hexdigest()


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name and a raw Ed25519 public key; as text ``<name>+<hash>+<base64>``.

    Attributes:
        kind: ``ED25519``, or ``COSIGNER`` for a witness.
    """

    name: str
    public: bytes
    kind: int = ED25519

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read the signed-note form.

        Raises:
            IntegrityError: when it is malformed or its hash does not fit.
        """
        try:
            name, found, encoded = text.split("+", 2)
            data = _decode(encoded)
            kind = data[0] if data else 0
            if (
                not name
                or any(c.isspace() for c in name)
                or kind not in (ED25519, COSIGNER)
                or len(data) != 33
            ):
                raise ValueError
            if len(found) != 8 or bytes.fromhex(found) != key_hash(name, data[1:], kind):
                raise ValueError
        except ValueError:  # binascii.Error is one
            raise IntegrityError("not an Ed25519 verifier key of the form <name>+<hash>+<base64>") from None
        return cls(name, data[1:], kind)

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.hash.hex()}+{encoded}"

    @property
    def hash(self) -> bytes:
        """The 4 bytes by which a note names this key."""
        return key_hash(self.name, self.public, self.kind)

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


def checkpoint_text(origin: str, size: int, root: bytes) -> bytes:
    """The text of a checkpoint that is signed."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def signature_line(key: VerifierKey, signature: bytes) -> bytes:
    """One signature line of a note; ``signature`` is what follows the key's hash."""
    blob = base64.b64encode(key.hash + signature).decode()
    return f"{_DASH}{key.name} {blob}\n".encode()


def signed_note(text: bytes, lines: Iterable[bytes]) -> bytes:
    """A note's text and its signature lines, put together."""
    return text + b"\n" + b"".join(lines)


def make_checkpoint(origin: str, size: int, root: bytes, key: VerifierKey, signature: bytes) -> Checkpoint:
    """The checkpoint whose ``checkpoint_text`` has this ``signature`` (64 bytes) of ``key``."""
    text = checkpoint_text(origin, size, root)
    return Checkpoint(origin, size, root, signed_note(text, [signature_line(key, signature)]))


def sign_checkpoint(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> Checkpoint:
    """Make the checkpoint of a log whose key is named like its origin, with a key at hand."""
    verifier = VerifierKey(origin, key.public_key().public_bytes_raw())
    return make_checkpoint(origin, size, root, verifier, key.sign(checkpoint_text(origin, size, root)))


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
    ours = [s for s in signatures if s.name == key.name and s.key_hash == key.hash]
    if key.kind != ED25519 or len(ours) != 1 or not key.holds(text, ours[0].signature):
        raise IntegrityError("checkpoint signature does not hold")


# --- cosignatures (C2SP tlog-cosignature, Ed25519) ------------------------------------------------


def cosigned_message(text: bytes, at: int) -> bytes:
    """What a witness signs: the checkpoint's text under a header and its Unix time in s."""
    return b"cosignature/v1\ntime %d\n" % at + text


def cosignature_line(text: bytes, key: VerifierKey, at: int, private: Ed25519PrivateKey) -> bytes:
    """A witness's signature line over a checkpoint's text."""
    return signature_line(key, _TIMESTAMP.pack(at) + private.sign(cosigned_message(text, at)))


def cosigned_at(checkpoint: Checkpoint, witness: VerifierKey) -> int | None:
    """When ``witness`` cosigned this checkpoint, Unix time in s; None when it did not.

    Raises:
        IntegrityError: there is a line of its name and key that does not hold.
    """
    text, signatures = parse_note(checkpoint.note)
    ours = [s.signature for s in signatures if s.name == witness.name and s.key_hash == witness.hash]
    if not ours:
        return None
    times = []
    for found in ours:
        at = _TIMESTAMP.unpack_from(found)[0] if len(found) == _TIMESTAMP.size + 64 else 1 << 63
        if at >= 1 << 63 or not witness.holds(cosigned_message(text, at), found[_TIMESTAMP.size :]):
            raise IntegrityError(f"cosignature of {witness.name} does not hold")
        times.append(at)
    return min(times)


def with_signatures(checkpoint: Checkpoint, lines: bytes) -> Checkpoint:
    """The same checkpoint with more signature lines; lines it has already are not repeated.

    Raises:
        IntegrityError: ``lines`` are no signature lines.
    """
    text, _ = parse_note(checkpoint.note)
    _, _, known = checkpoint.note.rpartition(b"\n\n")
    merged = dict.fromkeys([*known.splitlines(keepends=True), *lines.splitlines(keepends=True)])
    note = signed_note(text, merged)
    parse_note(note)
    return Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, note)
