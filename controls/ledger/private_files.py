"""Files that only their owner may read: opened without following links, refused when open to others.

The directory is opened first and its files through its descriptor, so that what
was checked is what is used (CWE-367).
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controls.errors import OperatorError

#: Longest file that is read, bytes.
MAX_BYTES = 1 << 20
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def private_directory(directory: Path) -> Iterator[int]:
    """A descriptor of a directory that only its owner can use.

    Raises:
        OperatorError: it is missing, a link, somebody else's or open to others; with the remedy.
    """
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | _OPEN)
    except FileNotFoundError:
        raise OperatorError(f"{directory} is missing; restore it from its back-up") from None
    except OSError as error:
        if directory.is_symlink():
            raise OperatorError(f"{directory} is a symbolic link; keys are never read through one") from None
        raise OperatorError(f"{directory} cannot be opened ({error.strerror})") from None
    try:
        _owned(os.fstat(descriptor), directory, "700")
        yield descriptor
    finally:
        os.close(descriptor)


def read_private(path: Path) -> bytes:
    """The content of a file that only its owner can read.

    Raises:
        OperatorError: it or its directory is missing, a link, open to others, or no plain file.
    """
    with private_directory(path.parent) as directory:
        try:
            descriptor = os.open(path.name, os.O_RDONLY | os.O_NONBLOCK | _OPEN, dir_fd=directory)
        except FileNotFoundError:
            raise OperatorError(f"{path} is missing; restore it from its back-up") from None
        except OSError as error:
            if path.is_symlink():
                raise OperatorError(f"{path} is a symbolic link; keys are never read through one") from None
            raise OperatorError(f"{path} cannot be read ({error.strerror})") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
            raise OperatorError(f"{path} is not a key file")
        _owned(found, path, "600")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES)
    finally:
        os.close(descriptor)


def write_private(path: Path, data: bytes) -> bool:
    """Create ``path``, owner-only from its first byte and durable on return; never replaces a file.

    Returns:
        Whether it was created; False when a file of that name is there already.

    Raises:
        OperatorError: it cannot be written, or its directory is open to others.
    """
    partial = f".{path.name}.{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with private_directory(path.parent) as directory:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
            descriptor = os.open(partial, flags, 0o600, dir_fd=directory)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                # Unlike a rename, a link fails when somebody else was first.
                os.link(partial, path.name, src_dir_fd=directory, dst_dir_fd=directory)
            except FileExistsError:
                return False
            finally:
                os.unlink(partial, dir_fd=directory)
            os.fsync(directory)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written ({error.strerror})") from None
    return True


def _owned(found: os.stat_result, path: Path, mode: str) -> None:
    if found.st_mode & 0o077:
        raise OperatorError(f"{path} is open to others; run: chmod {mode} {path}")
    if os.geteuid() not in (0, found.st_uid):
        raise OperatorError(f"{path} belongs to another user; run as that user")
