"""A packet's container: a zip file of which every byte follows from its content.

Stored, not compressed; sorted names, one fixed date, no extra fields, no
comments. The reader accepts only what ``write_zip`` writes for the same content,
byte for byte, so nothing can hide in a header or between two files, and any zip
program opens it (PKWARE APPNOTE 6.3, without zip64). ``read_foreign_zip`` reads
what another program made of it, so that whoever refuses it can say what differs.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from controls.errors import IntegrityError

#: Most files in a container, longest name and largest file or container, in bytes.
MAX_FILES = 20_000
MAX_NAME = 120
MAX_BYTES = 512 * 1024 * 1024
#: What the headers may add to that.
MAX_CONTAINER = MAX_BYTES + 64 * 1024 * 1024

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = 0x04034B50, 0x02014B50, 0x06054B50
#: What every entry of a directory begins with.
_ENTRY = b"PK\x01\x02"
_ENCRYPTED = 0x1
#: zlib: a raw deflate stream, as a zip holds it.
_RAW = -zlib.MAX_WBITS
_VERSION = 20  # 2.0: folders in names
_MADE_BY = 3 << 8 | _VERSION  # Unix, so that the attributes below are a file mode
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00, the earliest date a zip file can tell
_ATTRIBUTES = 0o100600 << 16
#: Plain relative paths: no ``..``, no hidden file, nothing a file system could read differently.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*\Z")


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """The container of these files, by relative path.

    Raises:
        ValueError: a name, the number of files or their size is more than a container takes.
    """
    names = sorted(files)
    if len(names) > MAX_FILES or len({n.casefold() for n in names}) != len(names):
        raise ValueError("too many files, or two of one name")
    parts, directory, offset = [], [], 0
    for name in names:
        data, encoded = files[name], name.encode()
        if not _NAME.match(name) or len(encoded) > MAX_NAME:
            raise ValueError("a file's name is not a plain relative path")
        if offset + len(data) > MAX_BYTES:
            raise ValueError(f"the container would be larger than {MAX_BYTES} bytes")
        common = (_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        parts += [_LOCAL.pack(_LOCAL_MAGIC, *common), encoded, data]
        directory += [
            _CENTRAL.pack(_CENTRAL_MAGIC, _MADE_BY, *common, 0, 0, 0, _ATTRIBUTES, offset),
            encoded,
        ]
        offset += _LOCAL.size + len(encoded) + len(data)
    index = b"".join(directory)
    end = _END.pack(_END_MAGIC, 0, 0, len(names), len(names), len(index), offset, 0)
    return b"".join([*parts, index, end])


def read_zip(data: bytes) -> dict[str, bytes]:
    """The files of a container, by relative path.

    Raises:
        IntegrityError: these are not the bytes ``write_zip`` writes for any files.
    """
    if len(data) > MAX_CONTAINER:
        raise IntegrityError("the container is too large")
    try:
        files = _entries(data)
        same = write_zip(files) == data
    except (struct.error, UnicodeDecodeError, ValueError):
        raise IntegrityError("the container cannot be read") from None
    if not same:
        raise IntegrityError("the container was changed, cut off or added to")
    return files


def _entries(data: bytes) -> dict[str, bytes]:
    """What the local headers say, front to back; ``read_zip`` then compares every byte."""
    files: dict[str, bytes] = {}
    at = 0
    while data[at : at + 4] == b"PK\x03\x04":
        header = _LOCAL.unpack_from(data, at)
        size, of_name = header[8], header[9]
        start = at + _LOCAL.size + of_name
        name = data[at + _LOCAL.size : start].decode()
        if name in files or len(files) >= MAX_FILES or start + size > len(data):
            raise ValueError("not a container of ours")
        files[name] = data[start : start + size]
        at = start + size
    return files


@dataclass(frozen=True, slots=True)
class Foreign:
    """What another program's container holds.

    Attributes:
        files: content by relative path, also where its check sum (CRC) is another.
        damaged: the names of those, and of files that cannot be unpacked.
    """

    files: dict[str, bytes]
    damaged: list[str]


def read_foreign_zip(data: bytes) -> Foreign:
    """The files of a zip that is not ours byte for byte, within the same limits, to name what differs.

    Only the directory is read by ``zipfile``; content is unpacked here, so that no
    size a header claims is believed and a file with a wrong check sum is still seen.

    Raises:
        IntegrityError: it cannot be read safely: too large, a name twice or not a
            plain relative path, encrypted, an unknown compression, or no zip at all.
    """
    if len(data) > MAX_CONTAINER or data.count(_ENTRY) > MAX_FILES:
        raise IntegrityError("the container is too large")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            entries = [e for e in found.infolist() if not _is_folder(e)]
    except Exception:  # noqa: BLE001 - zipfile has no closed list of what it raises on hostile input
        raise IntegrityError("the container cannot be read") from None
    names = [entry.filename for entry in entries]
    if len({name.casefold() for name in names}) != len(names):
        raise IntegrityError("the container holds two files of one name")
    files: dict[str, bytes] = {}
    damaged: list[str] = []
    left = MAX_BYTES
    for entry in entries:
        if not _NAME.match(entry.orig_filename) or len(entry.orig_filename) > MAX_NAME:
            raise IntegrityError("the container holds a name that is not a plain relative path")
        content = _unpacked(data, entry, left)
        if content is None:
            damaged.append(entry.filename)
            continue
        left -= len(content)
        files[entry.filename] = content
        if zlib.crc32(content) != entry.CRC:
            damaged.append(entry.filename)
    return Foreign(files, damaged)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return (
        entry.file_size == 0 and bool(_NAME.match(entry.orig_filename.removesuffix("/"))) and entry.is_dir()
    )


def _unpacked(data: bytes, entry: zipfile.ZipInfo, limit: int) -> bytes | None:
    """An entry's content; None when its local header or its stream is damaged.

    Raises:
        IntegrityError: it is larger than ``limit`` bytes, encrypted, or compressed in another way.
    """
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise IntegrityError("the container is encrypted, or compressed in a way that is not read here")
    at = entry.header_offset
    if at < 0 or len(data) < at + _LOCAL.size or data[at : at + 4] != b"PK\x03\x04":
        return None
    *_, of_name, of_extra = _LOCAL.unpack_from(data, at)
    start = at + _LOCAL.size + of_name + of_extra
    packed = memoryview(data)[start : start + entry.compress_size]
    if entry.compress_type == zipfile.ZIP_STORED:
        content = bytes(packed[: limit + 1])
    else:
        stream = zlib.decompressobj(_RAW)
        try:
            content = stream.decompress(packed, limit + 1)
        except zlib.error:
            return None
    if len(content) > limit:
        raise IntegrityError("the container is too large")
    return content
