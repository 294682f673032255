"""The same turn on both sides of a comparison."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.compare import plan
from loadtests.pairs import later, neighbours
from loadtests.results import Run
from tests.loadtests.made_up import run


def waits(made: Run, added_ms: float, *, only: int | None = None) -> Run:
    """The same turns answered later; ``only`` those of one call."""
    turns = [
        t.model_copy(update={"first_audio_out_ms": t.first_audio_out_ms + added_ms})
        if t.first_audio_out_ms is not None and only in (None, t.call)
        else t
        for t in made.turns
    ]
    return made.model_copy(update={"turns": tuple(turns)})


MADE = run(calls=30, seed=3)


@settings(deadline=None, max_examples=25)
@given(st.floats(-200, 200))
def test_what_every_turn_waits_longer_is_the_mean_and_its_interval(added_ms: float):
    found = later([(waits(MADE, added_ms), MADE)], "first_audio_out_ms")
    assert found is not None
    assert found.mean == pytest.approx(added_ms, abs=1e-6)
    assert found.interval == pytest.approx((added_ms, added_ms), abs=1e-6)
    assert found.n > 0


def test_an_interval_is_drawn_by_call():
    first = MADE.turns[0].call
    found = later([(waits(MADE, 300, only=first), MADE)], "first_audio_out_ms")
    assert found is not None
    assert 0 < found.mean < 300
    assert found.interval[0] == 0, "the one call is not in every draw"
    assert found.interval[1] > found.mean


def test_turns_without_an_answer_on_one_side_are_in_neither():
    gone = MADE.turns[0]
    less = MADE.model_copy(update={"turns": tuple(t for t in MADE.turns if t is not gone)})
    whole, part = later([(MADE, MADE)], "first_audio_out_ms"), later([(MADE, less)], "first_audio_out_ms")
    assert whole is not None
    assert part is not None
    assert whole.n - part.n in (0, 1)
    assert part.mean == 0


def test_few_calls_tell_nothing_and_other_calls_are_no_pair():
    few = run(calls=5)
    assert later([(few, few)], "first_audio_out_ms") is None
    with pytest.raises(ValueError, match="two seeds"):
        later([(MADE, run(calls=30, seed=4))], "first_audio_out_ms")


def test_each_of_ours_has_the_block_next_to_it_in_whole_rounds_only():
    blocks = plan(["equal_silence", "controls_off"], [8], rounds=2)
    runs = [MADE.model_copy(update={"block": block.n, "system": block.system}) for block in blocks]
    found = neighbours(blocks, runs[:-1], "controls_off", 8)
    assert [(a.block, b.block) for a, b in found] == [(8, 9), (11, 10)]
    assert all((a.system, b.system) == ("ours", "controls_off") for a, b in found)
    assert neighbours(blocks, runs, "controls_off", 16) == []
