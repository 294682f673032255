"""Runs the house behind uvicorn: listen, announce, and drain when told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn
from loguru import logger

from controls.errors import OperatorError
from voice_runtime.app import App
from voice_runtime.garbage import quiet_collections
from voice_runtime.ingress.direct_protocol import DirectProtocol
from voice_runtime.quiet_server import QuietServer
from voice_runtime.settings import Settings

#: Largest message of a carrier's media stream, bytes.
_MOST_BYTES = 64 * 1024


class _Uvicorn(QuietServer):
    """uvicorn without its signal handlers (a signal drains calls first); says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind the address before anything is started, so that a taken port fails at once.

    Raises:
        OperatorError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is spelt out: with it,
    # a mark waits some 20 ms for the acknowledgement of the audio before it.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise OperatorError(
            f"cannot listen on {host}:{port} ({type(error).__name__}); another server may run: try --port 0"
        ) from error
    return listener


async def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    on_ready: Callable[[App, str], None],
    stop: asyncio.Event | None = None,
    embedded_dir: Path | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then drain and close everything.

    Args:
        on_ready: called with the running app and its own base address.
        embedded_dir: where embedded services keep their rows; ``data_dir`` when None.

    Raises:
        SayError: something cannot be used as configured.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):  # also while starting: no child may be left behind
        loop.add_signal_handler(signum, stop.set)
    stopping = asyncio.create_task(stop.wait(), name="asked to stop")
    listener = listen(host, port)
    try:
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        app = App(settings, embedded_dir=embedded_dir)
        if settings.server.public_url is None:
            app.public_url = address
        starting = asyncio.create_task(app.start(), name="starting")
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            logger.info("stopped while starting")
            listener.close()
            return
        web = starting.result()
    except BaseException:
        stopping.cancel()
        listener.close()
        raise
    config = uvicorn.Config(
        web, log_config=None, access_log=False, lifespan="off", server_header=False, loop="none",
        ws=DirectProtocol, ws_per_message_deflate=False, ws_max_size=_MOST_BYTES,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = _Uvicorn(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.up.wait()
        admission = app.admission
        async with quiet_collections(lambda: admission.ended, lambda: admission.active, app.ahead):
            app.begin()
            on_ready(app, address)
            await asyncio.wait([stopping, serving], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        logger.info("stopping: no new calls, {} on the line", app.admission.active)
    finally:
        await app.stop()
        server.should_exit = True
        await serving
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(signum)
