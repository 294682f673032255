"""What fixed phrases must say: the file that comes, its examples, and files that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.errors import ConfigurationError
from controls.must_say import MustSay, parse_must_say, tried_phrases

FILE = Path(__file__).resolve().parents[2] / "configs" / "must_say.yaml"
TEXT = FILE.read_text(encoding="utf-8")
SMALL = """
format: 1
title: Small
owner: compliance
reviewed: 2026-11-22
languages: [en-US]
never_anywhere: {en-US: [is booked]}
phrases:
  ask:
    purpose: Asks.
    because: a reason that is long enough
    asks: true
    keys: true
    must:
      - {must: name tea, any_of: {en-US: [tea]}}
    never: {en-US: [coffee]}
    unless: {en-US: [not coffee]}
    examples: {en-US: ["Tea? Say yes or press 1. Say no or press 2."]}
    fails: {en-US: ["Tea?"]}
"""


@pytest.fixture(scope="module")
def shipped() -> MustSay:
    return parse_must_say(TEXT, "configs/must_say.yaml")


def small() -> MustSay:
    return parse_must_say(SMALL, "small.yaml")


def wrong(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_must_say(text, "small.yaml")
    return [str(p) for p in caught.value.problems]


def test_every_example_of_the_file_is_tried_and_holds() -> None:
    tried = list(tried_phrases(TEXT, "configs/must_say.yaml"))
    assert len(tried) > 200
    assert [t.shown for t in tried if t.fault] == []
    assert {t.wanted for t in tried} == {True, False}
    first = tried[0]
    assert first.rule == "must-say/ai-answer.en-US"
    assert first.shown in TEXT.splitlines()[first.place[1] - 1]


@pytest.mark.parametrize(
    ("said", "lacks"),
    [
        ("Tea? Say yes or press 1. Say no or press 2.", ""),
        ("Tea? Press one for yes, or two for no.", ""),
        ("Tea, not coffee? Say yes or press 1. Say no or press 2.", ""),
        ("Water? Say yes or press 1. Say no or press 2.", "it must name tea"),
        ("Tea or coffee? Say yes or press 1. Say no or press 2.", "it may not say 'coffee'"),
        ("Tea. Say yes or press 1. Say no or press 2.", "it must ask one thing, and only that"),
        ("Tea? Really? Say yes or press 1. Say no or press 2.", "it must ask one thing, and only that"),
        ("Tea? Say yes or press 2. Say no or press 1.", "it must say that yes is key 1 and no is key 2"),
        ("Tea? Say yes or no.", "it must say that yes is key 1 and no is key 2"),
    ],
)  # fmt: skip
def test_what_is_lacking_is_said(said: str, lacks: str) -> None:
    assert small().lacking("ask", said, "en-US") == ((lacks,) if lacks else ())


def test_nothing_is_said_of_phrases_and_languages_it_does_not_know() -> None:
    assert small().lacking("other", "x", "en-US") == ()
    assert small().lacking("ask", "x", "fr-FR") == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('["Tea?"]', '["Tea? Press 1 for yes, 2 for no."]', ":19: phrases.ask.fails.en-US[0]: the"),
        ("examples: {en-US: [", 'examples: {en-US: ["Milk.", ', "ask.examples.en-US[0]: the example"),
        ("any_of: {en-US: [tea]}", "any_of: {en-US: []}", "nothing in en-US"),
        ("never: {en-US: [coffee]}", "never: {es-US: [café]}", "a language the file does not have"),
        ("[coffee]", '["<list>"]', "phrases.ask.never.en-US[0]"),
        ("asks: true", "aks: true", "unknown key"),
        ("fails: {en-US: [", "fails: {es-US: [", "nothing in en-US"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_its_line(old: str, new: str, says: str) -> None:
    found = wrong(SMALL.replace(old, new))
    assert any(says in p for p in found), found


def test_held_to_nothing_is_a_fault() -> None:
    text = SMALL.replace("    must:\n      - {must: name tea, any_of: {en-US: [tea]}}\n", "")
    text = text.replace("    never: {en-US: [coffee]}\n    unless: {en-US: [not coffee]}\n", "")
    assert any("held to nothing" in p for p in wrong(text))


@given(
    st.sampled_from(["No.", "Of course not.", "Yes, a real one.", "I'm not an AI.", "I'm Sam."]),
    st.text(max_size=3),
)
def test_no_filler_around_it_makes_a_denial_an_answer(said: str, around: str) -> None:
    found = parse_must_say(TEXT, "configs/must_say.yaml")
    assert found.lacking("ai-answer", f"{said} {around}".strip(), "en-US") or "ai" in around.casefold()


def test_changing_what_is_wanted_changes_what_is_held_to(shipped: MustSay) -> None:
    rule = shipped.phrases["ai-answer"]
    assert rule.said_in("en-US") != rule.said_in("es-US")
    assert rule.said_in("en-US") == shipped.phrases["ai-answer"].said_in("en-US")


@pytest.mark.parametrize(
    ("phrase", "said"),
    [
        ("fallback", "I'm sorry, something went wrong, but it is booked."),
        ("goodbye", "Goodbye, your visit is booked."),
        ("opted-out", "This call ends here. We will be in touch."),
        (
            "emergency-nobody",
            "This is the AI assistant again. I can't reach anyone, an ambulance is being sent.",
        ),
        ("ai-answer", "You are speaking with Anna, who uses an AI assistant."),
        ("ai-again", "The AI is gone and I, Anna, am back."),
        ("ask-callback", "May we call you back and record you? Say yes or press 1. Say no or press 2."),
    ],
)
def test_no_phrase_claims_what_may_not_be_so(shipped: MustSay, phrase: str, said: str) -> None:
    """Found by reading: the validation of an agent passed each of these."""
    assert shipped.lacking(phrase, said, "en-US")
