"""What goes into a handoff and what comes out of it: routes, events, outputs. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

RequestedBy = Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
FailReason = Literal[
    "nobody_there", "no_answer", "busy", "carrier", "outside_hours", "no_desk", "declined", "hung_up",
    "overtaken",
]  # fmt: skip
Ending = Literal["completed", "promised", "nobody"]
How = Literal["voice", "keypad", "default"]


@dataclass(frozen=True, slots=True)
class Route:
    """One place to try.

    Attributes:
        urgent_only: for emergencies; nobody else is put through there.
        closed_because: why nobody is there, when ``open_now`` is False.
        wait_s: bounds a desk.
        within_working_h: a call-back's promise.
    """

    kind: Literal["desk", "callback"]
    desk: str
    number: str = field(default="", repr=False)
    open_now: bool = True
    wait_s: float = 40.0
    within_working_h: int = 4
    closed_because: FailReason = "outside_hours"
    urgent_only: bool = False


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A person is wanted."""

    requested_by: RequestedBy


@dataclass(frozen=True, slots=True)
class Durable:
    """The record awaited (handoff.requested, callback.promised) has its receipt."""


@dataclass(frozen=True, slots=True)
class Refused:
    """That record could not be made durable, not even in the spool."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The desk has the caller. ``waited_s``: since the transfer began."""

    waited_s: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The desk cannot be reached, or its time ran out."""

    reason: FailReason
    waited_s: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """Digits the caller said or keyed, with or without a leading +.

    "" where they gave figures that are no telephone's: what was understood before is dropped with them.
    """

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Yes:
    """A call-back is wanted, or the number read back is right."""

    how: Literal["voice", "keypad"] = "voice"


@dataclass(frozen=True, slots=True)
class No:
    """It is not. To the question for a number: no call-back after all."""

    how: Literal["voice", "keypad"] = "voice"


@dataclass(frozen=True, slots=True)
class Unclear:
    """Neither an answer nor a number, or silence."""


@dataclass(frozen=True, slots=True)
class Again:
    """Something else was said to the caller meanwhile: a question that is open is put once more."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up."""


@dataclass(frozen=True, slots=True)
class Urgent:
    """The caller has named an emergency meanwhile: a transfer under way is one for it from now on.

    ``script``: fixed phrase that says what to do in it.
    """

    script: str = ""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """An emergency takes its place."""


Event = (
    Wanted | Durable | Refused | Accepted | Failed | Number | Yes | No | Unclear | Again | Gone | Urgent
    | Overtaken
)  # fmt: skip


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """Append ``handoff.requested`` through the gate; answer Durable or Refused."""

    requested_by: RequestedBy


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed phrase; ``answer``: then listen (Number, Yes, No or Unclear follow)."""

    phrase: str
    answer: bool = False


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Read the number back digit by digit and ask whether it is right (Yes, No, Number, Unclear)."""

    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller to ``route``; answer Accepted or Failed within its ``wait_s``."""

    route: Route


@dataclass(frozen=True, slots=True)
class RecordAccepted:
    """Append ``handoff.accepted``."""

    mode: Literal["blind"]
    waited_s: int


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """Append ``handoff.failed`` for one route, or for the whole."""

    desk: str
    reason: FailReason
    waited_s: int


@dataclass(frozen=True, slots=True)
class RecordCompleted:
    """Append ``handoff.completed``."""

    mode: Literal["blind"]
    waited_s: int


@dataclass(frozen=True, slots=True)
class Consent:
    """Append the answer to ``OFFER``: consent to a call-back given, refused, or taken back again."""

    given: bool
    how: How


@dataclass(frozen=True, slots=True)
class PromiseCallback:
    """Append ``callback.promised``, which is the handoff's outcome; answer Durable or Refused."""

    route: Route
    number: str = field(repr=False)
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """It is over. After ``nobody`` the caller has been told so, unless they hung up."""

    ending: Ending
    caller_there: bool


Output = (
    Request
    | Say
    | ReadBack
    | Transfer
    | RecordAccepted
    | RecordFailed
    | RecordCompleted
    | Consent
    | PromiseCallback
    | Finish
)
