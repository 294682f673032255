"""Any deployment by its address, ours or not: it is called, not started, and nobody looks inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from controls.errors import OperatorError
from loadtests.options import Options
from loadtests.results import Profile, SystemName, Tier, Transport
from loadtests.systems import Door, Evidence, TwilioDoor, WebRtcDoor
from voice_runtime.caller.results import CallResult


class Remote:
    """A voice agent somewhere else; a ``loadtests.systems.System``.

    What a caller hears is all there is: no process to weigh, no records, no loop lag. A
    deployment that is not there, or refuses, is an outcome of its calls and no error of ours.
    """

    def __init__(self, doors: Mapping[Transport, Door], engines: Sequence[str] = ()) -> None:
        """Prepare.

        Args:
            doors: at least one.
            engines: what is known to answer there, one line each.

        Raises:
            OperatorError: no door, or an address that is none.
        """
        if not doors:
            raise OperatorError("a remote system needs an address to call")
        for door in doors.values():
            _check(door)
        self.name: SystemName = "remote"
        self.profile: Profile = "remote"
        self.tier: Tier = "real"
        self.engines: tuple[str, ...] = tuple(engines) or ("unknown: a remote deployment",)
        self.pid: int | None = None
        self.doors: Mapping[Transport, Door] = dict(doors)
        self.server_cores: tuple[int, ...] = ()

    async def start(self) -> None:
        """Nothing to start."""

    async def stop(self) -> None:
        """Nothing to stop."""

    async def evidence(self, calls: Sequence[CallResult]) -> Mapping[str, Evidence]:
        """None: its records are not ours to read."""
        return {}

    async def loop_lag_p99_ms(self) -> float | None:
        """Unknown."""
        return None


def remote_system(options: Options, agent: str = "") -> Remote:
    """The deployment that a command line names, by its one transport.

    Args:
        agent: whom a browser calls when the command line does not say.

    Raises:
        OperatorError: its address is none, or the variable with its token is not set.
    """
    if options.transport == "webrtc":
        return Remote({"webrtc": WebRtcDoor(options.url, options.agent or agent, options.dialect)})
    fictional = TwilioDoor("")
    door = TwilioDoor(
        options.url or "http" + options.stream_url.removeprefix("ws"),  # where a webhook would be
        options.auth_token,
        from_number=options.from_ or fictional.from_number,
        to_number=options.to or fictional.to_number,
        webhook=options.webhook,
        stream_url=options.stream_url,
    )
    return Remote({"twilio": door})


def _check(door: Door) -> None:
    stream = door.stream_url if isinstance(door, TwilioDoor) else ""
    if stream and not stream.startswith(("ws://", "wss://")):
        raise OperatorError("a remote stream's address starts with ws:// or wss://")
    if not stream and not door.base_url.startswith(("http://", "https://")):
        raise OperatorError("a remote address starts with http:// or https://")
    for address in (door.base_url, stream):
        if address and not _is_whole(address):
            raise OperatorError("a remote address has a host, and a number for a port if it has one")


def _is_whole(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or brackets that do not close
        return False
