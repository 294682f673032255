"""What a session is made of: cores, the network, and the door of a remote deployment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from controls.errors import ConfigurationError
from loadtests import session as under_test
from loadtests.called_agent import disclosure, known_agent, objectives
from loadtests.cores import Cores, available_cores
from loadtests.options import Options, parse
from loadtests.progress import Quiet
from loadtests.remote import remote_system
from loadtests.results import Beside, Network
from loadtests.run import WarmUp
from loadtests.scenario import SCENARIOS
from loadtests.schedule import MeantCall
from loadtests.session import Session, cores_for, network_of, pinned, session
from loadtests.supply import Supply
from loadtests.systems import TwilioDoor, WebRtcDoor


def test_browsers_get_more_cores_where_there_are_many():
    many = Cores(server=tuple(range(2, 16)), generator=(0,), suppliers=(1,))
    telephones = cores_for(Options("run"), lambda: many)
    browsers = cores_for(Options("run", transport="webrtc"), lambda: many)
    assert telephones == many
    assert browsers.generator == (0, 12, 13, 14, 15)
    assert set(browsers.generator) | set(browsers.server) == set(many.generator) | set(many.server)
    assert not set(browsers.generator) & set(browsers.server)
    few = Cores(server=(1,), generator=(0,), suppliers=(0,))
    assert cores_for(Options("run", transport="webrtc"), lambda: few) == few


def test_its_own_work_is_pinned_only_while_it_lasts():
    mine = available_cores()
    with pinned(Cores(generator=mine[:1])):
        assert available_cores() == mine[:1]
    assert available_cores() == mine


def test_a_clean_network_is_left_alone_and_a_bad_one_says_by_what(monkeypatch: pytest.MonkeyPatch):
    assert network_of(parse(["run"])) == Network()
    bad = parse(["run", "--loss", "1", "--jitter", "30"])
    for there, by in ((True, "netem"), (False, "proxy")):
        monkeypatch.setattr(under_test, "netem_available", lambda there=there: there)
        assert network_of(bad) == Network(by=by, loss_percent=1, jitter_ms=30)


def test_a_remote_door_is_what_was_said():
    line = "run --profile remote --url https://agent.example --to +12025550199 --webhook /voice"
    door = remote_system(parse(line.split()), "healthcare").doors["twilio"]
    assert isinstance(door, TwilioDoor)
    assert (door.base_url, door.to_number, door.webhook) == (
        "https://agent.example",
        "+12025550199",
        "/voice",
    )
    assert door.from_number == TwilioDoor("").from_number
    assert door.auth_token == ""


def test_a_remote_stream_needs_no_webhook():
    options = parse(["run", "--profile", "remote", "--stream-url", "wss://agent.example/ws"])
    door = remote_system(options, "healthcare").doors["twilio"]
    assert isinstance(door, TwilioDoor)
    assert (door.base_url, door.stream_url) == ("https://agent.example/ws", "wss://agent.example/ws")


def test_a_remote_page_calls_the_scenarios_agent_unless_another_is_named():
    line = "run --profile remote --transport webrtc --url http://127.0.0.1:1 --dialect pipecat"
    assert remote_system(parse(line.split()), "healthcare").doors == {
        "webrtc": WebRtcDoor("http://127.0.0.1:1", "healthcare", "pipecat")
    }
    named = remote_system(parse(f"{line} --agent dental".split()), "healthcare").doors["webrtc"]
    assert named == WebRtcDoor("http://127.0.0.1:1", "dental", "pipecat")


def test_the_agents_own_words_and_objectives_are_read_from_its_file():
    assert "AI assistant" in disclosure("healthcare")
    assert objectives("healthcare")["first_audio_out_p95_ms"] == 1400
    assert (disclosure("nobody"), objectives("")) == ("", {})


def test_a_scenario_for_nobody_is_refused_with_file_line_and_field(tmp_path: Path):
    file = tmp_path / "lost.yaml"
    text = (SCENARIOS / "short.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("agent: healthcare", "agent: nobody_here"), encoding="utf-8")
    line = 1 + [each.split(":")[0] for each in text.splitlines()].index("agent")
    with pytest.raises(ConfigurationError) as refused:
        known_agent("nobody_here", str(file))
    [problem] = refused.value.problems
    assert (problem.file, problem.line, problem.field) == ("lost.yaml", line, "agent")
    assert "healthcare" in problem.remedy
    known_agent("healthcare", "short")


@pytest.mark.anyio
async def test_whom_a_deployment_elsewhere_has_is_its_own_business(tmp_path: Path):
    file = tmp_path / "lost.yaml"
    text = (SCENARIOS / "short.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("agent: healthcare", "agent: nobody_here"), encoding="utf-8")
    remote = Options("run", profile="remote", url="http://127.0.0.1:1", scenario=str(file))
    async with session(remote, asyncio.Event(), Quiet()) as here:
        assert here.scenario.agent == "nobody_here"
    with pytest.raises(ConfigurationError):
        async with session(Options("run", scenario=str(file)), asyncio.Event(), Quiet()):
            pass


class Standing:
    """A system that is up at once, on this process's own memory; nobody answers at its door."""

    name, profile, tier, engines, server_cores = "ours", "mock", "mock", (), ()
    doors: Mapping[str, object] = {}
    pid = os.getpid()

    async def start(self) -> None:
        """It is."""

    async def stop(self) -> None:
        """Nothing was started."""


@pytest.mark.anyio
async def test_idle_memory_is_read_once_a_server_after_its_first_call(monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    async def warm_up(system: object, offer: object, bench: object) -> WarmUp:
        order.append("first call")
        return WarmUp(None, None, MeantCall(1.0))

    def idle_mb(pid: int | None) -> float:
        assert pid == os.getpid()
        order.append("weighed")
        return 210.0

    async def made(self: object, name: str) -> Standing:
        return Standing()

    monkeypatch.setattr(under_test, "warm_up", warm_up)
    monkeypatch.setattr(under_test, "idle_mb", idle_mb)
    monkeypatch.setattr(Session, "_make", made)
    async with session(Options("run"), asyncio.Event(), Quiet()) as here:
        up = await here.up("ours")
        assert up.idle_mb == 210.0
        assert await here.up("ours") is up
        assert await here.bench.beside() == ()  # no suppliers were started
    assert order == ["first call", "weighed"]


@pytest.mark.anyio
async def test_suppliers_are_asked_how_late_they_were(monkeypatch: pytest.MonkeyPatch):
    late = Beside(what="suppliers", late_p99_ms=2.0, late_max_ms=4.0)

    class Late(Supply):
        async def lateness(self) -> Beside | None:
            return late

    async with session(Options("run"), asyncio.Event(), Quiet()) as here:
        here._supply = Late()
        assert await here.bench.beside() == (late,)
        here._supply = Supply()
        assert await here.bench.beside() == ()
