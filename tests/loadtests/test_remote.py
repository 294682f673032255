"""A deployment by its address: called, never started, never looked into."""

from __future__ import annotations

import pytest

from controls.errors import OperatorError
from loadtests.options import Options
from loadtests.remote import Remote, remote_system
from loadtests.systems import System, TwilioDoor, WebRtcDoor
from voice_runtime.caller.results import CallResult

pytestmark = pytest.mark.anyio


async def test_it_has_doors_and_nothing_else():
    system: System = Remote({"twilio": TwilioDoor("https://agent.example")})
    await system.start()
    assert system.pid is None
    assert await system.evidence([CallResult("CA", answered_ns=1)]) == {}
    assert await system.loop_lag_p99_ms() is None
    await system.stop()
    await system.stop()


@pytest.mark.parametrize(
    "doors",
    [
        {},
        {"twilio": TwilioDoor("agent.example")},
        {"twilio": TwilioDoor("", stream_url="https://agent.example/ws")},
        {"webrtc": WebRtcDoor("ws://agent.example")},
        {"twilio": TwilioDoor("http://agent.example:abc")},
        {"twilio": TwilioDoor("http://agent.example:99999")},
        {"webrtc": WebRtcDoor("http://:7860")},
        {"webrtc": WebRtcDoor("http://[::1")},
        {"twilio": TwilioDoor("http://agent.example", stream_url="wss://agent.example:abc/ws")},
    ],
)
def test_an_address_that_is_none_is_the_operators_error(doors: dict[str, object]):
    with pytest.raises(OperatorError):
        Remote(doors)


def test_the_command_line_names_a_telephone_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARRIER_TOKEN", "secret")
    options = Options(
        "run",
        profile="remote",
        url="https://agent.example",
        to="+12025550199",
        auth_token_env="CARRIER_TOKEN",
    )
    found = remote_system(options)
    assert found.doors == {"twilio": TwilioDoor("https://agent.example", "secret", to_number="+12025550199")}


def test_the_command_line_names_a_stream_or_a_browsers_door():
    stream = remote_system(Options("run", profile="remote", stream_url="wss://agent.example/ws", webhook=""))
    assert stream.doors == {
        "twilio": TwilioDoor("https://agent.example/ws", webhook="", stream_url="wss://agent.example/ws")
    }
    options = Options(
        "run", profile="remote", transport="webrtc", url="http://127.0.0.1:1", agent="a", dialect="pipecat"
    )
    assert remote_system(options).doors == {"webrtc": WebRtcDoor("http://127.0.0.1:1", "a", "pipecat")}


def test_a_port_that_is_no_number_is_the_operators_error_before_anything_begins():
    """It once was a traceback, where the impaired network asked for the port."""
    with pytest.raises(OperatorError, match="a number for a port"):
        remote_system(Options("run", profile="remote", url="http://agent.example:abc", loss=1.0))
