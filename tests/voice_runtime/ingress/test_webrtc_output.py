"""The browser call's output: samples, marks and interruptions take effect in the order egress pushes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pipecat.frames.frames import InterruptionFrame, OutputAudioRawFrame, OutputTransportMessageFrame

from tests.simulators.browser_door import TONE
from tests.simulators.pipeline import End, running
from voice_runtime.events import CHUNK_SAMPLES
from voice_runtime.ingress.webrtc_link import WebRtcLink
from voice_runtime.ingress.webrtc_presence import Watch
from voice_runtime.ingress.webrtc_timeline import Timeline
from voice_runtime.ingress.webrtc_transport import WebRtcOutput

pytestmark = pytest.mark.anyio


#: 20 ms that are not ``TONE``.
OTHER = TONE[::-1]


def chunk(pcm: bytes = TONE) -> OutputAudioRawFrame:
    """20 ms, as egress sends it."""
    return OutputAudioRawFrame(audio=pcm, sample_rate=8000, num_channels=1)


@asynccontextmanager
async def output() -> AsyncIterator[tuple[End, Timeline]]:
    """The end that egress pushes into, and where the samples arrive."""
    timeline = Timeline()
    link = WebRtcLink("c", "en-US", timeline, Watch(0))
    async with running(WebRtcOutput(link, timeline)) as (head, _):
        yield head, timeline


async def test_no_chunk_is_played_after_an_interruption() -> None:
    """The fault: an interruption overtook a chunk pushed just before it, which was played after the cut."""
    async with output() as (head, timeline):
        await head.send(chunk())
        await head.send(InterruptionFrame())  # nothing ran in between: in a queue, both stand in it now
        await head.send(chunk(OTHER))
        await head.send(OutputTransportMessageFrame(message={"mark": "behind"}))
        async with asyncio.timeout(30):
            while not timeline._marks:  # all of it has come
                await asyncio.sleep(0)
        assert timeline.take() == OTHER
        assert timeline.unsent == 0


async def test_what_follows_an_interruption_is_kept() -> None:
    async with output() as (head, timeline):
        for _ in range(3):
            await head.send(chunk())
        await head.send(InterruptionFrame())
        await head.send(chunk())
        await head.send(OutputTransportMessageFrame(message={"mark": "first"}))
        assert timeline.stats.cleared_samples == 3 * CHUNK_SAMPLES
        assert timeline.unsent == CHUNK_SAMPLES
        assert [name for _, name in timeline._marks] == ["first"]
        assert timeline.take() == TONE


async def test_what_egress_takes_back_is_thrown_away_and_nobody_else_is_cut() -> None:
    async with output() as (head, timeline):
        for _ in range(3):
            await head.send(chunk())
        timeline.take()
        await head.send(OutputTransportMessageFrame(message={"clear": True}))
        assert (timeline.unsent, timeline.stats.cleared_samples) == (0, 2 * CHUNK_SAMPLES)
        await head.send(chunk())
        assert timeline.take() == TONE


async def test_samples_are_on_the_timeline_as_soon_as_they_are_pushed() -> None:
    """No queue and no task stands between egress and the track: nothing can be under way."""
    async with output() as (head, timeline):
        for n in range(1, 6):
            await head.send(chunk())
            assert timeline.unsent == n * CHUNK_SAMPLES
