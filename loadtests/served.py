"""A web server in a process of its own, on cores of its own: how it is started, told, awaited and stopped.

The child is told everything in one line of JSON on its standard input and says
where it listens in one line on its standard output. When its input closes (its
parent is done, or died) it stops. It binds 127.0.0.1 and a free port. One that works
beside the server under test tells at ``GET /lateness`` how late its event loop was.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from controls.errors import OperatorError
from loadtests.child import Child
from loadtests.lateness import PATH, Late, LoopLag, ask

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
        self._module, self._told, self._cores, self._ready_s = module, dict(told), tuple(cores), ready_s
        self._child: Child | None = None
        self._address = ""

    @property
    def pid(self) -> int | None:
        """Of the child; None while it is not running."""
        return None if self._child is None else self._child.pid

    async def start(self) -> str:
        """Start it; its address, ``http://127.0.0.1:PORT``, once it listens.

        Raises:
            OperatorError: it ended, or did not listen in time; its own words are on standard error.
        """
        await self.stop()
        self._child = Child(
            [sys.executable, "-m", self._module],
            cores=self._cores,
            told=json.dumps(self._told),
            env={"LOGURU_LEVEL": "WARNING"},  # pipecat greets at INFO when it is imported
        )
        try:
            ready = await self._child.start(self._ready_s)
            self._address = f"http://127.0.0.1:{int(ready['port'])}"
        except (ValueError, KeyError, TypeError):
            await self.stop()
            raise OperatorError(f"{self._module} did not start; what it said stands above") from None
        except BaseException:
            await self.stop()
            raise
        return self._address

    async def lateness(self) -> Late | None:
        """How late its event loop was since the last question; None when it does not run, or say."""
        return await ask(self._address) if self._address else None

    async def stop(self) -> None:
        """Stop it and wait for its end. Harmless when repeated."""
        child, self._child, self._address = self._child, None, ""
        if child is not None:
            await child.stop(_STOP_S)


def begin() -> Any:
    """The child's side, first of all: what this process was told."""
    return json.loads(sys.stdin.buffer.readline())


def serve(app: Any, *, tells_lateness: bool = False) -> None:
    """Serve an ASGI application until standard input closes: uvicorn, on uvloop where it is installed.

    Args:
        tells_lateness: probe the event loop and answer ``GET /lateness`` with what it met since it was last
            asked. Not for a server under test: the probe's timers are CPU time that would be weighed.
    """
    import uvicorn

    lag = LoopLag()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                if tells_lateness:  # a server under test does as its makers have it do
                    gc.collect()
                    gc.freeze()  # what is there already is not looked through again while calls run
                print(json.dumps({"port": listening.getsockname()[1]}), flush=True)

        async def main_loop(self) -> None:  # from here on: models that load before it serves delay nobody
            if not tells_lateness:
                await super().main_loop()
                return
            async with lag.probing():
                await super().main_loop()

    # Without Nagle's algorithm, as a server that binds by address has it from its loop.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            _telling(app, lag) if tells_lateness else app,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        server = Server(config)

        def wait_for_the_end() -> None:
            while os.read(0, 1 << 16):  # not through sys.stdin: its lock must be free when we exit
                pass
            server.should_exit = True

        threading.Thread(target=wait_for_the_end, daemon=True).start()
        server.run(sockets=[listening])


def _telling(app: Any, lag: LoopLag) -> Any:
    """The same ASGI application, which also answers ``GET /lateness``."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH:
            await app(scope, receive, send)
            return
        late = lag.told()
        body = late.model_dump_json().encode() if late is not None else b""
        status = 200 if late is not None else 503
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer
