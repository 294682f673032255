"""A websocket without queues: each message is taken as it arrives, and sent as it is made.

The opening, closing and framing (RFC 6455) are those of ``websockets``. What it leaves
out is what a stream of small messages pays for most: a queue, a task and a future for
each of them. So whoever takes messages takes them quickly, and never waits.

A caller's own socket (``MediaSocket``) does without an object for each frame, too: a text
message in one frame of less than 64 KiB, which is all that a stream is made of, it reads and writes itself.
Whatever else comes (control frames, fragments, what breaks the protocol) is ``websockets``' business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import Connection
from websockets.exceptions import InvalidState
from websockets.frames import DATA_OPCODES, Frame
from websockets.protocol import State

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without a wheel
    from websockets.utils import apply_mask

#: First byte of a frame that is a whole text message: FIN, no extension, opcode 1 (RFC 6455, 5.2).
_TEXT = 0x81
_MASKED = 0x80
#: The longest payload whose length is in the second byte, the longest with two bytes more, and their sign.
_SHORT, _MIDDLING, _TWO_MORE = 125, 65_535, 126
#: Masking keys are drawn so many bytes at a time: a system call for each costs more than the masking.
_KEYS = 4096
_END_OF_HEAD = b"\r\n\r\n"


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
    """A client's: give it to ``connect(create_connection=…)``, without compression."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._keys, self._next_key = b"", _KEYS
        self._answer_ends = b""  # the last bytes of the answer to the opening, until all of it is there
        self._rest = b""  # the beginning of a frame
        self._opened = self._left_alone = False

    def put(self, message: str) -> None:
        """As ``Unqueued.put``, masked (RFC 6455, 5.3)."""
        if self.protocol.state is not State.OPEN:
            raise SocketClosed
        data = message.encode()
        size = len(data)
        if size > _MIDDLING:
            super().put(message)
            return
        at = self._next_key
        if at == _KEYS:
            self._keys, at = secrets.token_bytes(_KEYS), 0
        self._next_key = at + 4
        key = self._keys[at : at + 4]
        if size <= _SHORT:
            head = bytes((_TEXT, _MASKED | size))
        else:
            head = bytes((_TEXT, _MASKED | _TWO_MORE, size >> 8, size & 0xFF))
        self.transport.write(head + key + apply_mask(data, key))

    def data_received(self, data: bytes) -> None:
        """``asyncio.Protocol``: plain messages go straight on, everything else to ``websockets``.

        It is given whole frames only, so that it is never left in the midst of one, until the connection
        closes or a frame comes that is no stream's; from there on it is given everything.
        """
        if not self._opened:
            data = self._after_the_answer(data)
        if not self._left_alone:
            data = self._after_messages(self._rest + data if self._rest else data)
        if data:
            super().data_received(data)

    def _after_the_answer(self, data: bytes) -> bytes:
        """Give the answer to the opening to ``websockets``; returns what comes behind it."""
        begins = len(self._answer_ends)
        seen = self._answer_ends + data
        end = seen.find(_END_OF_HEAD)
        if end < 0:
            self._answer_ends = seen[-len(_END_OF_HEAD) + 1 :]
            super().data_received(data)
            return b""
        end += len(_END_OF_HEAD) - begins
        super().data_received(data[:end])
        self._opened, self._answer_ends = True, b""
        return data[end:]

    def _after_messages(self, data: bytes) -> bytes:
        """Hand over the messages at the beginning of ``data``, and give whole frames of other kinds on.

        Returns:
            What is left to ``websockets``, which takes everything from there on; b"" as a rule.
        """
        at, end, protocol = 0, len(data), self.protocol
        while protocol.state is State.OPEN:
            if end - at < 2:
                break
            size, begins = data[at + 1], at + 2
            if size == _TWO_MORE:
                if end - at < 4:
                    break
                size, begins = data[at + 2] << 8 | data[at + 3], at + 4
            elif size > _TWO_MORE:  # 64 KiB and more; or masked, which a server must not
                self._left_alone, self._rest = True, b""
                return data[at:]
            behind = begins + size
            if behind > end:
                break
            if data[at] == _TEXT and not self._parts:
                self._on_message(data[begins:behind])
            else:
                super().data_received(data[at:behind])
            at = behind
        else:
            self._left_alone, self._rest = True, b""
            return data[at:]
        self._rest = data[at:]
        return b""
