"""The fallback spool: a pre-allocated file that takes records while the log's storage fails.

For what must not wait for a failing disk: fixed phrases, emergencies, a
requested person's transfer. An entry is sealed and signed like a leaf, framed
with length and CRC, written into space that exists already, and synced before
it is receipted. Once storage works, entries are appended to the log as
recovered, and the file is zeroed.

File: 16 bytes of header, then frames of ``magic(4) length(4) crc32(4) body``,
big-endian; zeros follow. A frame that does not check was never receipted (torn
write) or was damaged; the frames behind it are still found by their magic.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from controls.errors import IntegrityError, LedgerError
from controls.ids import new_id
from controls.ledger.envelope import envelope_of, read_leaf, statement_of, verify_envelope
from controls.ledger.keys import Signer, Wrapping, sync_directory
from controls.ledger.notes import VerifierKey, key_digest
from controls.ledger.records import Personal, Record, RetentionTag
from controls.ledger.sealed import new_key, seal, unseal

_HEADER = b"sayso spool 1\n\0\0"
_MAGIC = b"\xf5SP\x1e"
_FRAME = struct.Struct(">4sII")
_PARTS = struct.Struct(">IHH")
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


def make_entry(
    record: Record,
    personal: Personal | None,
    *,
    origin: str,
    signer: Signer,
    sealing: SpoolKey,
    tag: RetentionTag | None,
) -> bytes:
    """Seal and sign one entry.

    Args:
        tag: how the personal content is kept; needed when there is some.

    Raises:
        LedgerError: the record is larger than a leaf may be.
    """
    wrapped = ciphertext = b""
    if personal is not None and tag is not None:
        sealed = seal(
            personal.model_dump_json().encode(),
            artifact=new_id("a"), kind=personal.kind, tag=tag, subject_key=sealing.key,
        )  # fmt: skip
        record = record.model_copy(update={"sealed": sealed.ref})
        wrapped, ciphertext = sealed.wrapped, sealed.ciphertext
    keyid = key_digest(signer.verifier.public)
    payload = statement_of(record, origin=origin, key=keyid, leaf=None)
    (signature,) = signer.sign_statements([payload])
    envelope = envelope_of(payload, keyid, signature)
    parts = _PARTS.pack(len(envelope), len(sealing.wrapped), len(wrapped))
    return parts + envelope + sealing.wrapped + wrapped + ciphertext


def read_entry(body: bytes, *, key: VerifierKey, wrapping: Wrapping) -> Entry:
    """Check and open one entry.

    Raises:
        IntegrityError: it is not one of ours, or was altered.
    """
    try:
        of_envelope, of_subject, of_wrapped = _PARTS.unpack_from(body)
        subject = _PARTS.size + of_envelope
        start = subject + of_subject
        envelope, wrapped = body[_PARTS.size : subject], body[start : start + of_wrapped]
        leaf = read_leaf(verify_envelope(envelope, key).payload)
        record, personal = leaf.record, None
        model = type(record).personal
        if record.sealed is not None and model is not None:
            sealing = wrapping.unwrap(body[subject:start], name=_SUBJECT)
            plaintext = unseal(record.sealed, body[start + of_wrapped :], wrapped, subject_key=sealing)
            personal = model.model_validate_json(plaintext)
    except (struct.error, ValidationError):
        raise IntegrityError("a spool entry cannot be read") from None
    plain = record.model_copy(update={"sealed": None, "recovered": True})
    return Entry(hashlib.sha256(envelope).hexdigest(), plain, personal)
