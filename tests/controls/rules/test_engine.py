"""Judging: the gravest decides, nothing added makes a verdict milder, errors refuse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.decision import FALLBACK, Decision, Effect, Proposal, Verdict
from controls.rules import condition, engine
from controls.rules.engine import Rules
from controls.rules.matchers import words
from controls.rules.model import Pack
from tests.controls.rules.packs import pack, rule, shipped, shipped_packs


def speak(rules: Rules, text: str, said: str = "", before: str = "", language: str = "en-US") -> Decision:
    proposal = Proposal(Effect.SPEAK, "c", 1, "k", text=text, caller_said=said, language=language)
    return rules.evaluate(proposal, words(before))


def use(rules: Rules, tool: str, arguments: dict[str, Any]) -> Decision:
    return rules.evaluate(Proposal(Effect.TOOL, "c", 1, "u", tool=tool, arguments=arguments))


def test_the_blocked_sentence_of_the_demo() -> None:
    decision = speak(shipped(), "It is probably just eczema.", "is this rash serious")
    assert decision.verdict is Verdict.BLOCK
    assert decision.verdicts[0].rule == "health-boundaries/no-diagnosis"
    assert decision.annex_a == ("A.9.4",)
    assert decision.text == ""
    said = shipped().phrases[decision.phrase]
    assert said["en-US"] == "I can't judge that. Our staff can call you back." and "es-US" in said


@pytest.mark.parametrize(
    "text",
    [
        "Tuesday at ten, or half past two. Which suits you?",
        "Booked: Doctor Patel, Tuesday at ten.",
        "Doctor Patel, Tuesday at ten. Shall I book it?",
        "We are at 14 River Street, next to the library.",
        "Please bring your insurance card and a list of your medicines.",
        "The clinic opens at nine and closes at five.",
        "I have 2 0 2, 5 5 5, 0 1 4 3. Is that right?",
        "I'm sorry to hear that. I can't say if it's eczema or an infection, but a nurse can help.",
        "I am an AI assistant, not a person.",
        "You have an appointment for a flu shot on Tuesday.",
        "Nobody is free. I've asked reception to call you by four.",
    ],
)
def test_ordinary_sentences_pass(text: str) -> None:
    decision = speak(shipped(), text)
    assert decision.verdict is Verdict.ALLOW, decision.verdicts
    assert decision.text == text


def test_an_allow_says_that_no_rule_objected() -> None:
    decision = speak(shipped(), "Tuesday at ten.")
    assert [v.rule for v in decision.verdicts] == ["default/allow"]


def test_a_phrase_cannot_slip_through_between_two_clauses() -> None:
    assert speak(shipped(), "It is probably,").verdict is Verdict.ALLOW
    assert speak(shipped(), "just eczema.", before="It is probably,").verdict is Verdict.BLOCK
    assert speak(shipped(), "Tuesday at ten.", before="It is probably just eczema.").verdict is Verdict.ALLOW
    card = ["Your card is 4111 1111", "1111 1111."]
    assert speak(shipped(), card[1], before=card[0]).verdict is Verdict.BLOCK


def test_a_rewrite_says_what_is_spoken_instead() -> None:
    decision = speak(shipped(), "I promise the doctor will call you by four.")
    assert decision.verdict is Verdict.REWRITE
    assert decision.text == "I expect the doctor will call you by four."
    assert decision.verdicts[0].say == decision.text


def test_a_rewrite_that_leads_to_something_forbidden_is_blocked() -> None:
    rules = Rules.compile(
        [
            pack(
                rule("swap", then="rewrite", say={}, rewrite_to={"en-US": "bad"}),
                rule("no-bad", **{"if": {"phrases": ["bad news"]}, "catches": ["bad news"]}),
            )
        ]
    )
    assert (
        speak(rules, "foo bar today").text == "Bad today" or speak(rules, "foo bar today").text == "bad today"
    )
    decision = speak(rules, "foo bar news")
    assert decision.verdict is Verdict.BLOCK
    assert decision.text == ""


def test_two_rewrites_at_once_are_blocked() -> None:
    other = {"if": {"phrases": ["baz"]}, "catches": ["baz"], "then": "rewrite", "say": {}}
    rules = Rules.compile(
        [
            pack(
                rule("one", then="rewrite", say={}, rewrite_to={"en-US": "x"}),
                rule("two", rewrite_to={"en-US": "y"}, **other),
            )
        ]
    )
    assert speak(rules, "foo bar").verdict is Verdict.REWRITE
    assert speak(rules, "foo bar baz").verdict is Verdict.BLOCK


def test_a_rewrite_cannot_take_back_what_was_already_cleared() -> None:
    assert speak(shipped(), "promise he calls.", before="I").verdict is Verdict.BLOCK


def test_an_unless_covers_only_what_stands_inside_it() -> None:
    assert speak(shipped(), "I can't say whether it is eczema.").verdict is Verdict.ALLOW
    assert (
        speak(shipped(), "I can't say whether it is eczema. But it is probably shingles.").verdict
        is Verdict.BLOCK
    )


def test_a_language_nobody_reviewed_gets_a_person() -> None:
    decision = speak(shipped(), "Bonjour.", language="fr-CA")
    assert decision.verdict is Verdict.HANDOFF
    assert decision.verdicts[0].rule == "default/language"


def test_no_rules_at_all_refuse_everything() -> None:
    assert speak(Rules.compile([]), "Tuesday at ten.").verdict is Verdict.HANDOFF


FAILING = pack(
    rule(
        "breaks",
        **{
            "if": {"cel": "clause.contains('count') && numbers[0] == '7'"},
            "catches": ["count seven"],
            "lets_pass": ["count eight"],
        },
    )
)


def test_a_rule_that_fails_at_run_time_refuses() -> None:
    decision = speak(Rules.compile([FAILING]), "count nothing")
    assert decision.verdict is Verdict.BLOCK
    assert decision.verdicts[0].rule == "made-up/breaks"
    assert "rule failed" in decision.verdicts[0].reason


def test_an_engine_that_fails_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules.compile(shipped_packs())

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(engine, "words", broken)
    monkeypatch.setattr(condition, "words", broken)
    for decision in (
        speak_raw(rules, "Tuesday."),
        rules.caller(Proposal(Effect.SPEAK, "c", 1, "k", caller_said="hello")),
        use(rules, "find_slots", {"day": "tuesday"}),
    ):
        assert decision.verdict is Verdict.BLOCK
        assert decision.phrase == FALLBACK


def speak_raw(rules: Rules, text: str) -> Decision:
    return rules.evaluate(Proposal(Effect.SPEAK, "c", 1, "k", text=text))


def test_tools_are_judged_by_name_and_arguments() -> None:
    assert use(shipped(), "book_appointment", {"doctor": "Patel", "time": "10:00"}).verdict is Verdict.ALLOW
    hidden = {"notes": [{"deep": "4111 1111 1111 1111"}]}
    assert use(shipped(), "book_appointment", hidden).verdict is Verdict.BLOCK
    only = Rules.compile(
        [
            pack(
                rule(
                    "no-late-booking",
                    when="tool",
                    tools=["book"],
                    **{
                        "if": {"cel": "has(args.hour) && int(args.hour) > 18"},
                        "catches": [{"tool": "book", "args": {"hour": 20}}],
                        "lets_pass": [
                            {"tool": "book", "args": {"hour": 9}},
                            {"tool": "cancel", "args": {"hour": 20}},
                        ],
                    },
                )
            )
        ]
    )
    assert use(only, "book", {"hour": 19}).verdict is Verdict.BLOCK
    assert use(only, "cancel", {"hour": 19}).verdict is Verdict.ALLOW
    assert use(only, "book", {"hour": "soon"}).verdict is Verdict.BLOCK  # int() fails: refused


def test_what_the_caller_says_is_judged_before_the_model() -> None:
    def caller(text: str) -> Decision:
        return shipped().caller(Proposal(Effect.SPEAK, "c", 1, "k", caller_said=text))

    assert caller("can i see doctor patel on tuesday").verdict is Verdict.ALLOW
    assert caller("there is a bomb in your building").verdict is Verdict.HANDOFF
    card = "four one one one " + "one one one one " * 3
    assert caller(card).phrase == "rule.payment.caller-gives-card"


def test_the_gravest_decides_and_all_findings_are_kept() -> None:
    decision = speak(shipped(), "We will report you, and it is probably eczema.")
    assert decision.verdict is Verdict.HANDOFF
    assert {v.rule for v in decision.verdicts} >= {"abuse/no-threats", "health-boundaries/no-diagnosis"}
    assert decision.risk == max(v.risk for v in decision.verdicts)
    assert [v.verdict.gravity for v in decision.verdicts] == sorted(
        (v.verdict.gravity for v in decision.verdicts), reverse=True
    )


def test_objections_name_the_fixed_phrase() -> None:
    problems = shipped().objections(
        {"greeting": {"en-US": "It is probably eczema."}, "ok": {"en-US": "Hello."}}
    )
    assert [p.file for p in problems] == ["phrase greeting"]


def test_the_digest_follows_the_words() -> None:
    assert Rules.compile(shipped_packs()).digest == shipped().digest
    assert Rules.compile(shipped_packs()[:-1]).digest != shipped().digest


def test_changed_words_are_blocked_at_most() -> None:
    """Else a pack that blocks the original words would soften a handoff (found by the property below)."""
    swap = rule("swap", then="rewrite", say={}, rewrite_to={"en-US": "bad"})
    grave = rule("grave", **{"if": {"phrases": ["bad"]}, "catches": ["bad"]}, then="handoff", say={})
    assert speak(Rules.compile([pack(swap, grave)]), "foo bar").verdict is Verdict.BLOCK
    stricter = Rules.compile([pack(swap, grave), pack(rule(), name="stricter")])
    assert speak(stricter, "foo bar").verdict is Verdict.BLOCK


# --- adding a pack never makes a verdict milder ----------------------------------------------------

VOCABULARY = ["foo", "bar", "baz", "qux", "zap"]
PHRASES = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=2).map(" ".join)


@st.composite
def made_packs(draw: st.DrawFn, name: str) -> Pack:
    rules = []
    for i in range(draw(st.integers(1, 3))):
        phrase = draw(PHRASES)
        then = draw(st.sampled_from(["allow", "rewrite", "block", "handoff"]))
        made = rule(
            f"r{i}",
            **{
                "if": {"phrases": [phrase], "unless": draw(st.lists(PHRASES, max_size=1))},
                "then": then,
                "say": {"en-US": "No."} if then == "block" else {},
                "rewrite_to": {"en-US": draw(PHRASES)} if then == "rewrite" else {},
                "risk": draw(st.integers(0, 100)),
            },
        )
        if draw(st.integers(0, 9)) == 0:
            made["if"]["cel"] = "numbers[0] == '1'"  # fails at run time
        rules.append(made)
    return pack(*rules, name=name)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join),
    st.lists(st.sampled_from(VOCABULARY), max_size=3).map(" ".join),
    st.data(),
)
def test_adding_a_pack_never_makes_a_verdict_milder(text: str, before: str, data: st.DataObject) -> None:
    some = [data.draw(made_packs(f"pack-{i}")) for i in range(data.draw(st.integers(1, 2)))]
    more = data.draw(made_packs("added"))
    at = data.draw(st.integers(0, len(some)))
    # examples are not what is tested here: compiled without holding them
    few = speak(Rules(some), text, before=before)
    many = speak(Rules([*some[:at], more, *some[at:]]), text, before=before)
    assert many.verdict.gravity >= few.verdict.gravity


# --- an agent's own rules add, and take nothing over -------------------------------------------------


def test_own_rule_of_risk_100_takes_over_a_packs_words() -> None:
    """Found by reading: `ours` sorted before a pack's block by a higher risk, and said softer words."""
    soft = pack(rule("soft", risk=100, say={"en-US": "Of course, dear."}), name="ours")
    both = Rules([pack(rule(risk=10)), soft])
    decision = speak(both, "foo bar")
    assert decision.verdict is Verdict.BLOCK
    assert decision.phrase == "rule.made-up.a-rule"
    assert decision.verdicts[0].rule == "made-up/a-rule"
    assert decision.risk == 100  # its risk counts, its words do not


def test_own_handoff_is_graver_than_a_packs_block_and_the_pack_is_still_said() -> None:
    soft = pack(rule("soft", then="handoff", risk=100, say={"en-US": "Of course, dear."}), name="ours")
    decision = speak(Rules([pack(rule(risk=10)), soft]), "foo bar")
    assert (decision.verdict, decision.phrase) == (Verdict.HANDOFF, "rule.made-up.a-rule")
    alone = speak(Rules([soft]), "foo bar")
    assert (alone.verdict, alone.phrase) == (Verdict.HANDOFF, "rule.ours.soft")


def test_own_rule_that_fails_does_not_take_over_a_packs_words() -> None:
    failing = pack(rule("fails", **{"if": {"cel": "numbers[0] == '1'"}}), name="ours")
    decision = speak(Rules([pack(rule(risk=10)), failing]), "foo bar")
    assert (decision.verdict, decision.phrase) == (Verdict.BLOCK, "rule.made-up.a-rule")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=6).map(" ".join),
    st.lists(st.sampled_from(VOCABULARY), max_size=3).map(" ".join),
    st.data(),
)
def test_adding_own_rules_never_loosens(text: str, before: str, data: st.DataObject) -> None:
    """Neither a milder verdict, nor a lower risk, nor other words than a pack's where a pack refuses."""
    packs = [data.draw(made_packs(f"pack-{i}")) for i in range(data.draw(st.integers(1, 2)))]
    own = data.draw(made_packs("ours"))
    without = speak(Rules(packs), text, before=before)
    with_own = speak(Rules([*packs, own]), text, before=before)
    assert with_own.verdict.gravity >= without.verdict.gravity
    assert with_own.risk >= without.risk
    if without.phrase:  # the fallback where both would change the words: nobody chose it
        assert with_own.phrase in (without.phrase, FALLBACK)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=120), st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_judged(text: str, said: str, before: str) -> None:
    decision = speak(shipped(), text, said, before)
    assert (decision.text == "") or decision.verdict in (Verdict.ALLOW, Verdict.REWRITE)
    assert all("rule failed" not in v.reason for v in decision.verdicts)
    assert shipped().caller(Proposal(Effect.SPEAK, "c", 1, "k", caller_said=text)).verdicts
