"""The webhooks: signed by Twilio's package behind a changed host, or refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element, fromstring

import httpx
import pytest
from twilio.request_validator import RequestValidator

from controls.errors import LedgerError
from tests.simulators.voice_server import CALLER, NUMBER, PUBLIC, TOKEN, VoiceServer, echo, voice_server
from voice_runtime.ingress.twilio import AfterDial, TwilioRest
from voice_runtime.ingress.twilio_control import Dialling

pytestmark = pytest.mark.anyio

CALL = "CA" + "1" * 32


@asynccontextmanager
async def server(**more: Any) -> AsyncIterator[tuple[VoiceServer, httpx.AsyncClient]]:
    async with (
        voice_server(echo(), **more) as seen,
        httpx.AsyncClient(trust_env=False, verify=False) as client,
    ):
        yield seen, client


def form(**more: str) -> dict[str, str]:
    return {"CallSid": CALL, "From": CALLER, "To": NUMBER, "AccountSid": "AC1", **more}


async def post(
    seen: VoiceServer, client: httpx.AsyncClient, path: str, fields: dict[str, str], **headers: str
) -> httpx.Response:
    """Signed for the public address, sent to the server's own: the Host header differs."""
    signed = RequestValidator(TOKEN).compute_signature(PUBLIC + path, fields)
    return await client.post(seen.url + path, data=fields, headers={"X-Twilio-Signature": signed, **headers})


VOICE = "/telephony/twilio/voice"


def stream_url(root: Element) -> str:
    stream = root.find("Connect/Stream")
    assert stream is not None
    return stream.attrib["url"]


async def test_a_signed_call_is_answered_with_a_one_time_stream() -> None:
    async with server() as (seen, client):
        first = fromstring((await post(seen, client, VOICE, form())).text)
        second = fromstring((await post(seen, client, VOICE, form())).text)
        assert re.fullmatch(r"wss://voice\.example/telephony/twilio/media/[\w-]{32}", stream_url(first))
        assert stream_url(first) != stream_url(second)
        connect = first.find("Connect")
        assert connect is not None
        assert connect.attrib["action"].startswith(PUBLIC + "/telephony/twilio/after/")
        assert [e.tag for e in first] == ["Connect", "Say", "Dial", "Say", "Hangup"]
        assert seen.coordinator.calls == 1


async def test_with_rest_the_verbs_behind_connect_need_nothing_of_ours() -> None:
    async with httpx.AsyncClient(verify=False) as client:
        rest = TwilioRest(client, "AC1", "x")
        async with server(rest=rest) as (seen, caller):
            root = fromstring((await post(seen, caller, VOICE, form())).text)
            connect = root.find("Connect")
            assert connect is not None
            assert "action" not in connect.attrib
            assert root.findtext("Dial/Number") == "+12025550177"
            assert PUBLIC not in "".join(e.text or "" for e in root)


async def test_the_signature_covers_the_public_address_and_not_the_host_header() -> None:
    async with server() as (seen, client):
        fields = form()
        for signed_for in (seen.url, "http://voice.example", "https://voice.example.evil"):
            wrong = RequestValidator(TOKEN).compute_signature(signed_for + VOICE, fields)
            reply = await client.post(
                seen.url + VOICE, data=fields, headers={"X-Twilio-Signature": wrong, "Host": "voice.example"}
            )
            assert reply.status_code == 403
        good = await post(seen, client, VOICE, fields, Host="tunnel.example")
        assert good.status_code == 200
        assert [r.reason for r in seen.refusals] == ["signature"] * 3


async def test_query_strings_are_part_of_what_is_signed() -> None:
    async with server() as (seen, client):
        assert (await post(seen, client, VOICE + "?a=1&b=%20x", form())).status_code == 200


@pytest.mark.parametrize(
    "tamper",
    [
        {"To": "+12025550100"},
        {"From": "+12025550101"},
        {"Extra": "1"},
    ],
)
async def test_a_changed_field_is_refused(tamper: dict[str, str]) -> None:
    async with server() as (seen, client):
        signed = RequestValidator(TOKEN).compute_signature(PUBLIC + VOICE, form())
        reply = await client.post(
            seen.url + VOICE, data=form() | tamper, headers={"X-Twilio-Signature": signed}
        )
        assert reply.status_code == 403
        assert reply.text == ""
        assert seen.coordinator.calls == 0


async def test_bad_requests_are_refused_without_an_answer() -> None:
    async with server() as (seen, client):
        url, kind = seen.url + VOICE, {"content-type": "application/x-www-form-urlencoded"}
        many = urlencode({f"f{i}": "x" for i in range(300)})
        for request in (
            client.post(url),
            client.post(url, json=form()),
            client.post(url, data=form()),
            client.post(url, data=form(), headers={"X-Twilio-Signature": "é".encode("latin-1")}),  # type: ignore[dict-item]
            client.post(url, content=b"a=" + b"x" * 70_000, headers=kind),
            client.post(url, content=many, headers=kind),
            client.post(url, content=b"To=%ff%fe", headers=kind),
            client.post(url, content="To=ü".encode(), headers=kind),
        ):
            reply = await request
            assert (reply.status_code, reply.text) == (403, "")
        assert {r.reason for r in seen.refusals} == {"signature"}
        assert (await client.get(url)).status_code == 405


async def test_an_unknown_number_hears_so() -> None:
    async with server() as (seen, client):
        root = fromstring((await post(seen, client, VOICE, form(To="+12025550100"))).text)
        assert [e.tag for e in root] == ["Say", "Hangup"]
        assert [r.reason for r in seen.refusals] == ["unknown_line"]


async def test_a_cap_of_one_takes_one_and_tells_the_next() -> None:
    async with server(cap=1) as (seen, client):
        await post(seen, client, VOICE, form())
        root = fromstring((await post(seen, client, VOICE, form(CallSid="CA" + "2" * 32))).text)
        assert [e.tag for e in root] == ["Say", "Dial", "Say", "Hangup"]
        assert root[0].text == "All our lines are busy."
        assert [r.reason for r in seen.refusals] == ["capacity"]
        assert seen.coordinator.calls == 1


async def test_of_many_at_once_a_cap_admits_as_many() -> None:
    async with server(cap=3) as (seen, client):
        replies = await asyncio.gather(
            *(post(seen, client, VOICE, form(CallSid=f"CA{i:032d}")) for i in range(12))
        )
        taken = [r for r in replies if "<Connect" in r.text]
        assert len(taken) == seen.coordinator.calls == 3


async def test_draining_and_reasons_of_the_house_turn_callers_to_a_person() -> None:
    async with server() as (seen, client):
        seen.reason_against = "stopped"
        first = fromstring((await post(seen, client, VOICE, form())).text)
        seen.reason_against = None
        seen.admission.drain()
        second = fromstring((await post(seen, client, VOICE, form())).text)
        for root in (first, second):
            assert [e.tag for e in root] == ["Say", "Dial", "Say", "Hangup"]
        assert [r.reason for r in seen.refusals] == ["stopped", "draining"]
        assert seen.coordinator.calls == 0


@pytest.mark.parametrize("failing", [None, "ledger"])
async def test_a_call_that_cannot_be_opened_is_not_answered_and_keeps_no_place(failing: str | None) -> None:
    async def open_call(opened: object) -> Any:
        assert "+1202" not in repr(opened)
        if failing is None:
            raise LedgerError("disk full")
        return failing

    async with server(open_call=open_call) as (seen, client):
        root = fromstring((await post(seen, client, VOICE, form())).text)
        assert root.find("Connect") is None
        assert root.findtext("Dial/Number") == "+12025550177"
        assert [r.reason for r in seen.refusals] == ["ledger"]
        assert seen.coordinator.calls == 0


async def test_after_the_stream_the_agents_wish_comes_true_once() -> None:
    async with server() as (seen, client):
        await seen.coordinator.put_token("after:tok", "<Response><Hangup/></Response>", 60)
        path = "/telephony/twilio/after/tok"
        assert [e.tag for e in fromstring((await post(seen, client, path, form())).text)] == ["Hangup"]
        root = fromstring((await post(seen, client, path, form())).text)
        assert root.findtext("Dial/Number") == "+12025550177"  # no wish: the stream broke
        assert (await client.post(seen.url + path, data=form())).status_code == 403


@pytest.mark.parametrize(
    ("status", "told", "said"),
    [
        ("completed", "completed", None),
        ("answered", "completed", None),
        ("busy", "busy", "Nobody is free. Please call again."),
        ("no-answer", "no-answer", "Nobody is free. Please call again."),
        ("canceled", "canceled", "Nobody is free. Please call again."),
        ("nonsense", "failed", "Nobody is free. Please call again."),
        ("", "failed", "Nobody is free. Please call again."),
    ],
)
async def test_a_transfers_outcome_is_told(status: str, told: str, said: str | None) -> None:
    async with server() as (seen, client):
        await seen.coordinator.put_token("dialled:d", Dialling("c_9", CALL, NUMBER).dump(), 60)
        fields = form(DialCallStatus=status, DialCallDuration="17")
        root = fromstring((await post(seen, client, "/telephony/twilio/dialled/d", fields)).text)
        assert root.findtext("Say") == said
        assert root[-1].tag == "Hangup"
        [outcome] = seen.dialled
        assert (outcome.call, outcome.status, outcome.duration_s) == ("c_9", told, 17)
        again = await post(seen, client, "/telephony/twilio/dialled/d", fields)
        assert [e.tag for e in fromstring(again.text)] == ["Hangup"]
        assert len(seen.dialled) == 1


async def test_a_failed_transfer_may_come_back_to_the_agent() -> None:
    async with server(cap=1) as (seen, client):
        seen.after_dial = AfterDial(reconnect=True)
        path = "/telephony/twilio/dialled/d"
        await seen.coordinator.put_token("dialled:d", Dialling("c_9", CALL, NUMBER).dump(), 60)
        root = fromstring((await post(seen, client, path, form(DialCallStatus="busy"))).text)
        parameter = root.find("Connect/Stream/Parameter")
        assert parameter is not None
        assert parameter.attrib == {"name": "call", "value": "c_9"}


async def test_an_unsigned_outcome_is_refused() -> None:
    async with server() as (seen, client):
        await seen.coordinator.put_token("dialled:d", Dialling("c_9", CALL, NUMBER).dump(), 60)
        reply = await client.post(
            seen.url + "/telephony/twilio/dialled/d", data=form(DialCallStatus="completed")
        )
        assert reply.status_code == 403
        assert seen.dialled == []
