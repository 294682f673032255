"""A network that loses, delays and jitters between callers and a server, by whichever means there is.

The kernel's netem does it to packets, where the system allows that; elsewhere a proxy
in user space does it to bytes (``impaired_tcp``) and to RTP (``impaired_udp``). Results
say which; figures of the two are not comparable with each other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from urllib.parse import urlsplit

from controls.errors import OperatorError
from loadtests.network.netem import netem
from loadtests.network.offers import impaired_offers
from loadtests.network.tcp import TcpImpairment, tcp_link
from loadtests.network.udp import Impairment
from loadtests.results import Network
from loadtests.systems import Door, TwilioDoor, WebRtcDoor


@asynccontextmanager
async def impaired(door: Door, network: Network, *, seed: int = 1) -> AsyncIterator[Door]:
    """The same door, behind ``network``, until the block ends. ``by: none`` leaves it as it is.

    Raises:
        OperatorError: netem was asked for and is not to be had, or a proxy cannot reach TLS.
    """
    if network.by == "none":
        yield door
    elif network.by == "netem":
        async with netem(network, _host_and_port(door)[1], udp=isinstance(door, WebRtcDoor)):
            yield door
    elif isinstance(door, TwilioDoor):
        host, port = _host_and_port(door)
        up, down = (_tcp(network, 2 * seed + way) for way in (0, 1))
        async with tcp_link(host, port, up, down) as link:
            yield replace(door, connect_to=f"http://{link.address[0]}:{link.address[1]}")
    else:
        share = network.loss_percent / 100
        drawn = Impairment(share, network.delay_ms, network.jitter_ms, seed=seed)
        async with impaired_offers(door.base_url, drawn) as address:
            yield replace(door, base_url=address)


def _tcp(network: Network, seed: int) -> TcpImpairment:
    return TcpImpairment(network.loss_percent / 100, network.delay_ms, network.jitter_ms, seed)


def _host_and_port(door: Door) -> tuple[str, int]:
    parts = urlsplit(door.base_url)
    if parts.scheme != "http":
        raise OperatorError("an impaired network needs a server without TLS: give its http:// address")
    return parts.hostname or "127.0.0.1", parts.port or 80
