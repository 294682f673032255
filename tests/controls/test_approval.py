"""An action that a person decides first: one decision counts, a passed time never grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import approval as a
from controls.approval import ApprovalState as State
from controls.approval_rates import Decided, rates

USE = "u_7Q2MZ0G4D9RWX3KA"
ANNA, BEN = "p_00000000000000AA", "p_00000000000000BB"
ASKED = 1_790_000_000.0


def asked(**changes: Any) -> a.Approval:
    return a.Approval(USE, "n_" + "0" * 64, ASKED, ASKED + 60, **changes)


def run(approval: a.Approval, *events: a.Event) -> tuple[a.Approval, list[a.Output]]:
    outputs: list[a.Output] = []
    for event in events:
        approval, some = approval.step(event)
        outputs += some
    return approval, outputs


def decide(word: a.Word = "granted", by: str = ANNA, after_s: float = 5, **arguments: Any) -> a.Decide:
    return a.Decide(word, by, ASKED + after_s, arguments)


def test_a_grant_has_its_effect_once_it_is_durable() -> None:
    decided, outputs = run(asked(), decide())
    assert (decided.state, outputs) == (State.DECIDED, [a.RecordDecision(decide())])
    granted, outputs = run(decided, a.Durable())
    assert (granted.state, outputs) == (State.GRANTED, [a.Run()])
    assert run(granted, a.Durable(), a.Lost(), a.Tick(ASKED + 99), a.Withdraw("hung_up")) == (granted, [])


def test_a_grant_whose_record_is_lost_has_none() -> None:
    lost, outputs = run(asked(), decide(), a.Lost(), a.Durable())
    assert lost.state is State.REFUSED
    assert outputs[1:] == [a.Refuse("unrecorded")]


def test_an_edit_proposes_and_never_runs() -> None:
    edit = decide("edited", day="Monday")
    edited, outputs = run(asked(), edit, a.Durable())
    assert edited.state is State.EDITED
    assert outputs == [a.RecordDecision(edit), a.Propose({"day": "Monday"})]


@pytest.mark.parametrize(
    ("word", "state", "told"),
    [("refused", State.REFUSED, a.Refuse("person")), ("taken_over", State.TAKEN_OVER, a.HandOff())],
)
def test_what_is_not_to_be_done_waits_for_no_record(word: a.Word, state: State, told: a.Output) -> None:
    after, outputs = run(asked(), decide(word))
    assert after.state is state
    assert outputs == [a.RecordDecision(decide(word)), told]


@pytest.mark.parametrize(("otherwise", "told"), [("refuse", a.Refuse("expired")), ("handoff", a.HandOff())])
def test_a_passed_time_refuses_or_hands_off(otherwise: a.Otherwise, told: a.Output) -> None:
    assert run(asked(), a.Tick(ASKED + 59.9))[1] == []
    after, outputs = run(asked(otherwise=otherwise), a.Tick(ASKED + 60))
    assert after.state is State.EXPIRED
    assert outputs == [a.RecordExpired(otherwise), told]


def test_a_grant_after_the_time_is_late_even_if_nobody_looked_at_the_clock() -> None:
    after, outputs = run(asked(), decide(after_s=60), a.Durable())
    assert after.state is State.EXPIRED
    assert outputs == [a.RecordExpired("refuse"), a.Refuse("expired"), a.RecordLate(decide(after_s=60))]


@pytest.mark.parametrize("second", ["granted", "edited", "refused", "taken_over"])
def test_two_at_once_the_first_counts_and_the_other_is_late(second: a.Word) -> None:
    late = decide(second, by=BEN)
    after, outputs = run(asked(), decide(), late, a.Durable())
    assert after.state is State.GRANTED
    assert after.decision == decide()
    assert outputs == [a.RecordDecision(decide()), a.RecordLate(late), a.Run()]


@pytest.mark.parametrize("before", [(), (decide(),), (decide("edited", day="Monday"),)])
def test_nothing_is_done_once_nobody_waits(before: tuple[a.Event, ...]) -> None:
    after, outputs = run(asked(), *before, a.Withdraw("hung_up"), a.Durable(), decide(by=BEN))
    assert after.state is State.ABANDONED
    assert a.RecordAbandoned("hung_up") in outputs
    assert not [x for x in outputs if isinstance(x, a.Run | a.Propose)]


EVENTS = st.one_of(
    st.builds(
        a.Decide,
        st.sampled_from(["granted", "edited", "refused", "taken_over"]),
        st.sampled_from([ANNA, BEN]),
        st.integers(0, 90).map(lambda s: ASKED + s),
    ),
    st.integers(0, 90).map(lambda s: a.Tick(ASKED + s)),
    st.sampled_from([a.Withdraw("hung_up"), a.Withdraw("interrupted"), a.Withdraw("stopped")]),
    st.sampled_from([a.Durable(), a.Lost()]),
)


@settings(max_examples=600, deadline=None)
@given(st.lists(EVENTS, max_size=12), st.booleans(), st.sampled_from(["refuse", "handoff"]))
def test_whatever_happens_at_most_one_outcome_counts(
    events: list[a.Event], decoy: bool, otherwise: a.Otherwise
) -> None:
    approval = asked(decoy=decoy, otherwise=otherwise)
    outputs: list[a.Output] = []
    decided: list[a.Decide] = []
    for event in events:
        done = approval.done
        after, some = approval.step(event)
        assert not done or after is approval, "nothing follows an end"
        for output in some:
            if isinstance(output, a.RecordDecision):
                decided.append(output.decision)
            if isinstance(output, a.Run | a.Propose):
                assert isinstance(event, a.Durable), "only behind its durable record"
                assert approval.decision is decided[0]
        approval, outputs = after, outputs + list(some)
    effects = [x for x in outputs if isinstance(x, a.Run | a.Propose | a.Refuse | a.HandOff)]
    assert len(effects) == (1 if approval.done and not decoy else 0)
    assert len(decided) <= 1, "one decision counts"
    late = [x.decision for x in outputs if isinstance(x, a.RecordLate)]
    asked_for = [e for e in events if isinstance(e, a.Decide)]
    assert sorted(map(id, [*decided, *late])) == sorted(map(id, asked_for)), "each decision is on record once"
    if any(isinstance(x, a.Run) for x in effects):
        assert decided[0].word == "granted"
        assert decided[0].at_s < approval.expires_at_s
    assert sum(isinstance(x, a.RecordExpired | a.RecordAbandoned) for x in outputs) <= 1


# --- what is signed --------------------------------------------------------------------------------

SUBJECT = a.Subject(
    call="c_7Q2MZ0G4D9RWX3KA", use=USE, release="sha256:" + "a" * 64, nonce="n_" + "1" * 64,
    expires_at=1_790_000_060, tool="refund", arguments={"amount": 40, "to": "ana"}, shown="what was shown",
    salt="5" * 64,
)  # fmt: skip
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw()


def test_the_statement_is_canonical_and_bound_to_its_purpose() -> None:
    signed = a.statement(SUBJECT, "granted")
    assert signed.startswith(a.CONTEXT + b'{"arguments":"hmac-sha256:')
    assert b"ana" not in signed
    reordered = replace(SUBJECT, arguments={"to": "ana", "amount": 40})
    assert a.statement(reordered, "granted") == signed
    assert a.signed_by(PUBLIC, KEY.sign(signed), signed)


@pytest.mark.parametrize(
    "changed",
    [
        {"call": "c_7Q2MZ0G4D9RWX3KB"}, {"use": "u_7Q2MZ0G4D9RWX3KB"}, {"release": "sha256:" + "b" * 64},
        {"nonce": "n_" + "2" * 64}, {"expires_at": 1_790_000_061}, {"tool": "refunds"},
        {"arguments": {"amount": 41, "to": "ana"}}, {"shown": "what was not shown"}, {"salt": "6" * 64},
    ],
)  # fmt: skip
def test_no_part_of_it_can_be_exchanged(changed: dict[str, Any]) -> None:
    made = KEY.sign(a.statement(SUBJECT, "granted"))
    assert not a.signed_by(PUBLIC, made, a.statement(replace(SUBJECT, **changed), "granted"))


def test_a_signed_refusal_is_no_grant_and_an_edit_names_its_arguments() -> None:
    made = KEY.sign(a.statement(SUBJECT, "refused"))
    assert not a.signed_by(PUBLIC, made, a.statement(SUBJECT, "granted"))
    edit = a.statement(SUBJECT, "edited", {"amount": 20, "to": "ana"})
    assert not a.signed_by(
        PUBLIC, KEY.sign(edit), a.statement(SUBJECT, "edited", {"amount": 21, "to": "ana"})
    )


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_nonsense_is_no_signature(public: bytes, made: bytes) -> None:
    assert not a.signed_by(public, made, a.statement(SUBJECT, "granted"))


MASKED = replace(SUBJECT, kept={"amount": 40, "to": "[name]"}, secret="7" * 64)
ON_RECORD = replace(SUBJECT, arguments={"amount": 40, "to": "[name]"})


def says(signed: bytes, about: a.Subject = ON_RECORD, **more: Any) -> bool:
    return a.states(signed, about, "granted", masked=lambda arguments: "[name]" in arguments.values(), **more)


def test_a_statement_over_masked_arguments_can_be_told_by_the_record_and_not_undone() -> None:
    signed = a.statement(MASKED, "granted")
    assert says(signed)
    exact = a.arguments_mac("refund", SUBJECT.arguments, SUBJECT.salt)
    assert exact.encode() not in signed, "under the sealed salt the value could be tried out"
    assert not says(signed, replace(ON_RECORD, arguments={"amount": 41, "to": "[name]"}))
    assert not says(a.statement(replace(MASKED, kept={"amount": 1, "to": "[name]"}), "granted"))
    assert a.statement(replace(MASKED, arguments={"amount": 40, "to": "eve"}), "granted") != signed


def test_only_where_something_is_masked_may_a_statement_hide_what_it_is_over() -> None:
    hidden = a.statement(replace(MASKED, arguments={"amount": 9999}, kept={"amount": 40}), "granted")
    assert not says(hidden, replace(SUBJECT, arguments={"amount": 40}))
    assert says(a.statement(SUBJECT, "granted"), SUBJECT), "what hides nothing is signed as ever"


@given(st.binary(max_size=200))
def test_nonsense_states_nothing(signed: bytes) -> None:
    assert not says(signed)
    assert not says(a.CONTEXT + signed)


def test_what_has_no_canonical_form_cannot_be_signed() -> None:
    for amount in (float("nan"), float("inf"), 2**60):
        with pytest.raises(ValueError, match="canonical"):
            a.statement(replace(SUBJECT, arguments={"amount": amount}), "granted")


# --- how people decide -----------------------------------------------------------------------------


def test_rates_of_a_hurried_and_of_a_careful_person() -> None:
    hurried = [
        Decided(ANNA, "granted", 1),
        Decided(ANNA, "granted", 2),
        Decided(ANNA, "granted", 1, decoy=True),
    ]
    found = rates(hurried, expired=3, late=1)
    assert (found.decided, found.approval_rate, found.median_s) == (2, 1.0, 1.0)
    assert (found.decoys, found.caught, found.expired, found.late) == (1, 0, 3, 1)
    careful = [
        Decided(BEN, "refused", 20), Decided(BEN, "edited", 30), Decided(BEN, "refused", 10, decoy=True),
        Decided(BEN, "taken_over", 40, decoy=True),
    ]  # fmt: skip
    found = rates(careful)
    assert (found.approval_rate, found.median_s, found.decoys, found.caught) == (0.5, 25.0, 2, 2)


def test_rates_of_nobody() -> None:
    found = rates([])
    assert (found.decided, found.approval_rate, found.median_s, found.decoys) == (0, None, None, 0)
