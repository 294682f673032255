"""Who signs and who wraps: the interfaces, and keys in files that only their owner can read.

A log's leaves and checkpoints are signed by its log key, an audit packet's
manifest by the node's key; the wrapping key wraps the keys of sealed content.
A key management service stands behind ``Keys``; ``FileKeys`` keeps them in one
directory: ``<origin>.key``, ``node.key`` (PEM) and ``wrapping.key``.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from controls.errors import OperatorError
from controls.ledger.envelope import pae
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.records import LOG_NAME
from controls.ledger.sealed import unwrap, wrap

#: Files of the node's own keys inside a key directory.
NODE_KEY, WRAPPING_KEY = "node.key", "wrapping.key"
#: Bytes of a wrapping key (AES-256).
KEY_SIZE = 32


class Signer(Protocol):
    """One Ed25519 key that signs, wherever it lies. Used by one thread at a time; may block.

    Both methods raise ``LedgerError`` when the key cannot be used now, and
    ``OperatorError`` when it will not sign this (another origin, a rewind).
    """

    @property
    def verifier(self) -> VerifierKey:
        """The public half, named as in notes."""
        ...

    def sign_statements(self, payloads: Sequence[bytes]) -> list[bytes]:
        """DSSE signatures (64 bytes each) over in-toto statements, in order."""
        ...

    def sign_note(self, text: bytes) -> bytes:
        """The signature (64 bytes) over a checkpoint's text."""
        ...


class Wrapping(Protocol):
    """One key that wraps others. Thread-safe; may block."""

    def wrap(self, key: bytes, *, name: str) -> bytes:
        """Encrypt a key (32 bytes), bound to what it belongs to."""
        ...

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        """Undo ``wrap``.

        Raises:
            IntegrityError: wrong key, wrong name or altered bytes.
        """
        ...


class Keys(Protocol):
    """The keys of one node: files, a signing process, or a key management service.

    Every method raises ``OperatorError`` when a key is missing and not to be
    made, open to others, or no such key.
    """

    def log_signer(self, origin: str, *, create: bool) -> Signer:
        """The key of log ``o_…``."""
        ...

    def node_signer(self, *, create: bool) -> Signer:
        """The node's own key: what it hands out carries its signature."""
        ...

    def wrapping(self, *, create: bool) -> Wrapping:
        """The key that wraps subjects' keys."""
        ...

    def next_log_signer(self, origin: str) -> Signer:
        """The key that will follow the log's present one; made when there is none yet."""
        ...

    def promote(self, origin: str) -> None:
        """The next key becomes the log's; the present private key is destroyed. Durable on return."""
        ...


class LocalSigner:
    """A private key in this process."""

    def __init__(self, name: str, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._verifier = VerifierKey(name, private.public_key().public_bytes_raw())

    @property
    def verifier(self) -> VerifierKey:
        return self._verifier

    def sign_statements(self, payloads: Sequence[bytes]) -> list[bytes]:
        return [self._private.sign(pae(payload)) for payload in payloads]

    def sign_note(self, text: bytes) -> bytes:
        return self._private.sign(text)


class LocalWrapping:
    """A wrapping key in this process."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def wrap(self, key: bytes, *, name: str) -> bytes:
        return wrap(key, self._key, name=name)

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        return unwrap(wrapped, self._key, name=name)


class FileKeys:
    """Keys as files of one directory, mode 0600. A ``Keys``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def log_signer(self, origin: str, *, create: bool) -> LocalSigner:
        private = _private(self.directory / f"{origin}.key", create=create)
        return LocalSigner(checkpoint_name(origin), private)

    def node_signer(self, *, create: bool) -> LocalSigner:
        private = _private(self.directory / NODE_KEY, create=create)
        return LocalSigner(node_name(private.public_key().public_bytes_raw()), private)

    def wrapping(self, *, create: bool) -> LocalWrapping:
        path = self.directory / WRAPPING_KEY
        if create and not path.exists():
            _write(path, base64.b64encode(os.urandom(KEY_SIZE)) + b"\n")
        try:
            key = base64.b64decode(_read(path).strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_SIZE:
            raise OperatorError(f"{path} is not a wrapping key; restore it from its back-up")
        return LocalWrapping(key)

    def next_log_signer(self, origin: str) -> LocalSigner:
        private = _private(self._next(origin), create=True)
        return LocalSigner(checkpoint_name(origin), private)

    def promote(self, origin: str) -> None:
        path = self._next(origin)
        if not path.exists():
            raise OperatorError(f"{path} is missing; there is no key to follow the log's present one")
        path.replace(self.directory / f"{origin}.key")
        sync_directory(self.directory)

    def _next(self, origin: str) -> Path:
        return self.directory / f"{origin}.next.key"


def checkpoint_name(origin: str) -> str:
    """The checkpoint origin line (and key name) of log ``o_…``."""
    return LOG_NAME + origin


def node_name(public: bytes) -> str:
    """The name of a node's key in notes and registers."""
    return f"sayso.dev/node/{key_digest(public).removeprefix('sha256:')[:16]}"


def find_keys(directory: Path) -> Path:
    """Where the keys of the log in ``directory`` lie: beside its siblings (``../keys``) or inside it."""
    shared = directory.parent / "keys"
    return shared if (shared / WRAPPING_KEY).exists() else directory / "keys"


def _private(path: Path, *, create: bool) -> Ed25519PrivateKey:
    if create and not path.exists():
        made = Ed25519PrivateKey.generate()
        _write(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        raise OperatorError(f"{path} is not a PEM key; restore it from its back-up") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{path} is not an Ed25519 key; restore it from its back-up")
    return key


def _read(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OperatorError(f"{path} is missing; restore it from its back-up") from None
    except OSError as error:
        raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise OperatorError(f"{path} can be read by others; run: chmod 600 {path}")
        return file.read(65_536)


def _write(path: Path, data: bytes) -> None:
    """Create ``path`` (never replace it), owner-only from its first byte, durable before use."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(partial, path)  # unlike a rename, fails when somebody else was first
    except FileExistsError:
        pass
    finally:
        partial.unlink()
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names created, replaced or removed in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
