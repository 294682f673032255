"""Websocket messages without a queue: uvicorn's protocol, handing each over as it arrives to whoever attends.

A stream of small messages pays most for what is made around each of them: an event, a
queue, a task that is woken, reading stopped and begun anew at the operating system, and
a parser that asks for four pieces of one frame. Here a message that is whole in what
the socket just gave, one masked text frame (RFC 6455, 5.2; what carriers send), is
unmasked and handed over on the spot. Opening, closing, control frames, fragments,
halves, and whatever is wrong stay with ``websockets`` and uvicorn.

Until ``attend`` is called, and on every other websocket, it is uvicorn's own protocol
and an ASGI application's own messages. Ordering: messages in the order they came, the
end last and once. Loss: none; who cannot follow says ``pause``. Sending: see ``put``.
Serve with ``uvicorn.Config(ws=DirectProtocol)``; ``DirectProtocol.of`` finds a websocket's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping
from typing import Any

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it was built
from websockets.protocol import State

_EXTENSION = "sayso.direct"
#: First byte of a whole text message; bit of a masked frame; what says that the length is in two bytes more.
_TEXT, _MASKED, _LENGTH_16 = 0x81, 0x80, 126

MessageCallback = Callable[[str | bytes], None]


class _Inbox(asyncio.Queue[Any]):
    """Where uvicorn leaves events for the application: a queue, until somebody takes them as they come."""

    deliver: Callable[[Mapping[str, Any]], None] | None = None

    def put_nowait(self, item: Any) -> None:
        if self.deliver is None:
            super().put_nowait(item)
        else:
            self.deliver(item)


class DirectProtocol(WebSocketsSansIOProtocol):
    """One connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue = self._inbox = _Inbox()
        self._on_message: MessageCallback | None = None
        self._on_end: Callable[[], None] | None = None
        self._paused = False
        self._between = False

    @staticmethod
    def of(websocket: WebSocket) -> DirectProtocol:
        """The connection of a websocket.

        Raises:
            RuntimeError: it is not served with ``ws=DirectProtocol``.
        """
        found = websocket.scope.get("extensions", {}).get(_EXTENSION)
        if not isinstance(found, DirectProtocol):
            raise RuntimeError("serve media with uvicorn.Config(ws=DirectProtocol)")
        return found

    # -- for whoever attends ----------------------------------------------------------------------

    def attend(self, on_message: MessageCallback, on_end: Callable[[], None]) -> None:
        """Hand over messages (those that wait, first) and their end. Neither function may raise, or wait.

        Reading goes on, unless ``on_message`` has said ``pause`` to one of those that waited.
        """
        self._on_message, self._on_end = on_message, on_end
        while not self.queue.empty():
            self._deliver(self.queue.get_nowait())
        self._inbox.deliver = self._deliver
        self._tell_boundaries()
        if not self._paused:
            self.pause(False)  # uvicorn has stopped reading at what waited

    def pause(self, paused: bool) -> None:
        """Read no more from the peer, or go on; what was read already is still handed over."""
        self._paused = paused
        if paused is not self.read_paused and not self.transport.is_closing():
            self.read_paused = paused
            if paused:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def put(self, text: bytes) -> bool:
        """Send a text message (UTF-8) behind what was sent before; False: closed, nothing was sent.

        It never waits: who sends much looks at ``full`` before.
        """
        if self.conn.state is not State.OPEN or self.transport.is_closing():
            return False
        length = len(text)
        if length < 126:
            head = bytes((_TEXT, length))
        elif length < 65536:
            head = b"\x81\x7e" + length.to_bytes(2, "big")
        else:
            head = b"\x81\x7f" + length.to_bytes(8, "big")
        self.transport.write(head + text)
        return True

    @property
    def full(self) -> bool:
        """More lies unsent than the transport's high-water mark."""
        return not self.writable.is_set()

    async def drained(self) -> None:
        """Wait until it is not ``full``, or the connection is lost."""
        await self.writable.wait()

    # -- asyncio's and uvicorn's ------------------------------------------------------------------

    def handle_connect(self, event: Any) -> None:
        """The opening request came; the application runs after this."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            self.scope["extensions"][_EXTENSION] = self  # type: ignore[assignment]  # ours, for our own use

    def data_received(self, data: bytes) -> None:
        """``asyncio.Protocol``."""
        rest = self._whole_texts(data) if self._between else data
        if rest:
            super().data_received(rest)
            if self._on_message is not None and not self._paused:
                self.pause(False)  # uvicorn stops reading at each message

    def _whole_texts(self, data: bytes) -> bytes:
        """Hand over the whole text messages at the beginning of data; returns the rest."""
        take, conn, end, at = self._on_message, self.conn, len(data), 0
        if take is None or conn.state is not State.OPEN or conn.current_size is not None:
            return data
        most = self.config.ws_max_size
        while end - at >= 8 and data[at] == _TEXT:
            length, body = data[at + 1] - _MASKED, at + 6
            if length == _LENGTH_16:
                length, body = data[at + 2] << 8 | data[at + 3], at + 8
            elif not 0 <= length < _LENGTH_16:
                break
            if body + length > end or length > most:
                break
            try:
                text = apply_mask(data[body : body + length], data[body - 4 : body]).decode()
            except UnicodeDecodeError:
                break  # uvicorn closes with 1007
            at = body + length
            take(text)
        return data[at:] if at else data

    def _tell_boundaries(self) -> None:
        """Know from now on whether ``websockets``' parser waits for the first byte of a frame."""
        reader = self.conn.reader
        at_eof = reader.at_eof

        def told() -> Generator[None, None, bool]:
            self._between = True
            ended = yield from at_eof()
            self._between = False
            return ended

        reader.at_eof = told  # type: ignore[method-assign]

    def _deliver(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "websocket.receive" and self._on_message is not None:
            text = event.get("text")
            self._on_message(event["bytes"] if text is None else text)
        elif event["type"] == "websocket.disconnect" and self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end()
