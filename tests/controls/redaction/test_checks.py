"""Check digits: numbers with provenance, and against the slower functions they stand in for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.redaction import checks
from controls.rules.matchers import cards as cards_of_rules
from tests.controls.redaction import planted

# Test numbers that networks, registries and authorities publish, and made-up ones with a wrong last figure.
CARDS = ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117", "30569309025904"]
IBANS = ["de89370400440532013000", "gb82west12345698765432", "es9121000418450200051332", "no9386011117947"]


@pytest.mark.parametrize("digits", CARDS)
def test_cards(digits: str) -> None:
    assert checks.is_card(digits)
    assert checks.holds_card(f"12{digits}7")
    wrong = digits[:-1] + str((int(digits[-1]) + 1) % 10)
    assert not checks.is_card(wrong)


@given(st.text("0123456789", max_size=40))
def test_running_sums_find_what_the_rules_find(digits: str) -> None:
    assert checks.holds_card(digits) == bool(cards_of_rules([digits]))
    assert checks.is_card(digits) == (digits in cards_of_rules([digits]))


@given(planted.cards())
def test_a_made_card_is_one(digits: str) -> None:
    assert checks.is_card(digits)


@pytest.mark.parametrize("iban", IBANS)
def test_ibans(iban: str) -> None:
    assert checks.is_iban(iban)
    assert not checks.is_iban(iban[:-1])
    assert not checks.is_iban(iban[:3] + str((int(iban[3]) + 1) % 10) + iban[4:])


@given(planted.ibans())
def test_made_ibans_are_some(iban: str) -> None:
    assert checks.is_iban(iban.lower())


def test_social_security_numbers() -> None:
    assert checks.is_us_ssn("219099999")
    for never in ("000121234", "666121234", "900121234", "219009999", "219090000", "21909999"):
        assert not checks.is_us_ssn(never)
    assert checks.is_us_itin("900701234")
    assert not checks.is_us_itin("900661234")
    assert not checks.is_us_itin("219701234")


@given(planted.nhs())
def test_nhs_numbers(digits: str) -> None:
    assert checks.is_gb_nhs(digits)
    assert not checks.is_gb_nhs(digits[:-1] + str((int(digits[-1]) + 1) % 10))


def test_the_nhs_number_of_its_own_documentation() -> None:
    assert checks.is_gb_nhs("9434765919")


@pytest.mark.parametrize(("prefix", "suffix", "may"), [
    ("ab", "c", True), ("zz", "a", False), ("gb", "a", False), ("qq", "c", False), ("ao", "a", False),
    ("ab", "e", False), ("a", "a", False), ("ab", "", False),
])  # fmt: skip
def test_national_insurance_letters(prefix: str, suffix: str, may: bool) -> None:
    assert checks.is_gb_nino(prefix, suffix) is may


def test_dni_and_nie() -> None:
    assert checks.is_es_dni("", "12345678", "z")
    assert checks.is_es_dni("x", "1234567", "l")
    assert not checks.is_es_dni("", "12345678", "y")
    assert not checks.is_es_dni("w", "1234567", "l")
    assert not checks.is_es_dni("x", "12345678", "z")


@given(planted.tax_ids())
def test_tax_ids(digits: str) -> None:
    assert checks.is_de_tax_id(digits)
    assert not checks.is_de_tax_id(digits[:-1] + str((int(digits[-1]) + 1) % 10))


def test_the_tax_id_of_its_own_documentation() -> None:
    assert checks.is_de_tax_id("86095742719")
    assert not checks.is_de_tax_id("11111111111")
