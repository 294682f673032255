"""A running call at the caller, whatever the carrier: 20 ms said, 20 ms played, on one absolute clock.

Tick ``k`` is due at ``answered + k * 20 ms``, however late earlier ticks were. It
plays the next 20 ms and sends the next 20 ms, so sample indices of both directions
are on the same clock (``results.sent_at_ms``, ``results.played_at_ms``).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from voice_runtime.caller import audible, measure
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.speech import Spoken
from voice_runtime.events import CHUNK_MS, CHUNK_SAMPLES, RATE_HZ

_TICK_NS = CHUNK_MS * 1_000_000
#: The agent counts as silent after so much silence, samples (300 ms).
AGENT_PAUSE = RATE_HZ * 300 // 1000


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


class Live(ABC):
    """One stream from its first tick to its end. Use ``run`` in a task of its own.

    Args:
        listener: told of the agent's speech.
    """

    def __init__(self, listener: Listener) -> None:
        self.playout = Playout()
        self.answered_ns = 0
        self.bad_messages = 0
        self.close_code: int | None = None
        #: Samples sent: where the next packet starts.
        self.sent = 0
        self._listener = listener
        self._speech = bytearray()
        self._keys: list[str] = []
        self._typed: list[str] = []
        self._ticked = asyncio.Event()
        self._closed = asyncio.Event()
        self._late_ms: Counter[int] = Counter()
        self._worst_late_ns = 0
        self._agent_speaks = False

    # -- what a carrier makes of it ---------------------------------------------------------------

    @abstractmethod
    async def stop(self) -> None:
        """Hang up, as a caller does."""

    @abstractmethod
    def abort(self) -> None:
        """The connection breaks, without a word."""

    @abstractmethod
    async def _receive(self) -> None:
        """Take what comes until the stream is over."""

    @abstractmethod
    async def _play(self) -> None:
        """Play the next 20 ms: ``playout.tick``, and what the carrier does about it."""

    @abstractmethod
    async def _send_key(self, key: str) -> None: ...

    @abstractmethod
    async def _send_words(self, text: str) -> None: ...

    @abstractmethod
    async def _send_audio(self, ulaw: bytes) -> None:
        """Send 20 ms.

        Raises:
            StreamEnded: the other side takes no more.
        """

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

    def type(self, text: str) -> int:
        """Send typed words with the next packet; returns that packet's last sample."""
        self._typed.append(text)
        return self.sent + CHUNK_SAMPLES - 1

    @property
    def saying(self) -> bool:
        """Whether something queued has not been sent."""
        return bool(self._speech)

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

    async def _tick_on(self) -> None:
        tick = 0
        while True:
            wait_ns = self.answered_ns + tick * _TICK_NS - time.monotonic_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / 1e9)
            self._note_lateness(time.monotonic_ns() - self.answered_ns - tick * _TICK_NS)
            await self._play()
            keys, self._keys = self._keys, []
            for key in keys:
                await self._send_key(key)
            typed, self._typed = self._typed, []
            for text in typed:
                await self._send_words(text)
            packet = bytes(self._speech[:CHUNK_SAMPLES])
            del self._speech[:CHUNK_SAMPLES]
            packet += audible.ULAW_SILENCE * (CHUNK_SAMPLES - len(packet))
            await self._send_audio(packet)
            self.sent += CHUNK_SAMPLES
            tick += 1
            self._watch_agent()
            self._ticked.set()
            self._ticked.clear()

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

    # -- lateness and results ---------------------------------------------------------------------

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

    def collect(self, result: CallResult) -> None:
        """Write down what was measured."""
        playout = self.playout
        result.close_code = self.close_code
        result.bad_messages = self.bad_messages
        result.gaps, result.marks, result.clears = playout.gaps, playout.marks, playout.clears
        result.sent_samples, result.played_samples = self.sent, playout.played
        result.late_worst_ms, result.late_p99_ms = self.late_worst_ms, self.late_p99_ms
        begins: list[int | None] = [*(measure.place(turn.first_sample) for turn in result.turns), None]
        sounded = measure.opening(playout, begins[0])
        if sounded is not None:
            result.opening_first_ms, result.opening_last_ms = sounded
        for turn, until in zip(result.turns, begins[1:], strict=True):
            measure.fill_in(playout, turn, until)
