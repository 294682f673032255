"""From "a person, please" to a person, a promised call-back or a recorded failure; never silence. Pure.

    IDLE ──Wanted──▶ CLEARING ──Durable──▶ TRANSFERRING ──Accepted──▶ DONE (completed)
                        │                     │ Failed: the next route
                        │                     ▼
                        └──Refused──▶ ASKING ◀── a call-back route
                                       │ ▲ number not right, or not understood
                                       ▼ │
                                   CONFIRMING ──yes──▶ PROMISING ──Durable──▶ DONE (promised)
                                       └── nothing left ─────────────────────▶ DONE (nobody)

Routes are tried in their order: desks that are open, then call-backs. Whoever
enacts this answers every output that waits (Transfer, Say with an answer,
PromiseCallback) with one event; a deadline passed is an event too (Failed,
Refused, Unclear). A handoff ends exactly once, with ``Finish``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

RequestedBy = Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
FailReason = Literal["nobody_there", "no_answer", "busy", "carrier", "outside_hours", "no_desk"]
Ending = Literal["completed", "promised", "nobody"]

#: A call-back number is asked for, or read back, at most this often.
TRIES = 3


class HandoffState(StrEnum):
    IDLE = "idle"
    CLEARING = "clearing"  # handoff.requested is on its way to disk
    TRANSFERRING = "transferring"
    ASKING = "asking"  # for a number
    CONFIRMING = "confirming"  # a number was read back
    PROMISING = "promising"  # callback.promised is on its way to disk
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Route:
    """One place to try.

    Attributes:
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
    """Digits the caller said or keyed, with or without a leading +."""

    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Yes:
    """The number read back is right."""


@dataclass(frozen=True, slots=True)
class No:
    """It is not."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Neither an answer nor a number, or silence."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up."""


Event = Wanted | Durable | Refused | Accepted | Failed | Number | Yes | No | Unclear | Gone


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
    | PromiseCallback
    | Finish
)
Step = tuple["Handoff", tuple[Output, ...]]


@dataclass(frozen=True, slots=True)
class Handoff:
    """Where one handoff stands.

    Attributes:
        routes: in the order they are tried.
        caller_number: the number the call came from, offered first, or "".
        at: index of the route being tried.
        number: the call-back number as understood so far, or "".
        tries: how often a number was asked for or read back.
        waited_s: over all routes, whole seconds.
        urgent: an emergency asked for it.
        there: the caller has not hung up.
    """

    routes: tuple[Route, ...]
    caller_number: str = field(default="", repr=False)
    state: HandoffState = HandoffState.IDLE
    at: int = -1
    number: str = field(default="", repr=False)
    tries: int = 0
    waited_s: int = 0
    urgent: bool = False
    there: bool = True

    @classmethod
    def over(cls, routes: Sequence[Route], caller_number: str = "") -> Handoff:
        """A handoff that has not begun. ``caller_number`` counts only if it can be dialled."""
        return cls(tuple(routes), clean_number(caller_number))

    def step(self, event: Event) -> Step:
        """Take one event; returns the next state and what is to be done, in order.

        Events that are not legal in a state change nothing.
        """
        state = self.state
        if state is HandoffState.DONE:
            return self, ()
        match event:
            case Wanted(by) if state is HandoffState.IDLE:
                begun = replace(self, state=HandoffState.CLEARING, urgent=by == "emergency")
                return begun, (Request(by),)
            case Durable() if state is HandoffState.CLEARING:
                return self._next(())
            case Refused() if state is HandoffState.CLEARING:
                # no receipt, no transfer: a call-back may still be promised on record
                return replace(self, at=self._last_desk())._next((RecordFailed("", "carrier", 0),))
            case Accepted(waited) if state is HandoffState.TRANSFERRING:
                return self._accepted(waited)
            case Failed(reason, waited) if state is HandoffState.TRANSFERRING:
                desk = self.routes[self.at].desk
                after = replace(self, waited_s=self.waited_s + waited)
                return after._next((RecordFailed(desk, reason, waited),))
            case Number(digits) if state in (HandoffState.ASKING, HandoffState.CONFIRMING):
                return self._number(digits)
            case Yes() if state is HandoffState.CONFIRMING:
                return self._promise(True, ())
            case No() if state is HandoffState.CONFIRMING:
                return replace(self, number="")._ask(())
            case Yes() | No() | Unclear() if state is HandoffState.ASKING:
                return self._ask(())
            case Unclear() if state is HandoffState.CONFIRMING:
                return self._read_back(())
            case Durable() | Refused() if state is HandoffState.PROMISING:
                return self._promised(isinstance(event, Durable))
            case Gone():
                return replace(self, there=False)._gone()
        return self, ()

    @property
    def done(self) -> bool:
        return self.state is HandoffState.DONE

    @property
    def asking(self) -> bool:
        """Whether the caller's next words answer a question of the handoff."""
        return self.state in (HandoffState.ASKING, HandoffState.CONFIRMING)

    # -- inside -----------------------------------------------------------------------------------

    def _last_desk(self) -> int:
        return max((i for i, route in enumerate(self.routes) if route.kind == "desk"), default=-1)

    def _next(self, before: tuple[Output, ...]) -> Step:
        outputs = list(before)
        for i in range(self.at + 1, len(self.routes)):
            route = self.routes[i]
            if route.kind == "callback":
                return replace(self, at=i)._callback(tuple(outputs))
            if route.open_now and route.number:
                after = replace(self, at=i, state=HandoffState.TRANSFERRING)
                # an emergency's own script has been spoken; nothing more before the transfer
                spoken = () if self.urgent or self.at >= 0 else (Say("handoff"),)
                return after, (*outputs, *spoken, Transfer(route))
            outputs.append(RecordFailed(route.desk, "no_desk" if route.open_now else route.closed_because, 0))
        return replace(self, at=len(self.routes))._nobody(tuple(outputs))

    def _accepted(self, waited: int) -> Step:
        total = self.waited_s + waited
        done = replace(self, state=HandoffState.DONE, waited_s=total)
        return done, (
            RecordAccepted("blind", total),
            RecordCompleted("blind", total),
            Finish("completed", True),
        )

    def _callback(self, before: tuple[Output, ...]) -> Step:
        told = (*before, Say("no-one-free"))
        if self.caller_number:
            return replace(self, number=self.caller_number)._read_back(told)
        return self._ask(told)

    def _ask(self, before: tuple[Output, ...]) -> Step:
        if self.tries >= TRIES:
            return self._settle(before)
        asked = replace(self, state=HandoffState.ASKING, tries=self.tries + 1)
        return asked, (*before, Say("ask-number", answer=True))

    def _number(self, digits: str) -> Step:
        number = clean_number(digits)
        if not number:
            return self._ask(())
        return replace(self, number=number)._read_back(())

    def _read_back(self, before: tuple[Output, ...]) -> Step:
        if self.tries >= TRIES:
            return self._settle(before)
        after = replace(self, state=HandoffState.CONFIRMING, tries=self.tries + 1)
        return after, (*before, ReadBack(self.number))

    def _settle(self, before: tuple[Output, ...]) -> Step:
        """Nothing was confirmed: promise on the best number known, marked unconfirmed, or own up."""
        number = self.number or self.caller_number
        if not number:
            return self._nobody((*before, self._failed("nobody_there")))
        return replace(self, number=number)._promise(False, before)

    def _promise(self, confirmed: bool, before: tuple[Output, ...]) -> Step:
        after = replace(self, state=HandoffState.PROMISING)
        return after, (*before, PromiseCallback(self.routes[self.at], self.number, confirmed))

    def _promised(self, durable: bool) -> Step:
        if not durable:  # a promise that is not on record is not made
            return self._nobody((self._failed("carrier"),))
        done = replace(self, state=HandoffState.DONE)
        spoken: tuple[Output, ...] = (Say("callback-promised"),) if self.there else ()
        return done, (*spoken, Finish("promised", self.there))

    def _nobody(self, before: tuple[Output, ...]) -> Step:
        if not any(isinstance(output, RecordFailed) for output in before):
            before = (*before, self._failed("no_desk" if not self.routes else "nobody_there"))
        spoken: tuple[Output, ...] = (Say("nobody-reached"),) if self.there else ()
        return replace(self, state=HandoffState.DONE), (*before, *spoken, Finish("nobody", self.there))

    def _failed(self, reason: FailReason) -> RecordFailed:
        desk = self.routes[self.at].desk if 0 <= self.at < len(self.routes) else ""
        return RecordFailed(desk, reason, self.waited_s)

    def _gone(self) -> Step:
        """The caller hung up: who asked for a person is still called back, where a number is known."""
        if self.state is HandoffState.IDLE:
            return replace(self, state=HandoffState.DONE), (Finish("nobody", False),)
        if self.state is HandoffState.PROMISING:
            return self, ()  # its receipt decides
        number = self.number or self.caller_number
        at = next((i for i, route in enumerate(self.routes) if route.kind == "callback"), -1)
        if not number or at < 0 or self.state is HandoffState.CLEARING:
            return self._nobody((self._failed("nobody_there"),))
        return replace(self, at=at, number=number)._promise(False, ())


def clean_number(digits: str) -> str:
    """A dialable number (7 to 15 digits, E.164 allows 15, perhaps a leading +), or ""."""
    kept = "".join(c for c in digits if c.isascii() and c.isdigit())
    if not 7 <= len(kept) <= 15:
        return ""
    return ("+" if digits.lstrip().startswith("+") else "") + kept


def spoken_number(number: str) -> str:
    """Digits one by one in groups, as a voice should read them: ``2 0 2, 5 5 5, 0 1 4 3``.

    A leading +1 is left out: a caller in North America does not say it.
    """
    digits = "".join(c for c in number if c.isdigit())
    if number.startswith("+1") and len(digits) == 11:
        digits = digits[1:]
    head, last = digits[:-4], digits[-4:]
    groups = [*reversed([head[max(0, i - 3) : i] for i in range(len(head), 0, -3)]), last]
    return ", ".join(" ".join(group) for group in groups if group)
