"""What a judge says afterwards prevents nothing, and no figure says that it did."""

from __future__ import annotations

import pytest

from controls.evidence.states import State
from controls.evidence.trace import trace
from controls.ledger import records as r
from tests.controls.evidence.calls import CallScript, cleared, played
from tests.controls.evidence.counted import ORIGIN, asked, begun, counts, ended, of, statement


def call(mode: str = "", answer: str = "no") -> CallScript:
    """One clause let pass; asked about or not, and a miss where the answer came afterwards and is yes."""
    script = begun()
    asked(script, 1)
    clause = cleared(script, 1, "Fifty dollars.")
    leaf = script.opened[-1][0]
    played(script, 1, clause, "Fifty dollars.")
    if mode:
        of_clause = {
            "turn": 1,
            "of": clause,
            "mode": mode,
            "supplier": "local",
            "question": "sha256:" + "0" * 64,
        }
        script.add(r.JudgeAsked, None, **of_clause)
        why = "answered" if answer != "none" else "deadline"
        details = r.JudgeAnsweredDetails(rule="prices/no-price", model="judge-1", text=answer)
        script.add(r.JudgeAnswered, details, **of_clause, answer=answer, why=why, ms=12)
    ended(script)
    if (mode, answer) == ("after", "yes"):
        script.add(
            r.ControlMissed, call=script.call, control="guard", annex_a=("A.9.4",), origin=ORIGIN, leaf=leaf
        )
    return script


@pytest.mark.parametrize("answer", ["yes", "no", "none"])
def test_an_answer_afterwards_is_no_test_of_a_control(answer: str) -> None:
    without, with_answer = statement(call()), statement(call("after", answer))
    for control in ("A.6.2.2", "A.9.2", "A.9.3", "A.9.4"):
        assert of(with_answer, control).last_challenged == of(without, control).last_challenged, control
        assert counts(with_answer, control) == counts(without, control), control


def test_a_yes_afterwards_makes_the_control_fail_and_names_the_clause() -> None:
    script = call("after", "yes")
    found = of(statement(script), "A.9.4")
    assert found.state is State.FAILING
    [fault] = found.faults
    assert fault.what == "missed"
    assert fault.missed is not None
    leaf = next(leaf for leaf, record, _ in script.opened if isinstance(record, r.ClauseCleared))
    assert (fault.missed.leaf, fault.missed.call) == (leaf, script.call)
    assert of(statement(call("after", "no")), "A.9.4").state is not State.FAILING


def test_the_trace_tells_who_was_asked_and_when_it_counted() -> None:
    [answer] = trace(call("after", "yes").opened).judges
    assert (answer.rule, answer.mode, answer.answer, answer.why) == (
        "prices/no-price",
        "after",
        "yes",
        "answered",
    )
    assert (answer.supplier, answer.model, answer.ms) == ("local", "judge-1", 12)
    assert trace(call().opened).judges == []
    script = call("before", "none")
    script.erase(r.JudgeAnswered)
    [erased] = trace(script.opened).judges
    assert (erased.rule, erased.model, erased.answer, erased.why) == (None, None, "none", "deadline")
