"""What Twilio's end of a call asks of the rest of the server, and tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from voice_runtime.ingress.twilio_media import IncomingCall
from voice_runtime.lines import Line

#: Why a call is not taken, as the record ``call.refused`` names it.
Reason = Literal[
    "capacity",
    "overload",
    "unknown_line",
    "draining",
    "ledger",
    "unapproved",
    "stopped",
    "signature",
    "token",
    "expired",  # a file of disclosure rules is past its last day
]


#: Reasons that callers are told alike: all lines are busy.
FULL: frozenset[Reason] = frozenset(("capacity", "overload"))


class Lines(Protocol):
    """Where a called number leads."""

    def find(self, number: str) -> Line | None:
        """The line of that number, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that was not taken. ``detail`` is a short word for logs, never content.

    ``carrier_call`` is the carrier's own name for it, where the carrier signed
    that; it goes on record sealed.
    """

    reason: Reason
    line: Line | None = None
    detail: str = ""
    carrier_call: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Dialled:
    """How a transfer went, as Twilio reports it when the dialled leg ends.

    Attributes:
        call: call id (``c_…``).
        status: ``completed`` (a person answered), ``busy``, ``no-answer``, ``failed``, ``canceled``.
        duration_s: of the conversation with the person, s.
    """

    call: str
    line: Line | None
    status: Literal["completed", "busy", "no-answer", "failed", "canceled"]
    duration_s: int = 0


@dataclass(frozen=True, slots=True)
class AfterDial:
    """What happens to a caller whose transfer is over.

    Attributes:
        reconnect: stream them to the agent again (``IncomingCall.resumed`` says why).
        say: without ``reconnect``, said by the carrier's voice before it hangs up.
    """

    reconnect: bool = False
    say: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A call that is about to be answered: admitted, not yet connected.

    Attributes:
        call: call id (``c_…``).
        within_s: the carrier may take so long to open the media stream, s.
    """

    call: str
    line: Line
    caller: str = field(repr=False)
    called: str = field(repr=False)
    call_sid: str = field(repr=False)
    within_s: float = 60.0


@dataclass(frozen=True, slots=True)
class TwilioHooks:
    """What the router calls. A hook that raises costs its own call, never another.

    Attributes:
        on_call: runs the whole call; returns when it is over.
        open_call: makes the call's first records durable before the webhook is answered
            (which answers the call), or says why it is not taken.
        on_refused: a call or stream was turned away.
        on_dialled: a transfer is over; None leaves the caller's end to the default
            (hang up after ``completed``, else the line's ``no_person`` words).
        may_take: a reason not to take a call on this line now, or None.
    """

    on_call: Callable[[IncomingCall], Awaitable[None]]
    open_call: Callable[[Opened], Awaitable[Reason | None]] | None = None
    on_refused: Callable[[Refusal], Awaitable[None]] | None = None
    on_dialled: Callable[[Dialled], Awaitable[AfterDial | None]] | None = None
    may_take: Callable[[Line], Awaitable[Reason | None]] | None = None
