"""A web server in a process of its own, on cores of its own: how it is started, told, awaited and stopped.

The child is told everything in one line of JSON on its standard input and says
where it listens in one line on its standard output. When its input closes (its
parent is done, or died) it stops. It binds 127.0.0.1 and a free port.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from controls.errors import OperatorError

_STOP_S = 10.0


class ServerProcess:
    """The parent's side.

    Args:
        module: run with ``python -m``; it calls ``begin`` and ``serve``.
        told: what ``begin`` returns there.
        cores: the child's CPUs; () leaves them as they are.
        ready_s: how long it may take until it listens, s.
    """

    def __init__(
        self, module: str, told: Mapping[str, Any], *, cores: Sequence[int] = (), ready_s: float = 60.0
    ) -> None:
        self._module = module
        self._told = {"told": told, "cores": list(cores)}
        self._ready_s = ready_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the child; None while it is not running."""
        return None if self._process is None else self._process.pid

    async def start(self) -> str:
        """Start it; its address, ``http://127.0.0.1:PORT``, once it listens.

        Raises:
            OperatorError: it ended, or did not listen in time; its own words are on standard error.
        """
        await self.stop()
        self._process = process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", self._module,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # a terminal's Ctrl-C is for the parent, who ends this in its turn
            env={**os.environ, "LOGURU_LEVEL": "WARNING"},  # pipecat greets at INFO when it is imported
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            async with asyncio.timeout(self._ready_s):
                process.stdin.write(json.dumps(self._told).encode() + b"\n")
                await process.stdin.drain()
                line = await process.stdout.readline()
        except (TimeoutError, ConnectionError):
            pass
        except BaseException:
            await self.stop()
            raise
        try:
            return f"http://127.0.0.1:{int(json.loads(line)['port'])}"
        except (ValueError, KeyError, TypeError):
            await self.stop()
            raise OperatorError(f"{self._module} did not start; what it said stands above") from None

    async def stop(self) -> None:
        """Stop it and wait for its end. Harmless when repeated."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except BaseException as error:
            process.kill()
            await process.wait()
            if not isinstance(error, TimeoutError):
                raise


def begin() -> Any:
    """The child's side, first of all: take the cores, return what this process was told.

    Call it before importing what starts threads: they keep the cores they find.
    """
    message = json.loads(sys.stdin.buffer.readline())
    if message["cores"] and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, message["cores"])
    return message["told"]


def serve(app: Any) -> None:
    """Serve an ASGI application until standard input closes: uvicorn, on uvloop where it is installed."""
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(json.dumps({"port": listening.getsockname()[1]}), flush=True)

    # Without Nagle's algorithm, as a server that binds by address has it from its loop.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, access_log=False, log_level="warning", timeout_graceful_shutdown=2, server_header=False
        )
        server = Server(config)

        def wait_for_the_end() -> None:
            while os.read(0, 1 << 16):  # not through sys.stdin: its lock must be free when we exit
                pass
            server.should_exit = True

        threading.Thread(target=wait_for_the_end, daemon=True).start()
        server.run(sockets=[listening])
