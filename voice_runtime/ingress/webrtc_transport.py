"""A browser call's two ends of the pipeline: pipecat transports over its link and its peer connection.

In: 20 ms of audio after another, straight to the ear; keys, typed words and "ready" in the
order they came; and, while the line is lost, a pause of whatever the agent says.
Out: samples and marks to the call's timeline, captions to its page. Ordering: samples,
marks, captions and interruptions take effect in the order egress pushes them. An
interruption empties the timeline at once, and nothing from before it is written later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voice_runtime.events import AgentSpeakingFrame, ThinkingFrame
from voice_runtime.ingress.straight import StraightInput, StraightOutput, line_params
from voice_runtime.ingress.webrtc_link import WebRtcLink
from voice_runtime.ingress.webrtc_peer import Peer
from voice_runtime.ingress.webrtc_timeline import Timeline


class WebRtcInput(StraightInput):
    """What the caller says, types and presses."""

    def __init__(self, link: WebRtcLink, peer: Peer) -> None:
        super().__init__(line_params(), name="webrtc-input")
        self._link = link
        self._peer = peer
        self._taking: list[asyncio.Task[Any]] = []

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        if self._taking:
            return
        await self.set_transport_ready(frame)
        self._taking = [
            self.create_task(self._take_audio(), "webrtc-audio"),
            self.create_task(self._take_frames(), "webrtc-frames"),
        ]

    async def stop(self, frame: EndFrame) -> None:
        await self._stop_taking()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        await self._stop_taking()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        await self._stop_taking()
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    async def _take_audio(self) -> None:
        async for chunk in self._peer.audio():
            try:
                if (doing := self.hear(chunk)) is not None:
                    await doing
            except Exception as error:  # noqa: BLE001 - reported as pipecat reports what a processor raises
                await self.not_taken(error)

    async def _take_frames(self) -> None:
        while True:
            await self.push_frame(await self._link.frames.get())

    async def _stop_taking(self) -> None:
        taking, self._taking = self._taking, []
        for task in taking:
            await self.cancel_task(task)


class WebRtcOutput(StraightOutput):
    """What the agent says, and shows."""

    def __init__(self, link: WebRtcLink, timeline: Timeline) -> None:
        super().__init__("webrtc-output")
        self._link = link
        self._timeline = timeline

    async def clear(self) -> None:
        """Empty the timeline of what has not left."""
        self._timeline.clear()

    async def play(self, pcm: bytes) -> None:
        """Write whole chunks of 20 ms, 8 kHz mono s16le, to the timeline."""
        self._timeline.write(pcm)

    async def tell(self, message: Mapping[str, Any]) -> None:
        """A mark or a caption."""
        self._link.tell(message)


class FloorShown(FrameProcessor):
    """Shows the page who has the floor. Its place is right behind the ear, which keeps these frames."""

    def __init__(self, link: WebRtcLink) -> None:
        super().__init__(name="floor-shown")
        self._link = link
        self._speaking = self._thinking = False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, AgentSpeakingFrame):
            self._speaking = frame.speaking
            self._show()
        elif isinstance(frame, ThinkingFrame):
            self._thinking = frame.active
            self._show()
        await self.push_frame(frame, direction)

    def _show(self) -> None:
        self._link.show("speaking" if self._speaking else "thinking" if self._thinking else "listening")
