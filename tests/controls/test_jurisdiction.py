# ruff: noqa: E501 - a table of faults is read line by line
"""Which rules apply where: the most specific first, the strictest where nobody looked."""

from __future__ import annotations

import datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.disclosures import DisclosureRule, parse_disclosure
from controls.errors import ConfigurationError
from controls.jurisdiction import RECORDING, Jurisdictions, asked_scopes, ranks, stricter
from tests.controls.rules.packs import ROOT

FOLDER = ROOT / "configs" / "disclosures"
TODAY = datetime.date(2026, 11, 22)
#: States whose statutes want everybody's consent; the file is held to it.
ALL_PARTY = ("ca", "ct", "de", "fl", "il", "md", "ma", "mt", "nv", "nh", "pa", "wa")


def shipped() -> Jurisdictions:
    rules = [parse_disclosure(p.read_text(encoding="utf-8"), p.name) for p in sorted(FOLDER.glob("*.yaml"))]
    return Jurisdictions.of(rules, TODAY)


def rule(name: str, *jurisdictions: str, **fields: object) -> DisclosureRule:
    """A file that asks for nothing but what is given."""
    made = {
        "format": 1, "disclosure": name, "title": name, "jurisdictions": jurisdictions,
        "citations": {j: ["A statute"] for j in jurisdictions}, "reviewed": TODAY, "reviewer": "compliance",
        "effective": datetime.date(2020, 1, 1), "languages": ("en-US",), "consent": {},
    }  # fmt: skip
    return DisclosureRule.model_validate(made | fields)


# --- the shipped files ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ALL_PARTY)
def test_the_states_that_want_everybodys_consent(state: str) -> None:
    terms = shipped().at(f"us-{state}")
    assert terms.known
    assert terms.recording == "all_party"
    assert terms.rules[0].disclosure in ("us-all-party", "us-ca")


@pytest.mark.parametrize("state", ["ny", "tx", "dc"])
def test_states_content_with_one_partys(state: str) -> None:
    assert shipped().at(f"us-{state}").recording == "one_party"
    assert not shipped().at(f"us-{state}").asks_first


@pytest.mark.parametrize("unknown", ["", "br", "us-zz", "us"])
def test_where_nobody_looked_the_strictest_counts(unknown: str) -> None:
    terms = shipped().at(unknown)
    assert (terms.recording, terms.asks_first) == ("all_party", True)
    assert terms.known is unknown.startswith("us")  # its wording rules speak for all of the country
    if not terms.known:
        assert len(terms.rules) == len(shipped().rules)


def test_california_asks_before_another_company_listens_and_illinois_does_not() -> None:
    assert shipped().at("us-ca").asks_first
    assert not shipped().at("us-il").asks_first
    assert asked_scopes(shipped().at("us-ca"), recording="ask", outside=True) == ("supplier", "record")
    assert asked_scopes(shipped().at("us-ca"), recording="ask", outside=False) == ("record",)
    assert asked_scopes(shipped().at("us-il"), recording="off", outside=True) == ()


def test_a_member_state_stands_under_what_the_union_says() -> None:
    assert [r.disclosure for r in shipped().at("eu-de").rules] == ["eu-ai-act"]
    assert shipped().at("eu-de").recording == "all_party"


def test_every_question_is_worded_in_every_language_served_there() -> None:
    for jurisdiction, language in product(("us-ca", "us-il", "us-ny", ""), ("en-US", "es-US")):
        for scope in ("record", "supplier"):
            wording = shipped().at(jurisdiction).wording(scope, language)
            assert wording is not None
            assert wording.language == language
            assert wording.phrase.endswith(f".{scope}")
    assert shipped().at("us-ca").wording("record", "de-DE") is None


# --- the order ---------------------------------------------------------------------------------------


def test_the_most_specific_file_that_says_something_decides() -> None:
    found = Jurisdictions.of(
        [
            rule("land", "us", consent={"recording": "all_party", "asks_first": True}),
            rule("state", "us-xx", consent={"recording": "one_party"}),
        ],
        TODAY,
    ).at("us-xx-city")
    assert [r.disclosure for r in found.rules] == ["state", "land"]
    assert (found.recording, found.asks_first) == ("one_party", True)


def test_among_equals_the_strictest_counts() -> None:
    rules = [rule(name, "us-xx", consent={"recording": name.replace("-", "_")})
             for name in ("one-party", "not-recorded", "all-party")]  # fmt: skip
    assert Jurisdictions.of(rules, TODAY).at("us-xx").recording == "not_recorded"
    assert asked_scopes(Jurisdictions.of(rules, TODAY).at("us-xx"), recording="ask", outside=False) == ()


def test_without_any_file_nothing_is_recorded() -> None:
    terms = Jurisdictions().at("us-ca")
    assert (terms.known, terms.recording, terms.asks_first) == (False, "not_recorded", True)


def test_a_file_counts_from_its_first_day_to_its_last() -> None:
    day = datetime.timedelta(days=1)
    one = rule("state", "us-xx", effective=TODAY, expires=TODAY)
    assert Jurisdictions.of([one], TODAY).at("us-xx").known
    assert not Jurisdictions.of([one], TODAY - day).at("us-xx").known
    assert not Jurisdictions.of([one], TODAY + day).at("us-xx").known


def test_the_first_to_expire() -> None:
    days = [TODAY + datetime.timedelta(days=n) for n in (9, 2, 30)]
    rules = [rule(f"file-{n}", "us-xx", expires=day) for n, day in enumerate(days)]
    first = Jurisdictions.of([*rules, rule("never", "us-xx")], TODAY).first_to_expire()
    assert first is not None
    assert first.disclosure == "file-1"
    assert Jurisdictions.of(rules, TODAY).expired(days[1]) is None
    assert Jurisdictions.of(rules, TODAY).expired(days[0]) == first
    assert Jurisdictions.of([rule("never", "us-xx")], TODAY).first_to_expire() is None


def test_ranks() -> None:
    assert ranks("us-ca-sf") == ["us-ca-sf", "us-ca", "us"]
    assert ranks("") == []


NAMES = st.sampled_from(["us", "us-aa", "us-bb", "eu", "eu-de"])
CONSENTS = st.fixed_dictionaries(
    {},
    optional={"recording": st.sampled_from(RECORDING), "asks_first": st.booleans()},
)
FILES = st.lists(st.tuples(st.sets(NAMES, min_size=1).map(sorted), CONSENTS), max_size=6)


@settings(max_examples=200)
@given(FILES, st.sampled_from(["us-aa", "us", "eu-de", "eu-fr", "xx", ""]))
def test_nothing_is_looser_than_some_file_that_applies_and_the_unknown_is_loosest_nowhere(
    files: list[tuple[list[str], dict[str, object]]], where: str
) -> None:
    rules = [rule(f"file-{n}", *names, consent=said) for n, (names, said) in enumerate(files)]
    found = Jurisdictions.of(rules, TODAY)
    here, nowhere = found.at(where), found.at("xx")
    assert stricter(here.recording, nowhere.recording) == nowhere.recording
    assert nowhere.asks_first or not here.asks_first
    said = [r.consent.recording for r in here.rules if r.consent and r.consent.recording]
    if here.known and said:
        assert here.recording in said
    # a file for somewhere else changes nothing where somebody has looked
    more = Jurisdictions.of([*rules, rule("else", "yy", consent={"recording": "one_party"})], TODAY).at(where)
    if here.known and said:
        assert more.recording == here.recording


# --- the files' own faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("expires: 2027-12-31", "expires: 2026-11-21", "expires", "its last day was 2026-11-21"),
        ("expires: 2027-12-31", "expires: 2024-07-01", "expires", "comes before its first"),
        ("  us-wa: [Wash. Rev. Code 9.73.030]\n", "", "jurisdictions[11]", "no statute is cited for 'us-wa'"),
        ("us-pa, us-wa]", "us-pa]", "citations.us-wa", "does not speak for this jurisdiction"),
        ("Say no or press 2, now or later.\"\n      es", "Say no, now or later.\"\n      es", "consent.questions.record.en-US", "key 2 for no"),
        ("    record:\n", "    supplier:\n", "consent", "without a question on record"),
        ("es-US: \"¿Podemos", "de-DE: \"¿Podemos", "consent.questions.record", "no words in es-US"),
        ("reviewer: compliance ", "reviewers: compliance ", "reviewers", "unknown key"),
        ("recording: all_party ", "recording: everybody ", "consent.recording", "not one of the known values"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_line(old: str, new: str, field: str, message: str) -> None:
    text = (FOLDER / "us-all-party.yaml").read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(ConfigurationError) as caught:
        parse_disclosure(text.replace(old, new, 1), "us-all-party.yaml", today=TODAY)
    [problem] = [p for p in caught.value.problems if p.field == field]
    assert message in problem.message
    assert problem.file == "us-all-party.yaml"
    assert problem.line > 1
    assert problem.remedy


def test_an_expired_file_says_who_is_to_review_it() -> None:
    text = (FOLDER / "us-ca.yaml").read_text(encoding="utf-8").replace("2027-12-31", "2026-11-21")
    with pytest.raises(ConfigurationError) as caught:
        parse_disclosure(text, "us-ca.yaml", today=TODAY)
    [problem] = caught.value.problems
    assert problem.line == text[: text.index("\nexpires:")].count("\n") + 2
    assert "have compliance hold it against the law" in problem.remedy
    parse_disclosure(text, "us-ca.yaml", today=datetime.date(2026, 11, 21))  # its last day


def test_a_file_that_asks_for_nothing_is_refused() -> None:
    text = (FOLDER / "us-ca.yaml").read_text(encoding="utf-8").partition("consent:")[0]
    with pytest.raises(ConfigurationError, match="asks for nothing"):
        parse_disclosure(text, "us-ca.yaml")


def test_a_file_counts_from_its_first_day_on_also_where_the_server_started_before_it() -> None:
    """Which files count was decided on the day a server started; each call asks for its own day."""
    day = datetime.timedelta(days=1)
    coming = rule("coming", "us-xx", effective=TODAY + day)
    law = Jurisdictions.known([coming])
    assert law.days(TODAY) == (TODAY, TODAY + day)
    assert not law.on(TODAY).at("us-xx").known
    assert law.on(TODAY + day).at("us-xx").known
    ended = rule("ended", "us-xx", expires=TODAY)
    assert Jurisdictions.known([ended]).on(TODAY).at("us-xx").known
    assert not Jurisdictions.known([ended]).on(TODAY + day).at("us-xx").known


def test_what_an_agent_asks_besides_comes_last() -> None:
    terms = shipped().at("us-ca")
    assert asked_scopes(terms, recording="ask", outside=True, also=("training", "listening")) == (
        "supplier", "record", "training", "listening",
    )  # fmt: skip
    assert asked_scopes(terms, recording="off", outside=False, also=("callback",)) == ("callback",)
