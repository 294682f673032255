"""What a disclosure must say."""

from __future__ import annotations

import pytest

from controls.disclosures import DisclosureRule, check, estimated_s, parse_disclosure
from controls.errors import ConfigurationError
from tests.controls.rules.packs import ROOT

FOLDER = ROOT / "configs" / "disclosures"
CLINIC = "Riverside Clinic. I'm an AI assistant. Say 'person' or press 0 for our staff."


def rules() -> list[DisclosureRule]:
    return [parse_disclosure(p.read_text(encoding="utf-8"), p.name) for p in sorted(FOLDER.glob("*.yaml"))]


def test_the_clinics_disclosure_holds() -> None:
    assert len(rules()) >= 2
    assert check(rules(), {"en-US": CLINIC}, operator="Riverside Clinic (fictional)") == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (CLINIC.replace("I'm an AI assistant. ", ""), "talks to an AI"),
        (CLINIC.replace("Riverside Clinic. ", ""), "on whose behalf"),
        (CLINIC.replace("Say 'person' or press 0 for our staff.", ""), "how to reach a person"),
    ],
)
def test_what_is_missing_is_said(text: str, missing: str) -> None:
    problems = check(
        rules(), {"en-US": text}, operator="Riverside Clinic", file="agent.yaml", lines={"en-US": 9}
    )
    assert any(missing in p.message for p in problems)
    assert all(p.line == 9 and p.field == "disclosure.say.en-US" and p.severity == "error" for p in problems)


def test_a_long_one_is_warned_about() -> None:
    problems = check(rules(), {"en-US": CLINIC + " And here is more." * 5}, operator="Riverside Clinic")
    assert [p.severity for p in problems] == ["warning"]
    assert estimated_s(CLINIC) < 7


def test_a_language_nobody_reviewed() -> None:
    problems = check(rules(), {"de-DE": "Riverside Clinic."}, operator="Riverside Clinic")
    assert problems
    assert all("not reviewed" in p.message for p in problems)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("fails:", "failed:", "unknown key"),
        ("operator: true", "operator: false", "give either"),
        ("Riverside Clinic, how can I help you?", "I am an AI assistant.", "holds though it must not"),
        ("- Riverside Clinic. I'm an AI assistant.", "- Riverside Clinic. I'm here.", "does not hold"),
        ("[i am an ai,", "['!?',", "the phrase holds no words"),
    ],
)
def test_files_are_held_to_their_examples(old: str, new: str, expected: str) -> None:
    text = (FOLDER / "eu-ai-act.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigurationError) as caught:
        parse_disclosure(text.replace(old, new, 1), "eu-ai-act.yaml")
    assert expected in str(caught.value)
