"""Rules that contradict one another are named when they are compiled."""

from __future__ import annotations

import pytest

from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.model import Pack
from controls.rules.own import our_rules
from tests.controls.rules.packs import pack, rule, shipped_packs

REWRITE = {"then": "rewrite", "say": {}, "rewrite_to": {"en-US": "so"}}


def named(*packs: Pack, ours: Pack | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        Rules.compile(packs, ours)
    return [f"{p.field}: {p.message}" for p in raised.value.problems]


def test_one_condition_with_two_verdicts():
    milder = pack(rule(), name="second")
    graver = pack(rule(name="other", then="handoff"))
    assert named(graver, milder) == ["[0].then: made-up/other asks for handoff on the same condition"]
    assert len(named(pack(rule(name="other", then="handoff"), rule()))) == 1
    Rules.compile([milder, graver])  # that is tightening


def test_the_same_words_of_two_lists_are_two_conditions():
    phrases = {"if": {"phrases": ["foo <x>"]}, "catches": ["foo bar"]}
    graver = pack(rule(then="handoff", **phrases), lists={"x": ["bar"]})
    milder = pack(rule(**{**phrases, "catches": ["foo baz"]}), name="second", lists={"x": ["baz"]})
    Rules.compile([graver, milder])


def test_two_rewrites_of_the_same_words():
    one, other = rule(**REWRITE), rule(name="other", **REWRITE, **{"if": {"phrases": ["well foo bar"]}})
    found = named(pack(one, other))
    assert found == [
        "[0].catches[0]: made-up/other would change these words too, and both are refused",
        "[1].catches[0]: made-up/a-rule would change these words too, and both are refused",
    ]


def test_an_own_rule_that_counts_on_what_another_refuses():
    raw = {
        "name": "no-waiting-times", "if_agent_says": ["the wait is"], "then": "say", "say": {"en-US": "No."},
        "because": "a reason of the test's own", "catches": ["The wait is long."],
        "lets_pass": ["We open at nine.", "I am not a robot."],
    }  # fmt: skip
    ours = our_rules([raw], file="agent.yaml", languages=["en-US"], owner="practice-manager")
    assert ours is not None
    [found] = named(*shipped_packs(), ours=ours)
    assert found == "rules.ours[0].lets_pass[1]: truthful-ai/never-denies-being-ai does not let it pass"


def test_what_is_shipped_contradicts_nothing():
    Rules.compile(shipped_packs())
