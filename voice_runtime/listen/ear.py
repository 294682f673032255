"""The ear: audio ends here. Turns, pauses, keys and silence go on as events.

One direct-mode processor right under the transport's input. Per 20 ms chunk it
runs the voice detector and the turn policy inline; recognition, the turn model
and everything else that takes time happens beside it. What it pushes downstream:
``CallerStartedFrame``, ``CallerSaidFrame``, ``PauseSpeechFrame``,
``ResumeSpeechFrame``, pipecat's ``InterruptionFrame`` (both ways),
``KeyPressedFrame``, ``CallerSilentFrame``, ``MediaStoppedFrame``.

Words the caller types (``TypedWordsFrame``) are a turn as well. Where an ``Echo`` is given, what
comes back of the agent's own voice is not taken for speech, and a turn that was nothing else is
nobody's.

From downstream it takes ``AgentSpeakingFrame`` and ``ThinkingFrame``: who has the floor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Literal, Protocol

import numpy as np
import soxr
from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from controls.errors import ProviderError
from voice_runtime.clock import Clock
from voice_runtime.events import (
    CHUNK_BYTES,
    RATE_HZ,
    AgentSpeakingFrame,
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
from voice_runtime.listen.smart_turn import TurnModel
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
    Resume,
    Started,
    TurnPolicy,
)
from voice_runtime.listen.vad import Vad
from voice_runtime.ports import FailedAs, Recogniser, Utterance
from voice_runtime.settings import Turn

#: Recognised words below this confidence are not acted on: the caller is asked again.
LEAST_CONFIDENCE = 0.4
#: Speech without recognisable words that is long enough to deserve an answer, ms.
_DESERVES_ANSWER_MS = 600
_WATCH_EVERY_S = 0.5
#: The recogniser's own deadline comes first, ms.
_AFTER_RECOGNITION_MS = 500

Patience = Literal["quick", "normal", "unhurried"]


class SpeechDetector(Protocol):
    """Says of each 20 ms chunk whether it is speech (``listen.vad.Vad``)."""

    def hear(self, chunk: bytes) -> bool: ...


def policy_of(turn: Turn, patience: Patience, recognition_s: float = 0.0) -> TurnPolicy:
    """The turn policy of a profile for an agent's patience.

    Args:
        recognition_s: how long recognition may take, s: a turn is not closed without its text before.
    """
    waits = turn.patience[patience]
    text_ms = max(TurnPolicy().text_ms, round(recognition_s * 1000) + _AFTER_RECOGNITION_MS)
    return TurnPolicy(
        stop_ms=turn.vad_stop_ms,
        complete_wait_ms=waits.complete_wait_ms,
        unsure_wait_ms=waits.unsure_wait_ms,
        incomplete_wait_ms=waits.incomplete_wait_ms,
        longest_ms=round(turn.longest_s * 1000),
        text_ms=text_ms,
    )


class EchoComparison(Protocol):
    """Tells the caller's speech from the agent's own voice coming back (``listen.echo.Echo``)."""

    def hear(self, chunk: bytes, at_ns: int, speech: bool) -> bool: ...

    def explains(self, first_ms: int, last_ms: int) -> bool: ...

    def cleared(self, at_ns: int) -> None: ...


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
    ) -> None:
        """Make the ear of one call.

        Args:
            phrases_key: names the phrase model (the release's digest).
            urgent: whether words act at once (emergency, person, stop, opting out).
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
        """
        super().__init__(name="ear", enable_direct_mode=True)
        self._turn_model = turn_model
        self._clock = clock
        self._engine = recogniser.name
        self._on_failed = on_failed
        self._on_failover = on_failover
        self._on_audio = on_audio
        self._vad = vad()
        self._echo = echo
        self._urgent = urgent
        self._started_ms = 0
        self._cut = self._dropped = False
        self._machine = TurnMachine(policy_of(turn, patience, recognition_s), language, urgent)
        self._audio = TurnAudio(recogniser, phrases_key, turn.preroll_ms, clock.monotonic_ns)
        self._silence = Silence(ask_after_s, end_after_s)
        self._media_gap_ns = round(media_gap_s * 1e9)
        self._rest = b""
        self._resampler: Any = None
        self._partial = ""
        self._speech_ns = 0
        self._media_ns = 0
        self._gaps_told = 0
        self._speaking = self._thinking = False
        self._yields = True
        self._todo: deque[Output] = deque()
        self._acting = False
        self._beside: set[asyncio.Task[Any]] = set()
        self._watching = self._stopped = False
        self._turn_over = asyncio.Event()

    # -- frames ---------------------------------------------------------------------------------

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            await self._hear(frame)
        elif isinstance(frame, AgentSpeakingFrame):
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

    async def _hear(self, frame: InputAudioRawFrame) -> None:
        if self._stopped:
            return
        self._media_ns = self._clock.monotonic_ns()
        self._gaps_told = 0
        if not self._watching:
            self._watching = True
            self._run_beside(self._watch(), "ear-watchdog")
        pcm = self._rest + self._samples(frame)
        whole = len(pcm) - len(pcm) % CHUNK_BYTES
        self._rest = pcm[whole:]
        for at in range(0, whole, CHUNK_BYTES):
            await self._chunk(pcm[at : at + CHUNK_BYTES])

    def _samples(self, frame: InputAudioRawFrame) -> bytes:
        """8 kHz mono samples of a frame; half a sample at its end is dropped."""
        if frame.sample_rate == RATE_HZ and frame.num_channels == 1:
            return frame.audio if len(frame.audio) % 2 == 0 else frame.audio[:-1]
        channels = max(1, frame.num_channels)
        usable = len(frame.audio) // (2 * channels) * 2 * channels
        samples = np.frombuffer(frame.audio[:usable], dtype="<i2").reshape(-1, channels).mean(axis=1)
        if frame.sample_rate == RATE_HZ:
            return bytes(samples.astype("<i2").tobytes())
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(
                frame.sample_rate, RATE_HZ, 1, dtype="float32", quality="LQ"
            )
        resampled = self._resampler.resample_chunk(samples.astype(np.float32))
        return bytes(np.clip(resampled, -32768, 32767).astype("<i2").tobytes())

    async def _chunk(self, chunk: bytes) -> None:
        if self._on_audio is not None:
            self._on_audio(chunk)
        self._audio.add(chunk)
        machine = self._machine
        speech = self._vad.hear(chunk)
        if self._echo is not None:
            speech = self._echo.hear(chunk, self._media_ns, speech)
        self._todo += machine.chunk(speech)
        if machine.last_speech_ms == machine.now_ms:
            self._speech_ns = self._media_ns
        if machine.open:
            partial = self._audio.partial
            if partial != self._partial:
                self._partial = partial
                self._todo += machine.partial(partial)
        elif self._floor is Floor.IDLE and (step := self._silence.chunk()):
            await self.push_frame(CallerSilentFrame(for_s=self._silence.for_s, step=step))
        if self._todo:
            await self._act(())

    async def _watch(self) -> None:
        """Say when media stops, by the wall clock: nothing else can tell."""
        while True:
            await self._clock.sleep(_WATCH_EVERY_S)
            gap_ns = self._clock.monotonic_ns() - self._media_ns
            if gap_ns < self._media_gap_ns * (self._gaps_told + 1):
                continue
            self._gaps_told = gap_ns // self._media_gap_ns
            await self._act(self._machine.media_stopped())
            await self.push_frame(MediaStoppedFrame(for_s=gap_ns / 1e9))

    # -- the floor ------------------------------------------------------------------------------

    @property
    def _floor(self) -> Floor:
        if self._speaking:
            return Floor.SPEAKING if self._yields else Floor.UNYIELDING
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
                await self.push_frame(PauseSpeechFrame(at_s=at_ms / 1000))
            case Resume():
                await self.push_frame(ResumeSpeechFrame())
            case Commit() if self._is_echo(self._started_ms, self._machine.now_ms):
                self._dropped = True
                await self.push_frame(ResumeSpeechFrame())
                self._todo += self._machine.drop()
            case Commit():
                self._cut = True
                await self._interrupt()
            case AskText(pause):
                self._run_beside(self._recognise(pause, self._audio.finish()), "ear-recognition")
            case AskSmartTurn(pause):
                self._run_beside(self._ask_turn_model(pause, self._audio.pcm), "ear-turn-model")
            case GoOn():
                self._partial = ""
                self._audio.go_on()
            case EndOfTurn():
                await self._end_turn(output)

    async def _interrupt(self) -> None:
        """Take the floor: what the agent says or thinks is cut."""
        if self._echo is not None:
            self._echo.cleared(self._clock.monotonic_ns())
        await self.broadcast_interruption()  # type: ignore[no-untyped-call]  # pipecat's

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
                during_agent=floor is Floor.UNYIELDING, urgent=self._urgent(text),
            )
        )  # fmt: skip

    async def _recognise(self, pause: int, utterance: Utterance | None) -> None:
        heard = await self._audio.recognise(utterance)
        if self._on_failover is not None:  # also when the caller went on: it failed all the same
            for _, why in heard.failed:
                self._on_failover(why)
        if not self._machine.awaits(pause):
            return  # the caller went on meanwhile
        self._audio.heard = heard
        understood = heard.confidence >= LEAST_CONFIDENCE
        await self._act(self._machine.final(pause, heard.text, understood=understood))

    async def _ask_turn_model(self, pause: int, pcm: bytes) -> None:
        try:
            probability = await self._turn_model.complete(pcm)
        except ProviderError:
            return  # the clock decides
        await self._act(self._machine.turn_model(pause, probability))

    async def _end_turn(self, end: EndOfTurn) -> None:
        try:
            await self._tell(end)
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
            await self.push_frame(
                CallerSaidFrame(
                    text=end.text,
                    confidence=heard.confidence,
                    started_s=end.started_ms / 1000,
                    ended_s=end.ended_ms / 1000,
                    t0_ns=self._speech_ns,
                    ended_ns=self._clock.monotonic_ns(),
                    recognised_ns=heard.at_ns,
                    engine=heard.engine or self._engine,
                    why=end.why,
                    during_agent=end.during_agent,
                    urgent=end.urgent,
                    aside=aside,
                )
            )
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
