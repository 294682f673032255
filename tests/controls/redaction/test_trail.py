"""Cards said in pieces, and figures that are none of a card's business."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.redaction.checks import holds_card
from controls.redaction.marked import marked
from controls.redaction.redactor import applied
from controls.redaction.trail import Trail
from controls.rules.matchers import words
from tests.controls.redaction import planted


def said(*turns: str | tuple[str, str]) -> list[str]:
    """Each turn as the trail masks it; a pair is what was asked, and the turn."""
    trail, shown = Trail(), []
    for turn in turns:
        asked, text = turn if isinstance(turn, tuple) else ("", turn)
        trail, found = trail.step(marked(text, asked))
        shown.append(applied(text, found))
    return shown


@pytest.mark.parametrize(("turns", "masked"), [
    (["my credit card", "4111", "1111", "um 1111", "1111"], ["[card]", "[card]", "um [card]", "[card]"]),
    (["my credit card is 4111", "1111 1111", "1111"], ["[card]", "[card]"]),
    (["4111 1111", "hello", "1111 1111"], ["hello", "[card]"]),
    (["cuatro uno uno uno", "uno uno uno uno", "uno uno uno uno", "uno uno uno uno"], ["[card]"]),
    (["mi tarjeta de crédito", "cuatro uno uno uno"], ["[card]"]),
])  # fmt: skip
def test_pieces_are_masked(turns: list[str], masked: list[str]) -> None:
    assert said(*turns)[-len(masked) :] == masked


def test_the_turn_that_names_the_card_is_masked_too() -> None:
    assert said("my credit card is 4111") == ["my credit card is [card]"]


@pytest.mark.parametrize("turns", [
    ["4111 1111", "1112 1111"],  # no card's check digit
    ["can i pay by credit card", ("What number can we call you on?", "202 555 0143")],
    ["i paid 120 dollars by credit card", "on june 5"],
    ["my card ends in 1111"],
    ["my insurance card", "4111 1111"],
    ["my phone is 555 0143", "my date of birth is may 5 1980"],
    ["4111 1111", "i would like an appointment at 11 with doctor patel", "11 11 11 11"],
    ["my credit card", "hm", "well", "so", "room 411"],
    ["at 10 30", "no 11", "2 people"],
])  # fmt: skip
def test_other_figures_are_left(turns: list[str]) -> None:
    assert said(*turns) == [turn[1] if isinstance(turn, tuple) else turn for turn in turns]


@pytest.mark.parametrize(("turn", "masked"), [
    ("my carbon sure five three nine one one two two three three four four five oh oh oh", "[card]"),
    ("it's 5391 1223 3445 000", "[card]"),
    ("my member number is 5391 1223 3445 000", "000"),
    ("my phone is 202 555 0143", "0143"),
])  # fmt: skip
def test_a_card_misheard_by_word_and_figure_is_masked(turn: str, masked: str) -> None:
    """Found where a recogniser read "my card is four" as "my carbon sure"."""
    assert said(turn)[0].endswith(masked)


@given(planted.cards(), st.lists(st.integers(3, 6), min_size=1, max_size=6))
def test_no_card_stands_however_it_is_said_in_groups(digits: str, sizes: list[int]) -> None:
    """From the group on that makes it a card all are masked; all of them once it was named."""
    pieces, rest = [], digits
    for size in sizes:
        if len(rest) - size >= 3:
            pieces, rest = [*pieces, rest[:size]], rest[size:]
    pieces.append(rest)
    shown = "".join(t for text in said(*pieces) for t in words(text).tokens if t.isdigit())
    assert len(shown) < len(digits) and digits.startswith(shown)
    assert not holds_card(shown)
    named = said("it is my credit card", *pieces)
    assert not any(t.isdigit() for text in named for t in words(text).tokens)


@given(st.lists(st.text(max_size=30), max_size=6))
def test_no_words_break_it(turns: list[str]) -> None:
    assert len(said(*turns)) == len(turns)
