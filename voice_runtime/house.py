"""What a call is given: the house it runs in, the agent that answers, and who calls where."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from controls.decision import Recorder
from controls.ledger import records as r
from controls.rules.engine import Rules
from voice_runtime.agent import Release
from voice_runtime.clock import Clock
from voice_runtime.inline.counted import Spool
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.think.endpoints import Endpoints
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
    """

    release: Release
    rules: Rules
    endpoints: Endpoints
    voices: Sequence[Engine]
    phrases: PhraseCache
    suppliers: tuple[Supplier, ...] = ()
    languages: tuple[str, ...] = ()
    spoken: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """What carries a call's voice, as ``media.opened`` records it."""

    transport: Literal["twilio", "webrtc", "sip", "typed"]
    codec: Literal["pcmu", "pcma", "opus", "none"]
    echo_cancellation: Literal["on", "off", "unknown"] = "unknown"
    microphone: bool = True


@dataclass(frozen=True, slots=True)
class House:
    """What every call of the process shares."""

    recorder: Recorder
    clock: Clock
    services: ServiceClient
    environment: r.Environment
    spool: Spool | None = None
    tracing: Tracing | None = None
    on_underrun: Callable[[], None] | None = None
    receipt_deadline_s: float = 1.0
    media_patience_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Who calls where. ``caller`` and ``called`` are numbers, "" when withheld or typed.

    Attributes:
        language: one of the release's; "" is its first.
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
