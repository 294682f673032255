"""Disclosure and consent: nobody converses with a caller who has not been told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.opening import (
    ASK_RECORDING,
    DISCLOSURE,
    Answered,
    Asked,
    Back,
    Consent,
    Cut,
    End,
    Event,
    Gone,
    Opening,
    OpeningState,
    Output,
    Played,
    Proceed,
    RecordConsent,
    RecordDisclosure,
    RecordFailure,
    Say,
    ToPerson,
)

FULL = Played(DISCLOSURE, True, 6000, 6000, 400)
CUT = Played(DISCLOSURE, False, 2100, 6000, 400)


def run(opening: Opening, *events: Event) -> tuple[Opening, list[Output]]:
    outputs: list[Output] = []
    for event in events:
        opening, some = opening.step(event)
        outputs += some
    return opening, outputs


def test_told_in_full_and_on() -> None:
    opening, outputs = run(Opening(), Answered(), FULL)
    assert outputs == [
        Say(DISCLOSURE, 1),
        RecordDisclosure(1, True, 6000, 6000, 400),
        Proceed(recorded=False),
    ]
    assert opening.finished


def test_cut_short_it_is_offered_again() -> None:
    opening, outputs = run(Opening(), Answered(), CUT, FULL)
    assert [o for o in outputs if isinstance(o, Say)] == [Say(DISCLOSURE, 1), Say(DISCLOSURE, 2)]
    assert [o.in_full for o in outputs if isinstance(o, RecordDisclosure)] == [False, True]
    assert opening.finished


def test_what_cannot_be_played_leads_to_a_person() -> None:
    opening, outputs = run(Opening(attempts_max=2), Answered(), CUT, CUT)
    assert outputs[-2:] == [RecordFailure(2), ToPerson("failure")]
    assert not opening.finished
    assert run(opening, Back())[1] == []  # it could not be played, and so the agent may not converse


@pytest.mark.parametrize(
    ("wanted", "then"),
    [
        ("emergency", ToPerson("emergency")),
        ("person", ToPerson("caller_voice")),
        ("key_0", ToPerson("caller_key")),
        ("opt_out", End("opted_out")),
    ],
)
def test_what_acts_at_once_cuts_the_disclosure(wanted: str, then: Output) -> None:
    opening, outputs = run(Opening(), Answered(), Asked(wanted), CUT)  # type: ignore[arg-type]
    assert outputs == [Say(DISCLOSURE, 1), Cut(), then, RecordDisclosure(1, False, 2100, 6000, 400)]
    assert not opening.finished


def test_an_emergency_overtakes_a_request_for_a_person() -> None:
    _, outputs = run(Opening(), Answered(), Asked("person"), Asked("emergency"))
    assert outputs[-1] == ToPerson("emergency")


def test_with_nobody_free_the_disclosure_comes_first() -> None:
    opening, outputs = run(Opening(), Answered(), Asked("person"), CUT, Back())
    assert outputs[-1] == Say(DISCLOSURE, 2)
    assert run(opening, FULL)[0].finished


def test_recording_is_asked_for() -> None:
    asked, outputs = run(Opening(ask_recording=True), Answered(), FULL)
    assert outputs[-1] == Say(ASK_RECORDING, 1)
    assert not asked.finished
    put, _ = run(asked, Played(ASK_RECORDING, True, 900, 900))
    for given_, recorded in ((True, True), (False, False)):
        done, outputs = run(put, Consent(given_))
        assert outputs == [RecordConsent(given_, "voice"), Proceed(recorded=recorded)]
        assert done.finished


def test_no_answer_is_no_consent() -> None:
    _, outputs = run(Opening(ask_recording=True), Answered(), FULL, Consent(None), Consent(None))
    assert outputs[-3:] == [Say(ASK_RECORDING, 2), RecordConsent(False, "default"), Proceed(recorded=False)]


EVENTS = st.one_of(
    st.just(Answered()),
    st.builds(
        Played,
        st.sampled_from([DISCLOSURE, ASK_RECORDING, "other"]),
        st.booleans(), st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 9000),
    ),
    st.builds(Asked, st.sampled_from(["emergency", "person", "key_0", "opt_out"])),
    st.builds(Consent, st.sampled_from([True, False, None])),
    st.just(Back()),
    st.just(Gone()),
)  # fmt: skip


@settings(max_examples=500)
@given(st.booleans(), st.integers(1, 4), st.lists(EVENTS, max_size=25))
def test_nobody_proceeds_undisclosed(ask: bool, attempts: int, events: list[Event]) -> None:
    opening = Opening(ask_recording=ask, attempts_max=attempts)
    told = consented = False
    proceeded = 0
    said = accounted = 0
    for event in events:
        before = opening
        opening, outputs = opening.step(event)
        for output in outputs:
            if isinstance(output, RecordDisclosure):
                accounted += 1
                told = told or output.in_full
            if isinstance(output, Say) and output.phrase == DISCLOSURE:
                said += 1
                assert output.attempt == said <= attempts
            if isinstance(output, RecordConsent):
                consented = output.given
            if isinstance(output, Proceed):
                proceeded += 1
                assert told
                assert not output.recorded or (ask and consented)
        assert accounted <= said
        if before.state is OpeningState.ENDED:
            # nothing but the account of what was cut
            assert all(isinstance(o, RecordDisclosure) for o in outputs)
    assert proceeded <= 1
    assert opening.finished == (opening.state is OpeningState.OPEN)


@given(st.booleans(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_whoever_answers_every_output_comes_to_an_end(ask: bool, full: list[bool]) -> None:
    opening, waiting = Opening(ask_recording=ask, attempts_max=3).step(Answered())
    plays = iter(full)
    for _ in range(10):
        says = [o for o in waiting if isinstance(o, Say)]
        if not says:
            break
        if says[0].phrase == DISCLOSURE:
            opening, waiting = opening.step(Played(DISCLOSURE, next(plays), 1, 1))
        else:
            opening, _ = opening.step(Played(ASK_RECORDING, True, 1, 1))
            opening, waiting = opening.step(Consent(None))
    assert opening.state in (OpeningState.OPEN, OpeningState.PERSON)
    assert opening.finished == any(full[:3])
