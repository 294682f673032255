"""What a call is opened with, on record; and what becomes of one that is not answered."""

from __future__ import annotations

import pytest

from controls.errors import LedgerError
from tests.simulators.house import FakeSpool, on_the_line, refused_call, release
from tests.simulators.model_server import say
from tests.simulators.recorder import MemoryRecorder

pytestmark = pytest.mark.anyio


async def test_what_carries_the_voice_is_on_record() -> None:
    async with on_the_line() as line:
        await line.opened()
        [(media, _)] = line.of("media.opened")
        assert (media.transport, media.codec, media.microphone) == ("typed", "none", False)
        line.call.half_duplex(True)
        assert line.of("media.half_duplex")[0][0].active


async def test_a_call_is_bound_to_the_version_of_its_redaction() -> None:
    async with on_the_line() as line:
        await line.opened()
        versions = {record.redaction for record, _ in line.of("release.bound")}
        assert versions == {line.call.redaction.version("record")}
        assert versions.pop().startswith("sha256:")


async def test_a_call_is_in_one_of_the_agents_languages() -> None:
    spoken = {name: words | {"es-US": f"({name})"} for name, words in release().phrases.items()}
    changes = {"languages": ("en-US", "es-US"), "phrases": spoken}
    async with on_the_line(say("A las nueve."), language="es-US", **changes) as line:
        await line.opened()
        assert line.of("call.opened")[0][0].language == "es-US"
        assert {fixed.language for fixed in line.of("release.bound")[0][0].fixed} == {"es-US"}
        assert line.of("disclosure.played")[0][0].language == "es-US"
        await line.say("a que hora abren")
        assert "Answer in Spanish (es-US)" in line.model.requests[-1].json["messages"][0]["content"]


@pytest.mark.parametrize("fault", ["failing", "refusing", "delayed"])
async def test_a_call_is_not_opened_when_its_first_records_are_not_durable(fault: str) -> None:
    recorder = MemoryRecorder()
    setattr(recorder, fault, True)
    with pytest.raises(LedgerError):
        await refused_call(recorder)
    recorder.delayed = False
    recorder.commit()


async def test_a_call_whose_first_records_come_too_late_is_closed_on_record() -> None:
    """The disk's stall passes and they are durable after all: nothing else would ever end this call."""
    recorder = MemoryRecorder(delayed=True)
    with pytest.raises(LedgerError):
        await refused_call(recorder)
    recorder.commit()
    # its phrases take more than one record where there are many
    assert list(dict.fromkeys(recorder.types())) == ["call.opened", "release.bound", "call.closed"]
    closed, _ = recorder.records[-1]
    assert (closed.ended_by, closed.reason) == ("failure", "failed")
    assert (closed.duration_s, closed.records) == (0, len(recorder.records) - 1)


async def test_a_call_whose_first_records_went_into_the_spool_is_closed_there() -> None:
    recorder, spool = MemoryRecorder(failing=True), FakeSpool()
    with pytest.raises(LedgerError):
        await refused_call(recorder, spool)
    assert (spool.types()[0], spool.types()[-1]) == ("call.opened", "call.closed")


async def test_a_call_that_nobody_answered_took_no_time() -> None:
    """The carrier took the call and never opened its stream: its length is not the machine's uptime."""
    async with on_the_line() as line:
        await line.call.close()
        ((closed, _),) = line.of("call.closed")
        assert closed.duration_s == 0
        assert closed.records == len(line.recorder.records) - 1
