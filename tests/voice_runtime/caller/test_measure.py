"""Figures per turn, from a timeline made by hand."""

from __future__ import annotations

import pytest

from voice_runtime.caller import audible, measure
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import TurnResult, played_at_ms, sent_at_ms

LOUD = audible.to_ulaw((b"\x00\x20" + b"\x00\xe0") * 40_000)


def heard(*parts: tuple[str, int]) -> Playout:
    """A playout of parts such as ``("loud", ms)``."""
    playout = Playout()
    for kind, ms in parts:
        playout.audio(LOUD[: ms * 8] if kind == "loud" else audible.ULAW_SILENCE * (ms * 8))
    while playout.buffered:
        playout.tick()
    return playout


def said(first_ms: int, last_ms: int) -> TurnResult:
    """A turn whose speech, on the playout's clock, lasts from first to last."""
    return TurnResult(1, first_sample=first_ms * 8 + 159, last_sample=last_ms * 8 + 159)


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
