"""What a session is made of: cores, the network, and the door of a remote deployment."""

from __future__ import annotations

import pytest

from loadtests import session as under_test
from loadtests.called_agent import disclosure, objectives
from loadtests.cores import Cores, available_cores
from loadtests.options import Options, parse
from loadtests.remote import remote_system
from loadtests.results import Network
from loadtests.session import cores_for, network_of, pinned
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
