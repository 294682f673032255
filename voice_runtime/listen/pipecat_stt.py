"""Any speech-to-text service of pipecat as a recogniser: each utterance in a private pipeline inside the ear.

**One utterance, one session.** A streaming service's websocket serves one
utterance of one caller and is then closed: what the supplier still sends of it
can reach nobody else. The handshake runs while the caller speaks (samples wait
for it), and after an utterance one spare session is opened ahead for the next.
A service that sends whole segments over HTTP keeps no such state; it is used
again once its request is known to be over, and thrown away when that is not
known (an interruption, a fault, a deadline).

**When is the text final?** In this order: the service says so (``finalized``, or
its answer to a finalize request); a segment's request has returned; or, for
services that say neither, nothing more has come for ``settle_s``.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from pipecat.frames.frames import (
    InputAudioRawFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.services.stt_service import SegmentedSTTService

from controls.errors import InternalError, ProviderError
from voice_runtime.events import CHUNK_MS, RATE_HZ
from voice_runtime.listen.confidence import ASSUMED, confidence_of
from voice_runtime.listen.stt_session import Progress, SttSession
from voice_runtime.ports import Hints, Recognition
from voice_runtime.providers import Provider
from voice_runtime.resample import StreamResampler

#: Longest utterance, bytes at 8 kHz: 60 s.
_LONGEST_BYTES = 60 * RATE_HZ * 2
#: What is fed at once is cut into pieces of this, bytes at 8 kHz: 100 ms.
_PIECE_BYTES = RATE_HZ // 5
#: Our deadline lies this share before the stage's, so that what is known by then still counts.
_BEFORE_DEADLINE = 0.95
#: After a service confirmed that it has finalised, its text is already on the way, s.
_CONFIRMED_S = 0.05
#: An utterance no longer than this in which nothing was recognised is taken for noise, once, s.
_NOISE_S = 2.0


class PipecatUtterance:
    """One utterance (``ports.Utterance``). Made by ``PipecatRecogniser.open``."""

    def __init__(self, engine: PipecatRecogniser, session: SttSession, key: str) -> None:
        self.key = key
        self.session = session
        self.fed_bytes = 0
        #: The service has said that nothing more of this utterance will come.
        self.over = False
        self._engine = engine
        self._resampler = StreamResampler(RATE_HZ, session.rate_hz)
        self._finals: list[str] = []
        self._confidences: list[float] = []
        self._language = ""
        self._interim = ""
        self._asked = False
        self._finishing = False
        self._closed = False
        self._failure: ProviderError | None = None
        self._done = asyncio.Event()
        self._settling: asyncio.TimerHandle | None = None
        self._silence: asyncio.Task[None] | None = None
        session.utterance = self
        session.pipeline.send(VADUserStartedSpeakingFrame())
        if session.fault is not None:
            self.fail(session.fault)

    @property
    def partial(self) -> str:
        return " ".join(part for part in (*self._finals, self._interim) if part)

    def feed(self, pcm: bytes, speech: bool = True) -> None:
        if self._closed or self._finishing:
            return
        self.fed_bytes += len(pcm)
        if self.fed_bytes > _LONGEST_BYTES:
            self.fail(self._error("the utterance is too long", transient=False))
            return
        for start in range(0, len(pcm), _PIECE_BYTES):
            self._send(self._resampler.take(pcm[start : start + _PIECE_BYTES]))

    def _send(self, pcm: bytes) -> None:
        if pcm:
            self.session.pipeline.send(
                InputAudioRawFrame(audio=pcm, sample_rate=self.session.rate_hz, num_channels=1)
            )

    async def finish(self) -> Recognition:
        if self._finishing:
            raise InternalError("an utterance is finished once")
        self._finishing = True
        self._send(self._resampler.flush())
        self.session.pipeline.send(VADUserStoppedSpeakingFrame())
        if self.session.needs_silence:
            self._silence = asyncio.create_task(self._feed_silence(), name="provider silence")
        if self._finals and not self._interim:
            self._settle(2 * self._engine.settle_s)
        try:
            async with asyncio.timeout(self._engine.deadline_s * _BEFORE_DEADLINE):
                await self._done.wait()
        except TimeoutError:
            return self._at_the_deadline()
        finally:
            self._close()
        if self._failure is not None:
            raise self._failure
        return self._recognition()

    def cancel(self) -> None:
        self._close()

    async def _feed_silence(self) -> None:
        silence = bytes(self.session.rate_hz * CHUNK_MS // 1000 * 2)
        while True:
            self._send(silence)
            await asyncio.sleep(CHUNK_MS / 1000)

    def _at_the_deadline(self) -> Recognition:
        if self._failure is not None:
            raise self._failure
        if self._finals and not self._interim and not self._asked:
            return self._recognition()
        short = self.fed_bytes <= _NOISE_S * RATE_HZ * 2
        if not self.partial and short and self._engine.may_be_noise():
            return Recognition("", 0.0)
        raise self._error("its text did not come in time")

    def _recognition(self) -> Recognition:
        text = " ".join(self._finals)
        if not text:
            return Recognition("", 0.0)
        self._engine.recognised_something()
        known = self._confidences
        return Recognition(text, sum(known) / len(known) if known else ASSUMED, language=self._language)

    def _error(self, what: str, *, transient: bool = True) -> ProviderError:
        return ProviderError(what, supplier=self._engine.name, transient=transient)

    # -- told by the session -----------------------------------------------------------------------

    def final(self, frame: TranscriptionFrame) -> None:
        """A piece of text that will not change."""
        self._interim = ""
        if text := frame.text.strip():
            self._finals.append(text)
            if (confidence := confidence_of(frame.result)) is not None:
                self._confidences.append(confidence)
            self._language = str(frame.language or "") or self._language
        if not self._finishing or self.session.segmented:
            return
        if frame.finalized:
            self._end()
        elif not self._asked:
            self._settle(self._engine.settle_s)

    def interim(self, text: str) -> None:
        """The newest guess at what follows the final pieces."""
        self._interim = text.strip()
        if self._settling is not None and self._interim:
            self._settling.cancel()
            self._settling = None

    def told(self, what: Progress) -> None:
        """How far the service is."""
        if what == "asked":
            self._asked = True
            if self._settling is not None:
                self._settling.cancel()
        elif what == "confirmed" and self._finishing:
            self._settle(_CONFIRMED_S)
        elif what == "recognised" and self._finishing:
            self.over = True
            self._end()

    def fail(self, error: ProviderError) -> None:
        if not self._closed and not self._done.is_set():
            self._failure = error
            self._end()

    def _settle(self, for_s: float) -> None:
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(for_s, self._end)

    def _end(self) -> None:
        self._done.set()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._done.set()
        if self._settling is not None:
            self._settling.cancel()
        if self._silence is not None:
            self._silence.cancel()
        self.session.utterance = None
        self._engine.done_with(self)


class PipecatRecogniser:
    """Implements ``ports.Recogniser``. ``start`` before use, ``close`` after; one event loop."""

    def __init__(
        self,
        provider: Provider,
        *,
        deadline_s: float = 3.0,
        settle_s: float = 0.25,
        spare: int = 1,
        idle_s: float = 30.0,
        most: int = 64,
    ) -> None:
        """Make a recogniser of a service.

        Args:
            provider: the service's class and what it is given.
            deadline_s: from ``finish`` to the text; the chain's share for this engine.
            settle_s: how long nothing may come after a piece of text before it counts as the last,
                for services that do not say so.
            spare: sessions kept open ahead for each release and language after an utterance; 0 for
                suppliers that charge for the time a connection is open.
            idle_s: how long a spare session waits for use before it is closed.
            most: utterances at a time.
        """
        self.name = provider.name
        self.deadline_s, self.settle_s = deadline_s, settle_s
        self._provider = provider
        self._segmented = issubclass(provider.service, SegmentedSTTService)
        self._spare, self._idle_s, self._most = spare, idle_s, most
        self._hints: dict[str, Hints] = {}
        self._idle: dict[str, deque[tuple[float, SttSession]]] = {}
        self._in_use: set[SttSession] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._tidying: asyncio.TimerHandle | None = None
        self._resources: dict[str, Any] = {}
        self._silent_before = False
        self._closed = False

    async def start(self) -> None:
        """Bring what the service needs; connects to nothing."""
        self._closed = False
        if "aiohttp_session" in self._provider.accepts:
            import aiohttp

            self._resources["aiohttp_session"] = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close every session; utterances under way fail. Harmless when repeated."""
        self._closed = True
        if self._tidying is not None:
            self._tidying.cancel()
        for session in tuple(self._in_use):
            if session.utterance is not None:
                session.utterance.fail(ProviderError("the recogniser was closed", supplier=self.name))
            self._discard(session)
        for session in self._all_idle():
            self._discard(session)
        await asyncio.gather(*self._closing)
        if (http := self._resources.pop("aiohttp_session", None)) is not None:
            await http.close()

    @property
    def sessions(self) -> tuple[int, int]:
        """How many are in use, and how many wait for use."""
        return len(self._in_use), sum(len(idle) for idle in self._idle.values())

    async def load(self, key: str, hints: Hints) -> None:
        """Remember the hints.

        Raises:
            OperatorError: the service refuses its arguments.
        """
        self._provider.make(language=hints.language, words=hints.words, resources=self._resources)
        self._hints[key] = hints

    def open(self, key: str) -> PipecatUtterance:
        """Begin an utterance, on a spare session or on one that connects while it is spoken.

        Raises:
            InternalError: ``load`` was not called for this key.
            ProviderError: the bound on utterances is reached, or the recogniser is closed.
            OperatorError: the service refuses its arguments.
        """
        if key not in self._hints:
            raise InternalError("a recogniser is loaded before it is used")
        if self._closed or len(self._in_use) >= self._most:
            raise ProviderError("no session is free", supplier=self.name)
        session = self._take_idle(key) or self._make(key)
        self._in_use.add(session)
        return PipecatUtterance(self, session, key)

    # -- sessions ----------------------------------------------------------------------------------

    def _make(self, key: str) -> SttSession:
        return SttSession(self._provider, self._hints[key], self._resources, self._segmented)

    def _take_idle(self, key: str) -> SttSession | None:
        idle = self._idle.get(key, deque())
        while idle:
            session = idle.pop()[1]
            if session.fault is None:
                return session
            self._discard(session)
        return None

    def done_with(self, utterance: PipecatUtterance) -> None:
        """An utterance is over. Called by it."""
        session, key = utterance.session, utterance.key
        if session not in self._in_use:
            return
        if self._segmented and utterance.over and session.fault is None and not self._closed:
            self._in_use.discard(session)
            self._keep(key, session)
            return
        self._discard(session)
        # Ahead for the next, unless its connection has just failed: that would only try again and again.
        spare = 0 if self._segmented else self._spare
        if session.fault is None and not self._closed and len(self._idle.get(key, ())) < spare:
            self._keep(key, self._make(key))

    def _keep(self, key: str, session: SttSession) -> None:
        idle = self._idle.setdefault(key, deque())
        idle.append((time.monotonic(), session))
        if len(idle) > max(self._spare, self._most if self._segmented else 0):
            self._discard(idle.popleft()[1])
        if self._tidying is None:
            self._tidying = asyncio.get_running_loop().call_later(self._idle_s, self._tidy)

    def _tidy(self) -> None:
        """Close what has waited for ``idle_s``."""
        self._tidying = None
        now, left = time.monotonic(), False
        for idle in self._idle.values():
            while idle and now - idle[0][0] >= self._idle_s:
                self._discard(idle.popleft()[1])
            left = left or bool(idle)
        if left and not self._closed:
            self._tidying = asyncio.get_running_loop().call_later(self._idle_s / 2, self._tidy)

    def _all_idle(self) -> Iterator[SttSession]:
        for idle in self._idle.values():
            while idle:
                yield idle.pop()[1]

    def _discard(self, session: SttSession) -> None:
        self._in_use.discard(session)
        task = asyncio.create_task(session.pipeline.close(), name=f"close {self.name}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # -- nothing recognised ------------------------------------------------------------------------

    def may_be_noise(self) -> bool:
        """Whether a short utterance without text is believed: once; a service that stays mute is ill."""
        believed, self._silent_before = not self._silent_before, True
        return believed

    def recognised_something(self) -> None:
        """The service answers with words."""
        self._silent_before = False
