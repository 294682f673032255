"""An agent folder and its configuration, resolved to one digested release.

``Release`` is what is approved, bound to calls and shown everywhere. Everything
a call needs to know about its agent is in it, frozen; nothing else is read
while a call runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Silence:
    ask_after_s: float
    end_after_s: float


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool the agent may use, with its service's endpoint and JSON Schema resolved.

    ``read_back`` names the arguments the caller must confirm before the effect;
    ``read_back_say`` is the template per language, such as
    ``"{doctor}, {day} at {time}. Shall I book it?"``.
    """

    name: str
    does: str
    risk: Literal["low", "medium", "high"]
    service: str
    operation: str
    method: str
    url: str
    timeout_s: float
    parameters: dict[str, object]
    read_back: tuple[str, ...] = ()
    read_back_say: dict[str, str] = field(default_factory=dict)
    per_call: int | None = None
    idempotent: bool = True


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """One place a handoff tries, in order: a desk's number, or a promised call-back."""

    kind: Literal["desk", "callback"]
    desk: str
    number: str = ""
    open_now: bool = True
    wait_s: float = 40.0
    within_working_h: int = 4
    hours: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A resolved agent version. ``digest`` is ``sha256:…`` over everything below but itself.

    Attributes:
        phrases: id → language → words of every fixed phrase: ``disclosure``,
            ``greeting``, ``fallback``, ``emergency``, ``still-there``, ``goodbye``,
            ``handoff``, ``no-one-free``, ``ask-number``, ``callback-promised``,
            ``capacity``, ``opted-out``, ``moment``, ``rule.<pack>.<name>`` …
        rules: compiled by ``controls.rules.engine`` from packs and own rules.
        known_phrases: sentences the offline recogniser is to expect.
    """

    name: str
    title: str
    digest: str
    tenant: str
    operator_of_record: str
    language: str
    voice: str
    patience: Literal["quick", "normal", "unhurried"]
    prompt: str
    phrases: dict[str, dict[str, str]]
    tools: tuple[Tool, ...]
    handoff: tuple[DeskRoute, ...]
    silence: Silence
    longest_call_s: float
    known_phrases: tuple[str, ...]
    known_words: tuple[str, ...]
    misheard_in_a_row: int
    retention_days: dict[str, int] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
