"""What rules may look at when a person is fetched and when a call ends: closed sets of facts. Pure.

``when: handoff`` looks at the words a person would be told, and at ``handoff``; it can keep the words back or
send the caller to another desk first, and never keeps a person away. ``when: call_ends`` looks at ``call``:
it can keep the *agent* from ending a call, each rule once, and never anybody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from controls.documents import Document
from controls.ledger import records as r

if TYPE_CHECKING:
    from controls.rules.model import RuleSpec

RequestedBy = Literal["caller_voice", "caller_key", "rule", "agent", "emergency", "failure"]
EndedBy = Literal["caller", "agent", "person", "carrier", "operator", "failure", "unknown"]
_Fault = tuple[tuple[int | str, ...], str, str]
_FACTS = ("handoff", "call")


class HandoffFacts(Document):
    """A person is fetched: ``handoff`` in an expression.

    Attributes:
        by: who asked for it.
        reason: as the desk is told it: our words, or a rule's name; never the caller's.
        desk: the one that would be tried first; "" when there is none.
    """

    by: RequestedBy = "caller_voice"
    reason: str = ""
    desk: str = ""


class CallFacts(Document):
    """A call so far: ``call`` in an expression.

    Attributes:
        turns: how often the caller spoke.
        disclosed: the disclosure was played in full.
        consents: scopes given, and not taken back.
        withdrawn: scopes taken back.
        tools: names of tools that did what was asked, in order; a name as often as it was used.
        failed: the same of tools that did not, or of which that is not known.
        phrases: fixed phrases that were played in full, in order.
        blocked: clauses that were refused.
        opted_out: the caller wants no more calls.
        emergency: one was recognised.
        asked_for_person: the caller asked for a person.
        person: what came of the last way to a person.
        ended_by: who is about to end it.
        reason: why, as ``call.closed`` has it.
        duration_s: s since it was answered.
    """

    turns: int = 0
    disclosed: bool = False
    consents: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    blocked: int = 0
    opted_out: bool = False
    emergency: bool = False
    asked_for_person: bool = False
    person: Literal["none", "requested", "completed", "callback", "failed"] = "none"
    ended_by: EndedBy = "agent"
    reason: str = "completed"
    duration_s: int = 0

    def after(self, record: r.Record, personal: r.Personal | None) -> CallFacts:
        """The facts once this record of the call was written; most records change none."""
        changed = _changed(self, record, personal)
        return self.model_copy(update=changed) if changed else self


def _changed(facts: CallFacts, record: r.Record, personal: r.Personal | None) -> dict[str, Any]:
    match record:
        case r.CallerSaid():
            return {"turns": facts.turns + 1, "opted_out": facts.opted_out or record.addressed == "opt_out"}
        case r.DisclosurePlayed():
            return {"disclosed": facts.disclosed or record.in_full}
        case r.ConsentRecorded() if record.given:
            return {"consents": (*(s for s in facts.consents if s != record.scope), record.scope)}
        case r.ConsentWithdrawn():
            kept = tuple(s for s in facts.consents if s != record.scope)
            return {"consents": kept, "withdrawn": (*facts.withdrawn, record.scope)}
        case r.ToolExecuted() | r.ToolUnknown() if isinstance(personal, r.ToolDetails):
            field = "tools" if isinstance(record, r.ToolExecuted) and record.ok else "failed"
            return {field: (*getattr(facts, field), personal.name)}
        case r.AgentPlayed() if isinstance(personal, r.PlayedDetails):
            whole = personal.phrase and record.samples and not record.interrupted
            # whoever opts out by a key says nothing: the phrase that tells them so is played all the same
            said = {"opted_out": True} if personal.phrase == "opted-out" else {}
            return said | ({"phrases": (*facts.phrases, personal.phrase)} if whole else {})
        case r.ClauseRefused():
            return {"blocked": facts.blocked + 1}
        case r.EmergencyDetected():
            return {"emergency": True}
        case r.HandoffRequested():
            asked = record.requested_by in ("caller_voice", "caller_key")
            return {"person": "requested", "asked_for_person": facts.asked_for_person or asked}
        case r.HandoffFailed():
            return {"person": "failed"}
        case r.HandoffCompleted():
            return {"person": "completed"}
        case r.CallbackPromised():
            return {"person": "callback"}
        case _:
            return {}


# --- what is wrong with a rule of these moments -----------------------------------------------------


def faults_of(rule: RuleSpec) -> Iterator[_Fault]:
    """What is wrong with a rule that is, or seems to be, of one of these moments."""
    yield from _expression(rule)
    if rule.to is not None and (rule.when, rule.then) != ("handoff", "handoff"):
        yield ("to",), "`to` belongs to rules with `when: handoff` and `then: handoff`", "remove it"
    if rule.when == "handoff":
        yield from _handoff(rule)
    elif rule.when == "call_ends":
        yield from _call_ends(rule)
    for field in ("catches", "lets_pass"):
        for i, example in enumerate(getattr(rule, field)):
            for facts, when in (("handoff", "handoff"), ("call", "call_ends")):
                if getattr(example, facts) is not None and rule.when != when:
                    yield (field, i, facts), f"`{facts}` belongs to examples of `when: {when}`", "remove it"


def _handoff(rule: RuleSpec) -> Iterator[_Fault]:
    if rule.then not in ("block", "handoff"):
        remedy = "write block (the words are kept back) or handoff (another desk is tried first)"
        yield ("then",), "no rule keeps a person away, or asks one about it", remedy
    if rule.say:
        yield ("say",), "the caller is told nothing by it", "remove `say`"
    if rule.then == "handoff" and rule.to is None:
        yield ("to",), "says nobody who is tried first", "add `to:` with a desk of configs/desks.yaml"


def _call_ends(rule: RuleSpec) -> Iterator[_Fault]:
    if rule.then not in ("block", "handoff"):
        remedy = "write block (its words are said first) or handoff (a person is fetched)"
        yield ("then",), "the end of a call is not changed like words", remedy
    condition = rule.if_
    if condition.phrases or condition.together or condition.unless or condition.without or condition.like:
        yield ("if",), "nothing is said where a call ends", "write `cel` over `call`"


def _expression(rule: RuleSpec) -> Iterator[_Fault]:
    known: dict[str, type[Document]] = {"handoff": HandoffFacts, "call": CallFacts}
    mine = {"handoff": "handoff", "call_ends": "call"}.get(rule.when, "")
    for name in _FACTS:
        used = re.findall(rf"(?<![\w.]){name}(?!\w)(\.\w+)?", rule.if_.cel)
        if used and name != mine:
            yield ("if", "cel"), f"`{name}` is not known in `when: {rule.when}`", "see docs/rules.md"
            continue
        for field in sorted({part.removeprefix(".") for part in used} - set(known[name].model_fields)):
            keys = ", ".join(known[name].model_fields)
            yield ("if", "cel"), f"`{name}` holds no `{field}`" if field else f"`{name}` alone", f"use {keys}"
