"""A door to a caller: whoever places load's calls needs to know no carrier."""

from __future__ import annotations

from loadtests.systems import Door, TwilioDoor
from voice_runtime.caller.acting import OnEvent
from voice_runtime.caller.speech import Flite
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.webrtc import WebRtcCaller

Caller = TwilioCaller | WebRtcCaller


def make_caller(
    door: Door,
    *,
    voice: Flite | None = None,
    on_event: OnEvent | None = None,
    longest_s: float = 600.0,
    connect_timeout_s: float = 10.0,
) -> Caller:
    """A caller for one call at ``door``; nothing is connected yet.

    Args:
        door: of the system under test.
        voice: speaks; shared between callers it synthesises each sentence once.
        on_event: awaited for each event of the call.
        longest_s: the caller hangs up after so long, s.
        connect_timeout_s: for each request, and for the stream or connection to come about, s.

    Raises:
        OperatorError: the door's address is none.
    """
    if isinstance(door, TwilioDoor):
        return TwilioCaller(
            door.base_url,
            door.auth_token,
            door.from_number,
            door.to_number,
            connect_to=door.connect_to or None,
            confined=door.confined,
            webhook=door.webhook,
            stream_url=door.stream_url,
            parameters=door.parameters,
            voice=voice,
            on_event=on_event,
            longest_s=longest_s,
            connect_timeout_s=connect_timeout_s,
        )
    return WebRtcCaller(
        door.base_url,
        door.agent,
        dialect=door.dialect,
        voice=voice,
        on_event=on_event,
        longest_s=longest_s,
        connect_timeout_s=connect_timeout_s,
    )
