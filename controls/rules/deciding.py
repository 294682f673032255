"""Findings of many rules to one decision: the gravest decides, and a pack's before an agent's own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controls.decision import FALLBACK, Decision, Proposal, RuleVerdict, Verdict
from controls.rules.contradictions import OURS
from controls.rules.model import RuleSpec

#: The finding of no rule at all.
NONE = "default/allow"


def decide(proposal: Proposal, findings: Sequence[RuleVerdict]) -> Decision:
    """The decision that findings make together; every one of them is kept."""
    if not findings:
        allowed = RuleVerdict(NONE, Verdict.ALLOW, ("A.9.2",), 0, "no rule objects")
        return Decision(proposal, Verdict.ALLOW, (allowed,), 0, proposal.text)
    ordered = tuple(sorted(findings, key=gravest_first))
    worst = ordered[0]
    risk = max(f.risk for f in ordered)
    if worst.verdict is Verdict.ALLOW:
        return Decision(proposal, worst.verdict, ordered, risk, proposal.text)
    if worst.verdict is Verdict.REWRITE:
        return Decision(proposal, worst.verdict, ordered, risk, worst.say)
    return Decision(proposal, worst.verdict, ordered, risk, "", said_instead(ordered))


def gravest_first(finding: RuleVerdict) -> tuple[int, bool, int, str]:
    """Among equals a pack's finding counts before an agent's own, whatever risk that gives itself."""
    return (-finding.verdict.gravity, own(finding), -finding.risk, finding.rule)


def own(finding: RuleVerdict) -> bool:
    """Whether it is of the agent's own rules."""
    return finding.rule.startswith(f"{OURS}/")


def said_instead(ordered: Sequence[RuleVerdict]) -> str:
    """The fixed phrase of a refusal: a pack's, wherever one refuses in words.

    An agent may refuse more gravely than a pack does (a handoff where the pack blocks); what the caller is
    told stays what whoever wrote the pack wanted said.
    """
    if not own(ordered[0]):
        return ordered[0].say
    refused = (f for f in ordered if f.verdict.gravity >= Verdict.BLOCK.gravity and f.say)
    return next((f.say for f in refused if not own(f)), ordered[0].say)


def refusal(rule: str, reason: str, spec: RuleSpec | None = None) -> RuleVerdict:
    """What stands for a rule that could not be evaluated, or for the rules altogether (``spec`` is None)."""
    if spec is None:
        return RuleVerdict(rule, Verdict.BLOCK, ("A.9.2",), 100, reason, FALLBACK)
    # never milder than what the rule itself would have asked for
    verdict = max(Verdict.BLOCK, spec.verdict, key=lambda v: v.gravity)
    return RuleVerdict(rule, verdict, spec.annex_a, 100, reason, FALLBACK)


def gravest_form(decisions: Sequence[Decision]) -> Decision:
    """One decision on a clause that was judged in several forms, every finding kept.

    Args:
        decisions: on the form that would be spoken first; its proposal and its words count.

    Returns:
        The gravest. Words that only another form would have changed cannot be changed in
        the spoken one: they are blocked.
    """
    spoken = decisions[0]
    if all(d.verdicts == spoken.verdicts for d in decisions):
        return spoken
    found: dict[tuple[str, Verdict], RuleVerdict] = {}
    for finding in (f for d in decisions for f in d.verdicts if f.rule != NONE):
        known = found.setdefault((finding.rule, finding.verdict), finding)  # the spoken form's words count
        found[finding.rule, finding.verdict] = replace(known, risk=max(known.risk, finding.risk))
    changes = {rule for rule, verdict in found if verdict is Verdict.REWRITE}
    if changes - {f.rule for f in spoken.verdicts if f.verdict is Verdict.REWRITE}:
        found[NONE, Verdict.BLOCK] = refusal("default/rewrite", "the words as spoken cannot be changed")
    return decide(spoken.proposal, list(found.values()))
