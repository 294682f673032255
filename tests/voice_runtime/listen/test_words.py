"""Every rule of a language is held to its own examples; the lists hold together."""

from __future__ import annotations

import pytest

from voice_runtime.listen.completeness import whole, words_of
from voice_runtime.listen.word_lists import Rule, Whole, WordLists, beginnings, compiled, inflected, one_of
from voice_runtime.listen.words_en import ENGLISH
from voice_runtime.listen.words_es import SPANISH

LISTS = {"en-US": ENGLISH, "es-US": SPANISH}
CASES = [
    pytest.param(language, rule, text, id=f"{language}-{text}")
    for language, lists in LISTS.items()
    for rule in (*lists.leads_up, *lists.rules)
    for text in rule.catches
]
NOT_CASES = [
    pytest.param(rule, text, id=f"{language}-{rule.why[:20]}-{text}")
    for language, lists in LISTS.items()
    for rule in (*lists.leads_up, *lists.rules)
    for text in rule.but_not
]


@pytest.mark.parametrize(("language", "rule", "text"), CASES)
def test_a_rule_catches_its_examples(language: str, rule: Rule, text: str) -> None:
    assert rule.applies(" ".join(words_of(text)))
    assert whole(text, language) is rule.verdict


@pytest.mark.parametrize(("rule", "text"), NOT_CASES)
def test_a_rule_lets_its_counterexamples_pass(rule: Rule, text: str) -> None:
    assert not rule.applies(" ".join(words_of(text)))


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_rules_stand_in_the_order_of_their_verdicts(lists: WordLists) -> None:
    """What breaks off is looked for first: no whole sentence ends with "and"."""
    order = [Whole.OPEN, Whole.MAY_GO_ON, Whole.UNSURE, Whole.COMPLETE, Whole.LIKELY]
    places = [order.index(rule.verdict) for rule in lists.rules]
    assert places == sorted(places)


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_every_rule_has_an_example(lists: WordLists) -> None:
    assert all(rule.catches for rule in (*lists.leads_up, *lists.rules))


@pytest.mark.parametrize("lists", LISTS.values(), ids=LISTS)
def test_words_are_written_as_texts_are_read(lists: WordLists) -> None:
    for words in (lists.nods, lists.fillers, lists.lead_ins, lists.function):
        assert [w for w in words if " ".join(words_of(w)) != w] == []


def test_a_pattern_knows_whole_words() -> None:
    assert compiled(r"\bi$").search("can i")
    assert not compiled(r"\bi\b").search("now i'm here")
    assert compiled(r"^\w+ is$").search("it's is")


def test_one_of_prefers_the_longest() -> None:
    assert one_of("a an") == "(?:an|a)"
    assert one_of("go on|go") == "(?:go on|go)"


def test_beginnings_are_no_words_of_the_list() -> None:
    assert beginnings("friday") == {"frid", "frida"}
    assert "may" not in beginnings("may maybe", least=3)


def test_verbs_are_inflected_as_english_does() -> None:
    verbs = inflected("book use carry play drop(p) catch- process")
    assert verbs.base == "book use carry play drop catch process"
    assert verbs.third == "books uses carries plays drops catches processes"
    assert verbs.gerund == "booking using carrying playing dropping catching processing"
    assert verbs.past == "booked used carried played dropped processed"
