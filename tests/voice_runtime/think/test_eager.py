"""Answers begun before the turn was over: taken whole by their turn, or withdrawn, and never seen before."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import pytest
from pipecat.frames.frames import (
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)

from tests.simulators.model_server import STALL, Plan, pieces, refuse, say
from tests.simulators.model_server import call as tool_call
from tests.voice_runtime.think.conftest import Call
from tests.voice_runtime.think.early import (
    ONCE,
    WORDS,
    decided,
    eager_line,
    ends,
    go_on,
    nothing_came,
    pause,
    turn_records,
)
from tests.voice_runtime.think.test_chat import server
from voice_runtime.events import SayFrame, ThinkingFrame

pytestmark = pytest.mark.anyio


# -- taken -------------------------------------------------------------------------------------------


async def test_an_answer_that_was_there_before_the_turn_ended_goes_out_with_it(call: Call) -> None:
    model = server(say("We open", " at nine."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await line.model_idle()
        assert nothing_came(line)
        assert call.context.get_messages() == []
        await ends(line)
        await line.stopped()
        assert line.text() == "We open at nine."
        kinds = [type(f) for f in line.tail.frames if "LLM" in type(f).__name__]
        # Tokens that come at a time are pushed at a time.
        assert [kind for kind, _ in groupby(kinds)] == [
            LLMFullResponseStartFrame, LLMTextFrame, LLMFullResponseEndFrame,
        ]  # fmt: skip
        assert [(f.active, f.turn) for f in line.head.of(ThinkingFrame)] == [(True, 1), (False, 1)]  # type: ignore[attr-defined]
        [request] = model.requests
        assert request.json["messages"] == [{"role": "user", "content": WORDS}]
        [(record, personal)] = line.decided()
        assert (record.turn, record.outcome, record.provisional, record.estimated) == (
            1,
            "answered",
            True,
            False,
        )
        assert (record.tokens_in, record.tokens_out, personal.candidate) == (11, 7, "We open at nine.")
        assert turn_records(call) == ["provisional", "decided answered"]
        assert call.recorder.types() == ["turn.provisional", "turn.decided", "caller.said"]
        marks = call.journal.marks(1)
        assert 0 < marks.asked < marks.first_token
        assert line.exhausted == []


async def test_an_answer_under_way_goes_on_where_it_was(call: Call) -> None:
    model = server([*pieces("We open", " at nine."), STALL])
    async with eager_line(call, model) as line:
        await pause(line)
        await model.wait_for_request()
        await ends(line)
        await line.tail.until(lambda frames: line.text() == "We open at nine.")
        assert line.decided() == []
        model.closing.set()  # it breaks off
        await line.stopped()
        assert line.phrases() == ["fallback"]
        assert [(r.outcome, r.provisional) for r, _ in line.decided()] == [("failed", True)]
        assert line.exhausted == [1]
    assert len(model.requests) == 1


async def test_the_runtimes_own_phrases_pass_while_one_is_begun(call: Call) -> None:
    model = server([STALL])
    async with eager_line(call, model) as line:
        await pause(line)
        await model.wait_for_request()
        phrase = SayFrame(phrase="still-there")
        await line.head.send(phrase)
        await line.tail.until(lambda frames: any(f is phrase for f in frames))
        await go_on(line)
        await decided(line)
        assert line.tail.of(SayFrame) == [phrase]


async def test_a_tool_wanted_early_is_used_once_the_turn_has_come(call: Call) -> None:
    model = server(tool_call(("find", '{"day": "Monday"}'), text="Let me look"), say("Ten."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await line.model_idle()
        assert nothing_came(line)
        assert call.types() == []
        assert call.server.uses == []
        await ends(line)
        await line.stopped()
        assert line.text() == "Let me look\nTen."
        assert call.types() == ["tool.requested", "tool.executed"]
        assert call.recorder.types().index("caller.said") < call.recorder.types().index("tool.requested")
        assert [m["role"] for m in model.requests[1].json["messages"]] == ["user", "assistant", "tool"]
        assert [(r.outcome, r.provisional) for r, _ in line.decided()] == [
            ("tools", True),
            ("answered", False),
        ]


async def test_a_read_back_wanted_early_is_asked_once_the_turn_has_come(call: Call) -> None:
    model = server(tool_call(("book", '{"doctor": "Patel", "day": "Monday"}')))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await line.model_idle()
        assert nothing_came(line)
        assert line.runner.pending is None  # type: ignore[attr-defined]
        await ends(line)
        await line.stopped()
        assert line.phrases() == ["Patel, Monday. Shall I book it?"]


# -- withdrawn ---------------------------------------------------------------------------------------


async def test_who_goes_on_withdraws_a_request_under_way(call: Call) -> None:
    model = server([*pieces("We open"), STALL], say("Something else, then."))
    async with eager_line(call, model) as line:
        await pause(line)
        await model.wait_for_request()
        await line.model_idle()
        await go_on(line)
        await decided(line)
        [(record, _)] = line.decided()
        assert (record.turn, record.outcome, record.provisional) == (1, "withdrawn", True)
        [(withdrawn, _)] = call.recorder.of("turn.withdrawn")
        assert (withdrawn.turn, withdrawn.reason) == (1, "eager")
        assert withdrawn.estimated
        assert withdrawn.tokens_in == record.tokens_in > 0
        assert nothing_came(line)
        assert call.context.get_messages() == []
        await line.ask("something else")  # the same turn, in the end
        assert len(model.requests) == 2


async def test_who_goes_on_withdraws_an_answer_that_was_whole(call: Call) -> None:
    model = server(say("We open at nine."), say("At ten, then."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await go_on(line)
        await pause(line, f"{WORDS} at ten")
        await decided(line, 2)
        await ends(line, f"{WORDS} at ten")
        await line.stopped()
        assert line.text() == "At ten, then."
        assert turn_records(call) == [
            "provisional", "decided answered", "withdrawn eager", "provisional", "decided answered"
        ]  # fmt: skip
        [(withdrawn, _)] = call.recorder.of("turn.withdrawn")
        assert (withdrawn.tokens_in, withdrawn.tokens_out, withdrawn.estimated) == (11, 7, False)
        assert len(model.requests) == 2


async def test_a_turn_in_other_words_is_asked_anew(call: Call) -> None:
    model = server(say("We open at nine."), say("At ten, then."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await ends(line, "no i need it tomorrow")
        await line.stopped()
        assert line.text() == "At ten, then."
        assert turn_records(call) == [
            "provisional",
            "decided answered",
            "withdrawn eager",
            "decided answered",
        ]
        assert model.requests[1].json["messages"][-1]["content"] == "no i need it tomorrow"


async def test_a_conversation_that_changed_meanwhile_is_asked_anew(call: Call) -> None:
    model = server(say("We open at nine."), say("As I said."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        call.context.add_message({"role": "assistant", "content": "Are you still there?"})
        await ends(line)
        await line.stopped()
        assert line.text() == "As I said."
        assert "withdrawn eager" in turn_records(call)


async def test_words_added_to_a_message_that_was_shown_count_as_a_change(call: Call) -> None:
    """The journal adds played words to the newest message in place."""
    spoken: Any = {"role": "assistant", "content": "We open"}
    call.context.add_message(spoken)
    model = server(say("Early."), say("Late."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        spoken["content"] += " at nine."
        await ends(line)
        await line.stopped()
        assert line.text() == "Late."


async def test_an_interruption_withdraws(call: Call) -> None:
    model = server(say("We open at nine."))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await line.head.send(InterruptionFrame())
        await line.model_idle()
        assert turn_records(call) == ["provisional", "decided answered", "withdrawn eager"]
        assert nothing_came(line)


async def test_an_interruption_after_it_was_taken_is_an_interruption(call: Call) -> None:
    model = server([*pieces("We open"), STALL])
    async with eager_line(call, model) as line:
        await pause(line)
        await model.wait_for_request()
        await ends(line)
        await line.tail.until(lambda frames: any(isinstance(f, LLMTextFrame) for f in frames))
        await line.head.send(InterruptionFrame())
        await decided(line)
        assert turn_records(call) == ["provisional", "decided withdrawn", "withdrawn caller_went_on"]


async def test_a_tool_wanted_too_early_is_never_used(call: Call) -> None:
    model = server(tool_call(("find", '{"day": "Monday"}')), say("Which day?"))
    async with eager_line(call, model) as line:
        await pause(line)
        await decided(line)
        await go_on(line)
        await line.ask("no not monday")
        assert call.server.uses == []
        assert call.types() == []
        assert line.text() == "Which day?"


@pytest.mark.parametrize("plan", [refuse(400), [*pieces("We open"), ("half", None)]])
async def test_what_fails_early_is_asked_anew_and_nobody_hears_of_it(call: Call, plan: Plan) -> None:
    async with eager_line(call, server(plan, say("At nine.")), deadlines=ONCE) as line:
        await pause(line)
        await decided(line)
        await line.model_idle()
        assert nothing_came(line)
        assert line.exhausted == []
        await ends(line)
        await line.stopped()
        assert line.text() == "At nine."
        assert turn_records(call) == ["provisional", "decided failed", "withdrawn eager", "decided answered"]


async def test_a_pause_after_its_turn_is_over_begins_nothing(call: Call) -> None:
    async with eager_line(call, server(say("Hi."))) as line:
        await line.ask("hello")
        await pause(line, turn=1)
        await line.model_idle()
        assert call.recorder.of("turn.provisional") == []


async def test_a_call_that_ends_leaves_nothing_running_and_all_on_record(call: Call) -> None:
    model = server([STALL])
    async with eager_line(call, model) as line:
        await pause(line)
        await model.wait_for_request()
    assert turn_records(call) == ["provisional", "decided withdrawn", "withdrawn eager"]


async def test_nothing_is_begun_while_a_tool_waits_for_a_yes(call: Call) -> None:
    model = server(tool_call(("book", '{"doctor": "Patel", "day": "Monday"}')), say("Right."))
    async with eager_line(call, model) as line:
        await line.ask("book monday")
        await pause(line)
        await line.model_idle()
        assert len(model.requests) == 1
        assert call.recorder.of("turn.provisional") == []


async def test_switched_off_nothing_is_begun(call: Call) -> None:
    model = server(say("Hi."))
    async with eager_line(call, model, mode="off") as line:
        await pause(line)
        await line.model_idle()
        assert model.requests == []
        assert call.recorder.records == []
