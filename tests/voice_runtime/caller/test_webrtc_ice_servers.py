"""A server's ICE servers: those a browser takes are taken, others are the server's fault."""

from __future__ import annotations

from typing import Any

import pytest

from controls.errors import ProviderError
from voice_runtime.caller.failure import failure_of
from voice_runtime.caller.webrtc import _ice_servers


def test_what_a_browser_takes_is_taken() -> None:
    granted = {
        "ice_servers": [
            {"urls": ["stun:stun.example.org:3478"]},
            {"urls": ["turn:turn.example.org?transport=udp"], "username": "u", "credential": "c"},
        ]
    }
    assert [server.urls for server in _ice_servers(granted)] == [
        ["stun:stun.example.org:3478"],
        ["turn:turn.example.org?transport=udp"],
    ]
    assert _ice_servers({}) == []
    assert _ice_servers({"ice_servers": None}) == []
    [one] = _ice_servers({"ice_servers": [{"urls": "stun:stun.example.org"}]})
    assert one.urls == ["stun:stun.example.org"]


@pytest.mark.parametrize("url", ["http://turn.example.org", "stun:", "", 7, "stun:stun.example.org:99999"])
def test_an_address_that_is_none_is_the_servers_fault_and_no_exception_of_ours(url: Any) -> None:
    with pytest.raises(ProviderError) as error:
        _ice_servers({"ice_servers": [{"urls": [url]}]})
    assert failure_of(error.value) == "out_of_protocol"


@pytest.mark.parametrize(
    "named",
    [
        5,
        "stun:stun.example.org",
        {"urls": ["stun:stun.example.org"]},
        [5],
        [{}],
        [{"urls": 5}],
        [{"urls": ["turn:turn.example.org"], "username": 5}],
        [{"urls": ["turn:turn.example.org"], "credential": {}}],
    ],
)
def test_ice_servers_that_are_no_list_of_them_are_the_servers_fault(named: Any) -> None:
    """A number once was a TypeError of the harness's own, and the run did not count."""
    with pytest.raises(ProviderError) as error:
        _ice_servers({"ice_servers": named})
    assert failure_of(error.value) == "out_of_protocol"
