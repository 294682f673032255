"""What a person decides on is masked as the record is, and they sign for exactly what is done."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from controls.approval import arguments_mac
from controls.approvals import still_signed
from controls.errors import OperatorError
from controls.evidence.approvals import faults
from controls.ledger import records as r
from controls.redaction.file import Redaction, unconfigured
from tests.simulators.house import OnTheLine, on_the_line
from tests.simulators.model_server import call, say
from tests.simulators.sealed_words import quoted, raw, texts
from tests.voice_runtime.inline.test_consent_on_the_line import asking
from tests.voice_runtime.inline.test_redaction import ANSWERED, REDIRECTED, SSN, Broken, _file_of, figures
from tests.voice_runtime.test_approvals_on_the_line import FIND, decide, tools, waits

pytestmark = pytest.mark.anyio

RECORD = unconfigured().before("record")
DNI = "12345678Z"
WITH_DNI = call(("find", json.dumps({"day": f"Monday, dni {DNI}"})))


async def show(line: OnTheLine, use: str) -> dict[str, Any]:
    desk = line.call.house.approvals
    assert desk is not None
    return await desk.questions["approvals.show"]({"use": use, "who": "Anna Berg", "purpose": "to decide"})


def sent(line: OnTheLine) -> str:
    """What the tool's service was asked for."""
    return json.dumps(line.service.uses[-1].json)


def signed(line: OnTheLine, kind: str) -> bool:
    """Whether the decision on record is signed over what was requested, for whoever has the records alone."""
    [(requested, asked)] = line.of("approval.requested")
    [(record, details)] = line.of(kind)
    (bound, _) = line.of("release.bound")[0]
    return still_signed(requested, asked.shown, record, details, bound.release)


async def test_an_approval_shows_and_seals_no_number_that_the_record_masks(tmp_path: Path) -> None:
    """The last words of the conversation went into it as they were said, with whatever number was in them."""
    plans = say("Thank you."), FIND, say("Ten is free.")
    async with on_the_line(*plans, tools=tools, people=tmp_path, **ANSWERED) as line:
        await line.opened()
        await line.say(SSN)
        await line.carrier.say("have you got monday")
        use = await waits(line)
        seen = await show(line, use)
        assert "caller: my social security number is [national-id]" in seen["shown"]
        assert "caller: have you got monday" in seen["shown"]
        await decide(line, use, "granted", why="checked against 219-09-9999")
        await line.settled()
        [(_, asked)] = line.of("approval.requested")
        [(_, granted)] = line.of("approval.granted")
        assert seen["shown"] == asked.shown, "they signed for what they saw"
        assert granted.shown == "", "it stands in one record"
        assert granted.note == "checked against [national-id]"
        assert raw(line.recorder.records, RECORD) == []
        assert signed(line, "approval.granted")
        assert "Monday" in sent(line)


async def test_a_card_said_in_pieces_is_in_no_piece_of_an_approval(tmp_path: Path) -> None:
    """No piece is a card by itself: they are masked where they are said, and only there."""
    pieces = "i would like to pay by credit card", "four one one one", "one one one one"
    plans = [say("Go on.")] * 3 + [FIND, say("Ten is free.")]
    async with on_the_line(*plans, tools=tools, people=tmp_path, **REDIRECTED) as line:
        await line.opened()
        await line.say(*pieces)
        await line.carrier.say("never mind have you got monday")
        use = await waits(line)
        shown = (await show(line, use))["shown"]
        assert "caller: [card]" in shown
        assert figures(shown) == ""


async def test_what_is_masked_in_arguments_is_done_as_it_was_asked_for(tmp_path: Path) -> None:
    """The person sees the mask, the signature holds for the exact arguments, and the tool gets those."""
    async with on_the_line(WITH_DNI, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        assert (await show(line, use))["arguments"] == {"day": "Monday, dni [national-id]"}
        await decide(line, use, "granted")
        await line.settled()
        assert DNI in sent(line)
        assert raw(line.recorder.records, RECORD) == []
        assert not any(DNI in text for _, p in line.recorder.records for _, _, text in texts(p))
        assert signed(line, "approval.granted")
        assert faults([(n, record, p) for n, (record, p) in enumerate(line.recorder.records)]) == []
        made = {(m.of, m.what.value) for m, _ in line.of("redaction.made")}
        assert ("tool", "national-id") in made


async def test_nobody_can_try_out_what_was_masked(tmp_path: Path) -> None:
    """With the sealed salt beside the HMAC of the exact arguments, eight figures are soon found."""
    async with on_the_line(WITH_DNI, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        await decide(line, await waits(line), "granted")
        await line.settled()
        [(_, granted)] = line.of("approval.granted")
        exact = arguments_mac("find", {"day": f"Monday, dni {DNI}"}, granted.salt)
        assert exact.encode() not in base64.b64decode(granted.statement)
        masked = arguments_mac("find", granted.arguments, granted.salt)
        assert masked.encode() in base64.b64decode(granted.statement)


async def test_an_edit_is_sealed_masked_and_made_exactly(tmp_path: Path) -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.carrier.say("have you got monday")
        use = await waits(line)
        with pytest.raises(OperatorError, match="a mask is no value"):
            await decide(line, use, "edited", changed={"day": "Tuesday, dni [national-id]"})
        edited = await decide(line, use, "edited", changed={"day": f"Tuesday, dni {DNI}"})
        async with asyncio.timeout(60):
            while len(line.of("approval.requested")) < 2:
                await asyncio.sleep(0.001)
        await waits(line)
        await decide(line, edited["becomes"], "granted")
        await line.settled()
        [(_, details)] = line.of("approval.edited")
        assert details.edited == {"day": "Tuesday, dni [national-id]"}
        assert f"Tuesday, dni {DNI}" in sent(line)
        [(first, asked), (second, again)] = line.of("approval.requested")
        (bound, _) = line.of("release.bound")[0]
        assert still_signed(first, asked.shown, line.of("approval.edited")[0][0], details, bound.release)
        assert still_signed(second, again.shown, *line.of("approval.granted")[0], bound.release)
        assert raw(line.recorder.records, RECORD) == []


async def test_an_agent_that_masks_more_masks_it_for_those_who_decide(tmp_path: Path) -> None:
    strict = Redaction(_file_of(unconfigured()), {"record": [r.PersonalData.TELEPHONE]})
    plans = say("Yes?"), FIND, say("Ten is free.")
    async with on_the_line(*plans, tools=tools, people=tmp_path, redaction=strict) as line:
        await line.opened()
        await line.say("call me at two zero two five five five zero one four three")
        await line.carrier.say("have you got monday")
        shown = (await show(line, await waits(line)))["shown"]
        assert "caller: call me at [telephone]" in shown
        assert raw(line.recorder.records, strict.before("record")) == []


async def test_a_caller_who_refused_a_record_is_quoted_to_nobody(tmp_path: Path) -> None:
    """Their words were missing from their turns, and stood in the approval."""
    async with asking(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.say("no")
        await line.carrier.say("have you got monday for my sore knee")
        use = await waits(line)
        shown = (await show(line, use))["shown"]
        assert shown.startswith("find: Books a day.")
        assert "caller" not in shown
        await decide(line, use, "granted")
        await line.settled()
        assert quoted(line.recorder.records, ["have you got monday for my sore knee"]) == []
        assert signed(line, "approval.granted")
        assert [record.kept for record, _ in line.of("approval.requested")] == [False]


async def test_a_decision_after_the_caller_took_consent_back_repeats_no_word(tmp_path: Path) -> None:
    """A key does not end the wait, and the decision's record held what was shown once more."""
    async with asking(FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.say("yes")
        await line.carrier.say("have you got monday for my sore knee")
        use = await waits(line)
        [(requested, asked)] = line.of("approval.requested")
        assert requested.kept is True
        assert "sore knee" in asked.shown
        await line.carrier.press("2")
        async with asyncio.timeout(60):
            while not line.of("consent.withdrawn"):
                await asyncio.sleep(0.001)
        before = len(line.recorder.records)
        await decide(line, use, "granted")
        await line.settled()
        assert quoted(line.recorder.records[before:], ["have you got monday for my sore knee"]) == []
        assert signed(line, "approval.granted")


async def test_words_from_before_the_caller_took_consent_back_are_shown_no_more(tmp_path: Path) -> None:
    async with asking(say("At nine."), FIND, say("Ten is free."), tools=tools, people=tmp_path) as line:
        await line.opened()
        await line.say("yes", "when do you open on sundays", "stop recording me")
        await line.carrier.say("have you got monday")
        use = await waits(line)
        assert "sundays" not in (await show(line, use))["shown"]
        before = len(line.recorder.records)
        await decide(line, use, "granted")
        await line.settled()
        await line.say("let me talk to a person")
        assert line.of("handoff.requested")[0][1].summary == ""
        assert quoted(line.recorder.records[before:], ["when do you open on sundays"]) == []


async def test_who_takes_over_is_told_no_number_that_the_record_masks() -> None:
    """The summary a person got was made of the words as they were said."""
    async with on_the_line(say("Thank you."), **ANSWERED) as line:
        await line.opened()
        await line.say(SSN, "let me talk to a person")
        [(_, details)] = line.of("handoff.requested")
        assert "caller: my social security number is [national-id]" in details.summary
        assert line.of("handoff.requested")[0][0].kept is True
        assert raw(line.recorder.records, RECORD) == []


async def test_nobody_is_asked_where_nothing_can_be_masked(tmp_path: Path) -> None:
    async with on_the_line(
        FIND, say("That cannot be done."), tools=tools, people=tmp_path, redaction=Broken()
    ) as line:
        await line.opened()
        await line.say("have you got monday")
        assert "approval.requested" not in line.types()
        assert [record.reason for record, _ in line.of("tool.refused")] == ["not_approved"]
        assert not line.service.connections
