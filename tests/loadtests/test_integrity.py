"""Speech without gaps, and a record of everything: judged and named. All figures made up."""

from __future__ import annotations

import pytest

from loadtests.reporting.integrity import RECORDS, SPEECH, flaws, judge_records, judge_speech, kept, kind_of
from loadtests.reporting.loads import Load, loads
from loadtests.reporting.tables import named_flaws
from loadtests.reporting.verdict import carried_words, knee
from loadtests.results import Completeness, Gap, Outcome, Run
from tests.loadtests.made_up import run


def load(made: Run) -> Load:
    [[found]] = loads([made]).values()
    return found


def with_gaps(gaps: int, **changed: object) -> Run:
    """60 calls, 300 answers, so many gaps."""
    plain = run(calls=60, **changed)  # type: ignore[arg-type]
    calls = [
        call.model_copy(update={"gaps": (Gap(at_ms=900, ms=48),) if call.n < gaps else ()})
        for call in plain.calls
    ]
    return plain.model_copy(update={"calls": tuple(calls)})


def torn(*records: Completeness | None, outcome: Outcome = "completed") -> Run:
    plain = run(calls=60)
    calls = list(plain.calls)
    for i, record in enumerate(records):
        calls[i] = calls[i].model_copy(update={"completeness": record, "outcome": outcome})
    return plain.model_copy(update={"calls": tuple(calls)})


@pytest.mark.parametrize(("gaps", "verdict"), [(0, "met"), (15, "met"), (16, "missed")])
def test_five_gaps_in_a_hundred_answers_are_carried_and_not_one_more(gaps: int, verdict: str):
    found = judge_speech(load(with_gaps(gaps)))
    assert found.verdict == verdict
    assert f"{gaps} gap" in found.why
    assert "300 answers" in found.why
    assert (carried_words(load(with_gaps(gaps))) == "yes") == (verdict == "met")


def test_targets_met_with_gaps_are_not_carried_and_it_says_why():
    words = carried_words(load(with_gaps(30)))
    assert words.startswith("targets met, not carried: 30 gaps of 40 ms or more in 300 answers")
    ramp = [load(with_gaps(0)), load(with_gaps(30, concurrency=2))]
    bend = knee(ramp)
    assert (bend.carried, bend.missed, bend.by) == (1, 2, "server")


def test_a_record_that_is_not_whole_is_not_carried():
    lacks = Completeness(heard=9, recorded=8, missing=("1200 to 1500 ms: heard, no record",))
    found = load(torn(lacks))
    assert judge_records(found).verdict == "missed"
    assert judge_records(found).why.startswith("1 of 60 calls not whole")
    assert carried_words(found).startswith("targets met, not carried: the record of 1 of 60 calls")
    assert judge_records(load(run(calls=60))).verdict == "met"


def test_calls_that_the_test_spoilt_have_no_record_to_lack():
    lacks = Completeness(heard=9, recorded=8, missing=("record 4: missing",))
    for outcome in ("cut_short", "harness_failed"):
        found = load(torn(lacks, outcome=outcome))  # type: ignore[arg-type]
        assert judge_records(found).verdict == "met"
        assert flaws([found]) == []


def test_where_no_record_is_read_nothing_is_claimed():
    assert judge_records(load(run("remote", calls=3, completed=3))).verdict == "met"
    unread = load(torn(*[None] * 60))
    assert (judge_records(unread).verdict, judge_records(unread).why) == (
        "not decidable",
        "no record was read",
    )
    silent = load(run(calls=9, refused=9))
    assert judge_speech(silent).verdict == "not decidable"
    assert judge_speech(load(run(valid=False))).why == "the run does not count"


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ("1200 to 1500 ms: heard, no record", "heard, no record"),
        ("7c1: cleared, not settled", "cleared, not settled"),
        ("7c1: settled 3 times", "settled … times"),
        ("7c1: 1200 ms on record, 0 ms heard", "… ms on record, … ms heard"),
        ("record 12: missing", "missing"),
        ("call: not closed on record", "not closed on record"),
        ("64 ms played beyond every record", "… ms played beyond every record"),
    ],
)
def test_a_kind_is_an_entry_without_its_clause_and_figures(entry: str, kind: str):
    assert kind_of(entry) == kind


def test_records_that_could_not_be_read_are_counted_out_loud():
    assert "2 calls without a record that could be read" in judge_records(load(torn(None, None))).why


def test_what_is_missing_is_named_with_its_first_calls():
    lacks = Completeness(
        heard=9, recorded=8, missing=("1 to 9 ms: heard, no record", "4 to 8 ms: heard, no record"),
        silent=("7c1: 900 ms on record, 10 ms heard",),
    )  # fmt: skip
    open_ = Completeness(heard=9, recorded=9, unsettled=("7c2: cleared, not settled",))
    rows = named_flaws([load(torn(lacks, lacks, lacks, lacks, open_))]).rows
    assert [row[1:] for row in rows] == [
        ("sounded, no record", "heard, no record", "8", "4", "CA0, CA1, CA2 and 1 more"),
        ("on record, did not sound", "… ms on record, … ms heard", "4", "4", "CA0, CA1, CA2 and 1 more"),
        ("on record, never settled", "cleared, not settled", "1", "1", "CA4"),
    ]


def test_both_lines_stand_beside_the_targets_of_ours_only():
    by_setting = loads([run(calls=60), run("defaults", calls=60)])
    assert [(line.title, line.near.verdict) for line in kept(by_setting)] == [
        (SPEECH, "met"),
        (RECORDS, "met"),
    ]
    assert kept(loads([run("defaults")])) == []
