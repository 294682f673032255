"""The trace says what the records say: nothing lost, nothing made up, whatever was erased."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.decision import Verdict
from controls.errors import IntegrityError
from controls.evidence.shape import Checkpoint
from controls.evidence.summary import summary
from controls.evidence.trace import gaps, rfc3339, trace
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence import calls


def test_the_shape_is_that_of_the_design():
    script = calls.clinic_call()
    found = json.loads(trace(script.opened, origin="o_0123456789ABCDEF").model_dump_json())
    wanted = {
        "call": "id tenant agent release environment approved ingress line region operator_of_record "
        "started_at ended_at ended_by",
        "disclosure": "text language attempts played_in_full played_at_s evidence",
        "handoff": "requested_by reason mode to outcome waited_s summary",
        "ledger": "origin first_leaf last_leaf checkpoint gaps verified",
    }
    assert {"call", "disclosure", "consent", "turns", "handoff", "artifacts", "ledger"} <= set(found)
    for part, names in wanted.items():
        assert set(names.split()) <= set(found[part]), part
    turn = found["turns"][1]
    assert {"n", "said", "decision", "played", "latency_ms", "cost"} <= set(turn)
    assert {"text", "confidence", "started_s", "ended_s", "engine"} <= set(turn["said"])
    assert {"model", "supplier", "candidate", "tools", "verdicts"} <= set(turn["decision"])
    assert {"rule", "verdict", "annex_a", "risk", "reason"} <= set(turn["decision"]["verdicts"][0])
    assert {"text", "played_text", "played_s", "interrupted", "evidence"} <= set(turn["played"])
    assert set(turn["latency_ms"]) == set(r.Latency.model_fields)
    assert {"tokens_in", "tokens_out", "characters", "audio_s", "amount", "currency"} <= set(turn["cost"])
    artifact = "kind class purpose legal_basis region expires_at legal_hold erased_at"
    assert set(artifact.split()) <= set(found["artifacts"][0])


def test_call_facts_and_disclosure():
    found = trace(calls.clinic_call().opened)
    assert (found.call.agent, found.call.line, found.call.approved) == ("healthcare", "front-desk", False)
    assert found.call.started_at == "2026-09-21T13:54:00.123456Z"
    assert (found.call.ended_by, found.call.end_reason) == ("agent", "callback")
    assert found.disclosure is not None
    assert (found.disclosure.played_in_full, found.disclosure.attempts) == (True, 1)
    assert (found.disclosure.text, found.disclosure.played_at_s) == ("I'm an AI assistant.", 0.42)
    assert found.suppliers[0].note == "not a language model"


def test_turn_zero_holds_what_came_before_the_caller_spoke():
    first = trace(calls.clinic_call().opened).turns[0]
    assert (first.n, first.said, first.decision) == (0, None, None)
    assert first.played is not None and first.played.phrases == ["disclosure"]


def test_a_turn_of_two_clauses_is_joined_and_claims_no_more_than_its_weakest():
    turn = trace(calls.clinic_call().opened).turns[1]
    assert turn.played is not None
    assert turn.played.text == "Booked. Tuesday at ten."
    assert turn.played.played_text == "Booked. Tuesday"
    assert turn.played.played_s == 3.0
    assert turn.played.interrupted
    assert turn.played.evidence is r.Evidence.SENT_ONLY
    assert turn.latency_ms.first_audio_out == 480.0
    assert (turn.cost.tokens_in, turn.cost.tokens_out, turn.cost.characters) == (90, 11, 22)


def test_a_tool_shows_once_with_what_became_of_it():
    decision = trace(calls.clinic_call().opened).turns[1].decision
    assert decision is not None
    [tool] = decision.tools
    assert (tool.name, tool.outcome, tool.read_back) == ("book_appointment", "executed", "confirmed")
    assert (tool.result, tool.duration_ms) == ({"row": 17}, 14)
    assert decision.candidate == "Booked. Tuesday at ten."
    assert tool.use in {v.of for v in decision.verdicts}


@pytest.mark.parametrize(
    ("reconciled", "outcome"), [("no", "unknown"), ("done", "done"), ("not_done", "not_done")]
)
def test_an_unknown_tool_outcome_stays_unknown_until_reconciled(reconciled: str, outcome: str):
    script = calls.CallScript()
    calls.opening(script)
    use = new_id("u")
    details = r.ToolDetails(name="book_appointment")
    script.add(r.ToolRequested, details, turn=1, use=use, risk="medium", read_back="none", idempotent=True)
    script.add(r.ToolUnknown, details, turn=1, use=use, reason="timeout")
    script.add(r.ToolUnknown, details, turn=1, use=use, reason="crash", reconciled=reconciled)
    decision = trace(script.opened).turns[1].decision
    assert decision is not None and decision.tools[0].outcome == outcome


def test_a_refused_clause_keeps_its_verdicts_and_words():
    decision = trace(calls.clinic_call().opened).turns[2].decision
    assert decision is not None
    [verdict] = decision.verdicts
    assert (verdict.rule, verdict.verdict) == ("health-boundaries/no-diagnosis", Verdict.BLOCK)
    assert (verdict.annex_a, verdict.risk) == (["A.9.4"], 80)
    [clause] = decision.clauses
    assert clause.text == "It is probably just eczema."
    assert clause.instead == "rule.health-boundaries.no-diagnosis"


def test_a_handoff_is_one_story_and_keeps_the_number_sealed():
    found = trace(calls.clinic_call().opened)
    assert found.handoff is not None
    assert (found.handoff.outcome, found.handoff.mode) == ("callback_promised", "callback")
    assert (found.handoff.requested_by, found.handoff.to) == ("caller_voice", "reception")
    assert (found.handoff.failed_because, found.handoff.waited_s) == (["nobody_there"], 12)
    assert found.handoff.summary == "Booked; asked about a rash."
    assert "+1202" not in found.model_dump_json()


def test_erased_content_is_null_and_what_the_leaf_knows_stays():
    script = calls.clinic_call()
    before = trace(script.opened)
    for kind in (r.CallOpened, r.CallerSaid, r.TurnDecided, r.ClauseRefused, r.AgentPlayed, r.ToolRecord):
        script.erase(kind)
    after = trace(script.opened)
    assert (after.call.agent, after.call.line, after.call.operator_of_record) == (None, None, None)
    assert after.call.release == before.call.release
    assert after.call.started_at.startswith("2026-")
    assert after.turns[1].said is not None and after.turns[1].said.text is None
    assert after.turns[1].said.engine == "pocketsphinx"
    assert after.turns[1].played is not None and after.turns[1].played.played_text is None
    assert after.turns[1].played.played_s == 3.0
    assert after.turns[1].cost.characters is None
    refused = after.turns[2].decision
    assert refused is not None
    assert (refused.verdicts[0].rule, refused.verdicts[0].annex_a) == (None, ["A.9.4"])
    assert refused.clauses[0].text is None
    assert after.disclosure is not None and after.disclosure.text is None
    assert all(a.erased_at for a in after.artifacts if a.kind == "transcript")
    assert "eczema" not in after.model_dump_json()


def test_one_erased_clause_is_not_papered_over():
    script = calls.clinic_call()
    at = next(i for i, (_, x, p) in enumerate(script.opened) if isinstance(x, r.AgentPlayed) and x.turn == 1)
    leaf, record, _ = script.opened[at]
    script.opened[at] = (leaf, record, None)
    played = trace(script.opened).turns[1].played
    assert played is not None and played.text is None and played.played_text is None


def test_a_call_without_disclosure_or_end_says_so():
    script = calls.CallScript()
    calls.opening(script)
    found = trace([o for o in script.opened if not isinstance(o[1], r.DisclosurePlayed)])
    assert found.disclosure is None
    assert (found.call.ended_at, found.call.ended_by) == (None, None)
    assert any("no disclosure" in line.text for line in summary(found))


def test_a_disclosure_cut_and_offered_again_counts_both():
    script = calls.CallScript()
    calls.opening(script)
    cut = script.opened.pop()[1]
    assert isinstance(cut, r.DisclosurePlayed)
    for attempt, in_full in ((1, False), (2, True)):
        fields = cut.model_dump(include={"language", "played_ms", "of_ms", "evidence"})
        script.add(r.DisclosurePlayed, attempt=attempt, in_full=in_full, at_ms=attempt * 1000, **fields)
    found = trace(script.opened).disclosure
    assert found is not None
    assert (found.attempts, found.played_in_full, found.played_at_s) == (2, True, 2.0)


def test_a_recovered_call_is_marked():
    script = calls.CallScript()
    calls.opening(script)
    script.add(r.CallRecovered, last_n=4, recovered=True)
    found = trace(script.opened)
    assert found.call.recovered
    assert (found.call.ended_by, found.call.end_reason) == ("unknown", "crashed")


def test_consent_given_then_withdrawn_and_an_opt_out_never_asked_for():
    script = calls.CallScript()
    calls.opening(script)
    script.add(r.ConsentRecorded, scope="record", given=True, how="voice", language="en-US", at_s=8)
    script.add(r.ConsentWithdrawn, scope="record", how="keypad", at_s=30)
    script.add(r.ConsentWithdrawn, scope="callback", how="voice", at_s=31)
    first, second = trace(script.opened).consent
    assert (first.given, first.at_s, first.withdrawn_at_s) == (True, 8, 30)
    assert (second.scope, second.given, second.withdrawn_at_s) == ("callback", False, 31)


def test_a_legal_hold_shows_until_it_is_lifted():
    script = calls.clinic_call()
    hold = new_id("l")
    script.add(r.LegalHoldPlaced, hold=hold)
    assert all(a.legal_hold for a in trace(script.opened).artifacts)
    script.add(r.LegalHoldLifted, hold=hold)
    assert not any(a.legal_hold for a in trace(script.opened).artifacts)


def test_receipts_are_told_and_their_code_is_not():
    script = calls.CallScript()
    calls.opening(script)
    issued = [
        script.add(r.ReceiptIssued, r.ReceiptDetails(code="7K2-M9Q-X4R"), turn=turn, how=how)
        for turn, how in ((2, "spoken"), (3, "shown"))
    ]
    found = trace(script.opened)
    assert [(x.turn, x.how, x.at) for x in found.receipts] == [
        (2, "spoken", rfc3339(issued[0].at)), (3, "shown", rfc3339(issued[1].at)),
    ]  # fmt: skip
    assert "7K2" not in found.model_dump_json()
    assert "receipt given: spoken, in turn 2" in "\n".join(map(str, summary(found)))
    script.erase(r.ReceiptIssued)
    assert trace(script.opened).receipts == found.receipts


def test_an_emergency_and_a_failed_control_are_in_the_trace():
    script = calls.CallScript()
    calls.opening(script)
    calls.said(script, 1, "my chest hurts")
    script.add(
        r.EmergencyDetected, r.EmergencyDetails(rule="emergency-us/chest-pain", said="my chest hurts"), turn=1
    )
    script.add(r.ControlFailed, control="model", reason="deadline", attempt=1)
    found = trace(script.opened)
    assert found.turns[1].emergency is not None
    assert found.turns[1].emergency.rule == "emergency-us/chest-pain"
    assert (found.failures[0].control, found.failures[0].reason) == ("model", "deadline")


def test_records_of_two_calls_or_without_an_opening_are_refused():
    one, two = calls.CallScript(), calls.CallScript()
    calls.opening(one)
    calls.opening(two)
    with pytest.raises(IntegrityError, match="of 2"):
        trace([*one.opened, *two.opened])
    with pytest.raises(IntegrityError, match="opening is missing"):
        trace(one.opened[1:])
    with pytest.raises(IntegrityError, match="of 0"):
        trace([])


def test_order_of_reading_does_not_matter():
    script = calls.clinic_call()
    assert trace(list(reversed(script.opened))) == trace(script.opened)


def test_a_missing_and_a_repeated_number_show():
    script = calls.clinic_call()
    lost = script.opened.pop(7)
    assert trace(script.opened).ledger.gaps == [lost[1].n]
    leaf, record, personal = script.opened[-1]
    script.opened.append((leaf + 1, record, personal))
    found = trace(
        script.opened, origin="o_X", checkpoint=Checkpoint(size=200, root="sha256:00"), verified=False
    )
    assert found.ledger.repeated == [record.n]
    text = "\n".join(map(str, summary(found)))
    assert f"by number: [{lost[1].n}]" in text and "used twice" in text and "DOES NOT HOLD" in text


@given(st.sets(st.integers(0, 60)), st.integers(1, 60))
def test_gaps_are_exactly_what_was_taken_out(taken: set[int], size: int):
    kept = [n for n in range(size) if n not in taken]
    records = [
        r.CaptureEnded(
            tenant="t", call=new_id("c"), turn=1, use=new_id("u"), outcome="captured", attempts=1, n=n
        )
        for n in kept
    ]
    newest = max(kept, default=-1)
    assert gaps(records) == (sorted(n for n in taken if n < newest), [])


def test_the_summary_reads_in_order_and_names_what_was_never_spoken():
    text = "\n".join(map(str, summary(trace(calls.clinic_call().opened, verified=True))))
    wanted = [
        "UNAPPROVED",
        "not a language model",
        "played in full (carrier_mark), 6.0 s",
        "caller   at ten",
        "book_appointment executed 14 ms, read back and confirmed",
        "agent    Booked. Tuesday",
        "first token 310 ms, first audio 480 ms",
        "✗ It is probably just eczema.   never spoken",
        "BLOCK health-boundaries/no-diagnosis: a diagnosis   risk 80   A.9.4",
        "asked for by caller voice, nobody there → callback promised to reception   A.9.2",
        "signatures hold",
    ]
    at = -1
    for piece in wanted:
        found = text.find(piece, at + 1)
        assert found > at, f"{piece!r} missing or out of order in:\n{text}"
        at = found


# --- answers begun before the turn was over ---------------------------------------------------------


def begun_early(*, ends: bool = True) -> calls.CallScript:
    """Turn 1: begun on half of it and withdrawn, begun on all of it and taken."""
    script = calls.CallScript()
    calls.opening(script)
    for words, candidate, outcome in (
        ("at ten", "Ten", "withdrawn"),
        ("at ten or at two", "Two.", "answered"),
    ):
        details = r.SaidDetails(text=words, confidence=0.9, started_s=3.0, ended_s=4.0)
        script.add(r.TurnProvisional, details, turn=1, engine="pocketsphinx")
        script.add(
            r.TurnDecided, r.DecidedDetails(model="m", candidate=candidate), turn=1, supplier="s",
            outcome=outcome, provisional=True, tokens_in=30, tokens_out=2, estimated=outcome == "withdrawn",
        )  # fmt: skip
        if outcome == "withdrawn":
            script.add(r.TurnWithdrawn, turn=1, reason="eager", tokens_in=30, tokens_out=2, estimated=True)
    if ends:
        calls.said(script, 1, "at ten or at two")
        one = calls.cleared(script, 1, "Two.")
        calls.played(script, 1, one, "Two.", latency=r.Latency(eager=120.0, first_token=0.0))
    return script


def test_answers_begun_early_stand_apart_and_only_the_one_taken_decides() -> None:
    turn = trace(begun_early().opened).turns[1]
    assert [(b.outcome, b.said, b.candidate) for b in turn.begun] == [
        ("withdrawn", "at ten", "Ten"), ("taken", "at ten or at two", "Two.")
    ]  # fmt: skip
    assert [b.estimated for b in turn.begun] == [True, False]
    assert turn.said is not None
    assert turn.said.text == "at ten or at two"
    assert turn.withdrawn is None
    assert turn.decision is not None
    assert (turn.decision.candidate, turn.decision.outcome) == ("Two.", "answered")
    assert (turn.cost.tokens_in, turn.cost.wasted_in, turn.cost.wasted_out) == (60, 30, 2)
    assert turn.latency_ms.eager == 120.0


def test_a_turn_that_never_was_says_so() -> None:
    script = begun_early(ends=False)
    turn = trace(script.opened[:-2]).turns[1]
    assert (turn.said, turn.withdrawn, turn.decision) == (None, "eager", None)
    assert [b.outcome for b in turn.begun] == ["withdrawn"]
    assert [b.outcome for b in trace(script.opened).turns[1].begun] == ["withdrawn", "unsettled"]


def test_what_was_taken_and_then_withdrawn_was_not_taken() -> None:
    """The turn came in these words, and the conversation had changed: that is found a little later."""
    script = begun_early()
    script.add(r.TurnWithdrawn, turn=1, reason="eager", tokens_in=30, tokens_out=2)
    turn = trace(script.opened).turns[1]
    assert [b.outcome for b in turn.begun] == ["withdrawn", "withdrawn"]
    assert turn.decision is not None
    assert turn.decision.candidate is None


def test_erased_words_of_a_pause_are_null_and_what_became_of_them_stays() -> None:
    script = begun_early()
    erased = [(leaf, record, None) for leaf, record, _ in script.opened]
    with_opening = [script.opened[0], *erased[1:]]
    begun = trace(with_opening).turns[1].begun
    assert [(b.outcome, b.said, b.candidate, b.tokens_out) for b in begun] == [
        ("withdrawn", None, None, 2), ("taken", None, None, 2)
    ]  # fmt: skip


def test_the_summary_tells_of_what_was_begun() -> None:
    told = [line.text for line in summary(trace(begun_early().opened))]
    assert "answer begun at a pause, on: at ten   withdrawn, 30 + 2 tokens, estimated" in told
    assert "answer begun at a pause, on: at ten or at two   taken" in told


def test_entries_by_keys_are_told_and_one_without_an_end_shows() -> None:
    script = calls.CallScript()
    calls.opening(script)
    first, second = new_id("u"), new_id("u")
    begun = script.add(r.CaptureStarted, turn=1, use=first, what="card")
    over = script.add(r.CaptureEnded, turn=1, use=first, outcome="captured", attempts=2)
    script.add(r.CaptureStarted, turn=2, use=second, what="card-code")
    found = trace(script.opened)
    assert [(c.turn, c.use, c.what, c.outcome, c.attempts) for c in found.captures] == [
        (1, first, "card", "captured", 2), (2, second, "card-code", None, None),
    ]  # fmt: skip
    assert (found.captures[0].started_at, found.captures[0].ended_at) == (rfc3339(begun.at), rfc3339(over.at))
    assert found.captures[1].ended_at is None
    told = "\n".join(map(str, summary(found)))
    assert "entered by keys: card, captured, in turn 1" in told
    assert "entered by keys: card-code, no end on record, in turn 2" in told
