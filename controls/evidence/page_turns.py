"""The turns of a call on its page: what was said, decided and played. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from controls.annex_a import ANNEX_A
from controls.decision import Verdict
from controls.evidence import shape as s
from controls.evidence import shape_of_decisions as d
from controls.evidence.markup import Html, joined, quoted, tag, words

#: What a claim that audio was played rests on, in words.
EVIDENCE = {
    "carrier_mark": "the carrier's marks say so",
    "rtcp": "the receiver's own reports say so (RTCP)",
    "client_report": "the caller's device says so",
    "sent_only": "it was sent; nothing says it was played",
}
#: What became of a tool that the model asked for, in words.
OUTCOMES = {
    "proposed": "asked for, not used in this turn",
    "requested": "sent, its outcome not on record",
    "refused": "refused",
    "executed": "executed",
    "failed": "failed",
    "unknown": "outcome unknown",
    "done": "done, as was found out later",
    "not_done": "not done, as was found out later",
    "dry": "a dry run, not sent",
}
#: How a caller was given the receipt's code, in words.
GIVEN = {"spoken": "spoken", "shown": "shown on a screen"}
_TAKEN_AS = {
    "question": "answer to the agent's question",
    "person": "request for a person",
    "emergency": "emergency",
    "opt_out": "wish not to talk to an AI",
    "maybe_opt_out": "perhaps opting out of all calls, asked back",
    "ai_question": "question whether this is a machine",
    "consent": "objection to being recorded",
    "stop": "order to stop speaking",
    "receipt": "request for a receipt",
    "nobody": "not meant for the agent, left unanswered",
}
_DECIDED = {
    "waiting": "nothing more is on record",
    "granted": "granted", "edited": "changed", "refused": "refused", "taken_over": "taken over",
    "expired": "nobody decided in time", "abandoned": "nobody waited any more",
}  # fmt: skip
#: Who held the key that signed a decision, in words.
_SIGNED = {"server_attested": "signed by the server for them", "own_key": "signed with their own key"}
_STOPPED = {"agent": "this agent", "tenant": "all of the tenant's agents", "everything": "everything"}
_ORDER = {control: i for i, control in enumerate(ANNEX_A)}
_TIMES = {
    "endpointing": "end of turn found",
    "recognition": "recognition",
    "first_token": "model asked to first word",
    "eager": "model at work before the turn was over",
    "verdict": "verdict",
    "durable": "on record",
    "synthesis": "voice",
    "egress": "sent",
    "asr_to_first_token": "end of speech to first word",
    "first_audio_out": "end of speech to first sound",
}
#: Of words that were typed, which have no last sample (docs/measuring).
_TYPED_TIMES = _TIMES | {
    "asr_to_first_token": "words received to first word",
    "first_audio_out": "words received to first sound",
}
_WITHDRAWN = {
    "caller_went_on": "the caller went on speaking",
    "interrupted": "the caller interrupted",
    "blocked": "it was blocked",
    "hung_up": "the caller had hung up",
    "eager": "it had been begun too early",
}


def controls(ids: list[str]) -> str:
    """Annex A controls, or a dash."""
    return ", ".join(ids) or "–"


def plain(value: str | None) -> str:
    """An enumeration's member, readable."""
    return (value or "").replace("_", " ")


def turn_section(
    turn: s.Turn, lang: str | None, receipts: Sequence[s.Receipt] = (), stops: Sequence[s.Stop] = ()
) -> Html:
    """One turn: a heading and what happened, in order.

    Args:
        receipts: the call's; those given in this turn are told.
        stops: the call's, likewise.
    """
    name = "Before the caller spoke" if turn.n == 0 else f"Turn {turn.n}"
    given = [("Receipt", f"A receipt was given: {GIVEN[x.how]}.") for x in receipts if x.turn == turn.n]
    stopped = [
        (
            "Stopped",
            tag("span", f"A person stopped {_STOPPED.get(x.scope, x.scope)} at {x.at}.", class_="bad"),
        )
        for x in stops
        if x.turn == turn.n
    ]
    facts: list[tuple[object, ...]] = [*_facts(turn, lang), *given, *stopped]
    if times := _times(turn):
        facts.append(("Latency", tag("span", times, class_="small")))
    found = joined(joined([tag("dt", label), tag("dd", *content)]) for label, *content in facts)
    return tag("section", tag("h3", name), tag("dl", found), class_="turn")


def _facts(turn: s.Turn, lang: str | None) -> Iterator[tuple[object, ...]]:
    if turn.said is not None:
        sure = "" if turn.said.confidence is None else f" confidence {turn.said.confidence:.2f}"
        meant = turn.said.addressed
        to = "" if meant == "model" else f", taken as: {_TAKEN_AS.get(meant, plain(meant))}"
        yield (
            "Caller said",
            quoted(turn.said.text, lang=lang, class_="said"),
            tag("span", f" {sure}, {turn.said.engine}{to}", class_="small"),
        )
    for begun in turn.begun:
        yield "Begun early", *_begun(begun, lang)
    if turn.emergency is not None:
        rule = words(turn.emergency.rule)
        yield "Emergency", tag("span", rule, f" ({controls(turn.emergency.annex_a)})", class_="bad")
    if turn.decision is not None:
        yield from _decision(turn.decision, lang)
    for approval in turn.approvals:
        yield "Person asked", *_approval(approval)
    if turn.withdrawn is not None:
        yield "Withdrawn", f"the answer was dropped: {_WITHDRAWN.get(turn.withdrawn, plain(turn.withdrawn))}"
    if turn.played is not None:
        yield from _played(turn.played, lang)


def _begun(begun: s.Begun, lang: str | None) -> Iterator[object]:
    """What was begun at a pause, before the turn was over, and what became of it."""
    yield "at a pause, on "
    yield quoted(begun.said, lang=lang, class_="said")
    if begun.outcome != "withdrawn":
        yield ": the turn ended so." if begun.outcome == "taken" else ": the record ends before the turn did."
        return
    if begun.candidate != "" and begun.supplier is not None:
        yield "; never spoken: "
        yield quoted(begun.candidate, lang=lang, class_="never")
    spent = f" withdrawn; {begun.tokens_in} + {begun.tokens_out} tokens{', estimated' * begun.estimated}"
    yield tag("span", spent, class_="small")


def _decision(decision: s.TurnDecision, lang: str | None) -> Iterator[tuple[object, ...]]:
    if decision.supplier is not None and decision.candidate != "":
        by = tag("span", f" {decision.supplier} ", decision.model or "", class_="small")
        yield "Model wrote", quoted(decision.candidate, lang=lang), by
    for tool in decision.tools:
        yield "Tool", *_tool(tool)
    allowed = [v for v in decision.verdicts if v.verdict is Verdict.ALLOW]
    if allowed:
        rules = ", ".join(dict.fromkeys(v.rule or "(erased)" for v in allowed))
        ids = sorted({c for v in allowed for c in v.annex_a}, key=by_number)
        yield "Allowed", rules, tag("span", f" ({controls(ids)})", class_="small")
    for clause in decision.clauses:
        if clause.verdict is Verdict.REWRITE:
            yield (
                "Reworded",
                quoted(clause.candidate, lang=lang, class_="never"),
                " to ",
                quoted(clause.text, lang=lang),
            )
        elif clause.verdict is not Verdict.ALLOW:
            instead = f" The agent said instead: {clause.instead}." if clause.instead else ""
            never = quoted(clause.text, lang=lang, class_="never")
            yield "Never spoken", tag("span", never, tag("span", instead, class_="small"), class_="bad")
    for found in decision.verdicts:
        if found.verdict is not Verdict.ALLOW:
            yield "Rule", *_finding(found)
    for clause in decision.clauses:
        if clause.reasons:
            words_of = quoted(clause.text, lang=lang)
            yield "Risk", words_of, tag("span", f" {clause.risk}: {made_of(clause.reasons)}", class_="small")


def _finding(found: d.RuleFinding) -> Iterator[object]:
    yield tag("strong", found.verdict.value.upper())
    yield " "
    yield words(found.rule)
    if found.reason:
        yield ": "
        yield words(found.reason)
    yield tag("span", f" risk {found.risk}, {controls(found.annex_a)}", class_="small")


def _approval(asked: d.Approval) -> Iterator[object]:
    """What was asked of whom, what they decided and when, and what came too late."""
    yield tag("strong", asked.role)
    yield " was asked about "
    yield words(asked.tool or "(erased)" if asked.tool != "" else "a tool")
    yield f": {_DECIDED[asked.outcome]}"
    details = [f"asked {asked.asked_at}, until {asked.expires_at}", f"risk {asked.risk}"]
    details += [f"decided {asked.ended_at} after {asked.after_s} s"] if asked.after_s is not None else []
    details += [plain(asked.reason)] if asked.reason else []
    details += [_SIGNED[asked.label]] if asked.label else []
    details += ["decided without having been shown it"] if asked.blind else []
    details += ["a decoy, made up to be refused"] if asked.decoy else []
    details += [f"became {asked.becomes}"] if asked.becomes else []
    yield tag("span", f" ({'; '.join(details)})", class_="small")
    if asked.by is not None:
        yield joined([tag("br"), tag("span", "by ", words(asked.who), f" ({asked.by})", class_="small")])
    for label, value in (("asked for", asked.arguments), ("changed to", asked.edited)):
        if value:
            yield joined([tag("br"), tag("span", f"{label} ", tag("code", compact(value)), class_="small")])
    for text in (asked.note,) if asked.note else ():
        yield joined([tag("br"), tag("span", "noted: ", words(text), class_="small")])
    for late in asked.late:
        told = f"too late: {plain(late.verdict)} at {late.at}, {_SIGNED[late.label]}, by "
        yield joined([tag("br"), tag("span", told, words(late.who), f" ({late.by})", class_="small")])


def _tool(tool: d.ToolTrace) -> Iterator[object]:
    yield words(tool.name)
    yield f" {OUTCOMES[tool.outcome]}"
    details = [f"risk {tool.risk}"] if tool.risk else []
    details += [f"score {tool.score}: {made_of(tool.reasons)}"] if tool.score else []
    details += ["read back, the caller said yes"] if tool.read_back == "confirmed" else []
    details += [plain(tool.reason)] if tool.reason else []
    details += [f"{tool.duration_ms} ms"] if tool.duration_ms is not None else []
    if details:
        yield tag("span", f" ({', '.join(details)})", class_="small")
    for label, value in (("with", tool.arguments), ("answer", tool.result)):
        if value:
            yield joined([tag("br"), tag("span", f"{label} ", tag("code", compact(value)), class_="small")])


def made_of(reasons: Sequence[d.RiskReason]) -> str:
    """What a score is made of, such as ``tool-class 15, first-use 5``."""
    return ", ".join(f"{reason.feature} {reason.points}" for reason in reasons) or "(erased)"


def compact(value: dict[str, Any]) -> str:
    """A tool's arguments or answer on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "), sort_keys=True)


def _played(played: s.Played, lang: str | None) -> Iterator[tuple[object, ...]]:
    facts = [f"{played.played_s:.1f} s"]
    facts += ["cut off by the caller"] if played.interrupted else []
    facts += [EVIDENCE[played.evidence]]
    facts += [f"fixed phrase: {', '.join(played.phrases)}"] if played.phrases else []
    small = tag("span", f" {'; '.join(facts)}", class_="small")
    if played.played_text == "":
        yield "Agent played", tag("span", "nothing", class_="erased"), small
    else:
        yield "Agent played", quoted(played.played_text, lang=lang, class_="spoken"), small
    if played.interrupted and played.text and played.text != played.played_text:
        yield "Whole answer", quoted(played.text, lang=lang)


def _times(turn: s.Turn) -> str:
    known = turn.latency_ms.model_dump(exclude_none=True)
    typed = turn.said is not None and turn.said.engine == "typed"
    labels = _TYPED_TIMES if typed else _TIMES
    return ", ".join(f"{label} {known[name]:.0f} ms" for name, label in labels.items() if name in known)


def by_number(control: str) -> tuple[int, str]:
    """Sorts controls as the standard does; what is none of its comes last."""
    return _ORDER.get(control, len(_ORDER)), control
