"""The risk score: bounded, monotone, made of its reasons; and what its limits do to a decision."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.decision import Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.risk import (
    MOST,
    NEVER,
    RISK_RULE,
    UNSCORED_RULE,
    CallRisk,
    Circumstances,
    Limits,
    RiskModel,
    spoken_amounts,
)
from controls.risk_file import RiskFile, parse_risk
from controls.rules.matchers import words
from tests.controls.rules.packs import ROOT

FILE = "configs/risk.yaml"
CALL = "c_7Q2MZ0G4D9RWX3KA"


@lru_cache(maxsize=1)
def shipped() -> RiskFile:
    return parse_risk((ROOT / FILE).read_text(encoding="utf-8"), FILE)


@lru_cache(maxsize=1)
def model() -> RiskModel:
    return RiskModel(shipped(), Limits(block_at=95, approve_at=80))


def clause(text: str, said: str = "", language: str = "en-US") -> Proposal:
    return Proposal(Effect.SPEAK, CALL, 1, "k", text=text, caller_said=said, language=language)


def tool(said: str = "", **arguments: Any) -> Proposal:
    return Proposal(Effect.TOOL, CALL, 1, "u", tool="book", arguments=arguments, caller_said=said)


def named(proposal: Proposal, found: int = 0, around: Circumstances | None = None) -> dict[str, int]:
    score = model().score(proposal, found, around or Circumstances())
    return {reason.feature: reason.points for reason in score.reasons}


def decided(proposal: Proposal, verdict: Verdict = Verdict.ALLOW, risk: int = 0) -> Decision:
    found = RuleVerdict("made-up/rule", verdict, ("A.9.4",), risk, "a reason")
    return Decision(proposal, verdict, (found,), risk, proposal.text)


# --- what counts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proposal", "around", "expected"),
    [
        (clause("Tuesday it is."), Circumstances(), {}),
        (clause("Tuesday it is."), Circumstances(confidence=0.3), {"unsure-recognition": 8}),
        (clause("Tuesday it is."), Circumstances(confidence=0.6), {}),
        (clause("Ok.", "I'm in a hurry"), Circumstances(), {"pressed-for-time": 10}),
        (clause("Ok.", "I'm fourteen years old"), Circumstances(), {"caller-may-be-a-minor": 20}),
        (clause("Ok.", "I'm forty years old"), Circumstances(), {}),
        (clause("Ok.", "I am 140 years old"), Circumstances(), {}),
        (clause("Ok.", "I'm 15 minutes late"), Circumstances(), {}),
        (
            clause("The refund is 700 dollars."), Circumstances(),
            {"large-amount": 20, "many-numbers": 2, "topic-money": 10},
        ),
        (clause("It is $5.50."), Circumstances(), {"many-numbers": 2}),
        (tool(deposit=650), Circumstances("low"), {"large-amount": 20}),
        (tool(deposit="$1,200.00"), Circumstances("low"), {"large-amount": 20}),
        (tool(room=650), Circumstances("low"), {}),
        (tool(nested={"lines": [{"amount": 900}]}), Circumstances("low"), {"large-amount": 20}),
        (tool(), Circumstances("medium", first_use=True), {"tool-class": 15, "first-use": 5}),
        (tool(), Circumstances("high", undoable=False), {"tool-class": 30, "no-undo": 20}),
        (tool(), Circumstances(), {"tool-class": 30}),  # a class nobody gave is taken for high
        (
            clause("Vale.", "tengo prisa", "es-US"), Circumstances(),
            {"unreviewed-language": 6, "pressed-for-time": 10},
        ),
        (clause("Ja.", "", "de-DE"), Circumstances(), {"unreviewed-language": 30}),
    ],
)  # fmt: skip
def test_features(proposal: Proposal, around: Circumstances, expected: dict[str, int]) -> None:
    assert named(proposal, 0, around) == expected


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("120 dollars", [120.0]),
        ("$120.50", [120.5]),
        ("It costs 1,200 euros.", [1200.0]),
        ("a hundred and twenty euros", [120.0]),
        ("two million dollars", [2_000_000.0]),
        ("1.50 dollars", [1.5]),
        ("We open at 9. 5 dollars is the fee.", [5.0]),
        ("120 people, and dollars", []),
        ("ciento veinte dólares", [120.0]),
        ("dollars", []),
    ],
)
def test_amounts(text: str, amounts: list[float]) -> None:
    assert list(spoken_amounts(words(text))) == amounts


# --- properties -------------------------------------------------------------------------------------

_SAID = st.sampled_from(
    [
        "",
        "I'm in a hurry",
        "I'm a kid",
        "I'm confused and in a rush",
        "on tuesday",
        "no entiendo, tengo prisa",
    ]
)
_TEXT = st.sampled_from(
    [
        "Tuesday at ten.",
        "Your refund is $700.",
        "Take your medication, the fee is 20 dollars.",
        "1 2 3 4 5 6",
        "",
    ]
)
_AROUND = st.builds(
    Circumstances,
    tool_class=st.sampled_from(["", "low", "medium", "high"]),
    undoable=st.booleans(),
    first_use=st.booleans(),
    confidence=st.none() | st.floats(0, 1),
)
_PROPOSAL = st.builds(clause, _TEXT, _SAID, st.sampled_from(["en-US", "es-US", "xx"])) | st.builds(
    tool, _SAID, amount=st.integers(0, 2000), note=_TEXT
)


@given(_PROPOSAL, st.integers(0, 100), _AROUND)
def test_bounded_deterministic_and_made_of_its_reasons(
    proposal: Proposal, found: int, around: Circumstances
) -> None:
    score = model().score(proposal, found, around)
    assert found <= score.points <= MOST
    assert sum(reason.points for reason in score.reasons) == score.points
    assert len({reason.feature for reason in score.reasons}) == len(score.reasons)
    assert model().score(proposal, found, around) == score


@settings(max_examples=60)
@given(_PROPOSAL, st.integers(0, 100), _AROUND, st.data())
def test_more_features_or_more_points_never_lower_a_score(
    proposal: Proposal, found: int, around: Circumstances, data: st.DataObject
) -> None:
    whole = list(shipped().features)
    kept = [f for f in whole if f.looks_at == "findings" or data.draw(st.booleans())]
    fewer = [f.model_copy(update={"points": data.draw(st.integers(1, f.points))}) for f in kept]
    less = RiskModel(shipped().model_copy(update={"features": tuple(fewer)}))
    assert less.score(proposal, found, around).points <= model().score(proposal, found, around).points


@given(_PROPOSAL, st.integers(0, 100), _AROUND)
def test_worse_circumstances_never_lower_a_score(
    proposal: Proposal, found: int, around: Circumstances
) -> None:
    worse = Circumstances("high", undoable=False, first_use=True, confidence=0.0)
    assert model().score(proposal, found, worse).points >= model().score(proposal, found, around).points
    assert model().score(proposal, 100, around).points == MOST


_VERDICTS = st.sampled_from(list(Verdict))


@given(_PROPOSAL, _VERDICTS, st.integers(0, 100), _AROUND, st.integers(1, 101), st.integers(1, 101))
def test_limits_only_tighten(
    proposal: Proposal, verdict: Verdict, risk: int, around: Circumstances, block_at: int, approve_at: int
) -> None:
    before = decided(proposal, verdict, risk)
    after = model().with_limits(Limits(block_at, approve_at)).weigh(before, around)
    assert after.risk >= before.risk
    assert after.risk == sum(reason.points for reason in after.reasons)
    mild = (Verdict.ALLOW, Verdict.REWRITE)
    if after.verdict is verdict:
        if verdict in mild:
            assert after.risk < block_at
            assert proposal.effect is Effect.SPEAK or after.risk < approve_at
            assert after.text == before.text
        return
    assert verdict in (*mild, Verdict.APPROVE)
    assert after.verdict is (Verdict.BLOCK if after.risk >= block_at else Verdict.APPROVE)
    assert after.text == ""
    assert after.verdicts[0].rule == RISK_RULE
    assert after.verdicts[0].risk == after.risk
    assert set(after.verdicts[1:]) == {f for f in before.verdicts if f.verdict is not Verdict.ALLOW}


def test_a_clause_is_never_asked_about() -> None:
    weighed = model().with_limits(Limits(NEVER, 1)).weigh(decided(clause("Ok.", "I'm in a hurry")))
    assert (weighed.verdict, weighed.risk) == (Verdict.ALLOW, 10)


def test_why_something_was_stopped_names_the_features_and_no_words_of_anybody() -> None:
    weighed = model().with_limits(Limits(10)).weigh(decided(clause("Ok.", "I'm in a hurry")))
    assert weighed.verdict is Verdict.BLOCK
    assert weighed.verdicts[0].reason == "the risk of 10 reaches the limit of 10: pressed-for-time"
    assert weighed.phrase == "fallback"


@pytest.mark.parametrize("broken", ["in_said", "score"])
def test_what_cannot_be_scored_is_blocked(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    mine = RiskModel(shipped())
    monkeypatch.setattr(mine, broken, fail)
    weighed = CallRisk(mine).weigh(decided(clause("Ok.", "hello")))
    assert (weighed.verdict, weighed.risk, weighed.text) == (Verdict.BLOCK, MOST, "")
    assert weighed.verdicts[0].rule == UNSCORED_RULE


def test_the_first_use_of_a_tool_is_the_first_that_was_cleared() -> None:
    call = CallRisk(RiskModel(shipped()))
    uses = [call.weigh(decided(tool()), Circumstances("low")).risk for _ in range(2)]
    call.cleared("other")
    uses.append(call.weigh(decided(tool()), Circumstances("low")).risk)
    call.cleared("book")
    uses.append(call.weigh(decided(tool()), Circumstances("low")).risk)
    assert uses == [5, 5, 5, 0]


def test_newer_words_of_the_caller_replace_the_older() -> None:
    call = CallRisk(model())
    said = ["I'm in a hurry", "I'm in a hurry", "on tuesday", ""]
    assert [call.weigh(decided(clause("Ok.", x))).risk for x in said] == [10, 10, 0, 0]


@given(
    st.integers(1, 101), st.integers(1, 101), st.none() | st.integers(1, 100), st.none() | st.integers(1, 100)
)
def test_limits_can_only_be_lowered(a: int, b: int, block: int | None, approve: int | None) -> None:
    before = Limits(a, b, "compliance")
    after = before.tightened(block, approve)
    assert after.block_at <= before.block_at and after.approve_at <= before.approve_at
    assert block is None or after.block_at <= block
    assert after.approve_by == "compliance"


def test_the_digest_is_of_the_features() -> None:
    other = shipped().features[1].model_copy(update={"points": 31})
    changed = RiskModel(shipped().model_copy(update={"features": (shipped().features[0], other)}))
    assert changed.digest != model().digest == RiskModel(shipped()).digest


def test_scoring_costs_less_than_judging_may() -> None:
    """0.2 ms a clause; the fastest of many rounds, so that a busy machine proves nothing."""
    call = CallRisk(model())
    decision = decided(
        clause(
            "There is a cancellation fee of $550, and your deposit comes back on Tuesday at ten.",
            "I'm in a hurry and I don't remember, can you just do it right now please",
        )
    )
    best = 1.0
    for _ in range(200):
        started = time.perf_counter()
        call.weigh(decision, Circumstances(confidence=0.3))
        best = min(best, time.perf_counter() - started)
    assert best < 0.000_2
