"""Receipt codes: what people write down is read back, and what is wrong is found and named."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.receipt_code import ALPHABET, LENGTH, characters, new_code, normalise

WRITTEN = re.compile(r"^[0-9A-HJKMNP-TV-Z]{3}(-[0-9A-HJKMNP-TV-Z]{3}){2}$")


def codes() -> st.SearchStrategy[str]:
    """Whole codes, by trying every check character: exactly one fits."""

    def whole(first: str) -> str:
        [found] = [c for c in ALPHABET if _holds(first + c)]
        return normalise(first + found)

    return st.text(ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1).map(whole)


def _holds(text: str) -> bool:
    try:
        normalise(text)
    except OperatorError:
        return False
    return True


def plain(code: str) -> str:
    return code.replace("-", "")


def test_a_new_code_is_in_its_written_form_and_new() -> None:
    made = {new_code() for _ in range(200)}
    assert len(made) == 200
    assert all(WRITTEN.match(code) and normalise(code) == code for code in made)


@given(codes(), st.data())
def test_a_code_is_read_however_it_was_written_down(code: str, data: st.DataObject) -> None:
    confused = {"0": "0Oo", "1": "1IiLl"}
    between = st.sampled_from(["", " ", "-", " - ", ". ", "–"])
    written = "".join(
        data.draw(st.sampled_from(confused.get(c, c + c.lower()))) + data.draw(between) for c in plain(code)
    )
    assert normalise(written) == code


@given(codes(), st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_every_single_wrong_character_is_found(code: str, place: int, wrong: str) -> None:
    given = plain(code)
    if given[place] != wrong:
        with pytest.raises(OperatorError, match="check character"):
            normalise(given[:place] + wrong + given[place + 1 :])


@given(codes(), st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_every_swap_of_two_characters_is_found(code: str, a: int, b: int) -> None:
    given = list(plain(code))
    given[a], given[b] = given[b], given[a]
    if "".join(given) != plain(code):
        with pytest.raises(OperatorError, match="check character"):
            normalise("".join(given))


@given(st.text(max_size=200))
def test_whatever_is_typed_gives_a_code_or_an_error_that_does_not_repeat_it(text: str) -> None:
    with suppress(OperatorError):
        assert WRITTEN.match(normalise(text))
        return
    with pytest.raises(OperatorError) as refused:
        normalise(text)
    assert len(text.strip()) < 12 or text not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "this has 0"),
        ("7K2-M9Q", "this has 6"),
        ("7K2-M9Q-X4R-7K2", "this has 12"),
        ("7K2-M9U-X4R", "character 6 cannot .* U is not"),
        ("7K2-M9!-X4R", "character 6 cannot .* neither a letter nor a digit"),
        ("7K2-M9é-X4R", "character 6 cannot .* this one is not"),
    ],
)
def test_what_is_wrong_is_said(text: str, says: str) -> None:
    with pytest.raises(OperatorError, match=says):
        normalise(text)


def test_the_check_character_is_that_of_the_specification() -> None:
    """x⁰ to x⁸ in GF(32) with x⁵ + x² + 1, multiplied out here in another way."""
    powers = [1]
    for _ in range(30):
        double = powers[-1] << 1
        powers.append(double ^ 0b100101 if double & 32 else double)
    assert sorted(powers) == list(range(1, 32))  # the polynomial is primitive
    exponent = {value: i for i, value in enumerate(powers)}
    code = plain(new_code())
    total = 0
    for place, character in enumerate(reversed(code)):
        value = ALPHABET.index(character)
        total ^= powers[(exponent[value] + place) % 31] if value else 0
    assert total == 0


def test_the_groups_are_read_out_one_after_the_other() -> None:
    assert characters("7K2-M9Q-X4R") == ("7K2", "M9Q", "X4R")
