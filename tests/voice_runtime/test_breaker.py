"""The circuit breaker: opens after failures in a row, lets one trial through, never gives anybody up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voice_runtime.breaker import Breaker, State, in_order, readings


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def made(hand: Hand, name: str = "a") -> Breaker:
    return Breaker(name, after=3, for_s=10, now_s=hand)


def test_three_failures_in_a_row_open_it_and_an_answer_between_does_not() -> None:
    breaker = made(Hand())
    for _ in range(2):
        breaker.failed("late")
    breaker.answered()
    for _ in range(2):
        breaker.failed("late")
    assert breaker.state is State.CLOSED
    breaker.failed("refused")
    assert breaker.state is State.OPEN
    assert not breaker.take()
    assert breaker.reading() == {
        "ok": False, "state": "open", "answers": 1, "failures": 5, "failures_in_a_row": 3,
        "last_failure": "refused",
    }  # fmt: skip


def test_when_its_time_is_over_one_caller_tries_it() -> None:
    hand = Hand()
    breaker = made(hand)
    for _ in range(3):
        breaker.failed("late")
    hand.now = 10
    assert breaker.state is State.HALF_OPEN
    assert [breaker.take() for _ in range(3)] == [True, False, False]
    breaker.failed("late")
    assert breaker.state is State.OPEN
    hand.now = 20
    assert breaker.take()
    breaker.answered()
    assert breaker.state is State.CLOSED
    assert breaker.take()


def test_a_trial_nobody_reports_on_does_not_block_for_ever() -> None:
    hand = Hand()
    breaker = made(hand)
    for _ in range(3):
        breaker.failed("late")
    hand.now = 10
    assert breaker.take()
    hand.now = 20
    assert breaker.take()


def test_who_is_out_is_asked_last_and_costs_no_trial_behind_one_that_answers() -> None:
    hand = Hand()
    first, second = made(hand, "first"), made(hand, "second")
    for _ in range(3):
        first.failed("late")
        second.failed("late")
    hand.now = 10
    second_again = in_order([first, second], lambda b: b)
    assert [b.name for b in second_again] == ["first", "second"]
    assert second.take(), "its trial was not used up"
    assert [b.name for b in in_order([first, second], lambda b: b)] == ["first", "second"]
    assert readings([first, second])["ok"]


@given(st.lists(st.sampled_from(["answer", "fail", "wait", "take"]), max_size=60))
def test_nobody_is_ever_left_out(steps: list[str]) -> None:
    hand = Hand()
    breakers = [made(hand, name) for name in "abc"]
    for at, step in enumerate(steps):
        breaker = breakers[at % 3]
        match step:
            case "answer":
                breaker.answered()
            case "fail":
                breaker.failed("x")
            case "wait":
                hand.now += 5
            case "take":
                breaker.take()
        assert sorted(b.name for b in in_order(breakers, lambda b: b)) == ["a", "b", "c"]
        if breaker.failures_in_a_row == 0:
            assert breaker.closed
