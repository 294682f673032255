"""Ending and transferring by Twilio's REST interface, against a server its own client accepts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from controls.errors import OperatorError, ProviderError
from tests.simulators.twilio_rest import TwilioRestServer, twilio_rest
from voice_runtime.ingress.twilio_control import Dialling, TwilioControl, TwilioRest
from voice_runtime.store.coordination import InProcessCoordinator

pytestmark = pytest.mark.anyio

Both = tuple[TwilioRestServer, TwilioRest]


@pytest.fixture
async def both() -> AsyncIterator[Both]:
    async with twilio_rest() as account, httpx.AsyncClient(trust_env=False, verify=False) as client:
        yield (
            account,
            TwilioRest(
                client, account.account_sid, account.auth_token, rest_url=account.url + "/", timeout_s=30
            ),
        )


def control(
    account: TwilioRestServer, rest: TwilioRest | None, coordinator: InProcessCoordinator
) -> TwilioControl:
    async def close() -> None:
        raise AssertionError("with REST the stream is left to Twilio")

    return TwilioControl(
        Dialling("c_1", account.in_progress(), "+12025550142"),
        coordinator=coordinator,
        after="tok",
        dialled_url=lambda token: f"https://voice.example/dialled/{token}",
        new_token=lambda: "dial-token",
        close=close,
        rest=rest,
    )  # fmt: skip


async def test_twilios_own_client_works_against_the_simulator() -> None:
    async with twilio_rest() as account:

        class Here(TwilioHttpClient):
            def request(self, method: str, url: str, **more):  # type: ignore[no-untyped-def]
                return super().request(method, url.replace("https://api.twilio.com", account.url), **more)

        def use() -> None:
            http = Here(timeout=30)
            client = Client(account.account_sid, account.auth_token, http_client=http)
            made = client.calls.create(to="+12025550111", from_="+12025550112", twiml="<Response/>")
            assert made.status == "queued"
            assert made.direction == "outbound-api"
            assert client.calls(made.sid).fetch().to == "+12025550111"
            assert client.calls(made.sid).update(twiml="<Response><Hangup/></Response>").sid == made.sid
            ended = client.calls(made.sid).update(status="completed")
            assert ended.status == "completed"
            assert ended.end_time is not None
            with pytest.raises(TwilioRestException) as over:
                client.calls(made.sid).update(twiml="<Response/>")
            assert (over.value.status, over.value.code) == (400, 21220)
            with pytest.raises(TwilioRestException) as unknown:
                client.calls("CA" + "0" * 32).fetch()
            assert (unknown.value.status, unknown.value.code) == (404, 20404)
            with pytest.raises(TwilioRestException) as stranger:
                Client(account.account_sid, "wrong", http_client=http).calls(made.sid).fetch()
            assert stranger.value.status == 401
            assert http.session is not None
            http.session.close()

        await asyncio.to_thread(use)


async def test_hang_up_completes_the_call(both: Both) -> None:
    account, rest = both
    ours = control(account, rest, InProcessCoordinator(1))
    await ours.hang_up()
    assert [fields for _, fields in account.requests] == [{"Status": "completed"}]
    await ours.hang_up()  # over already: no error


async def test_transfer_sends_dial_with_a_signed_outcome_address(both: Both) -> None:
    account, rest = both
    coordinator = InProcessCoordinator(1)
    await control(account, rest, coordinator).transfer("+12025550177", announce="One moment & wait")
    [(_, fields)] = account.requests
    root = fromstring(fields["Twiml"])
    assert [e.tag for e in root] == ["Say", "Dial"]
    assert root[0].text == "One moment & wait"
    assert root[1].attrib["action"] == "https://voice.example/dialled/dial-token"
    assert root[1][0].text == "+12025550177"
    kept = await coordinator.take_token("dialled:dial-token")
    assert kept is not None
    assert Dialling.load(kept).call == "c_1"


async def test_a_bad_target_never_reaches_the_carrier(both: Both) -> None:
    account, rest = both
    with pytest.raises(OperatorError):
        await control(account, rest, InProcessCoordinator(1)).transfer("reception")
    assert account.attempts == 0


async def test_a_hang_up_is_tried_again_after_a_server_error(both: Both) -> None:
    account, rest = both
    account.fail_with, account.failures = (503, 20503), 1
    await control(account, rest, InProcessCoordinator(1)).hang_up()
    assert account.attempts == 2
    assert len(account.requests) == 1


async def test_a_transfer_is_not_sent_twice(both: Both) -> None:
    account, rest = both
    account.fail_with = (500, 20500)
    with pytest.raises(ProviderError) as failed:
        await control(account, rest, InProcessCoordinator(1)).transfer("+12025550177")
    assert account.attempts == 1
    assert failed.value.transient
    assert failed.value.supplier == "twilio"


@pytest.mark.parametrize(("status", "transient"), [(400, False), (401, False), (429, True), (500, True)])
async def test_refusals_say_whether_to_try_again(both: Both, status: int, transient: bool) -> None:
    account, rest = both
    account.fail_with = (status, 20001)
    with pytest.raises(ProviderError) as failed:
        await rest.complete(account.in_progress())
    assert failed.value.transient is transient
    assert str(status) in str(failed.value)
    assert account.auth_token not in str(failed.value)


async def test_a_stalled_carrier_is_given_up(both: Both) -> None:
    account, _ = both
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        rest = TwilioRest(
            client, account.account_sid, account.auth_token, rest_url=account.url, timeout_s=0.1
        )
        account.stall.clear()
        with pytest.raises(ProviderError, match="ReadTimeout"):
            await rest.replace(account.in_progress(), "<Response/>")
        account.stall.set()


async def test_a_carrier_that_is_not_there() -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as client:
        rest = TwilioRest(client, "AC1", "x", rest_url="http://127.0.0.1:9", timeout_s=30)
        with pytest.raises(ProviderError, match="not reached"):
            await rest.replace("CA" + "0" * 32, "<Response/>")


async def test_a_call_id_is_never_spliced_into_the_address(both: Both) -> None:
    account, rest = both
    with pytest.raises(ProviderError):
        await rest.complete("../../Accounts")
    assert account.attempts == 0


async def test_without_rest_the_wish_waits_for_the_action() -> None:
    coordinator = InProcessCoordinator(1)
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    ours = TwilioControl(
        Dialling("c_1", "CA" + "0" * 32, "+12025550142"),
        coordinator=coordinator,
        after="tok",
        dialled_url=lambda token: f"https://voice.example/dialled/{token}",
        new_token=lambda: "d",
        close=close,
        rest=None,
    )
    await ours.hang_up()
    wish = await coordinator.take_token("after:tok")
    assert wish is not None
    assert [e.tag for e in fromstring(wish)] == ["Hangup"]
    assert closed == [True]
