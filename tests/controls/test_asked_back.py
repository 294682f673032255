"""The question whether opting out was meant: nothing irreversible without unmistakable words or a yes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controls.asked_back import (
    TIMES,
    Ask,
    AskedBack,
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


def test_a_yes_that_comes_too_early_waits_until_the_question_was_played() -> None:
    asked = (Unclear("take me off"), Reply(yes=True, how="keypad"))
    assert walk(*asked) == [Ask()]
    assert walk(*asked, Played(full=True)) == [Ask(), OptOut("keypad")]
    assert walk(*asked, Played(full=False)) == [Ask(), ToAgent("take me off")]


def test_neither_yes_nor_no_goes_to_the_agent_with_the_words_before() -> None:
    asked = (Unclear("take me off"), Played(full=True))
    assert walk(*asked, Reply(yes=None, words="the friday list")) == [
        Ask(),
        ToAgent("take me off the friday list"),
    ]
    assert walk(*asked, Reply(yes=None)) == [Ask(), ToAgent("take me off")]  # silence


def test_what_acts_at_once_leaves_no_question_behind() -> None:
    assert walk(Unclear("take me off"), Overtaken(), Reply(yes=True), Played(full=True)) == [Ask()]


EVENTS = st.one_of(
    st.sampled_from(["take me off", "leave me alone"]).map(Unclear),
    st.booleans().map(Played),
    st.builds(
        Reply, st.sampled_from([True, False, None]), st.sampled_from(["voice", "keypad"]), st.just("words")
    ),
    st.just(Overtaken()),
)


@given(st.lists(EVENTS, max_size=30))
def test_nobody_is_opted_out_without_a_yes_to_a_question_they_were_asked_in_full(
    events: list[object],
) -> None:
    machine, asked, yes, full = AskedBack(), 0, False, False
    for event in events:
        if isinstance(event, Reply) and machine.asking:
            yes = yes or event.yes is True
        if isinstance(event, Played) and machine.asking:
            full = event.full
        machine, outputs = machine.step(event)  # type: ignore[arg-type]
        for output in outputs:
            if isinstance(output, Ask):
                asked, yes, full = asked + 1, False, False
            if isinstance(output, OptOut):
                assert yes and full
        if outputs and not isinstance(outputs[-1], Ask):
            assert not machine.asking
    assert asked <= TIMES
