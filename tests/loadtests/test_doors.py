"""Doors to callers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controls.errors import OperatorError
from loadtests.doors import make_caller
from loadtests.systems import TwilioDoor, WebRtcDoor
from voice_runtime.caller.twilio import TwilioCaller
from voice_runtime.caller.webrtc import WebRtcCaller


def test_each_door_has_its_caller() -> None:
    assert isinstance(make_caller(TwilioDoor("http://voice.example")), TwilioCaller)
    assert isinstance(make_caller(WebRtcDoor("http://voice.example", "healthcare")), WebRtcCaller)


@pytest.mark.parametrize(
    "door",
    [
        TwilioDoor("voice.example"),
        TwilioDoor("http://voice.example:port"),
        TwilioDoor("http://"),
        TwilioDoor("http://voice.example", stream_url="http://voice.example/stream"),
        TwilioDoor("http://voice.example", webhook=""),
        WebRtcDoor("voice.example"),
    ],
)
def test_a_door_that_leads_nowhere_is_the_operators_error(door: TwilioDoor | WebRtcDoor) -> None:
    with pytest.raises(OperatorError):
        make_caller(door)


@pytest.mark.anyio
async def test_a_door_to_a_stream_asks_no_webhook() -> None:
    door = TwilioDoor("http://voice.example", stream_url="ws://voice.example/s", parameters={"a": "b"})
    caller = make_caller(door)
    assert isinstance(caller, TwilioCaller)
    [verb] = await caller.place()
    stream = verb.noun("Stream")
    assert verb.name == "Connect"
    assert stream is not None
    assert stream.attributes["url"] == "ws://voice.example/s"
    assert stream.nouns[0].attributes == {"name": "a", "value": "b"}


def test_a_server_behind_a_proxy_is_called_by_its_own_name() -> None:
    caller = make_caller(
        TwilioDoor("https://voice.example", connect_to="http://127.0.0.1:9", webhook="/in?line=1")
    )
    assert isinstance(caller, TwilioCaller)
    assert caller._reach("wss://voice.example/media") == "ws://127.0.0.1:9/media"
    assert caller._reach("https://voice.example/in?line=1") == "http://127.0.0.1:9/in?line=1"


def test_beside_the_path_of_its_address_it_is_the_same_server() -> None:
    """A door made of a stream's address has that stream's path in it."""
    caller = make_caller(
        TwilioDoor(
            "http://127.0.0.1:8765/ws", stream_url="ws://127.0.0.1:8765/ws",
            connect_to="http://127.0.0.1:9", confined=True,
        )
    )  # fmt: skip
    assert isinstance(caller, TwilioCaller)
    assert caller._reach("ws://127.0.0.1:8765/ws") == "ws://127.0.0.1:9/ws"
    assert caller._reach("ws://127.0.0.1:9/ws?a=b") == "ws://127.0.0.1:9/ws?a=b"  # it named whom we came by


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("ws://voice.example/media", "voice.example"),
        ("ws://127.0.0.1:8001/media", "127.0.0.1:8001"),
        ("wss://127.0.0.1:8000/media", "127.0.0.1:8000"),  # TLS is another server on that port, or none
        ("http://elsewhere.example/next", "elsewhere.example"),
    ],
)
def test_a_confined_call_is_led_nowhere_else(url: str, named: str) -> None:
    door = TwilioDoor("http://127.0.0.1:8000", connect_to="http://127.0.0.1:9")
    free, confined = make_caller(door), make_caller(replace(door, confined=True))
    assert isinstance(free, TwilioCaller)
    assert isinstance(confined, TwilioCaller)
    assert free._reach(url) == url
    with pytest.raises(OperatorError, match=f"leads to {named}, .* stands before 127.0.0.1:8000 only"):
        confined._reach(url)
