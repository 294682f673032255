"""Whose yes it is: no event in any order makes a use happen that was not what the caller was asked last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.read_back import (
    Asked,
    Begins,
    Drop,
    Else,
    Event,
    Key,
    ReadBackQuestion,
    Reply,
    Settle,
    Sounded,
)

ASKED = ReadBackQuestion("u_1")
BEGUN = ReadBackQuestion("u_1", begun=True)
OPEN = ReadBackQuestion("u_1", begun=True, sounded=True, values=True)
CUT = ReadBackQuestion("u_1", begun=True, sounded=True)


@pytest.mark.parametrize(
    ("state", "event", "after", "done"),
    [
        (OPEN, Reply(True), "", (Settle("u_1", True),)),
        (OPEN, Reply(True, early=True), "", (Settle("u_1", None),)),
        (OPEN, Reply(False), "", (Settle("u_1", False),)),
        (OPEN, Reply(None), "", (Settle("u_1", None),)),
        (OPEN, Key(True), "", (Settle("u_1", True),)),
        (OPEN, Key(False), "", (Settle("u_1", False),)),
        (OPEN, Sounded(ours=False), "", (Drop("u_1"),)),
        (OPEN, Begins(ours=False), "", (Drop("u_1"),)),
        (ASKED, Begins(ours=False), "u_1", ()),
        (ASKED, Begins(ours=True), "u_1", ()),
        (BEGUN, Begins(ours=False), "", (Drop("u_1"),)),
        (OPEN, Else(), "", (Drop("u_1"),)),
        (ASKED, Else(), "", (Drop("u_1"),)),
        (ASKED, Reply(True), "", (Settle("u_1", None),)),
        (ASKED, Reply(False), "", (Settle("u_1", False),)),
        (ASKED, Key(True), "u_1", ()),
        (ASKED, Key(True, ending=True), "", (Settle("u_1", True),)),
        (OPEN, Key(None), "", (Drop("u_1"),)),
        (ASKED, Key(None), "", (Drop("u_1"),)),
        (ASKED, Key(False), "", (Settle("u_1", False),)),
        (ASKED, Sounded(ours=False), "u_1", ()),
        (CUT, Reply(True), "", (Settle("u_1", None),)),
        (CUT, Key(True, ending=True), "", (Settle("u_1", None),)),
        (ReadBackQuestion(), Reply(True), "", ()),
        (ReadBackQuestion(), Else(), "", ()),
    ],
)
def test_each_event_in_each_state(
    state: ReadBackQuestion, event: Event, after: str, done: tuple[object, ...]
) -> None:
    then, outputs = state.step(event)
    assert (then.use, outputs) == (after, done)


EVENTS = st.one_of(
    st.sampled_from(("u_1", "u_2")).map(Asked),
    st.builds(Begins, st.booleans()),
    st.builds(Sounded, st.booleans(), st.booleans()),
    st.builds(Reply, st.sampled_from((True, False, None)), st.booleans()),
    st.builds(Key, st.sampled_from((True, False, None)), st.booleans()),
    st.just(Else()),
)


@given(st.lists(EVENTS, max_size=30))
def test_a_yes_counts_only_for_what_sounded_last(events: list[Event]) -> None:
    state, newest, asked = ReadBackQuestion(), "", ""
    for event in events:
        match event:  # told anew, from the events alone
            case Asked(use):
                asked, newest = use, ""
            case Sounded(True, values):
                newest = asked if values else "cut"
            case Sounded():
                newest = "something else" if newest else ""
            case Else():
                newest = "something else"
            case Begins(False) if newest:
                newest = "something else"
        state, outputs = state.step(event)
        for output in outputs:
            if isinstance(output, Settle) and output.yes:
                last_words = isinstance(event, Key) and event.ending and not newest
                assert output.use == asked
                assert newest == asked or last_words
                assert isinstance(event, Key) or (isinstance(event, Reply) and not event.early)
            assert state.use == "", "an answer is taken once"
        if outputs:
            asked = newest = ""


@given(st.lists(EVENTS, max_size=30))
def test_what_waits_is_settled_or_dropped_once_or_waits_still(events: list[Event]) -> None:
    state, open_uses = ReadBackQuestion(), 0
    for event in events:
        open_uses = 1 if isinstance(event, Asked) else open_uses
        state, outputs = state.step(event)
        open_uses -= len(outputs)
        assert open_uses == bool(state.use)
