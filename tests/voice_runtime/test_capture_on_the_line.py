"""A whole call in which a card is entered by keys: what is heard, sent, recorded and never seen."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from controls.capture import CARD, Key, Wanted
from controls.decision import Ask
from controls.errors import OperatorError
from tests.simulators.house import DESK, PHRASES, OnTheLine, booking, on_the_line, release
from tests.simulators.model_server import call, say
from voice_runtime.agent import ByKeys, Tool
from voice_runtime.events import KeyPressedFrame

pytestmark = pytest.mark.anyio

VISA = "4111111111111111"
PAY = call(("pay", '{"day": "Monday"}'))
SAID = {
    "capture-enter": "Key it in now, then press pound.",
    "capture-again": "Once more, please.",
    "capture-not-taken": "Nothing was entered.",
    "capture-keys-only": "I cannot listen now.",
}
OPENING = ["disclosure", "greeting"]
SCHEMA = {
    "type": "object", "additionalProperties": False, "required": ["day", "card"],
    "properties": {"day": {"type": "string"}, "card": {"type": "string"}},
}  # fmt: skip


def paying(base: str, **changes: Any) -> tuple[Tool, ...]:
    fields: dict[str, Any] = {
        "name": "pay", "operation": "pay", "does": "Takes a deposit.", "parameters": SCHEMA,
        "timeout_s": 30.0,
        "read_back": (), "read_back_say": {}, "capture": ByKeys("card", CARD),
    }  # fmt: skip
    return (booking(base, **(fields | changes)),)


def phrases() -> dict[str, Any]:
    """The house's, and what is said while figures are entered."""
    return dict(release().phrases) | {name: {"en-US": words} for name, words in SAID.items()}


def line_of(*plans: Any, **options: Any) -> Any:
    tools = options.pop("tools", paying)
    return on_the_line(*plans, tools=tools, phrases=phrases(), **options)


async def asked(line: OnTheLine, words: str = "i would like to pay") -> None:
    """The caller was asked to key it in."""
    await line.opened()
    await line.say(words)
    assert line.call.capture.waiting
    assert line.played()[-1] == "capture-enter"


def order(line: OnTheLine) -> list[str]:
    return [t for t in line.types() if t.startswith(("tool.", "capture."))]


def shown(line: OnTheLine) -> str:
    """Everything that left the call: every record with its personal content, and what the model was sent."""
    kept = [f"{record!r}{record.model_dump_json()}{personal!r}" for record, personal in line.recorder.records]
    return "\n".join([*kept, *(str(request.body) for request in line.model.requests)])


def ended(line: OnTheLine) -> tuple[str, int]:
    [(record, _)] = line.of("capture.ended")
    return record.outcome, record.attempts


async def test_the_service_gets_the_figures_and_nobody_else_does() -> None:
    async with line_of(PAY, say("The deposit is taken.")) as line:
        line.service.result = {"row": 3, "note": f"charged {VISA}", "card": int(VISA)}
        await asked(line)
        await line.press(VISA + "#")
        assert line.played() == [*OPENING, "capture-enter", "The deposit is taken."]
        assert order(line) == ["tool.requested", "capture.started", "capture.ended", "tool.executed"]
        [use] = line.service.uses
        assert json.loads(use.body) == {"day": "Monday", "card": VISA}
        [(_, requested)] = line.of("tool.requested")
        assert requested.arguments["card"].startswith("entered:")
        [(_, executed)] = line.of("tool.executed")
        assert executed.result == {"row": 3, "note": "charged [entered]", "card": "[entered]"}
        assert ended(line) == ("captured", 1)
        [offered] = line.model.requests[0].json["tools"]
        assert offered["function"]["parameters"]["required"] == ["day"]
        assert "card" not in offered["function"]["parameters"]["properties"]
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        assert VISA not in shown(line)
        assert VISA[:8] not in shown(line)


async def test_not_even_the_most_talkative_log_shows_a_key() -> None:
    lines: list[str] = []
    logger.enable("pipecat")  # a command may have silenced it
    sink = logger.add(lambda message: lines.append(str(message)), level="TRACE", diagnose=True)
    try:
        async with line_of(PAY, say("Taken.")) as line:
            await asked(line)
            await line.press(VISA + "#")
    finally:
        logger.remove(sink)
    told = "".join(lines)
    assert len(lines) > 20, "pipecat's own lines are among them"
    assert VISA[:8] not in told, "eight figures: no frame's running number is as long"
    assert "key=" not in told
    assert "button" not in told
    for frame in (KeyPressedFrame("*"), Key("*")):
        assert "*" not in repr(frame), "a star: a frame's own running number is of figures"


async def test_figures_from_the_model_are_refused_and_not_recorded() -> None:
    given = call(("pay", f'{{"day": "Monday", "card": "{VISA}"}}'))
    async with line_of(given, say("Let me try that again.")) as line:
        await line.opened()
        await line.say("i would like to pay")
        assert order(line) == ["tool.refused"]
        [(refused, details)] = line.of("tool.refused")
        assert refused.reason == "bad_arguments"
        assert details.arguments == {"day": "Monday", "card": "[withheld]"}
        told = line.model.requests[-1].json["messages"][-1]["content"]
        assert "by keys" in told
        assert not line.service.connections


async def test_it_follows_the_read_back() -> None:
    def read_back(base: str) -> tuple[Tool, ...]:
        return paying(base, read_back=("day",), read_back_say={"en-US": "{day}. Shall I take a deposit?"})

    async with line_of(PAY, say("Taken."), tools=read_back) as line:
        await line.opened()
        await line.say("i would like to pay")
        assert not line.call.capture.paused
        assert line.played()[-1] == "Monday. Shall I take a deposit?"
        await line.say("yes")
        await line.press(VISA + "#")
        assert json.loads(line.service.uses[0].body)["card"] == VISA
        assert line.played()[-2:] == ["capture-enter", "Taken."]


async def test_a_person_who_decides_sees_a_token_and_may_change_the_rest(tmp_path: Path) -> None:
    ask = Ask("compliance", 120, "refuse")

    async with line_of(
        PAY, say("Taken."), people=tmp_path, tools=lambda base: paying(base, approval=ask)
    ) as line:
        await line.opened()
        await line.carrier.say("i would like to pay")
        desk = line.call.house.approvals
        assert desk is not None

        async def decide(word: str, **more: Any) -> dict[str, Any]:
            async with asyncio.timeout(60):
                while not desk.open():
                    await asyncio.sleep(0)
            [waiting] = desk.open()
            body = {"use": waiting.use, "who": "Anna Berg", "word": word}
            looked = {"use": body["use"], "who": body["who"], "purpose": "to decide"}
            await desk.questions["approvals.show"](looked)
            answer: dict[str, Any] = await desk.questions["approvals.decide"](body | more)
            return answer

        async with asyncio.timeout(60):
            while not desk.open():
                await asyncio.sleep(0)
        [(_, details)] = line.of("approval.requested")
        token = details.arguments["card"]
        assert token.startswith("entered:")
        with pytest.raises(OperatorError):
            await decide("edited", changed={"card": VISA})
        assert (await decide("edited", changed={"day": "Friday"}))["counts"]
        assert (await decide("granted"))["counts"]
        await line.settled()
        assert line.call.capture.waiting
        await line.press(VISA + "#")
        assert json.loads(line.service.uses[0].body) == {"day": "Friday", "card": VISA}
        assert VISA not in shown(line)


# --- other ends -----------------------------------------------------------------------------------


async def nothing_done(line: OnTheLine, outcome: str, attempts: int = 0) -> None:
    assert ended(line) == (outcome, attempts)
    assert not line.service.connections
    assert not line.call.capture.paused
    refused = [record.reason for record, _ in line.of("tool.refused")]
    assert refused == ["not_entered"]


async def test_what_does_not_fit_is_asked_for_again_and_then_a_person_comes() -> None:
    async with line_of(PAY, say("No.")) as line:
        await asked(line)
        await line.press("4111#")
        assert line.played()[-1] == "capture-again"
        assert line.call.capture.paused
        await line.press("4112#")
        await line.press("4113#")
        await line.control.asked.wait()
        assert line.control.transfers == [DESK]
        await nothing_done(line, "gave_up", 3)


async def test_silence_asks_once_more_and_then_goes_on() -> None:
    async with line_of(PAY, say("Shall we do that later?")) as line:
        await asked(line)
        await line.carrier.stay_silent(9)
        assert line.played()[-1] == "capture-again"
        await line.carrier.stay_silent(30)
        await line.settled()
        assert line.played()[-2:] == ["capture-not-taken", "Shall we do that later?"]
        await nothing_done(line, "timed_out")
        assert "in time" in line.model.requests[-1].json["messages"][-1]["content"]


async def test_pound_alone_gives_up() -> None:
    async with line_of(PAY, say("All right.")) as line:
        await asked(line)
        await line.press("#")
        assert line.played()[-2:] == ["capture-not-taken", "All right."]
        await nothing_done(line, "gave_up")


async def test_zero_and_pound_is_a_person() -> None:
    async with line_of(PAY, say("No.")) as line:
        await asked(line)
        await line.press("0#")
        await line.control.asked.wait()
        await nothing_done(line, "person")
        [(handoff, _)] = line.of("handoff.requested")
        assert handoff.requested_by == "caller_key"


@pytest.mark.parametrize(("words", "outcome", "by"), [
    ("get me a person", "person", "caller_voice"),
    ("i can not breathe call an ambulance", "emergency", "emergency"),
])  # fmt: skip
async def test_words_that_act_at_once_do_and_are_not_kept(words: str, outcome: str, by: str) -> None:
    async with line_of(PAY, say("No.")) as line:
        await asked(line)
        await line.carrier.press("4")
        await line.carrier.say(f"four one one one {words}")
        await line.control.asked.wait()
        await nothing_done(line, outcome)
        assert [record.requested_by for record, _ in line.of("handoff.requested")] == [by]
        assert line.addressed()[-1][0] == "[withheld]"
        assert words not in shown(line)
        assert "four one one one" not in shown(line)


async def test_stop_stops_it() -> None:
    async with line_of(PAY, say("All right.")) as line:
        await asked(line)
        await line.say("stop")
        await nothing_done(line, "stopped")
        assert line.played()[-2:] == ["capture-not-taken", "All right."]


async def test_other_words_are_nobodys_and_interrupt_nothing() -> None:
    async with line_of(PAY, say("Taken.")) as line:
        await asked(line)
        before = line.types()
        await line.say("my card is four one one one one one one one one one one one one one one one")
        await line.say("where is the pound key")
        assert line.types() == before
        assert line.call.capture.waiting
        await line.press(VISA + "#")
        assert line.played()[-1] == "Taken."
        assert [said.text for _, said in line.of("caller.said")] == ["i would like to pay"]
        assert "pound key" not in shown(line)


async def test_an_objection_to_recording_counts_and_the_entry_goes_on() -> None:
    async with line_of(PAY, say("Taken.")) as line:
        await asked(line)
        await line.carrier.say("please do not record this call")
        await line.press(VISA + "#")
        assert "record" in {record.scope for record, _ in line.of("consent.withdrawn")}
        assert json.loads(line.service.uses[0].body)["card"] == VISA


async def test_an_objection_beside_the_wish_for_a_person_holds_here_too() -> None:
    """It was acted on while no figures were entered, and lost while some were: two copies of one decision."""
    async with line_of(PAY, say("No.")) as line:
        await asked(line)
        await line.carrier.say("do not record this call get me a person")
        await line.control.asked.wait()
        assert "record" in {record.scope for record, _ in line.of("consent.withdrawn")}


async def test_hanging_up_leaves_nothing_done() -> None:
    async with line_of(PAY, say("Never.")) as line:
        await asked(line)
        await line.carrier.press("41111")
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")
        await nothing_done(line, "hung_up")
        assert "41111" not in shown(line)


async def test_a_stopped_agent_takes_no_figures() -> None:
    async with line_of(PAY, say("Never.")) as line:
        await asked(line)
        line.call.stop()
        await line.control.asked.wait()
        await nothing_done(line, "stopped")


async def test_a_stopped_tool_takes_none_and_another_tools_stop_changes_nothing() -> None:
    async with line_of(PAY, say("That is not possible now.")) as line:
        await asked(line)
        line.call.tool_stopped("book")
        line.call.tool_stopped(None)
        assert line.call.capture.waiting
        line.call.tool_stopped("pay")
        await line.settled()
        await nothing_done(line, "stopped")
        assert line.played()[-1] == "That is not possible now."


async def test_nobody_is_asked_for_figures_who_waits_for_a_person_or_whose_agent_is_stopped() -> None:
    """What they asked for between the use's clearance and its first question was not known to the entry."""
    wanted = Wanted("card", 13, 19, luhn=True)
    async with line_of(PAY) as line:
        await line.opened()
        line.call.stopped.active = True
        assert (
            await line.call.capture.collect("pay", "u_1", "entered:x", wanted, 1, line.call.say) == "stopped"
        )
        line.call.stopped.active = False
        await line.say("i want to speak to a person")
        assert line.call.person.under_way
        assert (
            await line.call.capture.collect("pay", "u_1", "entered:x", wanted, 1, line.call.say) == "person"
        )
        assert not line.of("capture.started")


async def test_what_was_cleared_before_its_agent_was_stopped_does_not_leave_after_it() -> None:
    async with line_of(PAY, say("That is not possible now.")) as line:
        await asked(line)
        line.call.stopped.active = True
        await line.press(VISA + "#")
        assert not line.service.uses
        [(refused, _)] = line.of("tool.refused")
        assert refused.reason == "stopped"


async def test_opting_out_ends_it_and_the_call() -> None:
    async with line_of(PAY, say("Never.")) as line:
        await asked(line)
        await line.carrier.say("never call me again")
        await line.ended()
        assert line.closed() == ("caller", "opted_out")
        await nothing_done(line, "stopped")
        assert line.addressed()[-1] == ("[withheld]", "opt_out")


async def test_without_a_durable_record_nothing_is_asked_for() -> None:
    async with line_of(PAY, say("Not now."), deadline_s=0.2) as line:
        append = line.recorder.append

        def lost(record: Any, personal: Any = None) -> Any:
            if record.type == "capture.started":
                line.recorder.failing = True
            future = append(record, personal)
            line.recorder.failing = False
            return future

        line.recorder.append = lost
        await line.opened()
        await line.say("i would like to pay")
        assert "capture-enter" not in line.played()
        assert not line.service.connections
        assert not line.call.capture.paused
        assert line.played()[-1] == "Not now."


async def test_keys_before_it_and_behind_it_are_what_they_are() -> None:
    assert "capture-enter" not in PHRASES
    async with line_of(PAY, say("Taken."), say("Yes?")) as line:
        await asked(line)
        await line.press(VISA + "#")
        await line.press("0")
        await line.control.asked.wait()
        [(handoff, _)] = line.of("handoff.requested")
        assert handoff.requested_by == "caller_key"
