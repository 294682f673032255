"""The kernel's own network emulator (tc-netem) on loopback, for the traffic of one server only.

Root and the module ``sch_netem`` are needed; ``available`` tries it in a network
namespace of its own, where nothing else is touched. A priority queue on ``lo`` sends
what goes to or comes from the server's port (and UDP, where browsers' media go)
through netem; everything else passes as before. What a program that was killed left
behind goes with ``tc qdisc del dev lo root``.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from controls.errors import OperatorError
from loadtests.results import Network

_DEVICE = "lo"
_BAND = "1:4"
#: IP protocol numbers.
_TCP, _UDP = "6", "17"


def available() -> bool:
    """Whether this system lets us use netem."""
    if shutil.which("tc") is None or shutil.which("unshare") is None:
        return False
    command = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def commands(network: Network, port: int, *, udp: bool) -> list[list[str]]:
    """What sets it up, in order; the first one is undone by ``tc qdisc del dev lo root``."""
    netem = ["netem"]
    if network.delay_ms or network.jitter_ms:
        netem += ["delay", f"{network.delay_ms:g}ms", f"{network.jitter_ms:g}ms"]
    if network.loss_percent:
        netem += ["loss", f"{network.loss_percent:g}%"]
    everything_first = ["priomap", *["0"] * 16]
    made = [
        [
            "tc",
            "qdisc",
            "add",
            "dev",
            _DEVICE,
            "root",
            "handle",
            "1:",
            "prio",
            "bands",
            "4",
            *everything_first,
        ],
        ["tc", "qdisc", "add", "dev", _DEVICE, "parent", _BAND, "handle", "40:", *netem],
    ]
    matches: list[Sequence[str]] = [
        ["match", "ip", "protocol", _TCP, "0xff", "match", "ip", side, str(port), "0xffff"]
        for side in ("dport", "sport")
    ]
    if udp:
        matches.append(["match", "ip", "protocol", _UDP, "0xff"])
    to_band = ["tc", "filter", "add", "dev", _DEVICE, "protocol", "ip", "parent", "1:0", "prio", "1", "u32"]
    made += [[*to_band, *match, "flowid", _BAND] for match in matches]
    return made


async def _run(command: Sequence[str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, told = await process.communicate()
    if process.returncode:
        raise OperatorError(f"netem: '{' '.join(command)}' failed: {told.decode(errors='replace').strip()}")


@asynccontextmanager
async def netem(network: Network, port: int, *, udp: bool) -> AsyncIterator[None]:
    """Impair what goes to and comes from ``port`` on loopback, until the block ends.

    Raises:
        OperatorError: the system does not allow it.
    """
    if not await asyncio.to_thread(available):
        raise OperatorError("netem needs root and the kernel's sch_netem; a proxy does without")
    first, *others = commands(network, port, udp=udp)
    await _run(first)
    try:
        for command in others:
            await _run(command)
        yield
    finally:
        await _run(["tc", "qdisc", "del", "dev", _DEVICE, "root"])
