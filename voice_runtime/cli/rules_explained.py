"""What explains a turn of a call: every finding in it, judged again by the rules its release had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from controls.decision import Proposal
    from controls.evidence.shape import Trace, Turn
    from controls.evidence.shape_of_decisions import MomentJudged
    from controls.rules.engine import Rules

What = Literal["caller", "agent", "tool", "handoff", "ending"]


@dataclass(frozen=True, slots=True)
class Judged:
    """One finding on one thing that was judged in a turn.

    Attributes:
        what: whose words, a tool's use, what a person would have been told, or the call's end.
        text: what was judged, None once erased; "" for an end.
        words: each line of the rule that found something, and what it found.
        instead: the fixed phrase spoken in its place.
        effect: what came of it, for a handoff and for the end.
    """

    what: What
    text: str | None
    rule: str | None
    verdict: str
    risk: int
    annex_a: tuple[str, ...]
    reason: str | None
    words: tuple[dict[str, str], ...]
    instead: str | None = None
    effect: str = ""


def explained(trace: Trace, turn: Turn, rules: Rules | None) -> Iterator[Judged]:
    """Every finding of a turn, in the order of its judgements; an emergency first, handoff and end last."""
    yield from _spoken(trace, turn, rules)
    for moment in trace.moments:
        if moment.turn == turn.n:
            yield from _of_moment(trace, moment, rules)


def _of_moment(trace: Trace, moment: MomentJudged, rules: Rules | None) -> Iterator[Judged]:
    from controls.decision import Effect, Proposal

    ends = moment.moment == "call_ends"
    proposal = Proposal(
        Effect.HANG_UP if ends else Effect.TRANSFER, trace.call.id, moment.turn, "", text=moment.text or "",
        language=trace.call.language, arguments=moment.facts or {},
    )  # fmt: skip
    for finding in moment.findings:
        yield Judged(
            "ending" if ends else "handoff", "" if ends else moment.text, finding.rule, finding.verdict,
            finding.risk, tuple(finding.annex_a), finding.reason, _words(rules, finding.rule, proposal),
            moment.instead, moment.effect,
        )  # fmt: skip


def _spoken(trace: Trace, turn: Turn, rules: Rules | None) -> Iterator[Judged]:
    from controls.decision import Verdict

    said = turn.said.text if turn.said is not None else None
    if turn.emergency is not None:
        proposal = _proposal(trace, said=said)
        yield Judged(
            "caller", said, turn.emergency.rule, Verdict.HANDOFF, 100, tuple(turn.emergency.annex_a), None,
            _words(rules, turn.emergency.rule, proposal),
        )  # fmt: skip
    if turn.decision is None:
        return
    clauses = {clause.clause: clause for clause in turn.decision.clauses}
    tools = {tool.use: tool for tool in turn.decision.tools}
    before: list[str] = []
    seen = ""
    for finding in turn.decision.verdicts:
        clause, tool = clauses.get(finding.of), tools.get(finding.of)
        what: Literal["caller", "agent", "tool"] = "tool" if clause is None else "agent"
        text: str | None = None
        if clause is not None:
            if seen and seen != finding.of and (spoken := clauses[seen].text if seen in clauses else None):
                before.append(spoken)
            seen = finding.of
            text = clause.candidate or clause.text
            if text == "":  # the caller's words were refused: nothing was put before a model
                what, text = "caller", said
        elif tool is not None:
            text = f"{tool.name} {json.dumps(tool.arguments, ensure_ascii=False)}" if tool.name else None
        proposal = _proposal(
            trace, text="" if what != "agent" else text, said=said,
            tool=tool.name if tool else None, arguments=tool.arguments if tool else None,
        )  # fmt: skip
        yield Judged(
            what, text, finding.rule, finding.verdict, finding.risk, tuple(finding.annex_a), finding.reason,
            _words(rules, finding.rule, proposal, " ".join(before)),
            clause.instead if clause is not None else None,
        )  # fmt: skip


def _proposal(
    trace: Trace,
    *,
    text: str | None = "",
    said: str | None = "",
    tool: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> Proposal:
    from controls.decision import Effect, Proposal

    return Proposal(
        Effect.TOOL if tool else Effect.SPEAK, trace.call.id, 0, "", text=text or "", caller_said=said or "",
        tool=tool or "", arguments=arguments or {}, language=trace.call.language,
    )  # fmt: skip


def _words(
    rules: Rules | None, rule: str | None, proposal: Proposal, before: str = ""
) -> tuple[dict[str, str], ...]:
    if rules is None or rule is None:
        return ()
    from controls.rules.matchers import words

    return tuple(asdict(ground) for ground in rules.why(rule, proposal, words(before)))


def finding_lines(row: dict[str, Any]) -> Iterator[str]:
    controls = " ".join(row["annex_a"])
    yield f"        {row['verdict']} by {row['rule'] or '(erased)'}, risk {row['risk']}   {controls}"
    if row["reason"]:
        yield f"        because {row['reason']}"
    for ground in row["words"]:
        found = f"“{ground['words']}” by `{ground['line']}`" if ground["words"] else f"`{ground['line']}`"
        yield f"        words   {found}"


def asked_lines(trace: Trace, turn: int) -> Iterator[str]:
    """What models were asked in a turn, and what they answered."""
    for asked in trace.judges:
        if asked.turn == turn:
            answer = asked.answer if asked.answer != "none" else f"no answer ({asked.why})"
            who = f"{asked.supplier} {asked.model or '(erased)'}"
            yield f"\nasked   {asked.asks or asked.rule or '(erased)'}"
            rule = asked.rule or "(erased)"
            yield f"        {answer} by {who}, {asked.ms} ms, {asked.mode} the decision, for {rule}"
