"""A network that loses, delays and jitters between callers and a server, by whichever means there is.

The kernel's netem does it to packets, where the system allows that; elsewhere a proxy
in user space does it to bytes (``impaired_tcp``) and to RTP (``impaired_udp``). Results
say which; figures of the two are not comparable with each other. Both stand before one
address only: a call that is told to stream elsewhere is refused (``TwilioDoor.confined``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from controls.errors import OperatorError
from loadtests.lateness import LoopLag
from loadtests.network.netem import netem
from loadtests.network.offers import impaired_offers
from loadtests.network.tcp import TcpImpairment, tcp_link
from loadtests.network.udp import Impairment
from loadtests.results import Network
from loadtests.systems import Door, TwilioDoor, WebRtcDoor


@asynccontextmanager
async def impaired(
    door: Door, network: Network, *, seed: int = 1, lag: LoopLag | None = None
) -> AsyncIterator[Door]:
    """The same door, behind ``network``, until the block ends. ``by: none`` leaves it as it is.

    Args:
        seed: of what is lost, and how late the rest comes.
        lag: probes this event loop while a proxy runs on it; tells nothing where there is none.

    Raises:
        OperatorError: netem was asked for and is not to be had, a proxy cannot reach TLS, or the door's own
            stream is somewhere else.
    """
    if network.by == "none":
        yield door
        return
    async with AsyncExitStack() as stack:
        if network.by == "proxy" and lag is not None:
            await stack.enter_async_context(lag.probing())
        if isinstance(door, TwilioDoor):
            yield await _telephone(door, network, seed, stack)
        else:
            yield await _browser(door, network, seed, stack)


async def _telephone(door: TwilioDoor, network: Network, seed: int, stack: AsyncExitStack) -> TwilioDoor:
    host, port = _host_and_port(door)
    door = replace(door, confined=True)
    if network.by == "netem":
        await stack.enter_async_context(netem(network, port, udp=False))
        return door
    up, down = (_tcp(network, 2 * seed + way) for way in (0, 1))
    link = await stack.enter_async_context(tcp_link(host, port, up, down))
    return replace(door, connect_to=f"http://{link.address[0]}:{link.address[1]}")


async def _browser(door: WebRtcDoor, network: Network, seed: int, stack: AsyncExitStack) -> WebRtcDoor:
    if network.by == "netem":
        await stack.enter_async_context(netem(network, _host_and_port(door)[1], udp=True))
        return door
    share = network.loss_percent / 100
    drawn = Impairment(share, network.delay_ms, network.jitter_ms, seed=seed)
    return replace(door, base_url=await stack.enter_async_context(impaired_offers(door.base_url, drawn)))


def _tcp(network: Network, seed: int) -> TcpImpairment:
    return TcpImpairment(network.loss_percent / 100, network.delay_ms, network.jitter_ms, seed)


def _host_and_port(door: Door) -> tuple[str, int]:
    parts = urlsplit(door.base_url)
    if parts.scheme != "http":
        raise OperatorError("an impaired network needs a server without TLS: give its http:// address")
    return parts.hostname or "127.0.0.1", parts.port or 80
