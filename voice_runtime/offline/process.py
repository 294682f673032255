"""A helper process's life: it listens, says where on one line of JSON, and ends with its parent."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import threading
import time
from typing import Any

import uvicorn
from fastapi import FastAPI

from controls.errors import OperatorError
from voice_runtime.quiet_server import QuietServer

_POLL_S = 0.5
_GRACE_S = 2.0


class _Server(QuietServer):
    """uvicorn's, which announces itself once it really accepts connections."""

    announcement: str = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            with contextlib.suppress(OSError):  # nobody reads: still serve
                sys.stdout.write(self.announcement + "\n")
                sys.stdout.flush()


def serve(app: FastAPI, *, host: str, port: int, announce: dict[str, Any], with_parent: bool = True) -> None:
    """Serve until a signal, or until the process that started this one is gone.

    Args:
        port: 0 lets the system choose.
        announce: printed as one JSON line, with ``address`` added, once connections are accepted.
        with_parent: end when the parent process does.

    Raises:
        OperatorError: the address cannot be listened on.
    """
    parent = os.getppid()
    listener = _listen(host, port)
    number = listener.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=int(_GRACE_S),
        timeout_keep_alive=30, server_header=False,
    )  # fmt: skip
    server = _Server(config)
    server.announcement = json.dumps({**announce, "address": f"http://{shown}:{number}", "pid": os.getpid()})
    if with_parent:
        threading.Thread(target=_end_with, args=(parent, server), daemon=True, name="parent watch").start()
    server.run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise OperatorError(f"cannot listen on port {port}: {type(error).__name__}") from error
    return listener


def _end_with(parent: int, server: QuietServer) -> None:
    """Wait for the parent's end, then stop, and insist."""
    _outlive(parent)
    server.should_exit = True
    time.sleep(2 * _GRACE_S)
    os._exit(0)


def _outlive(parent: int) -> None:
    """Return once the parent is gone; orphans are adopted, so its number changes."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            gone = os.pidfd_open(parent)  # readable at its end: pidfd_open(2)
            if os.getppid() == parent:  # else the number is some other process's by now
                select.select([gone], [], [])
            os.close(gone)
    while os.getppid() == parent:
        time.sleep(_POLL_S)
