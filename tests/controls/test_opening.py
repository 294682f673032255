"""Disclosure and consent: nobody converses with a caller who has not been told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.consent import Consents, Scope, in_force
from controls.opening import (
    AGAIN,
    CLINICAL_END,
    CLINICAL_START,
    DISCLOSURE,
    Answered,
    Asked,
    Back,
    Consent,
    Cut,
    End,
    Ending,
    Event,
    Gone,
    Objected,
    Opening,
    OpeningState,
    Output,
    Played,
    Proceed,
    Question,
    RecordConsent,
    RecordDisclosure,
    RecordFailure,
    RecordWithdrawal,
    Remember,
    Say,
    Suppliers,
    ToPerson,
)

DIGEST = "sha256:" + "a" * 64
RECORD = Question("ask.us-all-party.record", ("record", "transcript"), DIGEST)
SUPPLIER = Question("ask.us-ca.supplier", ("supplier",), "sha256:" + "b" * 64, needed=True)
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


def asking(*questions: Question, **fields: object) -> Opening:
    """An opening with these questions; what they are about is not done without a yes."""
    required = frozenset(scope for question in questions for scope in question.scopes)
    return Opening(questions, Consents(required), **fields)  # type: ignore[arg-type]


def put(question: Question, full: bool = True) -> Played:
    return Played(question.phrase, full, 900 if full else 300, 900)


def gave(given_: bool, how: str = "voice", *scopes: Scope, asked: str = DIGEST) -> list[RecordConsent]:
    return [RecordConsent(s, given_, how, asked, 0) for s in scopes or RECORD.scopes]  # type: ignore[arg-type]


# --- questions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["voice", "keypad"])
@pytest.mark.parametrize("yes", [True, False])
def test_recording_is_asked_for(how: str, yes: bool) -> None:
    asked, outputs = run(asking(RECORD), Answered(), FULL)
    assert outputs[-1] == Say(RECORD.phrase, 1)
    assert not asked.finished
    done, outputs = run(asked, put(RECORD), Consent(yes, how))  # type: ignore[arg-type]
    assert outputs == [*gave(yes, how), Proceed(recorded=yes)]
    assert done.finished
    assert done.consents.allows("transcript") is yes


def test_a_second_neither_nor_is_a_no() -> None:
    _, outputs = run(asking(RECORD), Answered(), FULL, put(RECORD), Consent(None), put(RECORD), Consent(None))
    assert outputs[-4:] == [Say(RECORD.phrase, 2), *gave(False, "default"), Proceed(recorded=False)]


def test_several_are_asked_in_order_and_another_company_listens_only_after_its_own() -> None:
    events = (Answered(), FULL, put(SUPPLIER), Consent(True, "keypad", 9), put(RECORD), Consent(False))
    done, outputs = run(asking(SUPPLIER, RECORD), *events)
    assert outputs == [
        Suppliers(False),
        Say(DISCLOSURE, 1),
        RecordDisclosure(1, True, 6000, 6000, 400),
        Say(SUPPLIER.phrase, 1),
        RecordConsent("supplier", True, "keypad", SUPPLIER.asked, 9),
        Suppliers(True),
        Say(RECORD.phrase, 1),
        *gave(False),
        Proceed(recorded=False),
    ]
    assert done.finished


def test_without_the_company_that_listens_a_person_is_fetched_and_with_nobody_there_it_is_asked_again() -> (
    None
):
    opening, outputs = run(
        asking(SUPPLIER, RECORD), Answered(), FULL, put(SUPPLIER), Consent(False, "keypad")
    )
    assert outputs[-1] == ToPerson("rule")
    assert not any(isinstance(o, Suppliers) and o.allowed for o in outputs)
    _, outputs = run(opening, Back(), Played(AGAIN, True, 1, 1), put(SUPPLIER), Consent(True, "keypad"))
    assert outputs[:2] == [Say(AGAIN, 1), Say(SUPPLIER.phrase, 1)]
    assert outputs[-2:] == [Suppliers(True), Say(RECORD.phrase, 1)]


def test_a_yes_before_the_question_is_out_waits_for_it() -> None:
    asked, _ = run(asking(RECORD), Answered(), FULL)
    early, outputs = run(asked, Consent(True, "keypad", 4))
    assert outputs == []
    done, outputs = run(early, put(RECORD))
    assert [o.at_s for o in outputs if isinstance(o, RecordConsent)] == [4, 4]
    assert done.consents.given("record")
    again, outputs = run(early, put(RECORD, full=False))  # they have not heard what they agreed to
    assert outputs == [Say(RECORD.phrase, 2)]
    assert not again.consents.granted


def test_a_no_need_not_wait() -> None:
    _, outputs = run(asking(RECORD), Answered(), FULL, Consent(False, "keypad"))
    assert outputs[-4:] == [Cut(), *gave(False, "keypad"), Proceed(recorded=False)]


def test_words_that_answer_nothing_while_it_sounds_do_not_count() -> None:
    asked, _ = run(asking(RECORD), Answered(), FULL)
    assert run(asked, Consent(None), Consent(None), Consent(None)) == (asked, [])


def test_a_question_that_cannot_be_played_is_a_no_and_no_failure_of_the_call() -> None:
    done, outputs = run(asking(RECORD), Answered(), FULL, put(RECORD, False), put(RECORD, False))
    assert outputs[-3:] == [*gave(False, "default"), Proceed(recorded=False)]
    assert done.finished


def test_an_objection_answers_the_question_that_is_asked() -> None:
    _, outputs = run(asking(RECORD), Answered(), FULL, put(RECORD), Objected())
    assert outputs[-3:] == [*gave(False), Proceed(recorded=False)]


def test_an_objection_to_more_than_is_asked_counts_for_all_of_it() -> None:
    events = (Answered(), FULL, put(SUPPLIER), Consent(True, "keypad"), put(RECORD))
    asked, _ = run(asking(SUPPLIER, RECORD), *events)
    _, outputs = run(asked, Objected("voice", ("record", "supplier"), 8))
    refused = RecordConsent("record", False, "voice", DIGEST, 8)
    assert outputs[:2] == [RecordWithdrawal("supplier", "voice", 8), refused]
    assert Suppliers(False) in outputs
    assert outputs[-1] == Say(SUPPLIER.phrase, 1)  # without it the agent understands nobody


def test_who_objects_during_the_disclosure_is_not_asked_any_more() -> None:
    done, outputs = run(asking(RECORD), Answered(), Objected(at_s=2), FULL)
    withdrawn = [RecordWithdrawal(scope, "voice", 2) for scope in RECORD.scopes]
    assert [o for o in outputs if isinstance(o, RecordWithdrawal)] == withdrawn
    assert outputs[-1] == Proceed(recorded=False)
    assert done.finished


def test_consent_is_taken_back_in_mid_conversation_and_nothing_ends() -> None:
    opened, _ = run(asking(RECORD), Answered(), FULL, put(RECORD), Consent(True))
    after, outputs = run(opened, Objected("keypad", ("record", "transcript"), 50))
    assert outputs == [RecordWithdrawal(scope, "keypad", 50) for scope in RECORD.scopes]
    assert after.finished
    assert not after.consents.granted


def test_who_takes_back_what_the_agent_needs_gets_a_person() -> None:
    opened, _ = run(asking(SUPPLIER), Answered(), FULL, put(SUPPLIER), Consent(True, "keypad"))
    after, outputs = run(opened, Objected("keypad", ("supplier",), 50))
    assert outputs == [RecordWithdrawal("supplier", "keypad", 50), Suppliers(False), ToPerson("rule")]
    back, outputs = run(after, Back(), Played(AGAIN, True, 1, 1), put(SUPPLIER), Consent(True, "keypad"))
    assert not any(isinstance(o, Proceed) for o in outputs)  # the conversation had begun, and goes on
    assert back.finished


# --- opting out, coming back, the clinical disclaimer --------------------------------------------------


@pytest.mark.parametrize("begun", [(Answered(),), (Answered(), FULL)])
def test_opting_out_takes_everything_back_is_remembered_and_ends_the_call(begun: tuple[Event, ...]) -> None:
    opening, _ = run(Opening(), *begun)
    ended, outputs = run(opening, Asked("opt_out", "voice", 5))
    expected = [RecordWithdrawal("callback", "voice", 5), Remember(), End("opted_out")]
    assert outputs == ([Cut()] if len(begun) == 1 else []) + expected
    assert ended.state is OpeningState.ENDED
    assert run(ended, Back(), Asked("opt_out"), Objected(), FULL)[1] in (
        [],
        [RecordDisclosure(1, True, 6000, 6000, 400)],
    )


def test_opting_out_withdraws_what_was_given() -> None:
    opened, _ = run(asking(RECORD), Answered(), FULL, put(RECORD), Consent(True))
    _, outputs = run(opened, Asked("opt_out"))
    assert [o.scope for o in outputs if isinstance(o, RecordWithdrawal)] == [
        "record",
        "transcript",
        "callback",
    ]


def test_who_opted_out_before_is_not_asked_and_is_not_written_down() -> None:
    done, outputs = run(asking(RECORD, opted_out=True), Answered(), FULL)
    stored = [o for o in outputs if isinstance(o, RecordConsent)]
    assert {o.scope for o in stored} == {"record", "transcript", "listening", "training", "callback"}
    assert {(o.given, o.how, o.asked) for o in stored} == {(False, "stored", "")}
    assert [o for o in outputs if isinstance(o, Say)] == [Say(DISCLOSURE, 1)]
    assert not done.consents.allows("transcript")
    assert done.finished


def test_the_agent_says_that_it_is_the_ai_again_after_a_hand_back() -> None:
    opened, _ = run(Opening(), Answered(), FULL)
    again, outputs = run(opened, Back())
    assert outputs == [Say(AGAIN, 1)]
    assert again.finished
    assert run(again, Played(AGAIN, True, 1, 1))[1] == []


def test_a_hand_back_during_a_question_goes_on_with_it() -> None:
    events = (Answered(), FULL, Asked("person"), put(RECORD, False), Back(), Played(AGAIN, True, 1, 1))
    _, outputs = run(asking(RECORD), *events)
    assert outputs[-2:] == [Say(AGAIN, 1), Say(RECORD.phrase, 1)]
    # somebody was fetched for another reason, which the opening is not told of
    _, outputs = run(asking(RECORD), Answered(), FULL, put(RECORD), Back(), Played(AGAIN, True, 1, 1))
    assert outputs[-2:] == [Say(AGAIN, 1), Say(RECORD.phrase, 1)]


def test_the_clinical_disclaimer_frames_the_conversation() -> None:
    opened, outputs = run(Opening(clinical=True), Answered(), FULL, Played(CLINICAL_START, True, 1, 1))
    assert outputs[-2:] == [Say(CLINICAL_START, 1), Proceed(recorded=False)]
    ended, outputs = run(opened, Ending(), Ending())
    assert outputs == [Say(CLINICAL_END, 1)]
    assert ended.finished  # the caller may come back from the goodbye
    assert run(run(Opening(), Answered(), FULL)[0], Ending())[1] == []


def test_a_disclaimer_that_cannot_be_played_leads_to_a_person() -> None:
    cut = Played(CLINICAL_START, False, 0, 1)
    failed, outputs = run(Opening(clinical=True, attempts_max=2), Answered(), FULL, cut, cut)
    assert outputs[-3:] == [Say(CLINICAL_START, 2), RecordFailure(2), ToPerson("failure")]
    assert run(failed, Back())[1] == []


# --- any order of events ---------------------------------------------------------------------------------

PHRASES = st.sampled_from(
    [DISCLOSURE, AGAIN, CLINICAL_START, CLINICAL_END, RECORD.phrase, SUPPLIER.phrase, "other"]
)
HOW = st.sampled_from(["voice", "keypad"])
EVENTS = st.one_of(
    st.just(Answered()),
    st.builds(
        Played, PHRASES, st.booleans(), st.integers(0, 9000), st.integers(0, 9000), st.integers(0, 9000)
    ),
    st.builds(Asked, st.sampled_from(["emergency", "person", "key_0", "opt_out"]), HOW),
    st.builds(Consent, st.sampled_from([True, False, None]), HOW),
    st.builds(Objected, HOW, st.sampled_from([("record",), ("record", "transcript"), ("supplier",)])),
    st.just(Back()),
    st.just(Ending()),
    st.just(Gone()),
)
OPENINGS = st.builds(
    asking,
    st.just(SUPPLIER),
    st.just(RECORD),
    clinical=st.booleans(), opted_out=st.booleans(), attempts_max=st.integers(1, 4),
) | st.builds(
    asking, st.just(RECORD),
    clinical=st.booleans(), opted_out=st.booleans(), attempts_max=st.integers(1, 4),
) | st.builds(
    Opening, clinical=st.booleans(), opted_out=st.booleans(), attempts_max=st.integers(1, 4),
)  # fmt: skip


@st.composite
def _walks(draw: st.DrawFn) -> tuple[Opening, list[Event]]:
    """An opening and events, of which most are the one the machine waits for: deep walks, not refusals."""
    start = opening = draw(OPENINGS)
    events: list[Event] = []
    for _ in range(draw(st.integers(0, 30))):
        likely: list[st.SearchStrategy[Event]] = [EVENTS]
        if opening.state is OpeningState.WAITING:
            likely = [st.just(Answered())] * 4 + likely
        elif opening.playing:
            played = st.builds(Played, st.just(opening.playing), st.booleans(), st.just(1), st.just(1))
            likely = [played] * 4 + likely
        elif opening.asking or opening.state is OpeningState.ASKING:
            likely = [st.builds(Consent, st.sampled_from([True, False, None]), HOW)] * 3 + likely
        elif opening.state in (OpeningState.PERSON, OpeningState.OPEN):
            likely = [st.just(Back()), *likely]
        event = draw(st.one_of(likely))
        events.append(event)
        opening, _ = opening.step(event)
    return start, events


@settings(max_examples=500, deadline=None)
@given(_walks())
def test_whatever_happens(walk: tuple[Opening, list[Event]]) -> None:
    """Walks the machine under any order of interruptions, keys, answers, hand-backs, emergencies and ends."""
    opening, events = walk
    told = False
    proceeded = said = accounted = 0
    since_back: dict[str, int] = {}
    recorded: list[RecordConsent | RecordWithdrawal] = []
    needs = "supplier" in opening.consents.required
    may_hear = not needs
    for event in events:
        before = opening
        opening, outputs = opening.step(event)
        if isinstance(event, Back):
            since_back.clear()
        for output in outputs:
            match output:
                case RecordDisclosure():
                    accounted += 1
                    told = told or output.in_full
                case Say(phrase, attempt) if phrase == DISCLOSURE:
                    said += 1
                    assert attempt == said <= opening.attempts_max
                case Say(phrase):
                    since_back[phrase] = since_back.get(phrase, 0) + 1
                    assert told or phrase == AGAIN
                    if phrase in (RECORD.phrase, SUPPLIER.phrase):
                        assert since_back[phrase] <= 2 + (before.state is OpeningState.PERSON)
                case RecordConsent() | RecordWithdrawal():
                    recorded.append(output)
                    if isinstance(output, RecordConsent) and output.given:
                        # nothing by silence, and nothing before the question had been played
                        assert output.how in ("voice", "keypad")
                        assert before.state is OpeningState.ASKING
                        assert not before.playing or (isinstance(event, Played) and event.full)
                case Suppliers(allowed):
                    may_hear = allowed
                    assert not allowed or "supplier" in in_force(recorded)
                case Proceed():
                    proceeded += 1
                    assert told
                    assert output.recorded == ("record" in in_force(recorded))
                    assert all(opening.consents.answered(s) for q in opening.questions for s in q.scopes)
                    assert not needs or "supplier" in in_force(recorded)
                    assert opening.disclaimed or not opening.clinical
                case End():
                    assert isinstance(event, Asked)
                    assert event.wanted == "opt_out"
        assert accounted <= said
        assert proceeded <= 1
        assert opening.proceeded == bool(proceeded)
        # the record says what is in force, at every moment, and so does what suppliers were told
        assert in_force(recorded) == opening.consents.granted
        if before.state is not OpeningState.WAITING or opening.state is OpeningState.DISCLOSING:
            assert may_hear == opening.consents.allows("supplier")
        if opening.opted_out:
            assert not opening.consents.granted & {"record", "transcript"}
        # refusing ends nothing: only the caller's end and opting out do
        if opening.state is OpeningState.ENDED and before.state is not OpeningState.ENDED:
            assert isinstance(event, Gone) or (isinstance(event, Asked) and event.wanted == "opt_out")
        if before.state is OpeningState.ENDED:
            assert opening.state is OpeningState.ENDED
            assert all(isinstance(o, RecordDisclosure) for o in outputs)  # the account of what was cut
        if isinstance(event, Asked) and event.wanted == "emergency" and before.state in (
            OpeningState.WAITING, OpeningState.DISCLOSING, OpeningState.ASKING, OpeningState.PERSON
        ):  # fmt: skip
            assert outputs[-1] == ToPerson("emergency")
        assert opening.finished == (opening.state is OpeningState.OPEN)
        assert not opening.finished or proceeded


@settings(max_examples=200)
@given(
    OPENINGS,
    st.lists(st.booleans(), min_size=40, max_size=40),
    st.lists(st.sampled_from([True, False, None]), min_size=40, max_size=40),
)
def test_whoever_answers_every_output_comes_to_an_end(
    opening: Opening, full: list[bool], answers: list[bool | None]
) -> None:
    plays, said = iter(full), iter(answers)
    opening, _ = opening.step(Answered())
    for _ in range(30):
        if opening.playing:
            opening, _ = opening.step(Played(opening.playing, next(plays), 1, 1))
        elif opening.state is OpeningState.ASKING:
            opening, _ = opening.step(Consent(next(said)))
        else:
            break
    assert opening.state in (OpeningState.OPEN, OpeningState.PERSON)
    assert opening.finished == opening.proceeded
