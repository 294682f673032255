"""Coverage of Annex A: every occasion counted, every gap named, and nothing green for being on record."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from controls.annex_a import CONTROLS
from controls.evidence.coverage import ControlCoverage, Coverage
from controls.evidence.populations import BY_CONTROL, POPULATIONS
from controls.evidence.states import State
from controls.ids import new_id
from controls.ledger import records as r
from controls.soa import ControlEntry, SoaFile
from tests.controls.evidence.calls import CallScript, clinic_call, played, said
from tests.controls.evidence.counted import (
    NOW,
    ORIGIN,
    Spoil,
    asked,
    begun,
    count,
    counts,
    disclosed,
    ended,
    executed,
    of,
    refused,
    register,
    spoken,
    statement,
    used,
    whole,
)


def test_every_control_has_its_occasions_and_a_sentence_of_why() -> None:
    assert [p.control for p in POPULATIONS] == [c.id for c in CONTROLS]
    for control in CONTROLS:
        population = BY_CONTROL[control.id]
        assert len(population.because) > 20, control.id
        assert bool(population.topics) == (control.evidence != "N") == bool(population.occasion), control.id


def test_a_call_in_which_all_held() -> None:
    found = statement(whole())
    for control in found.controls:
        assert control.failed == 0, control.id
        assert control.unexplained == 0 or control.exercised == 0, control.id
    assert counts(found, "A.9.2") == (3, 3, 0, 0)  # the disclosure, one clause, one use
    assert of(found, "A.9.2").state is State.OPERATING
    assert of(found, "A.9.4").state is State.OPERATING
    assert of(found, "A.8.2").state is State.DOCUMENT_MISSING
    assert of(found, "A.6.2.4").state is State.NO_EVIDENCE
    assert found.holds
    assert (found.calls, found.tenants) == ({"demo": 1}, ["clinic"])


def test_records_alone_are_never_green() -> None:
    """The same call without the refused clause: all held, and nothing was ever tested."""
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    found = statement(ended(script))
    assert counts(found, "A.9.2") == (2, 2, 0, 0)
    assert of(found, "A.9.2").state is State.NOT_EXERCISED
    assert State.OPERATING not in {c.state for c in found.controls}


def test_a_test_counts_for_as_long_as_the_operator_says() -> None:
    soa = SoaFile(format=1, controls={"A.9.2": ControlEntry(owner="compliance", challenged_within_days=1)})
    assert of(statement(whole(), soa=soa), "A.9.2").state is State.NOT_EXERCISED
    assert of(statement(whole(), soa=soa), "A.9.4").state is State.OPERATING


# --- one thing wrong --------------------------------------------------------------------------------


def _uncleared(script: CallScript) -> None:
    played(script, 1, new_id("k"), "Yes.")


def _though_refused(script: CallScript) -> None:
    played(script, 1, refused(script, 1), "No.")


def _unsettled(script: CallScript) -> None:
    from tests.controls.evidence.calls import cleared

    cleared(script, 1, "Yes.")


def _without_request(script: CallScript) -> None:
    executed(script, new_id("u"))


def _unconfirmed(script: CallScript) -> None:
    executed(script, used(script, 1, risk="high", read_back="none"))


def _no_outcome(script: CallScript) -> None:
    used(script, 1)


def _ungranted(script: CallScript) -> None:
    use = new_id("u")
    script.add(
        r.ApprovalRequested, r.ApprovalDetails(), use=use, nonce="n_" + "0" * 64, role="owner",
        expires_at=1_790_000_000, risk=50,
    )  # fmt: skip
    script.add(
        r.ToolRequested, r.ToolDetails(name="x"), turn=1, use=use, risk="low", read_back="none",
        idempotent=True,
    )  # fmt: skip
    executed(script, use)


def _emergency(script: CallScript) -> None:
    script.add(r.EmergencyDetected, r.EmergencyDetails(rule="x", said="help"), turn=1)


def _nobody_came(script: CallScript) -> None:
    script.add(r.HandoffRequested, r.HandoffDetails(), handoff=new_id("h"), requested_by="caller_key")


def _never_ended(script: CallScript) -> None:
    script.add(r.CaptureStarted, turn=1, use=new_id("u"), what="card")


def _never_begun(script: CallScript) -> None:
    script.add(r.CaptureEnded, turn=1, use=new_id("u"), outcome="captured", attempts=1)


def _risky(script: CallScript) -> None:
    clause = new_id("k")
    script.add(
        r.ClauseCleared, r.ClauseDetails(text="x"), turn=1, clause=clause, verdict="allow", risk=95,
        annex_a=("A.9.2",),
    )  # fmt: skip
    played(script, 1, clause, "x")


def _out_of_nothing(script: CallScript) -> None:
    script.add(
        r.TurnDecided, r.DecidedDetails(model="m", candidate="Yes."), turn=7, supplier="standin",
        outcome="withdrawn",
    )  # fmt: skip


def _a_stranger(script: CallScript) -> None:
    asked(script, 2, supplier="other")
    spoken(script, 2)


def _unregistered(script: CallScript) -> None:
    script.add(r.SupplierBound, stage="tool", supplier="nobody-knows", region="us", outside=True)


def _silence_after_a_break(script: CallScript) -> None:
    script.add(r.ControlFailed, control="voice", reason="broken")


def _never_answered(script: CallScript) -> None:
    said(script, 2, "and at eleven?")
    script.add(r.CallClosed, ended_by="agent", reason="too_long", duration_s=1, records=0)


def _kept_against_a_no(script: CallScript) -> None:
    script.add(r.ConsentRecorded, scope="transcript", given=False, how="voice", language="en-US", at_s=1)
    said(script, 2, "never write this down")
    spoken(script, 2)


def _untagged_recording(script: CallScript) -> None:
    script.add(r.RecordingStarted, artifact=new_id("a"))


@pytest.mark.parametrize(
    ("spoil", "control", "failed", "unexplained"),
    [
        (_uncleared, "A.9.2", 1, 0),
        (_though_refused, "A.9.2", 1, 0),
        (_unsettled, "A.9.2", 0, 1),
        (_without_request, "A.9.2", 1, 0),
        (_without_request, "A.4.4", 1, 0),
        (_unconfirmed, "A.9.2", 1, 0),
        (_no_outcome, "A.9.2", 0, 1),
        (_ungranted, "A.9.2", 2, 0),
        (_emergency, "A.9.2", 1, 0),
        (_nobody_came, "A.9.2", 0, 1),
        (_never_ended, "A.9.2", 1, 0),
        (_never_begun, "A.9.2", 1, 0),
        (_risky, "A.9.3", 1, 0),
        (_out_of_nothing, "A.7.5", 1, 0),
        (_a_stranger, "A.4.2", 1, 0),
        (_unregistered, "A.10.3", 1, 0),
        (_unregistered, "A.10.2", 0, 1),
        (_silence_after_a_break, "A.6.2.6", 0, 1),
        (_kept_against_a_no, "A.7.3", 1, 0),
        (_kept_against_a_no, "A.10.4", 1, 0),
        (_untagged_recording, "A.4.3", 0, 1),
    ],
)
def test_one_thing_wrong_is_counted_named_and_red(
    spoil: Spoil, control: str, failed: int, unexplained: int
) -> None:
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    spoil(script)
    found = of(statement(ended(script), whole()), control)
    assert (found.failed, found.unexplained) == (failed, unexplained)
    places = [*found.failures, *found.gaps]
    assert len(places) == failed + unexplained
    assert {(p.origin, p.call) for p in places} == {(ORIGIN, script.call)}
    if found.exercised:
        assert found.state is State.FAILING


def test_words_nobody_answered_are_a_gap() -> None:
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    _never_answered(script)
    assert counts(statement(script), "A.6.1.2") == (2, 1, 0, 1)


@pytest.mark.parametrize(("engine", "expected"), [("typed", (1, 1, 0, 0)), ("pocketsphinx", (1, 0, 0, 1))])
def test_only_somebody_who_speaks_needs_a_recogniser(
    engine: str, expected: tuple[int, int, int, int]
) -> None:
    script = begun()
    said(script, 1, "at ten")
    script.opened[-1] = (
        script.opened[-1][0], script.opened[-1][1].model_copy(update={"engine": engine}), None
    )  # fmt: skip
    lacking = [o for o in script.opened if getattr(o[1], "stage", "") != "recogniser"]
    script.opened = lacking
    assert counts(statement(script), "A.4.2") == expected


# --- the disclosure ---------------------------------------------------------------------------------


def _begin(*attempts: bool) -> CallScript:
    script = begun()
    del script.opened[-1]
    for number, in_full in enumerate(attempts, 1):
        disclosed(script, in_full, number)
    return script


def _hung_up(script: CallScript) -> None:
    pass


def _answers(script: CallScript) -> None:
    asked(script, 1)
    spoken(script, 1)


def _fetches(script: CallScript) -> None:
    script.add(r.ControlFailed, control="disclosure", reason="exhausted", attempt=2)
    handoff = new_id("h")
    script.add(r.HandoffRequested, r.HandoffDetails(), handoff=handoff, requested_by="failure")
    script.add(r.HandoffCompleted, handoff=handoff, mode="blind", waited_s=1)


@pytest.mark.parametrize(
    ("attempts", "then", "expected", "tested"),
    [
        ((True,), _answers, (1, 1, 0, 0), False),
        ((False, True), _answers, (1, 1, 0, 0), True),  # cut off, and played again
        ((False,), _hung_up, (1, 1, 0, 0), False),  # nobody talked to a model
        ((False, False), _fetches, (1, 1, 0, 0), True),  # it failed, and a person took over
        ((False,), _answers, (1, 0, 1, 0), False),
        ((), _answers, (1, 0, 0, 1), False),
        ((), _hung_up, (1, 1, 0, 0), False),
    ],
)
def test_disclosures(
    attempts: tuple[bool, ...], then: Spoil, expected: tuple[int, int, int, int], tested: bool
) -> None:
    script = _begin(*attempts)
    then(script)
    found = statement(ended(script))
    assert counts(found, "A.8.2") == expected
    assert (of(found, "A.8.2").last_challenged is not None) == tested


def test_disclosed_after_the_model_spoke_is_too_late() -> None:
    script = _begin()
    _answers(script)
    disclosed(script)
    assert counts(statement(ended(script)), "A.8.2") == (1, 0, 1, 0)


def test_a_call_nobody_answered_had_nobody_to_disclose_to() -> None:
    script = CallScript()
    script.opened = begun().opened[:5]
    script.call = script.opened[0][1].call  # type: ignore[attr-defined]
    assert counts(statement(ended(script, "failure", "failed")), "A.8.2") == (0, 0, 0, 0)


# --- the record of a call ---------------------------------------------------------------------------


def test_a_lost_record_is_red() -> None:
    script = whole()
    del script.opened[9]
    found = of(statement(script), "A.6.2.8")
    assert (found.failed, found.state) == (1, State.FAILING)


def test_a_lost_opening_is_red() -> None:
    script = whole()
    del script.opened[0]
    assert counts(statement(script), "A.6.2.8") == (1, 0, 1, 0)


def test_a_call_under_way_is_no_gap_and_one_long_over_is() -> None:
    script = whole()
    del script.opened[-1]
    opened_at = script.opened[0][1].at
    assert counts(statement(script, now=opened_at + 3600), "A.6.2.8") == (0, 0, 0, 0)
    assert counts(statement(script, now=opened_at + 4 * 3600), "A.6.2.8") == (1, 0, 0, 1)


def test_the_verification_of_the_log_tests_it_and_a_log_that_does_not_hold_is_red() -> None:
    coverage = count(whole())
    coverage.verified(True)
    assert of(coverage.statement({}), "A.6.2.8").state is State.OPERATING
    coverage = count(whole())
    for ok in (True, False, True):
        coverage.verified(ok)
    found = of(coverage.statement({}), "A.6.2.8")
    assert (found.state, found.because[0]) == (
        State.FAILING,
        "the log does not verify: see `sayso ledger verify`",
    )


def test_a_crash_that_was_closed_on_record_is_a_test() -> None:
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    script.add(r.CallRecovered, last_n=0, recovered=True)
    found = statement(script)
    assert counts(found, "A.6.2.6") == (1, 1, 0, 0)
    assert of(found, "A.6.2.6").state is State.OPERATING
    assert of(found, "A.6.2.8").last_challenged is not None


# --- the report -------------------------------------------------------------------------------------


def test_only_calls_since_then_are_counted() -> None:
    old, new = whole(), whole()
    later = [(leaf, record.model_copy(update={"at": NOW - 5}), p) for leaf, record, p in new.opened]
    new.opened = later
    found = statement(old, new, since=NOW - 10)
    assert (found.calls, found.languages[0].calls) == ({"demo": 1}, 1)
    assert counts(found, "A.9.2") == (3, 3, 0, 0)


def test_rates_by_language_are_of_calls_that_ended() -> None:
    open_call = begun()
    [rates] = statement(whole(), clinic_call(), open_call).languages
    assert (rates.language, rates.calls, rates.with_handoff, rates.with_refusal) == ("en-US", 2, 1, 2)


def test_a_document_makes_a_p_control_green_and_its_change_takes_that_back() -> None:
    digest = "sha256:" + "ab" * 32
    entry = ControlEntry.model_validate(
        {"owner": "compliance", "document": "a.md", "digest": digest, "reviewed": "2026-09-01"}
    )
    soa = SoaFile(format=1, controls={"A.6.2.2": entry})
    script = whole()
    script.add(r.CallRefused, reason="unapproved")  # which tests what a call is bound to
    for found, expected in ((digest, State.OPERATING), (None, State.DOCUMENT_MISSING)):
        one = of(count(script, soa=soa).statement({"a.md": found}), "A.6.2.2")
        assert one.state is expected
        assert one.document is not None and one.document.current == (expected is State.OPERATING)


def test_a_report_cannot_be_green_on_no_evidence() -> None:
    good = of(statement(whole()), "A.9.2")
    for wrong in (
        {"last_challenged": None}, {"failed": 1, "passed": 2}, {"population": 4, "unexplained": 1},
        {"evidence": "N"}, {"evidence": "P"}, {"population": 0, "exercised": 0, "passed": 0},
    ):  # fmt: skip
        with pytest.raises(ValidationError, match="operating on no such evidence"):
            ControlCoverage.model_validate({**good.model_dump(), **wrong})
    with pytest.raises(ValidationError, match="do not add up"):
        ControlCoverage.model_validate({**good.model_dump(), "population": 9})


_SPOILS = (
    _uncleared, _though_refused, _unsettled, _without_request, _unconfirmed, _no_outcome, _ungranted,
    _emergency, _nobody_came, _risky, _out_of_nothing, _a_stranger, _unregistered, _silence_after_a_break,
    _kept_against_a_no, _untagged_recording, _fetches, _answers,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(_SPOILS), max_size=4), min_size=1, max_size=4),
    st.sets(st.integers(0, 60), max_size=6),
)
def test_any_calls_with_any_records_lost_give_a_report_that_adds_up(
    calls: list[list[Spoil]], lost: set[int]
) -> None:
    """And one call more never hides what was wrong in another."""
    scripts = []
    for spoils in calls:
        script = begun()
        for spoil in spoils:
            spoil(script)
        ended(script)
        script.opened = [x for i, x in enumerate(script.opened) if i not in lost] or script.opened
        scripts.append(script)
    few, many = statement(*scripts[:1]), statement(*scripts)  # each report validates itself
    for one, all_of_them in zip(few.controls, many.controls, strict=True):
        assert all_of_them.failed >= one.failed
        assert all_of_them.population >= one.population
        if one.failed:
            assert all_of_them.state is State.FAILING


def test_nothing_of_a_call_is_kept_once_it_is_counted() -> None:
    """Memory does not grow with the records: a long call and a short one leave the same behind."""
    long = begun()
    for turn in range(1, 300):
        asked(long, turn)
        spoken(long, turn)
    coverage = Coverage(SoaFile(format=1), register(), now=NOW)
    coverage.call(ORIGIN, long.call, ((leaf, record) for leaf, record, _ in ended(long).opened))
    tallies = coverage._tallies.known()
    assert tallies["clause"].population == 300
    assert all(len(t.failures) <= 5 and len(t.gaps) <= 5 for t in tallies.values())
