"""The two ends of a call's pipeline on Twilio's media stream: transport and ear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipecat.processors.frame_processor import FrameProcessor

from controls.intents import Intent, intent
from voice_runtime.agent import Release
from voice_runtime.call import Call
from voice_runtime.clock import Clock
from voice_runtime.ingress.twilio_media import IncomingCall
from voice_runtime.listen.ear import Ear
from voice_runtime.listen.smart_turn import TurnModel
from voice_runtime.ports import CallControl, MediaLink, Recogniser
from voice_runtime.settings import Turn

#: What acts at once, whatever is being played and whether or not the caller's turn is over.
_URGENT = frozenset((Intent.EMERGENCY, Intent.PERSON, Intent.OPT_OUT, Intent.STOP))


@dataclass(frozen=True, slots=True)
class Hearing:
    """What every ear of the process shares."""

    recogniser: Recogniser
    turn_model: TurnModel
    turn: Turn
    clock: Clock


def make_ear(hearing: Hearing, call: Call, release: Release) -> Ear:
    """The ear of one call."""
    language = release.language

    def urgent(text: str) -> bool:
        return intent(text, language) in _URGENT

    return Ear(
        hearing.recogniser,
        phrases_key=release.digest,
        turn_model=hearing.turn_model,
        turn=hearing.turn,
        patience=release.patience,
        urgent=urgent,
        language=language,
        clock=hearing.clock,
        ask_after_s=release.silence.ask_after_s,
        end_after_s=release.silence.end_after_s,
        on_failed=call.ear_failed,
    )


class TwilioCarrier:
    """Implements ``call.Carrier`` for one media stream."""

    lead_ms = 120

    def __init__(self, incoming: IncomingCall, hearing: Hearing, release: Release) -> None:
        self._hearing = hearing
        self._release = release
        self._transport = incoming.transport()
        self.link: MediaLink = incoming.link
        self.control: CallControl | None = incoming.control

    def entry(self, call: Call) -> Sequence[FrameProcessor]:
        """Transport input and ear; the end of the stream ends the call."""

        @self._transport.event_handler("on_client_disconnected")  # type: ignore[untyped-decorator]
        async def gone(transport: Any, websocket: Any) -> None:
            call.disconnected(self)

        return [self._transport.input(), make_ear(self._hearing, call, self._release)]

    def exit(self) -> Sequence[FrameProcessor]:
        """Transport output."""
        return [self._transport.output()]
