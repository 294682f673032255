"""The witness's door, a process of its own: ``POST /add-checkpoint`` (C2SP tlog-witness) and ``/healthz``."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI, Request, Response
from loguru import logger

from controls.errors import OperatorError, SayError
from controls.ledger.witness import MAX_BODY, PLAIN, Refused, Witness
from voice_runtime.quiet_server import QuietServer

#: Longest a client may take to send its request, in s.
BODY_S = 10.0
#: Most requests at once; one more is told to come again (503).
MOST_REQUESTS = 64


def build_witness_server(witness: Witness, *, body_s: float = BODY_S) -> FastAPI:
    """Make the application; it knows no other paths.

    Args:
        body_s: longest a client may take to send its request, in s.
    """
    app = FastAPI(title="sayso witness", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_s):
                body = await _body(request)
            line = await asyncio.to_thread(witness.add_checkpoint, body)
        except TimeoutError:
            return _answer(408, b"the request took too long\n")
        except Refused as refused:
            return _answer(refused.status, str(refused).encode(), refused.content_type)
        except SayError as error:  # our state fails: nothing was cosigned, and the client may ask again
            logger.error("witness: {}", error)
            return _answer(503, b"this witness cannot cosign now\n")
        return _answer(200, line)

    return app


def _answer(status: int, body: bytes, content_type: str = PLAIN) -> Response:
    # As a header: a media type of text/… would get a charset, and tlog-witness names text/x.tlog.size bare.
    return Response(body, status, headers={"Content-Type": content_type})


async def _body(request: Request) -> bytes:
    """The whole body.

    Raises:
        Refused: 413, it is longer than any request.
    """
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdigit() and len(length) < 10 and int(length) <= MAX_BODY:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                break
        else:
            return bytes(body)
    raise Refused(413, f"a request has at most {MAX_BODY} bytes\n")


class _Uvicorn(QuietServer):
    """uvicorn that says when it is up, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, setattr, self, "should_exit", True)
        try:
            yield
        finally:
            for signum in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(signum)


async def serve_witness(witness: Witness, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first.

    Args:
        on_ready: called with the submission prefix, such as ``http://127.0.0.1:7870``.

    Raises:
        OperatorError: the address cannot be listened on.
    """
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        build_witness_server(witness), log_config=None, access_log=False, lifespan="off", server_header=False,
        loop="none", ws="none", limit_concurrency=MOST_REQUESTS, timeout_graceful_shutdown=5,
    )  # fmt: skip
    with listener:
        await _Uvicorn(config, lambda: on_ready(address)).serve(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio switches Nagle's algorithm off only where the protocol is spelt out: with it, an
    # answer's body waits some 40 ms for the acknowledgement of its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        kind = type(error).__name__
        raise OperatorError(f"cannot listen on {host}:{port} ({kind}); try --port 0") from error
    return listener
