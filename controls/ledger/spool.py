"""The fallback spool: a pre-allocated file that takes records while the log's storage fails.

For what must not wait for a failing disk: fixed phrases, emergencies, a
requested person's transfer. An entry is encrypted and authenticated under a key
of the writer's (AES-256-GCM), framed with length and CRC, written into space that
exists already, and synced before it is receipted. It carries no signature: the
signing process may be what fails. Once storage works, entries are appended to the
log as recovered, under the log's signature, and the file is zeroed.

File: 16 bytes of header, then frames of ``magic(4) length(4) crc32(4) body``,
big-endian; zeros follow. A frame that does not check was never receipted (torn
write) or was damaged; the frames behind it are still found by their magic.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError

from controls.errors import IntegrityError, LedgerError
from controls.ledger.envelope import statement_of
from controls.ledger.keys import Wrapping, sync_directory
from controls.ledger.records import RECORDS, Personal, Record
from controls.ledger.sealed import new_key

_HEADER = b"sayso spool 1\n\0\0"
_MAGIC = b"\xf5SP\x1e"
_FRAME = struct.Struct(">4sII")
_WRAPPED = struct.Struct(">H")
_NONCE = 12
#: What the entries' own subject key is wrapped as.
_SUBJECT = "spool"
#: Bytes of one spool file, a thousand entries or more.
SPOOL_BYTES = 4 << 20


class Entry(NamedTuple):
    """What a spool entry holds."""

    id: str
    record: Record
    personal: Personal | None


class Spool:
    """One writer's spool file. Thread-safe; every method may block for one small write.

    Ordering: entries come back in the order they were written. Loss: what
    ``write`` returned from outlives the process and the machine. Closing:
    ``close`` keeps the entries.
    """

    def __init__(self, path: Path, *, size: int = SPOOL_BYTES) -> None:
        """Open the file, or lay it down in full and sync it.

        Raises:
            LedgerError: it cannot be made or read.
            IntegrityError: the file there is no spool.
        """
        self._lock = threading.Lock()
        self._size = size
        #: Frames found damaged or torn when the file was opened.
        self.damaged = 0
        try:
            if not path.exists():
                self._lay(path, size)
            self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise LedgerError(f"the fallback spool cannot be opened: {error.strerror}") from error
        try:
            self._size = os.fstat(self._file).st_size
            self._bodies, self._offset, self.damaged = _scan(os.pread(self._file, self._size, 0))
        except BaseException:
            os.close(self._file)
            raise

    @staticmethod
    def _lay(path: Path, size: int) -> None:
        """Real zeros, not a sparse file: writing into it later must need no new block."""
        partial = path.with_name(path.name + ".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_HEADER.ljust(size, b"\0"))
            file.flush()
            os.fsync(descriptor)
        partial.rename(path)
        sync_directory(path.parent)

    def write(self, body: bytes) -> None:
        """Write one entry and sync it.

        Raises:
            LedgerError: closed, full, or the write failed.
        """
        frame = _FRAME.pack(_MAGIC, len(body), zlib.crc32(body)) + body
        with self._lock:
            if self._file < 0:
                raise LedgerError("the fallback spool is closed")
            if self._offset + len(frame) > self._size:
                raise LedgerError("the fallback spool is full")
            try:
                os.pwrite(self._file, frame, self._offset)
                os.fdatasync(self._file)
            except OSError as error:
                raise LedgerError(f"the fallback spool cannot be written: {error.strerror}") from error
            self._offset += len(frame)
            self._bodies.append(body)

    @property
    def pending(self) -> int:
        """Entries not cleared yet."""
        return len(self._bodies)

    def bodies(self) -> list[bytes]:
        """The entries, in order."""
        with self._lock:
            return list(self._bodies)

    def clear(self, count: int) -> bool:
        """Zero the file if it holds exactly ``count`` entries; False when more came meanwhile.

        Raises:
            LedgerError: the write failed; the entries stay.
        """
        with self._lock:
            if self._file < 0 or len(self._bodies) != count:
                return False
            try:
                os.pwrite(self._file, bytes(self._offset - len(_HEADER)), len(_HEADER))
                os.fdatasync(self._file)
            except OSError as error:
                raise LedgerError(f"the fallback spool cannot be written: {error.strerror}") from error
            self._offset, self._bodies, self.damaged = len(_HEADER), [], 0
            return True

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1


def _scan(data: bytes) -> tuple[list[bytes], int, int]:
    """Return the bodies found, the offset behind the last frame, and how many frames were bad."""
    if not data.startswith(_HEADER):
        raise IntegrityError("the fallback spool's file is not one of ours; move it away")
    bodies, damaged, end = [], 0, len(_HEADER)
    at = data.find(_MAGIC, end)
    while at >= 0:
        if at > end:  # something stood here whose magic is gone
            damaged += 1
        body = b""
        if at + _FRAME.size <= len(data):
            _, length, crc = _FRAME.unpack_from(data, at)
            body = data[at + _FRAME.size : at + _FRAME.size + length]
            if len(body) != length or zlib.crc32(body) != crc:
                body = b""
        if body:
            bodies.append(body)
            end = at + _FRAME.size + len(body)
            at = data.find(_MAGIC, end)
        else:
            damaged += 1
            following = data.find(_MAGIC, at + 1)
            end = following if following >= 0 else _behind_torn(data, at)
            at = following
    return bodies, end, damaged


def _behind_torn(data: bytes, at: int) -> int:
    """Where to go on behind a torn frame: past all it claims, so that the next cannot complete it."""
    end = len(data.rstrip(b"\0"))
    if at + _FRAME.size <= len(data):
        claimed = at + _FRAME.size + _FRAME.unpack_from(data, at)[1]
        if claimed <= len(data):
            end = max(end, claimed)
    return end


class SpoolKey(NamedTuple):
    """The key under which one writer seals what it spools; wrapped once, so that no write waits for it."""

    key: bytes
    wrapped: bytes

    @classmethod
    def new(cls, wrapping: Wrapping) -> SpoolKey:
        """A fresh key; ``wrapping`` may be slow."""
        key = new_key()
        return cls(key, wrapping.wrap(key, name=_SUBJECT))


def make_entry(record: Record, personal: Personal | None, *, origin: str, sealing: SpoolKey) -> bytes:
    """Encrypt one entry: ``length(2)`` and the wrapped key, nonce(12), ciphertext bound to the log.

    Raises:
        LedgerError: the record is larger than a leaf may be.
    """
    statement_of(record, origin=origin, key="sha256:" + "0" * 64, leaf=1 << 52)  # it would be refused later
    content = {
        "type": record.type,
        "record": record.model_dump(mode="json"),
        "personal": None if personal is None else personal.model_dump(mode="json"),
    }
    nonce = os.urandom(_NONCE)
    ciphertext = AESGCM(sealing.key).encrypt(nonce, json.dumps(content).encode(), _bound_to(origin))
    return _WRAPPED.pack(len(sealing.wrapped)) + sealing.wrapped + nonce + ciphertext


def read_entry(body: bytes, *, origin: str, wrapping: Wrapping) -> Entry:
    """Decrypt one entry.

    Raises:
        IntegrityError: it is not one of this log's, or was altered.
    """
    try:
        start = _WRAPPED.size + _WRAPPED.unpack_from(body)[0]
        key = wrapping.unwrap(body[_WRAPPED.size : start], name=_SUBJECT)
        nonce, ciphertext = body[start : start + _NONCE], body[start + _NONCE :]
        content = json.loads(AESGCM(key).decrypt(nonce, ciphertext, _bound_to(origin)))
        model = RECORDS[content["type"]]
        record, personal = model.model_validate(content["record"]), None
        if content["personal"] is not None and model.personal is not None:
            personal = model.personal.model_validate(content["personal"])
    except (struct.error, ValidationError, InvalidTag, ValueError, KeyError):
        raise IntegrityError("a spool entry cannot be read") from None
    plain = record.model_copy(update={"sealed": None, "recovered": True})
    return Entry(hashlib.sha256(body).hexdigest(), plain, personal)


def _bound_to(origin: str) -> bytes:
    return b"sayso spool entry " + origin.encode()
