"""Who hangs up right behind, or in the middle of, a sentence has said it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.journeys.conftest import Server
from tests.journeys.test_played import complete, newest
from voice_runtime.caller.script import HangUp, Say, Silence, Wait

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(make_server: Callable[..., Server]) -> Server:
    return make_server()


@pytest.mark.parametrize("how", ["stop", "abrupt"])
async def test_a_sentence_right_before_the_end_is_on_record(server: Server, how: str) -> None:
    said = Say(text="when are you open", wait=False)
    await server.call(Wait(), said, Silence(seconds=0.1), HangUp(how=how))
    complete(await newest(server), "when are you open")
