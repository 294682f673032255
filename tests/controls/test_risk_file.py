"""configs/risk.yaml: what is wrong with it is named by line, and no score can fall below a rule's."""

from __future__ import annotations

import pytest

from controls.errors import ConfigurationError
from controls.risk_file import parse_risk

GOOD = """\
format: 1
reviewed: 2026-11-20
languages: {en-US: reviewed}
features:
  - name: rule-finding
    looks_at: findings
    of: [clause, tool]
    points: 100
    because: A rule says itself how grave it is.
  - name: hurry
    looks_at: words
    in: said
    of: [clause]
    points: 10
    because: Nobody listens in a hurry.
    phrases: {en-US: [in a hurry]}
    catches: {en-US: ["I'm in a hurry."]}
  - name: tool-class
    looks_at: tool_class
    of: [tool]
    points: 30
    shares: {low: 0, medium: 50, high: 100}
    because: What a wrong use would cost.
"""


def test_it_is_read() -> None:
    found = parse_risk(GOOD, "risk.yaml")
    assert [f.name for f in found.features] == ["rule-finding", "hurry", "tool-class"]
    assert (found.state_of("en-US"), found.state_of("fr-FR")) == ("reviewed", "none")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("points: 100", "points: 90", "risk.yaml:4: features: a score must never be below what a rule found"),
        ("of: [clause, tool]", "of: [clause]", "risk.yaml:4: features: a score must never be below"),
        ("name: hurry", "name: rule-finding", "risk.yaml:10: features[1].name: two features have this name"),
        ("points: 10\n", "points: 0\n", "risk.yaml:14: features[1].points:"),
        ("points: 10\n", "points: 101\n", "risk.yaml:14: features[1].points:"),
        ("    in: said\n", "", "risk.yaml:10: features[1].in: `looks_at: words` needs it"),
        ("    in: said\n", "    in: said\n    under: 0.5\n", "risk.yaml:13: features[1].under:"),
        ("[in a hurry]", "[in a hurry, ...]", "risk.yaml:16: features[1].phrases.en-US[1]:"),
        ('["I\'m in a hurry."]', '["I have time."]', "features[1].catches.en-US[0]: no phrase finds this"),
        ("{en-US: reviewed}", "{en-US: reviewed, es-US: draft}", "features[1].phrases: none in es-US"),
        ("of: [tool]", "of: [tool, clause]", "risk.yaml:20: features[2].of: `looks_at: tool_class`"),
        ("medium: 50, high: 100}", "high: 100}", "risk.yaml:22: features[2].shares: names other values"),
        ("medium: 50, high: 100}", "medium: 90, high: 80}", "features[2].shares: a graver value has fewer"),
        ("looks_at: tool_class", "looks_at: weather", "risk.yaml:19: features[2].looks_at: not one of the"),
        ("    because: What a wrong use would cost.\n", "", "features[2].because: a required key is missing"),
        ("    points: 30\n", "    points: 30\n    wieght: 3\n", "features[2].wieght: unknown key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_line(old: str, new: str, expected: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigurationError) as error:
        parse_risk(GOOD.replace(old, new, 1), "risk.yaml")
    assert expected in str(error.value)


def test_no_yaml_at_all() -> None:
    with pytest.raises(ConfigurationError, match="no YAML"):
        parse_risk("features: [", "risk.yaml")
