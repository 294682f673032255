"""The checker of records itself: whatever is taken out of a good record or changed in it is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controls.ledger import records as r
from tests.simulators.house import on_the_line
from tests.simulators.model_server import say
from tests.simulators.whole import Entry, problems

Change = Callable[[r.Record, Any], list[Entry]]


@pytest.fixture(scope="module")
def good() -> list[Entry]:
    """One call's whole record."""
    return asyncio.run(_call())


async def _call() -> list[Entry]:
    async with on_the_line(say("We open at nine. We close at five.")) as line:
        await line.opened()
        await line.say("when do you open")
        await line.hang_up()
        return list(line.recorder.records)


def without(kind: type[r.Record]) -> Change:
    return lambda record, personal: [] if isinstance(record, kind) else [(record, personal)]


def twice(kind: type[r.Record]) -> Change:
    return lambda record, personal: [(record, personal)] * (2 if isinstance(record, kind) else 1)


def changed(kind: type[r.Record], record: dict[str, Any] | None = None, **personal: Any) -> Change:
    def change(found: r.Record, details: Any) -> list[Entry]:
        if not isinstance(found, kind) or getattr(found, "phrase", None) is not None:
            return [(found, details)]
        return [
            (
                found.model_copy(update=record or {}),
                details.model_copy(update=personal) if personal else details,
            )
        ]

    return change


def latency(**values: float | None) -> Change:
    def change(record: r.Record, personal: Any) -> list[Entry]:
        if isinstance(personal, r.PlayedDetails) and personal.latency_ms is not None:
            made = personal.latency_ms.model_copy(update=values)
            return [(record, personal.model_copy(update={"latency_ms": made}))]
        return [(record, personal)]

    return change


WRONG: dict[str, tuple[Change, str]] = {
    "never cleared": (without(r.ClauseCleared), "sounded before it was cleared"),
    "never bound": (without(r.ReleaseBound), "is not bound by these words"),
    "no receipt": (changed(r.AgentPlayed, receipt_at_ns=0), "sounded before its receipt"),
    "late receipt": (changed(r.AgentPlayed, receipt_at_ns=2**62), "sounded before its receipt"),
    "other words": (changed(r.AgentPlayed, text="No.", played_text=""), "in other words"),
    "played twice": (twice(r.AgentPlayed), "has 2 agent.played"),
    "never played": (without(r.AgentPlayed), "has no agent.played"),
    "too many samples": (changed(r.AgentPlayed, {"samples": 10**6}), "more was played than there was"),
    "not to its end": (changed(r.AgentPlayed, {"samples": 1}), "in full, and not to its end"),
    "words unplayed": (changed(r.AgentPlayed, played_text=""), "not all of its words"),
    "words of others": (changed(r.AgentPlayed, played_text="Hello."), "are not its own"),
    "nothing sounded": (changed(r.AgentPlayed, {"samples": 0}), "words without a sample"),
    "no end": (without(r.CallClosed), "0 call.closed"),
    "wrong count": (changed(r.CallClosed, {"records": 3}), "call.closed names 3 records"),
    "words lost": (without(r.CallerSaid), "are not on record"),
    "wrong turn": (changed(r.CallerSaid, {"turn": 7}), "turns are numbered [7]"),
    "negative": (latency(verdict=-1.0), "verdict is negative"),
    "too long a part": (latency(first_token=10.0**6), "of parts in"),
    "too long beside": (latency(recognition=10.0**6), "longer than the whole"),
    "no whole": (latency(first_audio_out=None), "without its first sample"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_named(good: list[Entry], name: str) -> None:
    change, says = WRONG[name]
    assert problems(good, ["when do you open"]) == []
    bad = [entry for record, personal in good for entry in change(record, personal)]
    assert any(says in found for found in problems(bad, ["when do you open"]))


def test_a_record_behind_the_end_is_named_but_not_a_look_at_it(good: list[Entry]) -> None:
    late = r.PersonLeft(tenant="clinic", call=good[0][0].call)  # type: ignore[attr-defined]
    assert any("person.left behind" in found for found in problems([*good, (late, None)]))
    look = r.AccessViewed(tenant="clinic", call=late.call, what="trace")
    assert problems([*good, (look, None)]) == []
