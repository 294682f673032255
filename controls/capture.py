"""Figures entered by keys, with recording, recognition, model and logs paused: a state machine. Pure.

    READY ──Begin──▶ COLLECTING ──# and the figures fit──▶ KEPT ──Taken──▶ DONE
                       │  ▲  └─ * takes the last one back
                       │  └──── # and they do not fit: asked again, a few times
                       └─ silence twice, giving up, "stop", a person, an emergency, the end ─▶ DONE

Legal messages by state:

* READY: Begin, Gone.
* COLLECTING: Key, Silent, Spoke, Said, Gone.
* KEPT: Taken, Gone.
* DONE: nothing more.

``#`` ends an entry and ``*`` takes the last figure back. With nothing entered, ``#`` gives up; ``0#`` is the
way to a person, as key 0 is elsewhere. The figures are in the state alone, hidden from ``repr``; no output
holds one. A tool is handed a token; whoever carries its request out exchanges it (``figures``) and says
``Taken``.

From ``Begin`` to the end everything is paused together (PCI DSS 4.0.1, requirement 3.3.1), and exactly one
``capture.started`` and one ``capture.ended`` frame the pause.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from controls.redaction.checks import is_card

#: Fixed phrases it has spoken.
ENTER, AGAIN, NOT_TAKEN = "capture-enter", "capture-again", "capture-not-taken"
KEYS_ONLY = "capture-keys-only"
#: Without a key for so long, s, the caller is asked once more, and then left in peace.
PATIENCE_S = 12.0
#: Entries that do not fit, before a person is fetched.
MOST_ATTEMPTS = 3

Kind = Literal["card", "card-code", "account", "national-id", "number"]
Outcome = Literal["captured", "gave_up", "timed_out", "stopped", "person", "emergency", "hung_up", "failed"]
#: What a caller may mean by words while they enter figures.
Meant = Literal["stop", "person", "emergency"]
#: Ends that are nobody's key and nobody's word: the call ended, somebody else took it, it cannot be recorded.
EndedFor = Literal["hung_up", "stopped", "person", "emergency", "failed"]


class CaptureState(StrEnum):
    READY = "ready"
    COLLECTING = "collecting"
    KEPT = "kept"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be entered.

    Attributes:
        least, most: figures it has.
        luhn: its last figure is a check digit (ISO/IEC 7812-1).
    """

    what: Kind
    least: int
    most: int
    luhn: bool = False

    def fits(self, figures: str) -> bool:
        """Whether figures are such a number."""
        return self.least <= len(figures) <= self.most and (not self.luhn or is_card(figures))


CARD = Wanted("card", 13, 19, luhn=True)
CARD_CODE = Wanted("card-code", 3, 4)
#: What each kind looks like where nothing else is said of it. A card's own are fixed by its numbering plan.
USUAL: Mapping[Kind, Wanted] = MappingProxyType({
    "card": CARD,
    "card-code": CARD_CODE,
    "account": Wanted("account", 4, 20),
    "national-id": Wanted("national-id", 4, 20),
    "number": Wanted("number", 1, 20),
})  # fmt: skip


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """A tool needs it; the caller has agreed to enter it.

    Attributes:
        use: the tool's use (``u_…``).
        token: random, made for this capture; the tool is handed it in place of the figures.
    """

    use: str
    token: str


@dataclass(frozen=True, slots=True)
class Key:
    """One of ``0123456789*#``, which no ``repr`` shows."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Silent:
    """No key came for ``PATIENCE_S``."""


@dataclass(frozen=True, slots=True)
class Spoke:
    """The caller goes on speaking instead of keying. Nothing is recognised, so nobody knows what they say."""


@dataclass(frozen=True, slots=True)
class Said:
    """The caller typed words, or had said them by when it began, and meant this; they are kept nowhere."""

    wanted: Meant


@dataclass(frozen=True, slots=True)
class Taken:
    """The tool has the figures."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The caller hung up, the call ended, or somebody other than the caller ended this."""

    because: EndedFor = "hung_up"


Event = Begin | Key | Silent | Spoke | Said | Taken | Gone


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pause:
    """Recording, recognition, model and logs stop together, before anything is asked for."""


@dataclass(frozen=True, slots=True)
class Resume:
    """All of them go on."""


@dataclass(frozen=True, slots=True)
class RecordStarted:
    """Append ``capture.started``, and ``recording.paused`` for the reason payment where a recording runs."""

    use: str
    what: Kind


@dataclass(frozen=True, slots=True)
class RecordEnded:
    """Append ``capture.ended``."""

    use: str
    outcome: Outcome
    attempts: int


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a fixed phrase; keys count meanwhile."""

    phrase: str


@dataclass(frozen=True, slots=True)
class Wait:
    """From now on so much silence, s, is ``Silent``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hand:
    """The tool's use goes on with this in place of the figures."""

    use: str
    token: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The tool is not used: there is nothing to use it with."""

    use: str


@dataclass(frozen=True, slots=True)
class ToPerson:
    """Fetch a person; ``why`` is ``handoff.requested``'s ``requested_by``."""

    why: Literal["caller_voice", "caller_key", "emergency", "failure"]


Output = Pause | Resume | RecordStarted | RecordEnded | Say | Wait | Hand | Refuse | ToPerson


@dataclass(frozen=True, slots=True)
class Capture:
    """Where one capture stands.

    Attributes:
        attempts: entries that were ended with #.
        asked_again: silence was answered once by asking again.
        use, token: of ``Begin``.
    """

    wanted: Wanted
    state: CaptureState = CaptureState.READY
    attempts: int = 0
    asked_again: bool = False
    use: str = ""
    token: str = field(default="", repr=False)
    _figures: str = field(default="", repr=False)

    def step(self, event: Event) -> tuple[Capture, tuple[Output, ...]]:
        """Take one event; returns the next state and what is to be done, in order.

        Events that are not legal in a state change nothing and ask for nothing.
        """
        match self.state, event:
            case CaptureState.READY, Begin(use, token):
                begun = replace(self, state=CaptureState.COLLECTING, use=use, token=token)
                started = RecordStarted(use, self.wanted.what)
                return begun, (Pause(), started, Say(ENTER), Wait(PATIENCE_S))
            case CaptureState.READY, Gone():
                return replace(self, state=CaptureState.DONE), ()
            case CaptureState.COLLECTING, Key(key):
                return self._key(key)
            case CaptureState.COLLECTING, Silent():
                if self.asked_again:
                    return self._ended("timed_out", Say(NOT_TAKEN))
                # what was entered so far stays: the caller may be looking for the card
                return replace(self, asked_again=True), (Say(AGAIN), Wait(PATIENCE_S))
            case CaptureState.COLLECTING, Spoke() if not self.asked_again:
                # how they are listened to: it may be an emergency; the next silence ends the entry
                return replace(self, asked_again=True), (Say(KEYS_ONLY), Wait(PATIENCE_S))
            case CaptureState.COLLECTING, Said("stop"):
                return self._ended("stopped", Say(NOT_TAKEN))
            case CaptureState.COLLECTING, Said("person"):
                return self._ended("person", ToPerson("caller_voice"))
            case CaptureState.COLLECTING, Said("emergency"):
                return self._ended("emergency", ToPerson("emergency"))
            case CaptureState.COLLECTING, Gone(because):
                return self._ended(because)
            case CaptureState.KEPT, Taken() | Gone():
                return replace(self, state=CaptureState.DONE, token="", _figures=""), ()
        return self, ()

    @property
    def paused(self) -> bool:
        """Whether nothing may be recorded, recognised, logged or shown to the model."""
        return self.state is CaptureState.COLLECTING

    @property
    def finished(self) -> bool:
        """Whether a # pressed just now ended it as the caller meant it to, so that no figure follows.

        Not so where the entry did not fit for the last time: they may be keying it once more.
        """
        kept = self.state is CaptureState.KEPT
        return kept or (self.state is CaptureState.DONE and self.attempts < MOST_ATTEMPTS)

    def figures(self, token: str) -> str:
        """What was entered, for whoever holds its token while it is kept.

        Raises:
            PermissionError: nothing is kept, or not under that token.
        """
        if self.state is not CaptureState.KEPT or token != self.token:
            raise PermissionError("nothing is kept under this token")
        return self._figures

    def _key(self, key: str) -> tuple[Capture, tuple[Output, ...]]:
        if key == "*":
            return replace(self, _figures=self._figures[:-1]), (Wait(PATIENCE_S),)
        if key == "#":
            return self._finished()
        if len(key) != 1 or key not in "0123456789":
            return self, ()
        # one figure too many is kept, so that a number that is too long is not taken for its beginning
        entered = (self._figures + key)[: self.wanted.most + 1]
        return replace(self, _figures=entered, asked_again=False), (Wait(PATIENCE_S),)

    def _finished(self) -> tuple[Capture, tuple[Output, ...]]:
        if not self._figures:
            return self._ended("gave_up", Say(NOT_TAKEN))
        if self._figures == "0":
            return self._ended("person", ToPerson("caller_key"))
        tried = replace(self, attempts=self.attempts + 1)
        if self.wanted.fits(self._figures):
            kept = replace(tried, state=CaptureState.KEPT)
            ended = RecordEnded(self.use, "captured", tried.attempts)
            return kept, (ended, Resume(), Hand(self.use, self.token))
        if tried.attempts >= MOST_ATTEMPTS:
            return tried._ended("gave_up", Say(NOT_TAKEN), ToPerson("failure"))
        return replace(tried, _figures="", asked_again=False), (Say(AGAIN), Wait(PATIENCE_S))

    def _ended(self, outcome: Outcome, *then: Output) -> tuple[Capture, tuple[Output, ...]]:
        """Without a number: forget what was entered, go on with everything, and leave the tool unused."""
        done = replace(self, state=CaptureState.DONE, token="", _figures="")
        ended = RecordEnded(self.use, outcome, self.attempts)
        return done, (ended, Resume(), Refuse(self.use), *then)


# --- afterwards -----------------------------------------------------------------------------------

#: In place of what was entered, wherever somebody repeats it.
ENTERED = "[entered]"
#: Figures of a run this long are masked inside longer runs too; shorter ones only as a whole number.
_DISTINCT = 6


def without_figures(value: Any, figures: str) -> Any:
    """A service's answer (JSON) without the figures it was sent, grouped or not, as text or as number."""
    if not figures:
        return value
    run = r"[\s./-]*".join(figures)
    pattern = re.compile(run if len(figures) >= _DISTINCT else rf"(?<!\d){run}(?!\d)")
    return _masked(value, pattern)


def _masked(value: Any, pattern: re.Pattern[str]) -> Any:
    if isinstance(value, str):
        return pattern.sub(ENTERED, value)
    if isinstance(value, dict):
        return {_masked(k, pattern): _masked(v, pattern) for k, v in value.items()}
    if isinstance(value, list):
        return [_masked(v, pattern) for v in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and pattern.search(f"{value:.0f}"):
        return ENTERED
    return value
