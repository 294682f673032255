"""The browsers' door over real sockets: tokens, origins, offers, places, and how calls end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from loguru import logger

from tests.simulators.browser_door import (
    PLAIN,
    Agents,
    BrowserDoor,
    RawCaller,
    browser_door,
    eventually,
    raw_caller,
)
from voice_runtime.headroom import Headroom, Reading
from voice_runtime.ingress.webrtc import BrowserCall, IceServer
from voice_runtime.settings import Headroom as Limits

pytestmark = pytest.mark.anyio


async def finished(seen: BrowserDoor) -> None:
    """Every call is over and every place is back."""
    await eventually(lambda: seen.coordinator.calls == 0 and not seen.door.calls)


async def post(seen: BrowserDoor, path: str, **more: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, verify=PLAIN, base_url=seen.url) as client:
        return await client.request(more.pop("method", "POST"), path, **more)


async def test_a_call_from_token_to_goodbye() -> None:
    agents = Agents()
    async with browser_door(agents) as seen:
        async with raw_caller(seen.url) as caller:
            await eventually(lambda: agents.all and agents.all[0].audio > 10)
            [call] = seen.calls
            assert (call.id, call.language, call.line.name) == (caller.call, "en-US", "web")
            assert caller.of("opened") == [{"type": "opened", "call": caller.call, "language": "en-US"}]
            assert [(o.call, o.language) for o in seen.opened] == [(caller.call, "en-US")]
            await eventually(lambda: caller.of("pong"))
            caller.send({"type": "bye"})
            await eventually(lambda: caller.of("closed"))
            assert caller.of("closed") == [{"type": "closed", "reason": "ended"}]
        await finished(seen)
        assert seen.over == [caller.call]
        assert seen.refusals == []


# -- tokens ----------------------------------------------------------------------------------------


async def test_a_token_starts_one_call_only() -> None:
    async with browser_door(Agents()) as seen:
        first, second = RawCaller(seen.url), RawCaller(seen.url)
        try:
            token = await first.token()
            assert (await first.offer(token=token)).status_code == 200
            used = await second.offer(token=token)
            assert (used.status_code, used.json()) == (403, {"error": "token"})
            invented = await second.offer(token="A" * 32)
            assert invented.json() == {"error": "token"}
            none = await second.offer()
            assert none.json() == {"error": "token"}
            await first.until_open()  # aiortc, closed while it connects, raises into the loop
        finally:
            await first.close()
            await second.close()
        await finished(seen)
        assert [r.reason for r in seen.refusals[:3]] == ["token"] * 3


async def test_a_bad_offer_uses_its_token_up_and_takes_no_place() -> None:
    async with browser_door(Agents()) as seen:
        caller = RawCaller(seen.url)
        token = await caller.token()
        caller.pc.addTransceiver("video")
        refused = await caller.offer(token=token)
        assert (refused.status_code, refused.json()) == (400, {"error": "offer"})
        assert (await caller.offer(token=token)).json() == {"error": "token"}
        await caller.close()
        assert seen.coordinator.calls == 0
        assert seen.opened == []


async def test_an_expired_token_and_an_unknown_agent() -> None:
    async with browser_door(Agents(), token_ttl_s=0.0) as seen:
        caller = RawCaller(seen.url)
        assert (await caller.offer(token=await caller.token())).json() == {"error": "token"}
        unknown = await caller.post("/call/nobody/token")
        assert (unknown.status_code, unknown.json()) == (404, {"error": "unknown_agent"})
        await caller.close()


async def test_tokens_that_nobody_uses_keep_nobody_out() -> None:
    """A thousand of them shut the door for a minute: one client could keep every caller away."""
    async with browser_door(Agents()) as seen:
        tokens = [(await post(seen, "/call/healthcare/token")).json()["token"] for _ in range(1200)]
        assert len(set(tokens)) == 1200
        assert not seen.door._used
        caller = RawCaller(seen.url)
        assert (await caller.offer(token=tokens[-1])).status_code == 200
        await caller.until_open()
        await caller.close()
        assert len(seen.door._used) == 1


@pytest.mark.parametrize("change", ["agent", "expiry", "mac", "short"])
async def test_a_token_that_was_changed_is_none(change: str) -> None:
    async with browser_door(Agents()) as seen:
        caller = RawCaller(seen.url)
        nonce, expires, agent, mac = (await caller.token()).split(".")
        forged = {
            "agent": f"{nonce}.{expires}.salon.{mac}",
            "expiry": f"{nonce}.{int(expires) + 60_000}.{agent}.{mac}",
            "mac": f"{nonce}.{expires}.{agent}.{'0' * 64}",
            "short": f".{mac}",
        }[change]
        assert (await caller.offer(token=forged)).json() == {"error": "token"}
        await caller.close()


async def test_the_page_gets_the_ice_servers_with_their_credentials() -> None:
    servers = (
        IceServer(("stun:stun.example.com:3478",)),
        IceServer(("turn:turn.example.com?transport=udp",), "caller", "secret"),
    )
    async with browser_door(Agents(), ice_servers=servers) as seen:
        answer = (await post(seen, "/call/healthcare/token")).json()
        assert answer["expires_s"] == 60
        assert answer["ice_servers"] == [
            {"urls": ["stun:stun.example.com:3478"]},
            {
                "urls": ["turn:turn.example.com?transport=udp"],
                "username": "caller",
                "credential": "secret",
            },
        ]


# -- origins ---------------------------------------------------------------------------------------


async def test_pages_of_other_sites_get_nothing() -> None:
    async with browser_door(Agents()) as seen:
        evil = {"origin": "https://evil.example"}
        for path, method in (
            ("/call/healthcare/token", "POST"),
            ("/webrtc/offer", "POST"),
            ("/webrtc/offer", "PATCH"),
        ):
            refused = await post(seen, path, method=method, headers=evil, json={})
            assert (refused.status_code, refused.json()) == (403, {"error": "origin"})
            assert "access-control-allow-origin" not in refused.headers
        preflight = await post(seen, "/webrtc/offer", method="OPTIONS", headers=evil)
        assert "access-control-allow-origin" not in preflight.headers
        assert "access-control-allow-methods" not in preflight.headers
        assert {(r.reason, r.detail) for r in seen.refusals} == {("token", "origin")}


async def test_strangers_are_recorded_a_bounded_number_of_times() -> None:
    async with browser_door(Agents()) as seen:
        for _ in range(30):
            await post(seen, "/webrtc/offer", headers={"origin": "https://evil.example"}, json={})
        assert len(seen.refusals) == 20


async def test_a_listed_sites_page_may_call_and_read_the_answer() -> None:
    site = "https://clinic.example.com"
    async with browser_door(Agents()) as seen:
        preflight = await post(seen, "/webrtc/offer", method="OPTIONS", headers={"origin": site})
        assert preflight.headers["access-control-allow-origin"] == site
        assert "PATCH" in preflight.headers["access-control-allow-methods"]
        for origin in (site, seen.url, seen.url.replace("127.0.0.1", "localhost")):
            async with raw_caller(seen.url, origin=origin):
                pass
        await finished(seen)
        assert len(seen.calls) == 3


# -- bodies ----------------------------------------------------------------------------------------

BODIES: dict[str, dict[str, Any]] = {
    "not-json": {"content": b"v=0", "headers": {"content-type": "application/json"}},
    "a-form": {"data": {"sdp": "v=0"}},
    "text": {"content": b"{}", "headers": {"content-type": "text/plain"}},
    "empty": {"json": {}},
    "a-field-too-many": {"json": {"sdp": "v=0", "type": "offer", "token": "t", "callback": "http://x"}},
    "an-answer": {"json": {"sdp": "v=0", "type": "answer", "token": "t"}},
    "too-big": {"json": {"sdp": "v=0\n" * 20_000, "type": "offer", "token": "t"}},
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_of_another_shape_is_refused(name: str) -> None:
    async with browser_door(Agents()) as seen:
        refused = await post(seen, "/webrtc/offer", **BODIES[name])
        assert (refused.status_code, refused.json()) == (400, {"error": "offer"})


async def test_a_language_the_agent_does_not_speak_is_refused_and_the_others_are_kept() -> None:
    async with browser_door(Agents()) as seen:
        caller = RawCaller(seen.url)
        refused = await caller.offer(token=await caller.token(), language="fr-FR")
        assert refused.json() == {"error": "offer"}
        await caller.offer(token=await caller.token(), language="es-US")
        await caller.until_open()
        await eventually(lambda: caller.of("opened"))
        assert caller.of("opened")[0]["language"] == "es-US"
        await caller.close()


# -- places ----------------------------------------------------------------------------------------


async def test_a_full_house_turns_callers_away_and_a_place_comes_back() -> None:
    async with browser_door(Agents(), cap=1) as seen:
        async with raw_caller(seen.url):
            second = RawCaller(seen.url)
            refused = await second.offer(token=await second.token())
            assert (refused.status_code, refused.json()) == (503, {"error": "capacity"})
            await second.close()
        await finished(seen)
        async with raw_caller(seen.url):
            pass
        assert [r.reason for r in seen.refusals] == ["capacity"]


async def test_a_busy_house_turns_callers_away_as_a_full_one_and_serves_those_it_has() -> None:
    headroom = Headroom(Limits())
    async with browser_door(Agents(), headroom=headroom) as seen:
        async with raw_caller(seen.url):
            headroom.measured(Reading(since_s=0.0, at_s=5.0, loop_lag_ms=77.0))
            second = RawCaller(seen.url)
            refused = await second.offer(token=await second.token())
            assert (refused.status_code, refused.json()) == (503, {"error": "capacity"})
            await second.close()
            assert seen.coordinator.calls == 1
            assert seen.over == [], "the call on the line goes on"
        await finished(seen)
        assert [r.reason for r in seen.refusals] == ["overload"]
        assert headroom.calls == 0


@pytest.mark.parametrize("reason", ["stopped", "ledger"])
async def test_a_call_that_may_not_be_taken_is_not_answered(reason: Any) -> None:
    async with browser_door(Agents()) as seen:
        seen.reason_against = reason if reason == "stopped" else None
        seen.open_reason = reason if reason == "ledger" else None
        caller = RawCaller(seen.url)
        refused = await caller.offer(token=await caller.token())
        assert (refused.status_code, refused.json()) == (503, {"error": "unavailable"})
        await caller.close()
        assert seen.coordinator.calls == 0
        assert [r.reason for r in seen.refusals] == [reason]


async def test_a_draining_house_takes_nobody() -> None:
    async with browser_door(Agents()) as seen:
        seen.admission.drain()
        caller = RawCaller(seen.url)
        assert (await caller.offer(token=await caller.token())).json() == {"error": "unavailable"}
        await caller.close()


async def test_an_answered_browser_that_never_connects_gives_its_place_back() -> None:
    async with browser_door(Agents(), connect_s=0.3) as seen:
        caller = RawCaller(seen.url)
        await caller.pc.setLocalDescription(await caller.pc.createOffer())
        body = {"sdp": caller.pc.localDescription.sdp, "type": "offer", "token": await caller.token()}
        assert (await caller.post("/webrtc/offer", body)).status_code == 200
        assert seen.coordinator.calls == 1
        await finished(seen)
        await caller.close()
        assert seen.calls == []
        assert seen.refusals == [], "it was taken: its record is closed, not refused"


async def test_a_call_that_raises_tells_the_page_and_costs_nobody_else() -> None:
    async def broken(call: BrowserCall) -> None:
        raise RuntimeError("bug")

    async with browser_door(broken, cap=1) as seen:
        for _ in range(2):
            async with raw_caller(seen.url) as caller:
                await eventually(lambda: caller.of("closed"))
                assert caller.of("closed")[0]["reason"] == "failed"
            await finished(seen)


async def test_the_agent_hangs_up() -> None:
    async def over(call: BrowserCall) -> None:
        await call.control.hang_up()

    async with browser_door(over) as seen:
        async with raw_caller(seen.url) as caller:
            await eventually(lambda: caller.of("closed"))
            assert caller.of("closed")[0]["reason"] == "ended"
            async with asyncio.timeout(30):
                await caller.closed.wait()
        await finished(seen)


async def test_a_stopping_server_ends_its_calls() -> None:
    async with browser_door(Agents()) as seen, raw_caller(seen.url) as caller:
        await seen.door.close()
        await eventually(lambda: caller.of("closed"))
        await finished(seen)


# -- candidates ------------------------------------------------------------------------------------


async def test_a_browser_that_trickles_connects() -> None:
    async with browser_door(Agents()) as seen:
        caller = RawCaller(seen.url)
        await caller.pc.setLocalDescription(await caller.pc.createOffer())
        lines = caller.pc.localDescription.sdp.splitlines()
        found = [line.removeprefix("a=") for line in lines if line.startswith("a=candidate:")]
        bare = [line for line in lines if not line.startswith(("a=candidate:", "a=end-of-candidates"))]
        body = {"sdp": "\r\n".join(bare) + "\r\n", "type": "offer", "token": await caller.token()}
        answer = (await caller.post("/webrtc/offer", body)).json()
        hidden = "candidate:9 1 udp 2113937151 0f7a3d4e-91c2.local 50001 typ host"
        candidates = [
            {"candidate": text, "sdp_mid": "0", "sdp_mline_index": 0} for text in [hidden, *found, ""]
        ]
        taken = await caller.post(
            "/webrtc/offer", {"pc_id": answer["pc_id"], "candidates": candidates}, "PATCH"
        )
        assert (taken.status_code, taken.json()) == (200, {})
        from aiortc import RTCSessionDescription

        await caller.pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], answer["type"]))
        await caller.until_open()
        for bad in (
            {"pc_id": answer["pc_id"], "candidates": [{"candidate": "garbage", "sdp_mid": "0"}]},
            {"pc_id": answer["pc_id"], "candidates": candidates * 20},
            {"pc_id": answer["pc_id"]},
        ):
            assert (await caller.post("/webrtc/offer", bad, "PATCH")).json() == {"error": "offer"}
        stranger = {"pc_id": "A" * 32, "candidates": []}
        assert (await caller.post("/webrtc/offer", stranger, "PATCH")).status_code == 404
        await caller.close()
        await finished(seen)


# -- what is written down --------------------------------------------------------------------------


@contextmanager
def written() -> Iterator[list[str]]:
    """Everything that is logged, at every level, by everybody."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level=0, format="{name} {message} {exception}")
    try:
        yield lines
    finally:
        logger.remove(sink)


async def test_no_log_names_an_address_an_offer_an_id_or_a_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with written() as lines:
        async with browser_door(Agents()) as seen, raw_caller(seen.url) as caller:
            await caller.offer(pc_id=caller.pc_id)
            await caller.post(
                "/webrtc/offer", {"pc_id": caller.pc_id, "sdp": "v=0\na=ice-ufrag:x", "type": "offer"}
            )
            caller.send({"type": "say", "text": "my secret ailment"})
            caller.send("{my secret ailment")
            await eventually(lambda: seen.calls and seen.calls[0].link.stats.malformed)
            sdp = caller.pc.localDescription.sdp
            addresses = {line.split()[4] for line in sdp.splitlines() if line.startswith("a=candidate:")}
            assert addresses
        await finished(seen)
    text = "\n".join([*lines, *(r.getMessage() for r in caplog.records if "http" not in r.name)])
    assert "an offer was refused" in text
    for secret in ("ailment", "ice-ufrag", "a=candidate", caller.pc_id, *addresses - {"127.0.0.1"}):
        assert secret not in text
