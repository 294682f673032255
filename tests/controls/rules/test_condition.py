"""When a rule applies: what finds it, and what takes that back."""

from __future__ import annotations

import pytest

from controls.decision import Effect, Proposal, Verdict
from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.matchers import words
from controls.rules.pack_files import parse_pack
from tests.controls.rules.packs import pack, rule

LISTS = {
    "judging": ["sounds like", "probably"],
    "condition": ["eczema", "infect*"],
    "can-not": ["can not", "whether"],
}


def rules(condition: dict[str, object]) -> Rules:
    return Rules([pack(rule(**{"if": condition}), lists=LISTS)])


def blocked(found: Rules, text: str, before: str = "") -> bool:
    proposal = Proposal(Effect.SPEAK, "c", 1, "k", text=text)
    return found.evaluate(proposal, words(before)).verdict is Verdict.BLOCK


def test_parts_that_stand_together_apply_a_rule():
    found = rules({"together": ["<judging> + <condition>"]})
    assert blocked(found, "Eczema, probably.")
    assert not blocked(found, "Is it about eczema?")


def test_parts_on_both_sides_of_a_clause_s_border_are_found():
    found = rules({"together": ["<judging> + <condition>"]})
    assert blocked(found, "eczema", before="That is probably")
    assert not blocked(found, "at ten", before="That is probably eczema"), "judged when it was cleared"


def test_phrases_or_what_stands_together():
    found = rules({"phrases": ["foo bar"], "together": ["<judging> + <condition>"]})
    assert blocked(found, "well, foo bar") and blocked(found, "it sounds like an infection")


def test_without_takes_back_what_is_in_the_same_sentence():
    found = rules({"together": ["<judging> + <condition>"], "without": ["<can-not>"]})
    assert not blocked(found, "I can't say if it is probably eczema.")
    assert not blocked(found, "It sounds like eczema, whether or not I may say so.")
    assert blocked(found, "I can't judge that. It is probably eczema.")


def test_unless_takes_back_only_what_lies_inside():
    found = rules({"together": ["<judging> + <condition>"], "unless": ["it is probably eczema day"]})
    assert not blocked(found, "it is probably eczema day")
    assert blocked(found, "it is probably eczema day and that sounds like an infection")


def test_a_word_that_begins_so():
    found = rules({"phrases": ["infect*", "very bad stom*"]})
    assert blocked(found, "Infectious?") and blocked(found, "a very bad stomach")
    assert not blocked(found, "It is in fact so.")


@pytest.mark.parametrize(
    ("condition", "field", "problem"),
    [
        ("phrases: ['in*']", "phrases", "begins no word"),
        ("phrases: ['*ing']", "phrases", "begins no word"),
        ("together: ['<judging>']", "together", "needs parts"),
        ("together: ['a + <missing>']", "together", "unknown word list"),
        ("without: ['<missing>']\n      phrases: [foo]", "without", "unknown word list"),
        ("without: [foo]", "if", "never applies"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(condition: str, field: str, problem: str):
    text = f"""format: 1
pack: made-up
title: made up
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
rules:
  - name: a-rule
    when: agent_says
    if:
      {condition}
    then: block
    say: {{en-US: No.}}
    risk: 50
    annex_a: [A.9.4]
    because: a reason of the test's own
    catches: [foo]
    lets_pass: [bar]
"""
    with pytest.raises(ConfigurationError) as raised:
        parse_pack(text, "made-up.yaml")
    found = raised.value.problems[0]
    assert problem in found.message and field in found.field and found.line > 8


def test_why_names_the_lines_and_the_words_they_found():
    found = rules({"phrases": ["foo bar"], "together": ["<judging> + <condition>"], "without": ["<can-not>"]})
    proposal = Proposal(Effect.SPEAK, "c", 1, "k", text="Foo bar! That sounds like an Infection.")
    assert [(g.line, g.words) for g in found.why("made-up/a-rule", proposal)] == [
        ("foo bar", "Foo bar"),
        ("<judging> + <condition>", "sounds like an Infection"),
    ]
    assert found.why("made-up/another", proposal) == []
    assert found.why("made-up/a-rule", Proposal(Effect.SPEAK, "c", 1, "k", text="I can not foo bar")) == []


def test_why_shows_an_expression_where_no_words_are_looked_for():
    found = rules({"cel": "size(cards) > 0"})
    proposal = Proposal(Effect.SPEAK, "c", 1, "k", text="It is 4111 1111 1111 1111.")
    assert [(g.line, g.words) for g in found.why("made-up/a-rule", proposal)] == [("size(cards) > 0", "")]


def test_every_example_is_tried_and_knows_its_line():
    broken = pack(rule(lets_pass=["a foo bar all the same", "nothing"]))
    tried = list(Rules([broken]).examples())
    assert [(t.wanted, bool(t.fault)) for t in tried] == [(True, False), (False, True), (False, False)]
    assert tried[1].fault == "the rule catches what it is to let pass"
