"""What answers a question: nothing from before it began, nothing doubtful while it sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.question import Question, When

S = st.floats(0, 60, allow_nan=False)


@pytest.mark.parametrize(
    ("since", "until", "when", "okay", "yes"),
    [
        (1.9, 1.9, When.BEFORE, False, False),
        (1.9, 5.0, When.BEFORE, False, False),
        (2.0, 2.4, When.DURING, False, True),
        (3.5, 4.1, When.AFTER, True, True),
        (4.0, 4.2, When.AFTER, True, True),
    ],
)
def test_what_answers_a_question(since: float, until: float, when: When, okay: bool, yes: bool) -> None:
    asked = Question().begins(2.0).ends(2.0, 2.0, full=True)
    assert asked.when(since, until) is when
    assert asked.answered(since, until, certain=False) is okay
    assert asked.answered(since, until, certain=True) is yes


def test_a_question_that_has_not_begun_is_answered_by_nothing() -> None:
    assert not Question().answered(3.0, 4.0, certain=True)
    never = Question().ends(5.0, 0.0, full=True)
    assert not never.answered(9.0, 9.0, certain=True)
    assert never.over and not never.full


def test_while_it_sounds_only_what_is_certain_answers_it() -> None:
    asked = Question().begins(2.0)
    assert not asked.over
    assert asked.answered(2.5, 2.7, certain=True)
    assert not asked.answered(2.5, 2.7, certain=False)


def test_one_that_sounds_again_is_asked_anew() -> None:
    again = Question().begins(2.0).ends(2.0, 1.0, full=True).begins(9.0)
    assert not again.full
    assert not again.answered(5.0, 5.0, certain=True)


@given(S, S, S, S, st.booleans(), st.booleans())
def test_nothing_before_it_began_ever_answers(
    began: float, lasted: float, since: float, more: float, full: bool, certain: bool
) -> None:
    for asked in (Question().begins(began), Question().ends(began, lasted, full=full)):
        if asked.answered(since, since + more, certain=certain):
            assert since >= began
            assert certain or (asked.over and since + more >= began + lasted)
