"""Keys behind the end of an entry: the rest of the figures, until a pound or a pause."""

from __future__ import annotations

import asyncio

import pytest

from controls.keys_after import REST_S
from tests.simulators.house import OnTheLine
from tests.simulators.model_server import say
from tests.voice_runtime.test_capture_on_the_line import PAY, asked, line_of
from voice_runtime.agent import DeskRoute
from voice_runtime.events import KeyPressedFrame

pytestmark = pytest.mark.anyio

ONLY_CALLBACK = (DeskRoute("callback", "reception", title="reception"),)


async def keyed_on(line: OnTheLine, keys: str) -> None:
    """The caller goes on keying figures, each at once behind the one before."""
    for key in keys:
        await line.carrier.send(KeyPressedFrame(key))


@pytest.mark.parametrize("how", ["misfit", "stopped", "timed_out", "too_long"])
async def test_the_rest_of_the_figures_is_no_consent_no_objection_and_no_wish(how: str) -> None:
    """A card's 1 was consent to a call-back, its 2 an objection, its 0 a wish for a person."""
    async with line_of(PAY, say("All right."), handoff=ONLY_CALLBACK) as line:
        await asked(line)
        await keyed_on(line, "4111")
        if how == "misfit":
            await keyed_on(line, "#1#1#")
        elif how == "stopped":
            line.call.stop()
        elif how == "too_long":
            line.call.capture.gone("stopped")
        else:
            line.call.capture.silent()
            line.call.capture.silent()
        await keyed_on(line, "4120122")
        await line.settled()
        assert not line.call.capture.paused
        assert [r.scope for r, _ in line.of("consent.recorded")] == []
        assert line.of("consent.withdrawn") == []
        assert [
            r.requested_by for r, _ in line.of("handoff.requested") if r.requested_by == "caller_key"
        ] == []
        assert line.of("handoff.failed") == []


async def test_keys_count_again_behind_a_hash_and_behind_a_pause() -> None:
    async with line_of(PAY, say("All right."), handoff=ONLY_CALLBACK) as line:
        await asked(line)
        line.call.capture.gone("stopped")
        await keyed_on(line, "12#")
        await line.press("0")
        assert line.played()[-1] == "ask-callback"
        await line.press("2")
        assert [(r.scope, r.given) for r, _ in line.of("consent.recorded")] == [("callback", False)]


async def test_who_gave_up_with_pound_gets_a_person_by_the_next_key() -> None:
    """The caller's own pound ends the entry: what they press then is no figure of it."""
    async with line_of(PAY, say("All right.")) as line:
        await asked(line)
        await line.press("#")
        await line.press("0")
        async with asyncio.timeout(60):
            await line.control.asked.wait()
        [(handoff, _)] = line.of("handoff.requested")
        assert handoff.requested_by == "caller_key"


async def test_keys_count_again_behind_a_pause() -> None:
    async with line_of(PAY, say("All right."), handoff=ONLY_CALLBACK) as line:
        await asked(line)
        line.call.capture.gone("stopped")
        await line.settled()
        await line.carrier.stay_silent(REST_S + 0.1)
        await line.press("0")
        assert line.played()[-1] == "ask-callback"
