"""Audio straight through pipecat's transports: no queue and no task between the wire, the ear and egress.

pipecat's input puts each 20 ms into a queue that another task empties with a
time limit of its own (in Python 3.11 a further task for each chunk); its output
passes them through two queues of the processor and one of the media sender. All
that is made for transports that must mix, resample, filter or pace. Ours do
not: the ear takes 20 ms as they come, and egress, which is the only one to send
audio, has cut, paced and paused it. What is left out is measured in
``loadtests/NOTES.md``.

Where the next processor is a ``ports.Listener`` it gets samples and no frames, of
which each would be made, numbered and named for one neighbour; everything that is
not audio stays a frame.

Ordering: what the ear makes of a chunk is pushed before the next chunk is read;
audio, marks and captions leave in the order egress pushes them. An interruption
finds nothing on its way, so nothing of what it cut is sent after the ``clear``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    OutputTransportReadyFrame,
    StartFrame,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.utils.errors import ErrorCategory

from voice_runtime.events import RATE_HZ
from voice_runtime.ports import Listener


def line_params() -> TransportParams:
    """8 kHz mono both ways, 20 ms chunks, nothing added."""
    return TransportParams(
        audio_in_enabled=True,
        audio_in_sample_rate=RATE_HZ,
        audio_out_enabled=True,
        audio_out_sample_rate=RATE_HZ,
        audio_out_10ms_chunks=2,
        audio_out_end_silence_secs=0,
        audio_out_auto_silence=False,
    )


class StraightInput(BaseInputTransport):
    """A pipecat input whose audio goes to the next processor at once. It neither filters nor times out."""

    _listener: Listener | None = None

    def _create_audio_task(self) -> None:
        """There is no queue to empty. Media that stops is the ear's to notice."""

    def hear(self, pcm: bytes) -> Coroutine[Any, Any, None] | None:
        """Give 8 kHz s16le samples to the ear; what is to be awaited before the next ones, mostly nothing."""
        if self._paused:
            return None
        if self._listener is not None:
            return self._listener.hear(pcm)
        ear: object = self.next
        if isinstance(ear, Listener):  # a look at each of its attributes, so once a call
            self._listener = ear
            return ear.hear(pcm)
        return self.push_audio_frame(InputAudioRawFrame(audio=pcm, sample_rate=RATE_HZ, num_channels=1))

    async def not_taken(self, error: Exception) -> None:
        """``hear`` raised, or what it returned."""
        why = f"audio was not taken: {type(error).__name__}"
        await self.push_error(why, error, category=ErrorCategory.UNKNOWN)

    async def push_audio_frame(self, frame: InputAudioRawFrame) -> None:
        """Give the chunk to the ear; returns when it has been taken."""
        if self._params.audio_in_enabled and not self._paused and self.next is not None:
            await self.next.queue_frame(frame, FrameDirection.DOWNSTREAM)


class StraightOutput(BaseOutputTransport):
    """A pipecat output that writes audio and messages at once.

    It has none of pipecat's media senders, of which each keeps three tasks, a thread pool and a
    resampler, and wakes every 0.35 s to see whether somebody speaks: egress knows that.
    """

    def __init__(self, name: str) -> None:
        super().__init__(line_params(), name=name, enable_direct_mode=True)
        self._started = False

    @abstractmethod
    async def play(self, pcm: bytes) -> None:
        """Send 8 kHz mono s16le samples (``ports.Outlet``)."""

    @abstractmethod
    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send one of the link's own messages (``ports.Outlet``)."""

    @abstractmethod
    async def clear(self) -> None:
        """Discard what was sent and has not sounded."""

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        if not self._started:
            self._started = True
            await self.set_transport_ready(frame)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InterruptionFrame):
            await self.clear()  # before anything else is waited for
        await super().process_frame(frame, direction)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """``BaseOutputTransport``, for whoever sends frames; what is not 8 kHz mono samples is dropped."""
        if frame.sample_rate != RATE_HZ or frame.num_channels != 1 or len(frame.audio) % 2:
            logger.error("audio for a caller was not 16-bit mono at 8 kHz")
            return False
        await self.play(frame.audio)
        return True

    async def send_message(
        self, frame: OutputTransportMessageFrame | OutputTransportMessageUrgentFrame
    ) -> None:
        """``BaseOutputTransport``, for whoever sends frames."""
        await self.tell(frame.message)

    async def set_transport_ready(self, frame: StartFrame) -> None:
        """Audio can be sent: say so upstream."""
        await self.push_frame(OutputTransportReadyFrame(), FrameDirection.UPSTREAM)

    async def _handle_frame(self, frame: Frame) -> None:
        if isinstance(frame, OutputAudioRawFrame):
            await self.write_audio_frame(frame)
        elif isinstance(frame, OutputTransportMessageFrame):
            await self.send_message(frame)
        elif not isinstance(frame, InterruptionFrame):  # which has gone on before it comes here
            await self.push_frame(frame)
