"""An action that a person decides before it happens, as a state machine, and what that person signs. Pure.

    REQUESTED ──granted──▶ DECIDED ──Durable──▶ GRANTED     the use may be made, once
        │    └──edited───▶ DECIDED ──Durable──▶ EDITED      what it became passes the gate anew
        │                     ├──Lost─────────▶ REFUSED     no record, no effect
        │                     └──Withdraw─────▶ ABANDONED
        ├──refused────────────────────────────▶ REFUSED
        ├──taken_over─────────────────────────▶ TAKEN_OVER  a person has the caller
        ├──Tick past the time─────────────────▶ EXPIRED     refused, or handed off; never granted
        └──Withdraw (the caller hung up …)────▶ ABANDONED

The first decision in time is the one that counts; every other is put out as late, whatever it
says. ``Run`` and ``Propose`` are put out at most once, only behind ``Durable``, and never of a decoy.

What is signed (Ed25519, RFC 8032): canonical JSON (RFC 8785) over the call, an HMAC (RFC 2104) of the
exact tool and arguments under a salt that is sealed with them, the release, a digest of what the person
was shown (or that they decided blind), what they decided, a nonce used once, and until when it could be
decided.

Where the record masks something in the arguments, two HMACs are signed: of the exact ones, under a salt that
nobody keeps (with it, a number of nine figures is tried out in minutes), and of the masked ones, which the
person was shown, under the sealed salt.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Self

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Word = Literal["granted", "edited", "refused", "taken_over"]
Otherwise = Literal["refuse", "handoff"]
#: Why nobody waits for the decision any more: the caller is gone, or spoke; what it is about was stopped;
#: the request is not on record; nobody can be asked.
Withdrawn = Literal["hung_up", "interrupted", "stopped", "unrecorded", "nobody"]
#: Who holds the key that signed: the server for the person, until they hold one of their own.
Label = Literal["server_attested", "own_key"]

#: Put before what is signed, so that no other statement of ours can stand in for a decision.
CONTEXT = b"sayso approval v1\n"
_SALT = 32
_MAC = re.compile("hmac-sha256:[0-9a-f]{64}")


class ApprovalState(StrEnum):
    REQUESTED = "requested"
    DECIDED = "decided"  # its record is on its way to disk
    GRANTED = "granted"
    EDITED = "edited"
    REFUSED = "refused"
    EXPIRED = "expired"
    TAKEN_OVER = "taken_over"
    ABANDONED = "abandoned"


# --- what comes in --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decide:
    """A person decides, at that Unix time in s. ``arguments``: for ``edited``, the new ones."""

    word: Word
    by: str
    at_s: float
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Tick:
    """It is that Unix time in s."""

    at_s: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Nobody waits for it any more."""

    reason: Withdrawn


@dataclass(frozen=True, slots=True)
class Durable:
    """The decision's record is durable."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The decision's record failed, or is late."""


Event = Decide | Tick | Withdraw | Durable | Lost


# --- what is to be done ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """Append ``approval.granted``, ``.edited``, ``.refused`` or ``.taken_over``.

    Of a grant and an edit, answer with Durable or Lost.
    """

    decision: Decide


@dataclass(frozen=True, slots=True)
class RecordLate:
    """Append ``approval.late``: it was decided, expired or withdrawn before."""

    decision: Decide


@dataclass(frozen=True, slots=True)
class RecordExpired:
    """Append ``approval.expired``."""

    leads_to: Otherwise


@dataclass(frozen=True, slots=True)
class RecordAbandoned:
    """Append ``approval.abandoned``."""

    reason: Withdrawn


@dataclass(frozen=True, slots=True)
class Run:
    """The use may be made, with exactly the arguments that were asked for."""


@dataclass(frozen=True, slots=True)
class Propose:
    """Another use is proposed in its place; it passes the gate as any other does."""

    arguments: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refuse:
    """The use is not made."""

    why: Literal["person", "expired", "unrecorded", "withdrawn"]


@dataclass(frozen=True, slots=True)
class HandOff:
    """The use is not made, and the caller gets a person."""


Output = RecordDecision | RecordLate | RecordExpired | RecordAbandoned | Run | Propose | Refuse | HandOff
Outputs = tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """One request and what became of it.

    Attributes:
        use: the tool's use (``u_…``) that waits.
        nonce: used for this request and never again.
        asked_at_s, expires_at_s: Unix times, s; from the second on nobody can grant it.
        otherwise: what the passed time leads to.
        decoy: made up, to be refused; it is never carried out, whatever is decided.
        decision: the one that counts.
    """

    use: str
    nonce: str
    asked_at_s: float
    expires_at_s: float
    otherwise: Otherwise = "refuse"
    decoy: bool = False
    state: ApprovalState = ApprovalState.REQUESTED
    decision: Decide | None = None

    @property
    def done(self) -> bool:
        """Nothing more comes of it."""
        return self.state not in (ApprovalState.REQUESTED, ApprovalState.DECIDED)

    def step(self, event: Event) -> tuple[Self, Outputs]:
        """What an event leads to. Never raises; what cannot happen in a state changes nothing."""
        match event:
            case Decide():
                return self._decide(event)
            case Tick(at_s):
                return self._expire() if self._passed(at_s) else (self, ())
            case Withdraw(reason) if not self.done:
                left = replace(self, state=ApprovalState.ABANDONED)
                return left, (RecordAbandoned(reason), *self._told(Refuse("withdrawn")))
            case Durable() if self.state is ApprovalState.DECIDED and self.decision is not None:
                if self.decision.word == "edited":
                    edited = replace(self, state=ApprovalState.EDITED)
                    return edited, self._told(Propose(self.decision.arguments))
                return replace(self, state=ApprovalState.GRANTED), self._told(Run())
            case Lost() if self.state is ApprovalState.DECIDED:
                return replace(self, state=ApprovalState.REFUSED), self._told(Refuse("unrecorded"))
            case _:
                return self, ()

    def _decide(self, event: Decide) -> tuple[Self, Outputs]:
        if self._passed(event.at_s):  # whoever looks at the clock has not come round to it yet
            expired, outputs = self._expire()
            return expired, (*outputs, RecordLate(event))
        if self.state is not ApprovalState.REQUESTED:
            return self, (RecordLate(event),)
        match event.word:
            case "granted" | "edited":
                return replace(self, state=ApprovalState.DECIDED, decision=event), (RecordDecision(event),)
            case "refused":
                refused = replace(self, state=ApprovalState.REFUSED, decision=event)
                return refused, (RecordDecision(event), *self._told(Refuse("person")))
            case "taken_over":
                taken = replace(self, state=ApprovalState.TAKEN_OVER, decision=event)
                return taken, (RecordDecision(event), *self._told(HandOff()))

    def _passed(self, at_s: float) -> bool:
        return self.state is ApprovalState.REQUESTED and at_s >= self.expires_at_s

    def _expire(self) -> tuple[Self, Outputs]:
        leads_to = HandOff() if self.otherwise == "handoff" else Refuse("expired")
        expired = replace(self, state=ApprovalState.EXPIRED)
        return expired, (RecordExpired(self.otherwise), *self._told(leads_to))

    def _told(self, output: Output) -> Outputs:
        """Nobody waits for a decoy."""
        return () if self.decoy else (output,)


# --- what is signed -------------------------------------------------------------------------------


def new_salt(random: bytes) -> str:
    """A salt (64 hexadecimal digits) from 32 random bytes.

    Raises:
        ValueError: there are not 32.
    """
    if len(random) != _SALT:
        raise ValueError(f"a salt is made of {_SALT} random bytes")
    return random.hex()


def arguments_mac(tool: str, arguments: Mapping[str, Any], salt: str) -> str:
    """``hmac-sha256:…`` of exactly this use, under its salt (hexadecimal).

    Raises:
        ValueError: the arguments have no canonical form (a fraction that is no number, an integer beyond
            2⁵³, RFC 8785 3.2.2.3), or the salt is none.
    """
    exact = _canonical({"tool": tool, "arguments": dict(arguments)})
    return "hmac-sha256:" + hmac.digest(bytes.fromhex(salt), exact, "sha256").hex()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a decision is about.

    Attributes:
        release: digest of the agent's version.
        arguments: exactly those the use is made with.
        kept: the same as the record holds them and the person is shown them; None: as they are.
        shown: exactly the words the person was shown.
        salt: sealed beside the request; without it the HMAC says nothing about the arguments.
        secret: salt of the HMAC of arguments in which something is masked; kept nowhere.
    """

    call: str
    use: str
    release: str
    nonce: str
    expires_at: int
    tool: str
    arguments: Mapping[str, Any] = field(repr=False)
    shown: str = field(repr=False)
    salt: str = field(repr=False)
    kept: Mapping[str, Any] | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False)


#: Signed in the place of the digest by whoever decides without having been shown anything.
BLIND = "blind"


def statement(
    about: Subject,
    word: Word,
    edited: Mapping[str, Any] | None = None,
    edited_kept: Mapping[str, Any] | None = None,
    *,
    blind: bool = False,
) -> bytes:
    """The bytes a person signs; ``CONTEXT`` comes first.

    Args:
        edited: for ``edited``, the arguments that take the place of those asked for.
        edited_kept: the same as the record holds them; None: as they are.
        blind: they were never shown what they decide on, and nothing may say that they were.

    Raises:
        ValueError: as ``arguments_mac``.
    """
    content = _content(about, word, blind)
    content |= _macs("arguments", about, about.arguments, about.kept)
    if edited is not None:
        content |= _macs("edited", about, edited, edited_kept)
    return CONTEXT + _canonical(content)


def states(
    signed: bytes, about: Subject, word: Word, edited: Mapping[str, Any] | None = None,
    *, blind: bool = False, masked: Callable[[Mapping[str, Any]], bool] = lambda arguments: False,
) -> bool:  # fmt: skip
    """Whether these bytes are the statement over this, for whoever has the record alone.

    Args:
        about: as on record; ``arguments`` and ``edited`` may be masked there.
        masked: whether something is, in arguments. Only then may the statement hold an HMAC of exact ones
            that nobody can make again.

    Raises:
        ValueError: as ``arguments_mac``.
    """
    content = _content(about, word, blind)
    told = _told(signed)
    for name, on_record in (("arguments", about.arguments), ("edited", edited)):
        if on_record is None:
            continue
        mac, exact = arguments_mac(about.tool, on_record, about.salt), told.get(name)
        if f"{name}_kept" in told and masked(on_record) and isinstance(exact, str) and _MAC.fullmatch(exact):
            content |= {name: exact, f"{name}_kept": mac}
        else:
            content[name] = mac
    return CONTEXT + _canonical(content) == signed


def _content(about: Subject, word: Word, blind: bool) -> dict[str, Any]:
    """What is signed besides arguments."""
    return {
        "call": about.call,
        "use": about.use,
        "release": about.release,
        "shown": BLIND if blind else "sha256:" + hashlib.sha256(about.shown.encode()).hexdigest(),
        "verdict": word,
        "nonce": about.nonce,
        "expires_at": about.expires_at,
    }


def _macs(
    name: str, about: Subject, exact: Mapping[str, Any], kept: Mapping[str, Any] | None
) -> dict[str, str]:
    if kept is None or kept == exact:
        return {name: arguments_mac(about.tool, exact, about.salt)}
    return {
        name: arguments_mac(about.tool, exact, about.secret),
        f"{name}_kept": arguments_mac(about.tool, kept, about.salt),
    }


def _told(signed: bytes) -> dict[str, Any]:
    """What a statement says, or nothing where it is none."""
    try:
        told = json.loads(signed.removeprefix(CONTEXT))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def signed_by(public: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether a raw Ed25519 key (32 bytes) made this signature (64 bytes) over these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _canonical(value: dict[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise ValueError(f"what is asked for has no canonical form ({type(error).__name__})") from None
