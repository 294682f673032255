"""Engines that compute, in a process of their own behind OpenAI's protocol: model and voice, ears for others.

Our runtime's recogniser runs in its own process (``engines.known_speech`` writes its
weights); ``/v1/audio/transcriptions`` is here for systems that take theirs over
the network, on the same weights.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from loadtests.engines.process import Told
from loadtests.served import begin, serve


def create_engine_app(told: Told, ready: Callable[[Sequence[str]], None] | None = None) -> Starlette:
    """The suppliers' application on engines that live as long as it does; ``ready`` is told what they are."""
    lines: list[str] = []

    async def engines(_: Request) -> Response:
        return JSONResponse(lines)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        from loadtests.suppliers.server import create_app

        async with AsyncExitStack() as stack:
            backend = await _backend(told, stack)
            lines.extend(backend.engines)
            app.router.routes.append(Mount("/", create_app(backend)))
            if ready is not None:
                ready(lines)
            yield

    return Starlette(routes=[Route("/v1/engines", engines)], lifespan=lifespan)


async def _backend(told: Told, stack: AsyncExitStack) -> Any:
    """Load every engine; the stack closes them."""
    from loadtests.engines.ears import NoEars, WhisperEars
    from loadtests.engines.mind import ForcedMind, StandIn
    from loadtests.engines.mouth import NeuralMouth, NeuralVoice
    from loadtests.engines.vllm import Vllm, vllm_is_installed
    from loadtests.suppliers.answers import AnswerBook
    from loadtests.suppliers.backends import Backend

    book = AnswerBook(told.answers)
    wanted = told.batching == "vllm" or (
        told.batching == "auto" and told.device == "cuda" and vllm_is_installed()
    )
    engine: Vllm | StandIn = Vllm(told.shape) if wanted else StandIn(told.shape, told.device)
    stack.push_async_callback(engine.close)
    await engine.start()
    mouth = NeuralMouth(NeuralVoice(told.shape, told.device, told.threads), book, told.workers)
    stack.callback(mouth.close)
    ears: WhisperEars | NoEars = NoEars()
    if told.whisper:
        ears = WhisperEars(told.whisper, told.device, told.threads)
        stack.callback(ears.close)
    mind = ForcedMind(engine, book, engine.vocabulary)
    return Backend(ears, mind, mouth, tuple(_lines(ears.line, engine.line, mouth.line)))


def _lines(*lines: str) -> Iterator[str]:
    """Those of engines that are there."""
    yield from (line for line in lines if line)


def bound_threads(threads: int) -> None:
    """Bound NumPy's own threads, which otherwise are one a core and wait for each other by spinning.

    Call it before NumPy is imported.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = str(threads)


def main() -> None:
    """Serve the engines until whoever started this process closes its input."""
    told = Told.model_validate(begin())
    bound_threads(told.threads)
    serve(create_engine_app(told), tells_lateness=True)


if __name__ == "__main__":
    main()
