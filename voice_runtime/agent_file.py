"""An agent folder's ``agent.yaml`` as a closed model: what an operator may decide, and nothing else.

No switch here turns the disclosure, the guard, the record or key 0 off. A field
whose control does not exist yet is refused as "not supported yet".
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from controls.capture import USUAL, Kind, Wanted
from controls.disclosures import Extra
from controls.ledger.records import Language, Slug
from controls.redaction.file import Sink, Types
from controls.rules.own import OwnRule
from voice_runtime.risk_limits import RiskLimits
from voice_runtime.services import ArgumentName, Name
from voice_runtime.tool_file import Amount, AtMost
from voice_runtime.yaml_file import Closed, NotYet

Sentence = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Said = dict[Language, Sentence]
#: A word or name as it stands in a text, and how it is spelled for the voice: letters, apostrophes,
#: hyphens and spaces only, so that nothing but a pronunciation can be put in its place.
SpokenWord = Annotated[str, StringConstraints(pattern=r"^\p{L}[\p{L}\p{N}' -]{0,39}$")]
Respelling = Annotated[str, StringConstraints(pattern=r"^\p{L}[\p{L}' -]{0,79}$")]
#: Respelled words of one language.
MOST_SAY_AS = 500
Phones = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}( [A-Z]{1,2})*$", max_length=120)]


class Languages(Closed):
    first: Language = Field(description="the language the agent opens in, such as en-US")
    also: tuple[Language, ...] = Field(
        default=(), max_length=7, description="further languages it serves, such as [es-US]"
    )
    any_other: Literal["handoff"] = Field(
        default="handoff", description="what callers of other languages get: a person"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Languages:
        if len({self.first, *self.also}) != 1 + len(self.also):
            raise PydanticCustomError(
                "languages",
                "names a language twice",
                {"remedy": "name each once; first is not repeated in also"},
            )
        return self

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, the first one first."""
        return (self.first, *self.also)


class Disclosure(Closed):
    """What the caller hears first. It cannot be switched off."""

    meets: tuple[Slug, ...] = Field(
        min_length=1, description="wording rules in configs/disclosures, such as eu-ai-act"
    )
    say: Said = Field(min_length=1, description="language → its exact words")
    recording: Literal["off", "ask"] = Field(
        default="off",
        description="off: nothing is recorded or asked; ask: callers are asked, where the law allows it",
    )
    asks: tuple[Extra, ...] = Field(
        default=(),
        description="what callers are asked for besides: listening (a person listens in), training (the text "
        "may improve the system), callback; without a yes none of it is done",
    )
    clinical: bool = Field(
        default=False,
        description="true: the phrases clinical-start and clinical-end are said at the start and the end",
    )

    @field_validator("recording", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: Any) -> Any:
        return "off" if value is False else value  # YAML 1.1 reads a bare off as false


class KnownWord(Closed):
    """A word callers use that dictionaries may lack; plain, or with its sounds."""

    word: Annotated[str, StringConstraints(pattern=r"^\p{L}[\p{L}\p{N}' -]{0,39}$")] = Field(
        description="the word as it is written"
    )
    sounds: Phones | None = Field(default=None, description='its sounds in ARPAbet, such as "OW K AH F ER"')
    language: Language | None = Field(default=None, description="left out: callers of every language use it")

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"word": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(core))]}


class SilenceLimits(Closed):
    ask_after_s: float = Field(default=8, ge=3, le=60, description="s of silence before asking")
    end_after_s: float = Field(default=30, ge=10, le=300, description="s of silence before ending the call")

    @model_validator(mode="after")
    def _ordered(self) -> SilenceLimits:
        if self.ask_after_s >= self.end_after_s:
            raise PydanticCustomError(
                "silence", "ends before it asks", {"remedy": "make ask_after_s less than end_after_s"}
            )
        return self


class Conversation(Closed):
    voice: Slug = Field(description="a voice that the profile defines, such as warm")
    engines: Literal["standard"] = Field(
        default="standard", description="an engine set that the profile defines"
    )
    patience: Literal["quick", "normal", "unhurried"] = Field(
        default="normal",
        description="how long to wait for a caller who pauses: words that break off end the turn after 1.6 s "
        "(quick), 2.4 s (normal) or 3.2 s (unhurried), unless the profile says otherwise",
    )
    known_words: tuple[KnownWord, ...] = Field(
        default=(), max_length=500, description="names and terms callers use"
    )
    say_as: dict[Language, dict[SpokenWord, Respelling]] = Field(
        default={},
        description="language → word → how the voice is to read it, such as {en-US: {Okafor: oh-KAY-for}}",
    )
    silence: SilenceLimits = Field(default=SilenceLimits(), description="what silence leads to")
    moment_after_s: float = Field(
        default=0.7, ge=0.3, le=10, description="s a tool may take before the phrase `moment` is spoken, once"
    )
    longest_call_min: float = Field(default=15, ge=1, le=120, description="minutes after which a call ends")

    @field_validator("say_as")
    @classmethod
    def _few(cls, value: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
        if any(len(words) > MOST_SAY_AS for words in value.values()):
            raise PydanticCustomError(
                "say_as", "has too many words", {"remedy": f"keep it to {MOST_SAY_AS} a language"}
            )
        return value


class ApprovalBy(Closed):
    """A person decides on each use before it happens; the rules may ask for one besides."""

    by: Slug = Field(description="a role of configs/people.yaml, such as practice-manager")
    within_s: int = Field(default=60, ge=10, le=300, description="s the caller waits for it")
    else_: Literal["refuse", "handoff"] = Field(
        alias="else", default="refuse", description="when nobody decides in time: refuse, or handoff"
    )


class Digits(Closed):
    least: int = Field(ge=1, le=30, description="figures it has at least")
    most: int = Field(ge=1, le=30, description="figures it has at most")


class Capture(Closed):
    """One argument is entered by the caller's keys, with everything else paused."""

    argument: ArgumentName = Field(description="the argument that only the caller enters, such as card")
    what: Kind = Field(
        description="card (its check digit is checked), card-code, account, national-id, number"
    )
    digits: Digits | None = Field(
        default=None, description="of account, national-id or number, such as {least: 8, most: 12}"
    )

    @model_validator(mode="after")
    def _fits(self) -> Capture:
        if self.digits is None:
            return self
        if self.what in ("card", "card-code"):
            raise PydanticCustomError(
                "capture", "says how long a card's figures are", {"remedy": "remove digits"}
            )
        if self.digits.least > self.digits.most:
            raise PydanticCustomError(
                "capture", "has more figures at least than at most", {"remedy": "make least at most most"}
            )
        return self

    @property
    def wanted(self) -> Wanted:
        """What is to be entered."""
        usual = USUAL[self.what]
        return usual if self.digits is None else Wanted(self.what, self.digits.least, self.digits.most)


class ToolEntry(Closed):
    does: str = Field(min_length=1, max_length=300, description="what it does, for people and for the model")
    calls: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9_]*$")] = Field(
        description="service/operation in configs/services.yaml, such as appointments/book"
    )
    risk: Literal["low", "medium", "high"] = Field(description="what a wrong use would cost")
    read_back: tuple[ArgumentName, ...] = Field(
        default=(), description="arguments the caller must confirm before it happens"
    )
    read_back_say: Said = Field(
        default={}, description='language → the question, such as "{day} at {time}. Shall I book it?"'
    )
    at_most: AtMost | None = Field(default=None, description="such as {per_call: 2, per_day: 20}")
    amount: Amount | None = Field(
        default=None, description="such as {argument: total, at_most: 200, per_day: 1000}"
    )
    dry_run: bool = Field(
        default=False, description="true: judged, recorded and read back, never sent; the model is told so"
    )
    undo_with: Name | None = Field(default=None, description="the tool that takes it back")
    doubt_lasts_h: int | None = Field(
        default=None,
        ge=1,
        le=72,
        description="hours for which the same use for the same number, in another call too, is no second one "
        "while nobody knows whether the first was done",
    )
    approval: ApprovalBy | None = Field(
        default=None, description="such as {by: practice-manager, within_s: 60, else: refuse}"
    )
    capture: Capture | None = Field(
        default=None, description="such as {argument: card, what: card}: the caller enters it by keys"
    )

    @model_validator(mode="after")
    def _asked(self) -> ToolEntry:
        if bool(self.read_back) != bool(self.read_back_say):
            raise PydanticCustomError(
                "read_back",
                "has only one of read_back and read_back_say",
                {"remedy": "write which arguments are read back, and the question per language"},
            )
        for words in self.read_back_say.values():
            if placeholders(words) != set(self.read_back):
                raise PydanticCustomError(
                    "read_back",
                    "asks about other arguments than it reads back",
                    {
                        "remedy": "name each one once in braces: "
                        + " ".join(f"{{{a}}}" for a in self.read_back)
                    },
                )
        if self.capture is not None and self.capture.argument in self.read_back:
            raise PydanticCustomError(
                "capture",
                "is entered by keys and read back",
                {"remedy": f"remove {self.capture.argument} from read_back and read_back_say"},
            )
        if self.risk == "high" and not self.read_back:
            raise PydanticCustomError(
                "read_back",
                "is of high risk without a read-back",
                {"remedy": "add read_back and read_back_say"},
            )
        return self


class RulesPart(Closed):
    packs: tuple[Slug, ...] = Field(min_length=1, description="packs in configs/rules, such as truthful-ai")
    ours: tuple[OwnRule, ...] = Field(
        default=(),
        max_length=200,
        description="rules of this agent, added to the packs': in short, or with `when` as packs write them",
    )


class HandoffTo(Closed):
    """A desk (with ``during`` and ``wait_s``) or a call-back, which the caller is asked about."""

    desk: Slug | None = Field(default=None, description="a desk of configs/desks.yaml")
    during: Literal["opening-hours", "always", "emergencies"] = Field(
        default="opening-hours",
        description="opening-hours, always, or emergencies: at any hour, for nobody but them",
    )
    mode: Literal["blind"] = Field(default="blind", description="blind: the caller is put through at once")
    wait_s: float = Field(default=40, ge=5, le=180, description="s to let it ring")
    callback: Slug | None = Field(default=None, description="the desk that will call back")
    within_working_h: int = Field(default=4, ge=1, le=40, description="working hours within which it calls")

    @field_validator("mode", mode="before")
    @classmethod
    def _warm(cls, value: Any) -> Any:
        if value == "warm":
            raise PydanticCustomError("not_yet", "is not supported yet")
        return value

    @model_validator(mode="after")
    def _one_place(self) -> HandoffTo:
        if (self.desk is None) == (self.callback is None):
            raise PydanticCustomError("handoff", "needs one place", {"remedy": "write desk, or callback"})
        only = {"during", "mode", "wait_s"} if self.callback else {"within_working_h"}
        if strange := sorted(only & self.model_fields_set):
            raise PydanticCustomError(
                "handoff",
                "mixes a desk and a call-back",
                {"remedy": f"remove {', '.join(strange)}"},
            )
        return self


class HandoffAlso(Closed):
    misheard_in_a_row: int = Field(
        default=2, ge=1, le=5, description="turns not understood one after another"
    )
    call_lasts_min: float | None = Field(default=None, ge=1, le=120, description="minutes a call has lasted")


class Handoff(Closed):
    """Asking for a person, key 0 and emergencies always lead here, whatever is written."""

    also_when: HandoffAlso = Field(default=HandoffAlso(), description="further reasons")
    to: tuple[HandoffTo, ...] = Field(min_length=1, max_length=8, description="places to try, in order")
    pass_on: tuple[Literal["reason", "summary", "details_given", "transcript"], ...] = Field(
        default=("reason", "summary", "details_given"), description="what the person is given"
    )

    @field_validator("to")
    @classmethod
    def _ends_in_a_promise(cls, value: tuple[HandoffTo, ...]) -> tuple[HandoffTo, ...]:
        if not value[-1].callback:
            raise PydanticCustomError(
                "handoff",
                "ends with nobody when no desk answers",
                {"remedy": "end the list with {callback: DESK, within_working_h: 4}"},
            )
        return value


class Retention(Closed):
    schedule: Slug = Field(description="a schedule of configs/retention.yaml")
    shorter: dict[Slug, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="class → fewer days than the schedule keeps, such as transcripts: 30"
    )


class Objectives(Closed):
    """Measured on every call."""

    asr_to_first_token_p95_ms: float = Field(default=800, gt=0, description="ms")
    first_audio_out_p95_ms: float = Field(default=1400, gt=0, description="ms")
    disclosure_played_in_full_percent: float = Field(default=99, ge=0, le=100, description="percent")
    person_reached_p90_s: float = Field(default=60, gt=0, description="s")


class AgentFile(Closed):
    """``agents/<name>/agent.yaml``."""

    format: Literal[1] = Field(description="1")
    title: str = Field(min_length=1, max_length=120, description="what people call this agent")
    purpose: str = Field(min_length=10, max_length=500, description="what it is for, in a sentence or two")
    refuses: tuple[Annotated[str, StringConstraints(min_length=2, max_length=80)], ...] = Field(
        min_length=1, description="what it never does, such as [diagnosis, test results]"
    )
    owner: Slug = Field(description="a role of configs/people.yaml, such as practice-manager")
    operator_of_record: str = Field(min_length=2, max_length=120, description="who answers for it in law")
    languages: Languages = Field(description="such as {first: en-US, any_other: handoff}")
    disclosure: Disclosure = Field(description="what the caller hears first; it cannot be switched off")
    conversation: Conversation = Field(description="voice, patience, silence, longest call")
    phrases: dict[Slug, Said] = Field(
        default={}, description="phrase id → language → words; see configs/phrases for the ids"
    )
    tools: dict[Name, ToolEntry] = Field(default={}, max_length=40, description="tool name → what it does")
    dry_run: bool = Field(default=False, description="true: no use of any tool is sent")
    rules: RulesPart = Field(description="such as {packs: [truthful-ai, abuse]}")
    risk: RiskLimits = Field(
        default=RiskLimits(),
        description="lower limits of the risk score than the profile's, such as {block_at: 90}",
    )
    handoff: Handoff = Field(description="how callers reach people")
    redaction: dict[Sink, Types] = Field(
        default={},
        description="sink → personal data masked there besides what configs/redaction.yaml masks, "
        "such as {model: [birth-date]}",
    )
    retention: Retention = Field(description="such as {schedule: us-clinic}")
    objectives: Objectives = Field(default=Objectives(), description="measured on every call")
    before_release: NotYet = None

    @field_validator("phrases")
    @classmethod
    def _no_disclosure(cls, value: Mapping[str, Said]) -> Mapping[str, Said]:
        if "disclosure" in value:
            raise PydanticCustomError(
                "phrases", "repeats the disclosure", {"remedy": "write it under disclosure.say"}
            )
        return value


def placeholders(words: str) -> set[str]:
    """Names in braces; ``{"?"}`` when the braces are not plain ``{name}``."""
    try:
        parts = [(n, spec, how) for _, n, spec, how in Formatter().parse(words) if n is not None]
    except ValueError:
        return {"?"}
    if any(spec or how or not n.isidentifier() for n, spec, how in parts):
        return {"?"}
    return {n for n, _, _ in parts}
