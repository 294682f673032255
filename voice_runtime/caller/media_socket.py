"""A websocket without queues: each message is taken as it arrives, and sent as it is made.

The opening, closing and framing (RFC 6455) are those of ``websockets``. What it leaves
out is what a stream of small messages pays for most: a queue, a task and a future for
each of them. So whoever takes messages takes them quickly, and never waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.exceptions import InvalidState
from websockets.frames import DATA_OPCODES, Frame


class SocketClosed(Exception):
    """Nothing can be sent any more."""


class Unqueued(Connection):
    """Either side's connection, mixed into ``websockets``' own; ``attend`` it once it is open."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._early: list[bytes] = []
        self._parts: list[bytes] = []
        self._on_message: Callable[[bytes], None] = self._early.append
        self._on_lost: Callable[[], None] | None = None
        self._reading = True

    def attend(self, on_message: Callable[[bytes], None], on_lost: Callable[[], None]) -> None:
        """Hand over whole messages (those that came before, too), and say when the connection is gone.

        Neither function may raise.
        """
        self._on_message, self._on_lost = on_message, on_lost
        early, self._early = self._early, []
        for message in early:
            on_message(message)
        if self.close_code is not None:
            on_lost()

    def put(self, message: str) -> None:
        """Send a text message; what the peer does not take yet waits in ``unsent``.

        Raises:
            SocketClosed: it is closing, or closed.
        """
        try:
            self.protocol.send_text(message.encode())
        except InvalidState:
            raise SocketClosed from None
        self.send_data()

    @property
    def unsent(self) -> int:
        """Bytes the operating system has not taken yet."""
        return self.transport.get_write_buffer_size()

    def pause(self, paused: bool) -> None:
        """Read no more from the peer until told to; harmless when it is so already, or closed."""
        if self._reading is paused and not self.transport.is_closing():
            self._reading = not paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def process_event(self, event: Any) -> None:
        """``websockets``' seam for what arrives: data frames go straight on."""
        if not isinstance(event, Frame) or event.opcode not in DATA_OPCODES:
            super().process_event(event)
        elif event.fin and not self._parts:
            self._on_message(bytes(event.data))
        else:  # a fragmented message; ``max_size`` bounds it as a whole
            self._parts.append(bytes(event.data))
            if event.fin:
                whole, self._parts = b"".join(self._parts), []
                self._on_message(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        """``asyncio.Protocol``."""
        super().connection_lost(exc)
        if self._on_lost is not None:
            self._on_lost()


class MediaSocket(Unqueued, ClientConnection):
    """A client's: give it to ``connect(create_connection=…)``."""
