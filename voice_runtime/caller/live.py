"""A running call at the caller, whatever the carrier: 20 ms said, 20 ms played, on one absolute clock.

Tick ``k`` is due at ``answered + k * 20 ms``, however late earlier ticks were (``ticker``).
It plays the next 20 ms and sends the next 20 ms, so sample indices of both directions
are on the same clock (``results.sent_at_ms``, ``results.played_at_ms``). A tick is one
function call from end to end and waits for nothing: so a process can have many.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voice_runtime.caller import audible, measure
from voice_runtime.caller.arrivals import Arrivals
from voice_runtime.caller.background import Background
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult
from voice_runtime.caller.speech import Spoken
from voice_runtime.caller.ticker import Lateness, Ticking, shared_ticker
from voice_runtime.events import CHUNK_SAMPLES, RATE_HZ

_SILENT_TICK = audible.ULAW_SILENCE * CHUNK_SAMPLES
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


@dataclass(slots=True, eq=False)
class _Waiting:
    """A step that waits for something, looked at in every tick."""

    condition: Callable[[], bool]
    last: int
    met: asyncio.Future[bool]

    def look(self, now: int) -> None:
        if self.met.done():
            return
        try:
            if self.condition():
                self.met.set_result(True)
            elif now >= self.last:
                self.met.set_result(False)
        except Exception as error:  # noqa: BLE001 - the step's own error is the step's, not the tick's
            self.met.set_exception(error)


class Live(ABC):
    """One stream from its first tick to its end. Use ``run`` in a task of its own.

    Args:
        listener: told of the agent's speech.

    Attributes:
        background: noise under everything that is sent; None: none.
        arrivals: how evenly the agent's audio comes.
        lateness: of the ticks.
    """

    def __init__(self, listener: Listener) -> None:
        self.playout = Playout()
        self.arrivals = Arrivals()
        self.lateness = Lateness()
        self.background: Background | None = None
        self.answered_ns = 0
        self.bad_messages = 0
        self.close_code: int | None = None
        #: Samples sent: where the next packet starts.
        self.sent = 0
        self._listener = listener
        self._speech = bytearray()
        self._keys: list[str] = []
        self._typed: list[str] = []
        self._waiting: list[_Waiting] = []
        self._ticking: Ticking | None = None
        self._closed = asyncio.Event()
        self._error: Exception | None = None
        self._agent_speaks = False

    # -- what a carrier makes of it ---------------------------------------------------------------

    @abstractmethod
    async def stop(self) -> None:
        """Hang up, as a caller does."""

    @abstractmethod
    def abort(self) -> None:
        """The connection breaks, without a word."""

    @abstractmethod
    def _play(self) -> None:
        """Play the next 20 ms: ``playout.tick``, and what the carrier does about it."""

    @abstractmethod
    def _send_key(self, key: str) -> None: ...

    @abstractmethod
    def _send_words(self, text: str) -> None: ...

    @abstractmethod
    def _send_audio(self, ulaw: bytes) -> None:
        """Send 20 ms.

        Raises:
            StreamEnded: the other side takes no more.
        """

    def _end(self, error: Exception | None = None) -> None:
        """The stream is over, whoever ended it; ``run`` raises ``error``. Only the first counts."""
        if self._closed.is_set():
            return
        self._error = error
        self._closed.set()
        for waiting in self._waiting:
            waiting.look(self.playout.now)
            if not waiting.met.done():
                waiting.met.set_exception(StreamEnded())

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
        if condition():
            return True
        if self._closed.is_set():
            raise StreamEnded
        met: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(condition, self.playout.now + int(timeout_s * RATE_HZ), met)
        self._waiting.append(waiting)
        try:
            return await met
        finally:
            self._waiting.remove(waiting)

    # -- the clock --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick until either side closes."""
        self._ticking = shared_ticker().start(self.answered_ns, self._tick)
        try:
            await self._closed.wait()
        finally:
            self._fall_silent()
            self._end()
        if self._error is not None:
            raise self._error

    def _fall_silent(self) -> None:
        """Say and play nothing more, though the stream may not be over yet."""
        if self._ticking is not None:
            self._ticking.stop()

    def _tick(self, late_ns: int) -> None:
        if self._closed.is_set():
            return
        try:
            self.lateness.note(late_ns)
            self._play()
            if self._keys or self._typed:
                self._send_signs()
            self._send_audio(self._next_packet())
        except StreamEnded:
            self._end()
            return
        except Exception as error:  # noqa: BLE001 - one call's failure is not another's: ``run`` raises it
            self._end(error)
            return
        self.sent += CHUNK_SAMPLES
        self._watch_agent()
        for waiting in self._waiting:
            waiting.look(self.playout.now)

    def _send_signs(self) -> None:
        keys, self._keys = self._keys, []
        for key in keys:
            self._send_key(key)
        typed, self._typed = self._typed, []
        for text in typed:
            self._send_words(text)

    def _next_packet(self) -> bytes:
        packet = _SILENT_TICK
        if self._speech:
            packet = bytes(self._speech[:CHUNK_SAMPLES]).ljust(CHUNK_SAMPLES, audible.ULAW_SILENCE)
            del self._speech[:CHUNK_SAMPLES]
        return packet if self.background is None else self.background.mix(packet)

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

    # -- results ----------------------------------------------------------------------------------

    def collect(self, result: CallResult) -> None:
        """Write down what was measured."""
        playout = self.playout
        result.close_code = self.close_code
        result.bad_messages = self.bad_messages
        result.gaps, result.marks, result.clears = playout.gaps, playout.marks, playout.clears
        result.sent_samples, result.played_samples = self.sent, playout.played
        result.late_worst_ms, result.late_p99_ms = self.lateness.worst_ms, self.lateness.at_ms(99)
        measure.measure_call(playout, result, self.arrivals)
