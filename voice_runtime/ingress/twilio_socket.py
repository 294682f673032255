"""One media stream's websocket, once it runs: messages as they come, and one end.

Ordering: messages in the order they came, then the end, once: the peer closed or is
lost, or it takes no byte for ``_SEND_S``. Backpressure: who cannot follow says
``pause``; ``send`` waits while more lies unsent than the transport wants. What is sent
leaves in the order of the calls of ``send``, whoever waits and whoever need not. Closing:
``close``, once; harmless when closed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from fastapi import WebSocket
from loguru import logger
from starlette.websockets import WebSocketDisconnect, WebSocketState

from voice_runtime.ingress.direct_protocol import DirectProtocol, MessageCallback
from voice_runtime.ingress.twilio_serializer import TwilioSerializer

#: WebSocket close codes (RFC 6455, 7.4.1).
CLOSE_NORMAL = 1000
CLOSE_POLICY = 1008
CLOSE_INTERNAL = 1011

#: A peer that takes no byte for this long is gone, s.
_SEND_S = 5.0
#: How long a close frame may wait behind what was not taken, s.
_CLOSE_S = 0.5


class MediaSocket:
    """See the module.

    Args:
        websocket: accepted, served with ``ws=DirectProtocol``.
        serializer: the stream's: a peer that spoke nonsense is told so when it is closed.

    Raises:
        RuntimeError: it is served otherwise.
    """

    def __init__(self, websocket: WebSocket, serializer: TwilioSerializer) -> None:
        self._websocket = websocket
        self._direct = DirectProtocol.of(websocket)
        self._serializer = serializer
        self._on_end: Callable[[], None] | None = None
        self._stuck = False
        self._waiting = 0
        self._turn = asyncio.Lock()  # first come, first served
        self._closing = asyncio.Lock()

    def attend(self, on_message: MessageCallback, on_end: Callable[[], None]) -> None:
        """Hand over messages and their end from now on. Neither function may raise, or wait."""
        self._on_end = on_end
        self._direct.attend(on_message, self._ended)

    def pause(self, paused: bool) -> None:
        """Read no more from the peer, or go on."""
        self._direct.pause(paused)

    async def send(self, text: bytes) -> None:
        """Send one message, unless the peer takes nothing any more."""
        if (
            self._waiting or self._direct.full
        ):  # who was let go on has not sent yet: a ``clear`` must not pass
            self._waiting += 1
            try:
                async with self._turn:
                    await self._room()
                    self._put(text)
            finally:
                self._waiting -= 1
        else:
            self._put(text)

    def _put(self, text: bytes) -> None:
        if not self._stuck:
            self._direct.put(text)

    async def _room(self) -> None:
        """Wait until the peer has taken enough; one that takes nothing for too long is gone."""
        if self._stuck or not self._direct.full:
            return
        try:
            async with asyncio.timeout(_SEND_S):
                await self._direct.drained()
        except TimeoutError:
            self._stuck = True
            logger.warning("the carrier takes no more media; the stream counts as ended")
            self._ended()

    async def close(self, code: int = CLOSE_NORMAL) -> None:
        """Close once; harmless when closed. A peer that spoke nonsense is told so whoever closes."""
        if self._serializer.ended == "protocol" and code == CLOSE_NORMAL:
            code = CLOSE_POLICY
        async with self._closing:
            if self._websocket.application_state is WebSocketState.DISCONNECTED:
                return
            with contextlib.suppress(RuntimeError, WebSocketDisconnect, TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._websocket.close(code)

    def _ended(self) -> None:
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end()
