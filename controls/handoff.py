"""From "a person, please" to a person, a promised call-back or a recorded failure; never silence. Pure.

    IDLE ──Wanted──▶ CLEARING ──Durable──▶ TRANSFERRING ──Accepted──▶ DONE (completed)
                        │                     │ Failed: the next route
                        │                     ▼
                        └──Refused──▶ OFFERING ◀── a call-back route
                                       │ yes   └── no, or twice no answer ──▶ DONE (nobody)
                                       ▼
                                     ASKING
                                       │ ▲ number not right, or not understood
                                       ▼ │
                                   CONFIRMING ──yes──▶ PROMISING ──Durable──▶ DONE (promised)
                                       └── nothing left ─────────────────────▶ DONE (nobody)

Routes are tried in their order: desks that are open, then call-backs. Whoever
enacts this answers every output that waits (Transfer, Say with an answer,
PromiseCallback) with one event; a deadline passed is an event too (Failed,
Refused, Unclear). A handoff ends exactly once, with ``Finish``.

1. A call-back is promised to nobody who did not say yes to one: not to who says no, is silent, hangs up
   before the answer, opted out in this call or an earlier one, or has an emergency (47 CFR 64.1200(a)(10);
   GDPR Art. 6 and 7: no consent by silence). What answers a question of these, and when, is decided by
   ``controls.question``; what is a number, by ``controls.callback_number``.
2. An emergency's handoff asks for nothing. With nobody reached it ends with what to do instead: its script,
   which names the number to dial, once more.
3. A handoff that an emergency overtakes is settled on record; one whose transfer is under way becomes the
   emergency's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from controls.handoff_values import (
    Accepted,
    Again,
    Consent,
    Durable,
    Ending,
    Event,
    Failed,
    FailReason,
    Finish,
    Gone,
    How,
    No,
    Number,
    Output,
    Overtaken,
    PromiseCallback,
    ReadBack,
    RecordAccepted,
    RecordCompleted,
    RecordFailed,
    Refused,
    Request,
    RequestedBy,
    Route,
    Say,
    Transfer,
    Unclear,
    Urgent,
    Wanted,
    Yes,
)

__all__ = [
    "ASK_NUMBER",
    "NOBODY",
    "OFFER",
    "OFFERS",
    "TRIES",
    "URGENT_NOBODY",
    "Accepted",
    "Again",
    "Consent",
    "Durable",
    "Ending",
    "Event",
    "FailReason",
    "Failed",
    "Finish",
    "Gone",
    "Handoff",
    "HandoffState",
    "How",
    "No",
    "Number",
    "Output",
    "Overtaken",
    "PromiseCallback",
    "ReadBack",
    "RecordAccepted",
    "RecordCompleted",
    "RecordFailed",
    "Refused",
    "Request",
    "RequestedBy",
    "Route",
    "Say",
    "Step",
    "Transfer",
    "Unclear",
    "Urgent",
    "Wanted",
    "Yes",
    "clean_number",
    "spoken_number",
]  # fmt: skip

#: A call-back number is asked for, or read back, at most this often.
TRIES = 3
#: Whether they may be called back is asked at most this often.
OFFERS = 2
#: What is asked, and what is said where nobody came: to a caller with an emergency, ahead of its script.
OFFER, NOBODY, URGENT_NOBODY = "ask-callback", "nobody-reached", "emergency-nobody"
ASK_NUMBER = "ask-number"


class HandoffState(StrEnum):
    IDLE = "idle"
    CLEARING = "clearing"  # handoff.requested is on its way to disk
    TRANSFERRING = "transferring"
    OFFERING = "offering"  # a call-back: yes or no
    ASKING = "asking"  # for a number
    CONFIRMING = "confirming"  # a number was read back
    PROMISING = "promising"  # callback.promised is on its way to disk
    DONE = "done"


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
        script: fixed phrase that says what to do in it.
        barred: the caller may not be called back: they opted out.
        agreed: they said yes to a call-back.
        offers: how often they were asked.
        told: the caller knows that they are being connected.
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
    script: str = ""
    barred: bool = False
    agreed: bool = False
    offers: int = 0
    told: bool = False
    there: bool = True

    @classmethod
    def over(cls, routes: Sequence[Route], caller_number: str = "", script: str = "") -> Handoff:
        """A handoff that has not begun. ``caller_number`` counts only if it can be dialled."""
        return cls(tuple(routes), clean_number(caller_number), script=script)

    def bar(self) -> Handoff:
        """The same, of a caller who is not to be called back, whatever they said before."""
        return replace(self, barred=True, agreed=False)

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
            case Yes(how) if state is HandoffState.OFFERING:
                return self._take_up(how)
            case No(how) if state in (HandoffState.OFFERING, HandoffState.ASKING):
                return self._decline(how)
            case Number(digits) if state is HandoffState.OFFERING and clean_number(digits):
                return self._take_up("voice", clean_number(digits))  # "call me on …" is a yes as well
            case Number() | Unclear() if state is HandoffState.OFFERING:
                return self._offer(())
            case Yes() if state is HandoffState.CONFIRMING:
                return self._promise(True, ())
            case No() if state is HandoffState.CONFIRMING:
                return replace(self, number="")._ask(())
            case Yes() | Unclear() if state is HandoffState.ASKING:
                return self._ask(())
            case Unclear() if state is HandoffState.CONFIRMING:
                return self._read_back(())
            case Again() if self.asking:
                return self, (self._question(),)
            case Durable() | Refused() if state is HandoffState.PROMISING:
                return self._promised(isinstance(event, Durable))
            case Gone():
                return replace(self, there=False)._gone()
            case Urgent(script) if state is HandoffState.TRANSFERRING:
                return replace(self, urgent=True, script=script or self.script), ()
            case Overtaken():
                return self._overtaken()
        return self, ()

    @property
    def done(self) -> bool:
        return self.state is HandoffState.DONE

    @property
    def asking(self) -> bool:
        """Whether the caller's next words answer a question of the handoff."""
        return self.state in (HandoffState.OFFERING, HandoffState.ASKING, HandoffState.CONFIRMING)

    # -- inside -----------------------------------------------------------------------------------

    def _question(self) -> Output:
        if self.state is HandoffState.CONFIRMING:
            return ReadBack(self.number)
        return Say(OFFER if self.state is HandoffState.OFFERING else ASK_NUMBER, answer=True)

    def _last_desk(self) -> int:
        return max((i for i, route in enumerate(self.routes) if route.kind == "desk"), default=-1)

    def _next(self, before: tuple[Output, ...]) -> Step:
        outputs = list(before)
        for i in range(self.at + 1, len(self.routes)):
            route = self.routes[i]
            if route.kind == "callback":
                if self.urgent or self.barred:
                    continue
                return replace(self, at=i)._callback(tuple(outputs))
            if route.urgent_only and not self.urgent:
                continue
            if route.open_now and route.number:
                after = replace(self, at=i, state=HandoffState.TRANSFERRING)
                # a script says what to do, and promises nobody: at night that would be untrue
                spoken = () if self.told else (Say("handoff"),)
                return replace(after, told=True), (*outputs, *spoken, Transfer(route))
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
        return self._offer((*before, Say("no-one-free")))

    def _offer(self, before: tuple[Output, ...]) -> Step:
        if self.offers >= OFFERS:
            return self._decline("default", before)
        offered = replace(self, state=HandoffState.OFFERING, offers=self.offers + 1)
        return offered, (*before, Say(OFFER, answer=True))

    def _take_up(self, how: How, number: str = "") -> Step:
        if self.barred:
            return self._nobody((self._failed("declined"),))
        agreed, said = replace(self, agreed=True), (Consent(True, how),)
        if number := number or self.caller_number:
            return replace(agreed, number=number)._read_back(said)
        return agreed._ask(said)

    def _decline(self, how: How, before: tuple[Output, ...] = ()) -> Step:
        """No call-back: on record, and said, before anything else is."""
        told = (Consent(False, how), self._failed("declined"), Say("callback-cancelled"))
        return replace(self, agreed=False)._nobody((*before, *told))

    def _ask(self, before: tuple[Output, ...]) -> Step:
        if self.tries >= TRIES:
            return self._settle(before)
        asked = replace(self, state=HandoffState.ASKING, tries=self.tries + 1)
        return asked, (*before, Say(ASK_NUMBER, answer=True))

    def _number(self, digits: str) -> Step:
        number = clean_number(digits)
        return replace(self, number=number)._read_back(()) if number else replace(self, number="")._ask(())

    def _read_back(self, before: tuple[Output, ...]) -> Step:
        if self.tries >= TRIES:
            return self._settle(before)
        after = replace(self, state=HandoffState.CONFIRMING, tries=self.tries + 1)
        return after, (*before, ReadBack(self.number))

    def _settle(self, before: tuple[Output, ...]) -> Step:
        """Nothing was confirmed: promise on the best number known, marked unconfirmed, or own up."""
        number = self.number or self.caller_number
        if not number or not self.agreed:
            return self._nobody((*before, self._failed("nobody_there" if self.agreed else "declined")))
        return replace(self, number=number)._promise(False, before)

    def _promise(self, confirmed: bool, before: tuple[Output, ...]) -> Step:
        if not self.agreed:  # opted out meanwhile
            return self._nobody((*before, self._failed("declined")))
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
        spoken: tuple[Output, ...] = (Say(NOBODY),)
        if self.urgent:
            spoken = (Say(URGENT_NOBODY), Say(self.script)) if self.script else (Say(URGENT_NOBODY),)
        if not self.there:
            spoken = ()
        return replace(self, state=HandoffState.DONE), (*before, *spoken, Finish("nobody", self.there))

    def _failed(self, reason: FailReason) -> RecordFailed:
        desk = self.routes[self.at].desk if 0 <= self.at < len(self.routes) else ""
        return RecordFailed(desk, reason, self.waited_s)

    def _gone(self) -> Step:
        """The caller hung up: who said yes to a call-back is called back, where a number is known."""
        if self.state is HandoffState.IDLE:
            return replace(self, state=HandoffState.DONE), (Finish("nobody", False),)
        if self.state is HandoffState.PROMISING:
            return self, ()  # its receipt decides
        number = self.number or self.caller_number
        at = next((i for i, route in enumerate(self.routes) if route.kind == "callback"), -1)
        if not number or at < 0 or not self.agreed:
            return self._nobody((self._failed("declined" if self.barred else "hung_up"),))
        return replace(self, at=at, number=number)._promise(False, ())

    def _overtaken(self) -> Step:
        """Settled at once, and nothing is said of it: the emergency's words come instead."""
        over = replace(self, state=HandoffState.DONE)
        if self.state in (HandoffState.IDLE, HandoffState.PROMISING):  # what was promised stays promised
            return over, (Finish("nobody", self.there),)
        return over, (self._failed("overtaken"), Finish("nobody", self.there))


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
