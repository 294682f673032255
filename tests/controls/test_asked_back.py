"""The question whether opting out was meant: nothing irreversible without unmistakable words or a yes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.asked_back import (
    TIMES,
    Ask,
    AskedBack,
    Began,
    OptOut,
    Output,
    Overtaken,
    Played,
    Reply,
    ToAgent,
    Unclear,
)


def walk(*events: object) -> list[Output]:
    machine, found = AskedBack(), list[Output]()
    for event in events:
        machine, outputs = machine.step(event)  # type: ignore[arg-type]
        found += outputs
    return found


def test_a_yes_opts_out_and_a_no_goes_on() -> None:
    assert walk(Unclear("take me off"), Played(full=True), Reply(yes=True)) == [Ask(), OptOut("voice")]
    assert walk(Unclear("take me off"), Played(full=True), Reply(yes=False, how="keypad")) == [
        Ask(),
        ToAgent("take me off"),
    ]


def test_a_yes_while_it_sounds_waits_until_the_question_was_played() -> None:
    asked = (Unclear("take me off"), Began(2.0), Reply(yes=True, how="keypad"))
    assert walk(*asked) == [Ask()]
    assert walk(*asked, Played(full=True)) == [Ask(), OptOut("keypad")]
    assert walk(*asked, Played(full=False)) == [Ask(), ToAgent("take me off")]


def test_an_okay_while_it_sounds_is_no_yes() -> None:
    """ "okay" 0.3 s into the question opted the caller out for ever."""
    asked = (Unclear("take me off"), Began(2.0), Reply(True, since_s=2.3, until_s=2.5, listening=True))
    assert walk(*asked, Played(True, 2.0, 3.0)) == [Ask()]
    assert walk(*asked, Played(True, 2.0, 3.0), Reply(True, since_s=6.0, until_s=6.2, listening=True)) == [
        Ask(), OptOut("voice"),
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["voice", "keypad"])
@pytest.mark.parametrize("yes", [True, False])
def test_an_answer_before_the_question_began_is_none(how: Any, yes: bool) -> None:
    asked = (Unclear("take me off"), Reply(yes, how), Began(2.0), Played(True, 2.0, 3.0))
    assert walk(*asked) == [Ask()]
    late = (Unclear("take me off"), Began(2.0), Reply(yes, since_s=1.9, until_s=2.4), Played(True, 2.0, 3.0))
    assert walk(*late) == [Ask()]
    assert walk(*asked, Reply(yes=False)) == [Ask(), ToAgent("take me off")]


def test_words_before_the_question_began_are_kept_for_the_agent() -> None:
    asked = (Unclear("take me off"), Reply(None, words="the friday list"), Began(2.0), Played(True, 2.0, 3.0))
    assert walk(*asked) == [Ask()]
    assert walk(*asked, Reply(yes=False)) == [Ask(), ToAgent("take me off the friday list")]


def test_neither_yes_nor_no_goes_to_the_agent_with_the_words_before() -> None:
    asked = (Unclear("take me off"), Played(full=True))
    assert walk(*asked, Reply(yes=None, words="the friday list")) == [
        Ask(),
        ToAgent("take me off the friday list"),
    ]
    assert walk(*asked, Reply(yes=None)) == [Ask(), ToAgent("take me off")]  # silence


def test_what_acts_at_once_leaves_no_question_behind() -> None:
    assert walk(Unclear("take me off"), Overtaken(), Reply(yes=True), Played(full=True)) == [Ask()]


TIME = st.floats(0, 20, allow_nan=False)
EVENTS = st.one_of(
    st.sampled_from(["take me off", "leave me alone"]).map(Unclear),
    TIME.map(Began),
    st.builds(Played, st.booleans(), TIME, TIME),
    st.builds(
        Reply, st.sampled_from([True, False, None]), st.sampled_from(["voice", "keypad"]), st.just("words"),
        TIME, st.floats(20, 40, allow_nan=False), st.booleans(),
    ),
    st.just(Overtaken()),
)  # fmt: skip


@given(st.lists(EVENTS, max_size=30))
def test_nobody_is_opted_out_without_a_yes_to_a_question_they_were_asked_in_full(
    events: list[object],
) -> None:
    machine, asked, full = AskedBack(), 0, False
    began: float | None = None
    yes: list[Reply] = []
    for event in events:
        if machine.asking:
            match event:
                case Began(at_s):
                    began = at_s
                case Played(ended_full, began_s, lasted_s):
                    full, began = ended_full, began_s if lasted_s else None
                case Reply(yes=True) if began is not None and event.since_s >= began:
                    if full or not event.listening:
                        yes.append(event)
                case _:
                    pass
        machine, outputs = machine.step(event)  # type: ignore[arg-type]
        for output in outputs:
            if isinstance(output, Ask):
                asked, full, began, yes = asked + 1, False, None, []
            if isinstance(output, OptOut):
                assert yes and full
        if outputs and not isinstance(outputs[-1], Ask):
            assert not machine.asking
    assert asked <= TIMES
