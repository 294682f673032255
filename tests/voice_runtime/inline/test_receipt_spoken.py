"""Every code can be said: no shipped rule takes one for a number it guards, in either language."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.errors import OperatorError
from controls.gate import Gate
from controls.ids import new_id
from controls.receipt_code import ALPHABET, characters, new_code, normalise
from controls.rules.engine import Rules
from controls.rules.pack_files import load_packs, pack_names
from tests.controls.rules.packs import FOLDER, ROOT
from tests.controls.test_receipt_code import codes
from tests.simulators.recorder import MemoryRecorder
from voice_runtime.inline.receipt import TEMPLATE, read_out
from voice_runtime.phrases import load_phrases
from voice_runtime.speak.spoken import Reader

LANGUAGES = ("en-US", "es-US")


@lru_cache(maxsize=2)
def rules(language: str) -> Rules:
    """Every shipped pack that was worded in the language."""
    names = [name for name in pack_names(FOLDER) if name != "intents"]
    return Rules.compile(tuple(p for p in load_packs(FOLDER, names) if language in p.languages))


@lru_cache(maxsize=2)
def template(language: str) -> str:
    return load_phrases(ROOT, language).templates[TEMPLATE]


def spoken(code: str, language: str) -> str:
    """The clause as the gate clears it, and the voice speaks it."""
    gate = Gate(
        recorder=MemoryRecorder(), tenant="clinic", call=new_id("c"), rules=rules(language), language=language
    )
    written = template(language).format(code=read_out(code))
    read = Reader(language, {}).read(written)
    outcome = gate.clause(read.text, 1, forms=(read.unlexed, written))
    assert outcome.cleared is not None, outcome.decision.verdicts
    return outcome.cleared.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_is_cleared_and_said_character_by_character(language: str) -> None:
    for _ in range(50):
        code = new_code()
        words = spoken(code, language).casefold()
        letters = [c for c in code.casefold() if c.isalpha()]
        tail = words.rstrip(".").replace(".", ",").split(", ")[-len(code.replace("-", "")) :]
        assert [w for w in tail if len(w) == 1] == [c for c in letters if c in tail]
        assert len(tail) == 9


@pytest.mark.parametrize("language", LANGUAGES)
@settings(max_examples=60, deadline=None)
@given(code=st.one_of(codes(), st.text("0123456789", min_size=8, max_size=8).map(lambda d: whole(d))))
def test_no_rule_takes_a_code_for_a_card_or_a_social_security_number(language: str, code: str) -> None:
    assert spoken(code, language)


def whole(digits: str) -> str:
    """A code whose eight characters are these, nothing but digits among them."""
    for check in ALPHABET:
        with suppress(OperatorError):  # thirty-one of them do not fit
            return normalise(digits + check)
    raise AssertionError


def test_groups_are_set_apart() -> None:
    assert read_out("7K2-M9Q-X4R") == "7, K, 2. M, 9, Q. X, 4, R"
    assert len(characters("7K2-M9Q-X4R")) == 3
