"""Uses of tools in the coverage: dry runs end where they are recorded, and answers kept back are a test."""

from __future__ import annotations

from typing import Any

from controls.evidence.states import State
from controls.evidence.trace import trace
from controls.ledger import records as r
from tests.controls.evidence.calls import CallScript
from tests.controls.evidence.counted import asked, begun, counts, ended, executed, of, spoken, statement, used


def script_with(*dry: bool) -> tuple[CallScript, list[str]]:
    script = begun()
    asked(script, 1)
    spoken(script, 1)
    return script, [used(script, 1, dry=flag) for flag in dry]


def answer(script: CallScript, use: str, state: str, *, given: bool) -> None:
    script.add(r.ToolAnswer, r.ToolDetails(name="book"), turn=1, use=use, state=state, given=given)


def outcomes(script: CallScript) -> list[tuple[Any, Any]]:
    found = trace(script.opened, origin="o_0123456789ABCDEF", checkpoint=None)
    decided = [turn.decision for turn in found.turns if turn.decision is not None]
    return [(tool.outcome, tool.reason) for decision in decided for tool in decision.tools]


def test_a_dry_run_leaves_no_gap_and_says_what_it_was() -> None:
    script, _ = script_with(True)
    ended(script)
    assert counts(statement(script), "A.9.2") == (3, 3, 0, 0)
    assert outcomes(script) == [("dry", None)]


def test_a_dry_run_that_was_sent_is_a_failure() -> None:
    script, [use] = script_with(True)
    executed(script, use)
    found = of(statement(ended(script)), "A.9.2")
    assert (found.failed, found.state) == (1, State.FAILING)


def test_an_answer_that_was_kept_back_is_a_test_and_not_a_second_use() -> None:
    script, [use] = script_with(False)
    executed(script, use)
    plain = counts(statement(ended(script)), "A.9.2")
    assert of(statement(script), "A.9.2").state is State.NOT_EXERCISED
    script, [use] = script_with(False)
    executed(script, use)
    answer(script, use, "instructions", given=False)
    found = statement(ended(script))
    assert counts(found, "A.9.2") == plain
    assert of(found, "A.9.2").last_challenged is not None
    assert "tool (" not in of(found, "A.9.2").because[-1]  # but the clause was never put to the test
    assert outcomes(script) == [("executed", "answer_instructions")]


def test_what_a_server_changed_is_refused_after_it_was_requested() -> None:
    script, [use] = script_with(False)
    script.add(r.ToolRefused, r.ToolDetails(name="book"), turn=1, use=use, reason="changed")
    assert counts(statement(ended(script)), "A.9.2") == (3, 3, 0, 0)
    assert outcomes(script) == [("refused", "changed")]
