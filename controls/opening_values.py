"""What comes into the opening of a call and what comes out of it, as values. Pure.

The machine that takes the one and returns the other is ``controls.opening``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from controls.consent import RecordConsent, RecordWithdrawal, Scope

#: Fixed phrases it has spoken; questions have ids of their own (``controls.jurisdiction``).
DISCLOSURE = "disclosure"
AGAIN = "ai-again"
CLINICAL_START = "clinical-start"
CLINICAL_END = "clinical-end"
#: Silence between the disclosure and what the agent says next, ms: a pause between two sentences. What comes
#: next waits for the proof that the disclosure was played in full, which comes back meanwhile.
SENTENCE_PAUSE_MS = 240

Wanted = Literal["emergency", "person", "key_0", "opt_out"]
ByCaller = Literal["voice", "keypad"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question asked before the conversation.

    Attributes:
        phrase: the fixed phrase that asks it.
        scopes: what a yes gives, all of it.
        asked: digest (``sha256:…``) of the exact words.
        needed: without a yes the agent cannot go on, and a person is fetched.
    """

    phrase: str
    scopes: tuple[Scope, ...]
    asked: str
    needed: bool = False


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
    how: ByCaller = "voice"
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class Consent:
    """An answer to the question being asked; None when it was neither yes nor no, or silence.

    ``at_s``: seconds since the call was answered.
    """

    given: bool | None
    how: ByCaller = "voice"
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class Objected:
    """The caller takes consent back, or does not want what they were never asked about."""

    how: ByCaller = "voice"
    scopes: tuple[Scope, ...] = ("record",)
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class CallbackAnswered:
    """The caller was asked, outside of the opening, whether they may be called back.

    ``asked``: digest of the exact words of that question. A no after a yes takes it back.
    """

    given: bool
    how: Literal["voice", "keypad", "default"]
    asked: str = ""
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class Back:
    """Nobody could be reached: the agent has the caller again."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The agent is about to say goodbye."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up, or the call ended otherwise."""


Event = Answered | Played | Asked | Consent | Objected | CallbackAnswered | Back | Ending | Gone


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
class RecordFailure:
    """Append ``control.failed``: control disclosure, reason exhausted."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Suppliers:
    """Whether another company may hear the caller from now on; only where that takes a consent."""

    allowed: bool


@dataclass(frozen=True, slots=True)
class Remember:
    """Remember for later calls that this caller opted out (``controls.opt_outs``)."""


@dataclass(frozen=True, slots=True)
class Proceed:
    """The conversation may begin; ``recorded`` says whether recording was agreed to."""

    recorded: bool


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Fetch a person; ``why`` is ``handoff.requested``'s ``requested_by``."""

    why: Literal["caller_voice", "caller_key", "emergency", "failure", "rule"]


@dataclass(frozen=True, slots=True)
class End:
    """Say what is to be said and end the call."""

    reason: Literal["opted_out"]


Output = (
    Say
    | Cut
    | RecordDisclosure
    | RecordConsent
    | RecordWithdrawal
    | RecordFailure
    | Suppliers
    | Remember
    | Proceed
    | ToPerson
    | End
)
