"""A service in a pipeline of its own: started, interrupted, failing, let go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pipecat.frames.frames import CancelFrame, DataFrame, ErrorFrame, Frame, TextFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor, FrameProcessorSetup
from pipecat.utils.errors import ErrorCategory

from controls.errors import ProviderError
from voice_runtime.sub_pipeline import SubPipeline, fault

pytestmark = pytest.mark.anyio


class Service(FrameProcessor):
    """Answers text with text; what it does on the way is the test's."""

    def __init__(self, *, connecting: asyncio.Event | None = None, deaf: bool = False) -> None:
        super().__init__()
        self.connecting, self.deaf = connecting, deaf
        self.cleaned = False
        self.stuck = asyncio.Event()
        self.reached = asyncio.Event()

    async def setup(self, setup: FrameProcessorSetup) -> None:
        await super().setup(setup)
        if self.connecting is not None:
            await self.connecting.wait()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TextFrame) and frame.text == "stall":
            self.reached.set()
            await self.stuck.wait()
        if isinstance(frame, TextFrame) and frame.text == "fail":
            await self.push_error("SECRET words of a caller", exception=ConnectionError("SECRET"))
        if isinstance(frame, CancelFrame) and self.deaf:
            await asyncio.sleep(3600)
        await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        await super().cleanup()
        self.cleaned = True


class Came:
    """What came out, and whether something did."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.faults: list[ProviderError] = []
        self._changed = asyncio.Event()

    def frame(self, frame: Frame) -> None:
        if isinstance(frame, DataFrame):
            self.frames.append(frame)
        self._changed.set()

    def fault(self, error: ProviderError) -> None:
        self.faults.append(error)
        self._changed.set()

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(30):
            while not what():
                self._changed.clear()
                await self._changed.wait()

    @property
    def texts(self) -> list[str]:
        return [f.text for f in self.frames if isinstance(f, TextFrame)]


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[tuple[SubPipeline, Came]]:
    came = Came()
    pipeline = SubPipeline(service, "supplier", on_frame=came.frame, on_fault=came.fault)
    pipeline.begin()
    try:
        yield pipeline, came
    finally:
        await pipeline.close()
        await pipeline.close()


async def test_frames_go_in_before_it_is_connected_and_come_out_in_order() -> None:
    connecting = asyncio.Event()
    async with running(Service(connecting=connecting)) as (pipeline, came):
        for n in range(5):
            pipeline.send(TextFrame(str(n)))
        await asyncio.sleep(0)
        assert not came.frames
        connecting.set()
        await came.until(lambda: len(came.frames) == 5)
        assert came.texts == ["0", "1", "2", "3", "4"]
    assert not came.faults


async def test_closing_lets_everything_go() -> None:
    service = Service()
    async with running(service) as (pipeline, came):
        pipeline.send(TextFrame("yes"))
        await came.until(lambda: came.frames)
    assert service.cleaned


async def test_closing_does_not_wait_for_a_connection_that_never_comes() -> None:
    service = Service(connecting=asyncio.Event())
    async with running(service) as (pipeline, came):
        pipeline.send(TextFrame("yes"))
        for _ in range(20):
            await asyncio.sleep(0)
    assert not came.frames
    assert not came.faults


async def test_closing_before_it_ran_at_all() -> None:
    async with running(Service()):
        pass


async def test_closing_a_service_that_does_not_let_go_ends_it_by_force() -> None:
    before = time.monotonic()
    async with running(Service(deaf=True)) as (pipeline, came):
        pipeline.send(TextFrame("yes"))
        await came.until(lambda: came.frames)
    assert time.monotonic() - before < 60


async def test_an_interruption_leaves_nothing_of_what_was_under_way() -> None:
    service = Service()
    async with running(service) as (pipeline, came):
        pipeline.send(TextFrame("stall"))
        pipeline.send(TextFrame("after it"))
        await service.reached.wait()
        assert await pipeline.interrupt()
        service.stuck.set()
        pipeline.send(TextFrame("new"))
        await came.until(lambda: came.frames)
        assert came.texts == ["new"]


async def test_what_has_not_begun_cannot_be_interrupted() -> None:
    async with running(Service(connecting=asyncio.Event())) as (pipeline, _):
        assert not await pipeline.interrupt()


async def test_an_error_is_told_without_its_words() -> None:
    async with running(Service()) as (pipeline, came):
        pipeline.send(TextFrame("fail"))
        await came.until(lambda: came.faults)
        assert str(came.faults[0]) == "failed: connectivity"
        assert came.faults[0].supplier == "supplier"
        assert came.faults[0].transient


class _Refused(Exception):
    status_code = 402


@pytest.mark.parametrize(
    ("frame", "says", "transient"),
    [
        (ErrorFrame("SECRET", category=ErrorCategory.AUTHENTICATION), "failed: authentication", False),
        (ErrorFrame("SECRET", category=ErrorCategory.INVALID_REQUEST), "failed: invalid request", False),
        (ErrorFrame("SECRET", category=ErrorCategory.RATE_LIMIT), "failed: rate limit", True),
        (ErrorFrame("SECRET", exception=_Refused("SECRET")), "failed: unknown, status 402", True),
        (ErrorFrame("SECRET"), "failed: unknown", True),
    ],
)
def test_kinds_of_errors(frame: ErrorFrame, says: str, transient: bool) -> None:
    error = fault(frame, "supplier")
    assert (str(error), error.transient) == (says, transient)
