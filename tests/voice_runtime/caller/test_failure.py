"""Why a call came to nothing: by the error, or by what it was raised from."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import InvalidHandshake, InvalidStatus
from websockets.http11 import Response

from controls.errors import ProviderError
from voice_runtime.caller.failure import Refused, failure_of


@pytest.mark.parametrize(
    ("cause", "failure"),
    [
        (httpx.ConnectError("x"), "unreachable"),
        (httpx.ConnectTimeout("x"), "unreachable"),
        (httpx.ReadTimeout("x"), "stalled"),
        (httpx.ReadError("x"), "unreachable"),
        (httpx.RemoteProtocolError("x"), "out_of_protocol"),
        (TimeoutError(), "stalled"),
        (ConnectionRefusedError(), "unreachable"),
        (OSError(), "unreachable"),
        (OSError(errno.EMFILE, "Too many open files"), "exhausted"),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address"), "exhausted"),
        (InvalidStatus(Response(403, "no", None)), "refused"),  # type: ignore[arg-type]
        (InvalidHandshake("x"), "out_of_protocol"),
    ],
)
def test_an_error_is_told_by_itself_and_by_what_it_was_raised_from(cause: Exception, failure: str) -> None:
    assert failure_of(cause) == failure
    wrapped = ProviderError("x", supplier="voice server")
    wrapped.__cause__ = cause
    assert failure_of(wrapped) == failure


def test_an_error_without_a_cause_says_whether_anything_wrong_was_said() -> None:
    assert failure_of(Refused("no", supplier="s", transient=False)) == "refused"
    assert failure_of(ProviderError("not TwiML", supplier="s", transient=False)) == "out_of_protocol"
    assert failure_of(ProviderError("the connection did not come about", supplier="s")) == "stalled"


async def _without_files(address: str) -> Exception:
    """What our HTTP client raises when this process may open no file any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:
        with suppress(httpx.HTTPError):
            await client.get(address)  # loads what it needs, once
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            with pytest.raises(httpx.ConnectError) as raised:
                await client.get(address)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return raised.value


@pytest.mark.anyio
async def test_a_process_without_files_left_knows_that_it_is_its_own_doing() -> None:
    assert failure_of(await _without_files("http://127.0.0.1:1")) == "exhausted"
