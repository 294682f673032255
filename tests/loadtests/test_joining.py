"""Callers' turns and servers' turns meet by sample index; what was never answered stands at its cap."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtests.generator.job import Finished
from loadtests.joining import call_of, turns_of
from loadtests.results import Completeness, Outcome, Turn
from loadtests.schedule import Start
from loadtests.systems import Evidence, ServerTurn
from voice_runtime.caller.playout import Gap, Onset
from voice_runtime.caller.results import CallResult, TurnResult
from voice_runtime.caller.script import HangUp, Interrupt, Say, Script, Wait

SCRIPT = Script(
    steps=(
        Wait(),
        Say(text="one", expect="First  Answer", timeout_s=6),
        Interrupt(text="two", timeout_s=4),
        Say(text="three", wait=False),
        HangUp(),
    )
)


def said(n: int, first: int, last: int, audio: float | None = 500.0, **more: Any) -> TurnResult:
    turn = TurnResult(n, step=n, text="x", first_sample=first, last_sample=last, **more)
    turn.first_audio_out_ms = audio
    return turn


def finished(*turns: TurnResult, outcome: Outcome = "completed", **more: Any) -> Finished:
    result = CallResult("CA1", turns=list(turns), sent_samples=16_000)
    return Finished(
        start=Start(1.5, 0, 7), started_late_ms=0.2, answered_ms=9.0, ended_at_s=4.0, outcome=outcome,
        result=result, **more,
    )  # fmt: skip


def server(said_ms: float | None, token_ms: float | None, played: str = "") -> ServerTurn:
    return ServerTurn(said_ms, token_ms, {"verdict": 1.0}, played, 3.0)


def test_tokens_are_counted_from_the_last_sample_of_the_turn_they_answer():
    call = finished(said(1, 8000, 16_000), said(2, 40_000, 48_000, kind="interrupt"))
    evidence = Evidence([server(2010, 2400), server(6100, 6450)])
    first, second = turns_of(call, SCRIPT, evidence)
    assert (first.asr_to_first_token_ms, second.asr_to_first_token_ms) == (400, 450)
    assert first.governance_ms == 3.0
    assert first.stages == {"verdict": 1.0}
    assert (first.call, first.n, first.kind, second.kind) == (7, 1, "say", "interrupt")


def test_a_server_that_knows_only_its_first_token_is_joined_by_that():
    call = finished(said(1, 8000, 16_000), said(2, 40_000, 48_000))
    found = turns_of(call, SCRIPT, Evidence([server(None, 2300), server(None, 6300)]))
    assert [turn.asr_to_first_token_ms for turn in found] == [300, 300]


def test_a_token_before_the_end_of_speech_answered_half_an_utterance():
    call = finished(said(1, 8000, 16_000))
    [early] = turns_of(call, SCRIPT, Evidence([server(1500, 1800)]))
    assert early.asr_to_first_token_ms is None
    assert early.stages is not None
    [split] = turns_of(call, SCRIPT, Evidence([server(1500, 1800), server(2010, 2500)]))
    assert split.asr_to_first_token_ms == 500


def test_a_backchannel_takes_no_answer_away():
    call = finished(
        said(1, 8000, 16_000),
        TurnResult(2, kind="backchannel", first_sample=17_000, last_sample=18_000),
    )
    first, mhmm = turns_of(call, SCRIPT, Evidence([server(2010, 2600)]))
    assert first.asr_to_first_token_ms == 600
    assert (mhmm.first_audio_out_ms, mhmm.censored) == (None, False)


def test_what_was_never_answered_stands_at_the_callers_patience():
    call = finished(said(1, 0, 800, None), said(2, 9000, 9800, None), said(3, 20_000, 21_000, None))
    found = turns_of(call, SCRIPT)
    assert [(turn.first_audio_out_ms, turn.censored) for turn in found] == [
        (6000, True),
        (4000, True),
        (None, False),  # nobody waited
    ]


def test_a_turn_whose_answer_the_next_step_waits_for_has_that_steps_patience():
    script = Script(steps=(Wait(), Say(text="one", wait=False), Wait(timeout_s=3), HangUp()))
    [turn] = turns_of(finished(said(1, 0, 800, None)), script)
    assert (turn.first_audio_out_ms, turn.censored) == (3000, True)


def test_an_answer_nobody_waited_for_counts_neither_when_it_came_nor_when_not():
    evidence = Evidence([server(2610, 2700)])
    for audio in (300.0, None):
        [turn] = turns_of(finished(said(3, 20_000, 21_000, audio)), SCRIPT, evidence)
        assert (turn.first_audio_out_ms, turn.asr_to_first_token_ms, turn.censored) == (None, None, False)
        assert turn.governance_ms == 3.0


def test_a_turn_that_was_interrupted_counts_whether_or_not_there_was_something_to_interrupt():
    script = Script(
        steps=(Say(text="one", wait=False), Interrupt(text="two", timeout_s=4), Say(text="three"))
    )
    for audio, shown in ((700.0, (700.0, False)), (None, (4000.0, True))):
        call = finished(said(0, 0, 800, audio), said(1, 40_000, 48_000, kind="interrupt"))
        first, second = turns_of(call, script)
        assert (first.first_audio_out_ms, first.censored) == shown
        assert (second.first_audio_out_ms, second.censored) == (500.0, False)


def test_a_turn_that_we_cut_short_is_no_finding():
    call = finished(said(1, 0, 800, None), said(2, 9000, 9800, None), outcome="cut_short")
    first, last = turns_of(call, SCRIPT)
    assert (first.censored, last.censored, last.first_audio_out_ms) == (True, False, None)


def test_answers_are_judged_by_waveform_first_then_by_words():
    call = finished(said(1, 8000, 16_000), said(2, 40_000, 48_000))
    words = Evidence([server(2010, 2400, "the FIRST answer of all"), server(6100, 6450, "anything")])
    assert [turn.answer_correct for turn in turns_of(call, SCRIPT, words)] == [True, None]
    wrong = Evidence([server(2010, 2400, "another one")])
    assert turns_of(call, SCRIPT, wrong)[0].answer_correct is False
    judged = finished(said(1, 8000, 16_000), correct=(False,))
    [mistaken] = turns_of(judged, SCRIPT)
    assert (mistaken.first_audio_out_ms, mistaken.censored) == (6000, True)  # it was the quickest of its run
    assert turns_of(judged, SCRIPT, words)[0].answer_correct is False


def answered_behind_a_filler(filler_ms: float, *heard: Onset) -> Turn:
    """A turn that ends at 2 s (16,000 samples) and at 2.5 s gets a filler; what sounded, in samples."""
    turn = said(1, 8000, 16_159)  # the packet of its last sample has left at 2 s
    turn.answer_first_sample, turn.answer_last_sample = heard[0].first, heard[-1].end
    call = finished(turn)
    call.result.heard = [Onset(0, 7000), *heard, Onset(900_000, 910_000)]
    told = replace(server(2010, 2400, "the first answer"), filler_ms=filler_ms, answered=True)
    [found] = turns_of(call, SCRIPT, Evidence([told]))
    return found


def test_a_filler_before_an_answer_is_not_the_answer():
    filler, answer = Onset(20_000, 26_000), Onset(36_160, 60_000)
    # On record the answer began 2,000 ms behind the filler; at the caller it sounded 20 ms later than that.
    assert answered_behind_a_filler(2000, filler, answer).first_audio_out_ms == 2520
    assert answered_behind_a_filler(0, filler, answer).first_audio_out_ms == 500  # it was the answer
    # They ran into each other: where the record has it.
    assert answered_behind_a_filler(900, Onset(20_000, 60_000)).first_audio_out_ms == 1400
    # Nothing sounded there any more (it was cut): what the caller had was the filler.
    cut = answered_behind_a_filler(3000, filler)
    assert (cut.first_audio_out_ms, cut.censored) == (6000, True)


def test_nothing_but_fillers_is_no_answer_unless_it_is_the_right_one():
    call = finished(said(1, 8000, 16_000))
    nothing = replace(server(2010, None, "are you still there"), answered=False)
    [turn] = turns_of(call, SCRIPT, Evidence([nothing]))
    assert (turn.first_audio_out_ms, turn.censored) == (6000, True)
    [turn] = turns_of(call, SCRIPT, Evidence([replace(nothing, played="a first answer")]))
    assert (turn.first_audio_out_ms, turn.answer_correct) == (500, True)
    [turn] = turns_of(call, SCRIPT, Evidence([replace(nothing, answered=None)]))  # no record tells
    assert turn.first_audio_out_ms == 6000  # by its words: another answer than the one expected


@given(
    st.integers(100, 20_000).map(lambda samples: 20_000 + samples),
    st.integers(100, 20_000),
    st.floats(1, 9000),
)
def test_an_answer_never_begins_before_its_filler(ends: int, pause: int, filler_ms: float):
    """Three stretches of half a second and one filler; whatever the record says, and however long it was."""
    heard = [Onset(20_000, ends)]
    for _ in range(3):
        heard.append(Onset(heard[-1].end + pause, heard[-1].end + pause + 4000))
    found = answered_behind_a_filler(filler_ms, *heard)
    assert found.first_audio_out_ms is not None
    assert found.first_audio_out_ms > 500
    assert found.censored is (found.first_audio_out_ms == 6000 and filler_ms * 8 + 20_000 > heard[-1].first)


def test_only_the_first_turn_of_the_first_call_is_cold():
    call = finished(said(1, 0, 800), said(2, 9000, 9800))
    assert [turn.cold for turn in turns_of(call, SCRIPT, cold=True)] == [True, False]


def test_a_call_keeps_its_underruns_and_its_evidence():
    call = finished()
    call.result.underruns = [Gap(800, 320)]
    call.result.jitter_ms = 2.5
    whole = Completeness(heard=1, recorded=1)
    made = call_of(call, "short", Evidence(completeness=whole))
    assert [(gap.at_ms, gap.ms) for gap in made.gaps] == [(100, 40)]
    assert (made.n, made.intended_at_s, made.duration_s, made.jitter_ms) == (7, 1.5, 2.0, 2.5)
    assert made.completeness == whole
