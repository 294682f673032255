"""One call on bare pipecat 1.14, as its documentation builds it. What was chosen, and from where.

Read in the installed 1.14.0 (``pipecat/cli/templates/server``, the bot that its own command
makes; ``pipecat/turns``; ``pipecat/audio``) and in docs.pipecat.ai as it stood for 1.14:

- *Pipeline*: input, recogniser, user aggregator, model, voice, output, assistant
  aggregator (``bot_cascade.py``; get-started/quickstart; examples: twilio-chatbot/inbound). The
  example's recording of calls is left out: it does not serve the caller.
- *Turns*, ``defaults``: ``LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())`` and nothing
  else, which is what the template writes (``helper_functions``, ``setup_context``). That means: Silero with
  confidence 0.7, start 0.2 s, stop 0.2 s, least volume 0.6 (``VADParams``). A turn starts by VAD,
  or by a transcript where the VAD found nothing. It ends once Smart Turn (``LocalSmartTurnAnalyzerV3``:
  smart-turn-v3.2-cpu, one thread) calls the last 8 s complete at the VAD's stop and the transcript
  is there, or after 3 s of silence whatever it says (``SmartTurnParams``); 5 s without any end force one
  (``user_turn_stop_timeout``). After an interruption without words the model asks to repeat
  (``EmptyUserTurnConfig``). The page: pipecat/learn/speech-input, "optimal configuration".
- *Turns*, ``equal_silence``: ``SpeechTimeoutUserTurnStopStrategy`` in Smart Turn's place, the page's simpler
  alternative, with what our own shortest wait has beyond the VAD's 200 ms; all else stays.
- *Transcripts* end no turn late: a service that takes whole segments marks each as final
  (``SegmentedSTTService``), so neither strategy waits for the published p99 of OpenAI's recogniser.
- *Sample rates*: 8 kHz in and out on telephone calls, "to avoid resampling"
  (pipecat/telephony/twilio-websockets); 16 in and 24 out in a browser (its defaults).
  ``OpenAITTSService`` is told 24 kHz, the only rate it has ("fixed sample rate",
  services/tts/openai): left alone it would label 24 kHz as 8, and speak thrice as slow.
- *Greeting*: ``TTSSpeakFrame`` once the client is connected (api-reference/server/pipeline), so that both
  systems open with the same words; the template has the model compose one.
- *Chunks*: 40 ms on the telephone (its default), 20 ms in a browser (examples:
  p2p-webrtc/docker; the default of 40 would be slower).
- *Idle time-out*: none, since a script may keep silent; one runner a call, so that
  no call can cancel another (``cancel_runner_on_idle_timeout``).
- *Clients*: each service makes its own, as they do; the documentation shares none.
- *Errors*: left to its default policy (report, carry on).

Left off though on by default, each to its favour, since nobody listens here: metrics
(``enable_metrics`` and ``enable_usage_metrics`` of the template), RTVI and turn tracking, each an
observer on every frame. Garbage is not collected at the end of each call (``force_gc``, off by
default, on in the telephone example): that would stop every other call for its time. So what
calls that are over left behind stays in its memory until Python collects by itself.

Voice ids, models and keys are placeholders: the suppliers are those of the load test.
The recogniser and the model note where the caller's media stood when the model's first
word came: two subclasses that call straight through, no processor and no observer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VAD_STOP_SECS
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    TTSSpeakFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transports.base_transport import BaseTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

from loadtests.baseline.settings import VAD_STOP_MS, BaselineSettings

assert round(VAD_STOP_SECS * 1000) == VAD_STOP_MS, "the VAD's stop is no longer what equal_silence counts on"

_SPEECH_HZ = 24_000
_KEY = "none"


class MediaClock:
    """The caller's media clock as the server receives it: ms of audio since the call's first sample.

    The least late packet sets it, so that audio waiting in a queue does not make the
    server look quicker than it is. What every packet waits for alike (the jitter buffer of
    WebRTC's input) it cannot know: that is missing from the time to the first token there, and
    stands in first-audio-out, which the caller measures.
    """

    def __init__(self) -> None:
        self._received_ms = 0.0
        self._zero_ms: float | None = None

    def received(self, ms: float, at_ns: int) -> None:
        """So much more audio is there, at a time of the monotonic clock."""
        self._received_ms += ms
        zero_ms = at_ns / 1e6 - self._received_ms
        if self._zero_ms is None or zero_ms < self._zero_ms:
            self._zero_ms = zero_ms

    def at(self, at_ns: int) -> float | None:
        """Where the media stands at a time of the monotonic clock, ms; None before the first sample."""
        return None if self._zero_ms is None else at_ns / 1e6 - self._zero_ms


@dataclass(slots=True)
class NotedTurn:
    """One answer of the model: ms of the caller's media clock (``MediaClock``).

    Attributes:
        said_ended_ms: when the VAD found speech to have ended, less the silence it waited for.
    """

    said_ended_ms: float | None
    first_token_at_ms: float | None


class Recogniser(OpenAISTTService):
    """pipecat's, counting the caller's audio."""

    def __init__(self, clock: MediaClock, **options: Any) -> None:
        super().__init__(**options)
        self._media = clock

    async def process_audio_frame(self, frame: InputAudioRawFrame, direction: FrameDirection) -> None:
        self._media.received(len(frame.audio) * 500 / frame.sample_rate, time.monotonic_ns())
        await super().process_audio_frame(frame, direction)


class Model(OpenAILLMService):
    """pipecat's, noting when the first word of an answer came."""

    def __init__(self, clock: MediaClock, turns: list[NotedTurn], **options: Any) -> None:
        super().__init__(**options)
        self._media = clock
        self._turns = turns
        self._said_ended_ms: float | None = None
        self._awaited = False

    async def push_frame(self, frame: Frame, direction: FrameDirection = FrameDirection.DOWNSTREAM) -> None:
        if isinstance(frame, LLMTextFrame):
            if self._awaited:
                self._awaited = False
                self._turns.append(NotedTurn(self._said_ended_ms, self._media.at(time.monotonic_ns())))
        elif isinstance(frame, LLMFullResponseStartFrame):
            self._awaited = True
        elif isinstance(frame, VADUserStoppedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            now = self._media.at(time.monotonic_ns())
            self._said_ended_ms = None if now is None else now - frame.stop_secs * 1000
        await super().push_frame(frame, direction)


async def run_call(
    transport: BaseTransport, via: Literal["twilio", "webrtc"], settings: BaselineSettings
) -> list[NotedTurn]:
    """Answer a call and stay with it until the caller has gone; what was noted of its turns."""
    clock, turns = MediaClock(), list[NotedTurn]()
    stt = Recogniser(clock, api_key=_KEY, base_url=settings.suppliers)
    llm = Model(
        clock,
        turns,
        api_key=_KEY,
        base_url=settings.suppliers,
        settings=OpenAILLMService.Settings(system_instruction=settings.instruction),
    )
    tts = OpenAITTSService(
        api_key=_KEY,
        base_url=settings.suppliers,
        sample_rate=_SPEECH_HZ,
        settings=OpenAITTSService.Settings(voice="alloy"),
    )
    user_aggregator, assistant_aggregator = LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(), user_turn_strategies=_strategies(settings)
        ),
    )
    pipeline = Pipeline(
        [transport.input(), stt, user_aggregator, llm, tts, transport.output(), assistant_aggregator]
    )
    telephone = PipelineParams(audio_in_sample_rate=8000, audio_out_sample_rate=8000)
    worker = PipelineWorker(
        pipeline,
        params=telephone if via == "twilio" else PipelineParams(),
        enable_rtvi=False,
        enable_turn_tracking=False,
        idle_timeout_secs=None,
        cancel_runner_on_idle_timeout=False,
    )

    async def on_client_connected(_: BaseTransport, __: object) -> None:
        if settings.greeting:
            await worker.queue_frame(TTSSpeakFrame(settings.greeting))

    async def on_client_disconnected(_: BaseTransport, __: object) -> None:
        await worker.cancel()

    transport.add_event_handler("on_client_connected", on_client_connected)
    transport.add_event_handler("on_client_disconnected", on_client_disconnected)
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    return turns


def _strategies(settings: BaselineSettings) -> UserTurnStrategies | None:
    """How the end of a turn is found; None: as pipecat does by itself."""
    if settings.name == "defaults":
        return None
    beyond_s = (settings.silence_ms - VAD_STOP_MS) / 1000
    return UserTurnStrategies(stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=beyond_s)])
