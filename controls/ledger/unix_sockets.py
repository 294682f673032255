"""Unix sockets of one owner: made with mode 0600, at paths of any length, with the peer's user known."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controls.errors import OperatorError, SayError, WriterLocked

_SUN_PATH = 100  # the system's limit is 108 bytes with its terminator (unix(7))
_UCRED = struct.Struct("3i")
_UNSET = 2**32 - 1  # loginuid of a process that nobody's login started


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """``path`` as a socket address; a long one is reached through its folder's descriptor (Linux).

    Raises:
        OperatorError: it is too long for this system.
    """
    if len(os.fsencode(path)) <= _SUN_PATH:
        yield str(path)
        return
    if not Path("/proc/self/fd").is_dir():
        raise OperatorError(f"{path.name}: its path is too long for a socket's address (100 bytes)")
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connect_to(path: Path, *, timeout_s: float) -> socket.socket | None:
    """A connection with this time-out for every step, or None when nobody listens there.

    Raises:
        OperatorError: the socket belongs to somebody else, or cannot be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    try:
        with address_of(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise OperatorError(f"{path.name} cannot be reached: {error.strerror or 'no answer'}") from error
    except SayError:
        connection.close()
        raise
    return connection


def listen_at(path: Path, *, timeout_s: float, mode: int = 0o600) -> socket.socket:
    """A listening socket at ``path``, in place of one whose owner is gone.

    Raises:
        WriterLocked: somebody listens there.
        OperatorError: the one there belongs to somebody else.
        OSError: it cannot be made.
    """
    other = connect_to(path, timeout_s=timeout_s)
    if other is not None:
        other.close()
        raise WriterLocked(f"another process already listens at {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with address_of(path) as address:
            before = os.umask(0o777 & ~mode)
            try:
                listener.bind(address)
            finally:
                os.umask(before)
        listener.listen(16)
    except BaseException:
        listener.close()
        raise
    return listener


def peer_user(connection: socket.socket) -> int | None:
    """The user id the peer had when it connected; None where the system does not tell."""
    found = _peer(connection)
    return None if found is None else found[1]


def peer_account(connection: socket.socket) -> int | None:
    """The account somebody logged in with to become the peer; None where the system does not tell.

    Who works as the server's own user after a change of user (su, sudo) is still known by the account they
    logged in with, where the system keeps it (Linux: loginuid, proc_pid_loginuid(5)); elsewhere it is the
    peer's user.
    """
    found = _peer(connection)
    if found is None:
        return None
    return _account(*found)


def own_account() -> int:
    """The same of this process."""
    return _account(os.getpid(), os.getuid())


def _account(pid: int, uid: int) -> int:
    try:
        login = int(Path(f"/proc/{pid}/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return uid
    return uid if login == _UNSET else login


def _peer(connection: socket.socket) -> tuple[int, int] | None:
    """Its process and user when it connected; None where the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(found)
    return pid, uid
