"""What a load test needs of what it tests: doors to call, a process tree to weigh, evidence afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from loadtests.results import Completeness, Profile, SystemName, Tier, Transport
from loadtests.shapes import Histogram
from voice_runtime.caller.results import CallResult


@dataclass(frozen=True, slots=True)
class TwilioDoor:
    """Where a carrier's calls go.

    Attributes:
        base_url: public address, http(s).
        webhook: path of the signed webhook; "" goes to ``stream_url`` at once.
        auth_token: what the webhook is signed with; "" signs nothing.
        stream_url: ws(s) address of the media stream, where no webhook names it.
        parameters: custom parameters of ``start``, where no webhook gives them.
        connect_to: where the server is really reached, such as a proxy; "" where its address says.
        confined: whatever the server's answers name must be there, too: an impaired network stands before
            that address alone, and what went past it would be measured as if it had crossed it.
    """

    base_url: str
    auth_token: str = ""
    from_number: str = "+12025550143"
    to_number: str = "+12025550142"
    webhook: str = "/telephony/twilio/voice"
    stream_url: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    connect_to: str = ""
    confined: bool = False


@dataclass(frozen=True, slots=True)
class WebRtcDoor:
    """Where a browser's calls go. ``pipecat``: ``POST /api/offer`` as pipecat's own runner takes it."""

    base_url: str
    agent: str = ""
    dialect: Literal["sayso", "pipecat"] = "sayso"


Door = TwilioDoor | WebRtcDoor


@dataclass(frozen=True, slots=True)
class ServerTurn:
    """One spoken turn as the server saw it. Its clock is the caller's media: ms of it received.

    Attributes:
        first_token_at_ms: when the model's first token arrived at the runtime; None: none came.
        stages: spans of the server's trace, ms.
        played: the words it played.
        filler_ms: words that are no answer ("are you still there?", "one moment") sounded first: from their
            first sample to that of the answer, by the server's clock; 0: none did.
        answered: something that sounded was an answer; None where no record tells one from a filler.
    """

    said_ended_ms: float | None = None
    first_token_at_ms: float | None = None
    stages: Mapping[str, float | None] | None = None
    played: str = ""
    governance_ms: float | None = None
    filler_ms: float = 0.0
    answered: bool | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a server keeps of one call, held against what its caller heard."""

    turns: Sequence[ServerTurn] = ()
    completeness: Completeness | None = None


@dataclass(frozen=True, slots=True)
class Stalls:
    """What a server counted of its own standing still, since it came up.

    Attributes:
        uncovered_s: the longest part of a collection of garbage that no audio sent ahead paid for.
        underruns: silences in the agent's speech of its own making: not of a model's.
    """

    uncovered_s: float
    underruns: int


class System(Protocol):
    """One system under test. ``start`` before anything else; ``stop`` whatever happened; both may repeat.

    Attributes:
        engines: what answers, one line each; says "random weights" wherever that is so.
        doors: by transport.
        server_cores: what it was pinned to.
    """

    name: SystemName
    profile: Profile
    tier: Tier
    engines: tuple[str, ...]
    doors: Mapping[Transport, Door]
    server_cores: tuple[int, ...]

    @property
    def pid(self) -> int | None:
        """Root of the process tree that is weighed; None where it is not on this machine."""
        ...

    async def start(self) -> None:
        """Come up, ready to be called.

        Raises:
            OperatorError: it does not come up; says why.
        """
        ...

    async def stop(self) -> None:
        """Go down, with everything it started."""
        ...

    async def evidence(self, calls: Sequence[CallResult]) -> Mapping[str, Evidence]:
        """By ``call_sid``, for calls that are over. Empty where the server keeps none that can be read."""
        ...

    async def loop_lag_p99_ms(self) -> float | None:
        """Of its event loop since the last question, where it tells."""
        ...


@runtime_checkable
class TellsGovernance(Protocol):
    """A system that times the verdict and the record of each clause."""

    async def governance(self) -> Histogram | None:
        """Since the last question; None: it cannot be asked."""
        ...
