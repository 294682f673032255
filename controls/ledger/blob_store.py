"""Where a log publishes its files: the blob store protocol, and a folder behind it.

Names are C2SP's (``tile/0/x001/067.p/8``, ``checkpoint``). What is published can
be made again from the log at any time; the store is never the only copy.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from controls.ledger.keys import sync_directory
from controls.ledger.storage import StorageError, translated

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*", re.ASCII)
#: What a file is called until it is whole; no name begins with a dot.
_PARTIAL = ".new"


class Listed(NamedTuple):
    """One blob as ``list`` tells it; ``size`` in bytes."""

    name: str
    size: int


class BlobStore(Protocol):
    """Named bytes, written by one thread of one process, read by anybody.

    Ordering: a reader who sees a ``put`` sees every ``put`` that had returned
    before it. Atomicity: a reader finds a blob's old bytes or its new ones, whole.
    Loss: what ``put`` has returned for outlives the process and the machine; when it
    raises, the blob is as it was or new. ``list`` and ``get`` see the writer's own
    finished writes. Closing: ``close`` is final and may be repeated; every other
    call then raises. Nothing here relies on a file system: no empty folders, no
    renames, no locks.

    Every method raises ``StorageError`` when the medium fails, and ``ValueError`` for
    a name that is none (parts of lower-case letters, digits, ``.``, ``_`` and ``-``).
    """

    def put(self, name: str, data: bytes, /) -> None:
        """Write a blob, or write it anew."""
        ...

    def get(self, name: str, /) -> bytes | None:
        """A blob's bytes, or None when there is none."""
        ...

    def list(self, prefix: str = "", /) -> Iterator[Listed]:
        """Every blob whose name begins with ``prefix``, in no particular order."""
        ...

    def delete(self, name: str, /) -> None:
        """Take a blob away; that there is none is no error."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


class FolderStore:
    """A ``BlobStore`` in a directory, as a web server would serve it."""

    def __init__(self, directory: Path) -> None:
        """Write under ``directory``, which is made with the first blob."""
        self.directory = directory
        self._lock = threading.Lock()
        self._closed = False

    def put(self, name: str, data: bytes, /) -> None:
        """As ``BlobStore.put``; two syncs."""
        path = self._path(name)
        with self._lock, translated(f"{name} cannot be written"):
            _make(path.parent)
            partial = self.directory / _PARTIAL
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # else a power cut may leave an empty file behind the rename
            partial.replace(path)
            sync_directory(path.parent)

    def get(self, name: str, /) -> bytes | None:
        """As ``BlobStore.get``."""
        path = self._path(name)
        with translated(f"{name} cannot be read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def list(self, prefix: str = "", /) -> Iterator[Listed]:
        """As ``BlobStore.list``."""
        self._path(prefix.rstrip("/") or "any")
        start = self.directory / prefix.rpartition("/")[0]
        for folder, _, files in os.walk(start):
            for file in files:
                path = Path(folder, file)
                name = path.relative_to(self.directory).as_posix()
                if name.startswith(prefix) and name != _PARTIAL:
                    with contextlib.suppress(FileNotFoundError), translated(f"{name} cannot be read"):
                        yield Listed(name, path.stat().st_size)

    def delete(self, name: str, /) -> None:
        """As ``BlobStore.delete``; a folder it leaves empty goes too."""
        path = self._path(name)
        with self._lock, translated(f"{name} cannot be deleted"):
            path.unlink(missing_ok=True)
            folder = path.parent
            with contextlib.suppress(OSError):  # not empty, or not there
                while folder != self.directory:
                    folder.rmdir()
                    folder = folder.parent

    def close(self) -> None:
        """As ``BlobStore.close``."""
        with self._lock:
            self._closed = True
            with contextlib.suppress(OSError):
                (self.directory / _PARTIAL).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        if self._closed:
            raise StorageError("the blob store is closed")
        if not _NAME.fullmatch(name):
            raise ValueError("not the name of a blob")
        return self.directory / name


def _make(folder: Path) -> None:
    """Make a folder and those above it, so that a power cut does not take them away again."""
    if folder.is_dir():
        return
    _make(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_directory(folder.parent)
