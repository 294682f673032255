"""Handing a caller to a person through Twilio's REST interface, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controls.ledger.verify import verify_directory
from tests.journeys.conftest import CALLER, NUMBER, Server
from tests.simulators.twilio_rest import TwilioRestServer, twilio_rest
from voice_runtime.caller.recorded import RecordedFlite
from voice_runtime.caller.script import HangUp, Say, Script, Wait
from voice_runtime.caller.twilio import TwilioCaller

pytestmark = pytest.mark.anyio

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def open_all_day(server: Server) -> None:
    """Somebody is at the desk whenever the test runs."""
    from ruamel.yaml import YAML

    path = server.root / "configs" / "desks.yaml"
    yaml = YAML()
    desks = yaml.load(path.read_text(encoding="utf-8"))
    for desk in desks["desks"].values():
        desk["hours"] = {day: ["00:00-23:59"] for day in _DAYS}
        desk.pop("closed_on", None)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(desks, file)


async def house(
    make_server: Callable[..., Server], rest: TwilioRestServer, monkeypatch: pytest.MonkeyPatch
) -> Server:
    monkeypatch.setenv("TEST_SID", rest.account_sid)
    monkeypatch.setenv("TEST_TOKEN", rest.auth_token)
    twilio = {"account_sid": {"env": "TEST_SID"}, "auth_token": {"env": "TEST_TOKEN"}, "rest_url": rest.url}
    server = await asyncio.to_thread(make_server, start=False, desks="by_hours", carrier={"twilio": twilio})
    await asyncio.to_thread(open_all_day, server)
    await server.up()
    return server


async def call(server: Server, rest: TwilioRestServer, outcome: Any) -> TwilioCaller:
    """Ask for a person; the simulated carrier obeys the REST interface and dials."""
    caller = TwilioCaller(
        server.address,
        rest.auth_token,
        CALLER,
        NUMBER,
        voice=RecordedFlite("rms"),
        dial_outcome=lambda to: outcome,
    )

    async def obey(sid: str, fields: dict[str, str]) -> None:
        await caller.update(twiml=fields.get("Twiml", ""))

    rest.on_update = obey
    original = caller.place

    async def place() -> Any:
        verbs = await original()
        rest.in_progress(caller.call_sid)
        return verbs

    caller.place = place  # type: ignore[method-assign]
    await caller.run(Script(steps=(Wait(), Say(text="let me talk to a person", timeout_s=20), Wait())))
    return caller


async def test_a_transfer_that_is_answered_is_on_record(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with twilio_rest() as rest:
        server = await house(make_server, rest, monkeypatch)
        caller = await call(server, rest, "completed")
        assert caller.result.afterwards[0].name == "Dial"
        assert rest.requests, "nothing was asked of the carrier"
        trace = await server.ended()
        assert trace.handoff is not None
        assert trace.handoff.outcome == "completed"
        assert trace.call.end_reason == "transferred"
        assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
        await server.down()


async def test_nobody_answers_and_the_caller_comes_back_to_a_promised_callback(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with twilio_rest() as rest:
        server = await house(make_server, rest, monkeypatch)
        caller = await call(server, rest, "no-answer")
        back = [verb for verb in caller.result.afterwards if verb.name == "Connect"]
        assert back, "the caller was not brought back"
        result = await caller.run(
            Script(
                steps=(
                    Wait(),
                    Say(text="yes", quiet_ms=2500, timeout_s=20),
                    Say(text="yes", quiet_ms=2500, timeout_s=20),
                    HangUp(),
                )
            ),
            back_with=back,
        )
        assert not result.error
        await server.ended()
        [trace] = await asyncio.to_thread(server.traces)
        assert trace.handoff is not None
        assert trace.handoff.failed_because == ["no_answer"]
        assert trace.handoff.callback is not None
        assert trace.handoff.callback.number_confirmed
        assert not trace.ledger.gaps
        assert (await asyncio.to_thread(verify_directory, server.ledger)).ok
        await server.down()


async def test_a_carrier_that_refuses_the_transfer_leads_to_a_promised_callback(
    make_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with twilio_rest() as rest:
        rest.fail_with = (500, 20500)
        server = await house(make_server, rest, monkeypatch)
        caller = TwilioCaller(server.address, rest.auth_token, CALLER, NUMBER, voice=RecordedFlite("rms"))
        script = Script(
            steps=(
                Wait(),
                Say(text="let me talk to a person", quiet_ms=3000, timeout_s=30),
                Say(text="yes", quiet_ms=2500, timeout_s=20),
                Say(text="yes", quiet_ms=2500, timeout_s=20),
                HangUp(),
            )
        )
        await caller.run(script)
        trace = await server.ended()
        assert trace.handoff is not None
        assert trace.handoff.failed_because == ["carrier"]
        assert trace.handoff.callback is not None
        await server.down()
