"""One call on one page: what a tired reader needs first, then everything, then the proof. Pure.

Rendered from the trace, the resolved release and a few facts about the proof, and
from nothing else, so that a verifier can render it again and compare every byte.
Self-contained: no script, no picture, no address that is fetched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controls.decision import Verdict
from controls.evidence import shape as s
from controls.evidence.markup import Html, joined, quoted, tag, words
from controls.evidence.page_sections import (
    Proof,
    accesses,
    annex_a,
    artifact_ids,
    artifacts,
    bullets,
    consents,
    failures,
    handoffs,
    proof_facts,
    readable_time,
    release_parts,
    suppliers,
    tools,
)
from controls.evidence.page_turns import EVIDENCE, GIVEN, OUTCOMES, plain, turn_section
from controls.evidence.release_facts import ReleaseFacts
from controls.evidence.texts import fixed_text, sentences

#: Version of pages and fixed texts; any change of a byte of any of them is a new one.
FORMAT = 4

_ENDED = {
    "completed": "ended when all was said",
    "hung_up": "hung up",
    "silence": "ended for silence",
    "too_long": "ended at its longest time",
    "transferred": "handed to a person",
    "callback": "ended with a call-back promised",
    "opted_out": "ended because the caller opted out",
    "emergency": "ended for an emergency",
    "stopped": "stopped",
    "drained": "ended because the server stopped",
    "failed": "ended by a failure",
    "crashed": "cut off by a crash",
}
_ASKED_BY = {
    "caller_voice": "by the caller, in words",
    "caller_key": "by the caller, with a key",
    "rule": "by a rule",
    "agent": "by the agent",
    "emergency": "because of an emergency",
    "failure": "because something failed",
}
_FAULTS = {
    "used_without_grant": "no durable grant stands before it",
    "used_before_grant": "it had left before anybody was asked",
    "nobody_asked": "a rule wanted a person, and none was asked",
    "used_twice": "one grant was used twice",
    "decoy_used": "it was a decoy, which is never carried out",
    "not_signed": "the grant's signature is not over what was asked",
}
#: How many refused sentences are quoted at the top, and how many characters of each.
_QUOTED, _QUOTED_CHARACTERS = 3, 80
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class _Answer:
    """One line of the summary. ``fine`` False makes it stand out, in print too."""

    question: str
    answer: str
    detail: object = ""
    fine: bool = True


def render(trace: s.Trace, release: ReleaseFacts | None, proof: Proof) -> bytes:
    """The page, as UTF-8.

    Args:
        release: None where the archive does not hold the release the call was bound to.
    """
    call = trace.call
    lang = call.language
    body = tag(
        "body",
        tag("header", tag("h1", "Record of call ", call.id), tag("p", *_headline(trace))),
        tag(
            "main",
            _section("In one minute", _brief(trace)),
            _section(
                "The conversation",
                *(turn_section(turn, lang, trace.receipts, trace.stops) for turn in trace.turns),
            ),
            _section("Consent", consents(trace)),
            _section("Tools", tools(trace)),
            _section("People", handoffs(trace)),
            _section("Controls that failed during the call", failures(trace)),
            _section("Annex A controls this record shows at work", annex_a(trace)),
            _section("The agent's version", *release_parts(trace, release)),
            _section("Suppliers", suppliers(trace)),
            _section("Who opened this record", accesses(trace)),
            _section("Proof", *proof_facts(trace, proof)),
            _section("What is kept, and until when", artifacts(trace)),
            _section("What this cannot prove", bullets(sentences("limits.md"))),
            _section("How to check it", *_how(proof)),
            _section("Every sealed piece of content", artifact_ids(trace)),
        ),
        tag("footer", tag("p", f"Sayso {proof.made_by}, page format {FORMAT}.", class_="small")),
    )
    return document(f"Record of call {call.id}", body)


def document(title: str, body: Html) -> bytes:
    """A whole HTML document with the house's style inside."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Html(fixed_text("page.css"))),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n".encode()


def _section(title: str, *children: object) -> Html:
    return tag("section", tag("h2", title), *children)


def _headline(trace: s.Trace) -> Iterator[object]:
    call = trace.call
    yield words(call.operator_of_record)
    yield ": agent "
    yield words(call.agent)
    yield f". {readable_time(call.started_at)}."
    yield tag("br")
    yield tag(
        "span",
        "Confidential: it holds what was said in the call. The calling number is not shown here; what was "
        "said may contain it. "
        "This page is for reading. Whether it is true to the record, the verifier tells.",
        class_="small",
    )


# --- in one minute ------------------------------------------------------------------------------------


def _brief(trace: s.Trace) -> Html:
    rows = [
        tag(
            "tr",
            tag("th", a.question, scope="row"),
            tag("td", a.answer if a.fine else f"! {a.answer}"),
            tag("td", a.detail),
            class_=None if a.fine else "no",
        )
        for a in _answers(trace)
    ]
    caption = tag(
        "caption", "What the record says. An exclamation mark and a bar mark what asks for attention."
    )
    return tag("table", caption, tag("tbody", *rows), class_="brief")


def _answers(trace: s.Trace) -> Iterator[_Answer]:
    call = trace.call
    by = f"{call.ingress}, line {call.line or '(erased)'}, region {call.region}, {call.language}"
    yield _Answer(
        "Which agent, for whom", call.agent or "(erased)", joined([words(call.operator_of_record), f"; {by}"])
    )
    if call.ended_at is None:
        yield _Answer("When", "still open", f"since {readable_time(call.started_at)}", fine=False)
    else:
        how = f"{_ENDED.get(call.end_reason or '', plain(call.end_reason))}, by the {plain(call.ended_by)}"
        crash = "; closed after a crash" if call.recovered else ""
        yield _Answer(
            "How it ended",
            how,
            f"{readable_time(call.started_at)} to {readable_time(call.ended_at)}{crash}",
            not call.recovered,
        )
    approved = "approved" if call.approved else "NOT approved"
    yield _Answer(
        "Was this version approved", approved, f"environment {call.environment.value}", call.approved
    )
    yield _disclosure(trace.disclosure)
    yield _refused(trace)
    yield from _emergency(trace)
    yield _person(trace)
    yield _actions(trace)
    yield from _people_decided(trace)
    yield _receipt(trace)
    if trace.failures:
        names = ", ".join(dict.fromkeys(f.control for f in trace.failures))
        yield _Answer("Did a control fail", f"yes, {len(trace.failures)}", names, fine=False)
    else:
        yield _Answer("Did a control fail", "none on record")
    yield _whole(trace)
    yield _proven(trace.ledger)


def _disclosure(disclosure: s.Disclosure | None) -> _Answer:
    question = "Was \u201cthis is an AI\u201d played in full"
    if disclosure is None:
        return _Answer(question, "no", "no disclosure is on record", fine=False)
    tries = "first attempt" if disclosure.attempts == 1 else f"{disclosure.attempts} attempts"
    detail = (
        f"{disclosure.played_s:.1f} s from {disclosure.played_at_s:.1f} s on, in {disclosure.language}, "
        f"{tries}; evidence: {EVIDENCE[disclosure.evidence]} (A.8.2)"
    )
    fine = disclosure.played_in_full
    return _Answer(question, "yes" if fine else "no", detail, fine)


def _refused(trace: s.Trace) -> _Answer:
    decisions = [t.decision for t in trace.turns if t.decision is not None]
    clauses = [c for d in decisions for c in d.clauses if c.verdict not in (Verdict.ALLOW, Verdict.REWRITE)]
    rewritten = sum(c.verdict is Verdict.REWRITE for d in decisions for c in d.clauses)
    tools = [t for d in decisions for t in d.tools if t.outcome == "refused"]
    rules = [v for d in decisions for v in d.verdicts if v.verdict is not Verdict.ALLOW]
    parts: list[object] = []
    if clauses:
        shown = [quoted(_shortened(c.text), lang=trace.call.language) for c in clauses[:_QUOTED]]
        more = f" and {len(clauses) - _QUOTED} more" if len(clauses) > _QUOTED else ""
        number = _count(len(clauses), "sentence")
        parts.append(joined([f"{number} of the agent, never spoken: ", joined(shown, ", "), more]))
    if tools:
        names = [f"{t.name or '(erased)'} ({plain(t.reason)})" for t in tools]
        parts.append(joined([f"{_count(len(tools), 'use')} of a tool: ", words(_counted(names))]))
    parts += [f"{_count(rewritten, 'sentence')} reworded"] if rewritten else []
    if rules:
        parts.append(joined(["by ", words(", ".join(dict.fromkeys(v.rule or "(erased)" for v in rules)))]))
    refused = len(clauses) + len(tools)
    return _Answer("Was anything refused", f"yes, {refused}" if refused else "nothing", joined(parts, "; "))


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= _QUOTED_CHARACTERS:
        return text
    return text[: _QUOTED_CHARACTERS - 1].rstrip() + "…"


def _emergency(trace: s.Trace) -> Iterator[_Answer]:
    found = [t for t in trace.turns if t.emergency is not None]
    if found:
        turns = ", ".join(str(t.n) for t in found)
        yield _Answer("Emergency", "yes", f"recognised in turn {turns}", fine=False)


def _person(trace: s.Trace) -> _Answer:
    question = "Was a person asked for, and reached"
    handoff = trace.handoff
    if handoff is None:
        return _Answer(question, "not asked for")
    asked = _ASKED_BY.get(handoff.requested_by or "", "")
    desk = words(handoff.to) if handoff.to else "a person"
    after, within = (f" {word} {handoff.waited_s} s" if handoff.waited_s else "" for word in ("after", "in"))
    detail: list[object] = [f"asked for {asked}"] if asked else []
    because = ", ".join(map(plain, handoff.failed_because))
    if handoff.outcome in ("accepted", "completed"):
        answer = "asked for, reached"
        detail += [f"first not reached: {because}"] if because else []
        detail.append(joined([desk, f" took the call{after}"]))
    else:
        answer = "asked for, not reached"
        detail += [f"nobody was reached{within} ({because})"] if because else []
    if handoff.callback is not None:
        answer = "asked for, call-back promised"
        due = readable_time(handoff.callback.due_at or "(erased)")
        number = "number confirmed" if handoff.callback.number_confirmed else "number NOT confirmed"
        detail.append(joined([desk, f" is to call back by {due}, {number}"]))
    return _Answer(question, answer, joined(detail, "; "), handoff.outcome in ("accepted", "completed"))


def _actions(trace: s.Trace) -> _Answer:
    """What was proposed only is no use; what was refused has an answer of its own."""
    question = "What did the agent do"
    tools = [t for turn in trace.turns if turn.decision is not None for t in turn.decision.tools]
    uses = [t for t in tools if t.outcome not in ("proposed", "refused")]
    unsure = sum(t.outcome in ("unknown", "requested") for t in uses)
    told = words(_counted([f"{t.name or '(erased)'} {OUTCOMES[t.outcome]}" for t in uses])) if uses else ""
    if unsure:
        return _Answer(question, f"{_count(unsure, 'outcome')} unknown", told, fine=False)
    return _Answer(question, _count(len(uses), "tool use") if uses else "nothing but talk", told)


def _people_decided(trace: s.Trace) -> Iterator[_Answer]:
    """Only of calls in which a person was asked, or stopped it, or should have been asked."""
    asked = [a for turn in trace.turns for a in turn.approvals]
    for fault in trace.faults:
        told = f"use {fault.use}, leaf {fault.leaf}: {_FAULTS[fault.what]}"
        yield _Answer("Was a tool used without a person's grant", "YES", told, fine=False)
    if asked:
        outcomes = _counted([plain(a.outcome) for a in asked])
        late = sum(len(a.late) for a in asked)
        more = f"; {_count(late, 'decision')} too late" if late else ""
        waits = any(a.outcome == "waiting" for a in asked)
        times = _count(len(asked), "time")
        yield _Answer("Was a person asked before a tool was used", times, f"{outcomes}{more}", not waits)
    for stop in trace.stops:
        when = f"in turn {stop.turn}, at {readable_time(stop.at)}"
        yield _Answer("Did a person stop the agent", "yes", when, fine=False)


def _receipt(trace: s.Trace) -> _Answer:
    given = "; ".join(f"{GIVEN[x.how]}, in turn {x.turn}" for x in trace.receipts)
    if not given:
        return _Answer("Did the caller get a receipt", "none on record")
    return _Answer("Did the caller get a receipt", "yes", f"A receipt was given: {given}")


def _whole(trace: s.Trace) -> _Answer:
    ledger = trace.ledger
    erased = sum(a.erased_at is not None for a in trace.artifacts)
    detail = [f"{ledger.records} records"]
    if ledger.gaps or ledger.repeated:
        detail.append(f"missing: {_numbers(ledger.gaps)}; used twice: {_numbers(ledger.repeated)}")
    else:
        detail.append("numbered without a gap")
    if trace.call.ended_at is None:
        detail.append("the call's end is not on record")
    if erased:
        detail.append(
            f"{erased} of {len(trace.artifacts)} pieces of content erased since, each with its tombstone"
        )
    fine = not (ledger.gaps or ledger.repeated) and trace.call.ended_at is not None
    return _Answer("Is the record whole", "yes" if fine else "no", "; ".join(detail), fine)


def _proven(ledger: s.Ledger) -> _Answer:
    """What there is to check; whether it holds, no page can say of itself."""
    covered = "no checkpoint yet"
    if ledger.checkpoint is not None:
        covered = f"a checkpoint over {ledger.checkpoint.size} leaves"
    detail: list[object] = [f"leaves {ledger.first_leaf} to {ledger.last_leaf}, under {covered}"]
    answer = "no witness"
    if ledger.witnessed is not None and ledger.witnessed.cosigned:
        cosigned = ledger.witnessed.cosigned
        answer = "cosigned by 1 witness" if len(cosigned) == 1 else f"cosigned by {len(cosigned)} witnesses"
        by = joined((joined([words(c.witness), f" at {readable_time(c.at)}"]) for c in cosigned), ", ")
        detail.append(joined([f"the first {ledger.witnessed.size} leaves cosigned by ", by]))
    return _Answer(
        "What proves it",
        answer,
        joined([joined(detail, "; "), ". Check it with the verifier; this page cannot."]),
    )


def _how(proof: Proof) -> Iterator[object]:
    yield tag("p", tag("code", "python -m controls.ledger verify THIS.zip --trust auditor.keys"))
    yield tag(
        "p",
        "It runs offline, names every check it makes, and renders this page again to compare it. The "
        "file of trusted keys has to come from elsewhere than this packet. VERIFY.md says how to check it "
        "without our code.",
    )
    if proof.withheld:
        yield tag(
            "p",
            f"{_count(proof.withheld, 'piece')} of content left sealed, because personal data was found "
            "there: this packet was made with --redact. What is left out above may read (erased); its "
            "leaves and ciphertexts are in the packet.",
        )


def _counted(what: Sequence[str]) -> str:
    """Each thing once, in order, and how often where more than once."""
    return ", ".join(x if n == 1 else f"{x} ({n} times)" for x, n in Counter(what).items())


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (" …" if len(numbers) > 20 else "") or "none"
