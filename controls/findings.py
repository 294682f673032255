"""What the rules found, as records hold it, and findings that are no rule's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controls.decision import FALLBACK, Ask, Decision, Proposal, RuleVerdict, Verdict
from controls.ledger import records as r

#: The finding of an agent that has a person decide on a tool of its own.
AGENT_ASKS = "agent/approval"
AGENT_RISK = 50
#: How the reason of a rule begins that could not be evaluated (``controls.rules.engine``), and the finding
#: of a ledger that took no decision: neither says anything of what was to be said.
RULE_FAILED = "rule failed"
NOT_RECORDED = "default/ledger"


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
        NOT_RECORDED, Verdict.BLOCK, ("A.6.2.8",), 100, "the decision could not be recorded", FALLBACK
    )
    return Decision(proposal, Verdict.BLOCK, (verdict,), 100, "", FALLBACK)


def rule_failed(decision: Decision) -> bool:
    """Whether a proposal is refused for a failure of ours, and not for what it says."""
    return any(v.rule == NOT_RECORDED or v.reason.startswith(RULE_FAILED) for v in decision.verdicts)


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
