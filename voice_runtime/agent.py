"""An agent folder and its configuration, resolved to one digested release.

``Release`` is what is approved, bound to calls and shown everywhere. Everything
a call needs to know about its agent is in it, frozen; nothing else is read
while a call runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from controls.capture import Wanted
from controls.decision import Ask
from controls.disclosures import Extra
from controls.tool_limits import AmountLimit
from voice_runtime.hours import Hours

if TYPE_CHECKING:
    from controls.intents import Intents
    from controls.jurisdiction import Jurisdictions
    from controls.redaction.file import Redaction
    from controls.retention import Schedule
    from controls.risk import RiskModel
    from controls.rules.engine import Rules


#: What a model calls the languages operators ask for; any other is named by its tag alone.
LANGUAGE_NAMES: Mapping[str, str] = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese",
    "ko": "Korean", "nl": "Dutch", "pl": "Polish", "pt": "Portuguese", "tl": "Tagalog", "vi": "Vietnamese",
    "zh": "Chinese",
}  # fmt: skip
_ANSWER_IN = re.compile(r"^Answer in (?:[A-Z][a-z]+ )?\(([A-Za-z-]{2,20})\)", re.MULTILINE)


def answer_in(language: str) -> str:
    """The prompt's last section: which language to answer in. The same words for every call."""
    name = LANGUAGE_NAMES.get(language.partition("-")[0], "")
    return (
        f"# Language\n\nAnswer in {f'{name} ' if name else ''}({language}), also when the caller mixes "
        "languages. Words for tools are written in that language too. Whoever asks for another language is "
        "offered a person.\n"
    )


def answered_in(prompt: str) -> str:
    """The language a prompt asks for, as ``answer_in`` writes it; "" when it asks for none."""
    found = _ANSWER_IN.findall(prompt)
    return str(found[-1]) if found else ""


class Known(NamedTuple):
    """What callers of one release may say in one language.

    Attributes:
        phrases: whole sentences, lower case, without punctuation or figures.
        words: names and terms, likewise.
        pronunciations: word → its sounds in ARPAbet, for an English recogniser.
        urgent: sentences that name an emergency or ask for a person, likewise plain; not the agent's own.
    """

    phrases: tuple[str, ...]
    words: tuple[str, ...]
    pronunciations: Mapping[str, str]
    urgent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    ask_after_s: float
    end_after_s: float


@dataclass(frozen=True, slots=True)
class McpTool:
    """A tool of a server of the Model Context Protocol.

    Attributes:
        tool: its name there.
        pinned: digest of all the server said of it when it was reviewed, ``sha256:…``.
        command: program and arguments of a server that this machine starts; else ``url``.
        key_env: variable in which such a program is given the profile's key.
    """

    tool: str
    pinned: str
    command: tuple[str, ...] = ()
    url: str = ""
    key_env: str = ""


@dataclass(frozen=True, slots=True)
class ByKeys:
    """An argument that the caller enters by keys, and nobody else ever sees."""

    argument: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool the agent may use, with its service's endpoint and JSON Schema resolved.

    ``url`` of a service the process brings itself has the host ``<service>.invalid``;
    its real address comes with the service when it has started.

    ``approval``: who decides on each use of it, besides whom the rules ask.
    ``capture``: the argument the caller enters by keys once everything else is settled.
    ``read_back`` names the arguments the caller must confirm before the effect;
    ``read_back_say`` is the template per language, for all of the release's, such as
    ``"{doctor}, {day} at {time}. Shall I book it?"``.
    ``per_day`` (uses) and ``amount`` count in any 24 hours, over all calls of the agent.
    ``result`` is the JSON Schema of what it answers; None takes any object.
    ``mcp``: it is a tool of such a server, and has no method and no url.
    ``dry_run``: judged, recorded and read back, never sent.
    ``doubt_lasts_h``: hours in which the same use for the same caller, in any call, counts as the same
    while nobody knows whether it was done; 0 is for the length of the call.
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
    approval: Ask | None = None
    per_day: int | None = None
    amount: AmountLimit | None = None
    result: dict[str, object] | None = None
    dry_run: bool = False
    doubt_lasts_h: int = 0
    mcp: McpTool | None = None
    capture: ByKeys | None = None

    @property
    def asked(self) -> dict[str, object]:
        """The JSON Schema of what the model gives: ``parameters`` without what is entered by keys."""
        if self.capture is None:
            return self.parameters
        name, required = self.capture.argument, self.parameters.get("required")
        properties = self.parameters.get("properties")
        return self.parameters | {
            "properties": {k: v for k, v in properties.items() if k != name}
            if isinstance(properties, Mapping) else {},
            "required": [k for k in required if k != name] if isinstance(required, list | tuple) else [],
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class DeskRoute:
    """One place a handoff tries, in order: a desk's number, or a promised call-back.

    Attributes:
        title: what callers hear the desk called, such as ``reception``.
        titles: language → the same there, for languages other than the release's first.
        always: tried outside the desk's hours too.
        urgent_only: only who has an emergency is put through there.
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
    titles: Mapping[str, str] = field(default_factory=dict)
    urgent_only: bool = False

    def title_in(self, language: str) -> str:
        """What callers hear it called in a language; ``title`` where nothing else is given."""
        return self.titles.get(language, self.title)


@dataclass(frozen=True, slots=True)
class Release:
    """A resolved agent version. ``digest`` is ``sha256:…`` over everything below but itself.

    Attributes:
        language: the first of ``languages``, which a call has unless its line or page says otherwise.
        languages: all it serves; phrases, templates and read-backs hold words in each of them.
        phrases: id → language → words of every fixed phrase: ``disclosure``,
            ``greeting``, ``fallback``, ``emergency``, ``still-there``, ``goodbye``,
            ``handoff``, ``no-one-free``, ``ask-number``, ``callback-promised``,
            ``capacity``, ``opted-out``, ``moment``, ``rule.<pack>.<name>`` …
        known_phrases: sentences the offline recogniser is to expect in the first language; outside
            the digest. ``known_in`` has those of every language.
        say_as: language → word → how it is written for the voice, such as ``oh-KAY-for``.
        asks: what callers are asked for besides, before the conversation.
        recording: ``ask``: callers are asked whether the call may be recorded, where the law lets them agree.
        clinical: the clinical disclaimer is said at the start and the end.
        jurisdictions: what the law of a line's jurisdiction has callers asked; None asks nothing.
        templates: id → language → words with ``{values}``, judged by the guard each
            time: ``confirm-number`` ({number}), ``callback-by`` ({desk}, {by}).
        rules: compiled by ``controls.rules.engine`` from packs and own rules.
        intents: what callers ask of the runtime itself, compiled from ``configs/rules/intents.yaml``.
        redaction: what is masked before which sink; None: what is masked where nothing is configured.
        pronunciations: known word → its sounds, for words no dictionary has.
        prompt: what every language's system prompt begins with; ``prompt_in`` has the whole of it.
        facts: what the agent may say about the house; it is part of ``prompt`` too.
        handoff_after_s: a call that lasts longer is offered a person; 0 never.
        moment_after_s: a tool that takes longer is bridged by the phrase ``moment``, s.
        model: what the supplier calls the first endpoint's model, ``standin`` for none.
        risk: scores clauses and uses of tools, under the lower of the profile's and the agent's limits.
        retention, retention_shorter: ``retention.tagger(region, retention_shorter)`` tags
            what is written; ``retention_days`` are the days per class it comes to.
        context_tokens: a longer conversation is summarised to fit.
        nobody_there: the profile says that no desk answers (demo).
        left_out: packs every such agent has and this one goes without, on somebody's word; a bypass.
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
    intents: Intents | None = None
    redaction: Redaction | None = None
    purpose: str = ""
    refuses: tuple[str, ...] = ()
    owner: str = ""
    facts: str = ""
    pronunciations: dict[str, str] = field(default_factory=dict)
    handoff_after_s: float = 0.0
    moment_after_s: float = 0.7
    pass_on: tuple[str, ...] = ()
    objectives: dict[str, float] = field(default_factory=dict)
    disclosure_meets: tuple[str, ...] = ()
    recording: Literal["off", "ask"] = "off"
    asks: tuple[Extra, ...] = ()
    clinical: bool = False
    jurisdictions: Jurisdictions | None = None
    retention_schedule: str = ""
    retention: Schedule | None = None
    retention_shorter: dict[str, int] = field(default_factory=dict)
    model: str = ""
    risk: RiskModel | None = None
    context_tokens: int = 6000
    nobody_there: bool = False
    left_out: tuple[str, ...] = ()
    resolved: bytes = field(default=b"", repr=False)
    languages: tuple[str, ...] = ()
    say_as: dict[str, dict[str, str]] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.languages:
            object.__setattr__(self, "languages", (self.language,))

    def prompt_in(self, language: str) -> str:
        """The system prompt of a call in ``language``: the same bytes for every such call.

        Raises:
            ValueError: the release does not serve it.
        """
        self._serves(language)
        return f"{self.prompt.rstrip()}\n\n{answer_in(language)}"

    def known_in(self, language: str) -> Known:
        """What callers may say in ``language``, as a recogniser's hints.

        Raises:
            ValueError: the release does not serve it.
        """
        self._serves(language)
        if language in self.known:
            return self.known[language]
        first = language == self.language
        return Known(self.known_phrases if first else (), self.known_words, self.pronunciations)

    def _serves(self, language: str) -> None:
        if language not in self.languages:
            raise ValueError(f"agent {self.name} serves {', '.join(self.languages)}, not {language}")

    def routes_at(self, unix_s: float) -> tuple[DeskRoute, ...]:
        """The places a handoff tries, with ``open_now`` as of that Unix time, s."""
        return tuple(replace(r, open_now=self._open(r, unix_s)) for r in self.handoff)

    def _open(self, route: DeskRoute, unix_s: float) -> bool:
        if route.kind == "callback":  # a promise can be made at any hour
            return True
        return not self.nobody_there and (route.always or Hours.parse(route.hours).open_at(unix_s))
