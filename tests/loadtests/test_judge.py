"""Answers told apart by ear: the pitch pair of a mock voice says which answer it is."""

from __future__ import annotations

import pytest

from loadtests.generator.judge import Judge
from loadtests.scenario import load_scenario
from loadtests.suppliers.answers import AnswerBook
from loadtests.suppliers.tones import voice
from voice_runtime.caller import audible
from voice_runtime.caller.playout import Playout
from voice_runtime.caller.results import CallResult, TurnResult

SHORT = load_scenario("short")
BOOK = AnswerBook(SHORT.answers)
SAID = list(SHORT.answers)


def played(said: str, seconds: float = 1.0) -> tuple[Playout, TurnResult]:
    """A call in which the answer to ``said`` sounds as its second second."""
    playout = Playout()
    playout.audio(audible.ULAW_SILENCE * 8000)
    tone = voice(BOOK.answer(said), BOOK.id_for(said), 8000)[: round(16_000 * seconds)]
    playout.audio(audible.to_ulaw(tone))
    for _ in range(50 + round(50 * seconds)):
        playout.tick()
    turn = TurnResult(1, text=SAID[0], answer_first_sample=8000, answer_last_sample=8000 + len(tone) // 2)
    return playout, turn


@pytest.mark.parametrize("n", range(len(SAID)))
def test_an_answer_is_right_when_it_is_the_one_to_what_was_said(n: int):
    playout, turn = played(SAID[n])
    assert Judge(SHORT).correct(CallResult("CA1", turns=[turn]), playout) == (n == 0,)


def test_a_cut_answer_is_still_told_apart():
    playout, turn = played(SAID[0], 0.3)
    assert Judge(SHORT).correct(CallResult("CA1", turns=[turn]), playout) == (True,)


def test_what_has_no_expected_answer_is_not_judged():
    playout, turn = played(SAID[0])
    unanswered = TurnResult(2, text=SAID[0])
    key = TurnResult(3, kind="press", keys="0", answer_first_sample=8000, answer_last_sample=9000)
    mhmm = TurnResult(4, kind="backchannel", text=SAID[0], answer_first_sample=8000, answer_last_sample=9000)
    result = CallResult("CA1", turns=[turn, unanswered, key, mhmm])
    assert Judge(SHORT).correct(result, playout) == (True, None, None, None)


def test_silence_is_no_right_answer():
    playout, turn = played(SAID[0])
    turn.answer_first_sample, turn.answer_last_sample = 0, 4000
    assert Judge(SHORT).correct(CallResult("CA1", turns=[turn]), playout) == (False,)
