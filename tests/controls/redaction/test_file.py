"""``configs/redaction.yaml``: what is shipped, what an agent adds, and what is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from controls.errors import ConfigurationError, Problem
from controls.ledger.records import PersonalData as P
from controls.redaction.file import LEAST, PATTERNS, SINKS, Redaction, parse_redaction, unconfigured

FILE = "configs/redaction.yaml"
SHIPPED = (Path(__file__).resolve().parents[3] / FILE).read_text(encoding="utf-8")


def problems(old: str, new: str) -> list[Problem]:
    assert old in SHIPPED
    with pytest.raises(ConfigurationError) as refused:
        parse_redaction(SHIPPED.replace(old, new, 1), FILE)
    return refused.value.problems


def line(text: str) -> int:
    return SHIPPED[: SHIPPED.index(text)].count("\n") + 1


def test_what_is_shipped() -> None:
    shipped = Redaction(parse_redaction(SHIPPED, FILE))
    assert shipped.types["record"] == LEAST | {P.IBAN, P.NATIONAL_ID}
    assert shipped.types["model"] == LEAST
    assert shipped.types["log"] == shipped.types["span"] == PATTERNS
    assert shipped.types["export"] == frozenset(P)
    assert {sink: types - {P.NAME} for sink, types in shipped.types.items()} == unconfigured().types


def test_an_agent_only_adds() -> None:
    file = parse_redaction(SHIPPED, FILE)
    plain, strict = Redaction(file), Redaction(file, {"model": [P.EMAIL], "record": []})
    for sink in SINKS:
        assert plain.types[sink] <= strict.types[sink]
    assert strict.types["model"] - plain.types["model"] == {P.EMAIL}
    assert plain.as_plain() != strict.as_plain(), "the release's digest tells them apart"
    text = "write to a@example.com"
    assert strict.before("model").mask(text) == "write to [email]"
    assert plain.before("model").mask(text) == text


def test_card_data_cannot_be_left_in() -> None:
    [problem] = problems("mask: [card, card-code]\n", "mask: [email]\n")
    assert problem.line == line("mask: [card, card-code]\n")
    assert problem.field == "sinks.model.mask"
    assert "card, card-code" in problem.message


def test_names_are_masked_where_no_call_waits() -> None:
    [problem] = problems("mask: [card, card-code]\n", "mask: [card, card-code, name]\n")
    assert (problem.field, problem.line) == ("sinks.model.mask", line("mask: [card, card-code]\n"))
    assert problem.remedy == "mask names in export"


@pytest.mark.parametrize(("old", "new", "field"), [
    ("  model:\n", "  modell:\n", "sinks.modell.[key]"),
    ("card, card-code, iban, national-id]", "card, card-code, passport]", "sinks.record.mask[2]"),
    ("regions: [us, gb, es, de]", "regions: [us, fr]", "regions[1]"),
    ("regions: [us, gb, es, de]", "regions: [us, us]", "regions"),
    ("format: 1", "format: 2", "format"),
])  # fmt: skip
def test_mistakes_are_named(old: str, new: str, field: str) -> None:
    assert field in [p.field for p in problems(old, new)]
    assert all(p.line and p.remedy for p in problems(old, new))


def test_a_sink_that_is_left_out_is_named() -> None:
    whole = SHIPPED[SHIPPED.index("  span:") : SHIPPED.index("  export:")]
    [problem] = problems(whole, "")
    assert problem.message == "nothing is said of the sink span"
