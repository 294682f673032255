"""The stop switch: one person stops at once; two different persons resume, once it is on record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls import stop as s
from controls.errors import OperatorError

ANNA, BEN, CEM = (s.Person(id="p_" + x * 16, name=x) for x in "ABC")
AGENT = s.Scope(kind="agent", name="healthcare")
TOOL = s.Scope(kind="tool", name="refund")
EVERYTHING = s.Scope(kind="everything")


def run(stops: s.Stops, *events: s.Event) -> tuple[s.Stops, list[s.Output]]:
    outputs: list[s.Output] = []
    for event in events:
        stops, some = stops.step(event)
        outputs += some
    return stops, outputs


def stop(scope: s.Scope = AGENT, by: s.Person = ANNA, at_s: float = 0) -> s.Stop:
    return s.Stop(scope, by, "because", at_s)


def test_one_person_stops_at_once() -> None:
    stops, [output] = run(s.Stops(), stop())
    assert isinstance(output, s.Enforce)
    assert stops.of_call("riverside", "healthcare") == output.stopped
    assert stops.of_call("riverside", "salon") is None
    assert stops.of_tool("refund") is None


@pytest.mark.parametrize(
    ("scope", "stopped"),
    [(EVERYTHING, True), (s.Scope(kind="tenant", name="riverside"), True), (AGENT, True), (TOOL, False),
     (s.Scope(kind="tenant", name="healthcare"), False), (s.Scope(kind="agent", name="riverside"), False)],
)  # fmt: skip
def test_what_stops_a_call(scope: s.Scope, stopped: bool) -> None:
    stops, _ = run(s.Stops(), stop(scope))
    assert (stops.of_call("riverside", "healthcare") is not None) is stopped


def test_two_persons_resume_it_once_that_is_on_record() -> None:
    stops, outputs = run(s.Stops(), stop(), s.Resume(AGENT, BEN, 5), s.Resume(AGENT, CEM, 6))
    assert [type(x) for x in outputs] == [s.Enforce, s.AwaitSecond, s.RecordResumed]
    record = outputs[-1]
    assert isinstance(record, s.RecordResumed)
    assert (record.first, record.second) == (BEN, CEM)
    assert stops.of_call("t", "healthcare") is not None, "not before it is on record"
    lost, _ = run(stops, s.Lost(AGENT))
    assert lost.of_call("t", "healthcare") is not None
    runs, [lift] = run(stops, s.Durable(AGENT))
    assert lift == s.Lift(AGENT)
    assert runs == s.Stops()


def test_one_person_alone_never_resumes() -> None:
    stops, outputs = run(s.Stops(), stop(), *[s.Resume(AGENT, ANNA, i) for i in range(5)], s.Durable(AGENT))
    assert stops.of_call("t", "healthcare") is not None
    assert outputs[2:] == [s.Unchanged("same_person")] * 4


def test_a_wish_of_long_ago_counts_for_nothing() -> None:
    late = s.RESUME_WITHIN_S + 10
    stops, outputs = run(s.Stops(), stop(), s.Resume(AGENT, BEN, 5), s.Resume(AGENT, CEM, late))
    assert isinstance(outputs[-1], s.AwaitSecond)
    assert stops.stops[0].resume_by == CEM


def test_stopping_again_takes_the_wish_to_resume_back() -> None:
    stops, outputs = run(s.Stops(), stop(), s.Resume(AGENT, BEN, 5), stop(by=CEM), s.Resume(AGENT, ANNA, 6))
    assert s.Unchanged("stopped_already") in outputs
    assert isinstance(outputs[-1], s.AwaitSecond)
    assert stops.stops[0].by == ANNA, "who stopped it first stays on record"


def test_what_is_not_stopped_is_not_resumed() -> None:
    assert run(s.Stops(), s.Resume(TOOL, ANNA, 1)) == (s.Stops(), [s.Unchanged("not_stopped")])


def test_it_is_kept_as_text_and_damage_is_named() -> None:
    stops, _ = run(s.Stops(), stop(), stop(TOOL, BEN), s.Resume(AGENT, CEM, 4))
    assert s.Stops.read(stops.model_dump_json()) == stops
    for text in ("", "{", "[]", '{"stops": [{}]}', '{"stops": [], "more": 1}'):
        with pytest.raises(OperatorError):
            s.Stops.read(text)


SCOPES = st.sampled_from([AGENT, TOOL, EVERYTHING])
PEOPLE = st.sampled_from([ANNA, BEN, CEM])
EVENTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(s.Stop, SCOPES, PEOPLE, st.just("why"), st.integers(0, 9000)),
    st.builds(s.Resume, SCOPES, PEOPLE, st.integers(0, 9000)),
    st.builds(s.Durable, SCOPES),
    st.builds(s.Lost, SCOPES),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(EVENTS, max_size=25))
def test_nothing_runs_again_without_two_persons_and_a_record(events: list[s.Event]) -> None:
    stops = s.Stops()
    recorded: dict[s.Scope, s.RecordResumed] = {}
    for event in events:
        before = {x.scope for x in stops.stops}
        stops, outputs = stops.step(event)
        after = {x.scope for x in stops.stops}
        assert len(stops.stops) == len(after), "one stop of each scope"
        assert s.Stops.read(stops.model_dump_json()) == stops
        for output in outputs:
            if isinstance(output, s.RecordResumed):
                assert not output.first.same(output.second)
                recorded[output.stopped.scope] = output
            if isinstance(output, s.Lift):
                assert isinstance(event, s.Durable)
                assert recorded.pop(output.scope)
        if isinstance(event, s.Stop):
            assert event.scope in after, "a stop always takes hold"
            recorded.pop(event.scope, None)
        gone = before - after
        assert all(s.Lift(scope) in outputs for scope in gone)


# --- several workers -------------------------------------------------------------------------------


def test_one_name_under_two_ids_is_one_person() -> None:
    again = s.Person(id="p_" + "Z" * 16, name="b")
    stops, outputs = run(s.Stops(), stop(), s.Resume(AGENT, BEN, 5), s.Resume(AGENT, again, 6))
    assert outputs[-1] == s.Unchanged("same_person")
    assert stops.of_call("t", "healthcare") is not None


def test_a_worker_that_died_while_resuming_does_not_keep_it_stopped_for_ever() -> None:
    asked, _ = run(s.Stops(), stop(), s.Resume(AGENT, BEN, 5), s.Resume(AGENT, CEM, 6))
    _, [output] = run(asked, s.Resume(AGENT, ANNA, 7))
    assert output == s.Unchanged("under_way")
    _, [output] = run(asked, s.Resume(AGENT, ANNA, 6 + s.RECORD_WITHIN_S + 1))
    assert isinstance(output, s.RecordResumed)
    assert (output.first, output.second) == (BEN, ANNA)


def test_a_newer_state_counts_with_what_was_stopped_alone() -> None:
    mine, _ = run(s.Stops(version=3), stop(), stop(TOOL))
    met = mine.alone(TOOL).meeting(s.Stops(version=5))
    assert met.version == 5
    assert [x.scope for x in met.stops] == [TOOL], "the agent was resumed by others"


def test_what_was_stopped_again_alone_takes_wishes_of_others_back() -> None:
    shared, _ = run(s.Stops(version=4), stop(), s.Resume(AGENT, BEN, 5))
    mine, _ = run(s.Stops(version=3), stop())
    [met] = mine.alone(AGENT).meeting(shared).stops
    assert met.resume_by is None


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_store_that_forgot_lifts_nothing(version: int) -> None:
    mine, _ = run(s.Stops(version=2), stop(), s.Resume(AGENT, BEN, 5))
    other, _ = run(s.Stops(version=version), stop(TOOL))
    met = mine.meeting(other)
    assert {x.scope for x in met.stops} == {AGENT, TOOL}
    assert all(x.resume_by is None for x in met.stops)
    assert met.version == 2


STATES = st.builds(
    lambda events, version, alone: run(s.Stops(version=version), *events)[0].alone(alone),
    st.lists(EVENTS, max_size=8), st.integers(0, 4), SCOPES,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(STATES, STATES)
def test_no_meeting_lifts_what_it_cannot_be_sure_of(mine: s.Stops, found: s.Stops) -> None:
    met = mine.meeting(found)
    scopes = {x.scope for x in met.stops}
    assert {x.scope for x in found.stops} <= scopes, "what the store says is stopped is stopped"
    assert {x.scope for x in mine.stops if x.alone} <= scopes, "what was stopped here is stopped"
    if {x.scope for x in mine.stops} - scopes:
        assert found.version > mine.version, "only a newer state lifts anything"
    assert met.version == max(mine.version, found.version)
    assert len(scopes) == len(met.stops)
    assert not any(x.alone for x in met.told(9).stops)
    assert met.told(9).meeting(met.told(9)) == met.told(9)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), EVENTS, st.booleans()), max_size=30))
def test_workers_that_share_a_store_come_to_the_same(steps: list[tuple[int, s.Event, bool]]) -> None:
    """Three workers on one store that is now and then out of reach: a stop anywhere ends up everywhere."""
    shared = s.Stops()
    workers = [s.Stops(), s.Stops(), s.Stops()]
    resumed = False
    for at, event, reached in steps:
        mine = workers[at]
        if isinstance(event, s.Stop):
            mine = mine.step(event)[0].alone(event.scope)
        if reached:
            met = mine.meeting(shared)
            if not isinstance(event, s.Stop):
                met, outputs = met.step(event)
                resumed = resumed or any(isinstance(x, s.Lift) for x in outputs)
            if met != shared:
                shared = mine = met.told(met.version + 1)
            else:
                mine = met
        workers[at] = mine
        if isinstance(event, s.Stop):
            assert event.scope in {x.scope for x in mine.stops}
    stopped = {x.scope for w in workers for x in w.stops if x.alone} | {x.scope for x in shared.stops}
    for mine in [*workers, *workers]:  # everybody looks twice
        met = mine.meeting(shared)
        if met != shared:
            shared = met.told(met.version + 1)
    assert {x.scope for x in shared.stops} == stopped
    if not resumed:
        assert {e.scope for _, e, _ in steps if isinstance(e, s.Stop)} == stopped


def test_stopping_something_else_takes_no_resumption_back() -> None:
    """A tool was stopped while ``agent.resumed`` was written: the agent stayed stopped, but for the log."""
    shared, _ = run(s.Stops(version=5), stop(), s.Resume(AGENT, BEN, 5), s.Resume(AGENT, CEM, 6))
    mine = run(shared, stop(TOOL, at_s=7))[0].alone(TOOL)
    met = mine.meeting(shared)
    assert met.of_tool("refund") is not None
    assert run(met, s.Durable(AGENT))[1] == [s.Lift(AGENT)]
