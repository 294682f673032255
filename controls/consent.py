"""What a caller agreed to, scope by scope: given, refused, withdrawn. Pure.

Nothing is granted by silence: an answer by ``default`` is a refusal, whatever else
it says. What a call does with a scope it asks for rests on ``Consents.allows``.

Scopes:

* record: sound is recorded;
* transcript: the text of what the caller says is kept;
* supplier: another company's recogniser gets the caller's voice;
* listening: a person of the operator's listens in;
* training: what was recorded or kept may be used to improve the system;
* callback: the caller may be called.

Refusing or withdrawing ``record`` takes ``transcript`` with it: who does not want to
be recorded does not want to be written down either. The other way round it does not
hold. With either falls ``training``: there is nothing to improve anything with.
Sources: GDPR Art. 4(11) and 7(3) (as easy to withdraw as to give, no consent by
silence: recital 32); Cal. Penal Code 632(a).

Every change is put out as a record, and only changes are: ``in_force`` of what was put
out is what ``Consents`` says, at every moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

Scope = Literal["record", "transcript", "supplier", "listening", "training", "callback"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
How = Literal["voice", "keypad", "default", "stored"]

#: Never without a yes, whether a call asks for it or not.
ALWAYS_ASKED: frozenset[Scope] = frozenset(("record", "listening", "training"))
#: Scope → those that cannot stand without it.
_FALL_WITH: dict[Scope, tuple[Scope, ...]] = {
    "record": ("transcript", "training"),
    "transcript": ("training",),
}
#: Of those, what falls only where it had been given: who was never asked refuses nothing by that.
_ONLY_GIVEN: frozenset[Scope] = frozenset(("training",))


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """The caller answered one question, which may be about several scopes.

    Attributes:
        how: ``default``: neither yes nor no came of it; ``stored``: from an earlier call.
        asked: digest (``sha256:…``) of the exact words of the question; "" for a stored answer.
        at_s: seconds since the call was answered.
    """

    scopes: tuple[Scope, ...]
    given: bool
    how: How
    asked: str = ""
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """The caller takes these back, or objects to what they were never asked about."""

    scopes: tuple[Scope, ...]
    how: Literal["voice", "keypad"]
    at_s: int = 0


Event = Answer | Withdrawal


# --- what is to be put on record ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordConsent:
    """Append ``consent.recorded``."""

    scope: Scope
    given: bool
    how: How
    asked: str = ""
    at_s: int = 0


@dataclass(frozen=True, slots=True)
class RecordWithdrawal:
    """Append ``consent.withdrawn``."""

    scope: Scope
    how: Literal["voice", "keypad"]
    at_s: int = 0


Output = RecordConsent | RecordWithdrawal


@dataclass(frozen=True, slots=True)
class Consents:
    """What is in force in one call.

    Attributes:
        required: scopes this call may not use without a yes (besides ``ALWAYS_ASKED``).
        granted: given and not withdrawn.
        refused: refused, withdrawn or objected to.
    """

    required: frozenset[Scope] = frozenset()
    granted: frozenset[Scope] = field(default_factory=frozenset)
    refused: frozenset[Scope] = field(default_factory=frozenset)

    def given(self, scope: Scope) -> bool:
        """Whether the caller said yes to it, and has not taken that back."""
        return scope in self.granted

    def answered(self, scope: Scope) -> bool:
        """Whether it is settled, one way or the other."""
        return scope in self.granted or scope in self.refused

    def allows(self, scope: Scope) -> bool:
        """Whether the call may use it now: given, or needed by nobody and not objected to."""
        if scope in self.granted:
            return True
        return scope not in self.refused and scope not in self.required and scope not in ALWAYS_ASKED

    def step(self, event: Event) -> tuple[Consents, tuple[Output, ...]]:
        """Take one event; returns the next state, and what to put on record, in order.

        What changes nothing is not put on record a second time.
        """
        match event:
            case Answer():
                return self._answer(event)
            case Withdrawal():
                return self._withdraw(event)

    def _answer(self, answer: Answer) -> tuple[Consents, tuple[Output, ...]]:
        given = answer.given and answer.how != "default"
        now, outputs = self, []
        for scope in _each(answer.scopes, with_fallen=not given):
            # what stands on something refused cannot be granted by itself: the refusal stays
            stands = given and not any(scope in fall and s in now.refused for s, fall in _FALL_WITH.items())
            if scope in (now.granted if stands else now.refused) or now._never_was(scope, answer.scopes):
                continue
            how = answer.how if stands is given else "default"
            asked = answer.asked if scope in answer.scopes else ""
            now = now._set(scope, stands)
            outputs.append(RecordConsent(scope, stands, how, asked, answer.at_s))
        return now, tuple(outputs)

    def _withdraw(self, event: Withdrawal) -> tuple[Consents, tuple[Output, ...]]:
        now, outputs = self, []
        for scope in _each(event.scopes, with_fallen=True):
            if scope in now.refused or now._never_was(scope, event.scopes):
                continue
            now = now._set(scope, False)
            outputs.append(RecordWithdrawal(scope, event.how, event.at_s))
        return now, tuple(outputs)

    def _never_was(self, scope: Scope, named: Sequence[Scope]) -> bool:
        """It falls with another scope, and had not been given."""
        return scope in _ONLY_GIVEN and scope not in named and scope not in self.granted

    def _set(self, scope: Scope, given: bool) -> Consents:
        one = frozenset((scope,))
        if given:
            return replace(self, granted=self.granted | one, refused=self.refused - one)
        return replace(self, granted=self.granted - one, refused=self.refused | one)


def in_force(records: Iterable[Output]) -> frozenset[Scope]:
    """The scopes that are in force after these records, in the order they were made."""
    granted: set[Scope] = set()
    for record in records:
        if isinstance(record, RecordConsent) and record.given:
            granted.add(record.scope)
        else:
            granted.discard(record.scope)
    return frozenset(granted)


def _each(scopes: Sequence[Scope], *, with_fallen: bool) -> list[Scope]:
    """The scopes once each, behind each the ones that fall with it."""
    found: dict[Scope, None] = {}
    for scope in scopes:
        found[scope] = None
        for other in _FALL_WITH.get(scope, ()) if with_fallen else ():
            found[other] = None
    return list(found)
