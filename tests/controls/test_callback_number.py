"""What is taken as a call-back number: never a card's, a national one or an account's."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from controls.callback_number import REGIONS, Figures, goes_on_as_card, keyed, regions_of, said
from controls.handoff import clean_number
from controls.redaction.checks import holds_card, is_us_ssn

US = frozenset(("us",))

NEVER = [
    "my card is 3782 822463 10005",
    "it's 4111 1111 1111 1111",
    "3 7 8 2 8 2 2 4 6 3 1 0 0 0 5",
    "my social security number is 219 09 9999",
    "219-09-9999",
    "two one nine oh nine nine nine nine nine",
    "my account number is 1234 5678",
    "the account number is 202 555 0143",
    "my date of birth is 03 04 1985",
    "iban de 89 3704 0044 0532 0130 00",
    "mi número de cuenta es 1234 5678",
    "mi número de seguro social es 219 09 9999",
    "mi tarjeta es 3782 822463 10005",
    "my nhs number is 943 476 5919",
    "mi dni es 12345678 z",
    "1234 5678",
]


@pytest.mark.parametrize("text", NEVER)
@pytest.mark.parametrize("regions", [US, REGIONS])
def test_no_card_national_id_or_account_is_taken(text: str, regions: frozenset[str]) -> None:
    """A card and a social security number were kept unmasked as the number to call back on."""
    found = said(text, regions)
    assert found.number == ""
    assert not found.agrees


@pytest.mark.parametrize("keys", ["378282246310005", "219099999", "12345678", "4222222222222", "12", ""])
def test_no_card_or_account_is_taken_from_keys(keys: str) -> None:
    assert keyed(keys, US).number == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("two oh two five five five oh one four four", "2025550144"),
        ("call me on 202 555 0143", "2025550143"),
        ("yes please, 202-555-0143", "2025550143"),
        ("you can reach me at 555 0143", "5550143"),
        ("my cell is 1 202 555 0143", "12025550143"),
        ("it's plus four nine three oh nine oh one eight two oh", "+4930901820"),
        ("+44 20 7946 0958", "+442079460958"),
        ("llámeme al 202 555 0143", "2025550143"),
        ("mi número es 202 555 0143", "2025550143"),
        ("011 44 20 7946 0958", "011442079460958"),
    ],
)
def test_a_number_with_words_of_calling_or_with_none_is_one_and_a_wish_to_be_called(
    text: str, number: str
) -> None:
    assert said(text, US) == Figures(number, agrees=True)


@pytest.mark.parametrize(
    "text", ["the taxi says 202 555 0143", "i saw 202 555 0143 on the bill", "do not use 202 555 0143"]
)
def test_a_number_among_other_words_is_no_wish_to_be_called(text: str) -> None:
    found = said(text, US)
    assert (found.number, found.agrees) == ("2025550143", False)


def test_the_telephone_beside_an_account_is_the_one_taken() -> None:
    found = said("my account number is 1234 5678, call me on 202 555 0143", US)
    assert (found.number, found.others) == ("2025550143", ("12345678",))


def test_a_card_said_in_two_parts_takes_back_its_beginning() -> None:
    assert said("3782 822463", US).number == "3782822463", "alone it is a telephone's"
    assert goes_on_as_card("3782822463", "10005")
    assert not goes_on_as_card("2025550143", "10005")


def test_a_spanish_number_is_taken_on_a_spanish_line_and_not_where_it_may_be_a_social_security_number() -> (
    None
):
    assert said("612 34 5678", regions_of("es")).number == "612345678"
    assert said("612 34 5678", regions_of("us-il")).number == ""
    assert regions_of("") == regions_of("fr") == REGIONS
    assert regions_of("fr", ("es",)) == frozenset(("es",))


def test_nothing_shows_the_figures() -> None:
    assert "2025550143" not in repr(said("202 555 0143", US))


DIGITS = st.text("0123456789", max_size=20)


@given(DIGITS, st.sampled_from([US, REGIONS, frozenset(("es",))]))
def test_whatever_is_keyed_what_is_taken_can_be_dialled_and_is_no_card(
    digits: str, regions: frozenset[str]
) -> None:
    found = keyed(digits, regions).number
    assert found in ("", digits)
    if found:
        assert clean_number(found) == found
        assert not holds_card(found)
        assert not ("us" in regions and is_us_ssn(found))


@given(
    st.sampled_from(["", "yes ", "call me on ", "it's ", "my card is ", "my social is ", "account number "]),
    DIGITS, st.sampled_from(["", " please", " that is my credit card"]), st.sampled_from(["", " ", "-"]),
)  # fmt: skip
def test_whatever_is_said_what_is_taken_is_in_it_and_is_no_card(
    before: str, digits: str, after: str, joint: str
) -> None:
    assume(digits)
    found = said(before + joint.join(digits) + after, US).number
    assert found in ("", digits)
    if found:
        assert not holds_card(found)
        assert "card" not in before + after
        assert "social" not in before and "account" not in before
