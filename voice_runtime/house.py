"""What a call is given: the house it runs in, the agent that answers, and who calls where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from controls.decision import Recorder
from controls.ledger import records as r
from controls.opt_outs import OptOuts
from controls.rules.engine import Rules
from voice_runtime.agent import Release
from voice_runtime.approvals import ApprovalDesk
from voice_runtime.clock import Clock
from voice_runtime.garbage import Ahead
from voice_runtime.inline.counted import Spool
from voice_runtime.settings import EagerTurns
from voice_runtime.speak.underrun import Cause, TrackCause
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.stops import StopSwitch
from voice_runtime.think.counting import UseBook
from voice_runtime.think.endpoints import Endpoints
from voice_runtime.think.judges import Judges
from voice_runtime.think.services import ServiceClient
from voice_runtime.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Supplier:
    """Who serves a stage, as ``supplier.bound`` records it."""

    stage: Literal["recogniser", "model", "voice", "carrier", "tool"]
    name: str
    model: str
    region: str = "local"
    outside: bool = False
    address: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Agent:
    """A release with what the process prepared for it.

    Attributes:
        languages: those its recogniser serves.
        spoken: fixed phrases as they are spoken, id → language → words; {} as they are written.
        judges: who may be asked by its rules; without it nobody is, and such rules refuse.
    """

    release: Release
    rules: Rules
    endpoints: Endpoints
    voices: Sequence[Engine]
    phrases: PhraseCache
    suppliers: tuple[Supplier, ...] = ()
    languages: tuple[str, ...] = ()
    spoken: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    judges: Judges | None = None

    @property
    def said(self) -> Mapping[str, Mapping[str, str]]:
        """Fixed phrases exactly as they are bound to a call, id → language → words."""
        return self.spoken or self.release.phrases

    @property
    def listens_outside(self) -> bool:
        """Whether another company's recogniser may hear its callers."""
        return any(supplier.stage == "recogniser" and supplier.outside for supplier in self.suppliers)


@dataclass(frozen=True, slots=True)
class Media:
    """What carries a call's voice, as ``media.opened`` records it."""

    transport: Literal["twilio", "webrtc", "sip", "typed"]
    codec: Literal["pcmu", "pcma", "opus", "none"]
    echo_cancellation: Literal["on", "off", "unknown"] = "unknown"
    microphone: bool = True


@dataclass(frozen=True, slots=True)
class House:
    """What every call of the process shares.

    Attributes:
        receipt_deadline_s: longest wait for a clause's record, s; past it the clause is discarded.
        first_records_s: longest wait for the records a call is answered on, s. Nobody has spoken yet and the
            caller hears it ring, so a disk's stall is waited out where refusing would cost the caller the
            agent: less than one more ring (6 s in the US), and well within Twilio's 15 s for a webhook.
        opt_outs: remembers who opted out; None remembers nobody.
        on_governed: told of each clause that was judged and cleared, once its record is durable, how long
            that took: s from before its verdict to its receipt. Called in the ledger's thread.
        stops: what people have stopped; without it nothing is.
        tool_uses: counts uses of tools over all calls; without it, tools with a limit per day are refused.
        approvals: where uses of tools wait for a person; without it, what needs one is refused.
    """

    recorder: Recorder
    clock: Clock
    services: ServiceClient
    environment: r.Environment
    spool: Spool | None = None
    tracing: Tracing | None = None
    on_underrun: Callable[[Cause], None] | None = None
    on_track_underrun: Callable[[TrackCause], None] | None = None
    on_governed: Callable[[float], object] | None = None
    receipt_deadline_s: float = 1.0
    first_records_s: float = 5.0
    media_patience_s: float = 10.0
    eager: EagerTurns = "inside"
    approvals: ApprovalDesk | None = None
    stops: StopSwitch | None = None
    opt_outs: OptOuts | None = None
    tool_uses: UseBook | None = None
    ahead: Ahead = field(default_factory=Ahead)


@dataclass(frozen=True, slots=True)
class Facts:
    """Who calls where. ``caller`` and ``called`` are numbers, "" when withheld or typed.

    Attributes:
        language: one of the release's; "" is its first.
        jurisdiction: whose law on calls applies; "" takes the strictest rule of all.
        opted_out: the caller opted out in an earlier call; None: it cannot be looked up, and counts as a yes.
    """

    tenant: str
    line: str
    region: str
    ingress: Literal["twilio", "webrtc", "sip"]
    caller: str = ""
    called: str = ""
    carrier_call: str = ""
    checkpoint: str | None = None
    language: str = ""
    jurisdiction: str = ""
    opted_out: bool | None = False
