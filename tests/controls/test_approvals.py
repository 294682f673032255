"""A use that waits for a person: on record, cleared once, and only behind a durable grant."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import approval as a
from controls.approval import ApprovalState as State
from controls.approvals import Request, Signature, UseFacts, still_signed
from controls.decision import Ask, Verdict
from controls.errors import ConfigurationError, InternalError, LedgerError
from controls.gate import Gate
from controls.gate_values import Outcome
from controls.rules.engine import Rules
from controls.rules.pack_files import parse_pack
from tests.controls.rules.packs import pack, rule
from tests.simulators.recorder import MemoryRecorder

CALL, RELEASE = "c_7Q2MZ0G4D9RWX3KA", "sha256:" + "a" * 64
USE, OTHER = "u_7Q2MZ0G4D9RWX3KA", "u_7Q2MZ0G4D9RWX3KB"
NOW = 1_790_000_000.5
KEYS = {name: Ed25519PrivateKey.from_private_bytes(name[0].encode() * 32) for name in ("anna", "ben")}
FACTS = UseFacts("medium", "confirmed", True)
ASKING: dict[str, Any] = {
    "when": "tool", "tools": ["refund"], "if": {"cel": "args.amount > 100"}, "then": "approve", "say": {},
    "ask": {"role": "compliance", "within_s": 60, "else": "refuse"}, "annex_a": ["A.9.2"],
    "catches": [{"tool": "refund", "args": {"amount": 101}}],
    "lets_pass": [{"tool": "refund", "args": {"amount": 100}}],
}  # fmt: skip

NEVER = rule("never", **(ASKING | {
    "if": {"cel": "args.amount > 500"}, "then": "block", "say": {"en-US": "No."}, "ask": None,
    "catches": [{"tool": "refund", "args": {"amount": 501}}],
}))  # fmt: skip


def asking(name: str = "large", **changes: Any) -> dict[str, Any]:
    return rule(name, **(ASKING | changes))


def make(*rules: dict[str, Any]) -> tuple[Gate, MemoryRecorder]:
    recorder = MemoryRecorder()
    compiled = Rules.compile([pack(*(rules or (asking(),)))])
    gate = Gate(recorder=recorder, tenant="clinic", call=CALL, rules=compiled, language="en-US")
    gate.bind(RELEASE, {})
    return gate, recorder


def use(gate: Gate, amount: float = 400, use: str = USE, ask: Ask | None = None) -> Outcome:
    return gate.tool(
        use, "refund", {"amount": amount}, 3, risk="medium", read_back="confirmed", idempotent=True, ask=ask
    )


def request(gate: Gate, outcome: Outcome, **changes: Any) -> Request:
    return gate.approvals.request(outcome.decision, FACTS, **({"shown": "the words", "now_s": NOW} | changes))


def decide(
    gate: Gate, asked: Request, word: a.Word = "granted", *, who: str = "anna", after_s: float = 7,
    edited: dict[str, Any] | None = None,
) -> bool:  # fmt: skip
    key = KEYS[who]
    made = key.sign(a.statement(asked.about, word, edited))
    by = "p_" + who[0].upper() * 16
    signature = Signature(by, who, key.public_key().public_bytes_raw(), made, note="a note")
    return gate.approvals.decide(asked.approval.use, word, signature, NOW + after_s, edited)[0]


def test_nothing_is_cleared_or_recorded_before_somebody_is_asked() -> None:
    gate, recorder = make()
    outcome = use(gate)
    assert outcome.decision.verdict is Verdict.APPROVE
    assert outcome.decision.ask == Ask("compliance", 60, "refuse")
    assert (outcome.cleared, outcome.receipt) == (None, None)
    assert recorder.types() == ["release.bound"]
    assert use(gate, 100, OTHER).cleared is not None, "what no rule asks about goes its usual way"


def test_a_request_and_its_grant_on_record() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    [(record, sealed)] = recorder.of("approval.requested")
    assert (record.role, record.expires_at, record.risk, record.use) == ("compliance", int(NOW) + 60, 50, USE)
    assert (sealed.tool, sealed.arguments, sealed.shown, sealed.decoy) == (
        "refund", {"amount": 400}, "the words", False,
    )  # fmt: skip
    assert decide(gate, asked)
    [(granted, details)] = recorder.of("approval.granted")
    assert (granted.by, granted.label, granted.after_s, granted.nonce) == (
        "p_" + "A" * 16, "server_attested", 7, record.nonce,
    )  # fmt: skip
    assert (details.who, details.note) == ("anna", "a note")
    assert details.shown == "", "what was shown stands with the request alone"
    assert still_signed(record, sealed.shown, granted, details, RELEASE)
    assert not still_signed(record, sealed.shown, granted, details, "sha256:" + "b" * 64)
    other = details.model_copy(update={"arguments": {"amount": 4}})
    assert not still_signed(record, sealed.shown, granted, other, RELEASE)
    assert not still_signed(record, "other words", granted, details, RELEASE)


def test_the_use_is_cleared_once_and_only_behind_the_durable_grant() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    with pytest.raises(PermissionError):
        gate.approved(USE)
    recorder.delayed = True
    assert decide(gate, asked)
    with pytest.raises(PermissionError):
        gate.approved(USE)
    recorder.delayed = False
    recorder.commit()
    with pytest.raises(PermissionError):
        gate.approved(USE)  # durable, but nobody has looked
    assert gate.approvals.settle(USE) is State.GRANTED
    outcome = gate.approved(USE)
    assert outcome.cleared is not None
    assert outcome.cleared.id == USE
    assert recorder.types()[-3:] == ["approval.requested", "approval.granted", "tool.requested"]
    assert recorder.of("tool.requested")[0][1].arguments == {"amount": 400}
    with pytest.raises(PermissionError):
        gate.approved(USE)


@pytest.mark.parametrize("how", ["failing", "late"])
def test_a_grant_that_is_not_durable_clears_nothing(how: str) -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    recorder.failing, recorder.delayed = how == "failing", how == "late"
    assert decide(gate, asked)
    assert gate.approvals.settle(USE) is State.REFUSED
    recorder.failing = False
    recorder.commit()
    assert gate.approvals.settle(USE) is State.REFUSED
    with pytest.raises(PermissionError):
        gate.approved(USE)


def test_a_decision_the_ledger_does_not_take_decides_nothing() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    recorder.refusing = True
    with pytest.raises(LedgerError):
        decide(gate, asked)
    assert asked.approval.state is State.REQUESTED
    recorder.refusing = False
    assert decide(gate, asked, "refused", who="ben")


def test_a_signature_over_something_else_decides_nothing() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    other = request(gate, use(gate, 500, OTHER))
    key = KEYS["anna"]
    made = key.sign(a.statement(other.about, "granted"))  # of another request: its nonce is not this one's
    signature = Signature("p_" + "A" * 16, "anna", key.public_key().public_bytes_raw(), made)
    with pytest.raises(PermissionError):
        gate.approvals.decide(USE, "granted", signature, NOW, None)
    refusal = Signature(
        "p_" + "A" * 16, "anna", key.public_key().public_bytes_raw(),
        key.sign(a.statement(asked.about, "refused")),
    )  # fmt: skip
    with pytest.raises(PermissionError):
        gate.approvals.decide(USE, "granted", refusal, NOW, None)
    assert asked.approval.state is State.REQUESTED
    assert "approval.granted" not in recorder.types()


def test_who_comes_second_is_on_record_as_late() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    assert decide(gate, asked, "refused")
    assert not decide(gate, asked, "granted", who="ben")
    [(late, details)] = recorder.of("approval.late")
    assert (late.by, late.verdict, details.who) == ("p_" + "B" * 16, "granted", "ben")
    assert still_signed(recorder.of("approval.requested")[0][0], "the words", late, details, RELEASE)
    with pytest.raises(PermissionError):
        gate.approved(USE)


def test_a_grant_past_the_time_is_late_behind_the_expiry() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    assert not decide(gate, asked, after_s=61)
    assert recorder.types()[-2:] == ["approval.expired", "approval.late"]


def test_an_edit_becomes_another_use_that_is_judged_again() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    assert decide(gate, asked, "edited", edited={"amount": 90})
    assert gate.approvals.settle(USE) is State.EDITED
    [(edited, details)] = recorder.of("approval.edited")
    assert edited.becomes == asked.becomes != USE
    assert details.edited == {"amount": 90}
    with pytest.raises(PermissionError):
        gate.approved(USE)
    with pytest.raises(PermissionError):
        gate.approved(asked.becomes)
    assert use(gate, 90, asked.becomes).cleared is not None, "no rule asks about so little"
    with pytest.raises(ValueError, match="edit"):
        gate.approvals.decide(USE, "edited", Signature("p", "x", b"", b""), NOW, None)


def test_a_decoy_is_never_carried_out() -> None:
    gate, recorder = make()
    asked = request(gate, use(gate), decoy=True)
    assert recorder.of("approval.requested")[0][1].decoy
    assert "decoy" not in recorder.of("approval.requested")[0][0].model_dump_json()
    assert decide(gate, asked)
    assert gate.approvals.settle(USE) is State.GRANTED
    with pytest.raises(PermissionError, match="decoy"):
        gate.approved(USE)


def test_what_cannot_be_signed_is_not_asked_for() -> None:
    gate, recorder = make()
    with pytest.raises(ValueError, match="canonical"):
        request(gate, use(gate, 2**60))
    assert recorder.types() == ["release.bound"]
    outcome = use(gate, 1, OTHER)
    with pytest.raises(InternalError):
        request(gate, outcome)


# --- who asks --------------------------------------------------------------------------------------


def test_nobody_can_grant_what_a_rule_refuses() -> None:
    gate, recorder = make(asking(), NEVER)
    outcome = use(gate, 1000)
    assert outcome.decision.verdict is Verdict.BLOCK
    assert outcome.decision.ask is None
    assert recorder.types()[-1] == "tool.refused"
    with pytest.raises(InternalError):
        request(gate, outcome)


def test_an_agent_may_ask_besides_the_rules_and_shorten_the_time() -> None:
    gate, _ = make()
    ours = Ask("compliance", 20, "handoff")
    assert use(gate, 1, USE, ours).decision.ask == ours
    assert use(gate, 400, OTHER, ours).decision.ask == Ask("compliance", 20, "handoff")
    longer = Ask("compliance", 200)
    assert use(gate, 400, "u_" + "0" * 16, longer).decision.ask == Ask("compliance", 60)
    stranger = use(gate, 400, "u_" + "1" * 16, Ask("somebody-else", 60))
    assert stranger.decision.ask is None
    assert stranger.cleared is None, "two roles cannot answer for one another: nobody is asked"


def test_a_rule_that_breaks_refuses_and_does_not_ask() -> None:
    breaks = asking(**{"if": {"cel": "args.amount > 100 && args.missing == 1"}})
    breaks |= {"catches": [{"tool": "refund", "args": {"amount": 101, "missing": 1}}]}
    gate, recorder = make(breaks)
    assert use(gate).decision.verdict is Verdict.BLOCK
    assert recorder.types()[-1] == "tool.refused"


def test_two_rules_that_ask_two_roles_about_one_tool_are_named() -> None:
    other = asking("other", ask={"role": "owner", "within_s": 60, "else": "refuse"})
    with pytest.raises(ConfigurationError, match="made-up/large asks compliance about the same tool"):
        make(asking(), other)
    make(asking(), other | {"tools": ["book"]} | {
        "catches": [{"tool": "book", "args": {"amount": 101}}],
        "lets_pass": [{"tool": "book", "args": {"amount": 100}}],
    })  # fmt: skip


FILE = """
format: 1
pack: money
title: Money
owner: compliance
reviewed: 2026-11-02
languages: [en-US]
rules:
  - name: large-refunds
    when: tool
    tools: [refund]
    if: {cel: args.amount > 100}
    then: approve
    ask: {role: compliance, within_s: 60, else: handoff}
    risk: 70
    annex_a: [A.9.2]
    because: a person answers for large sums, says the test
    catches: [{tool: refund, args: {amount: 101}}]
    lets_pass: [{tool: refund, args: {amount: 100}}]
"""


def test_a_rule_file_that_asks() -> None:
    rules = Rules.compile([parse_pack(FILE, "money.yaml")])
    assert rules.asks("refund") == (("money/large-refunds", Ask("compliance", 60, "handoff")),)
    assert rules.asks("book") == ()


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        ("    ask: {role: compliance, within_s: 60, else: handoff}\n", "", "rules[0].ask", "says nobody"),
        ("then: approve", "then: handoff", "rules[0].ask", "belongs to"),
        ("when: tool\n    tools: [refund]", "when: agent_says", "rules[0].then", "only a tool's use"),
        ("else: handoff", "else: grant", "rules[0].ask.else", ""),
        ("within_s: 60", "within_s: 6000", "rules[0].ask.within_s", ""),
    ],
)
def test_a_mistake_in_it_is_named(old: str, new: str, field: str, message: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigurationError) as error:
        parse_pack(FILE.replace(old, new), "money.yaml")
    assert any(p.field == field and message in p.message for p in error.value.problems), str(error.value)


# --- whatever happens, in whatever order ----------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["granted", "edited", "refused", "taken_over"]), st.sampled_from(["anna", "ben"]),
            st.integers(0, 80),
        ),
        st.sampled_from(["settle", "commit", "fail", "hang up", "interrupt", "take", "tick"]),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(STEPS)
def test_the_use_is_made_at_most_once_and_only_behind_a_durable_grant(steps: list[Any]) -> None:
    gate, recorder = make()
    asked = request(gate, use(gate))
    recorder.delayed = True
    made = 0
    for step in steps:
        match step:
            case (word, who, after_s):
                decide(gate, asked, word, who=who, after_s=after_s,
                       edited={"amount": 90} if word == "edited" else None)  # fmt: skip
            case "settle":
                gate.approvals.settle(USE)
            case "tick":
                gate.approvals.tick(USE, NOW + 60)
            case "hang up" | "interrupt":
                gate.approvals.withdraw(USE, "hung_up" if step == "hang up" else "interrupted")
            case "commit" | "fail":
                recorder.failing = step == "fail"
                recorder.commit()
                recorder.failing = False
            case "take":
                durable = "approval.granted" in recorder.types()
                try:
                    outcome = gate.approved(USE)
                except PermissionError:
                    continue
                assert durable, "made before its grant was durable"
                assert outcome.cleared is not None
                made += 1
    recorder.failing = False
    recorder.commit()
    types = recorder.types()
    assert made <= 1
    assert types.count("tool.requested") == made
    ends = ("granted", "edited", "refused", "taken_over")
    assert sum(types.count(f"approval.{end}") for end in ends) <= 1
    assert types.count("approval.expired") + types.count("approval.abandoned") <= 1
    assert types.count("approval.requested") == 1
