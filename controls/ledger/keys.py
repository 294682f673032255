"""Key files: the log's signing key and the node's wrapping key, readable by their owner only."""

from __future__ import annotations

import base64
import binascii
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from controls.errors import OperatorError
from controls.ledger.tiles import VerifierKey, key_digest

#: File of the node wrapping key inside a key directory.
NODE_KEY = "node.key"
#: Bytes of a wrapping key (AES-256).
KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class LogKey:
    """A log's signing key under the log's checkpoint name."""

    name: str
    private: Ed25519PrivateKey
    digest: str

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())


def checkpoint_name(origin: str) -> str:
    """The checkpoint origin line (and key name) of log ``o_…``."""
    return f"sayso.dev/log/{origin}"


def find_keys(directory: Path) -> Path:
    """Where the keys of the log in ``directory`` lie: beside its siblings (``../keys``) or inside it."""
    shared = directory.parent / "keys"
    return shared if (shared / f"{directory.name}.key").exists() else directory / "keys"


def log_key(directory: Path, origin: str, *, create: bool) -> LogKey:
    """Load, or once create, the signing key of log ``origin``.

    Raises:
        OperatorError: missing and not to be created, readable by others, or no Ed25519 PEM key.
    """
    path = directory / f"{origin}.key"
    if create and not path.exists():
        private = Ed25519PrivateKey.generate()
        _write(path, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError):
        raise OperatorError(f"{path} is not a PEM key; restore it from its back-up") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{path} is not an Ed25519 key; restore it from its back-up")
    return LogKey(checkpoint_name(origin), key, key_digest(key.public_key().public_bytes_raw()))


def node_key(directory: Path, *, create: bool) -> bytes:
    """Load, or once create, the node wrapping key (32 bytes, base64 in its file).

    Raises:
        OperatorError: missing and not to be created, readable by others, or malformed.
    """
    path = directory / NODE_KEY
    if create and not path.exists():
        _write(path, base64.b64encode(os.urandom(KEY_SIZE)) + b"\n")
    try:
        key = base64.b64decode(_read(path).strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_SIZE:
        raise OperatorError(f"{path} is not a wrapping key; restore it from its back-up")
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
