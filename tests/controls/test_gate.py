"""The gate: nothing else mints, nothing is cleared that is not recorded, errors refuse."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.decision import Cleared, PendingReceipt, Proposal, Receipt, Verdict
from controls.errors import InternalError, LedgerError
from controls.gate import Gate
from controls.gate_values import Outcome, UnboundPhrase
from controls.ids import new_id
from controls.ledger.records import HandoffDetails, Personal, Record
from controls.rules.engine import Rules
from tests.controls.rules.packs import ROOT, pack, shipped
from tests.simulators.recorder import MemoryRecorder

RELEASE = "sha256:" + "a" * 64
CALL = "c_7Q2MZ0G4D9RWX3KA"
PHRASES = {"fallback": {"en-US": "Something went wrong."}, "greeting": {"en-US": "How can I help you?"}}


def make(
    recorder: MemoryRecorder | None = None, rules: Rules | None = None, bind: bool = True, **more: Any
) -> tuple[Gate, MemoryRecorder]:
    recorder = recorder or MemoryRecorder()
    rules = rules or shipped()
    gate = Gate(recorder=recorder, tenant="riverside", call=CALL, rules=rules, language="en-US", **more)
    if bind:
        gate.bind(RELEASE, {**PHRASES, **rules.phrases})
    return gate, recorder


def test_only_the_gate_mints() -> None:
    ready: PendingReceipt = MemoryRecorder().append  # type: ignore[assignment]
    with pytest.raises(PermissionError):
        Cleared(mint=object(), call=CALL, turn=1, id="k", text="hello", language="en-US", receipt=ready)
    with pytest.raises(PermissionError):
        Cleared(mint=None, call=CALL, turn=1, id="k", text="hello", language="en-US", receipt=ready)


def test_nobody_else_takes_the_mint() -> None:
    """Convention as a test: ``_MINT`` is named in decision.py and gate.py only."""
    takers = set()
    for path in [*(ROOT / "controls").rglob("*.py"), *(ROOT / "voice_runtime").rglob("*.py")]:
        names = {
            getattr(node, "id", "") or getattr(node, "attr", "") or getattr(node, "name", "")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        }
        if "_MINT" in names:
            takers.add(path.relative_to(ROOT))
    assert takers == {Path("controls/decision.py"), Path("controls/gate.py")}


def test_binding_puts_digests_on_record() -> None:
    gate, recorder = make(bind=False)
    receipt = gate.bind(RELEASE, PHRASES).result(0)
    assert receipt.type == "release.bound"
    [(record, personal)] = recorder.of("release.bound")
    assert personal is None
    digests = {f.phrase: f.digest for f in record.fixed}
    assert digests["greeting"] == "sha256:" + hashlib.sha256(b"How can I help you?").hexdigest()


def test_more_phrases_than_one_record_takes() -> None:
    recorder = MemoryRecorder(delayed=True)
    gate, _ = make(recorder, bind=False)
    many = {f"phrase-{i}": {"en-US": f"Words {i}."} for i in range(130)}
    pending = gate.bind(RELEASE, many)
    assert not pending.done()
    recorder.commit()
    assert pending.result(0).leaf == 3
    assert [len(r.fixed) for r, _ in recorder.of("release.bound")] == [40, 40, 40, 10]


def test_a_call_is_bound_to_the_version_of_its_redaction() -> None:
    """The version was handed over and written nowhere: A.7.6 had no evidence in any call."""
    gate, recorder = make(bind=False)
    gate.bind(RELEASE, {f"phrase-{i}": {"en-US": "x"} for i in range(61)}, "sha256:" + "7" * 64)
    assert [r.redaction for r, _ in recorder.of("release.bound")] == ["sha256:" + "7" * 64] * 2


def test_a_binding_that_fails_in_part_fails() -> None:
    recorder = MemoryRecorder(delayed=True)
    gate, _ = make(recorder, bind=False)
    pending = gate.bind(RELEASE, {f"phrase-{i}": {"en-US": "x"} for i in range(61)})
    first, second = recorder.waiting
    recorder.waiting = [first]
    recorder.commit()
    recorder.waiting, recorder.failing = [second], True
    recorder.commit()
    with pytest.raises(LedgerError):
        pending.result(0)


def test_nothing_is_bound_later() -> None:
    gate, _ = make()
    with pytest.raises(InternalError):
        gate.bind(RELEASE, {"other": {"en-US": "Anything."}})


def test_fixed_phrases_are_cleared_by_the_binding() -> None:
    gate, recorder = make()
    before = len(recorder.records)
    one, two = gate.phrase("greeting", 0), gate.phrase("greeting", 3)
    assert one.text == "How can I help you?"
    assert one.phrase == "greeting"
    assert one.receipt.result(0).type == "release.bound"
    assert one.id != two.id
    assert two.turn == 3
    assert len(recorder.records) == before


def test_unbound_phrases_are_refused() -> None:
    gate, _ = make(bind=False)
    with pytest.raises(UnboundPhrase):
        gate.phrase("greeting", 0)
    gate.bind(RELEASE, {**PHRASES, "hola": {"es-US": "Hola."}})
    for phrase in ("nothing", "hola"):
        with pytest.raises(UnboundPhrase):
            gate.phrase(phrase, 0)


def test_a_clause_is_cleared_and_on_record() -> None:
    gate, recorder = make()
    outcome = gate.clause("Tuesday at ten, or half past two.", 2, "tuesday please")
    assert outcome.cleared is not None
    assert outcome.cleared.text == "Tuesday at ten, or half past two."
    assert outcome.cleared.receipt.result(0).type == "clause.cleared"
    [(record, details)] = recorder.of("clause.cleared")
    assert (record.clause, record.turn, record.verdict) == (outcome.cleared.id, 2, Verdict.ALLOW)
    assert details.text == outcome.cleared.text
    assert details.verdicts[0].rule == "default/allow"


def test_no_words_are_in_a_leaf() -> None:
    gate, recorder = make()
    gate.clause("Tuesday at ten.", 1)
    gate.clause("It is probably just eczema.", 2)
    gate.tool(
        "u_" + "0" * 16,
        "book_oncology",
        {"doctor": "Patel"},
        3,
        risk="low",
        read_back="none",
        idempotent=True,
    )
    for record, _ in recorder.records:
        leaf = record.model_dump_json()
        assert not any(
            word in leaf for word in ("Tuesday", "eczema", "oncology", "Patel", "no-diagnosis-")
        ), leaf


def test_the_blocked_sentence_of_the_demo() -> None:
    gate, recorder = make()
    outcome = gate.clause("It is probably just eczema.", 4, "is this rash serious")
    assert outcome.cleared is None
    assert outcome.decision.phrase == "rule.health-boundaries.no-diagnosis"
    [(record, details)] = recorder.of("clause.refused")
    assert record.verdict is Verdict.BLOCK
    assert record.annex_a == ("A.9.4",)
    assert details.instead == "rule.health-boundaries.no-diagnosis"
    assert details.text == "It is probably just eczema."
    instead = gate.phrase(outcome.decision.phrase, 4)
    assert instead.text == "I can't judge that. Our staff can call you back."


def test_a_rewritten_clause_keeps_the_models_words_sealed() -> None:
    gate, recorder = make()
    outcome = gate.clause("I promise he will call.", 1)
    assert outcome.cleared is not None
    assert outcome.cleared.text == "I expect he will call."
    [(record, details)] = recorder.of("clause.cleared")
    assert record.verdict is Verdict.REWRITE
    assert details.candidate == "I promise he will call."


def test_clauses_of_one_turn_are_read_together() -> None:
    gate, _ = make(rules=Rules([pack()]))
    assert gate.clause("Well, foo,", 1).cleared is not None
    assert gate.clause("bar to you.", 1).cleared is None
    assert gate.clause("Well, foo,", 2).cleared is not None
    assert gate.clause("bar to you.", 3).cleared is not None  # another turn, another sentence


def test_a_refusal_names_only_phrases_that_are_bound() -> None:
    recorder = MemoryRecorder()
    gate, _ = make(recorder, bind=False)
    gate.bind(RELEASE, PHRASES)
    assert gate.clause("It is probably just eczema.", 1).decision.phrase == "fallback"
    bare, _ = make(recorder, bind=False)
    assert bare.clause("It is probably just eczema.", 1).decision.phrase == ""


def test_a_receipt_that_is_not_there_yet() -> None:
    recorder = MemoryRecorder()
    gate, _ = make(recorder)
    recorder.delayed = True
    outcome = gate.clause("Tuesday at ten.", 1)
    assert outcome.cleared is not None
    assert not outcome.cleared.receipt.done()
    recorder.failing = True
    recorder.commit()
    with pytest.raises(LedgerError):
        outcome.cleared.receipt.result(0)


def outcomes(gate: Gate) -> list[Outcome]:
    return [
        gate.clause("Tuesday at ten.", 1),
        gate.clause("It is probably just eczema.", 1),
        gate.caller("there is a bomb in your building", 1),
        gate.tool(new_id("u"), "find", {"day": "x"}, 1, risk="low", read_back="none", idempotent=True),
    ]


def test_a_ledger_that_takes_nothing_clears_nothing() -> None:
    gate, recorder = make()
    recorder.close()
    for outcome in outcomes(gate):
        assert outcome.cleared is None
        assert outcome.receipt is None
        assert outcome.decision.verdict.gravity >= Verdict.BLOCK.gravity


class Broken(Rules):
    """Rules that answer nonsense."""

    def evaluate(self, proposal: Proposal, *_: object) -> Any:
        decision = super().evaluate(proposal)
        object.__setattr__(decision, "risk", 700)  # a record refuses it
        return decision


def test_a_record_that_cannot_be_built_clears_nothing() -> None:
    gate, recorder = make(rules=Broken(shipped().packs))
    assert gate.clause("Tuesday at ten.", 1).cleared is None
    assert recorder.of("clause.cleared") == []


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80), st.text(max_size=30))
def test_whatever_is_cleared_was_judged_speakable(text: str, said: str) -> None:
    gate, recorder = make()
    outcome = gate.clause(text, 1, said)
    if outcome.cleared is None:
        assert recorder.types()[-1] == "clause.refused"
    else:
        assert outcome.decision.verdict in (Verdict.ALLOW, Verdict.REWRITE)
        assert outcome.cleared.text == outcome.decision.text
        assert recorder.types()[-1] == "clause.cleared"


def test_what_the_caller_says_is_recorded_only_when_it_stops_something() -> None:
    gate, recorder = make()
    before = len(recorder.records)
    assert gate.caller("can i see doctor patel", 1).decision.verdict is Verdict.ALLOW
    assert len(recorder.records) == before
    assert gate.caller("there is a bomb in your building", 1).decision.verdict is Verdict.HANDOFF
    assert recorder.types()[-1] == "clause.refused"


def test_a_tool_needs_its_record() -> None:
    gate, recorder = make()
    use = new_id("u")
    arguments = {"doctor": "Patel"}
    outcome = gate.tool(use, "book", arguments, 2, risk="medium", read_back="confirmed", idempotent=True)
    arguments["doctor"] = "Other"
    assert outcome.cleared is not None
    assert outcome.cleared.id == use
    assert outcome.decision.proposal.arguments == {"doctor": "Patel"}
    [(record, details)] = recorder.of("tool.requested")
    assert (record.risk, record.read_back, record.use) == ("medium", "confirmed", use)
    assert details.arguments == {"doctor": "Patel"}


def test_a_tool_refused_by_a_rule_and_by_others() -> None:
    gate, recorder = make()
    card = {"note": "4111 1111 1111 1111"}
    outcome = gate.tool(new_id("u"), "book", card, 1, risk="low", read_back="none", idempotent=False)
    assert outcome.cleared is None
    gate.refuse_tool(new_id("u"), "book", {}, 1, reason="too_often", why="twice in a call")
    (rule, why), (often, details) = recorder.of("tool.refused")
    assert (rule.reason, often.reason) == ("rule", "too_often")
    assert why.verdicts[0].rule == "personal-data/no-card-to-tools"
    assert details.reason == "twice in a call"


# --- transfers, and the spool ---------------------------------------------------------------------

DETAILS = HandoffDetails(to="reception", reason="asked")


class Spool:
    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.written: list[tuple[Record, Personal | None]] = []

    def __call__(self, record: Record, personal: Personal | None) -> Receipt:
        if self.fails:
            raise OSError("disk full")
        self.written.append((record, personal))
        return Receipt("o_SPOOL", -1, record.type, 1, spooled=True)


def test_a_transfer_is_cleared_by_its_request() -> None:
    gate, recorder = make()
    handoff = new_id("h")
    cleared = gate.transfer(handoff, "rule", DETAILS)
    assert cleared.id == handoff
    assert cleared.receipt.result(0).type == "handoff.requested"
    assert recorder.of("handoff.requested")[0][1] == DETAILS


@pytest.mark.parametrize("by", ["emergency", "caller_voice", "caller_key", "failure"])
@pytest.mark.parametrize("how", ["failing", "refusing"])
def test_no_failing_ledger_delays_a_person(by: Any, how: str) -> None:
    spool = Spool()
    gate, recorder = make(spool=spool)
    setattr(recorder, how, True)
    cleared = gate.transfer(new_id("h"), by, DETAILS)
    assert cleared.receipt.result(0).spooled
    assert len(spool.written) == 1


@pytest.mark.parametrize("by", ["rule", "agent"])
def test_other_transfers_wait_for_the_ledger(by: Any) -> None:
    spool = Spool()
    gate, recorder = make(spool=spool)
    recorder.failing = True
    with pytest.raises(LedgerError):
        gate.transfer(new_id("h"), by, DETAILS).receipt.result(0)
    recorder.refusing = True
    with pytest.raises(LedgerError):
        gate.transfer(new_id("h"), by, DETAILS)
    assert spool.written == []


def test_a_late_ledger_is_hurried() -> None:
    spool = Spool()
    gate, recorder = make(spool=spool)
    recorder.delayed = True
    cleared = gate.transfer(new_id("h"), "emergency", DETAILS)
    assert not cleared.receipt.done()
    assert gate.hurry(cleared)
    assert gate.hurry(cleared)
    assert cleared.receipt.result(0).spooled
    recorder.commit()
    assert cleared.receipt.result(0).spooled
    assert len(spool.written) == 1
    assert not gate.hurry(gate.phrase("greeting", 1))


def test_with_neither_ledger_nor_spool_there_is_no_receipt() -> None:
    gate, recorder = make(spool=Spool(fails=True))
    recorder.failing = True
    cleared = gate.transfer(new_id("h"), "emergency", DETAILS)
    with pytest.raises(LedgerError):
        cleared.receipt.result(0)
    assert not gate.hurry(cleared)
