"""The holding phrase in a whole call: bound, played and on record like any fixed phrase, and counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from controls.ledger import records as r
from tests.simulators.house import OnTheLine, booking, on_the_line
from tests.simulators.model_server import call, say
from voice_runtime.agent import Tool
from voice_runtime.phrases import HOLDING
from voice_runtime.telemetry import CountingRecorder, Telemetry

pytestmark = pytest.mark.anyio

OPENING = ["disclosure", "greeting"]
FIND = call(("find", '{"day": "Monday"}'))


def tools(base: str) -> tuple[Tool, ...]:
    """One that is used at once, and may take its time."""
    changes: dict[str, Any] = {"name": "find", "operation": "find", "risk": "low", "timeout_s": 30.0}
    return (booking(base, read_back=(), read_back_say={}, **changes),)


def played(line: OnTheLine) -> list[tuple[r.AgentPlayed, r.PlayedDetails]]:
    return [(record, words) for record, words in line.of("agent.played") if words.phrase not in OPENING]


async def until_played(line: OnTheLine, phrase: str) -> None:
    async with asyncio.timeout(60):
        while phrase not in line.played():
            await asyncio.sleep(0.001)


async def test_it_is_on_record_once_and_the_answer_follows() -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, moment_after_s=0.0) as line:
        await line.opened()
        line.service.go.clear()
        await line.carrier.say("have you got monday")
        await until_played(line, HOLDING)
        assert "tool.executed" not in line.types()
        line.service.go.set()
        await line.settled()
        assert line.played() == [*OPENING, HOLDING, "Ten is free."]
        (phrase, phrase_words), (answer, answer_words) = played(line)
        assert phrase.fixed and not answer.fixed
        assert not phrase.interrupted and phrase.samples == phrase.of_samples
        assert phrase_words.latency_ms is None, "it answers nothing"
        assert answer_words.latency_ms is not None
        assert phrase.turn == answer.turn == 1
        assert HOLDING in {f.phrase for record, _ in line.of("release.bound") for f in record.fixed}
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


async def test_an_answer_that_comes_first_is_not_held_up() -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, moment_after_s=600.0) as line:
        await line.opened()
        await line.say("have you got monday")
        assert line.played() == [*OPENING, "Ten is free."]


async def test_interrupting_it_does_not_cancel_the_tool() -> None:
    async with on_the_line(FIND, say("Ten is free."), tools=tools, moment_after_s=0.0) as line:
        await line.opened()
        line.service.go.clear()
        line.carrier.freeze(200)
        await line.carrier.say("have you got monday")
        async with asyncio.timeout(60):
            while not (line.carrier._held and line.carrier._speaking):  # in the middle of it, and known to be
                await asyncio.sleep(0.001)
        await line.carrier.say("hello")
        await until_played(line, f"{HOLDING}…")
        line.service.go.set()
        await line.settled()
        assert line.types().count("tool.requested") == line.types().count("tool.executed") == 1
        assert line.played() == [*OPENING, f"{HOLDING}…", "Ten is free."]
        await line.hang_up()
        assert line.closed() == ("caller", "hung_up")


def test_it_is_counted_on_its_own() -> None:
    class Nowhere:
        def append(self, record: r.Record, personal: r.Personal | None = None) -> Any:
            from concurrent.futures import Future

            return Future()

    telemetry = Telemetry()
    recorder = CountingRecorder(Nowhere(), telemetry)

    def plays(phrase: str | None, samples: int) -> None:
        recorder.append(
            r.AgentPlayed(
                tenant="clinic", call="c_" + "A" * 16, turn=1, clause="k_" + "A" * 16, fixed=bool(phrase),
                samples=samples, of_samples=800, rate_hz=8000, interrupted=samples < 800,
                evidence=r.Evidence.SENT_ONLY,
            ),
            r.PlayedDetails(
                phrase=phrase, text="One moment, please.", played_text="", started_s=1.0, receipt_at_ns=1,
                first_sample_at_ns=1, latency_ms=None,
            ),
        )  # fmt: skip

    for phrase, samples in ((HOLDING, 800), (HOLDING, 160), (HOLDING, 0), ("fallback", 800), (None, 800)):
        plays(phrase, samples)
    assert telemetry.registry.get_sample_value("sayso_holding_phrases_total") == 2
