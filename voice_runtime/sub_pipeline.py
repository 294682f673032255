"""One service of pipecat in a pipeline of its own, with both ends in our hand.

``head → service → tail``: what goes in is put there by ``send``, which never
waits; whatever comes out at either end is handed to ``on_frame``, inside the
service's own step, so nothing is reordered between the service and us. The
service connects while the pipeline is set up; frames sent meanwhile wait for it.

What happens inside is logged by pipecat with the suppliers' own words in it. It
all runs in a logging context with ``supplier`` set, so that a log can leave it out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from loguru import logger
from pipecat.frames.frames import ErrorFrame, Frame, InterruptionFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.services.websocket_service import WebsocketService
from pipecat.utils.errors import extract_http_status_code
from pipecat.workers.runner import WorkerRunner

from controls.errors import ProviderError

#: How long a service may take to connect, and to let go, s.
_SETUP_S = 10.0
_CLOSE_S = 2.0
_CLOSE_TRIES = 3


class _End(FrameProcessor):
    def __init__(self, name: str, take: Callable[[Frame], None]) -> None:
        super().__init__(name=name, enable_direct_mode=True)
        self._take = take
        self.begun = asyncio.Event()

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]  # as FrameProcessor's
        await super().setup(setup)
        self.begun.set()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        self._take(frame)
        await self.push_frame(frame, direction)


class SubPipeline:
    """A running service. ``begin`` it once, ``close`` it once; ``on_fault`` tells that it is no more use."""

    def __init__(
        self,
        service: FrameProcessor,
        supplier: str,
        *,
        on_frame: Callable[[Frame], None],
        on_fault: Callable[[ProviderError], None],
        in_hz: int = 8000,
        out_hz: int = 24000,
        usage: bool = False,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            service: belongs to this pipeline from now on.
            supplier: its name on record.
            on_frame: called with each frame that leaves the service at either end.
            on_fault: called when the service reports an error, or ends by itself.
            in_hz, out_hz: sample rates of services that do not say their own.
            usage: have the service report what it used (``MetricsFrame``).
        """
        self.service = service
        self.supplier = supplier
        self._on_frame, self._on_fault = on_frame, on_fault
        self._params = PipelineParams(
            audio_in_sample_rate=in_hz, audio_out_sample_rate=out_hz, enable_usage_metrics=usage
        )
        self._frames: asyncio.Queue[Frame] = asyncio.Queue()
        self._started = asyncio.Event()
        self._interrupted = asyncio.Event()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start it; returns at once, the service connects by itself."""
        with logger.contextualize(supplier=self.supplier):
            self._task = asyncio.create_task(self._run(), name=f"provider {self.supplier}")

    def send(self, frame: Frame) -> None:
        """Put a frame in at the head, in order. Never waits."""
        self._frames.put_nowait(frame)

    @property
    def may_be_interrupted(self) -> bool:
        """Whether ``interrupt`` leaves nothing of what was under way: its requests live in its own tasks.

        A service on a websocket goes on receiving what it had asked for, so it is closed instead.
        """
        return not isinstance(self.service, WebsocketService)

    async def interrupt(self, deadline_s: float = 1.0) -> bool:
        """Stop what is under way. True: it has stopped, nothing more of it will come out."""
        if not self._started.is_set() or not self.may_be_interrupted:
            return False
        self._interrupted.clear()
        self.send(InterruptionFrame())
        try:
            async with asyncio.timeout(deadline_s):
                await self._interrupted.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End it and let its connections go; a service that does not is left after some seconds.

        Harmless when repeated.
        """
        self._stop.set()
        if self._task is not None:
            await asyncio.wait({self._task})

    # -- inside ------------------------------------------------------------------------------------

    def _leaves(self, frame: Frame) -> None:
        if isinstance(frame, ErrorFrame):
            if not self._stop.is_set():
                self._on_fault(fault(frame, self.supplier))
        elif isinstance(frame, InterruptionFrame):
            self._interrupted.set()
        else:
            self._on_frame(frame)

    def _leaves_at_tail(self, frame: Frame) -> None:
        if isinstance(frame, StartFrame):
            self._started.set()
        self._leaves(frame)

    def _leaves_at_head(self, frame: Frame) -> None:
        if isinstance(frame, ErrorFrame):
            self._leaves(frame)

    async def _run(self) -> None:
        head = _End("head", self._leaves_at_head)
        worker = PipelineWorker(
            Pipeline([head, self.service, _End("tail", self._leaves_at_tail)]),
            params=self._params,
            idle_timeout_secs=None,
            cancel_runner_on_idle_timeout=False,
            cancel_timeout_secs=_CLOSE_S,
            check_dangling_tasks=False,
            enable_rtvi=False,
            enable_turn_tracking=False,
            setup_timeout_secs=_SETUP_S,
        )
        runner = WorkerRunner(handle_sigint=False, check_dangling_tasks=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run(), name=f"provider {self.supplier}: pipeline")
        pump = asyncio.create_task(self._pump(head), name=f"provider {self.supplier}: frames")
        stop = asyncio.create_task(self._stop.wait())
        begun = asyncio.create_task(head.begun.wait())
        try:
            # A worker that is cancelled before it began to set up would wait for its time-out.
            await asyncio.wait({running, begun}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({running, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                self._on_fault(ProviderError("ended by itself", supplier=self.supplier))
        finally:
            for task in (stop, begun, pump):
                task.cancel()
            await worker.cancel()
            await runner.cancel()
            for _ in range(_CLOSE_TRIES):
                await asyncio.wait({running}, timeout=_CLOSE_S)
                if running.done():
                    break
                running.cancel()
            await asyncio.gather(stop, begun, pump, return_exceptions=True)
            await self._let_go()

    async def _pump(self, head: FrameProcessor) -> None:
        await self._started.wait()
        while True:
            await head.push_frame(await self._frames.get())

    async def _let_go(self) -> None:
        """Close the HTTP client that services of pipecat make and leave open."""
        client: Any = getattr(self.service, "_client", None)
        close = getattr(client, "close", None) or getattr(client, "aclose", None)
        if close is not None:
            with contextlib.suppress(Exception):
                if asyncio.iscoroutine(closing := close()):
                    await closing


def fault(frame: ErrorFrame, supplier: str) -> ProviderError:
    """A service's error as ours: its kind and status only, since its text may quote what it was sent."""
    category = frame.category
    kind = category.value.replace("_", " ") if category is not None else "unknown"
    status = extract_http_status_code(frame.exception) if frame.exception is not None else None
    what = f"failed: {kind}" + (f", status {status}" if status is not None else "")
    permanent = bool(category is not None and category.is_permanent)
    return ProviderError(what, supplier=supplier, transient=not permanent)
