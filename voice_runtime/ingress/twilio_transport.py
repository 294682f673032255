"""The two ends of a pipeline on a carrier's media stream: pipecat transports without queues, tasks or pace.

In: a message is read, checked and given to the ear in the call that brought it from
the socket. Only where the ear has something to do that takes time (some moments of a
turn), a task sees it through, and what comes meanwhile waits behind it, at most
``_MOST_LATE`` messages before the peer is told to wait too.

Out: pipecat's own output sleeps one packet's duration after each packet, so nothing
ever lies at the carrier and any stall of ours is a gap in the caller's ear. Here a
packet leaves as soon as egress hands it over: egress keeps the playout lead, and
``clear`` cuts it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    OutputAudioRawFrame,
    StartFrame,
)

from voice_runtime.ingress.straight import StraightInput, StraightOutput, line_params
from voice_runtime.ingress.twilio_serializer import TwilioSerializer
from voice_runtime.ingress.twilio_socket import MediaSocket

#: Messages that may wait for the ear before reading stops: 1 s.
_MOST_LATE = 50


class CarrierInput(StraightInput):
    """What the carrier sends."""

    def __init__(self, socket: MediaSocket, serializer: TwilioSerializer) -> None:
        super().__init__(line_params(), name="carrier-input")
        self._socket = socket
        self._serializer = serializer
        self._on_gone: list[Callable[[], None]] = []
        self._seeing: asyncio.Task[Any] | None = None
        self._doing: Coroutine[Any, Any, None] | None = None
        self._due = asyncio.Event()
        self._late: deque[str | bytes | None] = deque()  # None: the end
        self._over = False

    def on_gone(self, callback: Callable[[], None]) -> None:
        """Call once when the stream ends, unless the pipeline ends before."""
        self._on_gone.append(callback)

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        if self._seeing is None:
            self._seeing = self.create_task(self._see_through(), "carrier-input")
            await self.set_transport_ready(frame)
            self._socket.attend(self._came, lambda: self._came(None))

    async def stop(self, frame: EndFrame) -> None:
        await self._stop()
        await super().stop(frame)

    async def cancel(self, frame: CancelFrame) -> None:
        await self._stop()
        await super().cancel(frame)

    async def cleanup(self) -> None:
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    async def _stop(self) -> None:
        self._over = True
        self._late.clear()
        if self._seeing is asyncio.current_task():
            return  # it ends by itself once it has seen this through
        seeing, self._seeing = self._seeing, None
        if seeing is not None:
            await self.cancel_task(seeing)
            if self._doing is not None:
                self._doing.close()  # it may not have begun

    # -- messages ---------------------------------------------------------------------------------

    def _came(self, data: str | bytes | None) -> None:
        """The socket's: one message, or the end."""
        if self._over:
            return
        if self._doing is None:
            self._doing = self._take(data)
            if self._doing is not None:
                self._due.set()
            return
        self._late.append(data)
        if len(self._late) == _MOST_LATE:
            self._socket.pause(True)

    def _take(self, data: str | bytes | None) -> Coroutine[Any, Any, None] | None:
        """Read one message; what is to be awaited before the next one."""
        got = self._serializer.take(data) if data is not None else None
        if got is None:
            if data is None or self._serializer.ended:
                self._end()
            return None
        if not isinstance(got, bytes):
            return self.push_frame(got)
        try:
            return self.hear(got)
        except Exception as error:  # noqa: BLE001 - reported as pipecat reports what a processor raises
            return self.not_taken(error)

    async def _see_through(self) -> None:
        while not self._over:
            await self._due.wait()
            self._due.clear()
            while self._doing is not None:
                try:
                    await self._doing
                except Exception as error:  # noqa: BLE001 - likewise
                    await self.not_taken(error)
                self._doing = None
                while self._late and self._doing is None and not self._over:
                    self._doing = self._take(self._late.popleft())
            self._socket.pause(False)

    def _end(self) -> None:
        self._over = True
        for callback in self._on_gone:
            callback()


class CarrierOutput(StraightOutput):
    """What goes to the carrier, when egress says so."""

    def __init__(self, socket: MediaSocket, serializer: TwilioSerializer) -> None:
        super().__init__("carrier-output")
        self._socket = socket
        self._serializer = serializer

    async def stop(self, frame: EndFrame) -> None:
        await super().stop(frame)
        await self._socket.close()

    async def cancel(self, frame: CancelFrame) -> None:
        await super().cancel(frame)
        await self._socket.close()

    async def cleanup(self) -> None:
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped
        await self._socket.close()

    async def clear(self) -> None:
        """Discard what the carrier has not played yet."""
        await self._socket.send(self._serializer.clear())

    async def play(self, pcm: bytes) -> None:
        """Send 8 kHz mono s16le samples."""
        await self._socket.send(self._serializer.media(pcm))

    async def tell(self, message: Mapping[str, Any]) -> None:
        """Send a mark; anything else is dropped."""
        text = self._serializer.message(message)
        if text is not None:
            await self._socket.send(text)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        taken = await super().write_audio_frame(frame)
        self._serializer.stats.dropped_out += not taken
        return taken


class MediaTransport:
    """Both of them, for one pipeline. ``on_gone``: the stream has ended."""

    def __init__(self, socket: MediaSocket, serializer: TwilioSerializer) -> None:
        self._input = CarrierInput(socket, serializer)
        self._output = CarrierOutput(socket, serializer)
        self.on_gone = self._input.on_gone

    def input(self) -> CarrierInput:
        """The pipeline's first processor."""
        return self._input

    def output(self) -> CarrierOutput:
        """The pipeline's last processor."""
        return self._output
