"""The two ends of a call's pipeline on Twilio's media stream: transport and ear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipecat.frames.frames import Frame, OutputTransportReadyFrame
from pipecat.processors.frame_processor import FrameProcessor

from controls.intents import Intent, intent
from voice_runtime.agent import Release
from voice_runtime.budget import LEAD_MS
from voice_runtime.call import Call
from voice_runtime.clock import Clock
from voice_runtime.events import AudioReadyFrame
from voice_runtime.house import Media
from voice_runtime.ingress.twilio_media import IncomingCall
from voice_runtime.ingress.webrtc_call import BrowserCall
from voice_runtime.listen.chain import RecogniserChain
from voice_runtime.listen.ear import Ear
from voice_runtime.listen.echo import Echo
from voice_runtime.listen.expected import Expected, expected
from voice_runtime.listen.smart_turn import TurnModel
from voice_runtime.ports import CallControl, MediaLink
from voice_runtime.settings import Turn
from voice_runtime.speak.underrun import Cause

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

    def overrules(text: str, reading: str) -> bool:
        """Whether another reading names an emergency, or asks for a person where the text asks nothing."""
        meant, known = intent(reading, language), intent(text, language)
        if meant is Intent.EMERGENCY:
            return known is not Intent.EMERGENCY
        return meant is Intent.PERSON and known is None

    def grave(text: str) -> bool:
        return intent(text, language) is Intent.EMERGENCY

    def only_silences(text: str) -> bool:
        return intent(text, language) is Intent.STOP

    def asked_for() -> Expected:
        return expected(call.journal.newly_played(), language)

    def asks_now() -> Expected:
        return expected(call.last_words(), language)

    return Ear(
        hearing.recogniser.asking(lambda: call.opening.supplier_may_hear and not call.capture.paused),
        phrases_key=recogniser_key(release, language),
        turn_model=hearing.turn_model,
        turn=hearing.turn,
        patience=release.patience,
        urgent=urgent,
        overrules=overrules,
        grave=grave,
        only_silences=only_silences,
        language=language,
        clock=hearing.clock,
        ask_after_s=release.silence.ask_after_s,
        end_after_s=release.silence.end_after_s,
        on_failed=call.ear_failed,
        echo=echo,
        recognition_s=hearing.recogniser.deadline_s,
        on_failover=lambda why: call.journal.control_failed("recogniser", why),
        expected=asked_for,
        asking=asks_now,
        private=lambda: call.capture.paused,
        on_private_speech=call.capture.spoke,
    )


class TwilioCarrier:
    """Implements ``call.Carrier`` for one media stream."""

    lead_ms = LEAD_MS
    begins_with: type[Frame] = OutputTransportReadyFrame
    media = Media("twilio", "pcmu")

    def __init__(self, incoming: IncomingCall, hearing: Hearing, call: Call) -> None:
        self._hearing = hearing
        self._echo = Echo(call.half_duplex)
        self.on_sent: Callable[[bytes, int], None] | None = self._echo.on_sent
        self.on_underrun: Callable[[Cause], None] | None = None
        self._transport = incoming.transport()
        self.link: MediaLink = incoming.link
        self.control: CallControl | None = incoming.control

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        """Transport input and ear; the end of the stream ends the call."""
        self._transport.on_gone(lambda: call.disconnected(self))
        return [self._transport.input(), make_ear(self._hearing, call, call.release, self._echo)]

    def exit(self) -> Sequence[FrameProcessor]:
        """Transport output."""
        return [self._transport.output()]


class WebRtcCarrier:
    """Implements ``call.Carrier`` for one caller in a browser."""

    lead_ms = LEAD_MS
    begins_with: type[Frame] = AudioReadyFrame

    def __init__(self, incoming: BrowserCall, hearing: Hearing, call: Call) -> None:
        self._incoming, self._hearing = incoming, hearing
        self._echo = Echo(call.half_duplex)
        self.link: MediaLink = incoming.link
        self.control: CallControl | None = incoming.control
        self.on_sent: Callable[[bytes, int], None] | None = self._echo.on_sent
        self.on_underrun: Callable[[Cause], None] | None = self._comes_late
        self._on_track_underrun = call.house.on_track_underrun
        self._late: tuple[int, Cause] | None = None  # position of the track, and why what comes there is late
        incoming.timeline.on_underrun = self._ran_dry

    def _comes_late(self, cause: Cause) -> None:
        self._late = self._incoming.timeline.position, cause

    def _ran_dry(self) -> None:
        """The track had nothing to send in mid-speech; egress, which comes with more now, may know why."""
        late, self._late = self._late, None
        known = late is not None and late[0] == self._incoming.timeline.position
        if self._on_track_underrun is not None:
            self._on_track_underrun(late[1] if late and known else "unknown")

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
