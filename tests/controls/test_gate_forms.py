"""A clause is judged in every form it has: the gravest verdict counts, one record is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.decision import Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.gate import Gate
from controls.ids import new_id
from controls.rules.deciding import gravest_form
from controls.rules.engine import Rules
from tests.controls.rules.packs import pack, rule, shipped
from tests.simulators.recorder import MemoryRecorder

RELEASE = "sha256:" + "a" * 64


def made(rules: Rules | None = None) -> tuple[Gate, MemoryRecorder]:
    recorder, rules = MemoryRecorder(), rules or shipped()
    gate = Gate(recorder=recorder, tenant="riverside", call=new_id("c"), rules=rules, language="en-US")
    gate.bind(RELEASE, {"fallback": {"en-US": "Something went wrong."}, **rules.phrases})
    return gate, recorder


def own(*rules: dict[str, Any]) -> Rules:
    return Rules.compile([pack(*rules)])


REWRITE = rule(then="rewrite", rewrite_to={"en-US": "hey"}, say={}, risk=20)


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("Your copay is fifty dollars.", "Your copay is $50."),
        ("Take some eye-byoo-pro-fen now.", "Take some ibuprofen now."),  # respelled by a lexicon
        ("Your card is four one one one, 1111 1111 1111.", "Your card is 4111 1111 1111 1111."),
        ("It is eczema.", "It is ec zema."),  # the spoken form is what would be heard
    ],
)
def test_what_either_form_says_is_refused_once(spoken: str, written: str) -> None:
    gate, recorder = made()
    outcome = gate.clause(spoken, 1, forms=(spoken, written))
    assert outcome.cleared is None
    assert outcome.decision.phrase.startswith("rule.")
    [(refused, details)] = recorder.of("clause.refused")
    assert (details.text, details.candidate) == (spoken, written)
    assert details.instead == outcome.decision.phrase
    assert recorder.of("clause.cleared") == []


def test_what_no_form_says_is_cleared_as_spoken_with_one_record() -> None:
    gate, recorder = made()
    outcome = gate.clause(
        "Doctor oh-kay-for at ten.", 1, forms=("Doctor Okafor at ten.", "Dr. Okafor at 10.")
    )
    assert outcome.cleared is not None
    assert outcome.cleared.text == "Doctor oh-kay-for at ten."
    [(_, details)] = recorder.of("clause.cleared")
    assert (details.text, details.candidate) == ("Doctor oh-kay-for at ten.", "")
    assert [v.rule for v in details.verdicts] == ["default/allow"]


def test_a_phrase_over_two_clauses_is_found_in_the_form_that_has_it() -> None:
    gate, _ = made(own(rule()))
    assert gate.clause("Well, foo,", 1, forms=("Well, foo,",) * 2).cleared is not None
    assert gate.clause("bah to you.", 1, forms=("bar to you.", "bar to you.")).cleared is None
    assert gate.clause("bah to you.", 2, forms=("bar to you.", "bar to you.")).cleared is not None


def test_what_was_cleared_in_fewer_forms_counts_in_all() -> None:
    gate, _ = made(own(rule()))
    assert gate.clause("Well, foo,", 1).cleared is not None
    assert gate.clause("bah to you.", 1, forms=("bar to you.",)).cleared is None


def test_a_rewriting_of_the_spoken_words_is_spoken() -> None:
    gate, recorder = made(own(REWRITE))
    outcome = gate.clause("Well, foo bar at ten.", 1, forms=("Well, foo bar at ten.", "Well, foo bar at 10."))
    assert outcome.cleared is not None
    assert outcome.cleared.text == "Well, hey at ten."
    [(record, details)] = recorder.of("clause.cleared")
    assert (record.verdict, details.candidate) == (Verdict.REWRITE, "Well, foo bar at ten.")


def test_words_that_only_another_form_has_cannot_be_rewritten() -> None:
    gate, recorder = made(own(REWRITE))
    outcome = gate.clause("Well, foo bahr.", 1, forms=("Well, foo bar.",))
    assert outcome.cleared is None
    [(_, details)] = recorder.of("clause.refused")
    assert [v.rule for v in details.verdicts] == ["default/rewrite", "made-up/a-rule"]


def test_two_rules_that_change_different_forms_change_nothing() -> None:
    second = {**REWRITE, "name": "b-rule", "if": {"phrases": ["baz"]}, "catches": ["baz"]}
    gate, _ = made(own(REWRITE, second))
    assert gate.clause("Foo bar bahz.", 1, forms=("Foo bar baz.",)).cleared is None


FINDINGS = st.lists(
    st.builds(
        RuleVerdict,
        rule=st.sampled_from(["p/a", "p/b", "p/c"]),
        verdict=st.sampled_from(list(Verdict)),
        annex_a=st.just(("A.9.2",)),
        risk=st.integers(0, 100),
        reason=st.just("made up"),
        say=st.just("phrase"),
    ),
    min_size=1, max_size=3,
)  # fmt: skip


def decided(findings: list[RuleVerdict]) -> Decision:
    worst = max(findings, key=lambda f: f.verdict.gravity)
    proposal = Proposal(Effect.SPEAK, "c", 1, "k", text="words")
    text = "words" if worst.verdict.gravity < Verdict.BLOCK.gravity else ""
    return Decision(proposal, worst.verdict, tuple(findings), max(f.risk for f in findings), text)


@given(st.lists(FINDINGS, min_size=1, max_size=3))
@settings(deadline=None)
def test_no_form_makes_a_verdict_milder_and_no_finding_is_lost(forms: list[list[RuleVerdict]]) -> None:
    decisions = [decided(f) for f in forms]
    together = gravest_form(decisions)
    assert together.verdict.gravity >= max(d.verdict.gravity for d in decisions)
    assert together.risk >= decisions[0].risk
    kept = {(v.rule, v.verdict) for v in together.verdicts}
    assert kept >= {(v.rule, v.verdict) for d in decisions for v in d.verdicts}
