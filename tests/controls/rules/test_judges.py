"""A model as judge: when it is asked, what its answer counts for, and that no answer refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.decision import Decision, Effect, Proposal, Verdict
from controls.errors import ConfigurationError
from controls.rules.engine import Rules
from controls.rules.judges import JudgeAnswer, Key, Question, asks_about_everything
from controls.rules.matchers import words
from controls.rules.model import Pack
from controls.rules.pack_files import parse_pack
from tests.controls.rules.packs import pack, rule

PRICE = "made-up/no-price"
YES, NO, NONE = JudgeAnswer(True), JudgeAnswer(False), JudgeAnswer(None, "deadline")


def judged(name: str = "no-price", mode: str = "before", **changes: Any) -> dict[str, Any]:
    """A rule that asks a model about clauses that hold "dollars"."""
    judge = {"asks": "Does the clause promise a price?", "supplier": "local", "within_ms": 600, "mode": mode}
    fields: dict[str, Any] = {
        "if": {"phrases": ["dollars"], "judge": judge},
        "catches": ["It costs fifty dollars."],
        "lets_pass": ["We open at nine."],
    }
    if mode == "after":
        fields |= {"then": "allow", "say": {}}
    return rule(name, **(fields | changes))


def spoken(text: str, said: str = "") -> Proposal:
    return Proposal(Effect.SPEAK, "c", 1, "k", text=text, caller_said=said)


def answered(rules: Rules, proposal: Proposal, answer: JudgeAnswer) -> Decision:
    """The decision once every open question had this answer."""
    return rules.evaluate(proposal, answers={q.key: answer for q in rules.questions(proposal)})


def test_the_model_is_asked_only_where_the_rest_of_the_rule_applies() -> None:
    rules = Rules.compile([pack(judged())])
    assert rules.questions(spoken("We open at nine.")) == ()
    [question] = rules.questions(spoken("It costs fifty dollars."))
    assert (question.rule, question.about) == (PRICE, "It costs fifty dollars.")
    assert question.spec.asks == "Does the clause promise a price?"
    assert question.spec.digest.startswith("sha256:")


def test_yes_refuses_no_lets_pass_and_no_answer_refuses() -> None:
    rules, clause = Rules.compile([pack(judged())]), spoken("It costs fifty dollars.")
    assert answered(rules, clause, NO).verdict is Verdict.ALLOW
    yes = answered(rules, clause, YES)
    assert (yes.verdict, yes.verdicts[0].rule, yes.phrase) == (Verdict.BLOCK, PRICE, "rule.made-up.no-price")
    for silent in (answered(rules, clause, NONE), rules.evaluate(clause)):
        assert silent.verdict is Verdict.BLOCK
        assert silent.verdicts[0].reason.startswith("no answer from the judge")


def test_an_answer_counts_for_the_very_words_it_was_given_on() -> None:
    rules = Rules.compile([pack(judged())])
    others = {(PRICE, "It costs forty dollars."): NO}
    assert rules.evaluate(spoken("It costs fifty dollars."), answers=others).verdict is Verdict.BLOCK
    assert rules.evaluate(spoken("It costs forty dollars."), answers=others).verdict is Verdict.ALLOW


def test_what_was_said_just_before_is_shown_with_the_clause() -> None:
    rules = Rules.compile([pack(judged())])
    [question] = rules.questions(spoken("fifty dollars."), words("The price? It is"))
    assert question.about == "fifty dollars."
    assert question.shown == {"clause": "fifty dollars.", "said_before": "The price? It is"}


def test_what_is_asked_afterwards_never_prevents() -> None:
    rules, clause = Rules.compile([pack(judged(mode="after"))]), spoken("It costs fifty dollars.")
    [question] = rules.questions(clause)
    assert question.spec.mode == "after"
    for answer in (YES, NO, NONE):
        decision = answered(rules, clause, answer)
        assert [v.rule for v in decision.verdicts] == ["default/allow"]


def test_nobody_is_told_what_other_rules_refuse_already() -> None:
    other = rule("other", **{"if": {"phrases": ["fifty"]}, "catches": ["fifty"]})
    rules, clause = Rules.compile([pack(judged(), other)]), spoken("It costs fifty dollars.")
    assert rules.questions(clause) == ()
    assert [v.rule for v in rules.evaluate(clause).verdicts] == ["made-up/other"]
    graver = judged(then="handoff", say={})
    [question] = Rules.compile([pack(graver, other)]).questions(clause)
    assert question.rule == PRICE  # it could still make the refusal a graver one


def test_words_that_a_rule_changes_are_asked_about_as_they_would_be_spoken() -> None:
    rewrite = rule(
        "softer", **{"if": {"phrases": ["costs"]}},
        then="rewrite", say={}, rewrite_to={"en-US": "may cost"}, catches=["it costs"],
    )  # fmt: skip
    rules, clause = Rules.compile([pack(judged(), rewrite)]), spoken("It costs fifty dollars.")
    asked = rules.questions(clause)
    assert [q.about for q in asked] == ["It costs fifty dollars.", "It may cost fifty dollars."]
    decision = answered(rules, clause, NO)
    assert (decision.verdict, decision.text) == (Verdict.REWRITE, "It may cost fifty dollars.")
    only_first = {asked[0].key: NO}
    assert rules.evaluate(clause, answers=only_first).verdict is Verdict.BLOCK


def test_a_tools_use_is_asked_about_with_all_of_its_arguments() -> None:
    refund = judged(
        "refunds", when="tool", tools=["refund"], then="approve",
        ask={"role": "compliance", "within_s": 60, "else": "refuse"}, say={},
        catches=[{"tool": "refund", "args": {"why": "ten dollars"}}], lets_pass=[{"tool": "book"}],
    )  # fmt: skip
    rules = Rules.compile([pack(refund)])
    use = Proposal(Effect.TOOL, "c", 1, "u", tool="refund", arguments={"why": "ten dollars", "at": 3})
    [question] = rules.questions(use)
    assert question.shown == {"tool": "refund", "arguments": use.arguments}
    assert question.about == '{"arguments": {"at": 3, "why": "ten dollars"}, "tool": "refund"}'
    assert answered(rules, use, NO).verdict is Verdict.ALLOW
    asked = answered(rules, use, NONE)
    assert asked.verdict is Verdict.APPROVE
    assert asked.ask is not None
    assert asked.ask.role == "compliance"


def test_a_fixed_phrase_is_read_by_a_person_and_not_by_a_model() -> None:
    rules = Rules.compile([pack(judged())])
    assert rules.objections({"greeting": {"en-US": "A visit costs fifty dollars."}}) == []


def test_examples_need_the_model_and_say_so() -> None:
    lets_pass = ["We open at nine.", "Fifty dollars? I can't promise a price."]
    rules = Rules.compile([pack(judged(lets_pass=lets_pass))])
    caught, dull, near = rules.examples()
    assert (dull.asks, dull.fault) == (None, "")
    assert caught.asks is not None
    assert caught.asks.shown == {"clause": "It costs fifty dollars."}
    assert near.asks is not None
    assert near.asks.about == "Fifty dollars? I can't promise a price."
    right = {caught.asks.key: YES, near.asks.key: NO}
    assert [(t.asks, t.fault) for t in rules.examples(right)] == [(None, "")] * 3
    wrong = {caught.asks.key: NO, near.asks.key: YES}
    faults = [t.fault for t in rules.examples(wrong)]
    assert faults[0].startswith("the model says no")
    assert faults[2].startswith("the model says yes")


def test_an_example_nobody_would_be_asked_about_does_not_load() -> None:
    with pytest.raises(ConfigurationError, match="nobody would be asked about it"):
        Rules.compile([pack(judged(catches=["It is free."]))])


def test_why_names_the_question() -> None:
    rules = Rules.compile([pack(judged())])
    lines = [ground.line for ground in rules.why(PRICE, spoken("It costs fifty dollars."))]
    assert lines == ["dollars", "asked of local (before): Does the clause promise a price?"]
    assert rules.why(PRICE, spoken("We open at nine.")) == []


FILE = """\
format: 1
pack: made-up
title: made up
owner: compliance
reviewed: 2026-01-01
languages: [en-US]
rules:
  - name: no-price
    when: agent_says
    if:
      judge: {asks: Does the clause promise a price?, supplier: local, within_ms: 600, mode: before}
    then: block
    say: {en-US: I can't say.}
    risk: 50
    annex_a: [A.9.4]
    because: a reason of the test's own
    catches: [It costs fifty dollars.]
    lets_pass: [We open at nine.]
"""


def test_a_judge_alone_is_a_condition_and_is_told_apart() -> None:
    made = parse_pack(FILE, "made-up.yaml")
    assert asks_about_everything(made.rules[0])
    assert not asks_about_everything(pack(judged()).rules[0])
    assert len(Rules.compile([made]).questions(spoken("Anything at all."))) == 1


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("when: agent_says", "when: caller_says", "rules[0].if.judge", "nobody can be asked"),
        ("then: block\n    say: {en-US: I can't say.}", "then: allow", "rules[0].then", "has to refuse"),
        ("mode: before", "mode: after", "rules[0].then", "stops nothing"),
        ("within_ms: 600", "within_ms: 5000", "rules[0].if.judge.within_ms", "wait too long"),
        ("within_ms: 600", "within_ms: 20000", "rules[0].if.judge.within_ms", ""),
        ("supplier: local", "supplier: https://example.com", "rules[0].if.judge.supplier", ""),
    ],
)
def test_what_is_wrong_with_a_judge_is_named(old: str, new: str, field: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        parse_pack(FILE.replace(old, new), "made-up.yaml")
    found = error.value.problems
    assert field in [p.field for p in found]
    assert re.search(message, str(error.value))


# --- properties -------------------------------------------------------------------------------------

_WORDS = st.lists(st.sampled_from(["foo", "bar", "dollars", "it", "costs", "no"]), max_size=6).map(" ".join)
_ANSWER = st.sampled_from([YES, NO, NONE])


def _packs() -> list[Pack]:
    judge = {"asks": "Is this a promise?", "supplier": "local", "within_ms": 100}
    condition: dict[str, Any] = {"if": {"phrases": ["costs"], "judge": judge}}
    handoff = judged("graver", then="handoff", say={}, catches=["it costs"], **condition)
    rewrite = rule(
        "softer", **{"if": {"phrases": ["no"]}}, then="rewrite", say={},
        rewrite_to={"en-US": "costs"}, catches=["no"], lets_pass=["it"],
    )  # fmt: skip
    return [pack(judged(), name="one"), pack(handoff, name="two"), pack(rule(), rewrite, name="three")]


PACKS = _packs()


def _all(rules: Rules, text: str, before: str, given_: dict[Key, JudgeAnswer]) -> Decision:
    return rules.evaluate(spoken(text), words(before), given_)


@given(_WORDS, _WORDS, st.data())
def test_a_better_answer_never_makes_a_verdict_graver(text: str, before: str, data: st.DataObject) -> None:
    rules = Rules(PACKS)
    questions: tuple[Question, ...] = rules.questions(spoken(text), words(before))
    answers = {q.key: data.draw(_ANSWER) for q in questions}
    decision = _all(rules, text, before, answers)
    silent = _all(rules, text, before, {})
    clear = _all(rules, text, before, dict.fromkeys(answers, NO))
    assert clear.verdict.gravity <= decision.verdict.gravity <= silent.verdict.gravity


@given(_WORDS, _WORDS)
def test_with_every_question_answered_no_nothing_is_said_to_be_unanswered(text: str, before: str) -> None:
    rules = Rules(PACKS)
    answers = {q.key: NO for q in rules.questions(spoken(text), words(before))}
    decision = _all(rules, text, before, answers)
    assert not [v for v in decision.verdicts if v.reason.startswith("no answer")]


@given(_WORDS, _WORDS, st.data())
def test_adding_a_pack_that_asks_never_makes_a_verdict_milder(
    text: str, before: str, data: st.DataObject
) -> None:
    every = Rules(PACKS)
    answers = {q.key: data.draw(_ANSWER) for q in every.questions(spoken(text), words(before))}
    whole = _all(every, text, before, answers)
    for i in range(len(PACKS)):
        fewer = Rules(PACKS[:i] + PACKS[i + 1 :])
        less = fewer.evaluate(spoken(text), words(before), answers)
        assert less.verdict.gravity <= whole.verdict.gravity
