"""One running media stream of Twilio's protocol at the caller.

Each tick (``caller.live``) first returns the marks that are due. A peer that takes
nothing for 5 s ends the stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from controls.errors import OperatorError
from voice_runtime.caller.live import AGENT_PAUSE, Listener, Live, StreamEnded
from voice_runtime.caller.twilio_wire import Outgoing, parse_message
from voice_runtime.events import RATE_HZ

__all__ = ["AGENT_PAUSE", "Listener", "MediaStream", "StreamEnded"]

_SEND_S = 5.0
#: More unplayed audio than this is no voice agent's (10 min), samples.
_MOST_BUFFERED = 600 * RATE_HZ


class MediaStream(Live):
    """The stream from ``start`` to its end.

    Args:
        ws: open socket; ``connected`` and ``start`` are not yet sent.
        out: numbers messages.
        listener: told of the agent's speech.
    """

    def __init__(self, ws: ClientConnection, out: Outgoing, listener: Listener) -> None:
        super().__init__(listener)
        self._ws = ws
        self._out = out
        self._sending = asyncio.Lock()

    async def start(self, parameters: dict[str, str]) -> None:
        """Send ``connected`` and ``start``; sample 0 is now.

        Raises:
            StreamEnded: the server closed first.
        """
        await self._send(self._out.connected())
        await self._send(self._out.start(parameters))
        self.answered_ns = time.monotonic_ns()

    async def stop(self) -> None:
        """Send ``stop`` and close, as Twilio does when the caller hangs up."""
        try:
            await self._send_made(self._out.stop)
        except StreamEnded:
            return
        await self._ws.close()

    def abort(self) -> None:
        """The connection breaks, without a closing frame."""
        self._ws.transport.abort()

    async def _receive(self) -> None:
        try:
            async for data in self._ws:
                await self._take(data)
        except ConnectionClosed:
            pass
        self.close_code = self._ws.close_code

    async def _take(self, data: str | bytes) -> None:
        message = parse_message(data, self._out.stream_sid)
        if message is None or (
            message.event == "media" and self.playout.buffered + len(message.ulaw) > _MOST_BUFFERED
        ):
            self.bad_messages += 1
            return
        back: list[str] = []
        if message.event == "media":
            self.playout.audio(message.ulaw)
        elif message.event == "mark":
            back = self.playout.mark(message.name)
        else:
            back = self.playout.clear()
        await self._return(back)

    async def _return(self, marks: list[str]) -> None:
        for name in marks:
            await self._send_made(lambda n=name: self._out.mark(n))  # type: ignore[misc]

    async def _play(self) -> None:
        await self._return(self.playout.tick())

    async def _send_key(self, key: str) -> None:
        await self._send_made(lambda: self._out.dtmf(key))

    async def _send_words(self, text: str) -> None:
        raise OperatorError("a telephone takes no typed words: use --via webrtc")

    async def _send_audio(self, ulaw: bytes) -> None:
        await self._send_made(lambda: self._out.media(ulaw))

    async def _send_made(self, make: Callable[[], str]) -> None:
        """Number and send a message; nobody else numbers one in between."""
        async with self._sending:
            await self._send(make())

    async def _send(self, message: str) -> None:
        try:
            async with asyncio.timeout(_SEND_S):
                await self._ws.send(message)
        except (ConnectionClosed, TimeoutError):
            raise StreamEnded from None
