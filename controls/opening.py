"""Disclosure and consent as a state machine: what happens before the agent may converse. Pure.

    WAITING ──Answered──▶ DISCLOSING ──Played in full──▶ ASKING ──▶ … ──▶ OPEN
                            │  ▲ cut short: offered again   (one question after the other,
                            │  └───────────────┐             only where something is asked)
                            └── too often ─────┴──▶ PERSON, and control.failed
    from any state: an emergency, a person, key 0, opting out, the caller's end
    from PERSON and EMERGENCY, with nobody reached: told again that it is the AI, then where it was

Legal messages by state:

* WAITING: Answered, and everything that ends a call.
* DISCLOSING: Played (disclosure, start of the clinical disclaimer, the short reminder), Asked, Objected;
  Consent is kept out, nothing was asked.
* ASKING: Played (of the question), Consent, Asked, Objected, Back (a person was fetched for another reason).
* PERSON, EMERGENCY: Played (the account of what was cut), Back (no person could be reached), Objected.
* OPEN: Back, Objected, Ending, Played, and opting out; other wishes are the call's own business then.
* any but ENDED: CallbackAnswered (a way to a person asked whether the caller may be called back).
* ENDED: nothing more.

1. ``Proceed`` is put out once, after a disclosure was played in full and every question was answered, or
   was left without an answer twice, which is a no. A disclosure that cannot be played is no licence to
   talk: the caller gets a person.
2. A yes counts once the question was played in full; one that comes earlier waits for that. A no counts
   at once. Nothing is granted by silence, and refusing never ends a call.
3. Where another company may not hear the caller before they agreed, ``Suppliers`` says from the first
   moment on whether it may. Without that yes the agent cannot understand anybody: a person is fetched.
4. Whoever opted out in an earlier call is not asked about recording again: it is refused for them.

Sources: Regulation (EU) 2024/1689 Art. 50(1); consent to recording: statutes such as Cal. Penal Code 632;
clinical disclaimer at the start and the end of spoken communications: Cal. Health & Safety Code 1339.75;
opting out: 47 CFR 64.1200(a)(10).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from controls import consent as c
from controls.consent import Consents, RecordConsent, RecordWithdrawal, Scope
from controls.opening_values import (
    AGAIN,
    CLINICAL_END,
    CLINICAL_START,
    DISCLOSURE,
    SENTENCE_PAUSE_MS,
    Answered,
    Asked,
    Back,
    ByCaller,
    CallbackAnswered,
    Consent,
    Cut,
    End,
    Ending,
    Event,
    Gone,
    Objected,
    Output,
    Played,
    Proceed,
    Question,
    RecordDisclosure,
    RecordFailure,
    Remember,
    Say,
    Suppliers,
    ToPerson,
    Wanted,
)

__all__ = [
    "AGAIN",
    "CLINICAL_END",
    "CLINICAL_START",
    "DISCLOSURE",
    "SENTENCE_PAUSE_MS",
    "Answered",
    "Asked",
    "Back",
    "ByCaller",
    "CallbackAnswered",
    "Consent",
    "Cut",
    "End",
    "Ending",
    "Event",
    "Gone",
    "Objected",
    "Opening",
    "OpeningState",
    "Output",
    "Played",
    "Proceed",
    "Question",
    "RecordConsent",
    "RecordDisclosure",
    "RecordFailure",
    "RecordWithdrawal",
    "Remember",
    "Say",
    "Suppliers",
    "ToPerson",
    "Wanted",
]  # fmt: skip

#: A question is put at most this often.
TIMES = 2
#: What opting out takes back, besides all that was given; ``record`` takes the transcript with it.
_OPTED_OUT: tuple[Scope, ...] = ("callback",)
#: What is refused for a caller who opted out in an earlier call.
_STORED: tuple[Scope, ...] = ("record", "listening", "training", "callback")


class OpeningState(StrEnum):
    WAITING = "waiting"
    DISCLOSING = "disclosing"
    ASKING = "asking"
    OPEN = "open"
    PERSON = "person"
    EMERGENCY = "emergency"
    ENDED = "ended"


Step = tuple["Opening", tuple[Output, ...]]


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the opening of one call stands.

    Attributes:
        questions: asked in this order; without any the conversation follows the disclosure.
        consents: what is in force; its ``required`` are the scopes that a question is about.
        clinical: the clinical disclaimer is said at the start and at the end.
        outside: another company's recogniser hears the caller: without it nobody understands them.
        opted_out: the caller opted out, in an earlier call or in this one; None where nobody can tell, which
            counts as a yes until they agree to more, and is on record as a refusal by default.
        attempts_max: how often a phrase that must be played is offered before a person is fetched.
        attempt: of the disclosure, 1-based; 0 before the first.
        playing: the phrase whose ``Played`` is awaited, or "".
        disclosed: it was played in full.
        disclaimed: the start of the clinical disclaimer was, too.
        times: how often the question, disclaimer or reminder under way was offered.
        asking: the question under way: its place in ``questions``.
        early: a yes that came before its question had been played.
        failed: what must be played could not be.
        proceeded: ``Proceed`` was put out.
        closed: the end of the clinical disclaimer was asked for.
    """

    questions: tuple[Question, ...] = ()
    consents: Consents = field(default_factory=Consents)
    clinical: bool = False
    outside: bool = False
    opted_out: bool | None = False
    attempts_max: int = 3
    state: OpeningState = OpeningState.WAITING
    attempt: int = 0
    playing: str = ""
    disclosed: bool = False
    disclaimed: bool = False
    times: int = 0
    asking: int = 0
    early: Consent | None = None
    failed: bool = False
    proceeded: bool = False
    closed: bool = False

    def step(self, event: Event) -> Step:
        """Take one event; returns the next state and what is to be done, in order.

        Events that are not legal in a state change nothing and ask for nothing.
        """
        after, outputs = self._step(event)
        allowed = after.consents.allows("supplier")
        told = isinstance(event, Answered) and after is not self and "supplier" in self.consents.required
        if told or allowed is not self.consents.allows("supplier"):
            return after, _behind_records(outputs, Suppliers(allowed))
        return after, outputs

    @property
    def finished(self) -> bool:
        """Whether the agent may converse."""
        return self.state is OpeningState.OPEN

    def _step(self, event: Event) -> Step:
        state = self.state
        match event:
            case Gone():
                return replace(self, state=OpeningState.ENDED), ()
            case Asked():
                return self._asked(event)
            case Answered() if state is OpeningState.WAITING:
                return self._begin()
            case Played() if event.phrase == self.playing and self.playing:
                return self._played(event)
            case Consent() if state is OpeningState.ASKING:
                return self._consent(event)
            case Objected() if state not in (OpeningState.WAITING, OpeningState.ENDED):
                return self._objected(event)
            case CallbackAnswered() if state is not OpeningState.ENDED:
                return self._callback(event)
            case Back():
                return self._back()
            case Ending() if state is OpeningState.OPEN and self.clinical and not self.closed:
                return replace(self, closed=True, playing=CLINICAL_END), (Say(CLINICAL_END, 1),)
        return self, ()

    # -- what must be played ------------------------------------------------------------------------

    def _begin(self) -> Step:
        """The call is answered: what an earlier call left behind goes on record, then the disclosure."""
        if self.opted_out is False:
            return self._disclose()
        stored = c.Answer(_STORED, False, "stored" if self.opted_out else "default")
        consents, records = self.consents.step(stored)
        return replace(self, consents=consents)._disclose(records)

    def _disclose(self, before: tuple[Output, ...] = ()) -> Step:
        attempt = self.attempt + 1
        after = replace(self, state=OpeningState.DISCLOSING, attempt=attempt, playing=DISCLOSURE)
        return after, (*before, Say(DISCLOSURE, attempt))

    def _offer(self, phrase: str, before: tuple[Output, ...] = ()) -> Step:
        """Have the disclaimer or the reminder said; the conversation waits for it."""
        after = replace(self, state=OpeningState.DISCLOSING, playing=phrase, times=self.times + 1)
        return after, (*before, Say(phrase, after.times))

    def _next(self, before: tuple[Output, ...] = ()) -> Step:
        """The disclosure was played: the disclaimer, the next open question, or the conversation."""
        fresh = replace(self, times=0, early=None, playing="")
        if self.clinical and not self.disclaimed:
            return fresh._offer(CLINICAL_START, before)
        for i, question in enumerate(self.questions):
            if self._is_open(question):
                return replace(fresh, asking=i)._ask(before)
        opened = replace(fresh, state=OpeningState.OPEN, proceeded=True)
        if self.proceeded:  # back from a person: the conversation goes on
            return opened, before
        return opened, (*before, Proceed(recorded=self.consents.given("record")))

    def _played(self, event: Played) -> Step:
        rest = replace(self, playing="")
        if event.phrase == DISCLOSURE:
            return rest._disclosure_played(event)
        disclaimed = event.phrase == CLINICAL_START and event.full
        rest = replace(rest, disclaimed=self.disclaimed or disclaimed)
        if self.state is OpeningState.ASKING:
            return rest._question_played(event.full)
        if self.state is not OpeningState.DISCLOSING:
            return rest, ()  # cut for a person, an emergency or the end; or said in mid-conversation
        if event.full:
            return rest._next()
        if self.times < self.attempts_max:
            return rest._offer(event.phrase)
        return rest._failed(self.times)

    def _disclosure_played(self, event: Played) -> Step:
        record = RecordDisclosure(self.attempt, event.full, event.played_ms, event.of_ms, event.at_ms)
        rest = replace(self, disclosed=self.disclosed or event.full)
        if self.state is not OpeningState.DISCLOSING:
            return rest, (record,)  # cut for a person, an emergency or the end: only its account is left
        if event.full:
            return rest._next((record,))
        if self.attempt < self.attempts_max:
            return rest._disclose((record,))
        return rest._failed(self.attempt, (record,))

    def _failed(self, attempt: int, before: tuple[Output, ...] = ()) -> Step:
        after = replace(self, state=OpeningState.PERSON, failed=True)
        return after, (*before, RecordFailure(attempt), ToPerson("failure"))

    # -- what is asked ------------------------------------------------------------------------------

    def _is_open(self, question: Question) -> bool:
        """Whether it is still to be asked: not all of it is settled, or a needed yes is missing.

        Where no text is kept there is nothing to improve the system with, and nobody is asked.
        """
        if "training" in question.scopes and not self.consents.allows("transcript"):
            return False
        if question.needed:
            return not all(self.consents.given(scope) for scope in question.scopes)
        return not all(self.consents.answered(scope) for scope in question.scopes)

    def _ask(self, before: tuple[Output, ...] = ()) -> Step:
        phrase, times = self.questions[self.asking].phrase, self.times + 1
        after = replace(self, state=OpeningState.ASKING, playing=phrase, times=times, early=None)
        return after, (*before, Say(phrase, times))

    def _question_played(self, full: bool) -> Step:
        if full and self.early is not None:
            return self._settle(True, self.early.how, self.early.at_s)
        if full:
            return self, ()  # the answer, or its silence, comes as Consent
        return self._once_more()

    def _consent(self, event: Consent) -> Step:
        sounding = bool(self.playing)
        if event.given is None:
            return (self, ()) if sounding else self._once_more(event.at_s)
        if event.given and sounding:
            return replace(self, early=event), ()
        cut: tuple[Output, ...] = (Cut(),) if sounding else ()
        return self._settle(event.given, event.how, event.at_s, cut)

    def _once_more(self, at_s: int = 0) -> Step:
        if self.times < TIMES:
            return self._ask()
        return self._settle(False, "default", at_s)

    def _settle(self, given: bool, how: c.How, at_s: int, before: tuple[Output, ...] = ()) -> Step:
        question = self.questions[self.asking]
        consents, records = self.consents.step(c.Answer(question.scopes, given, how, question.asked, at_s))
        after = replace(self, consents=consents, early=None, playing="")
        if question.needed and not given:
            return replace(after, state=OpeningState.PERSON), (*before, *records, ToPerson("rule"))
        return after._next((*before, *records))

    def _objected(self, event: Objected) -> Step:
        asked = self.questions[self.asking].scopes if self.state is OpeningState.ASKING else ()
        others = tuple(scope for scope in event.scopes if scope not in asked)
        consents, records = self.consents.step(c.Withdrawal(others, event.how, event.at_s))
        after = replace(self, consents=consents)
        if others != event.scopes:  # it answers the question
            settled, outputs = after._consent(Consent(False, event.how, event.at_s))
            return settled, (*records, *outputs)
        lost = any(q.needed and after._is_open(q) for q in self.questions)
        lost = lost or (self.outside and not after.consents.allows("supplier"))
        if lost and self.state is OpeningState.OPEN and records:  # nobody understands the caller any more
            return replace(after, state=OpeningState.PERSON), (*records, ToPerson("rule"))
        return after, records

    def _callback(self, event: CallbackAnswered) -> Step:
        """Who opted out is not called back, whatever they answer; silence takes nothing back."""
        if self.opted_out:
            return self, ()
        answer: c.Event = c.Answer(("callback",), event.given, event.how, event.asked, event.at_s)
        if self.consents.given("callback"):
            if event.given or event.how == "default":
                return self, ()
            answer = c.Withdrawal(("callback",), event.how, event.at_s)
        consents, records = self.consents.step(answer)
        return replace(self, consents=consents), records

    # -- what passes ahead of everything ------------------------------------------------------------

    def _asked(self, event: Asked) -> Step:
        state, wanted = self.state, event.wanted
        if state in (OpeningState.ENDED, OpeningState.EMERGENCY):
            return self, ()
        if state is OpeningState.OPEN and wanted != "opt_out":
            return self, ()
        if state is OpeningState.PERSON and wanted in ("person", "key_0"):
            return self, ()
        cut: tuple[Output, ...] = (Cut(),) if self.playing and state is not OpeningState.OPEN else ()
        match wanted:
            case "emergency":
                return replace(self, state=OpeningState.EMERGENCY), (*cut, ToPerson("emergency"))
            case "opt_out":
                return self._opt_out(event, cut)
            case _:
                why: Literal["caller_voice", "caller_key"] = (
                    "caller_key" if wanted == "key_0" else "caller_voice"
                )
                return replace(self, state=OpeningState.PERSON), (*cut, ToPerson(why))

    def _opt_out(self, event: Asked, before: tuple[Output, ...]) -> Step:
        given = tuple(scope for scope in c.SCOPES if self.consents.given(scope))
        taken = c.Withdrawal((*given, *_OPTED_OUT), event.how, event.at_s)
        consents, records = self.consents.step(taken)
        after = replace(self, state=OpeningState.ENDED, consents=consents, opted_out=True)
        return after, (*before, *records, Remember(), End("opted_out"))

    def _back(self) -> Step:
        if self.state is OpeningState.OPEN:
            return replace(self, playing=AGAIN), (Say(AGAIN, 1),)
        away = (
            OpeningState.PERSON,
            OpeningState.EMERGENCY,
            OpeningState.ASKING,
        )  # a question was left behind
        if self.state not in away or self.failed:
            return self, ()
        if self.disclosed:
            return replace(self, times=0)._offer(AGAIN)
        if self.attempt >= self.attempts_max:  # it could not be played: nothing to go back to
            return self, ()
        return self._disclose()


def _behind_records(outputs: tuple[Output, ...], one: Output) -> tuple[Output, ...]:
    """``outputs`` with ``one`` right behind the last record: nothing is said between the two."""
    at = max(
        (i + 1 for i, o in enumerate(outputs) if isinstance(o, RecordConsent | RecordWithdrawal)), default=0
    )
    return (*outputs[:at], one, *outputs[at:])
