"""A bad network, made in user space or by the kernel: what it does, and to whom."""

from __future__ import annotations

import asyncio
import math
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

import pytest
from aiohttp import ClientSession, web
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from controls.errors import OperatorError
from loadtests.lateness import LoopLag
from loadtests.network import netem, offers
from loadtests.network.impairment import impaired
from loadtests.network.offers import impaired_offers, open_doorway
from loadtests.network.tcp import TcpImpairment, tcp_link
from loadtests.network.udp import Impairment
from loadtests.outcomes import outcome_of
from loadtests.results import Network
from loadtests.systems import TwilioDoor, WebRtcDoor
from tests.simulators import bad_servers
from voice_runtime.caller.script import HangUp, Press, Script

anyio = pytest.mark.anyio
LOSSY = TcpImpairment(loss=0.2, jitter_ms=2, seed=3)


@given(
    st.lists(st.tuples(st.floats(0, 0.1), st.integers(1, 5000)), min_size=1, max_size=80),
    st.floats(0, 0.5), st.floats(0, 50), st.floats(0, 30), st.integers(0, 9),
)  # fmt: skip
def test_nothing_comes_early_or_out_of_order(
    steps: list[tuple[float, int]], loss: float, delay_ms: float, jitter_ms: float, seed: int
) -> None:
    impairment = TcpImpairment(loss, delay_ms, jitter_ms, seed)
    now, before = 100.0, 0.0
    for step, size in steps:
        now += step
        due = impairment.due(now, size)
        assert due >= now + delay_ms / 1000 and due >= before
        before = due


def test_the_same_seed_has_the_same_fate_and_without_harm_nothing_is_late() -> None:
    drawn = [[TcpImpairment(0.3, 5, 10, seed).due(n / 50, 160) for n in range(50)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert TcpImpairment().due(7.0, 100_000) == 7.0


def test_a_lost_segment_comes_after_a_round_trip_and_three_packets() -> None:
    impairment = TcpImpairment(loss=0.5, delay_ms=10, seed=4)
    late = Counter[int]()
    for n in range(200):  # far apart: none waits for another
        late[round(1000 * (impairment.due(n * 10_000.0, 160) - n * 10_000.0))] += 1
    first, again = 10, 80
    assert late[first] > late[first + again] > 0
    assert impairment.lost == sum(times * _lost(late_ms) for late_ms, times in late.items())


def _lost(late_ms: int) -> int:
    """How often a segment so late was lost: each further wait is twice the one before (RFC 6298, 5.5)."""
    [times] = [times for times in range(16) if late_ms == 10 + 80 * (2**times - 1)]
    return times


def test_what_is_sent_again_may_be_lost_again() -> None:
    impairment = TcpImpairment(loss=0.5, delay_ms=10, seed=4)
    late = {round(1000 * (impairment.due(n * 10_000.0, 160) - n * 10_000.0)) for n in range(200)}
    assert {10, 90, 250, 570} <= late


def test_where_everything_is_lost_nothing_passes() -> None:
    assert TcpImpairment(loss=1.0).due(1.0, 160) == math.inf


@anyio
async def test_over_a_line_that_loses_everything_nothing_passes_and_it_ends_with_its_caller() -> None:
    ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            ended.set_result(await reader.read())
        except ConnectionError:
            ended.set_result(b"")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with tcp_link("127.0.0.1", port, TcpImpairment(loss=1.0)) as link, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*link.address)
            writer.write(b"POST")
            writer.write_eof()
            with suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert await ended == b""
    finally:
        server.close()
        await server.wait_closed()


@anyio
async def test_a_websocket_behind_a_lossy_network_loses_and_reorders_nothing() -> None:
    async def echo(ws: ServerConnection) -> None:
        async for message in ws:
            await ws.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with (
            tcp_link("127.0.0.1", port, LOSSY, LOSSY) as link,
            connect(f"ws://{link.address[0]}:{link.address[1]}") as ws,
        ):
            for n in range(50):
                await ws.send(str(n))
            assert [await ws.recv() for _ in range(50)] == [str(n) for n in range(50)]


@anyio
async def test_a_connection_to_nobody_breaks() -> None:
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with tcp_link("127.0.0.1", port) as link:
        reader, writer = await asyncio.open_connection(*link.address)
        with pytest.raises(ConnectionError):
            if not await reader.read():
                raise ConnectionError
        writer.close()


def description(host: str, port: int) -> str:
    return (
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-pwd:x\r\n"
        f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
    )


@anyio
async def test_offers_and_answers_name_only_the_link_and_all_else_passes_unchanged() -> None:
    seen: list[str] = []

    async def offer(request: web.Request) -> web.Response:
        seen.append((await request.json())["sdp"])
        return web.json_response({"type": "answer", "sdp": description("192.0.2.7", 7007), "call": "c"})

    async def token(request: web.Request) -> web.Response:
        return web.json_response({"token": await request.text()}, status=201)

    app = web.Application()
    app.router.add_post("/webrtc/offer", offer)
    app.router.add_post("/call/clinic/token", token)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        async with impaired_offers(f"http://{host}:{port}", Impairment()) as url, ClientSession() as client:
            async with client.post(f"{url}/call/clinic/token", data="{}") as granted:
                assert (granted.status, await granted.json()) == (201, {"token": "{}"})
            body = {"type": "offer", "sdp": description("192.0.2.9", 9009)}
            async with client.post(f"{url}/webrtc/offer", json=body) as answered:
                answer = (await answered.json())["sdp"]
            async with client.post(f"{url}/webrtc/offer", data="no offer") as refused:
                assert refused.status == 500  # the server's own affair
    finally:
        await runner.cleanup()
    assert "192.0.2" not in seen[0] + answer
    assert seen[0].count("127.0.0.1") == answer.count("127.0.0.1") == 1


@anyio
async def test_a_door_is_the_same_door_behind_a_proxy() -> None:
    twilio, page = TwilioDoor("http://127.0.0.1:9"), WebRtcDoor("http://127.0.0.1:9", "healthcare")
    bad = Network(by="proxy", loss_percent=1, jitter_ms=30)
    async with impaired(twilio, Network()) as same:
        assert same is twilio
    async with impaired(twilio, bad) as door:
        assert isinstance(door, TwilioDoor)
        assert (door.base_url, bool(door.connect_to), door.confined) == (twilio.base_url, True, True)
    async with impaired(page, bad) as door:
        assert isinstance(door, WebRtcDoor)
        assert (door.agent, door.base_url != page.base_url) == ("healthcare", True)
    with pytest.raises(OperatorError, match="http://"):
        async with impaired(TwilioDoor("https://127.0.0.1"), bad):
            pass


def test_netem_touches_the_server_alone() -> None:
    made = netem.commands(Network(by="netem", loss_percent=3, delay_ms=20, jitter_ms=30), 7860, udp=True)
    assert made[1][-6:] == ["netem", "delay", "20ms", "30ms", "loss", "3%"]
    assert made[0][-16:] == ["0"] * 16  # whatever no filter names takes the first band
    filters = [" ".join(command) for command in made[2:]]
    assert [f.split(" match ", 1)[1] for f in filters] == [
        "ip protocol 6 0xff match ip dport 7860 0xffff flowid 1:4",
        "ip protocol 6 0xff match ip sport 7860 0xffff flowid 1:4",
        "ip protocol 17 0xff flowid 1:4",
    ]


@anyio
@pytest.mark.parametrize("by", ["none", "proxy"])
async def test_a_proxy_tells_how_late_its_loop_was(by: Literal["none", "proxy"]) -> None:
    lag = LoopLag(every_ms=1)
    bad = Network(by=by, delay_ms=1)
    async with impaired(TwilioDoor("http://127.0.0.1:9"), bad, lag=lag), asyncio.timeout(10):
        if by == "none":
            await asyncio.sleep(0)
        while by == "proxy" and (late := lag.told()) is None:
            await asyncio.sleep(0)
    if by == "none":
        assert lag.told() is None
    else:
        assert late is not None
        assert late.beside("proxy").what == "proxy"


@anyio
async def test_behind_netem_too_a_call_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It impairs one port: a stream to another one would cross a clean network."""
    ports: list[int] = []

    @asynccontextmanager
    async def applied(network: Network, port: int, *, udp: bool) -> AsyncIterator[None]:
        ports.append(port)
        yield

    monkeypatch.setattr("loadtests.network.impairment.netem", applied)
    async with impaired(TwilioDoor("http://127.0.0.1:9"), Network(by="netem", delay_ms=1)) as door:
        assert door == TwilioDoor("http://127.0.0.1:9", confined=True)
    async with impaired(WebRtcDoor("http://127.0.0.1:8"), Network(by="netem", delay_ms=1)) as page:
        assert page == WebRtcDoor("http://127.0.0.1:8")
    assert ports == [9, 8]


@anyio
async def test_a_system_without_netem_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netem, "available", lambda: False)
    with pytest.raises(OperatorError, match="proxy does without"):
        async with impaired(TwilioDoor("http://127.0.0.1:9"), Network(by="netem", delay_ms=1)):
            pass


def test_the_commands_are_ones_that_tc_takes_where_the_kernel_has_netem() -> None:
    network = Network(by="netem", loss_percent=1, delay_ms=5, jitter_ms=2)
    script = " && ".join(" ".join(command) for command in netem.commands(network, 7860, udp=True))
    in_a_namespace = ["unshare", "--net", "sh", "-c", script]
    ran = subprocess.run(in_a_namespace, capture_output=True, check=False, timeout=30)
    assert (ran.returncode == 0) is netem.available(), ran.stderr.decode()


@asynccontextmanager
async def answering_offers(
    media_port: int = 7007, *, status: int = 200
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that answers every offer with one candidate of its own, and the requests it saw."""
    seen: list[web.Request] = []

    async def offer(request: web.Request) -> web.Response:
        seen.append(request)
        answer = {"type": "answer", "sdp": description("127.0.0.1", media_port), "call": "c"}
        return web.json_response(answer, status=status)

    app = web.Application()
    app.router.add_post("/webrtc/offer", offer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", seen
    finally:
        await runner.cleanup()


async def offered(client: ClientSession, url: str) -> tuple[int, str]:
    """Offer a call: the answer's status and SDP."""
    body = {"type": "offer", "sdp": description("127.0.0.1", 9009)}
    async with client.post(f"{url}/webrtc/offer", json=body) as answered:
        return answered.status, (await answered.json()).get("sdp", "")


class Arrival(asyncio.DatagramProtocol):
    """A socket that tells of what came."""

    def __init__(self) -> None:
        self.came: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.set_result(data)


@anyio
async def test_a_link_ends_with_its_call() -> None:
    """Links once stayed until the end of the test, two sockets each."""
    loop = asyncio.get_running_loop()
    media, arrival = await loop.create_datagram_endpoint(Arrival, local_addr=("127.0.0.1", 0))
    caller, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    try:
        async with (
            answering_offers(media.get_extra_info("sockname")[1]) as (server, _),
            open_doorway(server, Impairment()) as (url, doorway),
            ClientSession() as client,
            asyncio.timeout(10),
        ):
            _, sdp = await offered(client, url)
            doorway.sweep()
            assert doorway.links == 1  # just made
            found = re.search(r"candidate:1 1 udp \d+ (\S+) (\d+)", sdp)
            assert found is not None
            caller.sendto(b"a datagram", (found[1], int(found[2])))
            assert await arrival.came == b"a datagram"
            doorway.sweep()
            assert doorway.links == 1  # the call goes on
            doorway.sweep()
            assert doorway.links == 0
    finally:
        media.close()
        caller.close()


@anyio
async def test_a_call_for_which_there_is_no_link_never_goes_past_the_bad_network() -> None:
    """The 1001st offer of a test once passed unchanged, so unimpaired."""
    async with (
        answering_offers() as (server, seen),
        open_doorway(server, Impairment(), most=1) as (url, doorway),
        ClientSession() as client,
    ):
        assert (await offered(client, url))[0] == 200
        assert await offered(client, url) == (503, "")
        assert len(seen) == 1
        doorway.sweep()
        doorway.sweep()  # the first call is over
        assert (await offered(client, url))[0] == 200


@anyio
async def test_a_call_for_which_there_is_no_socket_left_is_refused_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing_left(*_: Impairment) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(offers, "open_link", nothing_left)
    async with (
        answering_offers() as (server, seen),
        open_doorway(server, Impairment()) as (url, _),
        ClientSession() as client,
    ):
        assert await offered(client, url) == (503, "")
    assert seen == []


@anyio
async def test_an_offer_that_is_refused_leaves_no_link() -> None:
    async with (
        answering_offers(status=503) as (server, _),
        open_doorway(server, Impairment()) as (url, doorway),
        ClientSession() as client,
    ):
        assert (await offered(client, url))[0] == 503
        assert doorway.links == 0


@anyio
async def test_a_call_that_the_proxy_refused_is_no_finding_about_the_server() -> None:
    def granted(path: str) -> bytes:
        assert path.endswith("/token")
        return bad_servers.http(200, '{"token": "x"}', "application/json")

    script = Script(steps=(Press(keys="1"), HangUp()))
    async with (
        bad_servers.answering(granted) as server,
        open_doorway(server, Impairment(), most=0) as (url, _),
    ):
        result = await bad_servers.browser(url).run(script)
    assert outcome_of(result, script) == "harness_failed"
    assert "no link left" in result.error
