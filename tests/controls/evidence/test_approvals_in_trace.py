"""What people decided, in trace and page; uses that left without their grant, by tampered orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.approval import Word, statement
from controls.approvals import Approvals, Signature, UseFacts
from controls.decision import Ask, Decision, Effect, Proposal, RuleVerdict, Verdict
from controls.evidence import shape as s
from controls.evidence.approvals import faults
from controls.evidence.occasions.actions import Actions
from controls.evidence.occasions.tally import Call, Tallies, Terms
from controls.evidence.page import _FAULTS, render
from controls.evidence.summary import summary
from controls.evidence.trace import trace
from controls.evidence.turns import Opened
from controls.ids import new_id
from controls.ledger import records as r
from tests.controls.evidence import calls
from tests.controls.evidence.counted import NOW, ORIGIN, register
from tests.controls.evidence.test_page import PROOF
from tests.simulators.recorder import MemoryRecorder

TERMS = Terms(suppliers=register(), cleared_below=100, now=NOW, settle_s=86_400)
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
ANNA, BEN = "p_" + "A" * 16, "p_" + "B" * 16


class Asked:
    """A call in which a person was really asked: every record is made by what makes them in a call."""

    def __init__(self) -> None:
        self.script = calls.CallScript()
        calls.opening(self.script)
        calls.said(self.script, 1, "give me my money back")
        self.recorder = MemoryRecorder()
        self.approvals = Approvals(recorder=self.recorder, tenant="clinic", call=self.script.call)
        self.approvals.release = calls.RELEASE
        self.use = new_id("u")

    def ask(self, *, decoy: bool = False) -> None:
        proposal = Proposal(
            Effect.TOOL, self.script.call, 1, self.use, language="en-US", tool="refund",
            arguments={"amount": 40},
        )  # fmt: skip
        ask = Ask("compliance", 60, "handoff")
        found = RuleVerdict("agent/approval", Verdict.APPROVE, ("A.9.2",), 50, "asks", ask=ask)
        decision = Decision(proposal, Verdict.APPROVE, (found,), 50, "")
        self.approvals.request(
            decision,
            UseFacts("medium", "none", True),
            shown="caller: give it back",
            now_s=1000.0,
            decoy=decoy,
        )

    def decide(self, word: Word, by: str = ANNA, at_s: float = 1007.0, **edited: object) -> None:
        request = self.approvals.get(self.use)
        assert request is not None
        signed = statement(request.about, word, edited or None)
        signature = Signature(
            by, "Anna", KEY.public_key().public_bytes_raw(), KEY.sign(signed), note="as agreed"
        )
        self.approvals.decide(self.use, word, signature, at_s, edited or None)
        self.approvals.settle(self.use)

    def used(self, verdict: Verdict = Verdict.APPROVE) -> None:
        details = r.ToolDetails(
            name="refund",
            arguments={"amount": 40},
            verdicts=(calls.found("agent/approval", verdict, "A.9.2"),),
        )
        common = {"tenant": "clinic", "call": self.script.call, "turn": 1, "use": self.use}
        self.recorder.append(
            r.ToolRequested(**common, risk="medium", read_back="none", idempotent=True), details
        )
        self.recorder.append(r.ToolExecuted(**common, ok=True, status=200, duration_ms=9), details)

    def opened(self, order: Sequence[int] | None = None) -> list[Opened]:
        """All records as a log would hold them, what people did in that order."""
        made = self.recorder.records
        first = self.script.first_leaf + len(self.script.opened)
        kept = [made[i] for i in (order if order is not None else range(len(made)))]
        n = len(self.script.opened)
        return [
            *self.script.opened,
            *(
                (first + i, record.model_copy(update={"n": n + i, "at": 1_790_000_000 + first + i}), sealed)
                for i, (record, sealed) in enumerate(kept)
            ),
        ]


def granted() -> Asked:
    asked = Asked()
    asked.ask()
    asked.decide("granted")
    asked.used()
    return asked


def whats(opened: Sequence[Opened]) -> list[str]:
    return [fault.what for fault in faults(opened)]


def judged(opened: Sequence[Opened]) -> dict[str, tuple[int, int]]:
    """Passed and failed of what coverage makes of these, by topic."""
    actions = Actions(Call(ORIGIN, "c_0", TERMS), bound=True)
    for leaf, record, _ in opened:
        actions.add(leaf, record)
    actions.ended = True
    tallies = Tallies()
    actions.finish(tallies)
    return {topic: (tallies[topic].passed, tallies[topic].failed) for topic in ("tool", "approval")}


def test_a_turn_tells_who_was_asked_what_they_decided_and_how_long_it_took() -> None:
    asked = granted()
    asked.decide("refused", by=BEN)
    found = trace(asked.opened())
    [approval] = found.turns[1].approvals
    assert (approval.role, approval.outcome, approval.by, approval.who) == (
        "compliance",
        "granted",
        ANNA,
        "Anna",
    )
    assert (approval.label, approval.after_s, approval.note) == ("server_attested", 7, "as agreed")
    assert (approval.tool, approval.arguments, approval.edited) == ("refund", {"amount": 40}, None)
    assert approval.expires_at == datetime.fromtimestamp(1060, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    [late] = approval.late
    assert (late.verdict, late.by) == ("refused", BEN)
    assert found.faults == []


def test_what_was_changed_is_told_before_and_after() -> None:
    asked = Asked()
    asked.ask()
    asked.decide("edited", amount=20)
    [approval] = trace(asked.opened()).turns[1].approvals
    assert (approval.arguments, approval.edited) == ({"amount": 40}, {"amount": 20})
    assert approval.becomes is not None
    page = render(trace(asked.opened()), None, PROOF).decode()
    assert "changed to" in page
    assert "became u_" in page


@pytest.mark.parametrize(("how", "reason"), [("expired", "handoff"), ("abandoned", "hung_up")])
def test_what_nobody_decided(how: str, reason: str) -> None:
    asked = Asked()
    asked.ask()
    if how == "expired":
        asked.approvals.tick(asked.use, 1060.0)
    else:
        asked.approvals.withdraw(asked.use, "hung_up")
    [approval] = trace(asked.opened()).turns[1].approvals
    assert (approval.outcome, approval.reason, approval.by) == (how, reason, None)


def test_sealed_content_shows_only_where_it_was_opened() -> None:
    sealed: list[Opened] = [
        (leaf, record, None if isinstance(record, r.ApprovalRecord) else personal)
        for leaf, record, personal in granted().opened()
    ]
    found = trace(sealed)
    [approval] = found.turns[1].approvals
    assert (approval.outcome, approval.by, approval.after_s) == ("granted", ANNA, 7)
    sealed_away = (approval.who, approval.tool, approval.arguments, approval.shown, approval.decoy)
    assert sealed_away == (None,) * 5
    page = render(found, None, PROOF).decode()
    assert "(erased)" in page
    assert "Anna" not in page


def test_the_page_tells_it_in_words() -> None:
    asked = granted()
    asked.decide("refused", by=BEN)
    page = render(trace(asked.opened()), None, PROOF).decode()
    for told in (
        "Was a person asked before a tool was used", "granted; 1 decision too late", "signed by the server",
        "too late: refused at", "after 7 s",
    ):  # fmt: skip
        assert told in page, told
    assert "without a person" not in page


def test_the_command_line_tells_it_in_lines() -> None:
    asked = granted()
    asked.decide("refused", by=BEN)
    text = "\n".join(map(str, summary(trace(asked.opened()))))
    assert "compliance was asked about refund → granted after 7 s by Anna (server_attested)" in text
    assert "too late: refused by Anna" in text
    text = "\n".join(map(str, summary(trace(granted().opened((0, 2, 1, 3))))))
    assert "USED WITHOUT GRANT: " in text
    edited = Asked()
    edited.ask()
    edited.decide("edited", amount=20)
    text = "\n".join(map(str, summary(trace(edited.opened()))))
    assert "changed: {'amount': 40} → {'amount': 20}, as u_" in text


def test_where_the_agent_was_stopped_in_the_call() -> None:
    script = calls.CallScript()
    calls.opening(script)
    calls.said(script, 1, "hello")
    script.add(r.CallStopped, turn=1, scope="tenant")
    found = trace(script.opened)
    assert [(x.turn, x.scope) for x in found.stops] == [(1, "tenant")]
    assert "STOPPED (tenant) at" in "\n".join(map(str, summary(found)))
    page = render(found, None, PROOF).decode()
    assert "A person stopped all of the tenant" in page
    assert "Did a person stop the agent" in page


# --- tampered orders ---------------------------------------------------------------------------------


def test_an_honest_record_has_no_fault() -> None:
    opened = granted().opened()
    assert faults(opened) == []
    assert judged(opened) == {"tool": (1, 0), "approval": (1, 0)}


@pytest.mark.parametrize(
    ("order", "what"),
    [
        ((0, 2, 1, 3), "used_without_grant"),  # the grant came after the use had left
        ((2, 0, 1, 3), "used_before_grant"),  # nobody had been asked by then
        ((0, 2, 3), "used_without_grant"),  # the grant was taken out
        ((0, 2, 3, 1), "used_without_grant"),
    ],
)
def test_a_grant_that_does_not_stand_before_the_use_is_a_fault(order: tuple[int, ...], what: str) -> None:
    opened = granted().opened(order)
    assert whats(opened) == [what]
    assert judged(opened)["approval"] == (0, 1)
    found = trace(opened)
    [fault] = found.faults
    left = next(leaf for leaf, record, _ in opened if isinstance(record, r.ToolRequested))
    assert fault.leaf == left
    assert "Was a tool used without a person" in render(found, None, PROOF).decode()


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(4)))
def test_whatever_the_order_only_the_honest_one_passes(order: Sequence[int]) -> None:
    at = {i: order.index(i) for i in range(4)}
    honest = at[0] < at[1] < at[2]
    assert (whats(granted().opened(order)) == []) is honest


def test_a_use_whose_request_was_taken_out_is_found_in_its_opened_verdicts() -> None:
    asked = granted()
    assert whats(asked.opened((2, 3))) == ["nobody_asked"]
    allowed = Asked()
    allowed.used(Verdict.ALLOW)
    assert whats(allowed.opened()) == []


def test_a_grant_of_another_request_grants_nothing() -> None:
    asked = granted()
    record, sealed = asked.recorder.records[1]
    asked.recorder.records[1] = (record.model_copy(update={"nonce": "n_" + "0" * 64}), sealed)
    assert whats(asked.opened()) == ["used_without_grant"]


def test_a_decision_that_was_changed_afterwards_is_no_longer_signed() -> None:
    asked = granted()
    record, sealed = asked.recorder.records[1]
    assert sealed is not None
    asked.recorder.records[1] = (record, sealed.model_copy(update={"arguments": {"amount": 4000}}))
    assert whats(asked.opened()) == ["not_signed"]


@pytest.mark.parametrize("word", ["refused", "taken_over", "expired", "hung_up"])
def test_what_was_not_granted_and_used_all_the_same(word: str) -> None:
    asked = Asked()
    asked.ask()
    if word == "expired":
        asked.approvals.tick(asked.use, 1060.0)
    elif word == "hung_up":
        asked.approvals.withdraw(asked.use, "hung_up")
    else:
        asked.decide(word)  # type: ignore[arg-type]
    asked.used()
    assert whats(asked.opened()) == ["used_without_grant"]
    assert judged(asked.opened())["tool"] == (0, 1)


def test_a_grant_used_twice_and_a_decoy_that_was_used() -> None:
    twice = granted()
    twice.used()
    assert whats(twice.opened()) == ["used_twice"]
    decoy = Asked()
    decoy.ask(decoy=True)
    decoy.decide("granted")
    decoy.used()
    assert whats(decoy.opened()) == ["decoy_used"]


def test_every_kind_of_fault_has_words() -> None:
    assert set(_FAULTS) == set(get_args(s.FaultKind))
