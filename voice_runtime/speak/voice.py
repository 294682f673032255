"""Cleared words to samples: the only stage that hands text to a synthesiser.

It takes ``ClauseFrame`` and nothing else: frames of pipecat that would make a
text-to-speech service speak pass through untouched, and egress drops what they
would have become. Every clause taken is closed by exactly one
``ClauseAudioFrame`` with ``last`` set, also when it was interrupted, when it
waited behind an interruption, or when every engine failed; only the end of the
call itself (``CancelFrame``) leaves clauses without one.

Ordering: clauses are synthesised in the order they came, frames keep their
order around them. An ``InterruptionFrame`` stops the clause being synthesised
and empties the ones that came before it, unless they are uninterruptible.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from loguru import logger
from pipecat.frames.frames import ControlFrame, Frame, InterruptionFrame
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.decision import Cleared
from controls.errors import LedgerError, ProviderError, SayError
from voice_runtime.breaker import Breaker, in_order
from voice_runtime.clock import Clock, SystemClock
from voice_runtime.events import ClauseAudioFrame, ClauseFrame
from voice_runtime.ports import Speech, Synthesiser
from voice_runtime.receipts import receipt_in_time


class SynthesisMarks(Protocol):
    """Where the voice's share of a turn's latency goes."""

    def synthesised(self, clause_id: str, first_piece_ns: int) -> None:
        """The clause's first samples exist, at ``first_piece_ns`` of the monotonic clock."""
        ...


@dataclass(frozen=True, slots=True)
class Engine:
    """One synthesiser of the chain.

    Attributes:
        synthesiser: speaks; shared by all calls.
        outside: its text leaves this host, so a clause waits for its Receipt first.
        first_piece_s: deadline to the first samples, s.
        next_piece_s: deadline between pieces after that, s.
        breaker: what is known of it; shared by all calls.
    """

    synthesiser: Synthesiser
    outside: bool = False
    first_piece_s: float = 1.0
    next_piece_s: float = 2.0
    breaker: Breaker = field(default_factory=lambda: Breaker("voice"))


#: A fixed phrase: its id, language, voice and exact words.
_Key = tuple[str, str, str, str]


class PhraseCache:
    """Fixed phrases, synthesised once per process. Keyed by the exact words, so agents cannot mix."""

    def __init__(self) -> None:
        self._speech: dict[_Key, Speech] = {}

    async def fill(
        self,
        phrases: Mapping[str, Mapping[str, str]],
        synthesiser: Synthesiser,
        *,
        voice: str,
        deadline_s: float = 10.0,
        at_once: int = 4,
    ) -> int:
        """Synthesise every phrase that is not there yet, some at a time; return how many were added.

        Args:
            phrases: phrase id → language → words, as in ``Release.phrases``.
            deadline_s: for each phrase, from its turn on.
            at_once: most phrases being synthesised at a time.

        Raises:
            ProviderError: a phrase could not be synthesised, which the message names; what was
                finished by then is kept, the rest is given up.
        """
        wanted = [
            key
            for phrase, by_language in phrases.items()
            for language, text in by_language.items()
            if (key := (phrase, language, voice, text)) not in self._speech
        ]
        places = asyncio.Semaphore(at_once)

        async def one(key: _Key) -> None:
            async with places:
                self._speech[key] = await _whole(synthesiser, key, deadline_s)

        tasks = [asyncio.create_task(one(key), name=f"phrase {key[0]}") for key in wanted]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return len(wanted)

    def speech(self, phrase: str, language: str, voice: str, text: str) -> Speech | None:
        """Return the phrase's samples, or None when these very words were not synthesised."""
        return self._speech.get((phrase, language, voice, text))


@dataclass
class _HeldClause(ControlFrame):
    """A ClauseFrame in this stage's own queue, where an interruption may empty but not lose it."""

    clause: ClauseFrame
    interruptions: int
    interruptible: bool = field(default=False, init=False)


class Voice(FrameProcessor):
    """Synthesises cleared clauses, one engine after the other until one speaks."""

    def __init__(
        self,
        engines: Sequence[Engine],
        *,
        voice: str,
        phrases: PhraseCache,
        marks: SynthesisMarks,
        on_failed: Callable[[ClauseFrame, bool], None],
        on_violation: Callable[[ClauseFrame], None],
        on_failover: Callable[[str], None] | None = None,
        call: str = "",
        receipt_s: float = 2.0,
        clock: Clock | None = None,
    ) -> None:
        """Build the stage for one call.

        Args:
            engines: primary first, then fallbacks.
            voice: name of the voice, which each engine's own settings define.
            on_failed: called with the clause when no engine could speak it, and whether some
                of its samples had been pushed already; just before the clause is closed.
            on_violation: called with a frame whose token the gate did not mint, or minted
                for another call. The frame is dropped.
            on_failover: called with the reason (``deadline``, ``broken``) when an engine failed and
                the next one is asked.
            call: this call's id; "" accepts any call's tokens (tests).
            receipt_s: how long an outside engine's text waits for its Receipt, s.
        """
        super().__init__(name="voice")
        self._engines = tuple(engines)
        self._voice = voice
        self._phrases = phrases
        self._marks = marks
        self._on_failed = on_failed
        self._on_violation = on_violation
        self._on_failover = on_failover
        self._call = call
        self._receipt_s = receipt_s
        self._clock = clock or SystemClock()
        self._interruptions = 0
        self._broken = False
        self._speaking: ClauseFrame | None = None
        self._synthesis: asyncio.Task[None] | None = None

    async def queue_frame(
        self,
        frame: Frame,
        direction: FrameDirection = FrameDirection.DOWNSTREAM,
        callback: Callable[[FrameProcessor, Frame, FrameDirection], Awaitable[None]] | None = None,
    ) -> None:
        """Note the order of clauses and interruptions as they arrive, before pipecat re-orders them."""
        if isinstance(frame, InterruptionFrame):
            self._interruptions += 1
        elif isinstance(frame, ClauseFrame) and direction is FrameDirection.DOWNSTREAM:
            frame = _HeldClause(frame, self._interruptions)
        await super().queue_frame(frame, direction, callback)

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Speak clauses, stop on an interruption, pass everything else on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, _HeldClause):
            await self._take(frame)
            return
        await self.push_frame(frame, direction)
        if isinstance(frame, InterruptionFrame) and self._synthesis and self._may_cut(self._speaking):
            self._synthesis.cancel()

    @staticmethod
    def _may_cut(clause: ClauseFrame | None) -> bool:
        return clause is not None and clause.interruptible

    async def _take(self, held: _HeldClause) -> None:
        clause = held.clause
        cleared: object = clause.cleared
        # Exactly the gate's type: the class is final, a subclass is a forgery.
        if type(cleared) is not Cleared or (self._call and cleared.call != self._call):
            logger.error("voice: a clause without a clearance for this call was dropped")
            self._on_violation(clause)
            return
        self._broken = False
        if held.interruptions != self._interruptions and clause.interruptible:
            await self._close(clause)
            return
        self._speaking = clause
        self._synthesis = self.create_task(self._speak(clause), name="voice::clause")
        try:
            # ``wait`` does not raise what the clause's own task raises, so an
            # interruption (which cancels that task) leaves this one running.
            await asyncio.wait({self._synthesis})
        finally:
            self._synthesis.cancel()
            self._speaking = self._synthesis = None
        await self._close(clause)

    async def _close(self, clause: ClauseFrame) -> None:
        closing = ClauseAudioFrame(clause, b"", last=True, broken=self._broken)
        closing.interruptible = False  # each cleared clause is accounted for, if only with nothing
        await self.push_frame(closing)

    async def _speak(self, clause: ClauseFrame) -> None:
        """Push the clause's samples; returns when there are no more, for whatever reason."""
        cleared = clause.cleared
        if cleared.phrase:
            speech = self._phrases.speech(cleared.phrase, cleared.language, self._voice, cleared.text)
            if speech is not None:
                await self._push(clause, speech, first=False)  # it exists since the server started
                return
        began = False
        engines = in_order(self._engines, lambda engine: engine.breaker)
        for at, engine in enumerate(engines, start=1):
            try:
                async for speech in self._pieces(engine, cleared):
                    await self._push(clause, speech, first=not began)
                    began = True
                engine.breaker.answered()
                return
            except Exception as error:  # noqa: BLE001 - whatever an engine raises, the caller must hear something
                self._engine_failed(engine, cleared, error)
                if began:
                    break  # another engine would say the beginning twice
                if at < len(engines) and self._on_failover is not None:
                    self._on_failover("deadline" if isinstance(error, TimeoutError) else "broken")
        self._broken = True
        self._on_failed(clause, began)

    def _engine_failed(self, engine: Engine, cleared: Cleared, error: Exception) -> None:
        # The kind only: an engine's own message may quote what it was given.
        kind = type(error).__name__
        if not isinstance(error, LedgerError):  # the record's failure, not the engine's
            engine.breaker.failed(kind)
        level = "WARNING" if isinstance(error, (SayError, TimeoutError)) else "ERROR"
        logger.log(level, "voice: {} failed {}: {}", engine.synthesiser.name, cleared.id, kind)

    async def _pieces(self, engine: Engine, cleared: Cleared) -> AsyncIterator[Speech]:
        """Yield what one engine says, each piece within its deadline.

        Raises:
            TimeoutError: a deadline passed.
            ProviderError: the engine failed, or said nothing at all.
            LedgerError: the clearance is not durable in time and the engine is outside.
        """
        if engine.outside:
            await receipt_in_time(cleared.receipt, self._receipt_s)
        deadline_s = engine.first_piece_s
        speech = engine.synthesiser.speak(cleared.text, language=cleared.language, voice=self._voice)
        async with _closing(speech) as pieces:
            heard = False
            while True:
                async with asyncio.timeout(deadline_s):
                    piece = await anext(pieces, None)
                if piece is None:
                    break
                if piece.pcm:
                    heard = True
                    deadline_s = engine.next_piece_s
                    yield piece
        if not heard:
            raise ProviderError("no samples for a clause", supplier=engine.synthesiser.name)

    async def _push(self, clause: ClauseFrame, speech: Speech, *, first: bool) -> None:
        if first:
            self._marks.synthesised(clause.cleared.id, self._clock.monotonic_ns())
        audio = ClauseAudioFrame(clause, speech.pcm, list(speech.words))
        audio.interruptible = clause.interruptible
        await self.push_frame(audio)


@asynccontextmanager
async def _closing(pieces: AsyncIterator[Speech]) -> AsyncIterator[AsyncIterator[Speech]]:
    """Close an engine's generator at once, also when we stop listening half-way."""
    try:
        yield pieces
    finally:
        close: Any = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


async def _whole(synthesiser: Synthesiser, key: _Key, deadline_s: float) -> Speech:
    """All of a fixed phrase.

    Raises:
        ProviderError: it could not be had; names the phrase, by its id only.
    """
    phrase, language, voice, text = key
    pcm = bytearray()
    words = []
    try:
        async with asyncio.timeout(deadline_s):
            async with _closing(synthesiser.speak(text, language=language, voice=voice)) as pieces:
                async for piece in pieces:
                    pcm += piece.pcm
                    words += piece.words
        if not pcm:
            raise ProviderError("no samples", supplier=synthesiser.name)
    except (ProviderError, TimeoutError) as error:
        why = str(error) if isinstance(error, ProviderError) else "not synthesised in time"
        message = f"fixed phrase '{phrase}' in {language}: {why}"
        raise ProviderError(message, supplier=synthesiser.name) from error
    return Speech(bytes(pcm), words)
