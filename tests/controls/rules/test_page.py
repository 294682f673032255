"""The rules that docs/rules.md shows are rules: they load, and hold to their own examples."""

from __future__ import annotations

import re

from controls.rules.engine import Rules
from controls.rules.moments import CallFacts, HandoffFacts
from controls.rules.pack_files import parse_pack
from tests.controls.rules.packs import ROOT

HEAD = """\
format: 1
pack: page
title: A page
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
lists: {currency: [dollars, euros], condition: [eczema, rash], judging: [probably]}
rules:
"""


def test_the_rules_of_the_page_are_rules() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(  - name.*?)```", page, re.DOTALL)
    shown = [Rules.compile([parse_pack(HEAD + block, "page.yaml")]).packs[0].rules for block in blocks]
    moments = {rule.when for rules in shown for rule in rules}
    assert moments == {"agent_says", "handoff", "call_ends"}
    assert any(rule.if_.judge is not None for rules in shown for rule in rules)


def test_every_fact_of_a_call_and_a_handoff_is_told_there() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    for name, facts in (("call", CallFacts), ("handoff", HandoffFacts)):
        told = set(re.findall(rf"`{name}\.(\w+)`", page))
        assert set(facts.model_fields) <= told, name
