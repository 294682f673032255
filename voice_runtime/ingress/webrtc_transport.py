"""A browser call's two ends of the pipeline: pipecat transports over its link and its peer connection.

In: 20 ms of audio as ``InputAudioRawFrame``; keys, typed words and "ready" in the
order they came; and, while the line is lost, a pause of whatever the agent says.
Out: samples and marks to the call's timeline, captions to its page. Ordering: marks
and captions keep their place among the samples. An interruption empties the
timeline at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams

from voice_runtime.events import RATE_HZ, AgentSpeakingFrame, ThinkingFrame
from voice_runtime.ingress.webrtc_link import WebRtcLink
from voice_runtime.ingress.webrtc_peer import Peer
from voice_runtime.ingress.webrtc_timeline import Timeline


def _params() -> TransportParams:
    return TransportParams(
        audio_in_enabled=True,
        audio_in_sample_rate=RATE_HZ,
        audio_out_enabled=True,
        audio_out_sample_rate=RATE_HZ,
        audio_out_10ms_chunks=2,
        audio_out_end_silence_secs=0,
        audio_out_auto_silence=False,
    )


class WebRtcInput(BaseInputTransport):
    """What the caller says, types and presses."""

    def __init__(self, link: WebRtcLink, peer: Peer) -> None:
        super().__init__(_params(), name="webrtc-input")
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
            await self.push_audio_frame(InputAudioRawFrame(audio=chunk, sample_rate=RATE_HZ, num_channels=1))

    async def _take_frames(self) -> None:
        while True:
            await self.push_frame(await self._link.frames.get())

    async def _stop_taking(self) -> None:
        taking, self._taking = self._taking, []
        for task in taking:
            await self.cancel_task(task)


class WebRtcOutput(BaseOutputTransport):
    """What the agent says, and shows."""

    def __init__(self, link: WebRtcLink, timeline: Timeline) -> None:
        super().__init__(_params(), name="webrtc-output")
        self._link = link
        self._timeline = timeline
        self._started = False

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        if not self._started:
            self._started = True
            await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            self._timeline.clear()  # before anything is waited for
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._timeline.write(frame.audio)
        return True

    async def send_message(
        self, frame: OutputTransportMessageFrame | OutputTransportMessageUrgentFrame
    ) -> None:
        self._link.tell(frame.message)


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
