"""Disclosure and consent as a state machine: what happens before the agent may converse. Pure.

    WAITING ──Answered──▶ DISCLOSING ──Played in full──▶ ASKING ──▶ OPEN
                            │  ▲ cut short: offered again    (only where consent is asked)
                            │  └───────────────┐
                            └── too often ─────┴──▶ PERSON, and control.failed
    from any state: an emergency, a person, key 0, opting out, the caller's end

Legal messages by state:

* WAITING: Answered, and everything that ends a call.
* DISCLOSING: Played, Consent (kept out: nothing was asked), Asked.
* ASKING: Played (of the question), Consent, Asked.
* PERSON, EMERGENCY: Played (the cut disclosure's account), Back (no person could be reached).
* OPEN, ENDED: nothing more; Asked is the call's own business then.

``Proceed`` is put out only after a disclosure was played in full in this very
attempt. A disclosure that cannot be played is no licence to talk: the caller
gets a person. Sources: Regulation (EU) 2024/1689 Art. 50(1); for consent to
recording, two-party statutes such as Cal. Penal Code 632.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

#: Fixed phrases it has spoken.
DISCLOSURE = "disclosure"
ASK_RECORDING = "ask-recording"
#: Silence between the disclosure and what the agent says next, ms: a pause between two sentences. What comes
#: next waits for the proof that the disclosure was played in full, which comes back meanwhile.
SENTENCE_PAUSE_MS = 240

Wanted = Literal["emergency", "person", "key_0", "opt_out"]


class OpeningState(StrEnum):
    WAITING = "waiting"
    DISCLOSING = "disclosing"
    ASKING = "asking"
    OPEN = "open"
    PERSON = "person"
    EMERGENCY = "emergency"
    ENDED = "ended"


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """The call is answered, and its ``release.bound`` is durable."""


@dataclass(frozen=True, slots=True)
class Played:
    """The phrase asked for has ended; ``full``: every sample was played.

    ``at_ms``: its first sample, ms after the call was answered.
    """

    phrase: str
    full: bool
    played_ms: int
    of_ms: int
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """The caller wants something that acts at once, whatever is being played."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Consent:
    """An answer to the question on recording; None when it was neither yes nor no, or silence."""

    given: bool | None
    how: Literal["voice", "keypad"] = "voice"


@dataclass(frozen=True, slots=True)
class Back:
    """Nobody could be reached: the agent has the caller again."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up, or the call ended otherwise."""


Event = Answered | Played | Asked | Consent | Back | Gone


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed phrase, not to be interrupted by ordinary speech."""

    phrase: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Fall silent at once; ``Played`` comes all the same, with what was played."""


@dataclass(frozen=True, slots=True)
class RecordDisclosure:
    """Append ``disclosure.played``."""

    attempt: int
    in_full: bool
    played_ms: int
    of_ms: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """Append ``consent.recorded`` for the scope recording."""

    given: bool
    how: Literal["voice", "keypad", "default"]


@dataclass(frozen=True, slots=True)
class RecordFailure:
    """Append ``control.failed``: control disclosure, reason exhausted."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Proceed:
    """The conversation may begin; ``recorded`` says whether recording was agreed to."""

    recorded: bool


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Fetch a person; ``why`` is ``handoff.requested``'s ``requested_by``."""

    why: Literal["caller_voice", "caller_key", "emergency", "failure"]


@dataclass(frozen=True, slots=True)
class End:
    """Say what is to be said and end the call."""

    reason: Literal["opted_out"]


Output = Say | Cut | RecordDisclosure | RecordConsent | RecordFailure | Proceed | ToPerson | End


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the opening of one call stands.

    Attributes:
        ask_recording: whether consent to recording is asked for; without the
            question nothing is recorded.
        attempts_max: how often the disclosure is offered before a person is fetched.
        attempt: of the disclosure, 1-based; 0 before the first.
        playing: the phrase whose ``Played`` is awaited, or "".
        disclosed: it was played in full.
        questions: how often consent was asked for.
    """

    ask_recording: bool = False
    attempts_max: int = 3
    state: OpeningState = OpeningState.WAITING
    attempt: int = 0
    playing: str = ""
    disclosed: bool = False
    questions: int = 0

    def step(self, event: Event) -> tuple[Opening, tuple[Output, ...]]:
        """Take one event; returns the next state and what is to be done, in order.

        Events that are not legal in a state change nothing and ask for nothing.
        """
        match event:
            case Gone():
                return self._ended(OpeningState.ENDED)
            case Asked(wanted):
                return self._asked(wanted)
            case Answered() if self.state is OpeningState.WAITING:
                return self._disclose()
            case Played() if event.phrase == self.playing and self.playing:
                return self._played(event)
            case Consent(given, how) if self.state is OpeningState.ASKING:
                return self._consent(given, how)
            case Back() if self.state in (OpeningState.PERSON, OpeningState.EMERGENCY):
                if self.disclosed:
                    return replace(self, state=OpeningState.OPEN, playing=""), (Proceed(recorded=False),)
                if self.attempt >= self.attempts_max:  # it could not be played: nothing to go back to
                    return self, ()
                return self._disclose()
        return self, ()

    @property
    def finished(self) -> bool:
        """Whether the agent may converse."""
        return self.state is OpeningState.OPEN

    def _disclose(self) -> tuple[Opening, tuple[Output, ...]]:
        attempt = self.attempt + 1
        after = replace(self, state=OpeningState.DISCLOSING, attempt=attempt, playing=DISCLOSURE)
        return after, (Say(DISCLOSURE, attempt),)

    def _ended(self, state: OpeningState) -> tuple[Opening, tuple[Output, ...]]:
        return replace(self, state=state), ()

    def _asked(self, wanted: Wanted) -> tuple[Opening, tuple[Output, ...]]:
        if self.state in (OpeningState.OPEN, OpeningState.ENDED, OpeningState.EMERGENCY):
            return self, ()
        if self.state is OpeningState.PERSON and wanted in ("person", "key_0"):
            return self, ()
        cut: tuple[Output, ...] = (Cut(),) if self.playing else ()
        match wanted:
            case "emergency":
                return replace(self, state=OpeningState.EMERGENCY), (*cut, ToPerson("emergency"))
            case "opt_out":
                return replace(self, state=OpeningState.ENDED), (*cut, End("opted_out"))
            case _:
                why: Literal["caller_voice", "caller_key"] = (
                    "caller_key" if wanted == "key_0" else "caller_voice"
                )
                return replace(self, state=OpeningState.PERSON), (*cut, ToPerson(why))

    def _played(self, event: Played) -> tuple[Opening, tuple[Output, ...]]:
        rest = replace(self, playing="")
        if event.phrase != DISCLOSURE:
            return rest, ()  # the question was put; the answer, or its silence, comes as Consent
        record = RecordDisclosure(self.attempt, event.full, event.played_ms, event.of_ms, event.at_ms)
        rest = replace(rest, disclosed=event.full)
        if self.state is not OpeningState.DISCLOSING:
            return rest, (record,)  # cut for a person, an emergency or the end: only its account is left
        if event.full:
            if self.ask_recording:
                asked = replace(rest, state=OpeningState.ASKING, playing=ASK_RECORDING, questions=1)
                return asked, (record, Say(ASK_RECORDING, 1))
            return replace(rest, state=OpeningState.OPEN), (record, Proceed(recorded=False))
        if self.attempt < self.attempts_max:
            again, outputs = rest._disclose()
            return again, (record, *outputs)
        failed = replace(rest, state=OpeningState.PERSON)
        return failed, (record, RecordFailure(self.attempt), ToPerson("failure"))

    def _consent(
        self, given: bool | None, how: Literal["voice", "keypad"]
    ) -> tuple[Opening, tuple[Output, ...]]:
        if given is None and self.questions < 2:
            again = replace(self, questions=self.questions + 1, playing=ASK_RECORDING)
            return again, (Say(ASK_RECORDING, again.questions),)
        # no answer is no consent; refusing alone never ends the call
        record = RecordConsent(bool(given), "default" if given is None else how)
        return replace(self, state=OpeningState.OPEN, playing=""), (record, Proceed(recorded=bool(given)))
