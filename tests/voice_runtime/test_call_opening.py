"""What a call is opened with: its media and its language, on record."""

from __future__ import annotations

import pytest

from tests.simulators.house import on_the_line, release
from tests.simulators.model_server import say

pytestmark = pytest.mark.anyio


async def test_what_carries_the_voice_is_on_record() -> None:
    async with on_the_line() as line:
        await line.opened()
        [(media, _)] = line.of("media.opened")
        assert (media.transport, media.codec, media.microphone) == ("typed", "none", False)
        line.call.half_duplex(True)
        assert line.of("media.half_duplex")[0][0].active


async def test_a_call_is_in_one_of_the_agents_languages() -> None:
    spoken = {name: words | {"es-US": f"({name})"} for name, words in release().phrases.items()}
    changes = {"languages": ("en-US", "es-US"), "phrases": spoken}
    async with on_the_line(say("A las nueve."), language="es-US", **changes) as line:
        await line.opened()
        assert line.of("call.opened")[0][0].language == "es-US"
        assert {fixed.language for fixed in line.of("release.bound")[0][0].fixed} == {"es-US"}
        assert line.of("disclosure.played")[0][0].language == "es-US"
        await line.say("a que hora abren")
        assert "Answer in Spanish (es-US)" in line.model.requests[-1].json["messages"][0]["content"]
