"""One running media stream at the caller: 20 ms out, 20 ms played, on one absolute clock.

Tick ``k`` is due at ``answered + k * 20 ms``, however late earlier ticks were.
It returns marks that are due, plays the next 20 ms and sends the next 20 ms, so
sample indices of both directions are on the same clock (``results.sent_at_ms``,
``results.played_at_ms``). A peer that takes nothing for 5 s ends the stream.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_runtime.caller import audible
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.speech import Spoken
from voice_runtime.caller.twilio_wire import Outgoing, parse_message
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ

_TICK_NS = CHUNK_MS * 1_000_000
_SEND_S = 5.0
#: The agent counts as silent after so much silence, samples (300 ms).
AGENT_PAUSE = RATE_HZ * 300 // 1000
#: More unplayed audio than this is no voice agent's (10 min), samples.
_MOST_BUFFERED = 600 * RATE_HZ


class StreamEnded(Exception):
    """The stream is over: no step can be taken in it any more."""


class Listener(Protocol):
    """Told of the agent's speech as it is played."""

    def agent_started(self, sample: int) -> None:
        """First audible sample after a silence."""
        ...

    def agent_stopped(self, sample: int) -> None:
        """End of the last audible window before a silence of ``AGENT_PAUSE``."""
        ...


class MediaStream:
    """The stream from ``start`` to its end. Use ``run`` in a task of its own.

    Args:
        ws: open socket; ``connected`` and ``start`` are not yet sent.
        out: numbers messages.
        listener: told of the agent's speech.
    """

    def __init__(self, ws: ClientConnection, out: Outgoing, listener: Listener) -> None:
        self.playout = Playout()
        self.answered_ns = 0
        self.bad_messages = 0
        self.close_code: int | None = None
        #: Samples sent: where the next packet starts.
        self.sent = 0
        self._ws = ws
        self._out = out
        self._listener = listener
        self._speech = bytearray()
        self._keys: list[str] = []
        self._sending = asyncio.Lock()
        self._ticked = asyncio.Event()
        self._closed = asyncio.Event()
        self._late_ms: Counter[int] = Counter()
        self._worst_late_ns = 0
        self._agent_speaks = False

    # -- the caller's side ------------------------------------------------------------------------

    def say(self, spoken: Spoken) -> int:
        """Queue a sound behind what is being said; returns the index of its first sample."""
        start = self.sent + len(self._speech)
        self._speech += spoken.ulaw
        return start

    def press(self, key: str) -> int:
        """Press a key with the next packet; returns that packet's last sample."""
        self._keys.append(key)
        return self.sent + CHUNK_SAMPLES - 1

    @property
    def saying(self) -> bool:
        """Whether something queued has not been sent."""
        return bool(self._speech)

    async def start(self, parameters: dict[str, str]) -> None:
        """Send ``connected`` and ``start``; sample 0 is now.

        Raises:
            StreamEnded: the server closed first.
        """
        await self._send(self._out.connected())
        await self._send(self._out.start(parameters))
        self.answered_ns = time.monotonic_ns()

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait, tick by tick, until ``condition`` holds; False when ``timeout_s`` of media passed.

        Raises:
            StreamEnded: the stream ended first.
        """
        last = self.playout.now + int(timeout_s * RATE_HZ)
        while not condition():
            if self._closed.is_set():
                raise StreamEnded
            if self.playout.now >= last:
                return False
            await self._ticked.wait()
        return True

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

    # -- the loops --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick and receive until either side closes."""
        receiving = asyncio.create_task(self._receive(), name="caller-receive")
        ticking = asyncio.create_task(self._tick_on(), name="caller-ticks")
        try:
            done, _ = await asyncio.wait({receiving, ticking}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) and not isinstance(error, StreamEnded):
                    raise error
        finally:
            for task in (receiving, ticking):
                task.cancel()
            await asyncio.gather(receiving, ticking, return_exceptions=True)
            self._closed.set()
            self._ticked.set()

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

    async def _tick_on(self) -> None:
        tick = 0
        while True:
            wait_ns = self.answered_ns + tick * _TICK_NS - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            self._note_lateness(time.monotonic_ns() - self.answered_ns - tick * _TICK_NS)
            await self._return(self.playout.tick())
            for key in self._take_keys():
                await self._send_made(lambda k=key: self._out.dtmf(k))  # type: ignore[misc]
            packet = bytes(self._speech[:CHUNK_SAMPLES])
            del self._speech[:CHUNK_SAMPLES]
            packet += audible.ULAW_SILENCE * (CHUNK_SAMPLES - len(packet))
            await self._send_made(lambda p=packet: self._out.media(p))  # type: ignore[misc]
            self.sent += CHUNK_SAMPLES
            tick += 1
            self._watch_agent()
            self._ticked.set()
            self._ticked.clear()

    def _take_keys(self) -> list[str]:
        keys, self._keys = self._keys, []
        return keys

    def _watch_agent(self) -> None:
        end = self.playout.last_loud
        if end is None:
            return
        if not self._agent_speaks and end > self.playout.now - CHUNK_SAMPLES:
            self._agent_speaks = True
            first = self.playout.first_audible(self.playout.now - CHUNK_SAMPLES)
            self._listener.agent_started(first if first is not None else end)
        elif self._agent_speaks and self.playout.now - end >= AGENT_PAUSE:
            self._agent_speaks = False
            self._listener.agent_stopped(end)

    # -- sending ----------------------------------------------------------------------------------

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

    # -- lateness ---------------------------------------------------------------------------------

    def _note_lateness(self, late_ns: int) -> None:
        self._worst_late_ns = max(self._worst_late_ns, late_ns)
        self._late_ms[max(0, late_ns) // 1_000_000] += 1

    @property
    def late_worst_ms(self) -> float:
        """How late the worst tick was, ms."""
        return self._worst_late_ns / 1e6

    @property
    def late_p99_ms(self) -> float:
        """99th percentile of the ticks' lateness, rounded up to whole ms."""
        left = sum(self._late_ms.values()) * 0.01
        for late in sorted(self._late_ms, reverse=True):
            left -= self._late_ms[late]
            if left <= 0:
                return float(late + 1) if late else 0.0
        return 0.0
