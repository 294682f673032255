"""Who signs and who wraps: the interfaces, and keys in files that only their owner can read.

A log's leaves and checkpoints are signed by its log key, an audit packet's
manifest by the node's key; the wrapping key wraps the keys of sealed content.
A key management service stands behind ``Keys``; ``FileKeys`` keeps them in one
directory: ``<origin>.key``, ``node.key`` (PEM) and ``wrapping.key``, and beside
each, while it is being replaced, the key that follows: ``….next.key``. The log
keys may lie in a process of their own (``signing.py``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from controls.errors import IntegrityError, OperatorError
from controls.ledger.envelope import pae
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.private_files import private_directory, read_private, write_private
from controls.ledger.records import LOG_NAME
from controls.ledger.sealed import unwrap, wrap

#: Files of the node's own keys inside a key directory.
NODE_KEY, WRAPPING_KEY = "node.key", "wrapping.key"
#: Bytes of a wrapping key (AES-256).
KEY_SIZE = 32

KeyRole = Literal["log", "node", "wrapping"]
#: In use, or made to follow the one in use.
KeyState = Literal["present", "next"]
#: What a key directory may hold. Origins come from elsewhere: nothing else becomes a file's name.
KEY_FILE = re.compile(r"(?P<stem>o_[0-9A-HJKMNP-TV-Z]{16}|node|wrapping)(?P<next>\.next)?\.key")


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


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What may be told of a key.

    Attributes:
        origin: the log it signs for; "" for the node's own keys.
        path: its file, as the process that reads it names it.
        digest: ``key_digest`` of a signing key's public half; of a wrapping key a
            MAC under itself, which tells keys apart and nothing else.
        vkey: the public half as an auditor's trust file names it; "" for a wrapping key.
        created: Unix time in s at which the file was made.
    """

    role: KeyRole
    state: KeyState
    origin: str
    path: str
    digest: str
    vkey: str
    created: int


class Keys(Protocol):
    """The keys of one node: files, a signing process, or a key management service.

    Every method raises ``OperatorError`` when a key is missing and not to be
    made, open to others, or no such key; ``LedgerError`` when the keys cannot
    be reached now.

    A key is replaced in three steps, each of which may be the last before a
    crash: the next one is made, the log (or the register) says so, and the next
    one is promoted, which destroys the present one. Until then both are there.
    """

    def log_signer(self, origin: str, *, create: bool) -> Signer:
        """The key of log ``o_…``."""
        ...

    def node_signer(self, *, create: bool) -> Signer:
        """The node's own key: what it hands out carries its signature."""
        ...

    def wrapping(self, *, create: bool) -> Wrapping:
        """The key that wraps subjects' keys; while a next one exists, also opens what that one wrapped."""
        ...

    def next_log_signer(self, origin: str) -> Signer:
        """The key that will follow the log's present one; made when there is none yet."""
        ...

    def promote(self, origin: str) -> None:
        """The next key becomes the log's; the present private key is destroyed. Durable on return."""
        ...

    def next_node_signer(self) -> Signer:
        """As ``next_log_signer``, for the node's key."""
        ...

    def promote_node(self) -> None:
        """As ``promote``, for the node's key."""
        ...

    def next_wrapping(self) -> Wrapping:
        """The key that will follow the wrapping key (made when there is none); opens what either wrapped."""
        ...

    def promote_wrapping(self) -> None:
        """As ``promote``, for the wrapping key: what only the present one wrapped is lost for good."""
        ...

    def describe(self) -> list[KeyInfo]:
        """Every key there is, without its secret half, by file name."""
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
    """Wrapping keys in this process: wraps under the first, unwraps what any of them wrapped."""

    def __init__(self, *keys: bytes) -> None:
        self._keys = keys

    def wrap(self, key: bytes, *, name: str) -> bytes:
        return wrap(key, self._keys[0], name=name)

    def unwrap(self, wrapped: bytes, *, name: str) -> bytes:
        for key in self._keys[1:]:
            try:
                return unwrap(wrapped, key, name=name)
            except IntegrityError:
                continue
        return unwrap(wrapped, self._keys[0], name=name)


class FileKeys:
    """Keys as files of one directory (mode 0700), mode 0600. A ``Keys``.

    A file that is replaced is unlinked, not overwritten: a medium or a snapshot
    may keep its blocks, so a full-disk encryption below is worth having.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def log_signer(self, origin: str, *, create: bool) -> LocalSigner:
        return self.signer(_log(origin), "present", create=create)

    def next_log_signer(self, origin: str) -> LocalSigner:
        return self.signer(_log(origin), "next", create=True)

    def promote(self, origin: str) -> None:
        self._promote(_log(origin))

    def node_signer(self, *, create: bool) -> LocalSigner:
        return self.signer(None, "present", create=create)

    def next_node_signer(self) -> LocalSigner:
        return self.signer(None, "next", create=True)

    def promote_node(self) -> None:
        self._promote("node")

    def signer(self, origin: str | None, state: KeyState, *, create: bool) -> LocalSigner:
        """The present or next key of log ``o_…``, or of the node for None."""
        private = _private(self.path("node" if origin is None else _log(origin), state), create=create)
        public = private.public_key().public_bytes_raw()
        return LocalSigner(node_name(public) if origin is None else checkpoint_name(origin), private)

    def wrapping(self, *, create: bool) -> LocalWrapping:
        following = self.path("wrapping", "next")
        while True:
            present = self._wrapping_key("present", create=create)
            try:
                others = [self._wrapping_key("next", create=False)] if following.exists() else []
            except OperatorError:
                if following.exists():
                    raise
                continue  # promoted just now
            if self._wrapping_key("present", create=False) == present:
                return LocalWrapping(present, *others)

    def next_wrapping(self) -> LocalWrapping:
        present = self._wrapping_key("present", create=False)
        return LocalWrapping(self._wrapping_key("next", create=True), present)

    def promote_wrapping(self) -> None:
        self._promote("wrapping")

    def describe(self, *roles: KeyRole) -> list[KeyInfo]:
        """As ``Keys.describe``; with ``roles``, no other key is read."""
        with private_directory(self.directory):
            names = sorted(path.name for path in self.directory.iterdir())
        files = [found for name in names if (found := KEY_FILE.fullmatch(name))]
        return [self._info(found) for found in files if not roles or _role(found) in roles]

    def path(self, stem: str, state: KeyState = "present") -> Path:
        """The file of a key: ``stem`` is an origin, ``node`` or ``wrapping``.

        Raises:
            OperatorError: there is no such key.
        """
        name = f"{stem}.next.key" if state == "next" else f"{stem}.key"
        if not KEY_FILE.fullmatch(name):
            raise OperatorError("no key has such a name")
        return self.directory / name

    def _wrapping_key(self, state: KeyState, *, create: bool) -> bytes:
        path = self.path("wrapping", state)
        if create and not path.exists():
            write_private(path, base64.b64encode(os.urandom(KEY_SIZE)) + b"\n")
        try:
            key = base64.b64decode(read_private(path).strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_SIZE:
            raise OperatorError(f"{path} is not a wrapping key; restore it from its back-up")
        return key

    def _promote(self, stem: str) -> None:
        following = self.path(stem, "next")
        if not following.exists():
            raise OperatorError(f"{following} is missing; there is no key to follow the present one")
        read_private(following)  # a key open to others does not take over
        following.replace(self.path(stem))
        sync_directory(self.directory)

    def _info(self, found: re.Match[str]) -> KeyInfo:
        stem = found["stem"]
        state: KeyState = "next" if found["next"] else "present"
        path = self.directory / found[0]
        created = int(path.lstat().st_mtime)
        role = _role(found)
        if role == "wrapping":
            digest, vkey = _wrapping_digest(self._wrapping_key(state, create=False)), ""
        else:
            public = _private(path, create=False).public_key().public_bytes_raw()
            name = node_name(public) if role == "node" else checkpoint_name(stem)
            digest, vkey = key_digest(public), str(VerifierKey(name, public))
        origin = stem if role == "log" else ""
        return KeyInfo(role, state, origin, str(path), digest, vkey, created)


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


def _role(found: re.Match[str]) -> KeyRole:
    return "node" if found["stem"] == "node" else "wrapping" if found["stem"] == "wrapping" else "log"


def _log(origin: str) -> str:
    if not origin.startswith("o_"):
        raise OperatorError("no key has such a name: logs are named o_ and 16 digits or letters")
    return origin


def _wrapping_digest(key: bytes) -> str:
    return "sha256:" + hmac.new(key, b"sayso wrapping key", hashlib.sha256).hexdigest()


def _private(path: Path, *, create: bool) -> Ed25519PrivateKey:
    if create and not path.exists():
        made = Ed25519PrivateKey.generate()
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(read_private(path), password=None)
    except (ValueError, TypeError):
        raise OperatorError(f"{path} is not a PEM key; restore it from its back-up") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{path} is not an Ed25519 key; restore it from its back-up")
    return key


def sync_directory(directory: Path) -> None:
    """Make names created, replaced or removed in ``directory`` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
