"""Makes system calls of the calling thread fail as on a read-only or broken disk: a seccomp filter.

Nothing of ours and nothing of SQLite's is replaced: the kernel itself answers
with the error. A filter stays for the rest of the thread's life, and other
threads do not have it.

Source: Linux ``seccomp(2)``, ``Documentation/userspace-api/seccomp_filter.rst``,
``include/uapi/linux/{seccomp,filter,bpf_common}.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from controls.ledger.storage import Batch, SqliteStorage

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_NUMBERS = {
    "x86_64": {
        "openat": 257, "open": 2, "pwrite64": 18, "ftruncate": 77, "fallocate": 285, "rename": 82,
        "renameat": 264, "renameat2": 316, "unlink": 87, "unlinkat": 263, "mkdir": 83, "mkdirat": 258,
        "link": 86, "linkat": 265, "fsync": 74, "fdatasync": 75,
    },
    "aarch64": {
        "openat": 56, "pwrite64": 68, "ftruncate": 46, "fallocate": 47, "renameat": 38, "renameat2": 276,
        "unlinkat": 35, "mkdirat": 34, "linkat": 37, "fsync": 82, "fdatasync": 83,
    },
}  # fmt: skip
_CHANGES = (
    "pwrite64", "ftruncate", "fallocate", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir",
    "mkdirat", "link", "linkat",
)  # fmt: skip
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
#: Offsets in ``struct seccomp_data``: number, architecture, ``flags`` of open (2nd) and of openat (3rd).
_NR, _ARCH, _ARG_1, _ARG_2 = 0, 4, 24, 32


class _Instruction(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    ]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction))]


def needs_seccomp() -> None:
    """Go on only where a thread may filter its own system calls."""
    status = Path("/proc/self/status")
    if platform.machine() not in _NUMBERS or not status.exists() or "Seccomp:" not in status.read_text():
        pytest.skip("needs Linux's seccomp filters on x86-64 or ARM64")


def _install(instructions: list[tuple[int, int, int, int]]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    array = (_Instruction * len(instructions))(*(_Instruction(*i) for i in instructions))
    program = _Program(len(instructions), array)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program), zero, zero):
        raise OSError(ctypes.get_errno(), "seccomp")


def _program(calls: Iterable[str], error: int, *, opening: bool) -> list[tuple[int, int, int, int]]:
    numbers = _NUMBERS[platform.machine()]
    made = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURES[platform.machine()]),
        (_RETURN, 0, 0, _ALLOW),  # another architecture's calls: nothing here makes any
        (_LOAD, 0, 0, _NR),
    ]
    for number in (numbers[c] for c in calls if c in numbers):
        made += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERRNO | error)]
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    for name, flags in (("openat", _ARG_2), ("open", _ARG_1)) if opening else ():
        if name in numbers:
            made += [
                (_EQUAL, 0, 4, numbers[name]),
                (_LOAD, 0, 0, flags),
                (_ANY_BIT, 0, 1, writing),
                (_RETURN, 0, 0, _ERRNO | error),
                (_LOAD, 0, 0, _NR),
            ]
    return [*made, (_RETURN, 0, 0, _ALLOW)]


def read_only() -> None:
    """From here on, whatever this thread would change on a disk fails with EROFS, in open files too.

    As when a file system finds itself damaged and remounts read-only under its users.
    """
    _install(_program(_CHANGES, errno.EROFS, opening=True))


def cannot_sync() -> None:
    """From here on, every sync of this thread fails with EIO; what was written may be there or not."""
    _install(_program(("fsync", "fdatasync"), errno.EIO, opening=False))


class TurningStorage(SqliteStorage):
    """SQLite whose thread runs ``then``, once, before a commit."""

    then: Callable[[], None] | None = None

    def commit(self, batch: Batch) -> None:
        then, self.then = self.then, None
        if then is not None:
            then()
        super().commit(batch)
