"""Any text-to-speech service of pipecat as a synthesiser, in private pipelines of its own.

A *place* is one running instance of the service with one voice. It speaks one
clause at a time; several places speak for several calls. What a place says is
told apart by the service's own context id, and a place that did not see the end
of its clause (an interruption, a fault, a deadline) is never trusted with another:
a service on a websocket is disconnected, which also stops the supplier; one that
asks over HTTP is interrupted, and used again once that is known to have worked.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from pipecat.frames.frames import TTSAudioRawFrame

from controls.errors import ProviderError
from voice_runtime.events import RATE_HZ
from voice_runtime.ports import Speech
from voice_runtime.providers import Provider
from voice_runtime.resample import StreamResampler
from voice_runtime.speak.supplier_voice import VoiceNames, plain_text
from voice_runtime.speak.tts_place import Clause, Key, Place


class PipecatVoice:
    """Implements ``ports.Synthesiser``. ``start`` before use, ``close`` after; one event loop."""

    def __init__(
        self,
        provider: Provider,
        *,
        names: VoiceNames | None = None,
        deadline_s: float = 2.0,
        between_s: float = 2.0,
        places: int = 4,
        queue: int = 64,
        idle_s: float = 120.0,
    ) -> None:
        """Make a synthesiser of a service.

        Args:
            provider: the service's class and what it is given.
            names: our voices and the supplier's; None: the service's settings name its only one.
            deadline_s: from asking to the first samples, waiting for a place included, s.
            between_s: from one piece to the next, s. Below pipecat's own 3 s, after which it takes
                a clause that stalled for one that is over.
            places: clauses at a time.
            queue: how many may wait for a place; more are refused at once.
            idle_s: how long a place waits for use before it is closed.
        """
        self.name = provider.name
        self._provider = provider
        self._names = names or VoiceNames()
        self._deadline_s, self._between_s, self._idle_s = deadline_s, between_s, idle_s
        self._free = asyncio.Semaphore(places)
        self._queue, self._waiting = queue, 0
        self._idle: deque[tuple[float, Place]] = deque()
        self._in_use: set[Place] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.TimerHandle | None = None
        self._resources: dict[str, Any] = {}
        self._running = False

    async def start(self) -> None:
        """Check that the service can be made; connects to nothing.

        Raises:
            OperatorError: it refuses its arguments.
        """
        if "aiohttp_session" in self._provider.accepts:
            import aiohttp

            self._resources["aiohttp_session"] = aiohttp.ClientSession()
        try:
            self._provider.make(resources=self._resources)
        except BaseException:
            await self.close()
            raise
        self._running = True

    async def close(self) -> None:
        """Close every place; clauses under way fail. Harmless when repeated."""
        self._running = False
        if self._tidying is not None:
            self._tidying.cancel()
        for place in (*self._in_use, *(p for _, p in self._idle)):
            place.failed(ProviderError("the voice was closed", supplier=self.name))
            self._discard(place)
        self._idle.clear()
        while self._tasks:
            await asyncio.gather(*self._tasks)
        if (http := self._resources.pop("aiohttp_session", None)) is not None:
            await http.close()

    @property
    def places(self) -> tuple[int, int]:
        """How many speak, and how many wait for use."""
        return len(self._in_use), len(self._idle)

    async def speak(self, text: str, *, language: str, voice: str) -> AsyncIterator[Speech]:
        """Yield speech as it comes, with word times where the service gives them.

        Raises:
            ProviderError: see ``ports.Synthesiser``.
        """
        plain = plain_text(text, self.name)
        key = (self._names.of(voice, language, self.name), language)
        loop = asyncio.get_running_loop()
        due = loop.time() + self._deadline_s
        await self._wait_for_a_place(due)
        place: Place | None = None
        whole = False
        try:
            place = self._take(key)
            clause = place.say(plain)
            resampler: StreamResampler | None = None
            while (frame := await self._next(clause, due)) is not None:
                resampler = resampler or StreamResampler(frame.sample_rate, RATE_HZ)
                pcm = resampler.take(frame.audio)
                words, clause.words = clause.words, []
                if pcm or words:
                    yield Speech(pcm, words)
                due = loop.time() + self._between_s
            whole = True
            tail = resampler.flush() if resampler is not None else b""
            if tail or clause.words:
                yield Speech(tail, clause.words)
        finally:
            self._free.release()
            if place is not None:
                self._give_back(place, whole)

    async def _next(self, clause: Clause, due: float) -> TTSAudioRawFrame | None:
        try:
            async with asyncio.timeout_at(due):
                came = await clause.came.get()
        except TimeoutError:
            raise ProviderError("its samples did not come in time", supplier=self.name) from None
        if isinstance(came, ProviderError):
            raise came
        return came

    async def _wait_for_a_place(self, due: float) -> None:
        if not self._running:
            raise ProviderError("is not running", supplier=self.name)
        if self._waiting >= self._queue:
            raise ProviderError("too many clauses wait", supplier=self.name)
        self._waiting += 1
        try:
            async with asyncio.timeout_at(due):
                await self._free.acquire()
        except TimeoutError:
            raise ProviderError("no place came free in time", supplier=self.name) from None
        finally:
            self._waiting -= 1

    # -- places ------------------------------------------------------------------------------------

    def _take(self, key: Key) -> Place:
        for waiting in reversed(self._idle):
            if waiting[1].key == key:
                self._idle.remove(waiting)
                if waiting[1].fault is None:
                    self._in_use.add(waiting[1])
                    return waiting[1]
                self._discard(waiting[1])
                return self._take(key)
        place = self._make(key)
        self._in_use.add(place)
        return place

    def _make(self, key: Key) -> Place:
        return Place(self._provider, key, self._resources)

    def _give_back(self, place: Place, whole: bool) -> None:
        """Keep a place whose clause came to its end; make sure of every other in the background."""
        place.silence()
        if place not in self._in_use:
            return
        self._in_use.discard(place)
        if not self._running:
            self._discard(place)
        elif whole and place.fault is None:
            self._keep(place)
        elif place.fault is None and place.pipeline.may_be_interrupted:
            self._in_background(self._interrupt(place))
        else:
            self._discard(place)
            if place.fault is None:  # the caller interrupted, and will be answered soon
                self._keep(self._make(place.key))

    async def _interrupt(self, place: Place) -> None:
        stopped = await place.pipeline.interrupt()
        if stopped and place.fault is None and self._running:
            self._keep(place)
        else:
            await place.pipeline.close()

    def _keep(self, place: Place) -> None:
        self._idle.append((time.monotonic(), place))
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(self._idle_s, self._tidy)

    def _tidy(self) -> None:
        """Close what has waited for ``idle_s``."""
        self._tidying = None
        now = time.monotonic()
        while self._idle and now - self._idle[0][0] >= self._idle_s:
            self._discard(self._idle.popleft()[1])
        if self._idle and self._running:
            self._tidying = asyncio.get_running_loop().call_later(self._idle_s / 2, self._tidy)

    def _discard(self, place: Place) -> None:
        self._in_use.discard(place)
        self._in_background(place.pipeline.close())

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work, name=f"provider {self.name}: letting go")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
