"""What the rules found, as records hold it, and findings that are no rule's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controls.decision import FALLBACK, Ask, Decision, Proposal, RuleVerdict, Verdict
from controls.ledger import records as r

#: The finding of an agent that has a person decide on a tool of its own.
AGENT_ASKS = "agent/approval"
AGENT_RISK = 50


def found(decision: Decision) -> tuple[r.Found, ...]:
    """Every finding of a decision, for what is sealed beside its record."""
    return as_found(decision.verdicts)


def as_found(verdicts: Sequence[RuleVerdict]) -> tuple[r.Found, ...]:
    """Findings as records hold them."""
    return tuple(
        r.Found(rule=v.rule, verdict=v.verdict, annex_a=v.annex_a, risk=v.risk, reason=v.reason)
        for v in verdicts
    )


def not_recorded(proposal: Proposal) -> Decision:
    """What becomes of a proposal whose decision the ledger does not take."""
    verdict = RuleVerdict(
        "default/ledger", Verdict.BLOCK, ("A.6.2.8",), 100, "the decision could not be recorded", FALLBACK
    )
    return Decision(proposal, Verdict.BLOCK, (verdict,), 100, "", FALLBACK)


def also_asking(decision: Decision, ask: Ask | None) -> Decision:
    """The decision, once the agent's own wish for a person's approval is added: never a milder one."""
    if ask is None or decision.verdict.gravity > Verdict.APPROVE.gravity:
        return decision
    mine = RuleVerdict(
        AGENT_ASKS, Verdict.APPROVE, ("A.9.2",), AGENT_RISK, "the agent has a person decide on this tool",
        ask=ask,
    )  # fmt: skip
    others = tuple(v for v in decision.verdicts if v.verdict is not Verdict.ALLOW)
    return replace(
        decision, verdict=Verdict.APPROVE, verdicts=(*others, mine), risk=max(decision.risk, AGENT_RISK),
        text="", phrase="",
    )  # fmt: skip
