"""What the risk score of a tool's use is told: its class, its undo, and how sure the caller's words are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from controls.gate import Gate
from controls.risk import Limits, RiskModel
from controls.rules.engine import Rules
from controls.rules.pack_files import parse_pack
from tests.controls.test_risk import shipped
from tests.voice_runtime.think.conftest import _PACK, Call
from voice_runtime.agent import Tool

pytestmark = pytest.mark.anyio


@pytest.fixture
def scored(call: Call) -> Call:
    call.gate = Gate(
        recorder=call.recorder, tenant="clinic", call=call.journal.call, language="en-US",
        rules=Rules.compile([parse_pack(_PACK, "test.yaml")]), risk=RiskModel(shipped()),
    )  # fmt: skip
    return call


def points(call: Call, kind: str = "tool.requested") -> dict[str, int]:
    [*_, (record, details)] = call.recorder.of(kind)
    assert record.score == sum(reason.points for reason in details.reasons)
    return {reason.feature: reason.points for reason in details.reasons}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"first-use": 5}),
        ({"risk": "medium", "undo_with": "cancel"}, {"tool-class": 15, "first-use": 5}),
        ({"risk": "medium"}, {"tool-class": 15, "no-undo": 20, "first-use": 5}),
        ({"risk": "high"}, {"tool-class": 30, "no-undo": 20, "first-use": 5}),
    ],
)
async def test_its_class_and_its_undo(
    scored: Call, make_tool: Callable[..., Tool], changes: dict[str, str], expected: dict[str, int]
) -> None:
    turn = scored.said("tuesday please")
    runner = scored.runner(make_tool("find", scored.server.url, **changes))
    assert (await runner.use("find", {"day": "tuesday"}, turn)).ok
    assert points(scored) == expected
    assert (await runner.use("find", {"day": "friday"}, turn)).ok
    assert "first-use" not in points(scored)


async def test_how_sure_the_callers_words_are(scored: Call, make_tool: Callable[..., Tool]) -> None:
    turn = scored.said("tuesday please")
    scored.journal.confidence = 0.0
    await scored.runner(make_tool("find", scored.server.url)).use("find", {"day": "tuesday"}, turn)
    assert points(scored)["unsure-recognition"] == 15


async def test_a_use_at_the_limit_reaches_no_service_and_the_model_is_told_why(
    scored: Call, make_tool: Callable[..., Tool]
) -> None:
    scored.gate = Gate(
        recorder=scored.recorder, tenant="clinic", call=scored.journal.call, language="en-US",
        rules=scored.gate.rules, risk=RiskModel(shipped(), Limits(block_at=5)),
    )  # fmt: skip
    result = await scored.runner(make_tool("find", scored.server.url)).use(
        "find", {"day": "tuesday"}, scored.said("hello")
    )
    assert not result.ok
    assert result.content["detail"] == "the risk of 5 reaches the limit of 5: first-use"
    assert scored.types() == ["tool.refused"]
    assert points(scored, "tool.refused") == {"first-use": 5}


async def test_the_newest_words_confidence_is_the_journals(call: Call) -> None:
    assert call.journal.confidence is None
    call.said("hello")
    assert call.journal.confidence == 0.9
