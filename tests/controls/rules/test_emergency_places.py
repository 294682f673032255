"""Emergencies are found by language and answered by place: the number that is named is the place's own."""

from __future__ import annotations

import pytest

from controls.emergency import script_at
from controls.rules.engine import Rules
from controls.rules.model import problems_of
from controls.rules.pack_files import load_packs
from tests.controls.rules.packs import FOLDER, pack, rule

NUMBERS = {"us": ("9 1 1", "9 8 8", "nueve uno uno", "nueve ocho ocho"), "eu": ("1 1 2", "uno uno dos")}
BOTH = Rules(load_packs(FOLDER, ["emergency-us", "emergency-eu"]))


@pytest.mark.parametrize(
    ("place", "language", "script"),
    [
        ("us", "en-US", "rule.emergency-us.fire-or-gas"),
        ("us-ca", "es-US", "rule.emergency-us.fire-or-gas"),
        ("eu-es", "es-US", "rule.emergency-eu.fire-or-gas"),
        ("eu", "en-IE", "rule.emergency-eu.fire-or-gas"),
        ("gb", "en-US", "rule.emergency-eu.fire-or-gas"),
        ("", "en-US", "rule.emergency-us.fire-or-gas"),
        ("europa", "en-US", ""),  # not a part of eu
        ("us", "en-IE", ""),
    ],
)
def test_the_script_is_the_place_s(place: str, language: str, script: str) -> None:
    assert BOTH.script("emergency-us/fire-or-gas", language, place) == script


def test_every_rule_of_one_place_has_its_words_in_the_other() -> None:
    for place, own, other in (("us", "emergency-eu", "emergency-us"), ("eu", "emergency-us", "emergency-eu")):
        for found in next(p for p in BOTH.packs if p.pack == own).rules:
            for language in ("en-US", "es-US"):
                phrase = BOTH.script(f"{own}/{found.name}", language, place)
                assert phrase == f"rule.{other}.{found.name}"
                words = BOTH.phrases[phrase][language]
                assert any(number in words for number in NUMBERS[place]), words


def test_no_script_promises_a_person() -> None:
    """At night that was untrue; whether anybody is fetched is said by who fetches them."""
    for by_language in BOTH.phrases.values():
        for words in by_language.values():
            assert not any(x in words.casefold() for x in ("person", "comunico", "getting you")), words


def test_a_language_needs_one_emergency_pack_and_every_guard_pack() -> None:
    assert BOTH.languages == {"en-US", "es-US", "en-IE", "en-GB", "es-ES"}
    guard = pack(rule())
    assert Rules([guard, *BOTH.packs]).languages == {"en-US"} == Rules([guard]).languages
    assert Rules([]).languages == frozenset()


def test_without_a_release_s_rules_the_words_stand() -> None:
    assert script_at(None, "x/y", "rule.x.y", "en-US", "eu-ie") == "rule.x.y"
    assert script_at(BOTH, "emergency-us/fire-or-gas", "x", "en-US", "au") == "emergency"


def test_a_guard_pack_has_no_place() -> None:
    [problem] = problems_of(pack(rule(), places=["us"]), {"rules": []}, "made-up.yaml")
    assert "belongs to emergency packs" in problem.message
