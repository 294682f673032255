"""Figures per turn, from a timeline made by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.caller import audible, measure
from voice_runtime.caller.arrivals import Arrivals
from voice_runtime.caller.playout import Gap, Playout
from voice_runtime.caller.results import (
    CallResult,
    CaptionShown,
    TurnKind,
    TurnResult,
    played_at_ms,
    sent_at_ms,
)

LOUD = audible.to_ulaw((b"\x00\x20" + b"\x00\xe0") * 40_000)


def heard(*parts: tuple[str, int]) -> Playout:
    """A playout of parts: ``loud`` and ``quiet`` audio, ``dry`` (nothing came), all in ms, and ``clear``."""
    playout = Playout()
    for kind, ms in parts:
        if kind in ("loud", "quiet"):
            playout.audio(LOUD[: ms * 8] if kind == "loud" else audible.ULAW_SILENCE * (ms * 8))
            continue
        while playout.buffered:
            playout.tick()
        if kind == "clear":
            playout.clear()
        for _ in range(ms // 20):
            playout.tick()
    while playout.buffered:
        playout.tick()
    return playout


def said(first_ms: int, last_ms: int, kind: TurnKind = "say") -> TurnResult:
    """A turn whose speech, on the playout's clock, lasts from first to last."""
    return TurnResult(1, kind, first_sample=first_ms * 8 + 159, last_sample=last_ms * 8 + 159)


def measured(playout: Playout, *turns: TurnResult, captions: tuple[CaptionShown, ...] = ()) -> CallResult:
    result = CallResult("CA", answered_ns=1, turns=list(turns), captions=list(captions))
    measure.measure_call(playout, result)
    return result


def test_both_clocks_are_one_and_packetisation_counts_against_the_server() -> None:
    assert sent_at_ms(159) == 0.0
    assert sent_at_ms(0) == pytest.approx(-19.875)
    assert played_at_ms(8000) == 1000.0
    assert measure.place(159 + 8000) == 8000


def test_an_answer_is_timed_from_the_last_sample_of_speech() -> None:
    playout = heard(("quiet", 1300), ("loud", 500), ("quiet", 150), ("loud", 100), ("quiet", 1000))
    turn = said(0, 1000)
    measure.fill_in(playout, turn, None)
    assert turn.first_audio_out_ms == pytest.approx(300)
    assert turn.answer_ends_ms == pytest.approx(300 + 750)
    assert turn.barge_in_pause_ms is None


def test_an_answer_within_the_pause_is_not_taken_for_old_speech() -> None:
    playout = heard(("quiet", 1090), ("loud", 500), ("quiet", 1000))
    turn = said(0, 1000)
    measure.fill_in(playout, turn, None)
    assert turn.first_audio_out_ms == pytest.approx(90)


def test_speech_that_was_going_on_is_no_answer() -> None:
    playout = heard(("loud", 1400), ("quiet", 600), ("loud", 300), ("quiet", 500))
    turn = said(500, 1000)
    measure.fill_in(playout, turn, None)
    assert turn.first_audio_out_ms == pytest.approx(1000)
    assert turn.barge_in_pause_ms == pytest.approx(900)


def test_a_barge_in_is_timed_to_where_the_agent_falls_silent() -> None:
    playout = heard(("quiet", 100), ("loud", 660), ("quiet", 1000), ("loud", 200), ("quiet", 400))
    turn = said(600, 1400)
    measure.fill_in(playout, turn, None)
    assert turn.barge_in_pause_ms == pytest.approx(160)
    assert turn.first_audio_out_ms == pytest.approx(360)


def test_an_agent_who_never_falls_silent_has_no_pause_and_no_answer() -> None:
    turn = said(500, 900)
    measure.fill_in(heard(("loud", 3000)), turn, None)
    assert turn.barge_in_pause_ms is None
    assert turn.first_audio_out_ms is None


def test_the_next_turns_answer_is_not_this_ones() -> None:
    playout = heard(("quiet", 3000), ("loud", 500), ("quiet", 500))
    turn = said(0, 1000)
    measure.fill_in(playout, turn, 2000 * 8)
    assert turn.first_audio_out_ms is None


def test_the_opening_runs_to_the_callers_first_turn() -> None:
    playout = heard(("quiet", 400), ("loud", 1000), ("quiet", 500), ("loud", 300), ("quiet", 500))
    assert measure.opening(playout, None) == (pytest.approx(400), pytest.approx(2200))
    assert measure.opening(playout, 1700 * 8) == (pytest.approx(400), pytest.approx(1400))
    assert measure.opening(heard(("quiet", 500)), None) is None


# -- a whole call -----------------------------------------------------------------------------------


def test_the_answer_has_its_place_in_the_playout() -> None:
    playout = heard(("quiet", 1300), ("loud", 500), ("quiet", 150), ("loud", 100), ("quiet", 1000))
    [turn] = measured(playout, said(0, 1000)).turns
    assert (turn.answer_first_sample, turn.answer_last_sample) == (1300 * 8, 2050 * 8)
    [turn] = measured(heard(("quiet", 2000)), said(0, 1000)).turns
    assert (turn.answer_first_sample, turn.answer_last_sample) == (None, None)


def test_a_barge_in_is_committed_where_the_first_clear_comes_behind_it() -> None:
    playout = heard(
        ("clear", 0), ("loud", 700), ("dry", 100), ("clear", 0), ("dry", 900), ("loud", 300), ("clear", 0)
    )  # fmt: skip
    [turn] = measured(playout, said(500, 1000, "interrupt")).turns
    assert turn.barge_in_commit_ms == pytest.approx(300)
    assert turn.barge_in_pause_ms == pytest.approx(200)


def test_a_browsers_barge_in_is_committed_where_a_caption_is_cut() -> None:
    captions = tuple(
        CaptionShown(at, "agent", "k", "words", state)
        for at, state in [(100.0, "cut"), (600.0, "begin"), (790.0, "cut"), (900.0, "cut")]
    )
    playout = heard(("loud", 700), ("dry", 2000))
    [turn] = measured(playout, said(500, 1000, "interrupt"), captions=captions).turns
    assert turn.barge_in_commit_ms == pytest.approx(290)


def test_nothing_is_committed_when_the_agent_was_silent_or_the_next_turn_did_it() -> None:
    silent = heard(("loud", 200), ("dry", 800), ("clear", 0), ("dry", 500))
    assert measured(silent, said(600, 900)).turns[0].barge_in_commit_ms is None
    late = heard(("loud", 3000), ("clear", 0), ("dry", 1000))
    first, second = measured(late, said(500, 800), said(2600, 2900)).turns
    assert first.barge_in_commit_ms is None
    assert second.barge_in_commit_ms == pytest.approx(400)


def test_a_clear_to_fall_silent_is_no_decision_where_another_follows() -> None:
    paused = ("loud", 700), ("clear", 0), ("dry", 300), ("clear", 0), ("dry", 900), ("loud", 300)
    [turn] = measured(heard(*paused), said(500, 1400, "interrupt")).turns
    assert turn.barge_in_commit_ms == pytest.approx(500)
    assert turn.barge_in_pause_ms == pytest.approx(200)
    went_on = ("loud", 700), ("clear", 0), ("dry", 300), ("loud", 200), ("clear", 0), ("dry", 900)
    [turn] = measured(heard(*went_on), said(500, 900, "interrupt")).turns
    assert turn.barge_in_commit_ms == pytest.approx(700), "it went on, and gave way after all"


@given(st.integers(20, 150), st.integers(0, 40), st.integers(10, 60))
def test_commit_and_pause_of_any_interruption_are_found_to_the_tick(
    spoke: int, after: int, rest: int
) -> None:
    """``spoke`` ticks of speech, interrupted ``after`` ticks before they end by a clear."""
    begins = (spoke - min(after, spoke - 1)) * 20
    playout = heard(("loud", spoke * 20), ("clear", 0), ("dry", rest * 20))
    [turn] = measured(playout, said(begins - 10, begins + 300, "interrupt")).turns
    assert turn.barge_in_pause_ms == pytest.approx(spoke * 20 - begins + 10)
    assert turn.barge_in_commit_ms == pytest.approx(spoke * 20 - begins + 10)


def test_a_backchannel_ends_no_answer_and_has_only_its_pause() -> None:
    playout = heard(("quiet", 1200), ("loud", 800), ("dry", 600), ("loud", 1000), ("quiet", 1000))
    question, nod = measured(playout, said(0, 1000), said(1800, 2300, "backchannel")).turns
    assert nod.audible_pause_ms == pytest.approx(600)
    assert (nod.first_audio_out_ms, nod.barge_in_pause_ms, nod.barge_in_commit_ms) == (None, None, None)
    assert question.answer_ends_ms == pytest.approx(2600)
    assert question.audible_pause_ms is None


@given(st.integers(0, 1000), st.integers(0, 60), st.integers(10, 100))
def test_only_a_silence_of_200_ms_that_begins_with_a_backchannel_is_its_pause(
    begins: int, pause: int, more: int
) -> None:
    """The agent speaks 1 s, pauses, speaks on; the backchannel lasts 200 ms from ``begins``."""
    playout = heard(("loud", 1000), ("dry", pause * 20), ("loud", more * 20), ("quiet", 500))
    [nod] = measured(playout, said(begins, begins + 200, "backchannel")).turns
    paused = pause * 20 >= 200 and begins > 0 and begins + 700 >= 1000
    assert nod.audible_pause_ms == (pytest.approx(pause * 20) if paused else None)


def test_an_agent_that_was_through_has_not_paused_but_one_that_was_cut_has() -> None:
    ended = heard(("loud", 1000), ("dry", 2000))
    assert measured(ended, said(700, 1000, "backchannel")).turns[0].audible_pause_ms is None
    cut = heard(("loud", 1000), ("clear", 0), ("dry", 2000))
    assert measured(cut, said(700, 1000, "backchannel")).turns[0].audible_pause_ms == pytest.approx(2000)
    nod = measured(cut, said(700, 1000, "backchannel"), said(2200, 2500)).turns[0]
    assert nod.audible_pause_ms == pytest.approx(1200)


def test_an_agent_that_fell_silent_first_and_was_cut_afterwards_was_stopped_by_the_backchannel() -> None:
    starved = heard(("loud", 1000), ("dry", 500), ("clear", 0), ("dry", 1500))
    assert measured(starved, said(700, 1000, "backchannel")).turns[0].audible_pause_ms == pytest.approx(2000)
    browser = heard(("loud", 1000), ("dry", 2000))
    cut = CaptionShown(1500.0, "agent", "k", "words", "cut")
    [nod] = measured(browser, said(700, 1000, "backchannel"), captions=(cut,)).turns
    assert nod.audible_pause_ms == pytest.approx(2000)


@given(st.lists(st.tuples(st.integers(5, 60), st.integers(0, 60)), min_size=1, max_size=12))
def test_every_audible_stretch_of_the_call_is_there_in_order(parts: list[tuple[int, int]]) -> None:
    playout = heard(*(part for on, off in parts for part in (("loud", on * 20), ("dry", off * 20))))
    stretches: list[tuple[int, int]] = []
    at, silent = 0, 10_000
    for on, off in parts:
        if silent >= 200:
            stretches.append((at, at + on * 20))
        else:
            stretches[-1] = (stretches[-1][0], at + on * 20)
        at, silent = at + (on + off) * 20, off * 20
    assert [(o.first / 8, o.end / 8) for o in measured(playout).heard] == stretches


@given(st.integers(0, 400), st.integers(0, 100))
def test_an_agent_speaks_over_a_caller_for_more_than_two_seconds_or_not(spoke: int, pause: int) -> None:
    playout = heard(("loud", 1000 + spoke * 10), ("dry", pause * 20), ("loud", 200), ("dry", 1000))
    went_on = spoke * 10 + (pause * 20 + 200 if pause * 20 < 200 else 0)
    turn = said(1000, 1300, "interrupt")
    assert measured(playout, turn).spoke_over == (went_on > 2000)
    assert not measured(playout, said(1000, 1300, "press")).spoke_over


def test_an_underrun_is_a_hole_in_speech_and_nothing_else() -> None:
    playout = heard(
        ("loud", 500), ("dry", 40), ("loud", 500), ("dry", 20), ("loud", 440),  # at 500; at 1040: too short
        ("dry", 300), ("loud", 700),  # 1500: the caller speaks
        ("dry", 20), ("clear", 0), ("dry", 280), ("loud", 200),  # behind a clear
    )  # fmt: skip
    assert len(playout.gaps) >= 3
    assert measured(playout, said(1400, 1700, "backchannel")).underruns == [Gap(500 * 8, 40 * 8)]


def test_jitter_is_that_of_the_arrivals_where_somebody_noted_them() -> None:
    arrivals = Arrivals()
    for n in range(20):
        arrivals.note(n * 20_000_000 + (7_000_000 if n else 0), 160)
    result = CallResult("CA")
    measure.measure_call(Playout(), result, arrivals)
    assert (result.jitter_ms, result.heard, result.opening_first_ms) == (7.0, [], None)
    assert measured(Playout()).jitter_ms is None
