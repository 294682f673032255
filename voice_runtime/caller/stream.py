"""One running media stream of Twilio's protocol at the caller.

Each tick (``caller.live``) first returns the marks that are due. A server may send as fast as it
likes: what it sends is read at about a hundred times real time and no faster, and ten minutes of
unplayed audio are the most that is kept; what is over counts as a bad message. A peer that takes
next to nothing for 5 s ends the stream.
"""

from __future__ import annotations

import time
from contextlib import suppress

from controls.errors import OperatorError
from voice_runtime.caller.live import AGENT_PAUSE, Listener, Live, StreamEnded
from voice_runtime.caller.media_socket import MediaSocket, SocketClosed
from voice_runtime.caller.ticker import shared_ticker
from voice_runtime.caller.twilio_wire import Incoming, Outgoing, parse_message
from voice_runtime.events import RATE_HZ

__all__ = ["AGENT_PAUSE", "Listener", "MediaStream", "StreamEnded"]

#: So much audio may wait for the peer to take it (64 KiB: about 4 s), bytes, for so long, ns.
_MOST_UNSENT = 1 << 16
_STUCK_NS = 5_000_000_000
#: That is looked at every so many ticks.
_LOOKED_AFTER = 10
#: More unplayed audio than this is no voice agent's (10 min), samples; nor are so many pieces and marks.
_MOST_BUFFERED = 600 * RATE_HZ
_MOST_QUEUED = 60_000
#: After so many messages within a tick nothing is read until the next: other calls want to tick, too.
_MOST_PER_TICK = 100


class MediaStream(Live):
    """The stream from ``start`` to its end.

    Args:
        ws: open socket; ``connected`` and ``start`` are not yet sent.
        out: numbers messages.
        listener: told of the agent's speech.
    """

    def __init__(self, ws: MediaSocket, out: Outgoing, listener: Listener) -> None:
        super().__init__(listener)
        self._ws = ws
        self._out = out
        self._hung_up = False
        self._taken = 0
        self._stuck_since_ns: int | None = None
        ws.attend(self._take, self._lost)

    def start(self, parameters: dict[str, str]) -> None:
        """Send ``connected`` and ``start``; sample 0 is now, or at the ticker's next place.

        Raises:
            StreamEnded: the server closed first.
        """
        self._send(self._out.connected())
        self._send(self._out.start(parameters))
        self.answered_ns = shared_ticker().place(time.monotonic_ns())

    async def stop(self) -> None:
        """Send ``stop`` and close, as Twilio does when the caller hangs up."""
        self._hung_up = True
        self._fall_silent()
        self._ws.pause(False)
        with suppress(StreamEnded):
            self._send(self._out.stop())
            await self._ws.close()
        self._end()

    def abort(self) -> None:
        """The connection breaks, without a closing frame."""
        self._ws.transport.abort()

    # -- what comes -------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        if self._hung_up or self._closed.is_set():
            return
        self._taken += 1
        if self._taken == _MOST_PER_TICK:
            self._ws.pause(True)
        message = parse_message(data, self._out.stream_sid)
        if message is None or not self._has_room(message):
            self.bad_messages += 1
            return
        back: list[str] = []
        if message.event == "media":
            self.playout.audio(message.ulaw)
            self.arrivals.note(time.monotonic_ns(), len(message.ulaw))
        elif message.event == "mark":
            back = self.playout.mark(message.name)
        else:
            back = self.playout.clear()
            self.arrivals.cleared()
        try:
            self._return(back)
        except StreamEnded:
            self._end()

    def _has_room(self, message: Incoming) -> bool:
        if message.event == "clear":
            return True
        playout = self.playout
        return playout.queued < _MOST_QUEUED and playout.buffered + len(message.ulaw) <= _MOST_BUFFERED

    def _lost(self) -> None:
        self.close_code = self._ws.close_code
        if not self._hung_up:  # a server that closes because we hung up did not end the call
            self._end()

    # -- what goes --------------------------------------------------------------------------------

    def _play(self) -> None:
        if self._taken:
            self._taken = 0
            self._ws.pause(False)
        back = self.playout.tick()
        if back:
            self._return(back)

    def _return(self, marks: list[str]) -> None:
        for name in marks:
            self._send(self._out.mark(name))

    def _send_key(self, key: str) -> None:
        self._send(self._out.dtmf(key))

    def _send_words(self, text: str) -> None:
        raise OperatorError("a telephone takes no typed words: use --via webrtc")

    def _send_audio(self, ulaw: bytes) -> None:
        self._send(self._out.media(ulaw))
        if self._out.chunk % _LOOKED_AFTER == 0:
            self._see_to_it_that_it_is_taken()

    def _see_to_it_that_it_is_taken(self) -> None:
        """Now and then.

        Raises:
            StreamEnded: the peer has taken next to nothing for 5 s.
        """
        if self._ws.unsent <= _MOST_UNSENT:
            self._stuck_since_ns = None
            return
        now = time.monotonic_ns()
        self._stuck_since_ns = self._stuck_since_ns or now
        if now - self._stuck_since_ns > _STUCK_NS:
            self._ws.transport.abort()
            raise StreamEnded

    def _send(self, message: str) -> None:
        try:
            self._ws.put(message)
        except SocketClosed:
            raise StreamEnded from None
