"""A real pipecat pipeline around the processors under test, with both ends in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from pipecat.frames.frames import Frame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.workers.runner import WorkerRunner


class End(FrameProcessor):
    """One end of the pipeline: keeps what reaches it, and pushes what the test wants."""

    def __init__(self, name: str, inward: FrameDirection) -> None:
        super().__init__(name=name)
        self.frames: list[Frame] = []
        self.started = asyncio.Event()
        self._inward = inward
        self._changed = asyncio.Event()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if direction is not self._inward:
            self.frames.append(frame)
            self._changed.set()
        self.started.set()
        await self.push_frame(frame, direction)

    async def send(self, frame: Frame) -> None:
        """Push a frame into the pipeline from this end."""
        await self.push_frame(frame, self._inward)

    async def until(self, wanted: Callable[[list[Frame]], bool], timeout_s: float = 30.0) -> list[Frame]:
        """Wait until the frames that arrived here satisfy ``wanted``."""
        async with asyncio.timeout(timeout_s):
            while not wanted(self.frames):
                self._changed.clear()
                await self._changed.wait()
        return self.frames

    def of(self, kind: type[Frame]) -> list[Frame]:
        return [f for f in self.frames if isinstance(f, kind)]


@asynccontextmanager
async def running(*processors: FrameProcessor) -> AsyncIterator[tuple[End, End]]:
    """Run ``head → processors → tail``; yields both ends."""
    head = End("head", FrameDirection.DOWNSTREAM)
    tail = End("tail", FrameDirection.UPSTREAM)
    worker = PipelineWorker(
        Pipeline([head, *processors, tail]),
        params=PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000),
        idle_timeout_secs=None,
        enable_rtvi=False,
        enable_turn_tracking=False,
        cancel_runner_on_idle_timeout=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    task = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(30):
            await tail.started.wait()
        yield head, tail
    finally:
        await worker.cancel()
        await task
