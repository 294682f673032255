"""The ear: audio ends here. Turns, pauses, keys and silence go on as events.

One direct-mode processor right under the transport's input. Per 20 ms chunk it
runs the voice detector and the turn policy inline; recognition, the turn model
and everything else that takes time happens beside it. What it pushes downstream:
``CallerStartedFrame``, ``CallerPausedFrame`` and pipecat's ``EagerEndOfTurnCancelFrame``,
``CallerSaidFrame``, ``PauseSpeechFrame``, ``ResumeSpeechFrame``, pipecat's
``InterruptionFrame`` (both ways), ``KeyPressedFrame``, ``CallerSilentFrame``,
``MediaStoppedFrame``.

Words the caller types (``TypedWordsFrame``) are a turn as well. Where an ``Echo`` is given, what
comes back of the agent's own voice is not taken for speech, and a turn that was nothing else is
nobody's.

From downstream it takes ``AgentSpeakingFrame`` and ``ThinkingFrame``: who has the floor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EagerEndOfTurnCancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from voice_runtime.clock import Clock
from voice_runtime.events import (
    AgentSpeakingFrame,
    CallerPausedFrame,
    CallerSaidFrame,
    CallerSilentFrame,
    CallerStartedFrame,
    KeyPressedFrame,
    MediaStoppedFrame,
    PauseSpeechFrame,
    ResumeSpeechFrame,
    ThinkingFrame,
    TurnEnd,
    TypedWordsFrame,
)
from voice_runtime.listen.expected import ANYTHING, Expected
from voice_runtime.listen.line_samples import LineSamples
from voice_runtime.listen.media_watch import MediaWatch
from voice_runtime.listen.patience import Patience, policy_of
from voice_runtime.listen.private import Private
from voice_runtime.listen.smart_turn import Questions, TurnModel
from voice_runtime.listen.turn import TurnMachine
from voice_runtime.listen.turn_audio import Silence, TurnAudio
from voice_runtime.listen.turn_values import (
    AskSmartTurn,
    AskText,
    Commit,
    EndOfTurn,
    Floor,
    GoOn,
    Output,
    Pause,
    Provisional,
    Resume,
    Started,
    Withdrawn,
)
from voice_runtime.listen.vad import Vad
from voice_runtime.ports import EchoComparison, FailedAs, Recogniser, SpeechDetector, Utterance
from voice_runtime.settings import Turn

#: Recognised words below this confidence are not acted on: the caller is asked again.
LEAST_CONFIDENCE = 0.4
#: Speech without recognisable words that is long enough to deserve an answer, ms.
_DESERVES_ANSWER_MS = 600


class Ear(FrameProcessor):
    """One call's ear."""

    def __init__(
        self,
        recogniser: Recogniser,
        *,
        phrases_key: str,
        turn_model: TurnModel,
        turn: Turn,
        patience: Patience,
        urgent: Callable[[str], bool],
        overrules: Callable[[str, str], bool] = lambda _, other: False,
        grave: Callable[[str], bool] = lambda _: False,
        only_silences: Callable[[str], bool],
        language: str,
        clock: Clock,
        ask_after_s: float,
        end_after_s: float,
        on_failed: Callable[[str], None],
        on_failover: Callable[[FailedAs], None] | None = None,
        on_audio: Callable[[bytes], None] | None = None,
        vad: Callable[[], SpeechDetector] = Vad,
        echo: EchoComparison | None = None,
        recognition_s: float = 0.0,
        media_gap_s: float = 2.0,
        expected: Callable[[], Expected] = lambda: ANYTHING,
        asking: Callable[[], Expected] = lambda: ANYTHING,
        private: Callable[[], bool] = lambda: False,
        on_private_speech: Callable[[], None] = lambda: None,
    ) -> None:
        """Make the ear of one call.

        Args:
            phrases_key: names the phrase model (the release's digest).
            urgent: whether words act at once (emergency, person, stop, opting out).
            overrules: whether another reading of a turn (second) counts before its text (first).
            grave: whether they name an emergency, which nothing is too unsure for.
            only_silences: whether they are nothing but "stop" or "hold on".
            ask_after_s: nobody says anything for this long: ``CallerSilentFrame`` step 1.
            end_after_s: and for this long: step 2. Both in media time.
            on_failed: the caller spoke and must hear something: recognition failed (``deadline``,
                ``crash``), or made nothing of it that one can act on (``misheard``).
            on_failover: called with the reason (``deadline``, ``broken``) for each engine of a chain that
                failed before another one answered.
            on_audio: takes the caller's samples, chunk by chunk (recording).
            vad: makes the speech detector.
            echo: of this call; None compares nothing.
            recognition_s: the recogniser's deadline, s.
            media_gap_s: wall-clock s without media before ``MediaStoppedFrame``, and between further ones.
            expected: what kind of answer the agent asked for, as far as it was played.
            asking: what it asks with words whose last ones sound now.
            private: whether the caller enters figures by keys: what is said goes nowhere.
            on_private_speech: they speak instead.
        """
        super().__init__(name="ear", enable_direct_mode=True)
        self._questions = Questions(turn_model)
        self._clock = clock
        self._engine = recogniser.name
        self._on_failed = on_failed
        self._on_failover = on_failover
        self._on_audio = on_audio
        self._vad = vad()
        self._echo = echo
        self._urgent, self._overrules, self._grave = urgent, overrules, grave
        self._private = Private(private, turn.preroll_ms, on_private_speech)
        self._started_ms = 0
        self._cut = self._dropped = self._proposed = self._silenced = False
        policy = policy_of(turn, patience, recognition_s)
        self._machine = TurnMachine(policy, language, urgent, expected, only_silences, asking)
        self._audio = TurnAudio(recogniser, phrases_key, turn.preroll_ms, clock.monotonic_ns)
        self._silence = Silence(ask_after_s, end_after_s)
        self._media = MediaWatch(clock, media_gap_s)
        self._samples = LineSamples()
        self._partial = ""
        self._speech_ns = 0
        self._speaking = self._thinking = False
        self._yields = True
        self._todo: deque[Output] = deque()
        self._acting = False
        self._beside: set[asyncio.Task[Any]] = set()
        self._stopped = False
        self._turn_over = asyncio.Event()

    # -- frames ---------------------------------------------------------------------------------

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        if isinstance(frame, InputAudioRawFrame):  # 50 a second: ahead of pipecat's own bookkeeping
            if (doing := self.hear(self._samples.of(frame))) is not None:
                await doing
            return
        await super().process_frame(frame, direction)
        if isinstance(frame, AgentSpeakingFrame):
            self._speaking, self._yields = frame.speaking, frame.yields
            if not frame.speaking and self._echo is not None:  # also when somebody else cut it
                self._echo.cleared(self._clock.monotonic_ns())
            await self._floor_changed()
        elif isinstance(frame, ThinkingFrame):
            self._thinking = frame.active
            await self._floor_changed()
        elif isinstance(frame, TypedWordsFrame):
            await self._typed(frame.text)
        elif isinstance(frame, InputDTMFFrame):
            self._silence.broken()
            self._private.key()
            await self.push_frame(KeyPressedFrame(key=frame.button.value))
        else:
            if isinstance(frame, EndFrame | CancelFrame):
                await self._stop()
            await self.push_frame(frame, direction)

    async def cleanup(self) -> None:
        """End everything that runs beside; the open turn is dropped."""
        await self._stop()
        await super().cleanup()  # type: ignore[no-untyped-call]  # pipecat leaves it untyped

    async def last_words(self, patience_s: float) -> None:
        """The caller is gone: tell what was being said once it is recognised, within ``patience_s``."""
        await self._act(self._machine.media_stopped())
        try:
            async with asyncio.timeout(patience_s):
                while self._machine.open and not self._stopped:
                    self._turn_over.clear()
                    await self._turn_over.wait()
        except TimeoutError:
            logger.warning("the caller was gone before their last words were recognised")

    async def _stop(self) -> None:
        self._stopped = True
        self._turn_over.set()
        self._audio.close()
        current = asyncio.current_task()
        for task in tuple(self._beside):
            if task is not current:
                await self.cancel_task(task)

    # -- audio ----------------------------------------------------------------------------------

    def hear(self, pcm: bytes) -> Coroutine[Any, Any, None] | None:
        """``ports.Listener``: 20 ms as they come, and what the turn policy wants done about them."""
        if self._stopped:
            return None
        if self._media.came():
            self._run_beside(self._media.run(self._media_stopped), "ear-watchdog")
        chunks = self._samples.chunks(pcm)
        if len(chunks) == 1:
            return self._chunk(chunks[0])
        return self._each(chunks) if chunks else None

    async def _each(self, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            if (doing := self._chunk(chunk)) is not None:
                await doing

    def _chunk(self, chunk: bytes) -> Coroutine[Any, Any, None] | None:
        machine = self._machine
        private = self._private.chunk(machine.now_ms)
        if self._private.turned():  # key entry begins and ends without a frame
            self._todo += machine.floor(self._floor)
            self._todo += machine.media_stopped()  # of what was being said, what came before it counts
            self._audio.forget()
        speech = self._vad.hear(chunk)
        if private:
            self._private.spoken(speech and not self._speaking)
        self._todo += machine.chunk(not private and self._takes(chunk, speech))
        if machine.last_speech_ms == machine.now_ms:
            self._speech_ns = self._media.last_ns
        if machine.open:
            partial = self._audio.partial
            if partial != self._partial:
                self._partial = partial
                self._todo += machine.partial(partial)
        elif self._floor is Floor.IDLE and (step := self._silence.chunk()):
            return self._tell_silence(CallerSilentFrame(for_s=self._silence.for_s, step=step))
        return self._act(()) if self._todo else None

    def _takes(self, chunk: bytes, speech: bool) -> bool:
        """Record it, and recognise it where a turn is open; whether the caller speaks in it."""
        if self._on_audio is not None:
            self._on_audio(chunk)
        if self._echo is not None:
            speech = self._echo.hear(chunk, self._media.last_ns, speech)
        self._audio.add(chunk, speech)
        return speech

    async def _tell_silence(self, silent: CallerSilentFrame) -> None:
        await self.push_frame(silent)
        await self._act(())

    async def _media_stopped(self, for_s: float) -> None:
        await self._act(self._machine.media_stopped())
        await self.push_frame(MediaStoppedFrame(for_s=for_s))

    # -- the floor ------------------------------------------------------------------------------

    @property
    def _floor(self) -> Floor:
        if self._speaking or self._private.now:
            return Floor.SPEAKING if self._yields and not self._private.now else Floor.UNYIELDING
        return Floor.THINKING if self._thinking else Floor.IDLE

    async def _floor_changed(self) -> None:
        await self._act(self._machine.floor(self._floor))

    # -- what the turn policy wants ---------------------------------------------------------------

    async def _act(self, outputs: Iterable[Output]) -> None:
        """Do what the policy asks for, in order, whoever asked."""
        self._todo += outputs
        if self._acting:
            return  # whoever acts already takes these too
        self._acting = True
        try:
            while self._todo:
                await self._do(self._todo.popleft())
        finally:
            self._acting = False

    async def _do(self, output: Output) -> None:
        match output:
            case Started(at_ms):
                self._partial = ""
                self._started_ms, self._cut, self._dropped = at_ms, False, False
                self._audio.begin()
                await self.push_frame(CallerStartedFrame(at_s=at_ms / 1000))
            case Pause(at_ms):
                self._silenced = True
                if self._echo is not None:
                    self._echo.cleared(self._clock.monotonic_ns())  # the carrier drops what it has not played
                await self.push_frame(PauseSpeechFrame(at_s=at_ms / 1000))
            case Resume():
                await self._resume()
            case Commit() if self._is_echo(self._started_ms, self._machine.now_ms):
                self._dropped = True
                await self._resume()
                self._todo += self._machine.drop()
            case Commit():
                self._cut = True
                await self._interrupt()
            case AskText(pause):
                self._run_beside(self._recognise(pause, self._audio.finish()), "ear-recognition")
            case AskSmartTurn(pause):
                self._run_beside(self._ask_turn_model(pause, self._audio.pcm), "ear-turn-model")
            case GoOn():
                self._questions.withdraw()
                self._partial = ""
                self._audio.go_on()
            case Provisional(text):
                await self._propose(text)
            case Withdrawn():
                await self._withdraw()
            case EndOfTurn():
                self._questions.withdraw()
                await self._end_turn(output)

    async def _interrupt(self) -> None:
        """Take the floor: what the agent says or thinks is cut."""
        self._silenced = False
        if self._echo is not None:
            self._echo.cleared(self._clock.monotonic_ns())
        await self.broadcast_interruption()  # type: ignore[no-untyped-call]  # pipecat's

    async def _resume(self) -> None:
        """Let the agent speak on, if it is silent for this turn: whoever else paused it has reasons too."""
        if self._silenced:
            self._silenced = False
            await self.push_frame(ResumeSpeechFrame())

    def _is_echo(self, first_ms: int, last_ms: int) -> bool:
        """Whether speech between two media times is nothing but the agent's own voice."""
        return self._echo is not None and self._echo.explains(first_ms, last_ms)

    async def _typed(self, text: str) -> None:
        """A turn of typed words. What was being said meanwhile is dropped: these words came instead."""
        self._dropped = True
        await self._act(self._machine.drop())
        self._silence.broken()
        floor, now_ns = self._floor, self._clock.monotonic_ns()
        if floor in (Floor.SPEAKING, Floor.THINKING):
            await self._interrupt()
        at_s = self._machine.now_ms / 1000
        await self.push_frame(
            CallerSaidFrame(
                text=text, confidence=1.0, started_s=at_s, ended_s=at_s, t0_ns=now_ns, ended_ns=now_ns,
                recognised_ns=now_ns, engine="typed", why=TurnEnd.QUESTION,
                during_agent=floor is Floor.UNYIELDING, urgent=self._urgent(text), private=self._private.now,
            )
        )  # fmt: skip

    async def _recognise(self, pause: int, utterance: Utterance | None) -> None:
        heard = await self._audio.recognise(utterance)
        if self._on_failover is not None:  # also when the caller went on: it failed all the same
            for _, why in heard.failed:
                self._on_failover(why)
        if not self._machine.awaits(pause):
            return  # the caller went on meanwhile
        self._audio.heard = heard = heard.settled(LEAST_CONFIDENCE, self._overrules)
        understood = heard.confidence >= LEAST_CONFIDENCE or self._grave(heard.text)
        await self._act(self._machine.final(pause, heard.text, understood=understood))

    async def _ask_turn_model(self, pause: int, pcm: bytes) -> None:
        probability = await self._questions.complete(pcm)
        if probability is not None:  # otherwise the clock decides
            await self._act(self._machine.turn_model(pause, probability))

    async def _propose(self, text: str) -> None:
        """Tell words that may be the whole turn, while it is still open."""
        if self._dropped or self._private.covers(self._started_ms):
            return
        if self._is_echo(self._started_ms, self._machine.last_speech_ms):
            return
        self._proposed = True
        heard = self._audio.heard
        await self.push_frame(
            CallerPausedFrame(
                text=text, confidence=heard.confidence, started_s=self._started_ms / 1000,
                ended_s=self._machine.last_speech_ms / 1000, engine=heard.engine or self._engine,
            )
        )  # fmt: skip

    async def _withdraw(self) -> None:
        if self._proposed:
            self._proposed = False
            await self.push_frame(EagerEndOfTurnCancelFrame())

    async def _end_turn(self, end: EndOfTurn) -> None:
        try:
            await self._tell(end)
            await self._withdraw()  # nobody was told of the turn that was proposed
        finally:
            self._turn_over.set()

    async def _tell(self, end: EndOfTurn) -> None:
        heard = self._audio.heard
        self._audio.close()
        if self._dropped:
            return
        if self._is_echo(end.started_ms, end.ended_ms):
            if self._cut:  # the agent cut itself: it must not stay silent, and these are nobody's words
                self._on_failed("misheard")
            return
        aside = bool(end.text) and not (end.said or end.cut)  # such as "mhm" over the agent
        if end.understood and (end.said or aside):
            if not aside:
                self._silence.broken()
            self._proposed = False  # settled by these words, for good or ill
            await self.push_frame(
                CallerSaidFrame(
                    text=end.text, confidence=heard.confidence, started_s=end.started_ms / 1000,
                    ended_s=end.ended_ms / 1000, t0_ns=self._speech_ns, ended_ns=self._clock.monotonic_ns(),
                    recognised_ns=heard.at_ns, engine=heard.engine or self._engine, why=end.why,
                    during_agent=end.during_agent, urgent=end.urgent, aside=aside,
                    private=self._private.covers(end.started_ms), unsure=heard.confidence < LEAST_CONFIDENCE,
                )
            )  # fmt: skip
        elif self._private.covers(self._started_ms):
            pass  # their keys are waited for, not their words
        elif heard.failure:
            logger.warning("recognition failed ({}): a turn of {} ms is lost", heard.failure, end.spoken_ms)
            self._on_failed(heard.failure)
        elif end.said or end.cut or (not end.text and end.spoken_ms >= _DESERVES_ANSWER_MS):
            self._silence.broken()
            self._on_failed("misheard")

    def _run_beside(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self.create_task(work, name)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
