"""The shape of a decision trace: closed models, printed by ``sayso trace CALL --json``.

A field is None when it was erased, was never opened, or does not exist for this
call. Times ``*_s`` are seconds since the call was answered; ``*_at`` are RFC 3339.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from controls.evidence.shape_of_decisions import (
    Approval,
    Clause,
    JudgeAnswer,
    MomentJudged,
    RuleFinding,
    Shape,
    ToolTrace,
)
from controls.ledger.records import Environment, Evidence, Latency


class Call(Shape):
    id: str
    tenant: str
    agent: str | None
    release: str
    environment: Environment
    approved: bool
    ingress: str
    line: str | None
    region: str
    language: str
    operator_of_record: str | None
    started_at: str
    ended_at: str | None
    ended_by: str | None
    end_reason: str | None
    recovered: bool = Field(description="the janitor closed it after a crash")


class Supplier(Shape):
    stage: str
    supplier: str
    model: str | None
    note: str | None
    region: str
    outside: bool


class Media(Shape):
    """What carried the call. ``half_duplex``: the line's echo took the caller's way to interrupt by voice."""

    transport: str
    codec: str
    echo_cancellation: str
    microphone: bool
    half_duplex: bool


class Summary(Shape):
    """From here on the model was given ``summary`` in place of turns ``from_turn`` to ``to_turn``."""

    after_turn: int
    from_turn: int
    to_turn: int
    outcome: str
    supplier: str
    model: str | None
    summary: str | None
    tokens_before: int
    tokens_after: int


class Disclosure(Shape):
    text: str | None
    language: str
    attempts: int
    played_in_full: bool
    played_at_s: float
    played_s: float
    evidence: Evidence


class Consent(Shape):
    scope: str
    given: bool
    how: str
    language: str | None = None
    at_s: int | None = None
    withdrawn_at_s: int | None = None


class Said(Shape):
    text: str | None
    confidence: float | None
    started_s: float | None
    ended_s: float | None
    engine: str
    addressed: str


class TurnDecision(Shape):
    """What the model proposed and what the rules made of it."""

    model: str | None
    supplier: str | None
    outcome: str | None
    candidate: str | None
    tools: list[ToolTrace]
    verdicts: list[RuleFinding]
    clauses: list[Clause]


class Played(Shape):
    """What went out in one turn, its clauses joined. ``evidence`` is the weakest clause's."""

    text: str | None
    played_text: str | None
    played_s: float
    interrupted: bool
    evidence: Evidence
    phrases: list[str]


class Emergency(Shape):
    rule: str | None
    annex_a: list[str]


class Cost(Shape):
    """``amount`` stays null until suppliers carry prices. ``audio_s`` is audio synthesised.

    ``wasted_in`` and ``wasted_out`` are the tokens, of these, of answers begun early that came to nothing.
    """

    tokens_in: int
    tokens_out: int
    wasted_in: int
    wasted_out: int
    characters: int | None
    audio_s: float
    amount: float | None = None
    currency: str | None = None


class Begun(Shape):
    """An answer begun at a pause, before the turn was over, on the words ``said`` by then.

    ``taken``: the turn ended in these words, and ``decision`` is what was begun. ``withdrawn``: nobody got
    it; ``candidate`` and ``tools`` are what the model had written and asked for. ``unsettled``: the record
    ends before. ``estimated``: the tokens are, for the supplier told none.
    """

    outcome: Literal["taken", "withdrawn", "unsettled"]
    said: str | None
    supplier: str | None = None
    model: str | None = None
    candidate: str | None = None
    tools: list[str] = Field(default=[])
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False


class Turn(Shape):
    """One turn of the caller and the answer to it; turn 0 is what came before the caller spoke."""

    n: int
    said: Said | None
    begun: list[Begun]
    decision: TurnDecision | None
    approvals: list[Approval] = Field(default=[])
    played: Played | None
    withdrawn: str | None
    emergency: Emergency | None
    latency_ms: Latency
    cost: Cost


class Promise(Shape):
    """A promised call-back. The number stays sealed: whoever calls back opens it for that purpose."""

    desk: str | None
    due_at: str | None
    number_confirmed: bool
    within_working_h: int


class Handoff(Shape):
    outcome: Literal["requested", "accepted", "failed", "completed", "callback_promised"]
    requested_by: str | None = None
    reason: str | None = None
    mode: str | None = None
    to: str | None = None
    waited_s: int | None = None
    summary: str | None = None
    annex_a: list[str] = Field(default=[])
    failed_because: list[str] = Field(default=[])
    callback: Promise | None = None


class Receipt(Shape):
    """The caller was given the call's code, aloud or on a screen; the code itself stays sealed."""

    turn: int
    how: Literal["spoken", "shown"]
    at: str


class Capture(Shape):
    """Figures were entered by keys, with all else paused; no ``ended_at`` is a fault of the record."""

    turn: int
    use: str
    what: str
    started_at: str
    ended_at: str | None = None
    outcome: str | None = None
    attempts: int | None = None


class Failure(Shape):
    control: str
    reason: str
    attempt: int
    at: str


class Stop(Shape):
    """A person stopped what the caller talked to, in the middle of the call, in this turn."""

    turn: int
    scope: str
    at: str


FaultKind = Literal[
    "used_without_grant", "used_before_grant", "nobody_asked", "used_twice", "decoy_used", "not_signed"
]


class Fault(Shape):
    """A use of a tool that left without what it needed; ``leaf`` is its ``tool.requested``.

    ``used_without_grant``: no durable grant of this request stands before it. ``used_before_grant``: it had
    left before anybody was asked. ``nobody_asked``: a rule wanted a person, and none was asked.
    ``not_signed``: the grant's signature is not over what was asked. The last two, and ``decoy_used``, are
    found only in content that was opened.
    """

    leaf: int
    use: str
    what: FaultKind


class Artifact(Shape):
    artifact: str
    kind: str
    retention_class: str = Field(alias="class")
    purpose: str
    legal_basis: str
    region: str
    expires_at: str
    legal_hold: bool
    erased_at: str | None


class Access(Shape):
    """Somebody opened, or asked for, this call's personal content; on record before it was opened."""

    leaf: int
    at: str
    what: str
    who: str | None
    purpose: str | None


class Cosignature(Shape):
    """A witness saw this checkpoint and nothing that contradicts it, at a time of its own clock."""

    witness: str
    at: str


class Checkpoint(Shape):
    """A signed checkpoint that covers the call: number of leaves, and the tree's root as ``sha256:…``.

    ``cosigned`` is what the note says; whether it holds, and whether the witness
    is anybody's to trust, only a verifier with a trust policy can tell.
    """

    size: int
    root: str
    cosigned: list[Cosignature] = Field(default=[])


class Ledger(Shape):
    origin: str
    first_leaf: int
    last_leaf: int
    records: int
    checkpoint: Checkpoint | None
    witnessed: Checkpoint | None = Field(
        default=None, description="newest one with cosignatures, where it covers the call"
    )
    gaps: list[int] = Field(description="numbers within the call that are missing")
    repeated: list[int] = Field(description="numbers within the call that occur twice")
    verified: bool | None = Field(description="null: not checked")


class Trace(Shape):
    call: Call
    suppliers: list[Supplier]
    media: Media | None
    disclosure: Disclosure | None
    consent: list[Consent]
    turns: list[Turn]
    summaries: list[Summary]
    judges: list[JudgeAnswer] = Field(default=[])
    moments: list[MomentJudged] = Field(default=[])
    handoff: Handoff | None
    earlier_handoffs: list[Handoff]
    receipts: list[Receipt]
    captures: list[Capture] = Field(
        default=[], exclude_if=lambda found: not found, description="left out where there are none"
    )
    failures: list[Failure]
    stops: list[Stop]
    faults: list[Fault]
    artifacts: list[Artifact]
    access: list[Access]
    ledger: Ledger

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A call in which no model was asked and no rule spoke up at its ends has the trace it always had."""
        shown: dict[str, Any] = whole(self)
        return {k: v for k, v in shown.items() if v or k not in ("judges", "moments")}
