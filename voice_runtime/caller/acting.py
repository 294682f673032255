"""What every simulated caller does beside its carrier's protocol: tells events, and follows its script."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from loguru import logger

from voice_runtime.caller.background import Background, background
from voice_runtime.caller.live import Live, StreamEnded
from voice_runtime.caller.results import CallerEvent, CallResult, Kind, played_at_ms
from voice_runtime.caller.script import SNR_DB, Backchannel, Noise, Script
from voice_runtime.caller.speech import Flite, Spoken
from voice_runtime.caller.steps import Steps

OnEvent = Callable[[CallerEvent], Awaitable[None]]

_MOST_EVENTS = 1000


class News:
    """Tells one call's events, in order, beside the call; a ``live.Listener``, too.

    Args:
        result: the call's; counts events that were lost.
        on_event: awaited for each. A slow one delays no audio, and beyond 1000 waiting events
            they are lost and counted.
    """

    def __init__(self, result: CallResult, on_event: OnEvent | None) -> None:
        self._result = result
        self._on_event = on_event
        self._events: asyncio.Queue[CallerEvent | None] = asyncio.Queue(_MOST_EVENTS)
        self._telling = asyncio.create_task(self._tell(), name="caller-events")

    def emit(self, kind: Kind, at_ms: float, **data: object) -> None:
        """Tell that something happened, ms since answered."""
        try:
            self._events.put_nowait(CallerEvent(kind, at_ms, data))
        except asyncio.QueueFull:
            self._result.events_lost += 1

    def now(self, kind: Kind, **data: object) -> None:
        """Tell that something happens now."""
        answered = self._result.answered_ns
        self.emit(kind, (time.monotonic_ns() - answered) / 1e6 if answered else 0.0, **data)

    def agent_started(self, sample: int) -> None:
        """``live.Listener``."""
        self.emit("agent_started", played_at_ms(sample))

    def agent_stopped(self, sample: int) -> None:
        """``live.Listener``."""
        self.emit("agent_stopped", played_at_ms(sample))

    async def told(self) -> None:
        """Wait until everything is told."""
        await self._events.put(None)
        await self._telling

    def drop(self) -> None:
        """Tell nothing more."""
        self._telling.cancel()

    async def _tell(self) -> None:
        while (event := await self._events.get()) is not None:
            if self._on_event is None:
                continue
            try:
                await self._on_event(event)
            except Exception as error:  # noqa: BLE001 - a display's bug must not end the call
                self._result.events_lost += 1
                logger.warning("a caller's event was not taken: {}", type(error).__name__)


async def prepare(script: Script, voice: Flite | None) -> dict[str, Spoken]:
    """Everything a caller will say, by its line, made before the call: in it nothing may take long.

    Args:
        voice: the caller's; None: the script's. A backchannel's own voice is always the script's.

    Raises:
        OperatorError: a sentence cannot be spoken (flite is missing).
    """
    voice = voice or Flite(script.voice, rate=script.rate)
    speech = {text: await voice.say(text) for text in script.sentences}
    for step in script.steps:
        if isinstance(step, Backchannel) and step.voice:
            speech[step.line] = await Flite(step.voice, rate=script.rate).say(step.text)
    await _noises(script, speech)  # leaves behind each kind's loop, which is what takes time
    return speech


async def _noises(script: Script, speech: Mapping[str, Spoken]) -> dict[Noise, Background]:
    made = {}
    for noise in script.noises:
        if noise.kind != "off":
            level = noise.snr_db if noise.snr_db is not None else script.snr_db
            level = SNR_DB if level is None else level
            made[noise] = await background(noise.kind, level, speech.values(), seed=script.seed)
    return made


async def follow(
    stream: Live,
    script: Script,
    speech: Mapping[str, Spoken],
    result: CallResult,
    news: News,
    *,
    longest_s: float,
) -> None:
    """Run a stream and a script beside each other until one of them ends; ``result.ended_by`` says which.

    Args:
        speech: as ``prepare`` made it.
    """
    steps = Steps(stream, speech, await _noises(script, speech), result.turns, news.emit)
    running = asyncio.create_task(stream.run(), name="caller-stream")
    acting = asyncio.create_task(steps.run(script), name="caller-script")
    result.ended_by = "server"
    try:
        async with asyncio.timeout(longest_s):
            await asyncio.wait({running, acting}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done():
                await acting
                result.ended_by = "caller"
                await asyncio.wait({running}, timeout=2)
    except StreamEnded:
        pass
    except TimeoutError:
        result.ended_by = "caller"
        result.error = "the call took too long"
        await stream.stop()
    finally:
        for task in (acting, running):
            task.cancel()
        done = await asyncio.gather(running, acting, return_exceptions=True)
    for error in done:
        if isinstance(error, Exception) and not isinstance(error, StreamEnded):
            raise error
