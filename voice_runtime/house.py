"""What a call is given: the house it runs in, the agent that answers, and who calls where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from controls.decision import Recorder
from controls.ledger import records as r
from controls.rules.engine import Rules
from voice_runtime.agent import Release
from voice_runtime.clock import Clock
from voice_runtime.inline.journal import Spool
from voice_runtime.speak.voice import Engine, PhraseCache
from voice_runtime.think.endpoints import Endpoints
from voice_runtime.think.services import ServiceClient


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
    """A release with what the process prepared for it."""

    release: Release
    rules: Rules
    endpoints: Endpoints
    voices: Sequence[Engine]
    phrases: PhraseCache
    suppliers: tuple[Supplier, ...] = ()


@dataclass(frozen=True, slots=True)
class House:
    """What every call of the process shares."""

    recorder: Recorder
    clock: Clock
    services: ServiceClient
    environment: r.Environment
    spool: Spool | None = None
    receipt_deadline_s: float = 1.0
    media_patience_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Who calls where. ``caller`` and ``called`` are numbers, "" when withheld or typed."""

    tenant: str
    line: str
    region: str
    ingress: Literal["twilio", "webrtc", "sip"]
    caller: str = ""
    called: str = ""
    carrier_call: str = ""
    checkpoint_size: int = 0
    checkpoint_root: str | None = None
