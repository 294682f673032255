"""Consent: nothing by silence, everything on record, and what is on record is what is in force."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.consent import (
    ALWAYS_ASKED,
    SCOPES,
    Answer,
    Consents,
    Event,
    Output,
    RecordConsent,
    RecordWithdrawal,
    Scope,
    Withdrawal,
    in_force,
)

ASKED = "sha256:" + "a" * 64
BOTH: tuple[Scope, ...] = ("record", "transcript")


def run(consents: Consents, *events: Event) -> tuple[Consents, list[Output]]:
    outputs: list[Output] = []
    for event in events:
        consents, some = consents.step(event)
        outputs += some
    return consents, outputs


def test_a_yes_gives_every_scope_of_the_question_with_the_words_it_answers() -> None:
    consents, outputs = run(Consents(frozenset(BOTH)), Answer(BOTH, True, "voice", ASKED, 7))
    assert outputs == [
        RecordConsent("record", True, "voice", ASKED, 7),
        RecordConsent("transcript", True, "voice", ASKED, 7),
    ]
    assert all(consents.given(scope) and consents.allows(scope) for scope in BOTH)


def test_refusing_to_be_recorded_refuses_to_be_written_down() -> None:
    consents, outputs = run(Consents(), Answer(("record",), False, "keypad", ASKED, 7))
    assert outputs == [
        RecordConsent("record", False, "keypad", ASKED, 7),
        RecordConsent("transcript", False, "keypad", "", 7),  # that was not among the words
    ]
    assert not consents.allows("transcript")


def test_silence_grants_nothing_whatever_it_is_said_to_mean() -> None:
    consents, outputs = run(Consents(), Answer(BOTH, True, "default", ASKED, 7))
    assert [o.given for o in outputs if isinstance(o, RecordConsent)] == [False, False]
    assert not consents.granted


def test_taking_the_recording_back_takes_the_text_back_but_not_the_other_way_round() -> None:
    given_, _ = run(Consents(), Answer(BOTH, True, "voice", ASKED))
    one, outputs = run(given_, Withdrawal(("transcript",), "voice", 20))
    assert outputs == [RecordWithdrawal("transcript", "voice", 20)]
    assert one.given("record")
    none, outputs = run(given_, Withdrawal(("record",), "keypad", 20))
    assert outputs == [RecordWithdrawal("record", "keypad", 20), RecordWithdrawal("transcript", "keypad", 20)]
    assert not none.granted


def test_the_text_alone_is_not_granted_to_who_may_not_be_recorded() -> None:
    consents, outputs = run(
        Consents(), Answer(("record",), False, "voice"), Answer(("transcript",), True, "voice", ASKED, 9)
    )
    assert not consents.given("transcript")
    assert outputs[2:] == []  # the refusal stands, and is on record already


def test_objecting_to_what_nobody_asked_about_is_on_record_once() -> None:
    consents, outputs = run(
        Consents(), Withdrawal(("record",), "voice", 3), Withdrawal(("record",), "voice", 9)
    )
    assert outputs == [RecordWithdrawal("record", "voice", 3), RecordWithdrawal("transcript", "voice", 3)]
    assert not consents.allows("transcript")


def test_whoever_changes_their_mind_when_asked_again_is_believed() -> None:
    consents, outputs = run(
        Consents(), Answer(BOTH, False, "voice", ASKED), Answer(BOTH, True, "voice", ASKED)
    )
    assert [o.given for o in outputs if isinstance(o, RecordConsent)] == [False, False, True, True]
    assert consents.granted == frozenset(BOTH)


@pytest.mark.parametrize(
    ("scope", "required", "allowed"),
    [
        ("transcript", (), True), ("transcript", BOTH, False), ("supplier", (), True),
        ("supplier", ("supplier",), False), ("record", (), False), ("training", (), False),
        ("listening", (), False), ("callback", (), True),
    ],
)  # fmt: skip
def test_before_any_answer(scope: Scope, required: tuple[Scope, ...], allowed: bool) -> None:
    assert Consents(frozenset(required)).allows(scope) is allowed


SOME = st.lists(st.sampled_from(SCOPES), min_size=1, max_size=4).map(tuple)
EVENTS = st.one_of(
    st.builds(
        Answer, SOME, st.booleans(), st.sampled_from(["voice", "keypad", "default", "stored"]),
        st.sampled_from(["", ASKED]), st.integers(0, 900),
    ),
    st.builds(Withdrawal, SOME, st.sampled_from(["voice", "keypad"]), st.integers(0, 900)),
)  # fmt: skip


@given(st.frozensets(st.sampled_from(SCOPES)), st.lists(EVENTS, max_size=20))
def test_what_is_recorded_is_what_is_in_force(required: frozenset[Scope], events: list[Event]) -> None:
    consents, recorded = Consents(required), list[Output]()
    for event in events:
        before = consents
        consents, outputs = consents.step(event)
        recorded += outputs
        assert in_force(recorded) == consents.granted
        assert not consents.granted & consents.refused
        assert not ("transcript" in consents.granted and "record" in consents.refused)
        # only changes are put on record, and every change is
        assert bool(outputs) == ((consents.granted, consents.refused) != (before.granted, before.refused))
        new = consents.granted - before.granted
        assert new <= set(event.scopes)
        assert not new or (isinstance(event, Answer) and event.given and event.how != "default")
        for scope in SCOPES:
            if scope in required | ALWAYS_ASKED:
                assert consents.allows(scope) == consents.given(scope)
            else:
                assert consents.allows(scope) == (scope not in consents.refused)


def test_training_falls_with_the_text_and_only_where_it_had_been_given() -> None:
    given = Answer((*BOTH, "training"), True, "voice", ASKED)
    for taken in ("record", "transcript"):
        consents, outputs = run(Consents(), given, Withdrawal((taken,), "voice", 9))  # type: ignore[arg-type]
        assert outputs[-1] == RecordWithdrawal("training", "voice", 9)
        assert not consents.allows("training")
    _, outputs = run(Consents(), Withdrawal(("record",), "voice", 9))
    assert [o.scope for o in outputs] == ["record", "transcript"]
    refused, _ = run(
        Consents(), Withdrawal(("record",), "voice"), Answer(("training",), True, "voice", ASKED)
    )
    assert not refused.allows("training")
