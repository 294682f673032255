"""The shape of what was decided, as part of a decision trace: by rules, by models, by people."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from controls.decision import Verdict


class Shape(BaseModel):
    """Frozen, refuses unknown fields, and prints the public names."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, serialize_by_alias=True)


class RuleFinding(Shape):
    """One rule's finding; ``of`` is the clause or tool use it judged."""

    rule: str | None
    verdict: Verdict
    annex_a: list[str]
    risk: int
    reason: str | None
    of: str


class JudgeAnswer(Shape):
    """A rule's question to a model, and what came of it; ``mode`` after prevents nothing."""

    turn: int
    of: str
    rule: str | None
    asks: str | None = None
    mode: Literal["before", "after"]
    supplier: str
    model: str | None
    answer: Literal["yes", "no", "none"]
    why: str
    ms: int


class MomentJudged(Shape):
    """What rules found as a person was fetched or the call ended; ``text`` is what would have been told."""

    moment: Literal["handoff", "call_ends"]
    turn: int
    of: str
    effect: Literal["withheld", "routed", "withheld and routed", "refused", "noted"]
    text: str | None = None
    facts: dict[str, Any] | None = None
    instead: str | None = None
    findings: list[RuleFinding] = []


class RiskReason(Shape):
    """One declared feature of a risk score; the points of all of them add up to it."""

    feature: str
    points: int


class Clause(Shape):
    """One judged clause. ``candidate`` holds the model's words where ``text`` rewrites them.

    ``reasons`` is what ``risk`` is made of; empty where it was not scored, or is erased.
    """

    clause: str
    leaf: int
    verdict: Verdict
    risk: int
    text: str | None
    candidate: str | None
    instead: str | None
    reasons: list[RiskReason] = []


class ToolTrace(Shape):
    """One use of a tool. ``proposed``: the model asked for it, and no use came of it in this turn.

    ``risk`` is the tool's own class, ``score`` this use's, and ``reasons`` what the score is made of.
    ``reason`` of one that was done says what the model was given of its answer, as ``answer_invalid``.
    """

    use: str | None
    outcome: Literal[
        "proposed", "requested", "refused", "executed", "failed", "unknown", "done", "not_done", "dry"
    ]
    name: str | None = None
    arguments: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    risk: str | None = None
    score: int | None = None
    reasons: list[RiskReason] = []
    read_back: str | None = None
    reason: str | None = None
    status: int | None = None
    duration_ms: int | None = None


class LateDecision(Shape):
    """A decision that did not count: another one, or the end of the time, came first."""

    at: str
    verdict: str
    by: str
    label: str
    who: str | None


ApprovalOutcome = Literal[
    "waiting", "granted", "edited", "refused", "taken_over", "expired", "abandoned"
]  # fmt: skip


class Approval(Shape):
    """A use of a tool that a person decided on before it was made.

    ``by`` is an opaque id, ``label`` says who held the key that signed. ``arguments`` are as asked for,
    ``edited`` those that took their place in a use of its own (``becomes``). ``reason``: what a passed time
    led to, or why nobody waited any more. ``decoy``: made up, to be refused; null where it is sealed.
    ``blind``: they had not been shown it. ``account``: by which they acted, "" where it is not known.
    """

    use: str
    leaf: int
    role: str
    risk: int
    annex_a: list[str]
    asked_at: str
    expires_at: str
    outcome: ApprovalOutcome
    ended_at: str | None = None
    by: str | None = None
    who: str | None = None
    account: str | None = None
    label: str | None = None
    blind: bool = False
    after_s: int | None = None
    reason: str | None = None
    tool: str | None = None
    arguments: dict[str, Any] | None = None
    edited: dict[str, Any] | None = None
    becomes: str | None = None
    shown: str | None = None
    note: str | None = None
    decoy: bool | None = None
    late: list[LateDecision] = []
