"""Completeness finds a missing record, one that never sounded, an unsettled clause; and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.evidence.turns import Opened
from controls.ledger import records as r
from loadtests.ours.completeness import PLACE_MS, UNPROVEN_MS, Sounded, _covers, _unheard, completeness
from loadtests.results import Completeness
from tests.loadtests.acted_calls import Acted, renumbered, without
from voice_runtime.caller.playout import Onset


def judged(call: Acted, opened: Sequence[Opened] | None = None) -> Completeness:
    return completeness(call.result(), call.opened() if opened is None else opened)


def a_call(**options: Any) -> tuple[Acted, list[str]]:
    """Disclosure, an answer of two clauses, an answer of one."""
    call = Acted(**options)
    clauses = [call.clause(2000, phrase="disclosure")]
    call.silence(1500)
    clauses += [call.clause(1200), call.clause(800)]
    call.silence(2000)
    clauses.append(call.clause(1000))
    call.silence(1000)
    return call, clauses


def changed(opened: Sequence[Opened], clause: str, personal: Any = None, **record: Any) -> list[Opened]:
    """The clause's ``agent.played`` with other values."""
    return [
        (leaf, x.model_copy(update=record), p.model_copy(update=personal or {}))
        if isinstance(x, r.AgentPlayed) and x.clause == clause
        else (leaf, x, p)
        for leaf, x, p in opened
    ]


@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
def test_a_call_whose_every_sound_is_on_record_is_whole(transport: str):
    call, _ = a_call(transport=transport)
    found = judged(call)
    assert found.whole
    assert (found.heard, found.recorded) == (3, 4)


@pytest.mark.parametrize("lag_ms", [-100.0, 0.0, 700.0])
def test_clocks_that_began_at_different_times_are_aligned(lag_ms: float):
    assert judged(a_call(lag_ms=lag_ms)[0]).whole


@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_clause_without_its_record_is_missing_though_the_numbers_fit(transport: str, n: int):
    call, clauses = a_call(transport=transport)
    found = judged(call, without(call.opened(), clauses[n], r.AgentPlayed, r.ClauseCleared))
    assert found.missing
    assert not found.whole


@pytest.mark.parametrize("silence_ms", [0, 240])
def test_silence_sent_behind_the_disclosure_is_nobodys_word(silence_ms: int):
    call = Acted()
    call.clause(2000, phrase="disclosure")
    call.disclosed(silence_ms)
    call.clause(1200)
    call.silence(500)
    assert judged(call).whole


def test_more_silence_than_a_disclosure_brings_is_found():
    call = Acted()
    call.clause(2000, phrase="disclosure")
    call.disclosed(240 + 60)
    call.clause(1200)
    assert "300 ms played beyond every record" in judged(call).missing


def test_on_the_telephone_a_missing_record_of_two_packets_shows():
    call, _ = a_call()
    short = call.clause(60)
    assert judged(call).whole
    found = judged(call, without(call.opened(), short, r.AgentPlayed, r.ClauseCleared))
    assert "60 ms played beyond every record" in found.missing


@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
@pytest.mark.parametrize("start_s", [2.6, 0.5])
def test_a_record_that_never_sounded_is_silent(transport: str, start_s: float):
    """In the middle of a silence, or while another clause sounded."""
    call, clauses = a_call(transport=transport)
    records = [(record, personal) for _, record, personal in call.opened()]
    invented = []
    for record, personal in records:
        if getattr(record, "clause", None) == clauses[1]:
            update = {"clause": "k_0000000000000009"}
            if personal is not None and isinstance(record, r.AgentPlayed):
                personal = personal.model_copy(update={"started_s": start_s})
            invented.append((record.model_copy(update=update), personal))
    found = judged(call, renumbered([*records[:-1], *invented, records[-1]]))
    assert any("k_0000000000000009" in what for what in found.silent)


def test_a_record_of_more_than_sounded_is_silent():
    call, clauses = a_call()
    found = judged(call, changed(call.opened(), clauses[3], samples=24_000, of_samples=24_000))
    assert "2000 ms on record beyond what was played" in found.silent


def test_a_clause_that_was_cleared_and_never_settled_is_unsettled():
    call, clauses = a_call()
    found = judged(call, without(call.opened(), clauses[2], r.AgentPlayed))
    assert found.unsettled == (f"{clauses[2]}: cleared, not settled",)


def test_a_clause_settled_twice_is_found():
    call, clauses = a_call()
    records = [(record, personal) for _, record, personal in call.opened()]
    again = next(x for x in records if isinstance(x[0], r.AgentPlayed) and x[0].clause == clauses[1])
    found = judged(call, renumbered([*records[:-1], again, records[-1]]))
    assert f"{clauses[1]}: settled 2 times" in found.silent


def test_a_clause_played_without_clearance_is_missing_it():
    call, clauses = a_call()
    found = judged(call, without(call.opened(), clauses[1], r.ClauseCleared))
    assert found.missing == (f"{clauses[1]}: played, not cleared",)


def test_a_fixed_phrase_that_no_release_binds_is_missing_its_clearance():
    call, clauses = a_call()
    found = judged(call, changed(call.opened(), clauses[0], {"phrase": "farewell"}))
    assert found.missing == (f"{clauses[0]}: played, not cleared",)


@pytest.mark.parametrize("receipt_at_ns", [0, 3])
def test_a_sample_that_left_before_its_record_was_durable_is_found(receipt_at_ns: int):
    call, clauses = a_call()
    found = judged(call, changed(call.opened(), clauses[1], {"receipt_at_ns": receipt_at_ns}))
    assert found.missing == (f"{clauses[1]}: played before its record was durable",)


def test_a_number_that_is_gone_is_named():
    call, _ = a_call()
    opened = [o for o in call.opened() if o[1].n != 3]
    assert "record 3: missing" in judged(call, opened).missing


def test_records_cut_off_at_the_end_are_missed():
    call, _ = a_call()
    whole = call.opened()
    assert judged(call, whole[:-1]).unsettled == ("call: not closed on record",)
    *most, last = whole
    closed = (last[0] - 1, last[1].model_copy(update={"n": last[1].n - 1}), None)
    assert judged(call, [*most[:-1], closed]).missing


def test_a_call_that_is_on_no_record_is_not_whole():
    call, _ = a_call()
    found = judged(call, [])
    assert "call: not on record at all" in found.unsettled
    assert len([x for x in found.missing if "heard, no record" in x]) == 3


# -- interruption, pause, padding ---------------------------------------------------------------------


@pytest.mark.parametrize("unproven", [0, 100, int(UNPROVEN_MS)])
def test_an_interrupted_clause_may_have_sounded_as_far_as_no_mark_had_come_back(unproven: int):
    call, _ = a_call()
    call.clause(3000, cut_at=1600, unproven=unproven)
    call.silence(400)
    call.clause(1000)
    assert judged(call).whole


def test_no_more_than_that():
    call, _ = a_call()
    call.clause(3000, cut_at=1600, unproven=int(UNPROVEN_MS + PLACE_MS) + 100)
    assert judged(call).missing


def test_a_clause_cut_before_its_first_sample_is_settled_with_nothing():
    call, _ = a_call()
    call.unplayed()
    found = judged(call)
    assert found.whole
    assert found.recorded == 4


@pytest.mark.parametrize("pause_ms", [100, 400, 900, 3000])
@pytest.mark.parametrize("transport", ["twilio", "webrtc"])
def test_an_interruption_that_was_taken_back_splits_no_record(transport: str, pause_ms: int):
    call, _ = a_call(transport=transport)
    call.clause(3000, pause_at=1000, pause_ms=pause_ms)
    call.silence(600)
    call.clause(1000)
    assert judged(call).whole


@pytest.mark.parametrize("ahead_ms", [0, 40, 60, 180])
@pytest.mark.parametrize("went_on_ms", [20, 60, 120])
def test_an_agent_that_fell_silent_and_went_on_for_a_moment_was_interrupted_all_the_same(
    ahead_ms: int, went_on_ms: int
):
    """What it said behind its last mark lies on both sides of a pause that is longer than all tolerances."""
    call, _ = a_call()
    call.clause(3000, pause_at=1000, pause_ms=580, cut_at=1000 + went_on_ms, unproven=ahead_ms + went_on_ms)
    call.silence(980)
    call.clause(1000)
    assert judged(call).whole


@pytest.mark.parametrize("silent_ms", [280, 600, 900])
def test_what_sounds_behind_the_clear_is_no_part_of_the_interrupted_clause(silent_ms: int):
    """Nor does a pause behind a record that a clear has ended lend it the sound that follows."""
    call, _ = a_call()
    call.clause(3000, pause_at=1000, pause_ms=580, cut_at=1060, unproven=100)
    call.silence(silent_ms + int(UNPROVEN_MS + PLACE_MS))
    unrecorded = call.clause(300)
    call.silence(900)
    call.clause(1000)
    assert judged(call).whole
    found = judged(call, without(call.opened(), unrecorded, r.AgentPlayed, r.ClauseCleared))
    assert any("heard, no record" in what for what in found.missing)


def test_media_that_came_late_puts_off_what_follows():
    """Four clauses handed over one behind the other; the network dries out 200 ms in each."""
    call, clauses = a_call()
    began = call.now_ms
    for n in range(4):
        clauses.append(call.clause(1000, pause_at=500, pause_ms=200, scheduled_ms=began + 1000 * n))
    assert judged(call).whole
    assert judged(call, without(call.opened(), clauses[-1], r.AgentPlayed, r.ClauseCleared)).missing


def test_pauses_between_a_disclosures_sentences_put_off_no_answer():
    """In a browser each was taken for a pause of the agent's, and an answer was looked for seconds later."""
    said = [("disclosure", 43.0, 9911.0), ("greeting", 10203.0, 1141.0), ("answer", 14779.0, 2305.0)]
    said.append(("rest", 17099.0, 901.0))
    sounded = [Sounded(clause, start, ms, 0, interrupted=False, proven=True) for clause, start, ms in said]
    heard = [
        (106, 1160),
        (1473, 2550),
        (2890, 5480),
        (5809, 7410),
        (7749, 9975),
        (10280, 11410),
        (14867, 18065),
    ]
    silences = [(float(before), float(after)) for (_, before), (after, _) in pairwise(heard)]
    covers = _covers(sounded, 70.0, silences, [], exact=False)
    assert _unheard(sounded, covers, [(float(a), float(b)) for a, b in heard]) == []


def test_a_caller_whose_own_clock_was_unfit_is_not_asked_where_it_heard_something():
    call, clauses = a_call()
    result = call.result()
    elsewhere = [Onset(onset.first + 8000, onset.end + 8000) for onset in result.heard[1:]]
    result.heard[1:] = elsewhere
    assert not completeness(result, call.opened()).whole
    result.late_p99_ms = 50.0
    assert completeness(result, call.opened()).whole
    assert completeness(result, without(call.opened(), clauses[1], r.AgentPlayed, r.ClauseCleared)).missing


def test_the_callers_own_worst_tick_comes_on_top():
    call, _ = a_call()
    result = call.result()
    result.heard[-1] = Onset(result.heard[-1].first, result.heard[-1].end + 4000)
    assert not completeness(result, call.opened()).whole
    result.late_worst_ms = 300.0
    assert completeness(result, call.opened()).whole


def test_a_short_last_packet_is_padded_and_still_whole():
    call, clauses = a_call()
    found = judged(call, changed(call.opened(), clauses[3], samples=8000 - 111, of_samples=8000 - 111))
    assert found.whole


def test_a_call_of_two_legs_is_judged_by_its_records_alone():
    call, clauses = a_call()
    opened = call.opened()
    records = [(record, personal) for _, record, personal in opened]
    second = next(x for x in records if isinstance(x[0], r.MediaOpened))
    found = judged(call, renumbered([*records[:-1], second, records[-1]]))
    assert found.whole
    both = without(renumbered([*records[:-1], second, records[-1]]), clauses[1], r.AgentPlayed)
    assert judged(call, both).unsettled


# -- any call ------------------------------------------------------------------------------------------

spoken = st.tuples(
    st.integers(0, 40).map(lambda n: n * 20),  # silence before it, ms
    st.integers(15, 120).map(lambda n: n * 20),  # ms of it
    st.booleans(),  # interrupted half-way
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(spoken, min_size=1, max_size=6),
    st.integers(0, 300),
    st.sampled_from(["twilio", "webrtc"]),
    st.data(),
)
def test_any_call_is_whole_until_one_record_is_taken_out(
    clauses: list[tuple[int, int, bool]], lag_ms: int, transport: str, data: st.DataObject
):
    call = Acted(lag_ms=float(lag_ms), transport=transport)
    made = []
    for before, ms, cut in clauses:
        call.silence(before)
        made.append(call.clause(ms, cut_at=ms // 40 * 20 if cut else None))
    call.silence(400)
    assert judged(call).whole
    whole = [clause for clause, (_, _, cut) in zip(made, clauses, strict=True) if not cut]
    if transport == "twilio" and len(whole) == len(made):
        gone = data.draw(st.sampled_from(whole))
        assert judged(call, without(call.opened(), gone, r.AgentPlayed, r.ClauseCleared)).missing
