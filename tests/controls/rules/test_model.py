"""Rule files: what is wrong with one is said with line, field and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.own import our_rules
from controls.rules.pack_files import load_packs, pack_names, parse_pack
from tests.controls.rules.packs import FOLDER, OTHERS, SHIPPED, shipped_packs

GOOD = """\
format: 1
pack: sample
title: A sample
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
lists:
  thing: [foo, bar]
rules:
  - name: no-things
    when: agent_says
    if:
      phrases: [the <thing>]
    then: block
    say: {en-US: "I can't say that."}
    risk: 10
    annex_a: [A.9.4]
    because: for the sake of the test
    catches: [see the foo]
    lets_pass: [see the fool]
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Rules.compile([parse_pack(text, "sample.yaml")])
    return [str(p) for p in caught.value.problems]


def test_a_good_pack_compiles() -> None:
    rules = Rules.compile([parse_pack(GOOD, "sample.yaml")])
    assert rules.phrases == {"rule.sample.no-things": {"en-US": "I can't say that."}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title: A", "titel: A", "sample.yaml:3: titel: unknown key (did you mean `title`?)"),
        ("risk: 10", "risk: 200", "sample.yaml:16: rules[0].risk:"),
        ("A.9.4", "A.8.9", "sample.yaml:17: rules[0].annex_a: no control of Annex A: A.8.9"),
        ("then: block", "then: shout", "sample.yaml:14: rules[0].then: not one of the known values"),
        ("then: block", "then: allow", "rules[0].say: `then: allow` speaks nothing"),
        ("then: block", "then: rewrite", "rules[0].rewrite_to: no words in en-US"),
        ("<thing>", "<thang>", "sample.yaml:13: rules[0].if.phrases[0]: the phrase names an unknown"),
        ("the <thing>", "... <thing>", "cannot begin or end with ..."),
        ("the <thing>", "the ... ... <thing>", "a phrase holds ... twice in a row"),
        ("phrases: [the <thing>]", "phrases: []", "rules[0].if: the rule never applies"),
        ("phrases: [the <thing>]", "cel: 'claus == 1'", "names what does not exist: claus"),
        ("phrases: [the <thing>]", "cel: 'clause =='", "this is no CEL expression"),
        ("phrases: [the <thing>]", "cel: '1 + 1'", "the rule fails on this example"),
        ("phrases: [the <thing>]", "cel: 'clause + 1 == clause'", "the rule fails on this example"),
        ("see the foo]", "see foo]", "sample.yaml:19: rules[0].catches[0]: the rule does not catch its own"),
        ("see the fool", "see the foo", "sample.yaml:20: rules[0].lets_pass[0]: the rule catches"),
        ("I can't say that.", "Not the foo.", "the rule sample/no-things would refuse this fixed phrase"),
        ("en-US: \"I", "es-US: \"I", "rules[0].say: no words in en-US"),
        ("because: for the sake of the test", "because: so", "rules[0].because:"),
        ("pack: sample", "pack: sample\npack: other", "duplicate key"),
        ("pack: sample", "pack: ours", "choose another name"),
        ("reviewed: 2026-01-01", "reviewed: soon", "reviewed:"),
        ("    when: agent_says\n", "", "rules[0].when: a required key is missing"),
        ("when: agent_says", "when: agent_says\n    tools: [x]", "`tools` belongs to rules with"),
        ("format: 1", "format: 2", "format: not one of the known values"),
        ("rules:\n", "rules: [\n", "this is no YAML"),
        ("title: A sample", "title: !!python/object:os.system A", "title:"),
        ("title: A sample", "kind: emergency\ntitle: A sample", "an emergency rule is"),
        ("title: A sample", "kind: emergency\ntitle: A sample", "says nowhere where its numbers"),
        ("title: A sample", "places: [us]\ntitle: A sample", "`places` belongs to emergency packs"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    assert any(expected in p for p in problems_of(GOOD.replace(old, new, 1))), problems_of(
        GOOD.replace(old, new, 1)
    )


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "just words", "\x00", "a: b: c", "x" * 600_000, "&a [*a]"]
)
def test_hostile_files_are_refused(text: str) -> None:
    assert problems_of(text)


def test_two_rules_of_one_name() -> None:
    again = GOOD.split("rules:\n")[1]
    assert any("two rules have this name" in p for p in problems_of(GOOD + again))


def test_a_pack_given_twice() -> None:
    pack = parse_pack(GOOD, "sample.yaml")
    with pytest.raises(ConfigurationError, match="given twice"):
        Rules.compile([pack, pack])


def test_a_missing_pack_names_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "sample.yaml").write_text(GOOD)
    (tmp_path / "other.yaml").write_text("format: 1\n")
    with pytest.raises(ConfigurationError, match=r"no pack `missing` .*sample"):
        load_packs(tmp_path, ["sample", "missing"])
    assert pack_names(tmp_path) == ["sample"]


def test_every_shipped_pack_is_tested() -> None:
    assert set(pack_names(FOLDER)) == {*SHIPPED, *OTHERS}


def test_shipped_packs_hold_their_own_examples() -> None:
    for pack in (*shipped_packs(), *load_packs(FOLDER, OTHERS)):
        Rules.compile([pack])
    assert Rules.compile(shipped_packs()).languages == {"en-US", "es-US"}


def test_every_shipped_rule_cites_something() -> None:
    for pack in (*shipped_packs(), *load_packs(FOLDER, OTHERS)):
        for rule in pack.rules:
            cites = any(c.isdigit() for c in rule.because) or "A.9" in rule.because
            assert cites, f"{pack.pack}/{rule.name}"


OURS = {
    "name": "no-waiting-times",
    "if_agent_says": ["you will be seen within", "the wait is"],
    "then": "say",
    "say": {"en-US": "I can't promise a waiting time."},
    "because": "Clinic policy 4.2; A.9.4",
    "catches": ["You will be seen within ten minutes."],
    "lets_pass": ["The clinic opens at nine."],
}


def test_an_agents_own_rules_become_a_pack() -> None:
    ours = our_rules([OURS], file="agent.yaml", languages=["en-US"], owner="practice-manager")
    assert ours is not None
    assert ours.pack == "ours"
    assert ours.rules[0].annex_a == ("A.9.4",)
    rules = Rules.compile(shipped_packs(), ours)
    assert "rule.ours.no-waiting-times" in rules.phrases


def test_an_agents_own_rules_are_checked_too() -> None:
    for change, expected in (
        ({"say": {"es-US": "No."}}, "rules.ours[0].say: no words in en-US"),
        ({"then": "allow"}, "rules.ours[0].then:"),
        ({"if_agent_says": ["..."]}, "rules.ours[0].if.phrases[0]"),
        ({"verdict": 1}, "rules.ours[0].verdict: unknown key"),
        ({"catches": ["Nine o'clock."]}, "rules.ours[0].catches[0]: the rule does not catch"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            Rules.compile(
                [],
                our_rules(
                    [{**OURS, **change}], file="agent.yaml", languages=["en-US"], owner="practice-manager"
                ),
            )
        assert expected in str(caught.value)


def test_no_rules_of_its_own_is_no_pack() -> None:
    assert our_rules([], file="agent.yaml", languages=["en-US"], owner="practice-manager") is None
