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
                assert output.first.id != output.second.id
                recorded[output.stopped.scope] = output
            if isinstance(output, s.Lift):
                assert isinstance(event, s.Durable)
                assert recorded.pop(output.scope)
        if isinstance(event, s.Stop):
            assert event.scope in after, "a stop always takes hold"
            recorded.pop(event.scope, None)
        gone = before - after
        assert all(s.Lift(scope) in outputs for scope in gone)
