"""The two ends of a call's pipeline on Twilio's media stream: transport and ear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipecat.frames.frames import Frame, OutputTransportReadyFrame
from pipecat.processors.frame_processor import FrameProcessor

from controls.intents import Intent, intent
from voice_runtime.agent import Release
from voice_runtime.call import Call
from voice_runtime.clock import Clock
from voice_runtime.events import AudioReadyFrame
from voice_runtime.house import Media
from voice_runtime.ingress.twilio_media import IncomingCall
from voice_runtime.ingress.webrtc_call import BrowserCall
from voice_runtime.listen.chain import RecogniserChain
from voice_runtime.listen.ear import Ear
from voice_runtime.listen.echo import Echo
from voice_runtime.listen.smart_turn import TurnModel
from voice_runtime.ports import CallControl, MediaLink
from voice_runtime.settings import Turn

#: What acts at once, whatever is being played and whether or not the caller's turn is over.
_URGENT = frozenset((Intent.EMERGENCY, Intent.PERSON, Intent.OPT_OUT, Intent.STOP))


@dataclass(frozen=True, slots=True)
class Hearing:
    """What every ear of the process shares."""

    recogniser: RecogniserChain
    turn_model: TurnModel
    turn: Turn
    clock: Clock


def recogniser_key(release: Release, language: str) -> str:
    """What a release's hints in one language are loaded under."""
    return f"{release.digest}/{language}"


def make_ear(hearing: Hearing, call: Call, release: Release, echo: Echo) -> Ear:
    """The ear of one leg of a call."""
    language = call.language

    def urgent(text: str) -> bool:
        return intent(text, language) in _URGENT

    return Ear(
        hearing.recogniser,
        phrases_key=recogniser_key(release, language),
        turn_model=hearing.turn_model,
        turn=hearing.turn,
        patience=release.patience,
        urgent=urgent,
        language=language,
        clock=hearing.clock,
        ask_after_s=release.silence.ask_after_s,
        end_after_s=release.silence.end_after_s,
        on_failed=call.ear_failed,
        echo=echo,
        recognition_s=hearing.recogniser.deadline_s,
        on_failover=lambda why: call.journal.control_failed("recogniser", why),
    )


class TwilioCarrier:
    """Implements ``call.Carrier`` for one media stream."""

    lead_ms = 120
    begins_with: type[Frame] = OutputTransportReadyFrame
    media = Media("twilio", "pcmu")

    def __init__(self, incoming: IncomingCall, hearing: Hearing, call: Call) -> None:
        self._hearing = hearing
        self._echo = Echo(call.half_duplex)
        self.on_sent: Callable[[bytes, int], None] | None = self._echo.on_sent
        self._transport = incoming.transport()
        self.link: MediaLink = incoming.link
        self.control: CallControl | None = incoming.control

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        """Transport input and ear; the end of the stream ends the call."""

        @self._transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
        async def gone(transport: Any, websocket: Any) -> None:
            call.disconnected(self)

        return [self._transport.input(), make_ear(self._hearing, call, call.release, self._echo)]

    def exit(self) -> Sequence[FrameProcessor]:
        """Transport output."""
        return [self._transport.output()]


class WebRtcCarrier:
    """Implements ``call.Carrier`` for one caller in a browser."""

    lead_ms = 120
    begins_with: type[Frame] = AudioReadyFrame

    def __init__(self, incoming: BrowserCall, hearing: Hearing, call: Call) -> None:
        self._incoming, self._hearing = incoming, hearing
        self._echo = Echo(call.half_duplex)
        self.link: MediaLink = incoming.link
        self.control: CallControl | None = incoming.control
        self.on_sent: Callable[[bytes, int], None] | None = self._echo.on_sent

    @property
    def media(self) -> Media:
        """As the page said when it was ready."""
        echo, microphone = self._incoming.media
        return Media("webrtc", "opus", echo, microphone)

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        """Transport input and ear; a caller who is gone ends the call."""
        self._incoming.on_gone(lambda: call.disconnected(self))
        ear = make_ear(self._hearing, call, call.release, self._echo)
        return [self._incoming.input(), ear, *self._incoming.behind_the_ear()]

    def exit(self) -> Sequence[FrameProcessor]:
        """Transport output."""
        return [self._incoming.output()]
