"""Sentences that an emergency pack's phrases stand for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.intents import Intent, intent
from controls.rules.matchers import words
from voice_runtime.urgent_phrases import MOST_OF_A_PHRASE, said, urgent_phrases, urgent_sentences

RULES = Path("configs/rules")


def rule(*phrases: str, **further: object) -> dict[str, object]:
    return {"if": {"phrases": list(phrases), **further}}


def test_every_entry_of_a_list_is_said_beside_its_neighbours() -> None:
    lists = {"who": ["my dad", "she", "he"], "sign": ["choking", "bleeding"]}
    found = urgent_phrases([rule("<who> ... is/looks <sign>")], lists)
    assert {s.split()[-1] for s in found} == {"choking", "bleeding"}
    assert {w for s in found for w in ("dad", "she", "he") if w in re.split(r"[ ']", s)} == {
        "dad",
        "she",
        "he",
    }
    assert any(s.startswith("she's ") for s in found), "also the short way"


def test_what_a_rule_does_not_mean_is_not_said() -> None:
    condition = {"all": [{"phrases": ["on fire"]}, {"not": {"phrases": ["fire drill"]}}]}
    assert urgent_phrases([{"if": condition, "unless": ["fire sale"]}], {}) == ["on fire"]


@pytest.mark.parametrize(
    ("entry", "spoken"),
    [
        ("9 1 1", "nine one one"), ("take 2 0", "take twenty"), ("1 side", "one side"),
        ("mother-in-law", "mother in law"), ("diagnos*", ""), ("<who>", ""), ("911", ""),
    ],
)  # fmt: skip
def test_an_entry_is_said_as_people_say_it(entry: str, spoken: str) -> None:
    assert said(entry) == spoken


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4))
def test_a_phrase_gives_few_sentences_however_long_its_lists_are(sizes: list[int]) -> None:
    lists = {f"l{n}": [f"{'abcd'[n]}{'x' * i}" for i in range(1, size + 1)] for n, size in enumerate(sizes)}
    found = urgent_phrases([rule(" ".join(f"<{name}>" for name in lists))], lists)
    assert 1 <= len(found) <= MOST_OF_A_PHRASE
    for place in range(len(sizes)):
        entries = {s.split()[place] for s in found}
        assert len(entries) >= min(sizes[place], MOST_OF_A_PHRASE // 2)


def test_the_shipped_packs_make_sentences_that_are_emergencies_themselves() -> None:
    found = urgent_sentences(RULES, "en-US")
    assert 3000 < len(found) < 12_000
    assert all(re.fullmatch(r"[a-z][a-z' ]*", s) for s in found)
    assert not any("  " in s for s in found)
    # a part of them names no danger: a list's denied or past events, a person alone, the pack's own idioms
    sample = found[::20]
    meant = [intent(s, "en-US") for s in sample]
    assert sum(m is Intent.EMERGENCY for m in meant) > len(sample) / 2
    assert Intent.PERSON in {intent(s, "en-US") for s in found if "person" in words(s).tokens}


def test_another_language_has_its_own_sentences_or_none() -> None:
    assert urgent_sentences(RULES, "de-DE") == ()
    spanish = {word for s in urgent_sentences(RULES, "es-US") for word in s.split()}
    assert "ayuda" in spanish
    assert not spanish & {"breathe", "ambulance", "bleeding"}


def test_packs_that_cannot_be_read_are_left_to_whoever_compiles_them(tmp_path: Path) -> None:
    assert urgent_sentences(tmp_path, "en-US") == ()
    (tmp_path / "emergency-us.yaml").write_bytes(b"\xff\xfe")
    (tmp_path / "emergency-eu.yaml").write_text("- nothing\n- of the kind\n")
    assert urgent_sentences(tmp_path, "en-US") == ()
