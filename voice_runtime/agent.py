"""An agent folder and its configuration, resolved to one digested release.

``Release`` is what is approved, bound to calls and shown everywhere. Everything
a call needs to know about its agent is in it, frozen; nothing else is read
while a call runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from voice_runtime.hours import Hours

if TYPE_CHECKING:
    from controls.retention import Schedule
    from controls.rules.engine import Rules


@dataclass(frozen=True, slots=True)
class Silence:
    ask_after_s: float
    end_after_s: float


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool the agent may use, with its service's endpoint and JSON Schema resolved.

    ``url`` of a service the process brings itself has the host ``<service>.invalid``;
    its real address comes with the service when it has started.

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
    undo_with: str = ""


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """One place a handoff tries, in order: a desk's number, or a promised call-back.

    Attributes:
        title: what callers hear the desk called, such as ``reception``.
        always: tried outside the desk's hours too.
        open_now: somebody is there; as of ``Release.routes_at``, False until asked.
        hours: see ``voice_runtime.hours``.
    """

    kind: Literal["desk", "callback"]
    desk: str
    number: str = ""
    open_now: bool = False
    wait_s: float = 40.0
    within_working_h: int = 4
    hours: str = ""
    title: str = ""
    always: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    """A resolved agent version. ``digest`` is ``sha256:…`` over everything below but itself.

    Attributes:
        phrases: id → language → words of every fixed phrase: ``disclosure``,
            ``greeting``, ``fallback``, ``emergency``, ``still-there``, ``goodbye``,
            ``handoff``, ``no-one-free``, ``ask-number``, ``callback-promised``,
            ``capacity``, ``opted-out``, ``moment``, ``rule.<pack>.<name>`` …
        known_phrases: sentences the offline recogniser is to expect; outside the digest.
        templates: id → language → words with ``{values}``, judged by the guard each
            time: ``confirm-number`` ({number}), ``callback-by`` ({desk}, {by}).
        rules: compiled by ``controls.rules.engine`` from packs and own rules.
        pronunciations: known word → its sounds, for words no dictionary has.
        facts: what the agent may say about the house; it is part of ``prompt`` too.
        handoff_after_s: a call that lasts longer is offered a person; 0 never.
        model: what the supplier calls the first endpoint's model, ``standin`` for none.
        retention, retention_shorter: ``retention.tagger(region, retention_shorter)`` tags
            what is written; ``retention_days`` are the days per class it comes to.
        nobody_there: the profile says that no desk answers (demo).
        resolved: what ``digest`` is taken over, as canonical JSON (RFC 8785).
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
    templates: dict[str, dict[str, str]] = field(default_factory=dict)
    rules: Rules | None = None
    purpose: str = ""
    refuses: tuple[str, ...] = ()
    owner: str = ""
    facts: str = ""
    pronunciations: dict[str, str] = field(default_factory=dict)
    handoff_after_s: float = 0.0
    pass_on: tuple[str, ...] = ()
    objectives: dict[str, float] = field(default_factory=dict)
    disclosure_meets: tuple[str, ...] = ()
    retention_schedule: str = ""
    retention: Schedule | None = None
    retention_shorter: dict[str, int] = field(default_factory=dict)
    model: str = ""
    nobody_there: bool = False
    resolved: bytes = field(default=b"", repr=False)

    def routes_at(self, unix_s: float) -> tuple[DeskRoute, ...]:
        """The places a handoff tries, with ``open_now`` as of that Unix time, s."""
        return tuple(replace(r, open_now=self._open(r, unix_s)) for r in self.handoff)

    def _open(self, route: DeskRoute, unix_s: float) -> bool:
        if route.kind == "callback":  # a promise can be made at any hour
            return True
        return not self.nobody_there and (route.always or Hours.parse(route.hours).open_at(unix_s))
