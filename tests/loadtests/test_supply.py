"""What answers behind the systems: what it is on each side, and how late it was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from loadtests.cores import Cores
from loadtests.engines import Engines
from loadtests.options import parse
from loadtests.results import Beside
from loadtests.scenario import Scenario, load_scenario
from loadtests.supply import Supply, supply
from tests.simulators import bad_servers

pytestmark = pytest.mark.anyio


async def test_suppliers_tell_how_late_they_were_and_those_that_are_not_there_do_not():
    told = bad_servers.http(200, '{"late_p99_ms": 1.5, "late_max_ms": 7.0}', "application/json")
    asked: list[str] = []

    def reply(path: str) -> bytes:
        asked.append(path)
        return told

    async with bad_servers.answering(reply) as address:
        late = await Supply(f"{address}/v1").lateness()
    assert late == Beside(what="suppliers", late_p99_ms=1.5, late_max_ms=7.0)
    assert asked == ["/lateness"]
    assert await Supply().lateness() is None
    async with bad_servers.gone() as gone:
        assert await Supply(f"{gone}/v1").lateness() is None


LINES = ("recogniser over the network: a model", "model: an 8B", "voice: a neural one")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """No engine starts, and nothing is written."""

    @asynccontextmanager
    async def served(**told: object) -> AsyncIterator[Engines]:
        address = "http://127.0.0.1:1/v1"
        yield Engines(address, address, address, LINES if told["whisper"] else LINES[1:], None)

    async def nothing(scenario: Scenario) -> list[object]:
        return []

    monkeypatch.setattr("loadtests.engines.engine_server", served)
    monkeypatch.setattr("loadtests.engines.known_speech.write_whisper", lambda folder, *_, **__: Path(folder))
    monkeypatch.setattr("loadtests.supply.every_sentence", nothing)


async def supplied(command: str) -> Supply:
    options = parse([command, "--profile", "gpu"])
    async with AsyncExitStack() as stack:
        return await supply(options, load_scenario("short"), Cores(), stack)


@pytest.mark.usefixtures("engines")
async def test_each_side_says_where_its_recogniser_computes():
    compared = await supplied("compare")
    what = "recogniser: faster-whisper, micro-turbo shape, int8 on cpu, random weights"
    assert compared.lines == (f"{what}, in the server's process tree", *LINES[1:])
    stock = "one at a time, 30 s window"  # ours is not: whoever compares the two has to know
    assert compared.outside_lines == (f"{what}, in the engines' process, {stock}", *LINES[1:])
    assert compared.engines is not None
    assert compared.engines.lines == compared.lines
    alone = await supplied("run")
    assert alone.lines == compared.lines
    assert alone.outside_lines == ()  # nobody takes recognition over the network
