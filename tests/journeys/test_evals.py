"""Every scripted conversation of every agent, on the real parts, judged from the record and proven."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from controls.ledger import records as r
from controls.ledger.reader import Opened, Reader
from controls.ledger.verify import verify_directory
from tests.journeys.conftest import unhurried
from tests.simulators.tone import ToneSynthesiser
from voice_runtime.eval_file import EvalFile, Expected, Outcome, Step, ToolExpected, evals_of
from voice_runtime.evals import EvalResult, run_eval
from voice_runtime.house import Facts
from voice_runtime.rehearsal import Rehearsal, rehearsing
from voice_runtime.settings import load_settings

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.leaves("socket", why="the rehearsal is shared: its clients keep connections between calls"),
]

ROOT = Path(__file__).resolve().parents[2]
AGENTS = ("healthcare", "real_estate", "salon")
EVERY = [
    pytest.param(agent, path.stem, id=f"{agent}-{path.stem}")
    for agent in AGENTS
    for path in sorted((ROOT / "agents" / agent / "evals").glob("*.yaml"))
]
CLINIC = pytest.mark.parametrize("rehearsal", ["healthcare"], indirect=True)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def rehearsal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Rehearsal]:
    settings = unhurried(load_settings(ROOT / "configs" / "profiles" / "offline.yaml"))
    voice = None if find_spec("espeakng_loader") else ToneSynthesiser()
    directory = tmp_path_factory.mktemp("rehearsal")
    async with rehearsing(settings, request.param, directory, synthesiser=voice) as parts:
        yield parts


@pytest.fixture(scope="module")
def cases(rehearsal: Rehearsal) -> dict[str, EvalFile]:
    found, problems = evals_of(ROOT, rehearsal.agent.release)
    assert problems == []
    return found


async def have(name: str, case: EvalFile, parts: Rehearsal) -> EvalResult:
    await asyncio.to_thread(parts.empty_book)
    facts = Facts(parts.agent.release.tenant, "rehearsal", parts.region, "webrtc")
    return await run_eval(name, case, parts.agent, parts.house, rows=parts.rows, facts=facts)


def on_record(parts: Rehearsal, call: str) -> list[Opened]:
    with Reader.open(parts.ledger.root) as reader:
        return reader.opened(call)


@pytest.mark.parametrize(("rehearsal", "name"), EVERY, indirect=["rehearsal"])
async def test_a_scripted_conversation_holds_and_is_proven(
    name: str, rehearsal: Rehearsal, cases: dict[str, EvalFile]
) -> None:
    result = await have(name, cases[name], rehearsal)

    assert result.failures == ()
    assert result.release == rehearsal.agent.release.digest
    found = await asyncio.to_thread(on_record, rehearsal, result.call)
    numbers = [o.record.n for o in found]
    assert numbers == list(range(len(found)))
    closed = found[-1].record
    assert isinstance(closed, r.CallClosed)
    # A person's look writes itself down, and is no part of the call.
    counted = [o for o in found if not isinstance(o.record, r.AccessViewed)]
    assert closed.records == len(counted) - 1
    cleared = {o.record.clause for o in found if isinstance(o.record, r.ClauseCleared)}
    played = [o.record.clause for o in found if isinstance(o.record, r.AgentPlayed)]
    assert len(played) == len(set(played))
    assert cleared <= set(played)
    report = await asyncio.to_thread(verify_directory, rehearsal.ledger.root)
    assert report.ok, report.verdict


def _case(*steps: Step, outcome: Outcome | None = None, opening: Expected | None = None) -> EvalFile:
    return EvalFile(
        format=1, title="What must be found out", about=("evals",), steps=steps,
        opening=opening or Expected(), outcome=outcome or Outcome(),
    )  # fmt: skip


@CLINIC
async def test_every_expectation_that_does_not_hold_is_named(rehearsal: Rehearsal) -> None:
    wrong = Expected(
        says=("a thing nobody says",), never_says=("eight to five",), phrase="goodbye", verdict="block",
        rule="ours/no-waiting-times", addressed="person", tool=ToolExpected(name="find_slots"), rows=1,
        handoff="callback", emergency="emergency-us/danger-to-life",
    )  # fmt: skip
    outcome = Outcome(
        never_says=("AI assistant",), rows=2, handoff="nobody", emergency=True, ended_by="agent",
        records=("tool.executed",), never_records=("caller.said",),
    )  # fmt: skip
    hours = Step(caller="what are your opening hours", expect=wrong)
    result = await have("wrong", _case(hours, Step(hangs_up=True), outcome=outcome), rehearsal)

    at = 'step 1 (caller: "what are your opening hours"): '
    named = [f.removeprefix(at).split(":")[0] for f in result.failures if f.startswith(at)]
    assert named == [
        "says", "never_says", "phrase", "verdict", "rule", "addressed", "tool", "rows", "handoff",
        "emergency",
    ]  # fmt: skip
    whole = [f.split(":")[1].strip() for f in result.failures if f.startswith("outcome: ")]
    assert whole == [
        "never_says", "rows", "handoff", "emergency", "ended_by", "records", "never_records",
    ]  # fmt: skip


@CLINIC
async def test_a_booking_without_a_yes_is_found_missing(rehearsal: Rehearsal) -> None:
    case = _case(
        Step(caller="can i see doctor patel on tuesday"),
        Step(
            caller="at ten",
            expect=Expected(tool=ToolExpected(name="book_appointment"), rows=1, phrase="goodbye"),
        ),
    )
    result = await have("no-yes", case, rehearsal)
    assert [f.split(": ", 2)[2] for f in result.failures] == [
        "phrase: expected goodbye in full, found no fixed phrase",
        "tool: expected book_appointment executed, found no tool",
        "rows: expected 1, found 0",
    ]


@CLINIC
async def test_steps_after_the_end_of_a_call_fail(rehearsal: Rehearsal) -> None:
    late = Step(caller="what are your opening hours")
    result = await have("late", _case(Step(caller="take me off your list"), late), rehearsal)
    assert result.failures == ('step 2 (caller: "what are your opening hours"): the call was over before it',)


@CLINIC
async def test_a_caller_who_speaks_into_the_disclosure_is_answered_after_it(rehearsal: Rehearsal) -> None:
    hours = Step(
        caller="what are your opening hours", interrupts=True,
        expect=Expected(phrase="disclosure", says=("from eight to five",), addressed="model"),
    )  # fmt: skip
    result = await have("early", _case(hours), rehearsal)
    assert result.failures == ()
