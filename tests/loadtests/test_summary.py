"""Which turns count for which figure. All figures made up."""

from __future__ import annotations

from loadtests.results import Call
from loadtests.summary import summarise, turn_values
from tests.loadtests.made_up import turn


def test_cold_turns_edges_keys_typed_words_and_backchannels_are_no_answers_to_speech():
    turns = [
        turn(0, 1, 600),
        turn(0, 2, 5000, cold=True),
        turn(0, 3, 10, kind="press"),
        turn(0, 4, 20, kind="type"),
        turn(0, 5, 30, kind="backchannel"),
        turn(0, 7, 9000, edge=True),
        turn(0, 8, 100, kind="interrupt", edge=True, barge_in_pause_ms=9.0, barge_in_commit_ms=8.0),
        turn(0, 6, 700, kind="interrupt", barge_in_pause_ms=180.0, barge_in_commit_ms=120.0),
    ]
    found = summarise(turns, [])
    assert (found["first_audio_out_ms"].n, found["first_audio_out_ms"].p50) == (2, 600)
    assert found["first_audio_out_ms"].max == 700
    assert found["asr_to_first_token_ms"].n == 2
    assert found["barge_in_pause_ms"].max == 180
    assert found["barge_in_commit_ms"].n == 1
    assert turn_values(turns, "first_audio_out_ms") == [(0, 600.0, False), (0, 700.0, False)]
    assert found["governance_ms"].n == 5
    assert "disclosure_ms" not in found


def test_an_unanswered_turn_counts_at_its_cap_in_both_figures():
    lost = turn(1, 1, 6000, asr_to_first_token_ms=None, censored=True)
    found = summarise([turn(0, 1, 600), lost], [])
    assert found["first_audio_out_ms"].censored == 1
    assert (found["asr_to_first_token_ms"].max, found["asr_to_first_token_ms"].censored) == (6000, 1)


def test_a_token_that_came_without_an_answer_is_no_cap():
    lost = turn(1, 1, 6000, asr_to_first_token_ms=400.0, censored=True)
    found = summarise([lost], [])
    assert (found["asr_to_first_token_ms"].max, found["asr_to_first_token_ms"].censored) == (400, 0)


def test_a_turn_whose_token_nobody_saw_was_left_out_of_the_first_tokens():
    unseen = turn(1, 1, 900, asr_to_first_token_ms=None)
    found = summarise([turn(0, 1, 600), unseen], [])["asr_to_first_token_ms"]
    assert (found.n, found.max, found.censored) == (2, 900, 1)


def test_a_server_whose_tokens_nobody_sees_gets_no_figure_for_them():
    lost = turn(1, 1, 6000, asr_to_first_token_ms=None, censored=True)
    assert "asr_to_first_token_ms" not in summarise([lost], [])
    assert turn_values([lost], "first_audio_out_ms") == [(1, 6000.0, True)]


def test_the_disclosure_is_of_calls_and_a_call_without_one_is_not_counted_as_quick():
    calls = [
        Call(n=0, intended_at_s=0, outcome="completed", disclosure_first_ms=60),
        Call(n=1, intended_at_s=0, outcome="refused"),
    ]
    assert summarise([], calls)["disclosure_ms"].n == 1


def test_an_interruption_that_never_silenced_the_agent_counts_at_its_cap_and_one_of_a_silent_agent_nowhere():
    cut = turn(0, 1, 700, kind="interrupt", barge_in_pause_ms=180.0)
    deaf = turn(0, 2, 700, kind="interrupt", barge_in_pause_ms=10_000.0, barge_in_censored=True)
    late = turn(0, 3, 700, kind="interrupt")
    found = summarise([cut, deaf, late], [])["barge_in_pause_ms"]
    assert (found.n, found.censored, found.p50, found.max) == (2, 1, 180, 10_000)
